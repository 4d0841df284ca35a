import { addIdentities, NO_IDENTITIES } from '../core/identities.ts';
import { LIMITS } from '../core/limits.ts';
import type { LaneState, Witness } from '../store/event-store.ts';
import {
  type Counted,
  isSealed,
  isWithin,
  type LedgerCopy,
  type NumberRange,
  type Sealed,
  type SealedCollector,
  without,
} from './sealed.ts';

/** What a row of the ledger holds, once decoded. */
export interface LedgerPart {
  readonly entries: ReadonlyMap<number, readonly LedgerCopy[]>;
  readonly ackedThrough: number;
  readonly voids: ReadonlySet<number>;
  /** When the newest of its records arrived in the log, in epoch milliseconds; 0 where the log does not say. */
  readonly arrivedAtMs: number;
}

/** A row of the ledger: what one lane processed of one source and one block of a collector's numbers. */
export interface LedgerBlock extends LedgerPart {
  /** In no lane's batch: see `Row`. */
  readonly isApart?: boolean;
  readonly collector: string;
  readonly lane: string;
  readonly source: string;
}

/** A record that lies in the log and is not processed yet. */
export interface PendingRecord {
  readonly lane: string;
  readonly sequence: bigint;
  readonly collector: string;
  readonly number: number;
  readonly count: number;
  readonly source: string;
  readonly hour: string;
  /** Numbers that its header says are void. */
  readonly voids: readonly number[];
  /** The sum of its items' checksums, as its header has it. */
  readonly identities?: number | undefined;
}

/** What opening and reading the log found. A torn write at its end was never acknowledged, and is no fault. */
export interface LogFinding {
  readonly kind:
    | 'torn_tail_cut'
    | 'corruption'
    | 'records_missing'
    | 'tail_missing'
    | 'header_corrupt'
    | 'segment_unreadable';
  readonly detail: string;
  readonly lane?: string | undefined;
  readonly sequence?: bigint | undefined;
}

/** What the log says, looked at before the store. */
export interface LogView {
  /** All records after each lane's `done`, as the store had it at some moment before; absent where they cannot be listed. */
  readonly records?: readonly PendingRecord[] | undefined;
  readonly findings: readonly LogFinding[];
  /**
   * Every lane that the log holds anything of, with the time at which all of it was done, in epoch milliseconds; undefined where
   * that cannot be said. A lane that is not here is gone. Absent where nobody can tell.
   */
  readonly lanes?: ReadonlyMap<string, number | undefined> | undefined;
}

/**
 * How far the lanes are. Sequence numbers of two lanes say nothing of which came first, so over several lanes it is told by time:
 * a moment is passed when each lane has done a record that arrived `ledgerClockMsMax` later, or was seen with nothing left then.
 */
export class Progress {
  readonly #lanes: ReadonlyMap<string, LaneState>;
  readonly #isAlone: boolean;
  /** Undefined when of some lane nothing is known. */
  readonly #passedAtMs: number | undefined;

  constructor({ lanes, log }: { readonly lanes: ReadonlyMap<string, LaneState>; readonly log?: LogView | undefined }) {
    this.#lanes = lanes;
    const names = new Set(log?.lanes === undefined ? lanes.keys() : log.lanes.keys());
    this.#isAlone = names.size <= 1 && [...names].every((name) => lanes.has(name)) && lanes.size <= 1;
    const times = [...names].map((lane) => log?.lanes?.get(lane) ?? lanes.get(lane)?.arrivedAtMs ?? Number.NaN);
    const least = Math.min(...times);
    this.#passedAtMs = Number.isNaN(least) ? undefined : least;
  }

  /** What was read of a lane may be of after its state was read. */
  isDone({ lane, sequence }: { readonly lane: string; readonly sequence: bigint }): boolean {
    return sequence <= (this.#lanes.get(lane)?.done ?? -1n);
  }

  /** Whether all that was in the log when these records were sent is done. They are done themselves. */
  hasPassedRecords({ arrivedAtMs }: Pick<LedgerPart, 'arrivedAtMs'>): boolean {
    return this.#isAlone || this.#hasPassed(arrivedAtMs);
  }

  hasPassedWitness({ lane, sequence, atMs }: Witness): boolean {
    if (this.#isAlone) return this.isDone({ lane, sequence });
    return atMs !== undefined && this.#hasPassed(atMs);
  }

  #hasPassed(atMs: number): boolean {
    return this.#passedAtMs !== undefined && atMs + LIMITS.ledgerClockMsMax <= this.#passedAtMs;
  }
}

/** What is known of one collector's numbers. */
export class CollectorNumbers {
  readonly sealed: SealedCollector;
  /** With what the first copy of each held, as far as that is known; nothing of what is in the sealed count already. */
  readonly #seen = new Map<number, Counted | undefined>();
  readonly #voids = new Set<number>();
  /** Every number at or below it was acknowledged or is void, and would be known by now. */
  settledThrough = -1;
  /** The highest number that anything speaks of. */
  highest: number;
  /** The latest sign of life, in epoch milliseconds. */
  lastAtMs: number;
  /** What it said of itself, once everything that it speaks of must be known. */
  witness: Witness | undefined;

  constructor(sealed: SealedCollector = { through: -1, lastAtMs: 0, lost: [], unresolved: [] }) {
    this.sealed = sealed;
    this.highest = sealed.through;
    this.lastAtMs = sealed.lastAtMs;
  }

  /** Returns whether no other copy of it is known. */
  see(
    number: number,
    { events, identities }: { readonly events: number; readonly identities: number | undefined },
  ): boolean {
    const { through, lost, unresolved } = this.sealed;
    const isFirst =
      !this.#seen.has(number) && (number > through || isWithin(lost, number) || isWithin(unresolved, number));
    if (isFirst) this.#seen.set(number, identities === undefined ? undefined : { events, identities });
    else if (!this.#seen.has(number)) this.#seen.set(number, NOTHING);
    this.hearOf(number);
    return isFirst;
  }

  addVoids(numbers: Iterable<number>): void {
    for (const number of numbers) this.#voids.add(number);
  }

  hearOf(number: number): void {
    if (number > this.highest) this.highest = number;
  }

  settle(through: number): void {
    if (through > this.settledThrough) this.settledThrough = through;
  }

  /** The numbers up to this one that are nowhere. Walks the gaps between those known, so that a gap of any size costs one step. */
  gapsThrough(last: number): { readonly lost: readonly NumberRange[]; readonly unresolved: readonly NumberRange[] } {
    const { through } = this.sealed;
    const seen = new Set(this.#seen.keys());
    const lost = [...without(this.sealed.lost, seen)];
    const unresolved = [...without(this.sealed.unresolved, seen)];
    const close = (first: number, end: number) => {
      const settled = Math.min(end, this.settledThrough);
      if (first <= settled) lost.push([first, settled]);
      const open = Math.max(first, this.settledThrough + 1);
      if (open <= end) unresolved.push([open, end]);
    };
    const known = Float64Array.from(new Set([...seen, ...this.#voids])).sort();
    let next = through + 1;
    for (const number of known) {
      if (number > last) break;
      if (number > next) close(next, number - 1);
      if (number >= next) next = number + 1;
    }
    if (last >= next) close(next, last);
    return { lost, unresolved };
  }

  /**
   * What is known of records up to this number that were promised: what came out of one that is void was not. Undefined where
   * it cannot be said.
   */
  countedThrough(last: number): Counted | undefined {
    const { through, counted = through < 0 ? NOTHING : undefined } = this.sealed;
    if (counted === undefined || last < through) return undefined;
    let { events, identities } = counted;
    for (const [number, own] of this.#seen) {
      if (number > last || this.#voids.has(number)) continue;
      if (own === undefined) return undefined;
      events += own.events;
      identities = addIdentities(identities, own.identities);
    }
    return { events, identities };
  }

  /** What it counted itself against what is known, where both can be said and they are not the same. */
  get difference(): { readonly said: Counted; readonly known: Counted; readonly through: number } | undefined {
    const { number: through, counted: said } = this.witness ?? { number: -1 };
    const known = said && this.countedThrough(through);
    if (said === undefined || known === undefined) return undefined;
    const isSame = said.events === known.events && said.identities === known.identities;
    return isSame ? undefined : { said, known, through };
  }

  /** How many records are known above this number, and not sealed. */
  seenAbove(number: number): number {
    const after = Math.max(number, this.sealed.through);
    return [...this.#seen.keys()].reduce((count, seen) => (seen > after ? count + 1 : count), 0);
  }
}

const NOTHING: Counted = { events: 0, identities: NO_IDENTITIES };

/** A copy of a record that is done and not sealed. */
export interface OpenCopy {
  readonly block: LedgerBlock;
  readonly number: number;
  readonly copy: LedgerCopy;
  readonly isFirst: boolean;
}

/** Whether a collector counted something else than is known, though none of the numbers that it speaks of is missing. */
export function isUnexplained(numbers: CollectorNumbers): boolean {
  const { difference } = numbers;
  if (difference === undefined) return false;
  const { lost, unresolved } = numbers.gapsThrough(difference.through);
  return lost.length + unresolved.length === 0;
}

/** Goes through the rows of the ledger, and keeps what they say of the collectors' numbers. */
export class LedgerReading {
  readonly #sealed: Sealed;
  readonly #progress: Progress;
  readonly collectors: Map<string, CollectorNumbers>;

  constructor({ sealed, progress }: { readonly sealed: Sealed; readonly progress: Progress }) {
    this.#sealed = sealed;
    this.#progress = progress;
    this.collectors = new Map(
      [...sealed.collectors].map(([collector, numbers]) => [collector, new CollectorNumbers(numbers)]),
    );
  }

  of(collector: string): CollectorNumbers {
    const known = this.collectors.get(collector);
    if (known !== undefined) return known;
    const numbers = new CollectorNumbers();
    this.collectors.set(collector, numbers);
    return numbers;
  }

  /** To be gone through to its end. */
  *take(block: LedgerBlock): Generator<OpenCopy> {
    const { collector, lane, entries, ackedThrough, voids, arrivedAtMs } = block;
    const numbers = this.of(collector);
    let isWhole = true;
    let hour = '';
    for (const [number, copies] of entries) {
      for (const copy of copies) {
        const place = { collector, number, lane, sequence: copy.sequence };
        const held = { events: copy.count, identities: copy.identities?.came };
        if (copy.hour > hour) hour = copy.hour;
        if (block.isApart === true) yield { block, number, copy, isFirst: numbers.see(number, held) };
        else if (!this.#progress.isDone(place)) isWhole = false;
        else if (!isSealed(this.#sealed, place)) yield { block, number, copy, isFirst: numbers.see(number, held) };
      }
    }
    numbers.addVoids(voids);
    numbers.hearOf(ackedThrough);
    // What is not done yet may have been sent when others were acknowledged that are not done either.
    if (isWhole && block.isApart !== true && this.#progress.hasPassedRecords(block)) numbers.settle(ackedThrough);
    numbers.lastAtMs = Math.max(numbers.lastAtMs, arrivedAtMs || endOf(hour));
  }

  /**
   * A witness was written when the log ended where it says. Its number counts once all that was in the log then is done, or
   * at once where all that the log still holds is known.
   */
  hear(witness: Witness, { isLogListed }: { readonly isLogListed: boolean }): void {
    const { collector, number, atMs = 0 } = witness;
    const numbers = this.of(collector);
    numbers.hearOf(number);
    numbers.lastAtMs = Math.max(numbers.lastAtMs, atMs);
    if (isLogListed || this.#progress.hasPassedWitness(witness)) {
      numbers.settle(number);
      numbers.witness = witness;
    }
  }
}

const HOUR_MS = 3_600_000;

function endOf(hour: string): number {
  return hour === '' ? 0 : Date.parse(`${hour}:00:00Z`) + HOUR_MS;
}

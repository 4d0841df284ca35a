import { randomBytes } from 'node:crypto';
import { addIdentities, NO_IDENTITIES } from '../core/identities.ts';
import { LIMITS } from '../core/limits.ts';

/** Consecutive numbers taken for the records of one append, and what their headers say of the numbers before. */
export interface NumberRange {
  readonly first: number;
  readonly count: number;
  readonly ackedThrough: number;
  readonly voids: readonly number[];
}

/** Events that were acknowledged: how many, and the sum of their checksums. */
export interface Counted {
  readonly events: number;
  readonly identities: number;
}

/** What a collector can say of itself: what it acknowledged under its numbers up to this one, by its own count. */
export interface Witnessed {
  readonly number: number;
  readonly counted: Counted;
}

/** `counted` is absent where the append failed. */
interface Settled {
  readonly last: number;
  readonly counted?: Counted;
}

/** What was acknowledged under numbers with no void between, up to the last. */
interface Unwitnessed {
  last: number;
  events: number;
  identities: number;
}

/** Void numbers, from the first to the last. */
interface Run {
  readonly first: number;
  readonly last: number;
}

const NO_VOIDS: readonly number[] = [];

/**
 * The collector's side of the ledger (docs/exactly-once.md): gives each record a number, from 0, and keeps what a
 * reader needs to tell a lost record from one that was never promised. Every range taken must be settled once, by
 * `acknowledge` or `fail`.
 */
export class Numbering {
  /** Fresh for every process or function environment, so that numbers never repeat. */
  readonly collector: string;
  #next = 0;
  /** At or below it, every number is settled. */
  #settledThrough = -1;
  /** Ranges settled above it, by first number. */
  readonly #settledAbove = new Map<number, Settled>();
  #witnessedThrough = -1;
  /** Acknowledged under the numbers up to there. */
  #events = 0;
  #identities = NO_IDENTITIES;
  /** What is acknowledged at or below it and not witnessed, in order: a void before it was told to nobody yet. */
  readonly #unwitnessed: Unwitnessed[] = [];
  /**
   * Failed numbers that no acknowledged record has carried yet, ascending. Those of all appends that fail one after the other
   * are one run, so an outage costs the same however long it is and however much is sent. Replaced, never changed.
   */
  #voids: readonly Run[] = [];

  constructor(collector: string = randomBytes(8).toString('hex')) {
    this.collector = collector;
  }

  /** Every number at or below its own was acknowledged, or is void and an acknowledged record says so. -1 while there is none. */
  get witnessed(): Witnessed {
    return { number: this.#witnessedThrough, counted: { events: this.#events, identities: this.#identities } };
  }

  /** Failed numbers that wait for a record to carry them. */
  get voidsWaiting(): number {
    return this.#voids.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  }

  take(count: number): NumberRange {
    const first = this.#next;
    this.#next += count;
    const voids = firstOf(this.#voids, LIMITS.recordVoidsMax + 1);
    const held = voids[LIMITS.recordVoidsMax];
    if (held === undefined) return { first, count, ackedThrough: this.#settledThrough, voids };
    // A number at or below ackedThrough must be acknowledged or in some record's voids; those that do not fit hold it back.
    const ackedThrough = Math.min(this.#settledThrough, held - 1);
    return { first, count, ackedThrough, voids: voids.slice(0, LIMITS.recordVoidsMax) };
  }

  /**
   * The append was acknowledged: all its records are durable, and what they carried is told. What they hold is counted here
   * by itself, and not read from their headers: the one is held against the other.
   */
  acknowledge(range: NumberRange, counted: Counted): void {
    const last = range.first + range.count - 1;
    this.#voids = without(this.#voids, range.voids);
    // In nearly all cases it is simply the next, and nothing waits.
    const isNext = range.first === this.#settledThrough + 1 && this.#settledAbove.size === 0;
    if (isNext && this.#unwitnessed.length === 0 && this.#voids.length === 0) {
      this.#settledThrough = last;
      this.#witness(last, counted);
      return;
    }
    this.#settle(range.first, { last, counted });
    this.#witnessAll();
  }

  /** The append failed: none of its records was promised, whether or not one comes out. */
  fail({ first, count }: NumberRange): void {
    const last = first + count - 1;
    this.#voids = withRun(this.#voids, { first, last });
    this.#settle(first, { last });
  }

  #settle(first: number, settled: Settled): void {
    this.#settledAbove.set(first, settled);
    for (;;) {
      const next = this.#settledThrough + 1;
      const found = this.#settledAbove.get(next);
      if (found === undefined) return;
      this.#settledAbove.delete(next);
      this.#settledThrough = found.last;
      if (found.counted !== undefined) this.#awaitWitness(next, found.last, found.counted);
    }
  }

  #awaitWitness(first: number, last: number, { events, identities }: Counted): void {
    const before = this.#unwitnessed.at(-1);
    if (before?.last !== first - 1) {
      this.#unwitnessed.push({ last, events, identities });
      return;
    }
    before.last = last;
    before.events += events;
    before.identities = addIdentities(before.identities, identities);
  }

  #witnessAll(): void {
    const firstVoid = this.#voids[0]?.first ?? Number.POSITIVE_INFINITY;
    const through = Math.min(this.#settledThrough, firstVoid - 1);
    for (let next = this.#unwitnessed[0]; next !== undefined && next.last <= through; next = this.#unwitnessed[0]) {
      this.#witness(next.last, next);
      this.#unwitnessed.shift();
    }
    this.#witnessedThrough = through;
  }

  #witness(last: number, { events, identities }: Counted): void {
    this.#witnessedThrough = last;
    this.#events += events;
    this.#identities = addIdentities(this.#identities, identities);
  }
}

/** The first so many numbers, or all of them. */
function firstOf(runs: readonly Run[], most: number): readonly number[] {
  if (runs.length === 0) return NO_VOIDS;
  const numbers: number[] = [];
  for (const { first, last } of runs) {
    const end = Math.min(last, first + most - numbers.length - 1);
    for (let number = first; number <= end; number += 1) numbers.push(number);
    if (numbers.length === most) break;
  }
  return numbers;
}

/** With a run of numbers that are in none, joined with those beside it. */
function withRun(runs: readonly Run[], { first, last }: Run): readonly Run[] {
  const place = runs.findLastIndex((run) => run.first < first) + 1;
  const [before, after] = [runs[place - 1], runs[place]];
  const joinsBefore = before?.last === first - 1;
  const joinsAfter = after?.first === last + 1;
  const joined = { first: joinsBefore ? before.first : first, last: joinsAfter ? after.last : last };
  return runs.toSpliced(place - Number(joinsBefore), Number(joinsBefore) + Number(joinsAfter), joined);
}

/** Without these numbers, which are ascending; some may be in none. Runs after the last of them are not looked at. */
function without(runs: readonly Run[], numbers: readonly number[]): readonly Run[] {
  const end = numbers.at(-1);
  if (end === undefined) return runs;
  const left: Run[] = [];
  let looked = 0;
  for (const run of runs) {
    if (run.first > end) break;
    looked += 1;
    let next = run.first;
    for (const number of numbers) {
      if (number < next || number > run.last) continue;
      if (number > next) left.push({ first: next, last: number - 1 });
      next = number + 1;
    }
    if (next <= run.last) left.push({ first: next, last: run.last });
  }
  return runs.toSpliced(0, looked, ...left);
}

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

interface Settled {
  readonly last: number;
  readonly counted: Counted;
}

const NO_VOIDS: readonly number[] = [];
const NOTHING: Counted = { events: 0, identities: NO_IDENTITIES };

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
  /** Ranges settled below it that are not witnessed, in order: a void among them was told to nobody yet. */
  #unwitnessed: readonly Settled[] = [];
  /** Failed numbers, ascending, that no acknowledged record has carried yet. Replaced, never changed. */
  #voids: readonly number[] = NO_VOIDS;

  constructor(collector: string = randomBytes(8).toString('hex')) {
    this.collector = collector;
  }

  /** Every number at or below its own was acknowledged, or is void and an acknowledged record says so. -1 while there is none. */
  get witnessed(): Witnessed {
    return { number: this.#witnessedThrough, counted: { events: this.#events, identities: this.#identities } };
  }

  /** Failed numbers that wait for a record to carry them. */
  get voidsWaiting(): number {
    return this.#voids.length;
  }

  take(count: number): NumberRange {
    const first = this.#next;
    this.#next += count;
    const held = this.#voids[LIMITS.recordVoidsMax];
    if (held === undefined) return { first, count, ackedThrough: this.#settledThrough, voids: this.#voids };
    // A number at or below ackedThrough must be acknowledged or in some record's voids; those that do not fit hold it back.
    const ackedThrough = Math.min(this.#settledThrough, held - 1);
    return { first, count, ackedThrough, voids: this.#voids.slice(0, LIMITS.recordVoidsMax) };
  }

  /**
   * The append was acknowledged: all its records are durable, and what they carried is told. What they hold is counted here
   * by itself, and not read from their headers: the one is held against the other.
   */
  acknowledge(range: NumberRange, counted: Counted): void {
    const last = range.first + range.count - 1;
    if (range.voids.length > 0) {
      const carried = new Set(range.voids);
      this.#voids = this.#voids.filter((number) => !carried.has(number));
    }
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
  fail(range: NumberRange): void {
    const numbers = Array.from({ length: range.count }, (_, index) => range.first + index);
    this.#voids = [...this.#voids, ...numbers].sort((a, b) => a - b);
    this.#settle(range.first, { last: range.first + range.count - 1, counted: NOTHING });
  }

  #settle(first: number, settled: Settled): void {
    if (first !== this.#settledThrough + 1) {
      this.#settledAbove.set(first, settled);
      return;
    }
    const next = [settled];
    let through = settled.last;
    for (
      let above = this.#settledAbove.get(through + 1);
      above !== undefined;
      above = this.#settledAbove.get(through + 1)
    ) {
      this.#settledAbove.delete(through + 1);
      next.push(above);
      through = above.last;
    }
    this.#settledThrough = through;
    this.#unwitnessed = this.#unwitnessed.length === 0 ? next : [...this.#unwitnessed, ...next];
  }

  #witnessAll(): void {
    const [firstVoid = Number.POSITIVE_INFINITY] = this.#voids;
    let witnessed = 0;
    for (const { last, counted } of this.#unwitnessed) {
      if (last >= firstVoid) break;
      this.#witness(last, counted);
      witnessed += 1;
    }
    if (witnessed > 0) this.#unwitnessed = this.#unwitnessed.slice(witnessed);
  }

  #witness(last: number, { events, identities }: Counted): void {
    this.#witnessedThrough = last;
    this.#events += events;
    this.#identities = addIdentities(this.#identities, identities);
  }
}

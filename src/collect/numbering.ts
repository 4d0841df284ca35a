import { randomBytes } from 'node:crypto';
import { LIMITS } from '../core/limits.ts';

/** Consecutive numbers taken for the records of one append, and what their headers say of the numbers before. */
export interface NumberRange {
  readonly first: number;
  readonly count: number;
  readonly ackedThrough: number;
  readonly voids: readonly number[];
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
  /** Ranges settled above it, by first number, with their last. */
  readonly #settledAbove = new Map<number, number>();
  /** Failed numbers, ascending, that no acknowledged record has carried yet. Replaced, never changed. */
  #voids: readonly number[] = NO_VOIDS;

  constructor(collector: string = randomBytes(8).toString('hex')) {
    this.collector = collector;
  }

  /**
   * The number to witness: every one at or below it was acknowledged, or is void and an acknowledged record says so. -1
   * while there is none.
   */
  get settledThrough(): number {
    const [firstVoid] = this.#voids;
    return firstVoid === undefined ? this.#settledThrough : Math.min(this.#settledThrough, firstVoid - 1);
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

  /** The append was acknowledged: all its records are durable, and what they carried is told. */
  acknowledge(range: NumberRange): void {
    const last = range.first + range.count - 1;
    if (range.voids.length > 0) {
      const carried = new Set(range.voids);
      this.#voids = this.#voids.filter((number) => !carried.has(number));
    }
    this.#settle(range.first, last);
  }

  /** The append failed: none of its records was promised, whether or not one comes out. */
  fail(range: NumberRange): void {
    const numbers = Array.from({ length: range.count }, (_, index) => range.first + index);
    this.#voids = [...this.#voids, ...numbers].sort((a, b) => a - b);
    this.#settle(range.first, range.first + range.count - 1);
  }

  #settle(first: number, last: number): void {
    if (first !== this.#settledThrough + 1) {
      this.#settledAbove.set(first, last);
      return;
    }
    let through = last;
    for (
      let above = this.#settledAbove.get(through + 1);
      above !== undefined;
      above = this.#settledAbove.get(through + 1)
    ) {
      this.#settledAbove.delete(through + 1);
      through = above;
    }
    this.#settledThrough = through;
  }
}

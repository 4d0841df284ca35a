import { FRESHNESS_BYTES, Freshness } from './freshness.ts';

/** Places in the shared memory, in units of eight bytes. */
const DURABLE_PLACE = 0;
const DURABLE_SEQUENCE = 1;
const DURABLE_BYTES = 2;
const PROCESSED_SEQUENCE = 3;
const PROCESSED_BYTES = 4;
const FIELDS = 5;
const FIELD_BYTES = FIELDS * BigInt64Array.BYTES_PER_ELEMENT;

const SERIAL_SHIFT = 32n;
const END_MASK = 0xffff_ffffn;

/** Where the durable part of the log ends: segment 0 when there is none yet. */
export interface DurablePlace {
  readonly segment: number;
  readonly endBytes: number;
}

/**
 * How far the log is durable, and how far processed, in memory shared by the log (main thread) and the processor
 * (worker). Bytes count the groups of the log since it began, without the headers of segments. Each side makes its own
 * LogProgress on the one buffer.
 */
export class LogProgress {
  readonly buffer: SharedArrayBuffer;
  /** From durable to processed, as of the last minute. */
  readonly freshness: Freshness;
  readonly #fields: BigInt64Array;
  #seen = 0n;

  constructor(buffer: SharedArrayBuffer = newProgressBuffer()) {
    this.buffer = buffer;
    this.#fields = new BigInt64Array(buffer, 0, FIELDS);
    this.freshness = new Freshness(buffer, FIELD_BYTES);
  }

  /** For the log: all up to here is durable. Wakes who waits for more. */
  publish(end: DurablePlace & { readonly sequence: bigint; readonly bytes: number }): void {
    // What was found unprocessed at the start is taken to be durable since then.
    const [before, done] = [this.durableSequence, this.processedSequence];
    const known = before > done ? before : done;
    if (end.sequence > known) this.freshness.durable(end.sequence, Number(end.sequence - known));
    Atomics.store(this.#fields, DURABLE_SEQUENCE, end.sequence);
    Atomics.store(this.#fields, DURABLE_BYTES, BigInt(end.bytes));
    // Segment and byte go in one word, so that a reader never sees one without the other.
    Atomics.store(this.#fields, DURABLE_PLACE, (BigInt(end.segment) << SERIAL_SHIFT) | BigInt(end.endBytes));
    Atomics.notify(this.#fields, DURABLE_PLACE);
  }

  /** For the processor: all up to here is applied. `bytes` is the reader's `bytesConsumed`. */
  processed(sequence: bigint, bytes: number): void {
    Atomics.store(this.#fields, PROCESSED_SEQUENCE, sequence);
    Atomics.store(this.#fields, PROCESSED_BYTES, BigInt(bytes));
    this.freshness.stored(sequence);
  }

  get durable(): DurablePlace {
    this.#seen = Atomics.load(this.#fields, DURABLE_PLACE);
    return { segment: Number(this.#seen >> SERIAL_SHIFT), endBytes: Number(this.#seen & END_MASK) };
  }

  /** -1n for none. */
  get durableSequence(): bigint {
    return Atomics.load(this.#fields, DURABLE_SEQUENCE);
  }

  get durableBytes(): number {
    return Number(Atomics.load(this.#fields, DURABLE_BYTES));
  }

  /** -1n for none. */
  get processedSequence(): bigint {
    return Atomics.load(this.#fields, PROCESSED_SEQUENCE);
  }

  get processedBytes(): number {
    return Number(Atomics.load(this.#fields, PROCESSED_BYTES));
  }

  /**
   * For a worker whose reader had nothing more: blocks the thread until more is durable than this LogProgress last
   * saw (returns true), or `wake` is called, or the time is over.
   */
  waitForMore(timeoutMs: number): boolean {
    Atomics.wait(this.#fields, DURABLE_PLACE, this.#seen, timeoutMs);
    return Atomics.load(this.#fields, DURABLE_PLACE) !== this.#seen;
  }

  /** Ends every `waitForMore` that is under way. */
  wake(): void {
    Atomics.notify(this.#fields, DURABLE_PLACE);
  }
}

function newProgressBuffer(): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(FIELD_BYTES + FRESHNESS_BYTES);
  const fields = new BigInt64Array(buffer, 0, FIELDS);
  fields[DURABLE_SEQUENCE] = -1n;
  fields[PROCESSED_SEQUENCE] = -1n;
  return buffer;
}

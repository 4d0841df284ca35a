import { LIMITS } from '../../core/limits.ts';

/** How long records were durable before they were in the store, over the last `freshnessSeconds`. */
export interface FreshnessSummary {
  readonly seconds: number;
  readonly records: number;
  /** Of half of the records, and of 99 in 100, no more; up to 9 % too high, and whole milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Places in the shared memory: how many writes were noted ever, and how many of them are counted. Both wrap. */
const NOTED = 0;
const COUNTED = 1;
const COUNTERS = 2;

/** Of powers of two, so that eight classes double; the last one has all that took longer than 70 minutes. */
const CLASSES_PER_DOUBLING = 8;
const CLASSES = 1 + 22 * CLASSES_PER_DOUBLING;

const { freshnessSeconds: SECONDS, freshnessWritesMax: WRITES } = LIMITS;
const WORD_BYTES = 8;
const HALF_BYTES = 4;

/** What it takes of the shared memory. */
export const FRESHNESS_BYTES =
  COUNTERS * HALF_BYTES + 3 * WRITES * WORD_BYTES + SECONDS * WORD_BYTES + SECONDS * CLASSES * HALF_BYTES;

/**
 * Measures the time from the 2xx, which comes once a write to the log is durable, to the commit in the store, after which every
 * list and timeline has the events. The log notes its writes, the processor counts their records into classes by the second; both
 * and who reads it have a Freshness of their own on the one buffer. It costs a write a fraction of a microsecond, and a record nothing.
 */
export class Freshness {
  readonly #nowMs: () => number;
  readonly #counters: Int32Array;
  /** Of each noted write: its last sequence, its records, and when it was durable. */
  readonly #sequences: BigInt64Array;
  readonly #records: Float64Array;
  readonly #durableAtMs: Float64Array;
  /** Which second each of the last ones is, and its records by class. */
  readonly #seconds: Float64Array;
  readonly #classes: Uint32Array;

  /** `nowMs` must be one clock for all threads, and never go back. */
  constructor(buffer: SharedArrayBuffer, byteOffset: number, nowMs: () => number = monotonicMs) {
    this.#nowMs = nowMs;
    let at = byteOffset;
    const next = (bytes: number) => {
      at += bytes;
      return at - bytes;
    };
    this.#counters = new Int32Array(buffer, next(COUNTERS * HALF_BYTES), COUNTERS);
    this.#sequences = new BigInt64Array(buffer, next(WRITES * WORD_BYTES), WRITES);
    this.#records = new Float64Array(buffer, next(WRITES * WORD_BYTES), WRITES);
    this.#durableAtMs = new Float64Array(buffer, next(WRITES * WORD_BYTES), WRITES);
    this.#seconds = new Float64Array(buffer, next(SECONDS * WORD_BYTES), SECONDS);
    this.#classes = new Uint32Array(buffer, next(SECONDS * CLASSES * HALF_BYTES), SECONDS * CLASSES);
  }

  /** For the log: so many records are durable now, the last of them with this sequence. Of more than `freshnessWritesMax` writes that wait, the rest is not counted. */
  durable(sequence: bigint, records: number): void {
    const noted = Atomics.load(this.#counters, NOTED);
    if (((noted - Atomics.load(this.#counters, COUNTED)) | 0) >= WRITES) return;
    const place = placeOf(noted);
    this.#sequences[place] = sequence;
    this.#records[place] = records;
    this.#durableAtMs[place] = this.#nowMs();
    // Only now, so that whoever sees the count sees what it counts.
    Atomics.store(this.#counters, NOTED, (noted + 1) | 0);
  }

  /** For the processor: all up to here is in the store. */
  stored(sequence: bigint): void {
    const noted = Atomics.load(this.#counters, NOTED);
    let counted = Atomics.load(this.#counters, COUNTED);
    if (counted === noted) return;
    const nowMs = this.#nowMs();
    for (; counted !== noted; counted = (counted + 1) | 0) {
      const place = placeOf(counted);
      if ((this.#sequences[place] ?? 0n) > sequence) break;
      this.#count(nowMs, nowMs - (this.#durableAtMs[place] ?? nowMs), this.#records[place] ?? 0);
    }
    Atomics.store(this.#counters, COUNTED, counted);
  }

  /** Undefined where nothing came in that time. */
  summary(): FreshnessSummary | undefined {
    const newest = secondOf(this.#nowMs());
    const sums = new Array<number>(CLASSES).fill(0);
    for (const [row, second] of this.#seconds.entries()) {
      if (second <= newest - SECONDS) continue;
      for (let place = 0; place < CLASSES; place += 1) {
        sums[place] = (sums[place] ?? 0) + (this.#classes[row * CLASSES + place] ?? 0);
      }
    }
    const records = sums.reduce((sum, count) => sum + count, 0);
    if (records === 0) return undefined;
    return {
      seconds: SECONDS,
      records,
      p50Ms: quantileMs(sums, 0.5 * records),
      p99Ms: quantileMs(sums, 0.99 * records),
    };
  }

  #count(nowMs: number, tookMs: number, records: number): void {
    const second = secondOf(nowMs);
    const row = second % SECONDS;
    if (this.#seconds[row] !== second) {
      this.#classes.fill(0, row * CLASSES, (row + 1) * CLASSES);
      this.#seconds[row] = second;
    }
    const place = row * CLASSES + classOf(tookMs);
    this.#classes[place] = (this.#classes[place] ?? 0) + records;
  }
}

function placeOf(count: number): number {
  return (count >>> 0) % WRITES;
}

/** From 1, for 0 stands for none. */
function secondOf(ms: number): number {
  return Math.floor(ms / 1_000) + 1;
}

/** Class 0 is up to 1 ms; each next one ends at 2^(1/8) times the end of the one before. */
function classOf(ms: number): number {
  return ms <= 1 ? 0 : Math.min(CLASSES - 1, Math.ceil(Math.log2(ms) * CLASSES_PER_DOUBLING));
}

/** The end of the class in which so many records are reached. */
function quantileMs(sums: readonly number[], records: number): number {
  let left = records;
  const place = sums.findIndex((count) => {
    left -= count;
    return left <= 0;
  });
  return Math.round(2 ** (place / CLASSES_PER_DOUBLING));
}

/** The system's, which is one for all threads; `performance.now` begins anew in each. */
function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

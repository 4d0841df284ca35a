import type { ClickstreamError } from '../core/errors.ts';

/** What goes into the log: one record of one partition key. `data` is what `encodeRecord` makes. */
export interface LogRecord {
  readonly partitionKey: string;
  readonly data: string;
}

/** Where a record lies. Sequence numbers grow within a lane, and along a visitor's way through a resharding. */
export interface RecordPosition {
  readonly lane: string;
  readonly sequence: bigint;
}

/** What a consumer is given of one lane, in the order of `sequence`. */
export interface LaneRecord {
  readonly sequence: bigint;
  readonly data: Uint8Array;
  /** When the log took it, by the log's clock, in epoch milliseconds; absent where the log does not say. */
  readonly arrivedAtMs?: number | undefined;
}

/**
 * PORT. A durable log in lanes.
 *
 * **Guarantee.** `append` resolves only when every record given is durable (synced to the device, or acknowledged by
 * Kinesis), with the position of each in the order given. It rejects with a ClickstreamError `log_unavailable` or
 * `overloaded` (both retriable) when that cannot be had; then none of the records was promised, and none needs to come out.
 * **Lanes.** Sequence numbers tell the order within a lane, and along a partition key's way through a resharding. Those of two lanes that
 * are there at the same time say nothing of which came first; `arrivedAtMs` does, about.
 * **Order.** Records of one partition key come out in the order in which their appends were called, once each append
 * of that key was awaited before the next; the embedded log keeps the order of calls for all.
 * **Consumers** are driven from outside (a loop that tails the embedded log, an event source mapping on Kinesis): they get
 * `LaneRecord`s in order, every acknowledged one at least once, bytes unchanged.
 */
export interface EventLog {
  /**
   * Why an append of now would be refused before anything of it is written, whatever it holds; undefined where it would be tried.
   * Absent where that cannot be known. Who numbers records asks first, for a number that was given to an append must be told of.
   */
  refusal?(): ClickstreamError | undefined;
  append(records: readonly LogRecord[]): Promise<readonly RecordPosition[]>;
}

import { ClickstreamError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { Clock } from '../core/time.ts';
import type { EventLog, RecordPosition } from '../log/event-log.ts';
import { decodeRecord, encodeRecord } from '../log/record.ts';
import type { Numbering } from './numbering.ts';

/** Takes in once more what was taken in before, and came out of the log as a record that could not be processed. */
export class Redriver {
  readonly #log: EventLog;
  readonly #numbering: Numbering;
  readonly #clock: Clock;
  #failedAtMs = Number.NEGATIVE_INFINITY;

  constructor({ log, numbering, clock }: { log: EventLog; numbering: Numbering; clock: Clock }) {
    this.#log = log;
    this.#numbering = numbering;
    this.#clock = clock;
  }

  /**
   * Appends a record's events under a number of ours, for its own number stays counted as dead, and resolves to where
   * they lie now. All else stays: what makes an event one that is stored already, and when it arrived. Rejects with
   * ClickstreamError `dead_unreadable` (nothing was appended), `log_unavailable` or `overloaded`.
   */
  async append(payload: Uint8Array): Promise<RecordPosition> {
    const { header, lines } = read(payload);
    this.#refuseWhileFailing();
    const { kind, source, visitor, receivedAt, count } = header;
    const range = this.#numbering.take(1);
    const { first: number, ackedThrough, voids } = range;
    const { collector } = this.#numbering;
    const data = encodeRecord(
      { v: 1, kind, source, visitor, receivedAt, collector, number, count, ackedThrough, voids },
      lines,
    );
    let position: RecordPosition | undefined;
    try {
      [position] = await this.#log.append([{ partitionKey: `${source}/${visitor}`, data }]);
    } catch (error) {
      this.#failedAtMs = this.#clock();
      this.#numbering.fail(range);
      throw error;
    }
    this.#numbering.acknowledge(range);
    if (position === undefined) throw new Error('the log does not say where the record lies');
    return position;
  }

  /** Each failed append leaves a number that later records must carry, and nobody waits for this one. */
  #refuseWhileFailing(): void {
    const sinceMs = this.#clock() - this.#failedAtMs;
    if (sinceMs < 0 || sinceMs >= LIMITS.retryAfterSeconds * 1_000) return;
    throw new ClickstreamError('overloaded', 'the log was failing a moment ago; waiting before it is tried again');
  }
}

function read(payload: Uint8Array): ReturnType<typeof decodeRecord> {
  try {
    return decodeRecord(payload);
  } catch (cause) {
    throw new ClickstreamError('dead_unreadable', `it cannot be put back: ${String(cause)}`, { cause });
  }
}

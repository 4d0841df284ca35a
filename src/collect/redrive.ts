import { ClickstreamError } from '../core/errors.ts';
import { addIdentities, NO_IDENTITIES } from '../core/identities.ts';
import { LIMITS } from '../core/limits.ts';
import type { Clock } from '../core/time.ts';
import type { EventLog, RecordPosition } from '../log/event-log.ts';
import { type DecodedRecord, decodeRecord, encodeRecord, linesIdentities, type RecordHeader } from '../log/record.ts';
import type { Numbering } from './numbering.ts';

/** What of a record stays when it is taken in once more. */
export interface Taken {
  readonly header: Pick<RecordHeader, 'kind' | 'source' | 'visitor' | 'receivedAt' | 'erasure'>;
  readonly lines: readonly string[];
}

/** Takes in once more what was taken in before: a record that could not be processed, or records of an archive. */
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

  /** `appendAll` of one, as its bytes. Rejects with `dead_unreadable` as well; then nothing was appended. */
  async append(payload: Uint8Array): Promise<RecordPosition> {
    const [position] = await this.appendAll([read(payload)]);
    if (position === undefined) throw new Error('the log does not say where the record lies');
    return position;
  }

  /**
   * Appends the events of records under numbers of ours, for their own numbers stay counted where they were, and resolves
   * to where they lie now. All else stays: what makes an event one that is stored already, and when it arrived. Rejects
   * with ClickstreamError `log_unavailable` or `overloaded`, or with what the log does not take at all.
   */
  async appendAll(records: readonly Taken[]): Promise<readonly RecordPosition[]> {
    this.#refuseWhileFailing();
    const range = this.#numbering.take(records.length);
    const { ackedThrough, voids } = range;
    const { collector } = this.#numbering;
    let events = 0;
    let sum = NO_IDENTITIES;
    const entries = records.map(({ header, lines }, index) => {
      const { kind, source, visitor, receivedAt, erasure } = header;
      const count = lines.length;
      const number = range.first + index;
      // Made anew of what it holds: its header may be of an older version, and has been through an archive.
      const identities = linesIdentities(lines, source);
      events += count;
      sum = addIdentities(sum, identities);
      const data = encodeRecord(
        {
          ...{ v: 1, kind, source, visitor, receivedAt, collector, number, count, ackedThrough, voids, identities },
          ...(erasure !== undefined && { erasure }),
        },
        lines,
      );
      return { partitionKey: `${source}/${visitor}`, data };
    });
    let positions: readonly RecordPosition[];
    try {
      positions = await this.#log.append(entries);
    } catch (error) {
      // What is refused for what it is says nothing of the log.
      if (!(error instanceof ClickstreamError) || error.retriable) this.#failedAtMs = this.#clock();
      this.#numbering.fail(range);
      throw error;
    }
    this.#numbering.acknowledge(range, { events, identities: sum });
    return positions;
  }

  /** Each failed append leaves numbers that later records must carry, and nobody waits for this one. */
  #refuseWhileFailing(): void {
    const refusal = this.#log.refusal?.();
    if (refusal !== undefined) throw refusal;
    const sinceMs = this.#clock() - this.#failedAtMs;
    if (sinceMs < 0 || sinceMs >= LIMITS.retryAfterSeconds * 1_000) return;
    throw new ClickstreamError('overloaded', 'the log was failing a moment ago; waiting before it is tried again');
  }
}

function read(payload: Uint8Array): DecodedRecord {
  try {
    return decodeRecord(payload);
  } catch (cause) {
    throw new ClickstreamError('dead_unreadable', `it cannot be put back: ${String(cause)}`, { cause });
  }
}

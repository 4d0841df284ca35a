import { ClickstreamError } from '../../src/core/errors.ts';
import type { EventLog, LaneRecord, LogRecord, RecordPosition } from '../../src/log/event-log.ts';

/** An EventLog in memory, in one lane or several, for tests. It lasts as long as the object. */
export class MemoryEventLog implements EventLog {
  readonly lanes = new Map<string, LaneRecord[]>();
  /** While true, appends are refused. */
  isBroken = false;
  readonly #laneCount: number;
  #sequence = -1n;

  constructor({ laneCount = 1 }: { readonly laneCount?: number } = {}) {
    this.#laneCount = laneCount;
  }

  async append(records: readonly LogRecord[]): Promise<readonly RecordPosition[]> {
    if (this.isBroken) throw new ClickstreamError('log_unavailable', 'the log in memory is broken');
    return records.map(({ partitionKey, data }) => {
      const lane = this.#laneOf(partitionKey);
      const sequence = ++this.#sequence;
      const records = this.lanes.get(lane) ?? [];
      records.push({ sequence, data: Buffer.from(data) });
      this.lanes.set(lane, records);
      return { lane, sequence };
    });
  }

  #laneOf(partitionKey: string): string {
    let sum = 0;
    for (const character of partitionKey) sum += character.codePointAt(0) ?? 0;
    return `lane-${sum % this.#laneCount}`;
  }
}

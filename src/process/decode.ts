import { visitorOf } from '../core/event.ts';
import type { LaneRecord } from '../log/event-log.ts';
import { decodeHeader, decodeLines, RecordError, type RecordHeader } from '../log/record.ts';
import { type Validated, validate } from './validate.ts';

/** A record of which the header is read. `poison` cannot be read; its header may be. */
export type Opened =
  | {
      readonly kind: RecordHeader['kind'];
      readonly sequence: bigint;
      readonly arrivedAtMs: number | undefined;
      readonly header: RecordHeader;
      readonly data: Uint8Array;
      /** Its events, when they had to be read before they are decided. */
      items?: readonly Validated[];
    }
  | Poison;

export interface Poison {
  readonly kind: 'poison';
  readonly sequence: bigint;
  readonly arrivedAtMs: number | undefined;
  readonly data: Uint8Array;
  readonly detail: string;
  readonly header: RecordHeader | undefined;
}

/** Reads the header of a record of the log. Never throws: whatever goes wrong makes it poison. */
export function open({ sequence, data, arrivedAtMs }: LaneRecord): Opened {
  try {
    const header = decodeHeader(data);
    return { kind: header.kind, sequence, arrivedAtMs, header, data };
  } catch (thrown) {
    const header = thrown instanceof RecordError ? thrown.header : undefined;
    return { kind: 'poison', sequence, arrivedAtMs, data, detail: String(thrown), header };
  }
}

/**
 * Reads the events of a record. They are read when they are decided, one record after the other, and not kept: held
 * for a whole batch, they cost more in garbage collection than in being read. Throws RecordError.
 */
export function readItems({ header, data, items: read }: Exclude<Opened, Poison>): readonly Validated[] {
  if (read !== undefined) return read;
  const items = decodeLines(data, header).map((line) => validate(line, header));
  for (const item of items) {
    // The visitor's state was loaded by the header.
    if (item.kind === 'event' && visitorOf(item.event) !== header.visitor)
      throw new RecordError('visitor differs', header);
  }
  return items;
}

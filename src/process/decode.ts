import type { LaneRecord } from '../log/event-log.ts';
import { decodeRecord, RecordError, type RecordHeader } from '../log/record.ts';
import { type Validated, validate } from './validate.ts';

/** A record as the processor sees it. `poison` cannot be read; its header may be. */
export type Decoded =
  | {
      readonly kind: 'events';
      readonly sequence: bigint;
      readonly header: RecordHeader;
      readonly items: readonly Validated[];
      readonly data: Uint8Array;
    }
  | { readonly kind: 'erase'; readonly sequence: bigint; readonly header: RecordHeader }
  | Poison;

export interface Poison {
  readonly kind: 'poison';
  readonly sequence: bigint;
  readonly data: Uint8Array;
  readonly detail: string;
  readonly header: RecordHeader | undefined;
}

/** Reads a record of the log. Never throws: whatever goes wrong makes it poison. */
export function decode({ sequence, data }: LaneRecord): Decoded {
  try {
    const { header, lines } = decodeRecord(data);
    if (header.kind === 'erase') return { kind: 'erase', sequence, header };
    return { kind: 'events', sequence, header, items: lines.map((line) => validate(line, header)), data };
  } catch (thrown) {
    const header = thrown instanceof RecordError ? thrown.header : undefined;
    return { kind: 'poison', sequence, data, detail: String(thrown), header };
  }
}

import { checkEvent, type Event, type Identity, identityOf, type Reason, shown, visitorOf } from '../core/event.ts';
import { isObject } from '../core/json.ts';
import { readJson } from '../core/read-json.ts';
import type { RecordHeader } from '../log/record.ts';
import { itemChecksum } from '../log/record.ts';
import { type VisitorKey, visitorText } from '../store/event-store.ts';

/** A line of a record: an event to store, or one to set aside with its reason and its full bytes. */
export type Validated = Judged & {
  /** Of its identity, or of what is set aside. */
  readonly checksum: number;
};

type Judged =
  | {
      readonly kind: 'event';
      readonly event: Event;
      readonly body: string;
      readonly identity: Identity;
      readonly visitor: VisitorKey;
      /** `visitorText` of it. */
      readonly visitorText: string;
    }
  | {
      readonly kind: 'bad';
      readonly reason: Reason;
      readonly payload: string;
      /** Where that much of it could be read. */
      readonly eventType?: string;
    };

/** Judges one line of a record. Never throws: what is not an event is a bad one. */
export function validate(line: string, header: Pick<RecordHeader, 'source' | 'receivedAt'>): Validated {
  let item: unknown;
  try {
    item = readJson(line);
  } catch (cause) {
    const checksum = itemChecksum(line, undefined, header.source);
    const detail = `not JSON: ${String(cause)}`;
    return { kind: 'bad', reason: { code: 'not_an_object', detail }, payload: line, checksum };
  }
  const checksum = itemChecksum(line, item, header.source);
  if (!isObject(item)) {
    return {
      kind: 'bad',
      reason: { code: 'not_an_object', detail: `an event is an object, got ${shown(item)}` },
      payload: line,
      checksum,
    };
  }
  const { setAside, raw } = item;
  if (isObject(setAside) && typeof setAside.code === 'string' && typeof raw === 'string') {
    const { code, detail, eventType } = setAside;
    const reason = { code: code as Reason['code'], detail: String(detail) };
    return { kind: 'bad', reason, payload: raw, checksum, ...(typeof eventType === 'string' && { eventType }) };
  }
  const reason = checkEvent(item);
  if (reason !== undefined) return { kind: 'bad', reason, payload: line, checksum };
  // Shared by the whole record, so the header holds them; assigned to the parsed object, which nobody else has.
  const event = Object.assign(item, { source: header.source, receivedAt: header.receivedAt }) as unknown as Event;
  const visitor = { source: header.source, visitor: visitorOf(event) };
  const identity = identityOf(event);
  return { kind: 'event', event, body: line, identity, visitor, visitorText: visitorText(visitor), checksum };
}

import { isObject, type Json, type JsonObject } from './json.ts';
import { LIMITS } from './limits.ts';
import { isCanonicalTime } from './time.ts';

/** An event, as every stage after the collector sees it. Times are ISO 8601 in UTC. */
export interface Event {
  /** The tracker's id of it; when it sent none, one made of its record and index. */
  readonly eventId: string;
  readonly source: string;
  /** A track call's event name; else page, screen, identify, group or alias. */
  readonly eventType: string;
  readonly userId?: string;
  readonly anonymousId?: string;
  /** The tracker's clock, neither corrected nor clamped, at the precision it was sent with. */
  readonly createdAt: string;
  readonly sentAt?: string;
  readonly receivedAt: string;
  /** createdAt, corrected by sentAt and receivedAt; what views and sessions go by. */
  readonly timestamp: string;
  /** A digest of type, properties and traits after mapping: what tells apart two events that share an id. */
  readonly fingerprint: string;
  readonly properties: JsonObject;
  readonly context: JsonObject;
  readonly traits: JsonObject;
  /** Where it was set aside before it was put into the log once more. Of our own making: no tracker's event has it. */
  readonly replay?: ReplayMark;
}

/** Where an event was set aside. */
export interface ReplayMark {
  readonly lane: string;
  /** Digits. */
  readonly sequence: string;
  readonly index: number;
}

/** The mark of a line; undefined for what is none, as a log written by hand could have. */
export function replayMarkOf(value: unknown): ReplayMark | undefined {
  if (!isObject(value)) return undefined;
  const { lane, sequence, index } = value;
  const isMark =
    typeof lane === 'string' &&
    typeof sequence === 'string' &&
    /^\d{1,128}$/.test(sequence) &&
    Number.isSafeInteger(index);
  return isMark ? { lane, sequence, index: Number(index) } : undefined;
}

/**
 * What makes two deliveries one event. By visitor, not by who the visitor was known as: browsers' trackers fill in the user id
 * when they send an event again, and by then somebody may have logged in (docs/decisions/0012-identity-by-visitor.md).
 */
export interface Identity {
  readonly visitor: string;
  readonly createdAt: string;
  readonly source: string;
  readonly eventId: string;
  readonly fingerprint: string;
}

export function identityOf(event: Event): Identity {
  const { createdAt, source, eventId, fingerprint } = event;
  return { visitor: visitorOf(event), createdAt, source, eventId, fingerprint };
}

/** An identity as one text; its parts hold no NUL (`checkEvent`). */
export function identityKey({ visitor, createdAt, source, eventId, fingerprint }: Identity): string {
  return `${visitor}\0${createdAt}\0${source}\0${eventId}\0${fingerprint}`;
}

/** A visitor is a device, within a source: `anonymousId ?? userId`. It is the partition key. */
export function visitorOf({
  userId,
  anonymousId,
}: {
  readonly userId?: string;
  readonly anonymousId?: string;
}): string {
  return anonymousId ?? userId ?? '';
}

/** Why an event is set aside: a stable code, and what was got. */
export interface Reason {
  readonly code:
    | 'not_an_object'
    | 'too_large'
    | 'too_deep'
    | 'type_missing'
    | 'type_invalid'
    | 'id_missing'
    | 'id_invalid'
    | 'time_invalid'
    | 'field_invalid'
    | 'schema_invalid'
    | 'schema_version_unknown';
  readonly detail: string;
}

/**
 * The structure every event must have, checked by the collector (which keeps the original bytes of what fails) and
 * again by the processor, for a log may hold what another version wrote.
 */
export function checkEvent(candidate: { readonly [field: string]: unknown }): Reason | undefined {
  const { createdAt, sentAt, timestamp, fingerprint } = candidate;
  const reason = checkSent(candidate);
  if (reason !== undefined) return reason;
  if (!isCanonicalTime(createdAt)) return invalidTime('createdAt', createdAt);
  if (sentAt !== undefined && !isCanonicalTime(sentAt)) return invalidTime('sentAt', sentAt);
  if (!isCanonicalTime(timestamp)) return invalidTime('timestamp', timestamp);
  if (typeof fingerprint !== 'string')
    return { code: 'field_invalid', detail: `fingerprint must be a text, got ${shown(fingerprint)}` };
  return undefined;
}

/** The part of it that a tracker sent, without its times: those, and a fingerprint, the collector makes itself. */
export function checkSent(candidate: { readonly [field: string]: unknown }): Reason | undefined {
  const { eventId, eventType, userId, anonymousId } = candidate;
  if (eventType === undefined || eventType === null || eventType === '') {
    return {
      code: 'type_missing',
      detail: 'the event has no type: a track call needs "event", a batched event "type"',
    };
  }
  if (!isText(eventType, LIMITS.eventTypeCharsMax))
    return invalid('type_invalid', 'the event type', eventType, LIMITS.eventTypeCharsMax);
  if (userId === undefined && anonymousId === undefined) {
    return { code: 'id_missing', detail: 'the event has neither userId nor anonymousId; an empty text is no id' };
  }
  if (!isId(userId)) return invalid('id_invalid', 'userId', userId, LIMITS.idCharsMax);
  if (!isId(anonymousId)) return invalid('id_invalid', 'anonymousId', anonymousId, LIMITS.idCharsMax);
  if (!isText(eventId, LIMITS.idCharsMax)) return invalid('id_invalid', 'eventId', eventId, LIMITS.idCharsMax);
  for (const name of ['properties', 'context', 'traits']) {
    if (!isObject(candidate[name]))
      return { code: 'field_invalid', detail: `${name} must be an object, got ${shown(candidate[name])}` };
  }
  return undefined;
}

/** A userId or anonymousId as it is taken in: trackers with typed languages send numbers as ids, and nothing as an empty text. */
export function idOf(id: Json | undefined): unknown {
  if (typeof id === 'number') return String(id);
  return id === '' || id === null ? undefined : id;
}

export function isId(id: unknown): id is string | undefined {
  return id === undefined || isText(id, LIMITS.idCharsMax);
}

/** Ids are compared, so they must come out of any storage as they went in: no NUL, no half of a surrogate pair. */
function isText(value: unknown, charsMax: number): value is string {
  return (
    typeof value === 'string' &&
    value !== '' &&
    value.length <= charsMax &&
    !value.includes('\0') &&
    value.isWellFormed()
  );
}

function invalid(code: Reason['code'], name: string, value: unknown, charsMax: number): Reason {
  return {
    code,
    detail: `${name} must be a text of 1 to ${charsMax} characters, well-formed and without NUL, got ${shown(value)}`,
  };
}

function invalidTime(name: string, value: unknown): Reason {
  const detail = `${name} must be a time in ISO 8601 or epoch milliseconds, got ${shown(value)}`;
  return { code: 'time_invalid', detail };
}

/** A value as an error message shows it: JSON, cut short. */
export function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : (JSON.stringify(value as Json) ?? typeof value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

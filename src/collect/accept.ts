import { hash } from 'node:crypto';
import { truncateAddressesIn } from '../core/address.ts';
import { ClickstreamError } from '../core/errors.ts';
import { checkSent, type Identity, type Reason, shown, visitorOf } from '../core/event.ts';
import { addIdentities, identityChecksum, NO_IDENTITIES } from '../core/identities.ts';
import { depthOf, type Json } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import type { Salts } from '../core/salts.ts';
import { canonicalTime, correctedTime, epochMsOf } from '../core/time.ts';
import type { EventLog, LogRecord, RecordPosition } from '../log/event-log.ts';
import { encodeReceipt } from '../log/receipt.ts';
import { bytesChecksum, encodeRecord, type SetAside } from '../log/record.ts';
import { type Client, type StoredClient, withClient } from './client.ts';
import { withCookielessIds } from './cookieless.ts';
import type { Numbering, NumberRange } from './numbering.ts';
import type { Mapped, MappedRequest } from './protocol.ts';

/** How many events of a request were taken, and how many of those were set aside. */
export interface Accepted {
  readonly events: number;
  readonly setAside: number;
  /** Undefined where nothing came, or more records than an id can name. */
  readonly receipt: string | undefined;
}

/** A line of a record to be: an event that came without an id gets one when its record has a number. */
export interface Line {
  readonly visitor: string;
  readonly text: string;
  /** Of what makes an event one; the checksum of its bytes where it is set aside. */
  readonly identity: LineIdentity | number;
}

interface LineIdentity extends Pick<Identity, 'createdAt' | 'fingerprint'> {
  readonly eventId: string | undefined;
}

/** Lines of one visitor that fit one record. */
interface Group {
  readonly visitor: string;
  readonly lines: Line[];
  bytes: number;
}

export interface Arrival {
  readonly receivedAtMs: number;
  readonly receivedAt: string;
}

export interface RequestArrival {
  readonly source: string;
  readonly receivedAt: number;
  readonly client?: Client | undefined;
}

/** Visitors come from ids, which are never empty; so what is set aside is in no visitor's way. */
const NO_VISITOR = '';

const NO_SALTS: Salts = {
  of: () => Promise.reject(new ClickstreamError('salt_unavailable', 'there are no salts here')),
};

/** Turns the events of requests into records, and appends them. */
export class Accept {
  readonly #log: EventLog;
  readonly #numbering: Numbering;
  readonly #salts: Salts;
  #failedAtMs = 0;
  #arrival: Arrival = { receivedAtMs: Number.NaN, receivedAt: '' };

  constructor(parts: {
    readonly log: EventLog;
    readonly numbering: Numbering;
    /** @default none: what wants an id made for it is refused */
    readonly salts?: Salts;
  }) {
    this.#log = parts.log;
    this.#numbering = parts.numbering;
    this.#salts = parts.salts ?? NO_SALTS;
  }

  /**
   * Resolves when every event of the request is durable, as an event or set aside with its reason and bytes. Rejects with
   * a ClickstreamError; then none was promised. `receivedAt` is in epoch milliseconds; `client` is the browser that sent it,
   * where one did. Addresses are truncated before anything is written.
   */
  async accept(
    { events: sent, original }: Pick<MappedRequest, 'events' | 'original'>,
    { source, receivedAt: receivedAtMs, client }: RequestArrival,
  ): Promise<Accepted> {
    // Servers' events, which are most of all, wait for nothing here.
    const events =
      client === undefined ? sent : await withCookielessIds(sent, { salts: this.#salts, source, client, receivedAtMs });
    // Many requests arrive in each millisecond, and writing a time as text is slow.
    if (receivedAtMs !== this.#arrival.receivedAtMs) {
      this.#arrival = { receivedAtMs, receivedAt: new Date(receivedAtMs).toISOString() };
    }
    const { receivedAt } = this.#arrival;
    const { groups, setAside } = groupLines({ events, original, client }, this.#arrival);
    if (groups.length === 0) return { events: 0, setAside: 0, receipt: undefined };
    this.#refuseWhileFailing(receivedAtMs);
    const range = this.#numbering.take(groups.length);
    const counted = { events: events.length, identities: NO_IDENTITIES };
    let positions: readonly RecordPosition[];
    try {
      const records = groups.map((group, index) =>
        this.#recordOf(group, { range, index, source, receivedAt, counted }),
      );
      positions = await this.#log.append(records);
    } catch (error) {
      this.#failedAtMs = receivedAtMs;
      this.#numbering.fail(range);
      throw error;
    }
    this.#numbering.acknowledge(range, counted);
    const receipt = encodeReceipt({
      collector: this.#numbering.collector,
      number: range.first,
      receivedAtSeconds: Math.floor(receivedAtMs / 1_000),
      counts: groups.map(({ lines }) => lines.length),
      positions,
    });
    return { events: events.length, setAside, receipt };
  }

  #recordOf(
    { visitor, lines }: Group,
    place: {
      readonly range: NumberRange;
      readonly index: number;
      readonly source: string;
      readonly receivedAt: string;
      readonly counted: { identities: number };
    },
  ): LogRecord {
    const { source, receivedAt } = place;
    const { first, ackedThrough, voids } = place.range;
    const { collector } = this.#numbering;
    const number = first + place.index;
    const count = lines.length;
    let identities = NO_IDENTITIES;
    const texts = lines.map(({ text, identity }, index) => {
      if (typeof identity === 'number') {
        identities = addIdentities(identities, identity);
        return text;
      }
      const { createdAt, fingerprint } = identity;
      const eventId = identity.eventId ?? `${collector}-${number}-${index}`;
      identities = addIdentities(identities, identityChecksum({ visitor, createdAt, source, eventId, fingerprint }));
      return identity.eventId === undefined ? `{"eventId":${JSON.stringify(eventId)},${text.slice(1)}` : text;
    });
    place.counted.identities = addIdentities(place.counted.identities, identities);
    const data = encodeRecord(
      { v: 1, kind: 'events', source, visitor, receivedAt, collector, number, count, ackedThrough, voids, identities },
      texts,
    );
    return { partitionKey: `${source}/${visitor}`, data };
  }

  /**
   * Each failed append leaves numbers that later records must carry. Where the log knows that it cannot be written, none are
   * taken; where only a try can tell, from some number of them on one request in each retry interval is tried.
   */
  #refuseWhileFailing(nowMs: number): void {
    const refusal = this.#log.refusal?.();
    if (refusal !== undefined) throw refusal;
    if (this.#numbering.voidsWaiting < LIMITS.voidsWaitingMax) return;
    const sinceMs = nowMs - this.#failedAtMs;
    if (sinceMs < 0 || sinceMs >= LIMITS.retryAfterSeconds * 1_000) return;
    throw new ClickstreamError('overloaded', 'the log was failing a moment ago; waiting before it is tried again');
  }
}

/** One group a visitor, or more where one record would be too large; in the order of each visitor's first event. */
function groupLines(
  {
    events,
    original,
    client,
  }: Pick<MappedRequest, 'events' | 'original'> & { readonly client: StoredClient | undefined },
  arrival: Arrival,
): { readonly groups: readonly Group[]; readonly setAside: number } {
  const groups: Group[] = [];
  const current = new Map<string, Group>();
  let setAside = 0;
  let requestBytes = 0;
  for (const [index, event] of events.entries()) {
    let line = lineOf(event, { client, arrival });
    if ('code' in line) {
      const item: SetAside = {
        setAside: { ...line, ...typeIn(event) },
        raw: truncateAddressesIn(original(index)),
      };
      line = { visitor: NO_VISITOR, text: JSON.stringify(item), identity: bytesChecksum(item.raw) };
      setAside += 1;
    }
    // One alone fits any record, and counting bytes takes time.
    const bytes = events.length === 1 ? 0 : Buffer.byteLength(line.text);
    requestBytes += bytes;
    let group = current.get(line.visitor);
    if (group === undefined || group.bytes + bytes > LIMITS.recordBytesMax) {
      group = { visitor: line.visitor, lines: [], bytes: 0 };
      groups.push(group);
      current.set(line.visitor, group);
    }
    group.lines.push(line);
    group.bytes += bytes;
    // A context that a batch gives to all its events, or numbers such as 1e20, can grow far beyond what was sent.
    if (requestBytes > LIMITS.requestRecordsBytesMax) {
      const detail = `the events are more than ${LIMITS.requestRecordsBytesMax} bytes when each is written out`;
      throw new ClickstreamError('body_too_large', detail);
    }
  }
  return { groups, setAside };
}

/** The type of what is set aside, where it is one. */
function typeIn(event: Mapped): { readonly eventType?: string } {
  if (event.kind === 'unmappable' || typeof event.eventType !== 'string') return {};
  const { eventType } = event;
  const isWhole = eventType !== '' && eventType.length <= LIMITS.eventTypeCharsMax && eventType.isWellFormed();
  return isWhole ? { eventType } : {};
}

/** The event as its record holds it, or why it must be set aside. */
export function lineOf(
  event: Mapped,
  { client, arrival }: { readonly client: StoredClient | undefined; readonly arrival: Arrival },
): Line | Reason {
  if (event.kind === 'unmappable') return event.reason;
  // First, for what writes values as JSON or text recurses. What is unmapped counts two levels more than it was sent with.
  if (depthOf(event as unknown as Json, LIMITS.jsonDepthMax) > LIMITS.jsonDepthMax) {
    return { code: 'too_deep', detail: `an event may be nested ${LIMITS.jsonDepthMax} levels deep` };
  }
  const createdAt = event.createdAt === undefined ? arrival.receivedAt : canonicalTime(event.createdAt);
  if (createdAt === undefined) return timeInvalid('createdAt', event.createdAt);
  const sentAt = event.sentAt === undefined ? undefined : canonicalTime(event.sentAt);
  if (sentAt === undefined && event.sentAt !== undefined) return timeInvalid('sentAt', event.sentAt);
  const { eventId, eventType, userId, anonymousId, properties, traits } = event;
  const context = withClient(event.context, client);
  const propertiesJson = JSON.stringify(properties);
  const traitsJson = JSON.stringify(traits);
  // Type and properties never change on a retry; sentAt and retry counts do, and stay out.
  const fingerprinted = `${typeof eventType === 'string' ? eventType : ''}\0${propertiesJson}\0${traitsJson}`;
  const fingerprint = hash('sha256', fingerprinted, 'hex').slice(0, 16);
  const timestamp = timestampOf({ createdAt, sentAt }, arrival);
  const reason = checkSent({
    eventId: eventId ?? 'derived',
    eventType,
    userId,
    anonymousId,
    properties,
    context,
    traits,
  });
  if (reason !== undefined) return reason;
  const ids = `${member('eventId', eventId)}"eventType":${JSON.stringify(eventType)},${member('userId', userId)}${member('anonymousId', anonymousId)}`;
  // Canonical times and the digest need no escapes.
  const sent = sentAt === undefined ? '' : `"sentAt":"${sentAt}",`;
  const fixed = `"createdAt":"${createdAt}",${sent}"timestamp":"${timestamp}","fingerprint":"${fingerprint}"`;
  const contextJson = JSON.stringify(context);
  const text = `{${ids}${fixed},"properties":${propertiesJson},"context":${contextJson},"traits":${traitsJson}}`;
  const bytes = text.length * 3 <= LIMITS.eventBytesMax ? 0 : Buffer.byteLength(text);
  if (bytes > LIMITS.eventBytesMax) {
    return { code: 'too_large', detail: `an event may have ${LIMITS.eventBytesMax} bytes, got ${bytes}` };
  }
  // checkSent has made sure that ids are texts.
  const visitor = visitorOf({ userId, anonymousId } as { readonly userId?: string; readonly anonymousId?: string });
  return { visitor, text, identity: { createdAt, fingerprint, eventId: eventId as string | undefined } };
}

/** A member of a JSON object, with the comma after it; nothing for what is undefined. */
function member(name: string, value: unknown): string {
  return value === undefined ? '' : `"${name}":${JSON.stringify(value)},`;
}

/** Writing a time as text is slow, and most are one of those that are texts already. */
function timestampOf(
  { createdAt, sentAt }: { readonly createdAt: string; readonly sentAt: string | undefined },
  { receivedAt, receivedAtMs }: Arrival,
): string {
  const createdAtMs = epochMsOf(createdAt);
  const sentAtMs = sentAt === undefined ? undefined : epochMsOf(sentAt);
  const timestampMs = correctedTime({ createdAtMs, sentAtMs, receivedAtMs });
  if (timestampMs === receivedAtMs) return receivedAt;
  if (timestampMs === createdAtMs && createdAt.length === receivedAt.length) return createdAt;
  return new Date(timestampMs).toISOString();
}

function timeInvalid(name: string, time: unknown): Reason {
  return {
    code: 'time_invalid',
    detail: `${name} must be a time in ISO 8601 or epoch milliseconds, got ${shown(time)}`,
  };
}

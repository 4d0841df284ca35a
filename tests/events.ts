import fc from 'fast-check';
import type { Event } from '../src/core/event.ts';
import type { Facts } from '../src/core/view.ts';
import { encodeRecord, linesIdentities, type RecordHeader } from '../src/log/record.ts';

/** An event with defaults, for tests that care about a part of it. */
export function eventWith(part: Partial<Event> = {}): Event {
  return {
    eventId: 'e1',
    source: 'default',
    eventType: 'page',
    anonymousId: 'a1',
    createdAt: '2026-11-23T10:00:00.000Z',
    receivedAt: '2026-11-23T10:00:01.000Z',
    timestamp: '2026-11-23T10:00:00.000Z',
    fingerprint: 'f',
    properties: {},
    context: {},
    traits: {},
    ...part,
  };
}

export function factsWith(part: Partial<Facts> = {}): Facts {
  return {
    session: 1,
    sessionStart: '2026-11-23T10:00:00.000Z',
    first: false,
    newVisitor: false,
    late: false,
    enriched: {},
    ...part,
  };
}

/** The line an event makes in a record. */
export function lineOf(event: Event): string {
  const { source, receivedAt, ...line } = event;
  return JSON.stringify(line);
}

/** A record of these events, as a collector writes it. */
export function recordOf(events: readonly Event[], header: Partial<RecordHeader> = {}): Uint8Array {
  const first = events[0] ?? eventWith();
  return recordOfLines(events.map(lineOf), {
    source: first.source,
    visitor: first.anonymousId ?? first.userId ?? '',
    receivedAt: first.receivedAt,
    ...header,
  });
}

export function recordOfLines(lines: readonly string[], header: Partial<RecordHeader> = {}): Uint8Array {
  const text = encodeRecord(
    {
      v: 1,
      kind: 'events',
      source: 'default',
      visitor: 'a1',
      receivedAt: '2026-11-23T10:00:01.000Z',
      collector: 'c1',
      number: 0,
      count: lines.length,
      ackedThrough: -1,
      voids: [],
      identities: linesIdentities(lines, header.source ?? 'default'),
      ...header,
    },
    lines,
  );
  return new TextEncoder().encode(text);
}

const START = Date.parse('2026-11-23T09:00:00.000Z');

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0';
const GOOGLEBOT = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';

/** Few visitors, users, ids and times, so that duplicates, links, late events, session gaps and bots are common. */
export const anyEvent: fc.Arbitrary<Event> = fc
  .record({
    eventId: fc.integer({ min: 0, max: 15 }),
    source: fc.constantFrom('shop', 'blog'),
    eventType: fc.constantFrom('page', 'identify', 'Order Completed', '__proto__', 'constructor'),
    ids: fc.constantFrom(
      { anonymousId: 'a' },
      { anonymousId: 'b' },
      { anonymousId: 'a', userId: 'u' },
      { userId: 'u' },
      { anonymousId: 'b', userId: 'u' },
    ),
    seconds: fc.integer({ min: 0, max: 20 }).map((step) => step * 400),
    lateSeconds: fc.constantFrom(0, 0, 0, 700, 4_000),
    fingerprint: fc.constantFrom('f', 'f', 'g'),
    path: fc.constantFrom('/', '/cart', '/p/1', '__proto__'),
    context: fc.constantFrom<Event['context']>(
      {},
      {},
      { userAgent: FIREFOX, locale: 'de-AT' },
      { userAgent: GOOGLEBOT },
      { page: { referrer: 'https://www.google.com/', url: 'https://shop.test/?utm_campaign=spring' } },
    ),
  })
  .map(({ eventId, ids, seconds, lateSeconds, path, ...rest }) => {
    const time = new Date(START + seconds * 1_000 - lateSeconds * 1_000).toISOString();
    const properties = rest.eventType === 'page' ? { path } : {};
    return eventWith({ ...rest, ...ids, eventId: `e${eventId}`, createdAt: time, timestamp: time, properties });
  })
  .map((event) => {
    // `eventWith` has an anonymousId by default, which an event of a user id alone has not.
    const { anonymousId, ...rest } = event;
    return anonymousId === 'a1' ? rest : event;
  });

/** What one record holds: events of one visitor. */
export const anyEventsOfOneVisitor: fc.Arbitrary<readonly Event[]> = fc
  .array(anyEvent, { minLength: 1, maxLength: 4 })
  .map((events) => {
    const { source, anonymousId, userId } = events[0] ?? eventWith();
    return events.map((event) => {
      const { anonymousId: _, ...rest } = event;
      if (anonymousId !== undefined) return { ...event, source, anonymousId };
      return { ...rest, source, ...(userId !== undefined && { userId }) };
    });
  });

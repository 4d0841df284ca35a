import { describe, expect, test } from 'vitest';
import type { StoredEvent } from './answers.ts';
import { cameBy, newestPeople, sessionsOf } from './person.ts';

function event(of: Partial<StoredEvent> & { readonly session?: number; readonly first?: boolean }): StoredEvent {
  const { session = 1, first = false, timestamp = '2026-11-26T10:00:00.000Z', ...rest } = of;
  return {
    ...{ eventId: 'e', source: 'shop', eventType: 'page', visitor: 'd1', createdAt: timestamp, receivedAt: timestamp },
    ...{ timestamp, properties: {}, context: {}, traits: {} },
    facts: { session, sessionStart: '2026-11-26T10:00:00.000Z', first, newVisitor: false, late: false, enriched: {} },
    position: { lane: 'local', sequence: '1', index: 0 },
    ...rest,
  };
}

describe('sessions of a timeline', () => {
  test('each is of one visitor of one source, and they stay in the order of their first event', () => {
    const events = [
      event({ session: 3 }),
      event({ session: 1, visitor: 'd2' }),
      event({ session: 3 }),
      event({ session: 3, source: 'app' }),
      event({ session: 2 }),
    ];
    const sessions = sessionsOf(events);
    expect(sessions.map(({ source, visitor, number, events: own }) => [source, visitor, number, own.length])).toEqual([
      ['shop', 'd1', 3, 2],
      ['shop', 'd2', 1, 1],
      ['app', 'd1', 3, 1],
      ['shop', 'd1', 2, 1],
    ]);
    expect(sessions.flatMap(({ events: own }) => own)).toHaveLength(events.length);
  });

  test('a session lasts from its start to the latest of its events, whichever is listed first', () => {
    const late = event({ timestamp: '2026-11-26T09:59:00.000Z' });
    const [session] = sessionsOf([late, event({ timestamp: '2026-11-26T10:02:05.000Z' }), event({})]);
    expect(session?.seconds).toBe(125);
    expect(sessionsOf([late])[0]?.seconds).toBe(0);
  });

  test('its opening is its first event, where that is here', () => {
    const opening = event({ first: true });
    expect(sessionsOf([event({}), opening])[0]?.opening).toBe(opening);
    expect(sessionsOf([event({})])[0]?.opening).toBeUndefined();
  });
});

test.each([
  [{ channel: 'direct' }, 'direct'],
  [{ channel: 'search', referrer: 'www.google.com' }, 'search, www.google.com'],
  [
    { channel: 'paid', referrer: 'google.com', source: 'google', medium: 'cpc', campaign: 'spring' },
    'paid, google / cpc, campaign spring',
  ],
  [{ channel: 'mail', medium: 'newsletter' }, 'mail, newsletter'],
  [{ campaign: 7, referrer: '' }, ''],
])('%j came by %j', (enriched, words) => expect(cameBy(enriched)).toBe(words));

test('people are told apart by user, else by device, and the last seen stay first', () => {
  const people = newestPeople([
    event({ userId: 'ada', visitor: 'd1' }),
    event({ visitor: 'd2' }),
    event({ userId: 'ada', visitor: 'd3' }),
    event({ visitor: 'd2' }),
  ]);
  expect(people.map(({ id }) => id)).toEqual(['ada', 'd2']);
});

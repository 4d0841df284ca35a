import { describe, expect, test } from 'vitest';
import { eventWith } from '../../../tests/events.ts';
import { stitched } from '../../../tests/stitched.ts';
import { type Event, visitorOf } from '../../core/event.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Facts, View } from '../../core/view.ts';
import { DIMENSIONS, NONE, TOTAL } from './dimensions.ts';
import { type Sessions, sessions, sessionTables } from './sessions.ts';
import { OTHER, type Table, type Tables } from './table.ts';
import { bucketsOf, minuteOf, partOf } from './times.ts';
import { type Traffic, traffic, trafficTables } from './traffic.ts';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0';
const GOOGLEBOT = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';

let eventsMade = 0;

/** An event at a time of the day, on a page. */
function at(time: string, path?: string, part: Partial<Event> = {}): Event {
  eventsMade += 1;
  const timestamp = `2026-11-23T${time}.000Z`;
  const properties = path === undefined ? {} : { path };
  return eventWith({ eventId: `e${eventsMade}`, createdAt: timestamp, timestamp, properties, ...part });
}

/** The view's rows of minutes after these events, in order of arrival. */
function minutesOf<Cell>(view: View<Table<Cell>>, events: readonly Event[]): ReadonlyMap<string, Table<Cell>> {
  const rows = new Map<string, Table<Cell>>();
  for (const [order, { event, facts }] of stitched(events).entries()) {
    const minute = view.at(event, facts);
    if (minute !== undefined) rows.set(minute, view.fold(rows.get(minute) ?? view.empty(), event, facts, order));
  }
  return rows;
}

/** All of its rows as one, with nothing of bots. */
function wholeOf<Cell>(view: View<Table<Cell>>, events: readonly Event[]): Table<Cell> {
  const rows = [...minutesOf(view, events)].filter(([minute]) => !minute.startsWith('bots/'));
  return rows.map(([, row]) => row).reduce((a, b) => view.merge(a, b), view.empty());
}

function numbers<Cell>(tables: Tables<Cell>, table: Table<Cell>, dimension: string, of: (cell: Cell) => unknown) {
  return Object.fromEntries([...tables.values(table, dimension)].map(([value, cell]) => [value, of(cell)]));
}

const eventsBy = (table: Table<Traffic>, dimension: string) =>
  numbers(trafficTables, table, dimension, ({ events }) => events);
const sessionsBy = (table: Table<Sessions>, dimension: string) =>
  numbers(sessionTables, table, dimension, ({ sessions: count, bounces, seconds, newVisitors }) => [
    count,
    bounces,
    seconds,
    newVisitors,
  ]);

describe('traffic', () => {
  test('counts events, pageviews, visitors and users where they happened', () => {
    const events = [
      at('10:00:00', '/'),
      at('10:00:30', '/cart', { userId: 'u' }),
      at('10:00:40', undefined, { eventType: 'Clicked', userId: 'u' }),
      at('10:00:50', '/', { anonymousId: 'a2', userId: 'u' }),
      at('10:01:00', '/', { anonymousId: 'a2', userId: 'v' }),
    ];
    const rows = minutesOf(traffic, events);
    expect([...rows.keys()]).toEqual(['2026-11-23T10:00', '2026-11-23T10:01']);
    const of = ({ events: count, pageviews, visitors, users }: Traffic) => [
      count,
      pageviews,
      visitors.count(),
      users.count(),
    ];
    const [first, second] = [...rows.values()];
    expect(numbers(trafficTables, first ?? new Map(), TOTAL, of)).toEqual({ [TOTAL]: [4, 3, 2, 1] });
    expect(numbers(trafficTables, second ?? new Map(), TOTAL, of)).toEqual({ [TOTAL]: [1, 1, 1, 1] });
    expect(numbers(trafficTables, wholeOf(traffic, events), TOTAL, of)).toEqual({ [TOTAL]: [5, 4, 2, 2] });
    expect(numbers(trafficTables, wholeOf(traffic, events), 'eventType', of)).toEqual({
      page: [4, 4, 2, 2],
      Clicked: [1, 0, 1, 1],
    });
  });
  test('splits by the values of the event itself, and by those of the first of its session', () => {
    const context = { userAgent: FIREFOX, page: { url: 'https://shop.test/?utm_campaign=spring&utm_source=x' } };
    const table = wholeOf(traffic, [
      at('10:00:00', '/', { context }),
      at('10:01:00', '/cart'),
      at('10:02:00', undefined, { eventType: 'Clicked' }),
      at('12:00:00', '/cart'),
    ]);
    expect(eventsBy(table, 'page')).toEqual({ '/': 1, '/cart': 2, [NONE]: 1 });
    expect(eventsBy(table, 'entryPage')).toEqual({ '/': 3, '/cart': 1 });
    expect(eventsBy(table, 'campaign')).toEqual({ spring: 3, [NONE]: 1 });
    expect(eventsBy(table, 'browser')).toEqual({ Firefox: 1, [NONE]: 3 });
  });
  test('has every dimension but the exit page, each of which sums up to the whole', () => {
    const table = wholeOf(traffic, [at('10:00:00', '/'), at('10:01:00', '/cart')]);
    const names = DIMENSIONS.map(({ name }) => name).filter((name) => name !== 'exitPage');
    expect([...table.keys()].sort()).toEqual([TOTAL, ...names].sort());
    for (const name of names) {
      expect(Object.values(eventsBy(table, name)).reduce((a, b) => Number(a) + Number(b), 0)).toBe(2);
    }
  });
  test('counts bots apart, by the user agent of each event', () => {
    const bot = { context: { userAgent: GOOGLEBOT } };
    const rows = minutesOf(traffic, [at('10:00:00', '/'), at('10:00:01', '/', bot)]);
    expect([...rows.keys()]).toEqual(['2026-11-23T10:00', 'bots/2026-11-23T10:00']);
  });
  test('counts a visitor of two sources twice, and one of many minutes once', () => {
    const visitors = (events: readonly Event[]) =>
      numbers(trafficTables, wholeOf(traffic, events), TOTAL, (cell) => cell.visitors.count())[TOTAL];
    expect(visitors([at('10:00:00'), at('10:01:00', '/', { source: 'blog' })])).toBe(2);
    expect(visitors([at('10:00:00'), at('10:01:00'), at('10:01:00')])).toBe(1);
    expect(visitorOf(at('10:00:00'))).toBe('a1');
  });
  test('cuts a long value', () => {
    const long = 'x'.repeat(LIMITS.eventTypeCharsMax) + 'y'.repeat(LIMITS.rowKeyCharsMax);
    const table = trafficTables.empty();
    trafficTables.cell(table, { dimension: 'page', value: long, order: 0 }).events = 1;
    trafficTables.cell(table, { dimension: 'page', value: `${long}z`, order: 0 }).events += 1;
    const [[key, cell] = ['', undefined]] = trafficTables.values(table, 'page');
    expect([key.length, key.at(-1), cell?.events]).toEqual([LIMITS.rowKeyCharsMax, '…', 2]);
  });
});

describe('sessions', () => {
  test('count where they start, whatever comes later and wherever', () => {
    const events = [at('10:58:00', '/'), at('11:10:00', '/cart'), at('11:11:00', '/'), at('12:00:00', '/')];
    const rows = minutesOf(sessions, events);
    expect([...rows.keys()]).toEqual(['2026-11-23T10:58', '2026-11-23T12:00']);
    const [first, second] = [...rows.values()];
    expect(sessionsBy(first ?? new Map(), TOTAL)).toEqual({ [TOTAL]: [1, 0, 780, 1] });
    expect(sessionsBy(second ?? new Map(), TOTAL)).toEqual({ [TOTAL]: [1, 1, 0, 0] });
  });
  test('are right after every event: a bounce is taken back, seconds grow, the exit page moves', () => {
    const events = [at('10:00:00', '/'), at('10:00:10', '/cart'), at('10:00:20', undefined, { eventType: 'Clicked' })];
    const standing = [1, 2, 3].map((count) => sessionsBy(wholeOf(sessions, events.slice(0, count)), 'exitPage'));
    expect(standing).toEqual([{ '/': [1, 1, 0, 1] }, { '/cart': [1, 0, 10, 1] }, { '/cart': [1, 0, 20, 1] }]);
    expect(sessionsBy(wholeOf(sessions, events), 'entryPage')).toEqual({ '/': [1, 0, 20, 1] });
    expect(sessionsBy(wholeOf(sessions, events), 'eventType')).toEqual({ page: [1, 0, 20, 1] });
  });
  test('go by the values of their first event, whatever later ones say', () => {
    const events = [
      at('10:00:00', '/', { context: { userAgent: FIREFOX } }),
      at('10:01:00', '/', { context: { page: { url: 'https://shop.test/?utm_campaign=spring' } } }),
    ];
    const table = wholeOf(sessions, events);
    expect(sessionsBy(table, 'browser')).toEqual({ Firefox: [1, 0, 60, 1] });
    expect(sessionsBy(table, 'campaign')).toEqual({ [NONE]: [1, 0, 60, 1] });
  });
  test('an exit page that was none becomes one, and comes back', () => {
    const events = [
      at('10:00:00', undefined, { eventType: 'Clicked' }),
      at('10:01:00', '/'),
      at('10:02:00', '/cart'),
      at('10:03:00', '/'),
    ];
    const standing = [1, 2, 3, 4].map((count) => sessionsBy(wholeOf(sessions, events.slice(0, count)), 'exitPage'));
    expect(standing).toEqual([
      { [NONE]: [1, 1, 0, 1] },
      { '/': [1, 0, 60, 1] },
      { '/cart': [1, 0, 120, 1] },
      { '/': [1, 0, 180, 1] },
    ]);
  });
  test('a late event takes the bounce back, and moves nothing else', () => {
    const events = [at('10:00:00', '/'), at('09:50:00', '/cart')];
    expect(sessionsBy(wholeOf(sessions, events), 'exitPage')).toEqual({ '/': [1, 0, 0, 1] });
  });
  test('one that a bot opened is one of bots to its end, and no other is', () => {
    const bot = { context: { userAgent: GOOGLEBOT } };
    expect([...minutesOf(sessions, [at('10:00:00', '/', bot), at('10:01:00', '/')]).keys()]).toEqual([
      'bots/2026-11-23T10:00',
    ]);
    expect([...minutesOf(sessions, [at('10:00:00', '/'), at('10:01:00', '/', bot)]).keys()]).toEqual([
      '2026-11-23T10:00',
    ]);
  });
  test('what changes nothing of a session is folded with nothing', () => {
    const events = [at('10:10:00', '/'), at('10:11:00', '/'), at('10:05:00', '/')];
    const [, , late] = stitched(events);
    expect(late && sessions.at(late.event, late.facts)).toBeUndefined();
    const facts: Facts | undefined = late?.facts;
    expect(late && facts && sessions.encode(sessions.fold(sessions.empty(), late.event, facts, 0))).toBe('');
  });
});

describe('a full row', () => {
  const pages = (from: number, count: number) =>
    Array.from({ length: count }, (_, index) => at('10:00:00', `/p/${from + index}`));

  test('has rowValuesMax values by name and the rest under (other); the total stays exact', () => {
    const { rowValuesMax } = LIMITS;
    const facts = stitched([...pages(0, rowValuesMax + 50), at('10:00:00', '/p/0')]);
    const delta = facts.reduce(
      (state, { event, facts: of }, order) => traffic.fold(state, event, of, order),
      traffic.empty(),
    );
    const row = traffic.absorb(traffic.empty(), [delta], 'minute/2026-11-23T10:00Z');
    const byPage = eventsBy(row, 'page');
    expect(Object.keys(byPage)).toHaveLength(rowValuesMax + 1);
    expect([byPage['/p/0'], byPage[`/p/${rowValuesMax - 1}`], byPage[`/p/${rowValuesMax}`], byPage[OTHER]]).toEqual([
      2,
      1,
      undefined,
      50,
    ]);
    expect(eventsBy(row, TOTAL)).toEqual({ [TOTAL]: rowValuesMax + 51 });
  });
  test('of an hour has one dimension, read as that alone', () => {
    const delta = wholeOf(traffic, [at('10:00:00', '/'), at('10:01:00', '/cart')]);
    const row = traffic.absorb(traffic.empty(), [delta, delta], 'hour/page/2026-11-23T10:00Z');
    expect([...row.keys()]).toEqual(['page']);
    expect(eventsBy(row, 'page')).toEqual({ '/': 2, '/cart': 2 });
    const all = traffic.absorb(traffic.empty(), [delta], 'minute/2026-11-23T10:00Z');
    const alone = trafficTables.decode(traffic.encode(all), { dimension: 'page' });
    expect([...alone.keys()]).toEqual(['page']);
    expect(eventsBy(alone, 'page')).toEqual({ '/': 1, '/cart': 1 });
    expect(eventsBy(trafficTables.decode(traffic.encode(all), { dimension: 'pages' }), 'page')).toEqual({});
  });
});

describe('buckets', () => {
  const parts = [TOTAL, ...DIMENSIONS.map(({ name }) => name)];
  test.each([
    ['', false],
    ['bots/', true],
  ])('%s: a row for the minute, and one for each part of the hour', (prefix, isBot) => {
    const minute = minuteOf('2026-11-23T10:04:59.999Z', isBot);
    expect(minute).toBe(`${prefix}2026-11-23T10:04`);
    const buckets = bucketsOf(DIMENSIONS)(minute);
    expect(buckets[0]).toBe(`${prefix}minute/2026-11-23T10:04Z`);
    expect(buckets.slice(1)).toEqual(parts.map((part) => `${prefix}hour/${part}/2026-11-23T10:00Z`));
    expect(buckets.map(partOf)).toEqual([undefined, ...parts]);
  });
  test('are the same however many were asked for between', () => {
    const buckets = bucketsOf(DIMENSIONS);
    const before = buckets('2026-11-23T10:04');
    for (let minute = 0; minute < 3_000; minute += 1) buckets(`2026-11-23T${minute}`);
    expect(buckets('2026-11-23T10:04')).toEqual(before);
  });
});

import { describe, expect, test } from 'vitest';
import { eventWith, factsWith } from '../../tests/events.ts';
import { type Listed, readerOf, storedEvent, totalsOf } from '../../tests/listed-reads.ts';
import type { ClickstreamError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { eventsByType } from '../process/views/events-by-type.ts';
import { LEDGER, ledgerCodec } from '../process/views/ledger.ts';
import { estimateVisitors, visitors } from '../process/views/visitors.ts';
import type { EventReader, Row } from '../store/event-store.ts';
import { answer, type QueryParts } from './queries.ts';
import { split, total } from './stats.ts';

const NOW = Date.parse('2026-11-23T10:04:30.000Z');
const parts: QueryParts = {
  measures: {
    events: {
      total: total(eventsByType, (state) => state.total),
      by: { eventType: split(eventsByType, ({ values }) => values) },
    },
    visitors: { total: total(visitors, estimateVisitors), by: {} },
  },
  ledger: { name: LEDGER.name, decode: (text) => ledgerCodec.decode(text) },
  clock: () => NOW,
  report: (fault) => {
    throw fault;
  },
};

async function ask(listed: Listed, path: string, parameters: Readonly<Record<string, string>> = {}) {
  const { status, body } = await answer(readerOf(listed), { path, parameters }, parts);
  return { status, body: JSON.parse(body) };
}

const at = (second: number, part: Parameters<typeof storedEvent>[0] = {}) => {
  const time = new Date(NOW - 60_000 + second * 1000).toISOString();
  const position = { lane: 'local', sequence: BigInt(second), index: 0 };
  return storedEvent({ eventId: `e${second}`, createdAt: time, timestamp: time, position, ...part });
};
const FIVE = [1, 2, 3, 4, 5].map((second) => at(second, { eventType: second % 2 === 0 ? 'page' : 'Signed Up' }));

function rowOf(view: typeof eventsByType | typeof visitors, minute: string, devices: readonly string[]): Row {
  let state: unknown = view.empty();
  const erased: { fold(state: unknown, event: object, facts: object): unknown; encode(state: unknown): string } = view;
  for (const anonymousId of devices) state = erased.fold(state, eventWith({ anonymousId }), factsWith());
  const key = { view: view.name, version: 1, source: 'default', bucket: `minute/${minute}`, lane: 'local' };
  return { key, text: erased.encode(state) };
}

describe('a list of events', () => {
  test('has the stable names, big numbers as text, and nothing that is internal', async () => {
    const userId = 'ada';
    const { body } = await ask(
      { events: [at(7, { userId, facts: factsWith({ session: 3, late: true }) })] },
      '/api/v1/events',
    );
    expect(body).toEqual({
      events: [
        {
          ...{ eventId: 'e7', source: 'default', eventType: 'page', userId, anonymousId: 'a1' },
          createdAt: '2026-11-23T10:03:37.000Z',
          receivedAt: '2026-11-23T10:00:01.000Z',
          timestamp: '2026-11-23T10:03:37.000Z',
          ...{ properties: {}, context: {}, traits: {}, visitor: 'a1' },
          facts: { session: 3, sessionStart: '2026-11-23T10:00:00.000Z', first: false, newVisitor: false, late: true },
          position: { lane: 'local', sequence: '7', index: 0 },
        },
      ],
      cursor: null,
    });
  });

  test.each([
    ['the newest without a type', {}, ['e5', 'e4', 'e3', 'e2', 'e1']],
    ['in time order of a type', { type: 'page' }, ['e2', 'e4']],
    ['as asked', { order: 'asc', from: '2026-11-23T10:03:33Z', to: '2026-11-23T10:03:35Z' }, ['e3', 'e4']],
  ])('is %s', async (_, parameters, expected) => {
    const { body } = await ask({ events: FIVE }, '/api/v1/events', parameters);
    expect(body.events.map(({ eventId }: { readonly eventId: string }) => eventId)).toEqual(expected);
  });

  test.each([
    ['/api/v1/events', { order: 'asc' }, ['e1', 'e2', 'e3', 'e4', 'e5']],
    ['/api/v1/events', {}, ['e5', 'e4', 'e3', 'e2', 'e1']],
    ['/api/v1/users/a1/events', {}, ['e1', 'e2', 'e3', 'e4', 'e5']],
  ])('of %s %j pages through, and ends', async (path, parameters, expected) => {
    const found: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page: {
        readonly body: { readonly events: readonly { readonly eventId: string }[]; readonly cursor: string | null };
      } = await ask({ events: FIVE }, path, { ...parameters, limit: '2', ...(cursor === '' ? {} : { cursor }) });
      found.push(...page.body.events.map(({ eventId }) => eventId));
      cursor = page.body.cursor;
    }
    expect(found).toEqual(expected);
  });

  test('ends a page early once it is long', async () => {
    const events = FIVE.map((event) => ({ ...event, properties: { text: 'x'.repeat(LIMITS.pageCharsMax / 2) } }));
    const { body } = await ask({ events }, '/api/v1/events', { order: 'asc' });
    expect(body.events).toHaveLength(2);
    expect(body.cursor).not.toBeNull();
  });

  test('refuses the cursor of another list, another order, or none', async () => {
    const { body } = await ask({ events: FIVE }, '/api/v1/events', { limit: '2' });
    const { cursor } = body;
    for (const [path, parameters] of [
      ['/api/v1/users/a1/events', { cursor }],
      ['/api/v1/events', { cursor, order: 'asc' }],
      ['/api/v1/bad', { cursor }],
      ['/api/v1/events', { cursor: 'bm9uZQ' }],
      ['/api/v1/events', { cursor: `${cursor}A` }],
    ] as const) {
      expect(await ask({ events: FIVE }, path, parameters)).toMatchObject({
        status: 400,
        body: { code: 'cursor_invalid' },
      });
    }
  });
});

describe('the id in a path', () => {
  test('may hold any character, encoded', async () => {
    const events = [at(1, { anonymousId: 'a/b é', visitor: 'a/b é' })];
    const { body } = await ask({ events }, `/api/v1/users/${encodeURIComponent('a/b é')}/events`);
    expect(body.events).toHaveLength(1);
  });
  test.each(['%zz', '%00', 'x'.repeat(201)])('%s is refused', async (id) => {
    expect(await ask({}, `/api/v1/users/${id}/events`)).toMatchObject({
      status: 400,
      body: { code: 'parameter_invalid' },
    });
  });
});

describe('stats', () => {
  const rows = [rowOf(eventsByType, '2026-11-23T10:03Z', ['a', 'b']), rowOf(eventsByType, '2026-11-23T10:04Z', ['a'])];
  const range = { from: '2026-11-23T10:03:00Z' };
  test('say what they counted', async () => {
    expect(await ask({ rows }, '/api/v1/stats', { measure: 'events', by: 'eventType', ...range })).toEqual({
      status: 200,
      body: {
        ...{ measure: 'events', by: 'eventType', interval: 'minute', zone: 'UTC' },
        from: '2026-11-23T10:03:00.000Z',
        to: '2026-11-23T10:05:00.000Z',
        rows: [
          { time: '2026-11-23T10:03:00.000Z', value: 2, key: 'page' },
          { time: '2026-11-23T10:04:00.000Z', value: 1, key: 'page' },
        ],
      },
    });
  });
  test('are of the last day by the hour by default', async () => {
    const { body } = await ask({ rows }, '/api/v1/stats');
    expect(body).toMatchObject({ measure: 'events', interval: 'hour', from: '2026-11-22T10:00:00.000Z' });
    expect(body.rows).toHaveLength(25);
  });
  test.each([
    [{ measure: 'sessions' }, /measure must be one of events, visitors, got "sessions"/],
    [{ measure: 'visitors', by: 'page' }, /by must be one of what visitors can be split by \(nothing\)/],
    [{ by: 'constructor' }, /split by \(eventType\), got "constructor"/],
    [{ from: '2026-11-24' }, /from must be before to/],
  ])('refuse %j', async (parameters, detail) => {
    const { status, body } = await ask({ rows }, '/api/v1/stats', parameters as Readonly<Record<string, string>>);
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'parameter_invalid' });
    expect(body.detail).toMatch(detail);
  });
});

test('live has the last minutes, the visitors of now, what was stored ever, and the newest events', async () => {
  const rows = [
    rowOf(eventsByType, '2026-11-23T10:04Z', ['a', 'b']),
    rowOf(eventsByType, '2026-11-23T09:35Z', ['a']),
    rowOf(eventsByType, '2026-11-23T09:34Z', ['too old']),
    rowOf(visitors, '2026-11-23T10:04Z', ['a', 'b']),
    rowOf(visitors, '2026-11-23T10:00Z', ['a', 'c']),
    rowOf(visitors, '2026-11-23T09:59Z', ['too old']),
  ];
  const totals = { events: 5, bad: 1, dead: 2, visitors: 4, expired: 10, erased: 100 };
  const { body } = await ask({ events: FIVE, rows, totals }, '/api/v1/live');
  expect(body).toMatchObject({
    time: '2026-11-23T10:04:30.000Z',
    totals: { stored: 115, events: 5, visitors: 4, bad: 1, dead: 2 },
    visitorsNow: 3,
    newest: [{ eventId: 'e5' }, {}, {}, {}, { eventId: 'e1' }],
  });
  expect(body.minutes).toHaveLength(LIMITS.liveMinutes);
  expect(body.minutes[0]).toEqual({ time: '2026-11-23T09:35:00.000Z', value: 1 });
  expect(body.minutes.at(-1)).toEqual({ time: '2026-11-23T10:04:00.000Z', value: 2 });
});

test('bad events come newest first, whole, page by page', async () => {
  const bad = Array.from({ length: 25 }, (_, number) => ({
    position: { lane: 'local', sequence: BigInt(number), index: 1 },
    ...{
      source: 'shop',
      receivedAt: '2026-11-23T10:00:00.000Z',
      code: 'too_deep',
      detail: 'why',
      payload: `{"n":${number}`,
    },
  }));
  const first = await ask({ bad }, '/api/v1/bad', { limit: '24' });
  expect(first.body.bad).toHaveLength(24);
  expect(first.body.bad[0]).toEqual({
    id: Buffer.from('local:24:1').toString('base64url'),
    ...{ source: 'shop', receivedAt: '2026-11-23T10:00:00.000Z', code: 'too_deep', detail: 'why', payload: '{"n":24' },
    position: { lane: 'local', sequence: '24', index: 1 },
  });
  const second = await ask({ bad }, '/api/v1/bad', { limit: '24', cursor: first.body.cursor });
  expect(second.body).toMatchObject({ bad: [{ payload: '{"n":0' }], cursor: null });
});

test('an audit reads the ledger, and the stored events when asked to', async () => {
  const entries = new Map([[0, [{ sequence: 9n, count: 1, stored: 1, duplicate: 0, bad: 0, dead: 0 }]]]);
  const text = ledgerCodec.encode({ entries, ackedThrough: -1, voids: new Set() });
  const listed: Listed = {
    rows: [{ key: { view: LEDGER.name, version: 1, source: 'shop', bucket: 'c/000000000000', lane: 'local' }, text }],
    lanes: new Map([['local', { done: 9n, registry: {}, cuts: {} }]]),
    totals: totalsOf({ events: 1 }),
  };
  const fast = await ask(listed, '/api/v1/audit');
  expect(fast).toMatchObject({ status: 200, body: { balanced: true, deep: false, accepted: 1, stored: 1 } });
  expect(fast.body.lanes).toEqual([{ lane: 'local', done: '9', pending: 0 }]);
  const deep = await ask(listed, '/api/v1/audit', { deep: 'true' });
  expect(deep.body).toMatchObject({
    balanced: false,
    problems: [{ kind: 'event_missing', collector: 'c', sequence: '9' }],
  });
});

test('an unknown path is a problem document', async () => {
  expect(await ask({}, '/api/v1/nothing')).toMatchObject({ status: 404, body: { code: 'not_found', status: 404 } });
});

test('a fault of the store is reported, and answered', async () => {
  const reported: ClickstreamError[] = [];
  const reader: EventReader = {
    snapshot: () => Promise.reject(new Error('disk on fire')),
    close: async () => undefined,
  };
  const report = (fault: ClickstreamError) => reported.push(fault);
  const { status } = await answer(reader, { path: '/api/v1/live', parameters: {} }, { ...parts, report });
  expect({ status, messages: reported.map(({ message }) => message) }).toEqual({
    status: 500,
    messages: ['disk on fire'],
  });
});

import { describe, expect, test } from 'vitest';
import { factsWith } from '../../tests/events.ts';
import { type Listed, readerOf, storedEvent, totalsOf } from '../../tests/listed-reads.ts';
import type { ClickstreamError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { LEDGER, ledgerBucket, ledgerRows } from '../process/views/ledger.ts';
import { propertiesSeen } from '../process/views/properties-seen.ts';
import type { EventReader, Row } from '../store/event-store.ts';
import { answer, type QueryParts } from './queries.ts';
import type { Measure, Split, Total } from './stats.ts';

const NOW = Date.parse('2026-11-23T10:04:30.000Z');

/** Counts by value; a row's text is the values themselves. */
type Counts = Map<string, number>;

function measureOf(view: string, by: readonly string[]): Measure {
  const reading = {
    view,
    empty: (): Counts => new Map(),
    decode: (text: string): Counts => {
      const counts: Counts = new Map();
      for (const value of JSON.parse(text) as string[]) counts.set(value, (counts.get(value) ?? 0) + 1);
      return counts;
    },
    add(state: Counts, other: Counts): Counts {
      for (const [value, count] of other) state.set(value, (state.get(value) ?? 0) + count);
      return state;
    },
  };
  const total: Total<Counts> = {
    ...reading,
    part: 'all',
    value: (state) => [...state.values()].reduce((a, b) => a + b, 0),
  };
  const splitBy = (part: string): Split<Counts> => ({
    ...{ ...reading, part, values: (state) => state },
    at: (value) => ({ ...reading, part, value: (state) => state.get(value) ?? 0 }),
  });
  return { total, by: Object.fromEntries(by.map((name) => [name, splitBy(name)])) };
}

const distinct: Total<Counts> = { ...(measureOf('visitors', []).total as Total<Counts>), value: (state) => state.size };
const parts: QueryParts = {
  measures: { events: measureOf('events', ['eventType']), visitors: { total: distinct, by: {} } },
  ledger: { name: LEDGER.name, decode: (text) => ledgerRows.decode(text), bucketOf: ledgerBucket },
  views: ['traffic', 'sessions'],
  schemas: () => ({ list: [], fault: undefined }),
  seen: propertiesSeen,
  memoryOf: () => ({}),
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

function rowOf(
  view: 'events' | 'visitors',
  minute: string,
  values: readonly string[],
  part: Partial<Row['key']> = {},
): Row {
  const key = { view, version: 1, source: 'default', bucket: `minute/${minute}`, lane: 'local', ...part };
  return { key, text: JSON.stringify(values) };
}

describe('a list of events', () => {
  test('has the stable names, big numbers as text, and nothing that is internal', async () => {
    const userId = 'ada';
    const { body } = await ask(
      { events: [at(7, { userId, facts: factsWith({ session: 3, late: true, enriched: { browser: 'Firefox' } }) })] },
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
          facts: {
            session: 3,
            sessionStart: '2026-11-23T10:00:00.000Z',
            first: false,
            newVisitor: false,
            late: true,
            enriched: { browser: 'Firefox' },
          },
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
  const bots = rowOf('events', '', ['page'], { bucket: 'bots/minute/2026-11-23T10:03Z' });
  const rows = [
    rowOf('events', '2026-11-23T10:03Z', ['page', 'page']),
    rowOf('events', '2026-11-23T10:04Z', ['page']),
    bots,
  ];
  const range = { from: '2026-11-23T10:03:00Z' };
  test('say what they counted', async () => {
    expect(await ask({ rows }, '/api/v1/stats', { measure: 'events', by: 'eventType', ...range })).toEqual({
      status: 200,
      body: {
        ...{ measure: 'events', by: 'eventType', bots: 'exclude', interval: 'minute', zone: 'UTC' },
        from: '2026-11-23T10:03:00.000Z',
        to: '2026-11-23T10:05:00.000Z',
        rows: [
          { time: '2026-11-23T10:03:00.000Z', value: 2, key: 'page' },
          { time: '2026-11-23T10:04:00.000Z', value: 1, key: 'page' },
        ],
      },
    });
  });
  test.each([
    ['exclude', [2, 1]],
    ['include', [3, 1]],
    ['only', [1, 0]],
  ])('%s bots', async (choice, values) => {
    const { body } = await ask({ rows }, '/api/v1/stats', { bots: choice, ...range });
    expect(body.bots).toBe(choice);
    expect(body.rows.map(({ value }: { readonly value: number }) => value)).toEqual(values);
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
    [{ key: 'page' }, /key must be given with by, and without limit, got "page"/],
    [{ by: 'eventType', key: 'page', limit: '2' }, /key must be given with by, and without limit/],
    [{ by: 'eventType', key: '' }, /key must be a text/],
    [{ limit: '2' }, /limit must be given with by, got "2"/],
    [{ by: 'eventType', limit: '0' }, /limit must be an integer from 1 to 1000/],
    [{ by: 'eventType', limit: '1001' }, /limit must be an integer from 1 to 1000/],
    [{ from: '2026-11-24' }, /from must be before to/],
  ])('refuse %j', async (parameters, detail) => {
    const { status, body } = await ask({ rows }, '/api/v1/stats', parameters as Readonly<Record<string, string>>);
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'parameter_invalid' });
    expect(body.detail).toMatch(detail);
  });
});

test('live has the last minutes, the visitors of now, what was stored ever, and the newest events', async () => {
  const rows = [
    rowOf('events', '2026-11-23T10:04Z', ['a', 'b']),
    rowOf('events', '2026-11-23T09:35Z', ['a']),
    rowOf('events', '2026-11-23T09:34Z', ['too old']),
    rowOf('visitors', '2026-11-23T10:04Z', ['a', 'b']),
    rowOf('visitors', '2026-11-23T10:00Z', ['a', 'c']),
    rowOf('visitors', '2026-11-23T09:59Z', ['too old']),
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

test.each([
  [{}, ['e4', 'e3', 'e1', 'e0']],
  [{ bots: 'include' }, ['e5', 'e4', 'e3', 'e2', 'e1', 'e0']],
  [{ bots: 'only' }, ['e5', 'e2']],
  [{ bots: 'include', source: 'blog' }, ['e4', 'e2', 'e0']],
  [{ bots: 'include', source: 'none' }, []],
])('live with %j', async (parameters, newest) => {
  const events = [0, 1, 2, 3, 4, 5].map((second) =>
    at(second, {
      source: second % 2 === 0 ? 'blog' : 'shop',
      facts: factsWith({ enriched: second === 2 || second === 5 ? { bot: true } : {} }),
    }),
  );
  const rows = [
    rowOf('events', '2026-11-23T10:04Z', ['a'], { source: 'blog' }),
    rowOf('events', '', ['a'], { source: 'blog', bucket: 'bots/minute/2026-11-23T10:04Z' }),
  ];
  const { body } = await ask({ events, rows }, '/api/v1/live', parameters as Readonly<Record<string, string>>);
  expect(body.newest.map(({ eventId }: { readonly eventId: string }) => eventId)).toEqual(newest);
  const counted =
    'source' in parameters && parameters.source === 'none'
      ? 0
      : 'bots' in parameters && parameters.bots === 'include'
        ? 2
        : 1;
  expect(body.minutes.at(-1).value).toBe(counted);
});

test('live looks for people among many bots, and gives up after a while', async () => {
  const events = Array.from({ length: 300 }, (_, second) =>
    at(second, { facts: factsWith({ enriched: second === 0 || second === 250 ? {} : { bot: true } }) }),
  );
  const { body } = await ask({ events }, '/api/v1/live');
  expect(body.newest.map(({ eventId }: { readonly eventId: string }) => eventId)).toEqual(['e250']);
});

test.each([
  ['/api/v1/events', {}, ['e4', 'e3', 'e2', 'e1', 'e0']],
  ['/api/v1/events', { source: 'shop' }, ['e3', 'e1']],
  ['/api/v1/events', { source: 'none' }, []],
  ['/api/v1/users/a1/events', { source: 'blog' }, ['e0', 'e2', 'e4']],
])('a list of one source: %s %j', async (path, parameters, expected) => {
  const events = [0, 1, 2, 3, 4].map((second) => at(second, { source: second % 2 === 0 ? 'blog' : 'shop' }));
  const { body } = await ask({ events }, path, parameters as Readonly<Record<string, string>>);
  expect(body.events.map(({ eventId }: { readonly eventId: string }) => eventId)).toEqual(expected);
});

test('the sources are those that the ledger knows', async () => {
  const ofSource = (source: string, view: string) => ({
    key: { view, version: 1, source, bucket: 'c/000000000000', lane: 'local' },
    text: '',
  });
  const rows = [ofSource('shop', LEDGER.name), ofSource('blog', LEDGER.name), ofSource('none', 'events')];
  expect((await ask({ rows }, '/api/v1/sources')).body).toEqual({ sources: ['blog', 'shop'] });
  expect((await ask({}, '/api/v1/sources')).body).toEqual({ sources: [] });
});

describe('bad events by reason', () => {
  const count = LIMITS.badLooksMax + 500;
  const bad = Array.from({ length: count }, (_, number) => ({
    position: { lane: 'local', sequence: BigInt(number), index: 0 },
    source: number % 2 === 0 ? 'shop' : 'blog',
    receivedAt: '2026-11-23T10:00:00.000Z',
    code: number === 3 || number > count - 10 ? 'too_deep' : 'id_missing',
    ...{ detail: 'why', payload: '{}' },
  }));
  const sequencesOf = (body: { readonly bad: readonly { readonly position: { readonly sequence: string } }[] }) =>
    body.bad.map(({ position }) => Number(position.sequence));

  test('are found page by page, however far apart they lie', async () => {
    const first = await ask({ bad }, '/api/v1/bad', { code: 'too_deep', source: 'blog', limit: '4' });
    expect(sequencesOf(first.body)).toEqual([count - 1, count - 3, count - 5, count - 7]);
    const { cursor } = first.body;
    const second = await ask({ bad }, '/api/v1/bad', { code: 'too_deep', source: 'blog', limit: '4', cursor });
    expect(sequencesOf(second.body)).toEqual([count - 9]);
    const third = await ask({ bad }, '/api/v1/bad', { code: 'too_deep', source: 'blog', cursor: second.body.cursor });
    expect(sequencesOf(third.body)).toEqual([3]);
    expect(third.body.cursor).toBeNull();
    expect((await ask({ bad }, '/api/v1/bad', { source: 'none' })).body.bad).toEqual([]);
  });

  test('are counted among the newest, of all sources or of one', async () => {
    const { body } = await ask({ bad }, '/api/v1/bad', { limit: '1' });
    expect(body).toMatchObject({ counted: LIMITS.badLooksMax, complete: false });
    expect(body.reasons).toEqual([
      { code: 'id_missing', count: LIMITS.badLooksMax - 9 },
      { code: 'too_deep', count: 9 },
    ]);
    const few = await ask({ bad: bad.slice(0, 5) }, '/api/v1/bad', { source: 'shop', code: 'too_deep' });
    expect(few.body).toMatchObject({
      bad: [],
      reasons: [{ code: 'id_missing', count: 3 }],
      counted: 5,
      complete: true,
    });
  });
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
    ...{ eventType: null, replay: null, replayOf: null },
  });
  const second = await ask({ bad }, '/api/v1/bad', { limit: '24', cursor: first.body.cursor });
  expect(second.body).toMatchObject({ bad: [{ payload: '{"n":0' }], cursor: null });
});

test('an audit reads the ledger, and the stored events when asked to', async () => {
  const entries = new Map([
    [0, [{ sequence: 9n, hour: '2026-11-23T10', ...{ count: 1, stored: 1, duplicate: 0, bad: 0, dead: 0 } }]],
  ]);
  const text = ledgerRows.encode({ entries, ackedThrough: -1, voids: new Set(), arrivedAtMs: 0 });
  const listed: Listed = {
    rows: [{ key: { view: LEDGER.name, version: 1, source: 'shop', bucket: 'c/000000000000', lane: 'local' }, text }],
    lanes: new Map([['local', { done: 9n, registry: {}, cuts: {} }]]),
    totals: totalsOf({ events: 1 }),
  };
  const fast = await ask(listed, '/api/v1/audit');
  expect(fast).toMatchObject({ status: 200, body: { balanced: true, deep: false, accepted: 1, stored: 1 } });
  expect(fast.body.lanes).toMatchObject([{ lane: 'local', done: '9', pending: 0, accepted: 1, stored: 1 }]);
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

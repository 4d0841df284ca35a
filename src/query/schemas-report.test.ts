import { describe, expect, test } from 'vitest';
import { ClickstreamError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import type { EventReads } from '../store/event-store.ts';
import { type Seen, type SeenView, schemasReport, type TypeSchema, typeReports } from './schemas-report.ts';

type Counts = Readonly<Record<string, number>>;

/** Event type: [events, { property: counts }]. */
function seenOf(types: Record<string, readonly [number, Readonly<Record<string, Counts>>]>): Seen {
  return new Map(
    Object.entries(types).map(([eventType, [events, properties]]) => [
      eventType,
      { events, properties: new Map(Object.entries(properties).map(([name, counts]) => [name, { counts }])) },
    ]),
  );
}

function schemaOf(eventType: string, schema: Json, part: Partial<TypeSchema> = {}): TypeSchema {
  return { eventType, version: 1, schema, ...part };
}

const ofProperties = (schema: Json): Json => ({ properties: { properties: schema } });

describe('a type', () => {
  test('its properties against its newest schema: seen and declared, required and missing', () => {
    const seen = new Map([
      ['shop', seenOf({ Signup: [10, { plan: { string: 8, null: 2, object: 0 }, referer: { string: 1 } }] })],
    ]);
    const schemas = [
      schemaOf('Signup', ofProperties({ required: ['plan', 'seats'], properties: { plan: {}, coupon: {} } }), {
        version: 10,
      }),
      schemaOf('Signup', ofProperties({ required: ['referer'] }), { version: 9 }),
    ];
    expect(typeReports(seen, { schemas })).toEqual([
      {
        source: 'shop',
        eventType: 'Signup',
        events: 10,
        versions: [9, 10],
        field: 'properties',
        capped: false,
        properties: [
          { name: 'plan', count: 10, missing: 0, types: { string: 8, null: 2 }, inSchema: true, required: true },
          { name: 'referer', count: 1, missing: 9, types: { string: 1 }, inSchema: false, required: false },
          { name: 'coupon', count: 0, missing: 10, types: {}, inSchema: true, required: false },
          { name: 'seats', count: 0, missing: 10, types: {}, inSchema: true, required: true },
        ],
      },
    ]);
  });
  test('of identify, the traits', () => {
    const schemas = [
      schemaOf('identify', { properties: { traits: { required: ['email'] }, properties: { required: ['x'] } } }),
    ];
    const [report] = typeReports(new Map([['shop', seenOf({ identify: [1, {}] })]]), { schemas });
    expect([report?.field, report?.properties.map(({ name }) => name)]).toEqual(['traits', ['email']]);
  });
  test('without a schema', () => {
    const [report] = typeReports(new Map([['shop', seenOf({ page: [3, { path: { string: 3 } }] })]]), { schemas: [] });
    expect(report).toMatchObject({ versions: [], properties: [{ name: 'path', inSchema: false, required: false }] });
  });
  test('with more properties than a row has room for', () => {
    const seen = new Map([['shop', seenOf({ page: [1, { a: { string: 1 }, '(other)': { string: 7 } }] })]]);
    expect(typeReports(seen, { schemas: [] })).toMatchObject([
      {
        capped: true,
        properties: [
          { name: '(other)', count: 7, missing: 0 },
          { name: 'a', count: 1 },
        ],
      },
    ]);
  });
});

describe('which schema is compared with', () => {
  const schemas = [
    schemaOf('Signup', true, { version: 1 }),
    schemaOf('Signup', true, { version: 2, source: 'shop' }),
    schemaOf('Refund', true, { version: 3 }),
    schemaOf('Refund', true, { version: 4, source: 'till' }),
  ];
  const told = (seen: ReadonlyMap<string, Seen>, source?: string) =>
    typeReports(seen, { schemas, source }).map((report) => [
      report.source,
      report.eventType,
      report.events,
      report.versions,
    ]);
  test("a source's own goes before the general one; what was seen with neither has none", () => {
    const seen = new Map([
      ['shop', seenOf({ Signup: [5, {}], page: [9, {}] })],
      ['blog', seenOf({ Signup: [4, {}] })],
    ]);
    expect(told(seen)).toEqual([
      ['shop', 'page', 9, []],
      ['shop', 'Signup', 5, [2]],
      ['blog', 'Signup', 4, [1]],
      // Seen nowhere: in general, and in the source that has one of its own.
      [null, 'Refund', 0, [3]],
      ['till', 'Refund', 0, [4]],
    ]);
  });
  test('of one source: its own, and the general ones that hold for it', () => {
    expect(told(new Map([['shop', seenOf({ Signup: [5, {}] })]]), 'shop')).toEqual([
      ['shop', 'Signup', 5, [2]],
      ['shop', 'Refund', 0, [3]],
    ]);
    expect(told(new Map(), 'till')).toEqual([
      ['till', 'Refund', 0, [4]],
      ['till', 'Signup', 0, [1]],
    ]);
  });
});

test.each<[string, Json, readonly (readonly [string, boolean])[]]>([
  ['nothing', true, []],
  ['no object', { properties: { properties: true } }, []],
  [
    'allOf',
    ofProperties({ allOf: [{ required: ['a'] }, { properties: { b: {} } }] }),
    [
      ['a', true],
      ['b', false],
    ],
  ],
  [
    'anyOf, oneOf',
    ofProperties({ anyOf: [{ required: ['a'] }], oneOf: [{ required: ['b'] }] }),
    [
      ['a', false],
      ['b', false],
    ],
  ],
  [
    'conditions',
    ofProperties({
      if: { required: ['x'] },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
      then: { required: ['a'] },
      else: { required: ['b'] },
      dependentSchemas: { a: { required: ['c'] } },
    }),
    [
      ['a', false],
      ['b', false],
      ['c', false],
    ],
  ],
  [
    'references, with themselves in them',
    {
      $ref: '#/$defs/an~1event',
      $defs: {
        'an/event': ofProperties({ $ref: '#/$defs/p' }),
        p: { required: ['a'], allOf: [{ $ref: '#/$defs/p' }] },
      },
    },
    [['a', true]],
  ],
  [
    'references that lead nowhere',
    ofProperties({ $ref: '#/$defs/x', allOf: [{ $ref: 'other.json' }, { $ref: '#name' }] }),
    [],
  ],
  ['both possible and certain', ofProperties({ anyOf: [{ $ref: '#/$defs/p' }], allOf: [{ $ref: '#/$defs/p' }] }), []],
  [
    'a condition on the event',
    { anyOf: [ofProperties({ required: ['a'] })], ...(ofProperties({ required: ['b'] }) as object) },
    [
      ['a', false],
      ['b', true],
    ],
  ],
])('what a schema declares: %s', (_, schema, names) => {
  const [report] = typeReports(new Map([['shop', seenOf({ T: [1, {}] })]]), { schemas: [schemaOf('T', schema)] });
  expect(report?.properties.map(({ name, required }) => [name, required])).toEqual(names);
});

test('what is reached both under a condition and without is certain', () => {
  const schema = {
    ...(ofProperties({ anyOf: [{ $ref: '#/$defs/p' }], allOf: [{ $ref: '#/$defs/p' }] }) as object),
    $defs: { p: { required: ['a'] } },
  };
  const [report] = typeReports(new Map(), { schemas: [schemaOf('T', schema)] });
  expect(report?.properties).toMatchObject([{ name: 'a', required: true }]);
});

test('a name that a pattern of the schema takes is in it', () => {
  const schemas = [schemaOf('T', ofProperties({ patternProperties: { '^utm_': {} } }))];
  const seen = new Map([['shop', seenOf({ T: [1, { utm_id: { string: 1 }, id: { string: 1 } }] })]]);
  const [report] = typeReports(seen, { schemas });
  expect(report?.properties.map(({ name, inSchema }) => [name, inSchema])).toEqual([
    ['id', false],
    ['utm_id', true],
  ]);
});

describe('the answer', () => {
  const view: SeenView = {
    name: 'seen',
    empty: () => new Map(),
    decode: (text) => seenOf({ [text]: [1, {}] }),
    merge: (a, b) => {
      const merged = new Map(a);
      for (const [type, had] of b) merged.set(type, { ...had, events: had.events + (a.get(type)?.events ?? 0) });
      return merged;
    },
  };
  const asked: Parameters<EventReads['rows']>[0][] = [];
  const row = (source: string, lane: string, text: string) => ({
    key: { view: 'seen', version: 1, source, bucket: 'day/2026-11-23', lane },
    text,
  });
  const reads = {
    rows: async (range: Parameters<EventReads['rows']>[0]) => {
      asked.push(range);
      return [row('shop', 'a', 'page'), row('shop', 'b', 'page'), row('blog', 'a', 'page')];
    },
  } as Partial<EventReads> as EventReads;
  const ask = (from: string, to: string, rest: { readonly [name in 'source' | 'type' | 'fault']?: string } = {}) =>
    schemasReport(reads, { view, schemas: [], from: Date.parse(from), to: Date.parse(to), ...rest });

  test('merges lanes and days, not sources; the range is whole days', async () => {
    const answer = await ask('2026-11-22T13:00:00Z', '2026-11-24T00:00:00.001Z', { fault: 'broken' });
    expect(answer).toMatchObject({ from: '2026-11-22T00:00:00.000Z', to: '2026-11-25T00:00:00.000Z', fault: 'broken' });
    expect(answer.types.map(({ source, events }) => [source, events])).toEqual([
      ['shop', 2],
      ['blog', 1],
    ]);
    expect(asked.at(-1)).toEqual({ view: 'seen', source: undefined, from: 'day/2026-11-22', to: 'day/2026-11-25' });
  });
  test('one source is asked for as such', async () => {
    expect((await ask('2026-11-22', '2026-11-23', { source: 'shop' })).fault).toBeNull();
    expect(asked.at(-1)).toEqual({ view: 'seen', source: 'shop', from: 'day/2026-11-22', to: 'day/2026-11-23' });
  });
  test('of one type, and of those a row had no room for', async () => {
    const schemas = [schemaOf('cart', {}), schemaOf('page', {})];
    const cut = { ...view, decode: (text: string) => seenOf({ [text]: [1, {}], '(other)': [5, {}] }) };
    const of = { view: cut, schemas, from: Date.parse('2026-11-22'), to: Date.parse('2026-11-23') };
    const told = async (type: string) => (await schemasReport(reads, { ...of, type })).types.map((t) => t.eventType);
    expect(await told('page')).toEqual(['(other)', '(other)', 'page', 'page']);
    expect(await told('cart')).toEqual(['(other)', '(other)', 'cart']);
    expect((await ask('2026-11-22', '2026-11-23', { type: 'cart' })).types).toEqual([]);
  });
  test.each([
    ['2026-11-23', '2026-11-23'],
    ['2026-11-24', '2026-11-23'],
    ['1969-12-31', '1970-01-02'],
    ['2025-01-01', '2026-01-01'],
    ['9999-12-30', '9999-12-31T00:00:00.001Z'],
  ])('refuses %s to %s', async (from, to) => {
    await expect(ask(from, to)).rejects.toThrow(ClickstreamError);
    await expect(ask(from, to)).rejects.toMatchObject({ code: 'parameter_invalid' });
  });
  test('takes as many days as it says', async () => {
    const to = Date.parse('2026-11-23');
    const from = to - LIMITS.schemaReportDaysMax * 86_400_000;
    expect((await schemasReport(reads, { view, schemas: [], from, to })).types).toHaveLength(2);
    await expect(schemasReport(reads, { view, schemas: [], from: from - 1, to })).rejects.toThrow('at most 100 days');
  });
});

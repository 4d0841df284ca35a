import { describe, expect, test } from 'vitest';
import { eventWith, factsWith } from '../../../tests/events.ts';
import type { Event } from '../../core/event.ts';
import { LIMITS } from '../../core/limits.ts';
import { type PropertiesSeen, propertiesSeen } from './properties-seen.ts';
import { OTHER } from './table.ts';

const facts = factsWith();
const folded = (...events: readonly Partial<Event>[]) =>
  events.reduce<PropertiesSeen>(
    (state, event, order) => propertiesSeen.fold(state, eventWith(event), facts, order),
    propertiesSeen.empty(),
  );
const absorbed = (...events: readonly Partial<Event>[]) =>
  propertiesSeen.absorb(propertiesSeen.empty(), [folded(...events)], 'day/2026-11-23');
/** By event type: how many events, and what of each property is not zero. */
const plain = (state: PropertiesSeen) =>
  Object.fromEntries(
    [...state].map(([eventType, { events, properties }]) => [
      eventType,
      [events, Object.fromEntries([...properties].map(([name, { counts }]) => [name, nonZero(counts)]))],
    ]),
  );
const nonZero = (counts: object) => Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
const some = <Value>(count: number, value: (index: number) => Value) =>
  Array.from({ length: count }, (_, at) => value(at));

test('an event counts in the row of its day, in UTC', () => {
  const at = propertiesSeen.at(eventWith({ timestamp: '2026-11-23T23:59:59.999Z' }), facts);
  expect(propertiesSeen.buckets(at ?? '')).toEqual(['day/2026-11-23']);
});

test('names and JSON types, by event type; no values', () => {
  const state = folded(
    { eventType: 'Signup', properties: { plan: 'pro', seats: 3, price: 9.5, trial: false, coupon: null } },
    { eventType: 'Signup', properties: { plan: 7, tags: ['a'], address: { city: 'x' } } },
    { eventType: 'page', properties: {} },
  );
  expect(plain(state)).toEqual({
    Signup: [
      2,
      {
        plan: { string: 1, integer: 1 },
        seats: { integer: 1 },
        price: { number: 1 },
        trial: { boolean: 1 },
        coupon: { null: 1 },
        tags: { array: 1 },
        address: { object: 1 },
      },
    ],
    page: [1, {}],
  });
  expect(propertiesSeen.encode(state)).not.toContain('pro');
});

test.each(['identify', 'group'])('of %s it is the traits', (eventType) => {
  const state = folded({ eventType, properties: { groupId: 'g' }, traits: { email: 'e' } });
  expect(plain(state)).toEqual({ [eventType]: [1, { email: { string: 1 } }] });
});

test('names that every object inherits something of are like any other', () => {
  const properties = JSON.parse('{"__proto__":1,"constructor":2,"toString":3}') as Event['properties'];
  const text = propertiesSeen.encode(folded({ eventType: '__proto__', properties }));
  const [eventType, { properties: seen } = { properties: new Map() }] = [...propertiesSeen.decode(text)][0] ?? [];
  expect([eventType, [...seen.keys()].sort()]).toEqual(['__proto__', ['__proto__', 'constructor', 'toString']]);
});

test('a long name is cut', () => {
  const [name] =
    folded({ properties: { ['x'.repeat(5_000)]: 1 } })
      .get('page')
      ?.properties.keys() ?? [];
  expect(name).toHaveLength(LIMITS.seenNameCharsMax);
});

describe('caps', () => {
  const { seenTypesMax, seenPropertiesPerTypeMax } = LIMITS;
  test('of event types beyond the cap, the number of events is kept', () => {
    const events = some(seenTypesMax + 5, (index) => ({ eventType: `t${index}`, properties: { a: 1 } }));
    const row = absorbed(...events, { eventType: 't0' });
    expect(row.size).toBe(seenTypesMax + 1);
    expect(plain(row)).toMatchObject({ t0: [2, { a: { integer: 1 } }], [OTHER]: [5, {}] });
    const again = propertiesSeen.absorb(row, [folded({ eventType: 't1' }, { eventType: 'new' })], 'day/2026-11-23');
    expect(plain(again)).toMatchObject({ t1: [2, {}], [OTHER]: [6, {}] });
  });
  test('properties beyond the cap are counted as one', () => {
    const properties = Object.fromEntries(some(seenPropertiesPerTypeMax + 5, (index) => [`p${index}`, index]));
    const row = absorbed({ properties }, { properties: { p0: 'x', p9999: null } });
    expect(row.get('page')?.properties.size).toBe(seenPropertiesPerTypeMax + 1);
    expect(plain(row)).toMatchObject({
      page: [2, { p0: { integer: 1, string: 1 }, [OTHER]: { integer: 5, null: 1 } }],
    });
  });
  test('neither a fold nor a merge caps', () => {
    const types = (from: number) => some(seenTypesMax, (index) => ({ eventType: `t${from + index}` }));
    expect(propertiesSeen.merge(folded(...types(0)), folded(...types(9_000))).size).toBe(2 * seenTypesMax);
    expect(folded(...types(0), ...types(9_000)).size).toBe(2 * seenTypesMax);
  });
});

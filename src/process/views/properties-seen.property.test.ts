import fc from 'fast-check';
import { expect, test } from 'vitest';
import { eventWith, factsWith } from '../../../tests/events.ts';
import type { Event } from '../../core/event.ts';
import type { JsonObject } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { type PropertiesSeen, propertiesSeen } from './properties-seen.ts';

const { merge, encode, decode, empty } = propertiesSeen;
const facts = factsWith();
const BUCKET = 'day/2026-11-23';

const names = fc.oneof(fc.constantFrom('a', 'b', '__proto__', 'constructor', '(other)'), fc.string({ maxLength: 3 }));
const object = fc
  .dictionary(names, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 5 })
  .map((value) => JSON.parse(JSON.stringify(value)) as JsonObject);
const event: fc.Arbitrary<Event> = fc
  .record({
    eventType: fc.constantFrom('page', 'identify', 'Signup', '__proto__', '(other)'),
    properties: object,
    traits: object,
  })
  .map((part) => eventWith(part));
const events = fc.array(event, { maxLength: 12 });
const fold = (list: readonly Event[]) =>
  list.reduce<PropertiesSeen>((state, one, order) => propertiesSeen.fold(state, one, facts, order), empty());
const states = events.map(fold);

test('merge is associative and commutative, and changes neither of its arguments', () => {
  fc.assert(
    fc.property(states, states, states, (a, b, c) => {
      const before = [a, b, c].map(encode);
      expect(encode(merge(merge(a, b), c))).toBe(encode(merge(a, merge(b, c))));
      expect(encode(merge(a, b))).toBe(encode(merge(b, a)));
      expect(encode(merge(a, empty()))).toBe(encode(a));
      expect([a, b, c].map(encode)).toEqual(before);
    }),
  );
});

test('what is encoded is decoded', () => {
  fc.assert(fc.property(states, (state) => encode(decode(encode(state))) === encode(state)));
});

test('folding a list is merging the folds of its parts, or absorbing them', () => {
  fc.assert(
    fc.property(events, events, (before, after) => {
      const whole = encode(fold([...before, ...after]));
      const [first, second] = [fold(before), fold(after)];
      const deltas = [first, second].map(encode);
      expect(encode(merge(first, second))).toBe(whole);
      expect(encode(propertiesSeen.absorb(empty(), [first, second], BUCKET))).toBe(whole);
      const stored = decode(encode(propertiesSeen.absorb(empty(), [first], BUCKET)));
      expect(encode(propertiesSeen.absorb(stored, [second], BUCKET))).toBe(whole);
      expect([first, second].map(encode)).toEqual(deltas);
    }),
  );
});

/** Few names of few types, and a row that has room for fewer; each in one of three minutes of the day. */
const many = fc.array(
  fc
    .record({
      type: fc.nat(LIMITS.seenTypesMax + 20),
      name: fc.nat(LIMITS.seenPropertiesPerTypeMax + 20),
      minute: fc.nat(2),
    })
    .map(({ type, name, minute }) => ({
      minute,
      event: eventWith({ eventType: type % 3 === 0 ? 'page' : `t${type}`, properties: { [`p${name}`]: name } }),
    })),
  { minLength: 300, maxLength: 600 },
);

test('also where caps are met, a row is the same however its events were batched, and none is lost', () => {
  fc.assert(
    fc.property(many, fc.integer({ min: 1, max: 100 }), (list, size) => {
      const inBatches = (length: number) => {
        let row = empty();
        for (let from = 0; from < list.length; from += length) {
          const minutes = new Map<number, PropertiesSeen>();
          for (const [order, { minute, event: one }] of list.slice(from, from + length).entries()) {
            minutes.set(minute, propertiesSeen.fold(minutes.get(minute) ?? empty(), one, facts, order));
          }
          row = propertiesSeen.absorb(row, [...minutes.values()], BUCKET);
        }
        return row;
      };
      const row = inBatches(size);
      expect(encode(row)).toBe(encode(inBatches(list.length)));
      expect(encode(row)).toBe(encode(inBatches(1)));
      expect(row.size).toBeLessThanOrEqual(LIMITS.seenTypesMax + 1);
      expect([...row.values()].reduce((sum, seen) => sum + seen.events, 0)).toBe(list.length);
      for (const { properties } of row.values()) {
        expect(properties.size).toBeLessThanOrEqual(LIMITS.seenPropertiesPerTypeMax + 1);
      }
    }),
    { numRuns: 30 },
  );
});

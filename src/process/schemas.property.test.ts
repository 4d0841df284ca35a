import fc from 'fast-check';
import { expect, test } from 'vitest';
import { eventWith } from '../../tests/events.ts';
import type { Event } from '../core/event.ts';
import type { JsonObject } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import { compileSchemas } from './schemas.ts';

const name = fc.oneof(fc.constantFrom('total', 'items', '__proto__', 'constructor', 'a/b~'), fc.string());
const object = fc
  .dictionary(name, fc.jsonValue({ maxDepth: 4 }), { maxKeys: 6 })
  .map((value) => JSON.parse(JSON.stringify(value)) as JsonObject);
const anything: fc.Arbitrary<Event> = fc
  .record({
    properties: object,
    traits: object,
    context: fc.oneof(object, fc.record({ protocols: fc.oneof(object, fc.record({ event_version: fc.jsonValue() })) })),
    eventType: fc.constantFrom('Signup', 'page', '__proto__'),
    source: fc.constantFrom('shop', 'blog', '__proto__'),
  })
  .map((part) => eventWith(part as Partial<Event>));

const SCHEMAS = compileSchemas([
  {
    file: 'Signup/1.json',
    eventType: 'Signup',
    version: 1,
    schema: {
      $defs: {
        tree: { anyOf: [{ type: ['string', 'number'] }, { items: { $ref: '#/$defs/tree' }, uniqueItems: true }] },
      },
      properties: {
        properties: {
          propertyNames: { maxLength: 8 },
          properties: { total: { type: 'number', multipleOf: 0.01 }, items: { $ref: '#/$defs/tree' } },
          unevaluatedProperties: { oneOf: [{ format: 'email' }, { format: 'date-time' }, { not: { type: 'string' } }] },
          if: { required: ['total'] },
          // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
          then: { required: ['items'] },
        },
      },
    },
  },
  { file: '@shop/page/3.json', source: 'shop', eventType: 'page', version: 3, schema: { maxProperties: 11 } },
  { file: '__proto__/0.json', eventType: '__proto__', version: 0, schema: false },
]);

test('any event either fits or gets a bounded reason; nothing throws, and the event stays as it is', () => {
  fc.assert(
    fc.property(anything, (event) => {
      const before = JSON.stringify(event);
      const reason = SCHEMAS.check(event);
      expect(JSON.stringify(event)).toBe(before);
      if (reason === undefined) return;
      expect(reason.code).toMatch(/^schema_(invalid|version_unknown)$/);
      expect(reason.detail.length).toBeLessThanOrEqual(LIMITS.schemaDetailCharsMax);
      expect(reason.detail.isWellFormed()).toBe(true);
      // The same event gets the same answer, whatever was checked in between.
      expect(SCHEMAS.check(event)).toEqual(reason);
    }),
    { numRuns: 2_000 },
  );
});

test('schemas of any JSON compile or are refused as configuration', () => {
  const keyword = fc.constantFrom(
    'type',
    'properties',
    'required',
    '$ref',
    '$id',
    'items',
    'pattern',
    'enum',
    'allOf',
    '$defs',
  );
  const schema = fc.oneof(fc.jsonValue(), fc.dictionary(keyword, fc.jsonValue({ maxDepth: 3 })));
  fc.assert(
    fc.property(schema, (value) => {
      const list = [{ file: 'a/1.json', eventType: 'a', version: 1, schema: value as JsonObject }];
      try {
        compileSchemas(list).check(eventWith({ eventType: 'a' }));
      } catch (error) {
        expect(error).toMatchObject({ code: 'config_invalid', message: expect.stringMatching(/^a\/1\.json: /) });
      }
    }),
    { numRuns: 300 },
  );
});

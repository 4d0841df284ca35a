import { describe, expect, test } from 'vitest';
import { eventWith } from '../../tests/events.ts';
import { ClickstreamError } from '../core/errors.ts';
import type { Event } from '../core/event.ts';
import type { Json } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import { compileSchemas, type SchemaSource } from './schemas.ts';

const DRAFT_07 = 'http://json-schema.org/draft-07/schema#';

function schemaWith(schema: Json, part: Partial<SchemaSource> = {}): SchemaSource {
  const { eventType = 'Signup', version = 1 } = part;
  return { file: `${eventType}/${version}.json`, eventType, version, schema, ...part };
}

/** A schema of the event that asks this of its properties. */
const ofProperties = (schema: Json): Json => ({ properties: { properties: schema } });

function check(schema: Json, event: Partial<Event>) {
  return compileSchemas([schemaWith(schema)]).check(eventWith({ eventType: 'Signup', ...event }));
}

/** What compiling it throws. */
function refusal(...list: readonly SchemaSource[]): string {
  try {
    compileSchemas(list);
  } catch (error) {
    if (error instanceof ClickstreamError && error.code === 'config_invalid') return error.message;
    throw error;
  }
  return 'nothing was thrown';
}

describe('an event that does not fit is told where, what was expected and what was got', () => {
  test.each<[Json, Event['properties'], string]>([
    [{ required: ['total'] }, {}, '/properties/total must be there, got nothing'],
    [{ required: ['a/b~c'] }, {}, '/properties/a~1b~0c must be there, got nothing'],
    [
      { properties: { total: { type: 'number' } } },
      { total: '12' },
      '/properties/total must be of type number, got "12"',
    ],
    [
      { properties: { total: { type: ['number', 'null'] } } },
      { total: true },
      '/properties/total must be of type number or null, got true',
    ],
    [{ properties: { total: { minimum: 0 } } }, { total: -1 }, '/properties/total must be >= 0, got -1'],
    [
      { properties: { currency: { enum: ['EUR', 'USD'] } } },
      { currency: 'eur' },
      '/properties/currency must be one of ["EUR","USD"], got "eur"',
    ],
    [{ properties: { plan: { const: 'pro' } } }, { plan: null }, '/properties/plan must be "pro", got null'],
    [
      { properties: { sku: { pattern: '^[A-Z]+$' } } },
      { sku: 'a' },
      '/properties/sku must match pattern "^[A-Z]+$", got "a"',
    ],
    [
      { properties: { at: { format: 'date-time' } } },
      { at: 'today' },
      '/properties/at must match format "date-time", got "today"',
    ],
    [
      { properties: { page: { format: 'url' } } },
      { page: 'javascript:alert(1)' },
      '/properties/page must match format "url", got "javascript:alert(1)"',
    ],
    [
      { properties: { items: { items: { properties: { price: { type: 'number' } } } } } },
      { items: [{ price: 1 }, { price: 'x' }] },
      '/properties/items/1/price must be of type number, got "x"',
    ],
    // What bounds the cost of a pattern, and of unique items, is asked before them.
    [
      { properties: { sku: { pattern: '^[A-Z]+$', maxLength: 3 } } },
      { sku: 'abcd' },
      '/properties/sku must not have more than 3 characters, got "abcd"',
    ],
    [
      { properties: { tags: { uniqueItems: true, maxItems: 1 } } },
      { tags: [1, 1] },
      '/properties/tags must not have more than 1 items, got [1,1]',
    ],
    [{ additionalProperties: false, properties: { a: {} } }, { a: 1, b: 2 }, '/properties/b must not be there, got 2'],
    [{ unevaluatedProperties: false }, { b: [2] }, '/properties/b must not be there, got [2]'],
    [{ properties: { secret: false } }, { secret: 1 }, '/properties/secret must not be there, got 1'],
    [
      { dependentRequired: { card: ['expiry'] } },
      { card: 1 },
      '/properties/expiry must be there when "card" is, got nothing',
    ],
    [
      { propertyNames: { pattern: '^[a-z]+$' } },
      { Total: 1 },
      '/properties must not have a property named "Total", got {"Total":1}: /properties must match pattern "^[a-z]+$", got "Total"',
    ],
    [
      { properties: { price: { anyOf: [{ type: 'number' }, { type: 'null' }] } } },
      { price: 'x' },
      '/properties/price must match a schema in anyOf, got "x": /properties/price must be of type number, got "x"; /properties/price must be of type null, got "x"',
    ],
    [
      { properties: { price: { $ref: '#/$defs/price' } } },
      { price: 'x' },
      '/properties/price must be of type number, got "x"',
    ],
    // Names that every object inherits something of are like any other.
    [{ required: ['constructor'] }, {}, '/properties/constructor must be there, got nothing'],
    [{ required: ['toString'] }, {}, '/properties/toString must be there, got nothing'],
  ])('%j of %j: %s', (schema, properties, detail) => {
    const whole = { ...(ofProperties(schema) as object), $defs: { price: { type: 'number' } } };
    expect(check(whole, { properties })).toEqual({ code: 'schema_invalid', detail: `Signup/1.json: ${detail}` });
  });

  test('it is the whole event that the schema describes', () => {
    const schema = {
      required: ['userId'],
      properties: { context: { required: ['ip'] }, traits: { required: ['age'] } },
    };
    const detail = (event: Partial<Event>) => check(schema, event)?.detail;
    expect(detail({})).toBe('Signup/1.json: /userId must be there, got nothing');
    expect(detail({ userId: 'u' })).toBe('Signup/1.json: /context/ip must be there, got nothing');
    expect(detail({ userId: 'u', context: { ip: '' } })).toBe('Signup/1.json: /traits/age must be there, got nothing');
    expect(detail({ userId: 'u', context: { ip: '' }, traits: { age: 1 } })).toBeUndefined();
  });
  test('true takes every event, false none', () => {
    expect(check(true, {})).toBeUndefined();
    expect(check(false, {})?.detail).toMatch(/^Signup\/1\.json: the event must not be there, got \{"eventId":"e1"/);
  });
  test('what is said is bounded and well-formed, whatever is sent and expected', () => {
    const long = '😀'.repeat(5_000);
    const schema = ofProperties({ properties: { [long]: { enum: [`${long}x`] } } });
    const [schemaFile] = [schemaWith(schema, { file: `${long}/1.json` })];
    const reason = compileSchemas([schemaFile]).check(eventWith({ eventType: 'Signup', properties: { [long]: long } }));
    expect(reason?.detail.length).toBeLessThanOrEqual(LIMITS.schemaDetailCharsMax);
    expect(reason?.detail.isWellFormed()).toBe(true);
    expect(reason?.detail).toContain('must be one of');
    expect(reason?.detail).toContain('got "😀');
  });
  test('a property that is not there and is no inherited one passes', () => {
    expect(check(ofProperties({ properties: { constructor: { type: 'string' } } }), {})).toBeUndefined();
  });
});

describe('which schema an event must fit', () => {
  const schemas = compileSchemas([
    schemaWith(ofProperties({ required: ['b'] }), { version: 10 }),
    schemaWith(ofProperties({ required: ['a'] }), { version: 2 }),
    schemaWith(ofProperties({ required: ['c'] }), { source: 'shop', version: 1, file: '@shop/Signup/1.json' }),
  ]);
  const detail = (version: Json | undefined, source = 'blog') => {
    const context = version === undefined ? {} : { protocols: { event_version: version } };
    return schemas.check(eventWith({ eventType: 'Signup', source, context }))?.detail;
  };
  test('the newest, by number', () => {
    expect(detail(undefined)).toBe('Signup/10.json: /properties/b must be there, got nothing');
    expect(detail(null)).toBe('Signup/10.json: /properties/b must be there, got nothing');
  });
  test('the one it names, as a number or its digits', () => {
    expect(detail(2)).toBe('Signup/2.json: /properties/a must be there, got nothing');
    expect(detail('2')).toBe('Signup/2.json: /properties/a must be there, got nothing');
  });
  test.each([3, 1, -2, 2.5, '', '2 ', '2.0', 'x', true, {}, [2]])('one that is not there: %j', (version) => {
    const context = { protocols: { event_version: version } };
    expect(schemas.check(eventWith({ eventType: 'Signup', context }))).toEqual({
      code: 'schema_version_unknown',
      detail: `/context/protocols/event_version must be one of the versions of "Signup" (2, 10), got ${JSON.stringify(version)}`,
    });
  });
  test("that of its source, when its source has one for the type; the general versions are then not the source's", () => {
    expect(detail(undefined, 'shop')).toBe('@shop/Signup/1.json: /properties/c must be there, got nothing');
    expect(detail(2, 'shop')).toContain('(1), got 2');
  });
  test('none when its type has none, whatever version it names', () => {
    expect(schemas.check(eventWith({ eventType: 'page' }))).toBeUndefined();
    expect(schemas.check(eventWith({ context: { protocols: { event_version: 7 } } }))).toBeUndefined();
    expect(compileSchemas([]).check(eventWith())).toBeUndefined();
    for (const eventType of ['__proto__', 'constructor']) {
      expect(schemas.check(eventWith({ eventType, source: '__proto__' }))).toBeUndefined();
    }
  });
  test('protocols that are no object name none', () => {
    for (const protocols of ['x', 1, null, [2]]) {
      expect(schemas.check(eventWith({ eventType: 'Signup', context: { protocols } }))?.code).toBe('schema_invalid');
    }
  });
});

describe('dialects', () => {
  test('$schema chooses; without one it is 2020-12', () => {
    const tuple = { properties: { tags: { prefixItems: [{ type: 'string' }], items: false, type: 'array' } } };
    const old = { properties: { tags: { items: [{ type: 'string' }], additionalItems: false, type: 'array' } } };
    const properties = { tags: ['a', 'b'] };
    expect(check(ofProperties(tuple), { properties })?.code).toBe('schema_invalid');
    expect(check({ $schema: DRAFT_07, ...(ofProperties(old) as object) }, { properties })?.code).toBe('schema_invalid');
    expect(refusal(schemaWith(ofProperties(old)))).toContain('must be');
    expect(refusal(schemaWith({ $schema: DRAFT_07, ...(ofProperties(tuple) as object) }))).toContain('prefixItems');
  });
  test('with and without the # at its end', () => {
    for (const $schema of [DRAFT_07, DRAFT_07.slice(0, -1), 'https://json-schema.org/draft/2020-12/schema#']) {
      expect(check({ $schema, required: ['userId'] }, {})?.code).toBe('schema_invalid');
    }
  });
});

describe('what is no schema is refused, with the file and the reason', () => {
  test.each<[Json, string]>([
    [[], 'Signup/1.json: a JSON Schema is an object, true or false, got []'],
    [
      { $schema: 'http://json-schema.org/draft-04/schema#' },
      'Signup/1.json: $schema must be one of https://json-schema.org/draft/2020-12/schema, http://json-schema.org/draft-07/schema, got "http://json-schema.org/draft-04/schema#"',
    ],
    [
      { type: 'objekt' },
      'Signup/1.json: /type must match a schema in anyOf, got "objekt": /type must be one of ["array","boolean","integer","null","number","object","string"], got "objekt"',
    ],
    [{ requried: ['a'] }, 'Signup/1.json: strict mode: unknown keyword: "requried"'],
    [
      { properties: { a: { format: 'datetime' } } },
      'Signup/1.json: unknown format "datetime" ignored in schema at path "#/properties/a"',
    ],
    [{ properties: { a: { pattern: '(' } } }, 'Signup/1.json: Invalid regular expression: /(/u'],
    [
      { $ref: 'https://schemas.test/a.json' },
      "Signup/1.json: can't resolve reference https://schemas.test/a.json from id #",
    ],
    [{ $ref: '#/$defs/absent' }, "Signup/1.json: can't resolve reference #/$defs/absent from id #"],
    [{ $async: true }, 'Signup/1.json: "$async" is no keyword of JSON Schema'],
  ])('%j', (schema, message) => {
    expect(refusal(schemaWith(schema))).toContain(message);
  });
  test('one that is there twice', () => {
    expect(refusal(schemaWith(true, { file: 'a' }), schemaWith(true, { file: 'b' }))).toBe(
      'b: a is version 1 of the event type "Signup", too',
    );
  });
  test('schemas do not see each other: the same id may come in each version, and leads to its own', () => {
    const of = (type: string) => ({
      $id: 'https://schemas.test/signup',
      $ref: '#/$defs/it',
      $defs: { it: { required: [type] } },
    });
    const schemas = compileSchemas([schemaWith(of('a'), { version: 1 }), schemaWith(of('b'), { version: 2 })]);
    expect(schemas.check(eventWith({ eventType: 'Signup' }))?.detail).toContain('/b must be there');
    expect(refusal(schemaWith(of('a')), schemaWith({ $ref: 'https://schemas.test/signup' }, { version: 2 }))).toContain(
      "can't resolve reference",
    );
  });
  test('a schema that was compiled is not compiled again', () => {
    const source = schemaWith({ required: ['userId'] });
    compileSchemas([source]);
    // Were it read again, this would be refused.
    Object.assign(source, { schema: { requried: [] } });
    expect(compileSchemas([source]).check(eventWith({ eventType: 'Signup' }))?.code).toBe('schema_invalid');
  });
});

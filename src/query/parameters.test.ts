import { describe, expect, test } from 'vitest';
import { integer, oneOf, readParameters, text, time, zone } from './parameters.ts';

const schema = { limit: integer({ min: 1, max: 10 }), order: oneOf(['asc', 'desc']), from: time, name: text(5), zone };

test('what is given is read, what is not is undefined', () => {
  expect(readParameters({ limit: '7', order: 'desc', name: 'ada' }, schema)).toEqual({
    ...{ limit: 7, order: 'desc', name: 'ada' },
  });
  expect(readParameters({}, schema).limit).toBeUndefined();
});

describe('a time', () => {
  test.each([
    ['2026-11-23', '2026-11-23T00:00:00Z'],
    ['2026-11-23T10:00:00+01:00', '2026-11-23T09:00:00Z'],
    ['1700000000000', '2023-11-14T22:13:20Z'],
    ['1700000000120', '2023-11-14T22:13:20.12Z'],
    ['2026-11-23T10:00:00.000Z', '2026-11-23T10:00:00Z'],
    ['2026-11-23T10:00:00.100200Z', '2026-11-23T10:00:00.1002Z'],
  ])('%s is %s, the first of all texts of that moment', (given, expected) => {
    expect(readParameters({ from: given }, schema).from).toBe(expected);
  });
});

describe('what is not allowed is an error that says what is', () => {
  test.each([
    [{ limit: '0' }, /limit must be an integer from 1 to 10, got "0"/],
    [{ limit: '1.5' }, /limit must be/],
    [{ limit: '' }, /limit must be/],
    [{ limit: '07' }, /limit must be/],
    [{ order: 'up' }, /order must be one of asc, desc, got "up"/],
    [{ from: 'yesterday' }, /from must be a time/],
    [{ from: '2026-13-01' }, /from must be a time/],
    [{ name: 'too long' }, /name must be a text of 1 to 5/],
    [{ zone: 'Europe/Atlantis' }, /zone must be an IANA time zone/],
    [{ limits: '5' }, /unknown parameter "limits"; allowed here: limit, order, from, name, zone/],
    [{ constructor: '5' }, /unknown parameter "constructor"/],
    [Object.fromEntries([['__proto__', '5']]), /unknown parameter "__proto__"/],
  ])('%j', (given: Readonly<Record<string, string>>, message) => {
    expect(() => readParameters(given, schema)).toThrow(
      expect.objectContaining({ code: 'parameter_invalid', message: expect.stringMatching(message) }),
    );
  });
});

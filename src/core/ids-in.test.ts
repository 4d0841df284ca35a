import { describe, expect, test } from 'vitest';
import { idsIn, idsInDamaged, idsOf, idsOfBad } from './ids-in.ts';

describe('an event set aside is', () => {
  test.each<readonly [string, string, readonly string[]]>([
    ['of its user', '{"userId":"u1","properties":{"sku":"1","quantity":2}}', ['u1']],
    ['of its user and its device', '{"userId":"u1","anonymousId":"a1","context":{"of":"a2"}}', ['u1', 'a1']],
    ['of its device, where an empty text is no id', '{"userId":"","anonymousId":"a1","note":"a2"}', ['a1']],
    ['of its device, where null is no id', '{"userId":null,"anonymousId":"a1","note":"a2"}', ['a1']],
    ['of a user with a number', '{"userId":17,"quantity":1}', ['17']],
    ['of one with a number that is not exact', '{"userId":1234567890123456789}', ['1234567890123456800']],
    ['of one with a number that is written otherwise', '{"userId":1e5}', ['100000']],
    ['of whoever is named last', '{"userId":"u1","userId":"u2"}', ['u2']],
    ['of its user, with an escape', '{"userId":"\\u00751"}', ['u1']],
  ])('%s', (_, payload, ids) => {
    expect([...idsOf(payload)]).toEqual(ids);
  });

  test.each([
    ['no event', '["u1", 17]'],
    ['without ids', '{"properties":{"who":"u1","number":17}}'],
    ['with an object for an id', '{"userId":{"id":"u1"},"number":17}'],
    ['with an object for one id beside another', '{"anonymousId":"a1","userId":{"id":"u1"},"number":17}'],
    ['with ids that nobody can have', `{"userId":"${'x'.repeat(201)}","who":"u1","number":17}`],
    ['cut off', '{"userId":"u1","number":17,"rest'],
    ['not whole', '{"userId":"u1","number":17'],
  ])('of anybody whom it mentions, where it is %s', (_, payload) => {
    expect([...idsOf(payload)]).toEqual(expect.arrayContaining(['u1', '17']));
  });

  test('of whom it is put back as, too', () => {
    const payload = '{"anonymousId":"a1","note":"a2"}';
    expect([...idsOfBad({ payload })]).toEqual(['a1']);
    const line = '{"userId":"u3","anonymousId":"a3","properties":{"note":"a4"}}';
    expect([...idsOfBad({ payload, replay: { visitor: 'a3', line } })]).toEqual(['a1', 'a3', 'u3', 'a3']);
    expect([...idsOfBad({ payload, replay: { visitor: 'a3', line: undefined } })]).toEqual(['a1', 'a3']);
    expect([...idsOfBad({ payload, replay: { visitor: '', line: undefined } })]).toEqual(['a1']);
  });
});

describe('what could be an id', () => {
  test('is all texts and numbers, also those with escapes and exponents', () => {
    const found = [...idsIn('{"a\\"b":-1.50,"c":[1e5,"\\u0064","",null],"e":1234567890123456789}')];
    const numbers = ['-1.50', '-1.5', '1e5', '100000', '1234567890123456789', '1234567890123456800'];
    expect(found.toSorted()).toEqual(['a"b', 'c', 'd', 'e', ...numbers].toSorted());
  });

  test('is found behind however many others', () => {
    const many = Array.from({ length: 50_000 }, (_, index) => index);
    for (const ids of [idsIn, idsInDamaged, idsOf]) {
      expect(new Set(ids(JSON.stringify({ many, last: 'u1' }))).has('u1')).toBe(true);
    }
  });

  test('is no text longer than ids are', () => {
    const id = 'x'.repeat(200);
    expect([...idsIn(`["${id}","${id}x"]`)]).toEqual([id]);
  });

  test('is found in texts within texts of which the beginning is lost', () => {
    const line = JSON.stringify({ raw: JSON.stringify({ userId: 'u1', anonymousId: 17 }) });
    for (const cut of [0, 3, 7, 9, 12]) {
      expect([...idsInDamaged(line.slice(cut))]).toEqual(expect.arrayContaining(['u1', '17']));
    }
  });

  test('is found at once in a text of quotes of which none is an end', () => {
    const before = performance.now();
    expect([...idsIn(`${'\\"'.repeat(200_000)}17`)]).toEqual(['17']);
    expect(performance.now() - before).toBeLessThan(2_000);
  });
});

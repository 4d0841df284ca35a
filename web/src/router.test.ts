import { expect, test } from 'vitest';
import { hrefOf, readAddress } from './router.ts';

test.each([
  ['', { page: 'now', item: '', parameters: {} }],
  ['#/', { page: 'now', item: '', parameters: {} }],
  [
    '#/overview?range=30d&key=%2Fpricing%3Fa%3D1',
    { page: 'overview', item: '', parameters: { range: '30d', key: '/pricing?a=1' } },
  ],
  ['#/people/a%2Fb%3Fc?type=page', { page: 'people', item: 'a/b?c', parameters: { type: 'page' } }],
  ['#/people/100%?x', { page: 'people', item: '100%', parameters: { x: '' } }],
  ['#main', { page: 'main', item: '', parameters: {} }],
])('%j is read', (hash, expected) => {
  expect(readAddress(hash)).toEqual(expected);
});

test.each([
  { page: 'people', item: 'ada/../?#&', parameters: { type: 'Signed Up & in', from: '2026-11-01' } },
  { page: 'events', item: '', parameters: { type: '<b>"ü\u202e' } },
  { page: 'people', item: '\u0000%2F', parameters: {} },
])('%j is written and read again', (address) => {
  expect(readAddress(hrefOf(address))).toEqual(address);
});

test('what is empty or undefined is left out, and half a character does no harm', () => {
  expect(hrefOf({ page: 'overview', parameters: { range: '', source: undefined, bots: 'only' } })).toBe(
    '#/overview?bots=only',
  );
  expect(readAddress(hrefOf({ page: 'people', item: 'a\ud800' })).item).toBe('a\ufffd');
});

import { expect, test } from 'vitest';
import type { JsonObject } from '../../core/json.ts';
import { pageOf } from './page.ts';

test.each<[JsonObject, JsonObject, string | undefined]>([
  [{ path: '/lamps' }, {}, '/lamps'],
  [{ path: '/lamps?colour=red#top' }, {}, '/lamps'],
  [{ url: 'https://shop.example/lamps?colour=red' }, {}, '/lamps'],
  [{ url: 'https://shop.example' }, {}, '/'],
  [{ url: '//shop.example/a' }, {}, '/a'],
  [{}, { page: { path: '/p', url: 'https://shop.example/q' } }, '/p'],
  [{}, { page: { url: 'https://shop.example/q' } }, '/q'],
  [{ path: '' }, { page: { path: '/p' } }, '/p'],
  [{ path: `/${'x'.repeat(400)}` }, {}, `/${'x'.repeat(299)}`],
  [{ path: 7 }, { page: null }, undefined],
  [{}, { page: ['/p'] }, undefined],
  [{}, {}, undefined],
])('the page of %j in context %j is %s', (properties, context, page) => {
  expect(pageOf({ properties, context })).toBe(page);
});

import { expect, test } from 'vitest';
import { linkFeature } from './links.ts';

const featureOf = (href: string, isDownload = false) => {
  const { hostname, pathname } = new URL(href, 'https://shop.example');
  return linkFeature({ hostname, pathname, hasAttribute: () => isDownload }, 'shop.example');
};

test.each([
  ['/lamps', undefined],
  ['https://shop.example:8443/lamps', undefined],
  ['https://example.org/', 'links'],
  ['http://blog.shop.example/', 'links'],
  ['//example.org/a.html', 'links'],
  ['mailto:ada@example.org', undefined],
  ['mailto:ada@example.zip', undefined],
  ['tel:+41', undefined],
  ['javascript:void 0', undefined],
  ['/manual.pdf', 'downloads'],
  ['/manual.PDF?version=2#page=3', 'downloads'],
  ['https://example.org/app.dmg', 'downloads'],
  ['/prices.xlsx', 'downloads'],
  ['/archive.tar.gz', 'downloads'],
  ['/pdf', undefined],
  ['/manual.pdf/cover', undefined],
  ['/download?file=manual.pdf', undefined],
])('a click on %s: %s', (href, expected) => {
  expect(featureOf(href)).toBe(expected);
});

test('what the page says is a download is one, under any name', () => {
  expect(featureOf('/export', true)).toBe('downloads');
  expect(featureOf('blob:https://shop.example/1', true)).toBe('downloads');
});

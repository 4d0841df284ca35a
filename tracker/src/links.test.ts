import { expect, test } from 'vitest';
import { linkEvent } from './links.ts';

const eventOf = (href: string, isDownload = false) => {
  const { hostname, pathname } = new URL(href, 'https://shop.example');
  return linkEvent({ hostname, pathname, hasAttribute: () => isDownload }, 'shop.example');
};

test.each([
  ['/lamps', undefined],
  ['https://shop.example:8443/lamps', undefined],
  ['https://example.org/', 'Outbound Link Clicked'],
  ['http://blog.shop.example/', 'Outbound Link Clicked'],
  ['//example.org/a.html', 'Outbound Link Clicked'],
  ['mailto:ada@example.org', undefined],
  ['tel:+41', undefined],
  ['javascript:void 0', undefined],
  ['/manual.pdf', 'File Downloaded'],
  ['/manual.PDF?version=2#page=3', 'File Downloaded'],
  ['https://example.org/app.dmg', 'File Downloaded'],
  ['/prices.xlsx', 'File Downloaded'],
  ['/archive.tar.gz', 'File Downloaded'],
  ['/pdf', undefined],
  ['/manual.pdf/cover', undefined],
  ['/download?file=manual.pdf', undefined],
])('a click on %s: %s', (href, expected) => {
  expect(eventOf(href)).toBe(expected);
});

test('what the page says is a download is one, under any name', () => {
  expect(eventOf('/export', true)).toBe('File Downloaded');
  expect(eventOf('blob:https://shop.example/1', true)).toBe('File Downloaded');
});

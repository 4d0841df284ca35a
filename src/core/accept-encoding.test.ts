import { expect, test } from 'vitest';
import { acceptsCoding } from './accept-encoding.ts';

test.each([
  [undefined, false],
  ['', false],
  ['br', false],
  ['gzip', true],
  ['br;q=1.0, GZIP ;q=0.5', true],
  ['gzip;q=0', false],
  ['gzip; q=0.000, br', false],
  ['gzip;q=0.1', true],
])('%j takes gzip: %s', (header, expected) => {
  expect(acceptsCoding(header, 'gzip')).toBe(expected);
});

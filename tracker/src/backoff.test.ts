import { expect, test } from 'vitest';
import { isRetriable, retryDelayMs } from './backoff.ts';

test.each([
  [0, true],
  [200, false],
  [204, false],
  [400, false],
  [401, false],
  [408, true],
  [413, false],
  [429, true],
  [500, true],
  [503, true],
])('after a %i another try makes sense: %s', (status, expected) => {
  expect(isRetriable(status)).toBe(expected);
});

test('waits double, up to five minutes, however often it failed', () => {
  expect([1, 2, 3, 4].map((failures) => retryDelayMs(failures, 0))).toEqual([1_000, 2_000, 4_000, 8_000]);
  expect(retryDelayMs(10, 0)).toBe(300_000);
  expect(retryDelayMs(5_000, 0)).toBe(300_000);
});

test('waits are spread over as long again', () => {
  expect(retryDelayMs(3, 0.5)).toBe(6_000);
  expect(retryDelayMs(3, 1)).toBe(8_000);
});

test('the server’s wish comes first where it is longer, within five minutes', () => {
  expect(retryDelayMs(1, 0, '7')).toBe(7_000);
  expect(retryDelayMs(6, 0, '7')).toBe(32_000);
  expect(retryDelayMs(1, 0, '86400')).toBe(300_000);
});

test.each([null, '', '-5', 'Wed, 21 Oct 2026 07:28:00 GMT', 'soon'])('a wish of %j is none', (retryAfter) => {
  expect(retryDelayMs(1, 0, retryAfter)).toBe(1_000);
});

import { describe, expect, test } from 'vitest';
import {
  bytes,
  count,
  day,
  duration,
  hour,
  milliseconds,
  moment,
  points,
  rate,
  short,
  visible,
  weekday,
  whole,
} from './format.ts';

describe('numbers', () => {
  test.each([
    [0, '0'],
    [12_345, '12,345'],
    [99_999, '99,999'],
    [100_000, '100K'],
    [1_234_567, '1.2M'],
    [9_007_199_254_740_992, '9007.2T'],
    [-3, '-3'],
  ])('%d is short %s', (value, expected) => {
    expect(short(value)).toBe(expected);
  });
  test.each([
    [0, '0 s'],
    [59.4, '59 s'],
    [59.6, '1 min'],
    [185, '3 min 5 s'],
    [618, '10 min'],
    [3_600, '1 h'],
    [7_830, '2 h 10 min'],
    [360_000, '100 h'],
  ])('%d seconds are %s', (seconds, expected) => {
    expect(duration(seconds)).toBe(expected);
  });
  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1_500, '1.5 kB'],
    [12_345_678, '12 MB'],
    [5e15, '5000 TB'],
  ])('%d bytes are %s', (value, expected) => {
    expect(bytes(value)).toBe(expected);
  });
  test('the rest', () => {
    expect([milliseconds(12.4), milliseconds(1_260)]).toEqual(['12 ms', '1.3 s']);
    expect([rate(0.44), rate(166.7)]).toEqual(['0.4', '167']);
    expect([points(0.0213), points(-0.2), points(0)]).toEqual(['+2.1 points', '-20 points', '0 points']);
    expect([whole(1e6), count(1, 'event'), count(2_000, 'event')]).toEqual(['1,000,000', '1 event', '2,000 events']);
  });
});

test('what is no time is shown as it came', () => {
  expect(moment('never')).toBe('never');
});

test.each([day, weekday, hour])('a day has its year where that is not the present one', (format) => {
  const year = new Date().getFullYear();
  expect(format(`${year - 1}-06-15T12:00:00Z`)).toContain(String(year - 1));
  expect(format(`${year}-06-15T12:00:00Z`)).not.toContain(String(year));
});

test('what would steer the showing of a text, or a terminal, is made visible', () => {
  expect(visible('a\u202eb\u2066c\u200fd\u001b[2Je\nf\ud800g')).toBe('a\ufffdb\ufffdc\ufffdd\ufffd[2Je\ufffdf\ufffdg');
  expect(visible('Ünïcödé שלום 👩‍👩‍👧')).toBe('Ünïcödé שלום 👩‍👩‍👧');
});

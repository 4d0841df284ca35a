import { InvalidArgumentError } from 'commander';
import { describe, expect, test } from 'vitest';
import { parseDuration, parseRate, parseTime, parseUrl, visible, wholeNumber } from './terminal.ts';

describe('options', () => {
  test.each([
    ['500ms', 500],
    ['60s', 60_000],
    ['1.5m', 90_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
  ])('a duration: %s', (text, ms) => expect(parseDuration(text)).toBe(ms));

  test.each([
    ['10000/min', 10_000 / 60],
    ['500/s', 500],
    ['max', 'max'],
  ])('a rate: %s', (text, rate) => {
    if (typeof rate === 'number') expect(parseRate(text)).toBeCloseTo(rate);
    else expect(parseRate(text)).toBe(rate);
  });

  test('a time: ISO 8601, epoch milliseconds, or how long ago', () => {
    expect(parseTime('2026-11-23T10:00:00+01:00')).toBe('2026-11-23T09:00:00Z');
    expect(parseTime('0')).toBe('1970-01-01T00:00:00.000Z');
    const before = Date.now() - 86_400_000;
    const time = Date.parse(parseTime('24h'));
    expect(time).toBeGreaterThanOrEqual(before);
    expect(time).toBeLessThanOrEqual(Date.now() - 86_400_000);
  });

  test.each([
    ['duration', () => parseDuration('soon')],
    ['duration', () => parseDuration('0s')],
    ['rate', () => parseRate('fast')],
    ['rate', () => parseRate('0/s')],
    ['time', () => parseTime('yesterday')],
    ['url', () => parseUrl('ftp://x')],
    ['url', () => parseUrl('127.0.0.1:8080')],
    ['number', () => wholeNumber({ min: 1, max: 5 })('6')],
    ['number', () => wholeNumber({ min: 1, max: 5 })('-1')],
  ])('what is not allowed is refused: a %s', (_, parse) => expect(parse).toThrow(InvalidArgumentError));

  test('text of trackers cannot steer the terminal', () => {
    expect(visible('a\u001b[2Jb\r\nc\u009bd')).toBe('a\ufffd[2Jb\ufffd\ufffdc\ufffdd');
  });
});

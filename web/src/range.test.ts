import { afterEach, describe, expect, test, vi } from 'vitest';
import { dayText, RANGES, rangeOf, zoneWords } from './range.ts';

afterEach(() => vi.unstubAllEnvs());

/** In a zone, what a range means, in its own local time. */
function meant(zone: string, at: string, parameters: Readonly<Record<string, string>>): string {
  vi.stubEnv('TZ', zone);
  const { from, to, before, interval } = rangeOf(parameters, Date.parse(at));
  const local = (time: number) => new Date(time).toLocaleString('sv-SE', { timeZone: zone }).slice(0, 16);
  return `${local(from)} … ${local(to)} | ${local(before.from)} … ${local(before.to)} | ${interval}`;
}

describe('in Zurich, on a Thursday at 10:30', () => {
  const at = '2026-11-26T10:30:00+01:00';
  test.each([
    ['today', '2026-11-26 00:00 … 2026-11-26 10:30 | 2026-11-25 00:00 … 2026-11-25 10:30 | hour'],
    ['yesterday', '2026-11-25 00:00 … 2026-11-26 00:00 | 2026-11-24 00:00 … 2026-11-25 00:00 | hour'],
    ['24h', '2026-11-25 11:00 … 2026-11-26 10:30 | 2026-11-24 11:00 … 2026-11-25 10:30 | hour'],
    ['7d', '2026-11-20 00:00 … 2026-11-26 10:30 | 2026-11-13 00:00 … 2026-11-19 10:30 | day'],
    ['30d', '2026-10-28 00:00 … 2026-11-26 10:30 | 2026-09-28 00:00 … 2026-10-27 10:30 | day'],
    ['90d', '2026-08-29 00:00 … 2026-11-26 10:30 | 2026-05-31 00:00 … 2026-08-28 10:30 | day'],
    ['month', '2026-11-01 00:00 … 2026-11-26 10:30 | 2026-10-01 00:00 … 2026-10-26 10:30 | day'],
    ['last-month', '2026-10-01 00:00 … 2026-11-01 00:00 | 2026-09-01 00:00 … 2026-10-01 00:00 | day'],
    ['12mo', '2025-12-01 00:00 … 2026-11-26 10:30 | 2024-12-01 00:00 … 2025-11-26 10:30 | day'],
  ])('%s', (range, expected) => {
    expect(meant('Europe/Zurich', at, { range })).toBe(expected);
  });

  test.each([
    ['2026-11-03', '2026-11-05', '2026-11-03 00:00 … 2026-11-06 00:00 | 2026-10-31 00:00 … 2026-11-03 00:00 | day'],
    ['2026-11-24', '2026-11-25', '2026-11-24 00:00 … 2026-11-26 00:00 | 2026-11-22 00:00 … 2026-11-24 00:00 | hour'],
    ['2026-11-25', '2026-11-30', '2026-11-25 00:00 … 2026-11-26 10:30 | 2026-11-19 00:00 … 2026-11-20 10:30 | day'],
    ['2026-12-01', '2026-12-02', '2026-12-01 00:00 … 2026-12-01 01:00 | 2026-11-29 00:00 … 2026-11-29 01:00 | hour'],
  ])('custom %s to %s', (from, to, expected) => {
    expect(meant('Europe/Zurich', at, { range: 'custom', from, to })).toBe(expected);
  });

  test.each([
    {},
    { range: 'for ever' },
    { range: '__proto__' },
    { range: 'custom' },
    { range: 'custom', from: '2026-11-05', to: '2026-11-03' },
    { range: 'custom', from: '0002-11-05', to: '0002-11-06' },
    { range: 'custom', from: '2020-01-01', to: '2026-11-03' },
    { range: 'custom', from: '5.11.2026', to: '2026-11-06' },
  ])('%j is the default', (parameters) => {
    expect(rangeOf(parameters, Date.parse(at))).toEqual(rangeOf({ range: '7d' }, Date.parse(at)));
  });
});

describe('where the clocks change', () => {
  test.each([
    // The day of 25 hours, and the week with it: 25 October 2026.
    [
      'today',
      '2026-10-25T12:00:00+01:00',
      '2026-10-25 00:00 … 2026-10-25 12:00 | 2026-10-24 00:00 … 2026-10-24 12:00 | hour',
    ],
    [
      '7d',
      '2026-10-28T12:00:00+01:00',
      '2026-10-22 00:00 … 2026-10-28 12:00 | 2026-10-15 00:00 … 2026-10-21 12:00 | day',
    ],
    // The day of 23 hours: 29 March 2026.
    [
      'yesterday',
      '2026-03-30T09:00:00+02:00',
      '2026-03-29 00:00 … 2026-03-30 00:00 | 2026-03-28 00:00 … 2026-03-29 00:00 | hour',
    ],
    [
      'month',
      '2026-03-31T09:00:00+02:00',
      '2026-03-01 00:00 … 2026-03-31 09:00 | 2026-02-01 00:00 … 2026-03-01 00:00 | day',
    ],
  ])('%s of %s in Zurich', (range, at, expected) => {
    expect(meant('Europe/Zurich', at, { range })).toBe(expected);
  });

  test('days of 23 and 25 hours are whole', () => {
    vi.stubEnv('TZ', 'Europe/Zurich');
    const hours = (at: string) => {
      const { from, to } = rangeOf({ range: 'yesterday' }, Date.parse(at));
      return (to - from) / 3_600_000;
    };
    expect([hours('2026-03-30T09:00:00+02:00'), hours('2026-10-26T09:00:00+01:00')]).toEqual([23, 25]);
  });

  test('in a zone that is off by part of an hour', () => {
    expect(meant('Asia/Kathmandu', '2026-01-01T00:10:00+05:45', { range: 'month' })).toBe(
      '2026-01-01 00:00 … 2026-01-01 00:10 | 2025-12-01 00:00 … 2025-12-01 00:10 | day',
    );
  });
});

test('where hours are not those of the zone, it is said', () => {
  vi.stubEnv('TZ', 'Europe/Zurich');
  expect(zoneWords()).toBe('Days and hours of Europe/Zurich');
  vi.stubEnv('TZ', 'Asia/Kathmandu');
  expect(zoneWords()).toMatch(/^Days of Asia\/Kat.*; hours are those of UTC$/);
});

test('each range is before its end, after the one before it, and no longer than it', () => {
  for (const zone of ['UTC', 'America/Santiago', 'Pacific/Apia', 'Australia/Lord_Howe']) {
    vi.stubEnv('TZ', zone);
    for (let day = 0; day < 400; day += 1) {
      const now = Date.parse('2026-01-01T03:17:00Z') + day * 86_400_000;
      for (const [name] of RANGES) {
        const { from, to, before } = rangeOf({ range: name, from: dayText(now), to: dayText(now) }, now);
        expect(from < to && before.from < before.to && before.to <= from, `${zone} ${name} ${day}`).toBe(true);
      }
    }
  }
});

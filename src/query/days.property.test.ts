import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dayBorders } from './days.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** The first minutes of dates, found by asking for the date of every quarter of an hour. */
function bruteBorders(from: number, to: number, zone: string): readonly number[] {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone: zone, dateStyle: 'short' });
  const borders: number[] = [];
  const step = 15 * MINUTE_MS;
  for (let time = Math.floor(from / step) * step - 60 * HOUR_MS; time < to + 60 * HOUR_MS; time += step) {
    if (format.format(time) !== format.format(time - step)) borders.push(time);
  }
  const first = borders.findLastIndex((border) => border <= from);
  const last = borders.findIndex((border) => border >= to);
  return borders.slice(first, last + 1);
}

const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/St_Johns',
  'America/Santiago',
  'Africa/Cairo',
  'Asia/Beirut',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Antarctica/Troll',
  'Pacific/Chatham',
  'Pacific/Apia',
];

test('borders of days are where the date changes, in any zone', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...ZONES),
      fc.integer({ min: Date.parse('2012-01-01T00:00Z'), max: Date.parse('2026-12-01T00:00Z') }),
      fc.integer({ min: 1, max: 12 * 24 * HOUR_MS }),
      (zone, from, length) => {
        expect(dayBorders({ from, to: from + length, zone })).toEqual(bruteBorders(from, from + length, zone));
      },
    ),
    { numRuns: 60 },
  );
});

describe('days on which the clock is moved', () => {
  test.each([
    ['Europe/Berlin', '2026-03-29T12:00:00Z', 23],
    ['Europe/Berlin', '2026-10-25T12:00:00Z', 25],
    ['Australia/Lord_Howe', '2026-04-04T20:00:00Z', 24.5],
    // Midnight is skipped.
    ['America/Santiago', '2026-09-06T12:00:00Z', 23],
    // The day before was skipped.
    ['Pacific/Apia', '2011-12-31T00:00:00Z', 24],
  ])('in %s at %s has %d hours', (zone, noon, hours) => {
    const from = Date.parse(noon);
    const [start = 0, end = 0] = dayBorders({ from, to: from + 1, zone });
    expect((end - start) / HOUR_MS).toBe(hours);
  });
});

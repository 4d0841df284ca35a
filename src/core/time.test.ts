import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LIMITS } from './limits.ts';
import { canonicalTime, correctedTime, epochMsOf } from './time.ts';

describe('a canonical time', () => {
  test.each([
    ['2026-01-02T03:04:05.678Z', '2026-01-02T03:04:05.678Z'],
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z'],
    ['2026-01-02T03:04:05.678901+02:00', '2026-01-02T01:04:05.678901Z'],
    ['2026-01-02T03:04:05.1-0330', '2026-01-02T06:34:05.1Z'],
    ['2026-01-02 03:04:05', '2026-01-02T03:04:05Z'],
    ['2026-01-02T03:04', '2026-01-02T03:04:00Z'],
    ['2026-01-02', '2026-01-02T00:00:00Z'],
    [1_767_323_045_678, '2026-01-02T03:04:05.678Z'],
    ['yesterday', undefined],
    ['2026-13-01T00:00:00Z', undefined],
    ['0000-01-01T00:00:00+05:00', undefined],
    [Number.NaN, undefined],
    [9e15, undefined],
    [null, undefined],
    [{}, undefined],
  ])('of %j is %s', (sent, canonical) => {
    expect(canonicalTime(sent)).toBe(canonical);
  });
  test('orders as a text, without its Z, as it does as a time', () => {
    const time = fc.tuple(fc.integer({ min: 0, max: 5_000 }), fc.constantFrom('', '.1', '.12', '.123', '.123456'));
    fc.assert(
      fc.property(time, time, (a, b) => {
        const [one, two] = [a, b].map(
          ([ms, fraction]) => canonicalTime(`${new Date(ms * 1000).toISOString().slice(0, 19)}${fraction}Z`) ?? '',
        );
        const value = ([seconds, fraction]: readonly [number, string]) => seconds + Number(`0${fraction}`);
        expect(Math.sign((one?.slice(0, -1) ?? '') < (two?.slice(0, -1) ?? '') ? -1 : one === two ? 0 : 1)).toBe(
          Math.sign(value(a) - value(b)),
        );
      }),
    );
  });
});

test('epochMsOf is Date.parse for canonical times, in any order', () => {
  const moment = fc.integer({ min: -62_167_219_200_000, max: 253_402_300_799_999 });
  const near = fc.integer({ min: Date.UTC(2026, 1, 28, 23, 58), max: Date.UTC(2026, 2, 1, 0, 2) });
  const time = fc
    .tuple(fc.oneof(moment, near), fc.constantFrom('', '.1', '.02', '.123', '.999999', '.0004'))
    .map(([ms, fraction]) => `${new Date(ms).toISOString().slice(0, 19)}${fraction}Z`);
  fc.assert(
    fc.property(fc.array(time), (times) => {
      expect(times.map(epochMsOf)).toEqual(times.map(Date.parse));
    }),
  );
  expect(epochMsOf('2026-06-31T00:00:00Z')).toBe(Date.parse('2026-06-31T00:00:00Z'));
});

describe('a corrected time', () => {
  const receivedAtMs = Date.parse('2026-01-02T00:00:00Z');
  const at = (createdAgoMs: number, sentAgoMs?: number) =>
    correctedTime({
      createdAtMs: receivedAtMs - createdAgoMs,
      sentAtMs: sentAgoMs === undefined ? undefined : receivedAtMs - sentAgoMs,
      receivedAtMs,
    });

  test('lies as long before the arrival as the tracker says it was before the sending, whatever its clock shows', () => {
    expect(at(5_000, 1_000)).toBe(receivedAtMs - 4_000);
    const years = 20 * 365 * 86_400_000;
    expect(at(years + 5_000, years)).toBe(receivedAtMs - 5_000);
    expect(at(-years + 700, -years)).toBe(receivedAtMs - 700);
  });
  test('is the tracker’s own without a time of sending', () => expect(at(5_000)).toBe(receivedAtMs - 5_000));
  test('is never later than the arrival', () => {
    expect(at(-5_000)).toBe(receivedAtMs);
    expect(at(1_000, 1_500)).toBe(receivedAtMs);
  });
  test('is the arrival when the age makes no sense', () => {
    expect(at((LIMITS.eventAgeDaysMax + 1) * 86_400_000)).toBe(receivedAtMs);
  });
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LIMITS } from '../../core/limits.ts';
import { FRESHNESS_BYTES, Freshness } from './freshness.ts';

/** The log's and the processor's, on one buffer and one clock. */
function both(startMs = 5) {
  const clock = { ms: startMs };
  const buffer = new SharedArrayBuffer(16 + FRESHNESS_BYTES);
  const [log, processor] = [0, 1].map(() => new Freshness(buffer, 16, () => clock.ms));
  if (log === undefined || processor === undefined) throw new Error('there are two');
  return { log, processor, clock };
}

test('without records there is none', () => {
  const { log, processor } = both();
  processor.stored(-1n);
  expect([log.summary(), processor.summary()]).toEqual([undefined, undefined]);
});

test('each record counts from when its write was durable to when it was stored', () => {
  const { log, processor, clock } = both();
  log.durable(9n, 10);
  clock.ms += 90;
  log.durable(11n, 2);
  clock.ms += 10;
  processor.stored(10n);
  // Of a write that is stored in part, nothing counts yet.
  expect(log.summary()).toMatchObject({ seconds: 60, records: 10 });
  processor.stored(11n);
  processor.stored(11n);
  const { records, p50Ms, p99Ms } = log.summary() ?? expect.fail('nothing was counted');
  expect(records).toBe(12);
  for (const ms of [p50Ms, p99Ms]) expect(ms >= 100 && ms < 109).toBe(true);
});

test('the shares are never too low, and at most 9 % and half a millisecond too high', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({ ms: fc.double({ min: 1, max: 4e6, noNaN: true }), records: fc.integer({ min: 1, max: 9 }) }),
        {
          minLength: 1,
          maxLength: 40,
        },
      ),
      (writes) => {
        const { log, processor, clock } = both(0);
        const end = 5e6;
        const sorted = writes.toSorted((a, b) => b.ms - a.ms);
        for (const [place, { ms, records }] of sorted.entries()) {
          clock.ms = end - ms;
          log.durable(BigInt(place), records);
        }
        clock.ms = end;
        processor.stored(BigInt(sorted.length));
        const each = sorted.flatMap(({ ms, records }) => Array.from({ length: records }, () => ms)).reverse();
        const { records, p50Ms, p99Ms } = log.summary() ?? expect.fail('nothing was counted');
        expect(records).toBe(each.length);
        for (const [share, told] of [
          [0.5, p50Ms],
          [0.99, p99Ms],
        ] as const) {
          const exact = each[Math.ceil(share * each.length) - 1] ?? Number.NaN;
          expect(told).toBeGreaterThanOrEqual(Math.floor(exact));
          expect(told).toBeLessThanOrEqual(exact * 1.0906 + 0.5);
        }
      },
    ),
  );
});

test('only the last minute counts, to the second', () => {
  const { log, processor, clock } = both(0);
  for (let second = 0; second < 200; second += 1) {
    clock.ms = second * 1_000;
    log.durable(BigInt(second), 1);
    clock.ms += 2;
    processor.stored(BigInt(second));
    expect(log.summary()).toMatchObject({ records: Math.min(second + 1, LIMITS.freshnessSeconds) });
  }
  clock.ms += 30_000;
  expect(log.summary()).toMatchObject({ records: 30 });
  clock.ms += 30_000;
  expect(log.summary()).toBeUndefined();
});

test('of more writes than are noted the rest is not counted, and those after it are', () => {
  const { log, processor, clock } = both();
  const writes = LIMITS.freshnessWritesMax;
  for (let round = 0; round < 3; round += 1) {
    const first = round * 2 * writes;
    for (let write = 0; write < writes + 7; write += 1) log.durable(BigInt(first + write), 1);
    clock.ms += 70_000;
    processor.stored(BigInt(first + 2 * writes));
    expect(log.summary()).toMatchObject({ records: writes });
  }
});

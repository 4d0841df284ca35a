import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoffMs } from './backoff.ts';

describe('backoffMs', () => {
  const bounds = { msMin: 50, msMax: 1_000 };

  test.each([
    [1, 50],
    [2, 100],
    [5, 800],
    [6, 1_000],
    [2_000, 1_000],
  ])('after %i tries it waits at most %i ms', (tries, ms) => {
    expect(backoffMs({ ...bounds, tries, random: () => 1 })).toBe(ms);
  });

  test('it waits anything from nothing up to the bound', () => {
    expect(backoffMs({ ...bounds, tries: 3, random: () => 0 })).toBe(0);
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 100 }), (part, tries) => {
        const bound = backoffMs({ ...bounds, tries, random: () => 1 });
        expect(backoffMs({ ...bounds, tries, random: () => part })).toBeCloseTo(part * bound);
      }),
    );
  });
});

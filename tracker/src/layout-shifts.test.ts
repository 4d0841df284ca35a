import { expect, test } from 'vitest';
import { layoutShifts } from './layout-shifts.ts';

/** CLS after each of the shifts, given as [time in ms, value in hundredths], in hundredths. */
const clsOf = (...shifts: readonly (readonly [number, number])[]) => {
  const take = layoutShifts();
  return shifts.map(([startTime, value]) => Math.round(take({ startTime, value: value / 100 }) * 100));
};

test('shifts that follow each other add up', () => {
  expect(clsOf([100, 1], [900, 2], [1_800, 3])).toEqual([1, 3, 6]);
});
test('a window begins with its first shift', () => {
  expect(clsOf([900, 1], [1_800, 1], [2_700, 1], [3_600, 1], [4_500, 1], [5_400, 1])).toEqual([1, 2, 3, 4, 5, 6]);
});
test('after a second of rest a window begins anew, and the largest counts', () => {
  expect(clsOf([100, 5], [200, 5], [1_201, 3], [1_300, 4], [1_400, 8])).toEqual([5, 10, 10, 10, 15]);
});
test('a window is no longer than five seconds', () => {
  const steady = Array.from({ length: 8 }, (_, index) => [2_000 + index * 900, 1] as const);
  expect(clsOf(...steady)).toEqual([1, 2, 3, 4, 5, 6, 6, 6]);
});

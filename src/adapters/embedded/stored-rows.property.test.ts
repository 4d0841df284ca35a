import fc from 'fast-check';
import { expect, it } from 'vitest';
import { timeKey } from './stored-rows.ts';

const digits = (count: number) => fc.array(fc.integer({ min: 0, max: 9 }), { minLength: count, maxLength: count });
const time = fc
  .record({
    year: digits(4),
    rest: fc.constantFrom('01-01T00:00:00', '12-31T23:59:59', '12-31T23:59:60', '02-28T10:00:01'),
    fraction: fc.option(fc.array(fc.constantFrom(0, 1, 9), { minLength: 1, maxLength: 9 }), { nil: undefined }),
  })
  .map(
    ({ year, rest, fraction }) => `${year.join('')}-${rest}${fraction === undefined ? '' : `.${fraction.join('')}`}Z`,
  );

it('orders times as their texts without the Z do, and tells all apart', () => {
  fc.assert(
    fc.property(time, time, (a, b) => {
      const [left, right] = [a.slice(0, -1), b.slice(0, -1)];
      expect(Math.sign(Buffer.compare(timeKey(a), timeKey(b)))).toBe(left < right ? -1 : left > right ? 1 : 0);
    }),
    { numRuns: 500 },
  );
});

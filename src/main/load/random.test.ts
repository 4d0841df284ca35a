import { expect, test } from 'vitest';
import { Random } from './random.ts';

test('the same seed and stream give the same numbers, others do not', () => {
  const drawn = (seed: number, stream: number) => {
    const random = new Random(seed, stream);
    return Array.from({ length: 50 }, () => random.bits());
  };
  expect(drawn(7, 1)).toEqual(drawn(7, 1));
  expect(drawn(7, 1)).not.toEqual(drawn(7, 2));
  expect(drawn(7, 1)).not.toEqual(drawn(8, 1));
});

test('numbers are spread evenly, and within their bounds', () => {
  const random = new Random(3);
  const counts = new Array<number>(10).fill(0);
  for (let draw = 0; draw < 20_000; draw += 1) {
    const value = random.between(5, 14);
    counts[value - 5] = (counts[value - 5] ?? 0) + 1;
  }
  // Each is binomial with a standard deviation of about 42; six of them is next to never for a fair generator.
  for (const count of counts) expect(Math.abs(count - 2_000)).toBeLessThan(260);
  expect(counts).toHaveLength(10);
});

test('a UUID is of version 4', () => {
  const random = new Random(1);
  for (let draw = 0; draw < 100; draw += 1) {
    expect(random.uuid()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
});

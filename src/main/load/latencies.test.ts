import { expect, test } from 'vitest';
import { Latencies } from './latencies.ts';
import { Random } from './random.ts';

test('quantiles are at most one per cent too high', () => {
  const random = new Random(5);
  const latencies = new Latencies();
  const all = Array.from({ length: 5_000 }, () => 0.02 * 10 ** (random.fraction() * 5));
  for (const ms of all) latencies.add(ms);
  all.sort((a, b) => a - b);
  for (const share of [0.01, 0.5, 0.95, 0.99, 1]) {
    const exact = all[Math.ceil(share * all.length) - 1] ?? 0;
    expect(latencies.quantile(share)).toBeGreaterThanOrEqual(exact * 0.999_999);
    expect(latencies.quantile(share)).toBeLessThanOrEqual(exact * 1.010_001);
  }
  expect(latencies.summary().count).toBe(5_000);
});

test('of nothing, all is zero', () => {
  expect(new Latencies().summary()).toEqual({ count: 0, p50: 0, p95: 0, p99: 0, max: 0 });
});

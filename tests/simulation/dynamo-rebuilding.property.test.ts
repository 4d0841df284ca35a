import { expect, test } from 'vitest';
import { problemsOfRebuilding } from './dynamo-rebuilding.ts';

test('rebuilds asked for amid traffic over a split, with faults and zombies: old or new, never between, and exact in the end', async () => {
  const seen = { asked: 0, polls: 0, amid: 0 };
  for (let seed = 1; seed <= Number(process.env.HISTORIES ?? 150); seed += 1) {
    expect(await problemsOfRebuilding(seed, seen), `seed ${seed}`).toEqual([]);
  }
  // Else it would have seen nothing.
  expect(seen.asked).toBeGreaterThan(100);
  expect(seen.amid).toBeGreaterThan(50);
}, 600_000);

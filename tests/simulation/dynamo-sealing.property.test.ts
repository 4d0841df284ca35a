import { expect, test } from 'vitest';
import { problemsOfSealing } from './dynamo-sealing.ts';

test('sealing amid traffic over a split, with faults and zombies: no false alarm, every loss named, the same totals', async () => {
  for (let seed = 1; seed <= Number(process.env.HISTORIES ?? 150); seed += 1) {
    expect(await problemsOfSealing(seed), `seed ${seed}`).toEqual([]);
  }
}, 600_000);

import { expect, test } from 'vitest';
import { waitProcessed } from './check.ts';

test('what waits in a lane is waited for, also where what waits is not counted', async () => {
  const looks = [['shard-1', 'shard-2'], ['shard-2'], []];
  const counts = { accepted: 0, redelivered: 0, stored: 0, duplicate: 0, bad: 0, dead: 0, forgotten: 0, pending: 0 };
  const more = { lost: 0, unresolved: 0, unwitnessed: 0, expired: 0, erased: 0 };
  const get = async () => ({ balanced: true, ...counts, ...more, waiting: looks.shift(), problems: [] });
  expect(await waitProcessed({ get })).toBe(true);
  expect(looks).toEqual([]);
});

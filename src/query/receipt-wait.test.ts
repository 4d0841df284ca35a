import { expect, test, vi } from 'vitest';
import { LIMITS } from '../core/limits.ts';
import type { Answer, Question } from './queries.ts';
import { receiptWaits } from './receipt-wait.ts';

/** Sleeps take no time but that of this clock. */
class Time {
  ms = 0;
  readonly nowMs = () => this.ms;
  readonly sleep = async (ms: number) => {
    this.ms += ms;
  };
}

const receipt = (wait?: string): Question => ({
  path: '/api/v1/receipts/id',
  parameters: wait === undefined ? {} : { wait },
});
const told = (state: string): Answer => ({ status: 200, body: JSON.stringify({ state }) });
const here = () => false;

/** Pending until this time. */
function pendingUntil(ms: number, time: Time) {
  return vi.fn(async (_: Question) => told(time.ms < ms ? 'pending' : 'done'));
}

test.each([
  [0, '10', 'done', 0, 0],
  [1_000, undefined, 'pending', 0, 0],
  [1_000, '0', 'pending', 0, 0],
  [30, '10', 'done', 30, 100],
  [1_000, '10', 'done', 1_000, 1_000 + LIMITS.receiptLookMsMax],
  [5_000, '2', 'pending', 2_000, 2_000],
  [60_000, '20', 'pending', 20_000, 20_000],
] as const)('done after %i ms and waited for %s s: it is %s', async (ms, wait, state, leastMs, mostMs) => {
  const time = new Time();
  const ask = pendingUntil(ms, time);
  expect(await receiptWaits(ask, time)(receipt(wait), here)).toEqual(told(state));
  expect(time.ms).toBeGreaterThanOrEqual(leastMs);
  expect(time.ms).toBeLessThanOrEqual(mostMs);
  expect(ask.mock.calls.length).toBeLessThan(50);
});

test('what is no receipt is asked once, and so is one that is refused', async () => {
  const time = new Time();
  const pending = pendingUntil(1_000, time);
  expect(await receiptWaits(pending, time)({ path: '/api/v1/live', parameters: { wait: '5' } }, here)).toEqual(
    told('pending'),
  );
  const refused: Answer = { status: 410, body: '{}' };
  const ask = vi.fn(async () => refused);
  for (const wait of ['5', 'soon', '21']) expect(await receiptWaits(ask, time)(receipt(wait), here)).toEqual(refused);
  expect([pending.mock.calls.length, ask.mock.calls.length]).toEqual([1, 3]);
});

test('a wait whose asker is gone ends', async () => {
  const time = new Time();
  const ask = pendingUntil(60_000, time);
  await receiptWaits(ask, time)(receipt('20'), () => time.ms > 1_000);
  expect(time.ms).toBeLessThan(2_000);
});

test('there are no more than the limit says; one that ends, or fails, makes room', async () => {
  let isBroken = false;
  const asleep = Promise.withResolvers<void>();
  const time = { nowMs: () => 0, sleep: () => asleep.promise };
  const ask = async () => {
    if (isBroken) throw new Error('gone');
    return told('pending');
  };
  const waits = receiptWaits(ask, time);
  const all = Array.from({ length: LIMITS.receiptWaitsMax }, () => waits(receipt('20'), here).catch(String));
  const refusal = `${LIMITS.receiptWaitsMax} receipts are waited for; allowed: fewer`;
  await expect(waits(receipt('20'), here)).rejects.toMatchObject({ code: 'query_unavailable', message: refusal });
  expect(await waits(receipt(), here)).toEqual(told('pending'));
  isBroken = true;
  asleep.resolve();
  expect(new Set(await Promise.all(all))).toEqual(new Set(['Error: gone']));
  isBroken = false;
  // The places of those that failed are free again.
  const next = waits(receipt('20'), here).catch(String);
  isBroken = true;
  expect(await next).toBe('Error: gone');
});

import { describe, expect, test } from 'vitest';
import { isGood, logHistory } from './log-simulation.ts';

const HISTORIES = 1_000;

describe('the embedded log through losses of power', () => {
  test(`loses, doubles and makes up nothing in ${HISTORIES} histories`, async () => {
    let stops = 0;
    let acknowledged = 0;
    for (let seed = 0; seed < HISTORIES; seed++) {
      const history = await logHistory(seed);
      expect(isGood(history), `seed ${seed}: ${show(history)}`).toBe(true);
      stops += history.stops;
      acknowledged += history.acknowledged;
    }
    console.log(`${HISTORIES} histories, ${stops} stops, ${acknowledged} records acknowledged: lost 0, doubled 0`);
    // Were nothing acknowledged before the stops, nothing would be tested.
    expect(acknowledged).toBeGreaterThan(10 * HISTORIES);
  }, 120_000);

  test('the same seed gives the same history', async () => {
    expect(await logHistory(7)).toEqual(await logHistory(7));
  });

  test.each(['no sync', 'acknowledged before the sync'] as const)('a planted fault is caught: %s', async (planted) => {
    let seed = 0;
    while (seed < HISTORIES && (await logHistory(seed, planted)).lost.length === 0) seed++;
    expect(seed).toBeLessThan(HISTORIES);
  });
});

function show(history: object): string {
  return JSON.stringify(history, (_key, value) => (typeof value === 'bigint' ? String(value) : value));
}

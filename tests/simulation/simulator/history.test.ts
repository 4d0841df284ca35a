import { describe, expect, test } from 'vitest';
import { HOMES, playHistory } from './history.ts';

/** As many as a run of all tests has time for; `npm run prove:simulation` plays 2,000. */
const HISTORIES = Number(process.env.HISTORIES ?? 25);

describe.each(HOMES)('histories of the home %s', (home) => {
  test(`${HISTORIES} end as the oracle says`, async () => {
    let events = 0;
    for (let seed = 1; seed <= HISTORIES; seed += 1) {
      const played = await playHistory(home, { seed });
      expect(played.problems, `seed ${seed}`).toEqual([]);
      events += played.events;
    }
    // Were nothing sent, nothing would be tested.
    expect(events).toBeGreaterThan(5 * HISTORIES);
  }, 300_000);

  test('the same seed gives the same history, to the byte', async () => {
    const [once, again] = [await playHistory(home, { seed: 7 }), await playHistory(home, { seed: 7 })];
    expect(again).toEqual(once);
    expect(once.trace.length).toBeGreaterThan(3);
  }, 60_000);
});

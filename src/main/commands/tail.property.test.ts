import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../core/json.ts';
import { NewestEvents } from './tail.ts';

/** Events by position, in the order of their time; the cursor is the place to go on from. */
class Listing {
  readonly times: number[] = [];

  get = (_: string, { limit = 100, cursor = '0' }: { readonly [name: string]: string | number | undefined } = {}) => {
    const sorted = [...this.times.entries()].sort(([a, x], [b, y]) => y - x || b - a);
    const end = Number(cursor) + Number(limit);
    const events = sorted.slice(Number(cursor), end).map(([sequence, time]) => ({
      ...{ eventId: `e${sequence}`, eventType: 'page', userId: 'u', timestamp: new Date(time).toISOString() },
      position: { lane: 'l', sequence: String(sequence), index: 0 },
    }));
    const answer: JsonObject = { events, cursor: end < sorted.length ? String(end) : null };
    return Promise.resolve(answer);
  };
}

describe('tail', () => {
  test('shows each event once, in order of time, those that come a little late as well', async () => {
    const looks = fc.array(fc.array(fc.integer({ min: -50, max: 50 }), { maxLength: 30 }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(looks, async (looks) => {
        const listing = new Listing();
        const newest = new NewestEvents(listing);
        const shown: string[] = [];
        for (const [look, offsets] of looks.entries()) {
          for (const offset of offsets) listing.times.push(1_000_000 + look * 20 + offset);
          const { events, skipped } = await newest.look();
          expect(skipped).toBe(false);
          expect(events.map(({ timestamp }) => timestamp)).toEqual(events.map(({ timestamp }) => timestamp).toSorted());
          shown.push(...events.map(({ eventId }) => eventId));
        }
        expect(shown.toSorted()).toEqual(listing.times.map((_, sequence) => `e${sequence}`).toSorted());
      }),
      { numRuns: 100 },
    );
  });

  test('reads on over pages until it meets what it has seen, and says when it cannot', async () => {
    const listing = new Listing();
    const newest = new NewestEvents(listing);
    listing.times.push(0);
    await newest.look();
    for (let event = 1; event <= 2_500; event += 1) listing.times.push(event);
    expect(await newest.look()).toMatchObject({ skipped: false, events: { length: 2_500 } });
    for (let event = 0; event < 20_500; event += 1) listing.times.push(10_000 + event);
    expect(await newest.look()).toMatchObject({ skipped: true, events: { length: 20_000 } });
  });
});

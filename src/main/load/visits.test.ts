import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../core/limits.ts';
import { eventIdOf, type PlannedEvent, Visits } from './visits.ts';

const START_MS = Date.parse('2026-11-23T10:00:00Z');

function played(count: number, { seed = 1, people = 50 } = {}): PlannedEvent[] {
  const visits = new Visits({ seed, people, run: 'r1' });
  return Array.from({ length: count }, (_, turn) => visits.next(START_MS + turn * 5));
}

const EVENTS = played(20_000);
const bodies = EVENTS.map(({ openBody }) => JSON.parse(`${openBody}}`));

describe('visits', () => {
  test('come from the seed alone', () => {
    expect(played(500)).toEqual(EVENTS.slice(0, 500));
    expect(played(500, { seed: 2 })).not.toEqual(EVENTS.slice(0, 500));
  });

  test('say in their body what is planned', () => {
    for (const [place, event] of EVENTS.entries()) {
      const body = bodies[place];
      expect(body.messageId).toBe(eventIdOf('r1', event.number));
      expect(body.type).toBe(event.path);
      expect(body.event ?? body.type).toBe(event.eventType);
      expect(body.userId ?? body.anonymousId).toBe(event.who);
      expect(Date.parse(body.timestamp)).toBe(event.createdAtMs);
    }
  });

  test('have ids of their own, but for copies, which are the same event again', () => {
    const originals = new Map<number, string>();
    for (const { copy, number, openBody } of EVENTS) {
      if (copy) continue;
      expect(originals.has(number)).toBe(false);
      originals.set(number, openBody);
    }
    const copies = EVENTS.filter(({ copy }) => copy);
    expect(copies.length).toBeGreaterThan(100);
    for (const { number, openBody } of copies) expect(openBody).toBe(originals.get(number));
  });

  test('are of people who log in, use several devices, look, search and buy', () => {
    const types = new Set(EVENTS.map(({ eventType }) => eventType));
    const expected = ['Checkout Started', 'Order Completed', 'Product Added', 'Product Viewed', 'Products Searched'];
    expect([...types].sort()).toEqual([...expected, 'Signed In', 'identify', 'page']);
    const devices = Map.groupBy(
      bodies.filter(({ userId }) => userId !== undefined),
      ({ userId }) => userId,
    );
    const several = [...devices.values()].filter((of) => new Set(of.map(({ anonymousId }) => anonymousId)).size > 1);
    expect(several.length).toBeGreaterThan(0);
    const order = bodies.find(({ event }) => event === 'Order Completed');
    expect(order.properties.revenue).toBeGreaterThan(0);
    expect(order.properties.products.length).toBeGreaterThan(0);
    const page = bodies.find(({ context }) => context.campaign?.medium === 'cpc');
    expect(page.context.page.url + JSON.stringify(bodies)).toMatch(
      /utm_source=google&utm_medium=cpc&utm_campaign=[a-z-]+&gclid=/,
    );
  });

  test('come late, out of order, and long after they were made', () => {
    const ages = EVENTS.map(({ createdAtMs }, turn) => START_MS + turn * 5 - createdAtMs);
    expect(ages.some((age) => age >= 60_000 && age <= 11 * 60_000)).toBe(true);
    expect(ages.some((age) => age >= 31 * 60_000)).toBe(true);
    expect(Math.min(...ages)).toBeGreaterThanOrEqual(0);
    const originals = EVENTS.filter(({ copy }) => !copy);
    expect(originals.some(({ number }, place) => number < (originals[place - 1]?.number ?? 0))).toBe(true);
  });

  test('prefer some pages by far', () => {
    const views = Map.groupBy(
      bodies.filter(({ event }) => event === 'Product Viewed'),
      ({ properties }) => properties.product_id,
    );
    const counts = [...views.values()].map((of) => of.length).sort((a, b) => b - a);
    expect(counts.length).toBeGreaterThan(100);
    expect(counts[0]).toBeGreaterThan(10 * (counts[100] ?? 0));
  });

  test('fit into requests, in the largest batches as well', () => {
    for (const { openBody } of EVENTS) expect(Buffer.byteLength(openBody)).toBeLessThan(LIMITS.eventBytesMax);
    for (let first = 0; first < EVENTS.length; first += LIMITS.loadBatchEventsMax) {
      const batch = EVENTS.slice(first, first + LIMITS.loadBatchEventsMax);
      const bytes = batch.reduce((sum, { openBody }) => sum + Buffer.byteLength(openBody) + 2, 100);
      expect(bytes).toBeLessThan(LIMITS.bodyBytesMax);
    }
  });

  test('need no more than one person', () => {
    expect(new Set(played(200, { people: 1 }).map(({ number }) => number)).size).toBeGreaterThan(150);
  });
});

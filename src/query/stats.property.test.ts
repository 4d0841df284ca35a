import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eventWith, factsWith } from '../../tests/events.ts';
import { readsOf } from '../../tests/listed-reads.ts';
import { MEASURES } from '../measures.ts';
import { traffic } from '../process/views/traffic.ts';
import type { Row } from '../store/event-store.ts';
import { BOTS, type Bots, stats } from './stats.ts';

const { events, visitors: devices } = MEASURES;
const byType = events.by.eventType;

interface Happened {
  readonly at: number;
  readonly eventType: string;
  readonly visitor: string;
  readonly source: string;
  readonly lane: string;
  readonly isBot: boolean;
}

/** The rows that the store has of them. */
function rowsOf(happened: readonly Happened[]): readonly Row[] {
  const states = new Map<string, { readonly key: Row['key']; state: ReturnType<typeof traffic.empty> }>();
  for (const { at, eventType, visitor, source, lane, isBot } of happened) {
    const event = eventWith({ timestamp: new Date(at).toISOString(), eventType, anonymousId: visitor, source });
    const facts = factsWith({ enriched: isBot ? { bot: true } : {} });
    const minute = traffic.at(event, facts);
    if (minute === undefined) continue;
    const delta = traffic.fold(traffic.empty(), event, facts, 0);
    for (const bucket of traffic.buckets(minute)) {
      const name = `${source} ${bucket} ${lane}`;
      const key = { view: traffic.name, version: traffic.version, source, bucket, lane };
      const row = states.get(name) ?? { key, state: traffic.empty() };
      row.state = traffic.absorb(row.state, [delta], bucket);
      states.set(name, row);
    }
  }
  return [...states.values()].map(({ key, state }) => ({ key, text: traffic.encode(state) }));
}

/** Whether what this one did counts. */
function counts(bots: Bots, { isBot }: Pick<Happened, 'isBot'>): boolean {
  return bots === 'include' || isBot === (bots === 'only');
}

const START = Date.parse('2026-03-27T00:00:00Z');
const DAY_MS = 86_400_000;
const anyHappened = fc.array(
  fc.record({
    at: fc.integer({ min: START, max: START + 5 * DAY_MS }),
    eventType: fc.constantFrom('page', 'Order Completed', '__proto__'),
    visitor: fc.constantFrom('a', 'b', 'c'),
    source: fc.constantFrom('shop', 'blog'),
    lane: fc.constantFrom('one', 'two'),
    isBot: fc.constantFrom(false, false, true),
  }),
  { maxLength: 40 },
);
const anyZone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Asia/Kathmandu');

describe('stats equal a count over the events themselves', () => {
  test('by minute, hour, day and as a whole, in any zone, over lanes and sources, with bots and without', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyHappened,
        fc.constantFrom('minute', 'hour', 'hour', 'day', 'day', 'total', 'total'),
        anyZone,
        fc.record({ source: fc.constantFrom(undefined, 'shop'), bots: fc.constantFrom(undefined, ...BOTS) }),
        fc.integer({ min: START, max: START + 3 * DAY_MS }),
        fc.oneof(fc.integer({ min: 1, max: 2 * DAY_MS }), fc.integer({ min: 1, max: DAY_MS / 12 })),
        async (happened, interval, zone, { source, bots }, from, rangeMs) => {
          const length = interval === 'minute' ? Math.ceil(rangeMs / 20) : rangeMs;
          const reads = readsOf({ rows: rowsOf(happened) });
          const question = { source, bots, from, to: from + length, interval, zone };
          const counted = await stats(reads, { ...question, measure: events });
          const unique = await stats(reads, { ...question, measure: devices });
          expect(Date.parse(counted.from)).toBeLessThanOrEqual(from);
          expect(Date.parse(counted.to)).toBeGreaterThanOrEqual(from + length);
          expect(unique.rows.map(({ time }) => time)).toEqual(counted.rows.map(({ time }) => time));
          if (interval === 'total') {
            const wider = [from - Date.parse(counted.from), Date.parse(counted.to) - (from + length)];
            expect([counted.rows.length, ...wider.map((ms) => ms < 60_000)]).toEqual([1, true, true]);
          }
          for (const [place, { time, value }] of counted.rows.entries()) {
            const end = Date.parse(counted.rows[place + 1]?.time ?? counted.to);
            const within = happened.filter(
              ({ at, ...of }) =>
                at >= Date.parse(time) &&
                at < end &&
                (source ?? of.source) === of.source &&
                counts(bots ?? 'exclude', of),
            );
            expect(value).toBe(within.length);
            const devicesWithin = new Set(within.map((event) => `${event.source} ${event.visitor}`));
            expect(unique.rows[place]?.value).toBe(devicesWithin.size);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  test('by type, the largest so many of an interval are the first of all, and one alone has its value or 0', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyHappened,
        fc.constantFrom('hour', 'day', 'total'),
        fc.integer({ min: 1, max: 3 }),
        fc.constantFrom('page', '__proto__', 'constructor'),
        async (happened, interval, limit, key) => {
          const reads = readsOf({ rows: rowsOf(happened) });
          const range = { from: START, to: START + 5 * DAY_MS + 1, zone: 'UTC', interval };
          const of = async (measure: typeof events, part: { readonly limit?: number; readonly key?: string }) =>
            (await stats(reads, { ...range, measure, by: measure.by.eventType, ...part })).rows;
          const times = (await stats(reads, { ...range, measure: events })).rows.map(({ time }) => time);
          for (const measure of [events, devices]) {
            const byTime = Map.groupBy(await of(measure, {}), ({ time }) => time);
            const first = times.flatMap((time) => byTime.get(time)?.slice(0, limit) ?? []);
            expect(await of(measure, { limit })).toEqual(first);
            const valueAt = (time: string) => byTime.get(time)?.find((row) => row.key === key)?.value ?? 0;
            expect(await of(measure, { key })).toEqual(times.map((time) => ({ time, value: valueAt(time), key })));
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test('by type, their rows sum up to the same, largest first', async () => {
    await fc.assert(
      fc.asyncProperty(anyHappened, anyZone, fc.constantFrom(...BOTS), async (happened, zone, bots) => {
        const reads = readsOf({ rows: rowsOf(happened) });
        const range = { from: START, to: START + 5 * DAY_MS + 1, zone, interval: 'day' } as const;
        const { rows } = await stats(reads, { ...range, measure: events, bots, by: byType });
        const sums = new Map<string, number>();
        for (const { key = '', value } of rows) sums.set(key, (sums.get(key) ?? 0) + value);
        const expected = new Map<string, number>();
        for (const { eventType, ...of } of happened) {
          if (counts(bots, of)) expected.set(eventType, (expected.get(eventType) ?? 0) + 1);
        }
        expect(sums).toEqual(expected);
        for (const [place, row] of rows.entries()) {
          const next = rows[place + 1];
          if (next?.time === row.time) expect(next.value).toBeLessThanOrEqual(row.value);
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe('a range', () => {
  const reads = readsOf({});
  test('without events is rows of 0, whole intervals, the running one included', async () => {
    const from = Date.parse('2026-11-23T10:04:30Z');
    const answer = await stats(reads, { measure: events, from, to: from + 60_000, zone: 'UTC' });
    expect(answer).toEqual({
      from: '2026-11-23T10:04:00.000Z',
      to: '2026-11-23T10:06:00.000Z',
      interval: 'minute',
      zone: 'UTC',
      rows: [
        { time: '2026-11-23T10:04:00.000Z', value: 0 },
        { time: '2026-11-23T10:05:00.000Z', value: 0 },
      ],
    });
  });
  test.each([
    ['within an hour', 12, 18, 3],
    ['over the border of one', 50, 70, 3],
    ['of hours and minutes', -5, 130, 8],
  ])('%s counts each minute once as a whole', async (_, fromMinute, toMinute, expected) => {
    const at = [0, 5, 15, 15.5, 17, 55, 59, 60].map((minute) => START + minute * 60_000);
    const one = { eventType: 'page', visitor: 'a', source: 'shop', lane: 'one', isBot: false };
    const happened = rowsOf(at.map((ms) => ({ ...one, at: ms })));
    const range = { from: START + fromMinute * 60_000 + 1, to: START + toMinute * 60_000 + 1, zone: 'UTC' };
    const { rows } = await stats(readsOf({ rows: happened }), { ...range, measure: events, interval: 'total' });
    expect(rows.map(({ value }) => value)).toEqual([expected]);
  });
  test.each([
    ['that is empty', { from: START, to: START }],
    ['before 1970', { from: -1, to: 5 }],
    ['of too many minutes', { from: START, to: START + 40 * DAY_MS, interval: 'minute' as const }],
    ['of too many days', { from: START - 3_000 * DAY_MS, to: START }],
    ['of too many hours as a whole', { from: START - 3_000 * DAY_MS, to: START, interval: 'total' as const }],
  ])('%s is refused', async (_, range) => {
    await expect(stats(reads, { measure: events, zone: 'UTC', ...range })).rejects.toMatchObject({
      code: 'parameter_invalid',
    });
  });
});

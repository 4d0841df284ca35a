import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { eventWith } from '../../../tests/events.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Enriched, Facts, View } from '../../core/view.ts';
import { step, type VisitorMemory } from '../stitch.ts';
import { NONE, TOTAL } from './dimensions.ts';
import { type Sessions, sessions } from './sessions.ts';
import { OTHER, type Table, type Tables } from './table.ts';
import { traffic, trafficTables } from './traffic.ts';

/** Rows are full soon, so that short histories meet the cap in every way. */
vi.mock('../../core/limits.ts', async (original) => {
  const real = await original<typeof import('../../core/limits.ts')>();
  return { ...real, LIMITS: { ...real.LIMITS, rowValuesMax: 3 } };
});

interface Counted {
  readonly event: ReturnType<typeof eventWith>;
  readonly facts: Facts;
}

/** Few visitors on many pages within an hour or two, so that sessions share minutes and move from page to page. */
const histories = fc
  .array(
    fc.record({
      visitor: fc.constantFrom('a', 'b', 'c', 'd'),
      minute: fc.integer({ min: 0, max: 11 }).map((step) => step * 7),
      page: fc.constantFrom('/1', '/2', '/3', '/4', '/5', '/6', OTHER, NONE, undefined),
    }),
    { maxLength: 40 },
  )
  .map((steps) => {
    const visitors = new Map<string, VisitorMemory>();
    return steps.map(({ visitor, minute, page }, place): Counted => {
      const timestamp = new Date(Date.parse('2026-11-23T10:00:00Z') + minute * 60_000).toISOString();
      const event = eventWith({ eventId: `e${place}`, anonymousId: visitor, timestamp });
      const enriched: Enriched = page === undefined ? {} : { page };
      const { state, facts } = step(visitors.get(visitor), event, enriched);
      visitors.set(visitor, state);
      return { event, facts };
    });
  });

/** The lengths of batches, the last one as long as is left. */
const splits = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 12 });

function batchesOf<Item>(items: readonly Item[], lengths: readonly number[]): readonly (readonly Item[])[] {
  const batches: (readonly Item[])[] = [];
  let from = 0;
  for (const length of [...lengths, items.length]) {
    batches.push(items.slice(from, from + length));
    from += length;
  }
  return batches;
}

/** Applies batches to rows as the store does, and shows every row after each of them. */
function apply<Cell>(
  view: View<Table<Cell>>,
  batches: readonly (readonly Counted[])[],
  look: (bucket: string, row: Table<Cell>) => void = () => undefined,
): ReadonlyMap<string, string> {
  const rows = new Map<string, string>();
  let order = 0;
  for (const batch of batches) {
    const deltas = new Map<string, Table<Cell>>();
    for (const { event, facts } of batch) {
      const at = view.at(event, facts);
      order += 1;
      if (at !== undefined) deltas.set(at, view.fold(deltas.get(at) ?? view.empty(), event, facts, order));
    }
    const updates = new Map<string, Table<Cell>[]>();
    for (const [at, delta] of deltas) {
      for (const bucket of view.buckets(at)) updates.set(bucket, [...(updates.get(bucket) ?? []), delta]);
    }
    for (const [bucket, of] of updates) {
      const row = view.absorb(view.decode(rows.get(bucket) ?? ''), of, bucket);
      look(bucket, row);
      rows.set(bucket, view.encode(row));
    }
  }
  return rows;
}

/** The values that have cells of their own in a list of values in order of arrival: the first three. */
function firstOf(values: readonly string[]): ReadonlySet<string> {
  return new Set([...new Set(values)].slice(0, LIMITS.rowValuesMax));
}

describe('a row that is full', () => {
  test('has cells for the first values in order of arrival, of a minute and of an hour, whatever the batches', () => {
    fc.assert(
      fc.property(histories, splits, (history, lengths) => {
        const rows = apply(traffic, batchesOf(history, lengths));
        for (const [bucket, text] of rows) {
          const time = bucket.slice(bucket.lastIndexOf('/') + 1, -1);
          const unit = bucket.startsWith('minute/') ? 16 : 13;
          if (unit === 13 && !bucket.startsWith('hour/page/')) continue;
          const pages = history
            .filter(({ event }) => event.timestamp.slice(0, unit) === time.slice(0, unit))
            .map(({ facts }) => facts.enriched.page ?? NONE);
          const own = firstOf(pages);
          const expected = new Map<string, number>();
          for (const page of pages) {
            const value = own.has(page) ? page : OTHER;
            expected.set(value, (expected.get(value) ?? 0) + 1);
          }
          expect(counts(trafficTables, text, 'page', ({ events }) => events)).toEqual(expected);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('is the same after any batches as after one event at a time', () => {
    fc.assert(
      fc.property(histories, splits, (history, lengths) => {
        const singles = history.map((one) => [one]);
        expect(apply(traffic, batchesOf(history, lengths))).toEqual(apply(traffic, singles));
        expect(apply(sessions, batchesOf(history, lengths))).toEqual(apply(sessions, singles));
      }),
      { numRuns: 200 },
    );
  });

  test('never has a cell below zero, though exit pages and bounces are taken back; each dimension sums up to the whole', () => {
    fc.assert(
      fc.property(histories, splits, (history, lengths) => {
        const whole = new Map<string, Sessions>();
        const look = (bucket: string, row: Table<Sessions>) => {
          for (const [dimension, cells] of row) {
            const sum = sumOf([...cells.byValue.values()].map(({ cell }) => cell));
            for (const { cell } of cells.byValue.values()) {
              expect(Math.min(...Object.values(cell))).toBeGreaterThanOrEqual(0);
              expect(Math.max(cell.bounces, cell.newVisitors)).toBeLessThanOrEqual(cell.sessions);
            }
            if (dimension === TOTAL) whole.set(bucket, sum);
            else if (bucket.startsWith('minute/')) expect(sum).toEqual(sumOf(cellsIn(row, TOTAL)));
          }
        };
        apply(sessions, batchesOf(history, lengths), look);
        const opened = history.filter(({ facts }) => facts.first).length;
        const minutes = [...whole].filter(([bucket]) => bucket.startsWith('minute/'));
        expect(sumOf(minutes.map(([, cell]) => cell)).sessions).toBe(opened);
      }),
      { numRuns: 200 },
    );
  });
});

function tableOf(values: readonly string[]): ReturnType<typeof trafficTables.empty> {
  const made = trafficTables.empty();
  for (const [order, value] of values.entries())
    trafficTables.cell(made, { dimension: 'page', value, order }).events = 1;
  return made;
}

test('a sum of a bounded number of values counts what comes beyond it under "(other)", and loses nothing', () => {
  const first = trafficTables.addAll(trafficTables.empty(), tableOf(['/1', '/2', '/3']), 2);
  const both = trafficTables.addAll(first, tableOf(['/3', '/1', '/4', OTHER]), 2);
  const events = [...trafficTables.values(both, 'page')].map(([value, cell]) => [value, cell.events]);
  expect(events).toEqual([
    ['/1', 2],
    ['/2', 1],
    [OTHER, 4],
  ]);
});

test('a merge never caps', () => {
  const merged = trafficTables.merge(tableOf(['/1', '/2', '/3']), tableOf(['/4', '/5', '/3']));
  expect([...trafficTables.values(merged, 'page').keys()].sort()).toEqual(['/1', '/2', '/3', '/4', '/5']);
});

function counts<Cell>(tables: Tables<Cell>, text: string, dimension: string, of: (cell: Cell) => number) {
  const values = tables.values(tables.decode(text, { dimension }), dimension);
  return new Map([...values].map(([value, cell]) => [value, of(cell)]));
}

function cellsIn(row: Table<Sessions>, dimension: string): readonly Sessions[] {
  return [...(row.get(dimension)?.byValue.values() ?? [])].map(({ cell }) => cell);
}

function sumOf(cells: readonly Sessions[]): Sessions {
  const sum = { sessions: 0, bounces: 0, seconds: 0, newVisitors: 0 };
  for (const cell of cells) {
    sum.sessions += cell.sessions;
    sum.bounces += cell.bounces;
    sum.seconds += cell.seconds;
    sum.newVisitors += cell.newVisitors;
  }
  return sum;
}

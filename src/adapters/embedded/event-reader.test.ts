import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { describe, expect, it, vi } from 'vitest';
import { anEvent, write } from '../../../tests/contracts/store-writing.ts';
import { LIMITS } from '../../core/limits.ts';
import type { EventReads } from '../../store/event-store.ts';
import { openEventReader, SqliteEventReader } from './event-reader.ts';
import { openEventStore } from './event-store.ts';
import { ReadStatements } from './read-statements.ts';

/** A connection that keeps the text of every statement prepared on it. */
class ListeningDatabase extends DatabaseSync {
  readonly prepared: string[] = [];

  override prepare(sql: string): StatementSync {
    this.prepared.push(sql);
    return super.prepare(sql);
  }
}

const from = '2026-11-23T10:00:00.000Z';
const to = '2026-11-23T11:00:00.000Z';
const after = { time: '2026-11-23T10:30:00.000Z', lane: 'a', sequence: 4n, index: 1 };
const LISTS: readonly ((reads: EventReads) => Promise<unknown>)[] = (['asc', 'desc'] as const).flatMap((order) => [
  (reads: EventReads) => reads.eventsOf('device-1', { order, limit: 5, from, to, after }),
  (reads: EventReads) => reads.eventsOf('device-1', { order, limit: 5, eventType: 'page', source: 'shop' }),
  (reads: EventReads) => reads.events({ order, limit: 5, from, to, after }),
  (reads: EventReads) => reads.events({ order, limit: 5 }),
  (reads: EventReads) => reads.events({ order, limit: 5, eventType: 'page', from, to, after }),
  (reads: EventReads) => reads.events({ order, limit: 5, source: 'shop', from, to, after }),
  (reads: EventReads) => reads.events({ order, limit: 5, eventType: 'page', source: 'shop' }),
]);
const OTHERS: readonly ((reads: EventReads) => Promise<unknown>)[] = [
  (reads) => reads.visitorsOf('u', 5),
  (reads) => reads.rows({ view: 'types', from: 'minute/', to: 'minute0' }),
  (reads) => reads.badReasons({ limit: 5, after }),
  (reads) => reads.badAt([after]),
  (reads) => reads.sources('types'),
  (reads) => reads.dead(5),
  (reads) => reads.dead(5, after),
  (reads) => reads.deadAt(after),
  (reads) => reads.totals(),
];

it('reads every list by an index, from the bound or the mark on, and sorts only what a visitor did at one time', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'event-reader-'));
  const store = openEventStore({ folder });
  await write(store, 'a', [{ sequence: 1n, events: [anEvent({ userId: 'u' })] }]);
  const database = new ListeningDatabase(join(folder, 'store.sqlite'));
  const reader = new SqliteEventReader(database);
  await reader.snapshot(async (reads) => {
    for (const read of [...LISTS, ...OTHERS]) await read(reads);
  });
  const planOf = (sql: string) => {
    const steps = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all() as { detail: string }[];
    return steps.map(({ detail }) => detail);
  };
  const selects = [...new Set(database.prepared)].filter((sql) => sql.startsWith('SELECT'));
  const lists = selects.filter((sql) => sql.includes('FROM events') && sql.includes('ORDER BY'));
  expect(lists.filter((sql) => sql.includes('lane')).length).toBeGreaterThanOrEqual(8);
  expect(lists.filter((sql) => sql.includes('(+created_at')).length).toBeGreaterThanOrEqual(2);
  expect(lists.filter((sql) => !sql.includes('lane')).length).toBeGreaterThanOrEqual(5);
  for (const sql of lists) {
    const plan = planOf(sql);
    const isOfVisitor = sql.includes('visitor = ?');
    const column = isOfVisitor ? 'created_at' : 'timestamp';
    expect(plan[0], sql).toMatch(/^SEARCH events USING (?:COVERING )?INDEX/);
    const hasMark = sql.includes(`(+${column}`);
    const hasBoth = sql.includes(`+${column} >=`) || sql.includes(`+${column} <`);
    const bounds = hasBoth ? `${column}>\\? AND ${column}<\\?` : `${column}[<>]\\?`;
    if (hasMark) expect(plan[0], sql).toMatch(new RegExp(bounds));
    if (isOfVisitor) expect(plan.at(-1), sql).toMatch(/TEMP B-TREE FOR LAST 3 TERMS/);
    // What lists or looks for types, sources and times never leaves the index, whose order is that of the lists.
    else
      expect(plan, sql).toEqual([
        expect.stringMatching(/^SEARCH events USING COVERING INDEX events_(?:by_type|of_others)/),
      ]);
  }
  // These hold one row for each lane or rebuild, or one at all.
  const small = /^SCAN (?:lanes|rebuilds|totals|linked|bad|dead)$/;
  for (const sql of selects.filter((text) => !lists.includes(text))) {
    const scans = planOf(sql).filter((detail) => /^SCAN|TEMP B-TREE/.test(detail) && !small.test(detail));
    expect(scans, sql).toEqual([]);
  }
  await reader.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

describe('very many types', () => {
  const typed = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, place) =>
      anEvent({ eventType: `type-${from + place}`, anonymousId: `d${(from + place) % 50}` }),
    );

  it('cost a list of all types no more looks than there are lists, and the type of each is found', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'event-reader-'));
    const store = openEventStore({ folder });
    const events = typed(0, 3_000);
    await write(store, 'a', [{ sequence: 1n, events }], []);
    const reader = openEventReader({ folder });
    const spies = (['one', 'all'] as const).map((name) => vi.spyOn(ReadStatements.prototype, name));
    const looks = () => spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
    const newest = await reader.snapshot((reads) => reads.events({ order: 'desc', limit: 20 }));
    expect(newest.map(({ position }) => position.index)).toEqual(
      Array.from({ length: 20 }, (_, place) => 2_999 - place),
    );
    // To find the lists takes two for each, the first look one, and, for all of them lie at one time, a step one; the rest are the page's.
    expect(looks()).toBeLessThanOrEqual(4 * (LIMITS.storeTypeListsMax + 1) + 50);
    for (const index of [0, LIMITS.storeTypeListsMax - 1, LIMITS.storeTypeListsMax, 2_999]) {
      for (const source of [undefined, 'shop']) {
        const before = looks();
        const found = await reader.snapshot((reads) =>
          reads.events({ order: 'asc', limit: 20, eventType: `type-${index}`, source }),
        );
        expect(found.map(({ position }) => position.index)).toEqual([index]);
        expect(looks() - before).toBeLessThanOrEqual(12);
      }
      const range = { order: 'asc', limit: 20, eventType: `type-${index}` } as const;
      const own = await reader.snapshot((reads) => reads.eventsOf(`d${index % 50}`, range));
      expect(own.map(({ position }) => position.index)).toEqual([index]);
    }
    for (const spy of spies) spy.mockRestore();
    await reader.close();
    await store.close();
    rmSync(folder, { recursive: true });
  });

  it('lists a type whole that was among the others until a list became free', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'event-reader-'));
    let store = openEventStore({ folder });
    const late = (timestamp: string) => anEvent({ eventType: 'late', timestamp });
    await write(store, 'a', [{ sequence: 1n, events: typed(0, LIMITS.storeTypeListsMax) }], []);
    const others = [late('2026-11-23T10:00:01.000Z'), late('2026-11-23T10:00:03.000Z')];
    await write(store, 'a', [
      { sequence: 2n, events: others.map((event) => ({ ...event, receivedAt: '2026-11-23T11:00:00.000Z' })) },
    ]);
    expect(await store.expire({ receivedAt: '2026-11-23T10:30:00.000Z', limit: 1_000 })).toBe(LIMITS.storeTypeListsMax);
    await store.close();
    store = openEventStore({ folder });
    await write(store, 'a', [{ sequence: 3n, events: [late('2026-11-23T10:00:02.000Z')] }]);
    const reader = openEventReader({ folder });
    for (const source of [undefined, 'shop']) {
      const range = { order: 'asc', limit: 9, eventType: 'late', source } as const;
      const found = await reader.snapshot((reads) => reads.events(range));
      expect(found.map(({ timestamp }) => timestamp.slice(17, 19))).toEqual(['01', '02', '03']);
    }
    await reader.close();
    await store.close();
    rmSync(folder, { recursive: true });
  });
});

it('finds nothing at a place that no record can have, and goes on from there', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'event-reader-'));
  const store = openEventStore({ folder });
  await write(store, 'a', [{ sequence: 1n, events: [anEvent({ userId: 'u' })] }]);
  const reader = openEventReader({ folder });
  const place = { lane: 'a', sequence: 10n ** 60n, index: 0 };
  const far = { ...place, time: '2026-11-23T10:00:00.000Z' };
  await reader.snapshot(async (reads) => {
    expect(await reads.badAt([place])).toEqual([]);
    expect(await reads.deadAt(place)).toBeUndefined();
    expect(await reads.badReasons({ limit: 5, after: place })).toEqual([]);
    expect(await reads.dead(5, place)).toEqual([]);
    for (const order of ['asc', 'desc'] as const) {
      const left = order === 'asc' ? 0 : 1;
      expect(await reads.events({ order, limit: 5, after: far })).toHaveLength(left);
      expect(await reads.eventsOf('device-1', { order, limit: 5, after: far })).toHaveLength(left);
    }
  });
  await reader.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

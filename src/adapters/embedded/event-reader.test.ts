import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { anEvent, write } from '../../../tests/contracts/store-writing.ts';
import type { EventReads } from '../../store/event-store.ts';
import { SqliteEventReader } from './event-reader.ts';
import { openEventStore } from './event-store.ts';

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
    else expect(plan, sql).toEqual([expect.stringMatching(/^SEARCH events USING COVERING INDEX events_by_type/)]);
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

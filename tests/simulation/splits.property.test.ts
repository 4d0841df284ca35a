import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openEventReader } from '../../src/adapters/embedded/event-reader.ts';
import { openEventStore } from '../../src/adapters/embedded/event-store.ts';
import type { LaneRecord } from '../../src/log/event-log.ts';
import { processBatch } from '../../src/process/process-batch.ts';
import { LEDGER } from '../../src/process/views/ledger.ts';
import { VIEWS } from '../../src/process/views/registry.ts';
import type { EventReader, EventReads, EventStore } from '../../src/store/event-store.ts';
import { MemoryEventStore } from '../contracts/memory-event-store.ts';
import { badEvents } from '../contracts/store-writing.ts';
import { anyHistory } from './any-history.ts';

const LANE = 'lane';

/** Batches as a consumer can be given them: each begins at or before where the one before ended, and some come again. */
const splits = fc.array(fc.record({ from: fc.nat(12), length: fc.integer({ min: 1, max: 5 }) }), { maxLength: 20 });

async function apply(store: EventStore, records: readonly LaneRecord[]): Promise<void> {
  for (let rest = records; rest.length > 0; ) {
    const { done } = await processBatch({ lane: LANE, records: rest }, store);
    rest = rest.filter(({ sequence }) => sequence > done);
  }
}

async function applyInPieces(
  store: EventStore,
  records: readonly LaneRecord[],
  pieces: readonly { readonly from: number; readonly length: number }[],
) {
  let end = 0;
  for (const { from, length } of pieces) {
    const start = Math.min(from, end);
    await apply(store, records.slice(start, start + length));
    end = Math.max(end, Math.min(start + length, records.length));
  }
  await apply(store, records.slice(end));
}

/** All that can be read. */
function everything(reader: EventReader): Promise<unknown> {
  return reader.snapshot(async (reads) => ({
    events: await reads.events({ order: 'asc', limit: 1_000 }),
    rows: await Promise.all([...VIEWS, LEDGER].map((view) => rowsOf(reads, view.name))),
    visitors: await reads.visitorsOf('u', 100),
    bad: await badEvents(reads, { limit: 100 }),
    dead: (await reads.dead(100)).map(({ payload, ...rest }) => ({ ...rest, payload: [...payload] })),
    lanes: await reads.lanes(),
    totals: await reads.totals(),
  }));
}

/** Rows come in no order. */
async function rowsOf(reads: EventReads, view: string): Promise<readonly string[]> {
  const rows = await reads.rows({ view, from: '', to: '~' });
  return rows.map((row) => JSON.stringify(row)).sort();
}

async function oneByOne(records: readonly LaneRecord[]): Promise<unknown> {
  const store = new MemoryEventStore();
  for (const record of records) await apply(store, [record]);
  return everything(store);
}

describe('any split of the same records into batches, with any repetition, gives the same rows as one by one', () => {
  test('in memory', async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory, splits, async (records, pieces) => {
        const store = new MemoryEventStore();
        await applyInPieces(store, records, pieces);
        expect(await everything(store)).toEqual(await oneByOne(records));
      }),
      { numRuns: 300 },
    );
  });

  test('on SQLite', async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory, splits, fc.boolean(), async (records, pieces, isLate) => {
        const folder = mkdtempSync(join(tmpdir(), 'clickstream-splits-'));
        const lateness = { views: VIEWS, msMax: Number.POSITIVE_INFINITY };
        const store = openEventStore({ folder, ...(isLate && { lateness }) });
        const reader = openEventReader({ folder });
        try {
          await applyInPieces(store, records, pieces);
          await store.settle();
          expect(await everything(reader)).toEqual(await oneByOne(records));
        } finally {
          await reader.close();
          await store.close();
          rmSync(folder, { recursive: true });
        }
      }),
      { numRuns: 60 },
    );
  });
});

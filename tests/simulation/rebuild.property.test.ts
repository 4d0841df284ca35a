import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openEventReader } from '../../src/adapters/embedded/event-reader.ts';
import { openEventStore, type SqliteEventStore } from '../../src/adapters/embedded/event-store.ts';
import type { View } from '../../src/core/view.ts';
import type { LaneRecord } from '../../src/log/event-log.ts';
import { processBatch } from '../../src/process/process-batch.ts';
import { sessions, sessionTables } from '../../src/process/views/sessions.ts';
import { traffic, trafficTables } from '../../src/process/views/traffic.ts';
import { anyEventsOfOneVisitor, recordOf } from '../events.ts';
import { merged } from './merged-rows.ts';

const NOW = [traffic, sessions] as readonly View[];
/** As if a later version of the program counted the same in another way. */
const NEXT = NOW.map((view) => ({ ...view, version: view.version + 1 }));

const histories = fc
  .array(anyEventsOfOneVisitor, { minLength: 1, maxLength: 12 })
  .map((records) =>
    records.map((events, number): LaneRecord => ({ sequence: BigInt(number), data: recordOf(events, { number }) })),
  );

async function inStore<T>(use: (store: SqliteEventStore, folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-rebuild-'));
  const store = openEventStore({ folder });
  try {
    return await use(store, folder);
  } finally {
    await store.close();
    rmSync(folder, { recursive: true });
  }
}

function run(store: SqliteEventStore, records: readonly LaneRecord[], views: readonly View[]) {
  return processBatch({ lane: 'lane', records, steps: { views } }, store);
}

/** What readers see: rows of all lanes merged, by source and bucket, then dimension and value; nothing of what is nothing. */
async function read(folder: string) {
  const reader = openEventReader({ folder });
  const rows = (view: string) => reader.snapshot((reads) => reads.rows({ view, from: '', to: '~' }));
  const seen = [merged(trafficTables, await rows(traffic.name)), merged(sessionTables, await rows(sessions.name))];
  await reader.close();
  return seen;
}

test('views that are taken up midway, amid sessions, show after their rebuild what they show when folded from the start', async () => {
  await fc.assert(
    fc.asyncProperty(histories, fc.nat(12), fc.integer({ min: 1, max: 9 }), async (history, at, limit) => {
      const straight = await inStore(async (store, folder) => {
        await run(store, history, NOW);
        return read(folder);
      });
      await inStore(async (store, folder) => {
        const [before, after] = [history.slice(0, at), history.slice(at)];
        await run(store, before, NOW);
        const old = await read(folder);
        await run(store, after.slice(0, 1), NEXT);
        if (before.length > 0 && after.length > 0) expect(await read(folder)).toEqual(old);
        const rest = after.slice(1);
        for (const view of NEXT) {
          while (!(await store.rebuild(view, limit))) await run(store, rest.splice(0, 1), NEXT);
        }
        await run(store, rest, NEXT);
        expect(await read(folder)).toEqual(straight);
      });
    }),
    { numRuns: 40 },
  );
});

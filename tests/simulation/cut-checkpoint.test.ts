import { cpSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEventReader } from '../../src/adapters/embedded/event-reader.ts';
import { openEventStore } from '../../src/adapters/embedded/event-store.ts';
import { processBatch } from '../../src/process/process-batch.ts';
import { eventWith, recordOf } from '../events.ts';

/** https://www.sqlite.org/fileformat2.html#the_database_header: the size of the database in pages. */
const PAGE_COUNT_AT = 28;

test('a store whose process was killed amid a checkpoint opens, though the database is whole only with its write-ahead log', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-checkpoint-'));
  const [live, found] = [join(folder, 'live'), join(folder, 'found')];
  const store = openEventStore({ folder: live });
  const events = Array.from({ length: 200 }, (_, index) => eventWith({ eventId: `e${index}` }));
  await processBatch({ lane: 'lane', records: [{ sequence: 0n, data: recordOf(events) }] }, store);
  cpSync(live, found, { recursive: true });
  await store.close();
  // As if the checkpoint had written the first page, which says how many there are, and none of the others.
  writeSync(openSync(join(found, 'store.sqlite'), 'r+'), Buffer.from([0, 0, 255, 255]), 0, 4, PAGE_COUNT_AT);

  const opened = openEventStore({ folder: found });
  const reader = openEventReader({ folder: found });
  expect(await reader.snapshot((reads) => reads.totals())).toMatchObject({ events: 200 });
  await reader.close();
  await opened.close();
  rmSync(folder, { recursive: true });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { anEvent, write } from '../../tests/contracts/store-writing.ts';
import { eventWith, recordOf } from '../../tests/events.ts';
import { type EmbeddedEventLog, openEventLog } from '../adapters/embedded/event-log.ts';
import { openEventReader } from '../adapters/embedded/event-reader.ts';
import { openEventStore, type SqliteEventStore } from '../adapters/embedded/event-store.ts';
import { LogProgress } from '../adapters/embedded/log-progress.ts';
import type { EventReader } from '../store/event-store.ts';
import { viewLog } from './log-view.ts';

let folder: string;
let log: EmbeddedEventLog;
let store: SqliteEventStore;
let reader: EventReader;
let progress: LogProgress;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'log-view-'));
  progress = new LogProgress();
  log = await openEventLog({ folder, clock: Date.now, atLeast: -1n, progress, onFinding: () => undefined });
  store = openEventStore({ folder });
  reader = openEventReader({ folder });
  for (let number = 0; number < 5; number += 1) {
    const data = Buffer.from(recordOf([eventWith({ eventId: `e${number}` })], { number, collector: 'c' })).toString();
    await log.append([{ partitionKey: '', data }]);
  }
});

afterEach(async () => {
  await reader.close();
  await store.close();
  await log.close();
  rmSync(folder, { recursive: true });
});

const torn = { kind: 'torn_tail_cut', file: 'x.segment', bytes: 3 } as const;
const look = (recordsMax: number) =>
  viewLog({ folder, progress, found: new Map([['torn', torn]]), reader }, { recordsMax });

test('the log lists each record that waits, up to so many', async () => {
  const view = await look(5);
  expect(view.records?.map(({ collector, number, count }) => [collector, number, count])).toEqual(
    [0, 1, 2, 3, 4].map((number) => ['c', number, 1]),
  );
  expect(view.lanes).toBeUndefined();
});

test('where more wait none is read, and only that they wait is said, with what was found before', async () => {
  const view = await look(4);
  expect(view).toMatchObject({ lanes: new Map([['local', undefined]]), findings: [{ kind: 'torn_tail_cut' }] });
  expect(view.records).toBeUndefined();
});

test('what the store has done does not count', async () => {
  await write(store, 'local', [{ sequence: 0n, events: [anEvent()] }]);
  expect((await look(4)).records).toHaveLength(4);
  expect((await look(3)).records).toBeUndefined();
});

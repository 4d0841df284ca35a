import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openEventReader } from '../../src/adapters/embedded/event-reader.ts';
import { openEventStore } from '../../src/adapters/embedded/event-store.ts';
import { describeEventStore } from './event-store.contract.ts';
import { MemoryEventStore } from './memory-event-store.ts';
import type { StoreSubject } from './store-subject.ts';
import { positionText } from './store-writing.ts';

const IN_MEMORY = { isAtomic: true, isolatesSnapshots: false, outlastsProcess: false };
const ON_DISK = { isAtomic: true, isolatesSnapshots: true, outlastsProcess: true };

describeEventStore('in memory', IN_MEMORY, async () => {
  const store = new MemoryEventStore();
  const find = (position: Parameters<StoreSubject['removeByHand']>[0]) =>
    store.events.findIndex(({ stored }) => positionText(stored.position) === positionText(position));
  return {
    store,
    reader: store,
    reopen: () => Promise.reject(new Error('nothing outlasts the process')),
    removeByHand: (position) => {
      store.events.splice(find(position), 1);
    },
    doubleByHand: (position, copy) => {
      const event = store.events[find(position)];
      if (event !== undefined) store.events.push({ ...event, stored: { ...event.stored, position: copy } });
    },
    moveByHand: (position, receivedAt) => {
      const place = find(position);
      const event = store.events[place];
      if (event !== undefined) store.events[place] = { ...event, stored: { ...event.stored, receivedAt } };
    },
    dispose: () => store.close(),
  };
});

describeEventStore('SQLite', ON_DISK, async () => openSqlite(mkdtempSync(join(tmpdir(), 'event-store-'))));

async function openSqlite(folder: string): Promise<StoreSubject> {
  const store = openEventStore({ folder });
  const reader = openEventReader({ folder });
  const close = async () => {
    await reader.close();
    await store.close();
  };
  const byHand = (sql: string, ...values: readonly (string | bigint | number)[]) => {
    const database = new DatabaseSync(join(folder, 'store.sqlite'));
    database.prepare(sql).run(...values);
    database.close();
  };
  return {
    store,
    reader,
    reopen: async () => {
      await close();
      return openSqlite(folder);
    },
    removeByHand: ({ lane, sequence, index }) =>
      byHand('DELETE FROM events WHERE lane = ? AND sequence = ? AND place = ?', lane, sequence, index),
    doubleByHand: (event, copy) =>
      byHand(
        `INSERT INTO events (lane, sequence, place, visitor, source, event_type, created_at, timestamp, received_at,
           hash, twin, facts, body)
         SELECT ?, ?, ?, visitor, source, event_type, created_at, timestamp, received_at, hash, 1 + (
           SELECT max(twin) FROM events), facts, body
         FROM events WHERE lane = ? AND sequence = ? AND place = ?`,
        copy.lane,
        copy.sequence,
        copy.index,
        event.lane,
        event.sequence,
        event.index,
      ),
    moveByHand: ({ lane, sequence, index }, receivedAt) =>
      byHand(
        'UPDATE events SET received_at = ? WHERE lane = ? AND sequence = ? AND place = ?',
        receivedAt,
        lane,
        sequence,
        index,
      ),
    dispose: async () => {
      await close();
      rmSync(folder, { recursive: true });
    },
  };
}

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { anEvent, write } from '../../../tests/contracts/store-writing.ts';
import { LIMITS } from '../../core/limits.ts';
import { Checkpointer, CheckpointFlags } from './checkpointer.ts';
import { openEventReader } from './event-reader.ts';
import { openEventStore, SqliteEventStore } from './event-store.ts';
import { openDatabase, openDatabaseToCheckpoint, walBytesWaiting } from './schema.ts';

/** The writer, in this thread, gives up waiting for its checkpointer soon; that one, in its own, has the real limits. */
vi.mock('../../core/limits.ts', async (original) => {
  const real = await original<typeof import('../../core/limits.ts')>();
  return { ...real, LIMITS: { ...real.LIMITS, storeWalBytesMax: 64 * 1024 * 1024 } };
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'checkpointer-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const databaseBytes = () => statSync(join(folder, 'store.sqlite')).size;
const walBytes = () => statSync(join(folder, 'store.sqlite-wal')).size;

/** Some 7 MB. */
const large = () => Array.from({ length: 120 }, () => anEvent({ properties: { filling: 'x'.repeat(60_000) } }));

/** How long a machine with much else to do may take. */
const PATIENCE = { timeout: 30_000, interval: 20 };

it('moves the write-ahead log into the database while the writer only writes, and keeps it short', async () => {
  const store = openEventStore({ folder, withCheckpointer: true });
  const reader = openEventReader({ folder });
  const beside = openDatabaseToCheckpoint(folder);
  const waiting = walBytesWaiting(beside);
  for (let batch = 1; batch <= 12; batch += 1) {
    await write(store, 'a', [{ sequence: BigInt(batch), events: large() }]);
    await expect.poll(() => waiting().notMoved, PATIENCE).toBeLessThan(LIMITS.storeCheckpointBytes);
  }
  expect(databaseBytes()).toBeGreaterThan(LIMITS.storeCheckpointBytes);
  // All that was moved makes way for what comes next, so the file is as long as what waited at the most.
  expect(walBytes()).toBeLessThan(LIMITS.storeWalBytesMax);
  expect((await reader.snapshot((reads) => reads.totals())).events).toBe(12 * 120);
  expect(await store.sync()).toEqual(new Map([['a', 12n]]));
  beside.close();
  await reader.close();
  await store.close();
}, 120_000);

describe('a checkpointer that has ended', () => {
  it('leaves it to the writer, once the log is longer than it should ever be', async () => {
    const database = openDatabase(folder);
    const checkpointer = new Checkpointer({ folder });
    const store = new SqliteEventStore(database, { checkpointer });
    await checkpointer.close();
    const before = databaseBytes();
    let moved = 0;
    for (let batch = 1; batch <= 24; batch += 1) {
      await write(store, 'a', [{ sequence: BigInt(batch), events: large() }]);
      // Until then nobody moves it.
      if (batch <= 5) expect(databaseBytes()).toBe(before);
      if (databaseBytes() > before) moved += 1;
    }
    expect(moved).toBeGreaterThan(0);
    expect(walBytes()).toBeLessThan(2 * LIMITS.storeWalBytesMax);
    expect(walBytesWaiting(database)().all).toBeLessThan(LIMITS.storeWalBytesMax + 16 * 1024 * 1024);
    await store.close();
  }, 120_000);

  it('is no reason to fail: neither when its thread threw nor when it is closed twice', async () => {
    const checkpointer = new Checkpointer({ folder: join(folder, 'not', 'there') });
    const store = new SqliteEventStore(openDatabase(folder), { checkpointer });
    await checkpointer.close();
    await write(store, 'a', [{ sequence: 1n, events: [anEvent()] }]);
    expect(await store.sync()).toEqual(new Map([['a', 1n]]));
    await store.close();
  });
});

describe('once an fsync has failed', () => {
  class FailedCheckpointer extends Checkpointer {
    hasFailed = false;
    override get syncFailed(): boolean {
      return this.hasFailed;
    }
  }

  it('of the checkpointer, the store says no more what is durable', async () => {
    const checkpointer = new FailedCheckpointer({ folder });
    const store = new SqliteEventStore(openDatabase(folder), { checkpointer });
    await write(store, 'a', [{ sequence: 1n, events: [anEvent()] }]);
    expect(await store.sync()).toEqual(new Map([['a', 1n]]));
    checkpointer.hasFailed = true;
    await expect(store.sync()).rejects.toThrow('restart');
    await write(store, 'a', [{ sequence: 2n, events: [anEvent()] }]);
    await expect(store.sync()).rejects.toThrow('restart');
    await store.close();
  });

  it('of the writer, the same, though the next one succeeds', async () => {
    openDatabase(folder).close();
    const database = new FailingDatabase(join(folder, 'store.sqlite'));
    const store = new SqliteEventStore(database);
    await write(store, 'a', [{ sequence: 1n, events: [anEvent()] }]);
    database.errcode = 778;
    await expect(store.sync()).rejects.toThrow('planted');
    database.errcode = undefined;
    // A write that failed is told by SQLite each time; only of an fsync nobody can say what it lost.
    expect(await store.sync()).toEqual(new Map([['a', 1n]]));
    database.errcode = SQLITE_IOERR_FSYNC;
    await expect(store.sync()).rejects.toThrow('planted');
    database.errcode = undefined;
    await expect(store.sync()).rejects.toThrow('restart');
    await store.close();
  });
});

describe('what the two threads tell each other', () => {
  it('is seen by both', () => {
    const shared = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT);
    const [mine, its] = [new CheckpointFlags(shared), new CheckpointFlags(shared)];
    expect([mine.syncFailed, its.waitForStop(0)]).toEqual([false, false]);
    its.noteSyncFailed();
    expect([mine.syncFailed, its.waitForStop(0)]).toEqual([true, false]);
    mine.stop();
    expect(its.waitForStop(60_000)).toBe(true);
  });
});

/** https://www.sqlite.org/rescode.html#ioerr_fsync */
const SQLITE_IOERR_FSYNC = 1034;

/** Its checkpoints fail with this code while there is one. */
class FailingDatabase extends DatabaseSync {
  errcode: number | undefined;

  override prepare(sql: string): StatementSync {
    const statement = super.prepare(sql);
    if (!sql.includes('wal_checkpoint(PASSIVE)')) return statement;
    const get = statement.get.bind(statement);
    statement.get = () => {
      if (this.errcode !== undefined) throw Object.assign(new Error('planted'), { errcode: this.errcode });
      return get();
    };
    return statement;
  }
}

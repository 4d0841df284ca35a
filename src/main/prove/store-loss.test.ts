import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Random } from '../load/random.ts';
import { loseStoreTail } from './store-loss.ts';

const root = mkdtempSync(join(tmpdir(), 'clickstream-store-loss-'));
afterAll(() => rmSync(root, { recursive: true }));

const FILES = ['store.sqlite', 'store.sqlite-wal', 'store.sqlite-shm'];
const SYNCED = 40;
const ALL = 100;
const live = join(root, 'live');
/** The files of a database in use: rows up to SYNCED are moved by a checkpoint, the rest is in its log alone. */
const used = join(root, 'used');
const restarted = join(root, 'restarted');

beforeAll(() => {
  mkdirSync(live);
  const database = new DatabaseSync(join(live, 'store.sqlite'));
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0');
  database.exec('CREATE TABLE numbers (number INTEGER PRIMARY KEY, text TEXT)');
  const insert = database.prepare('INSERT INTO numbers VALUES (?, ?)');
  for (let number = 1; number <= SYNCED; number += 1) insert.run(number, 'x'.repeat(3_000));
  // A reader keeps the log from being begun anew, as in a server under load.
  const reader = new DatabaseSync(join(live, 'store.sqlite'));
  reader.exec('BEGIN; SELECT count(*) FROM numbers');
  database.prepare('PRAGMA wal_checkpoint(PASSIVE)').get();
  for (let number = SYNCED + 1; number <= ALL; number += 1) insert.run(number, 'x'.repeat(3_000));
  copy(live, used);
  reader.close();
  database.prepare('PRAGMA wal_checkpoint(RESTART)').get();
  copy(live, restarted);
  database.close();
});

function copy(from: string, to: string): void {
  mkdirSync(to);
  for (const file of FILES) copyFileSync(join(from, file), join(to, file));
}

function rowsAfterLoss(of: string, seed: number): { readonly rows: number; readonly taken: number } {
  const folder = join(root, `${seed}`);
  rmSync(folder, { recursive: true, force: true });
  copy(of, folder);
  const taken = loseStoreTail(folder, new Random(seed));
  const database = new DatabaseSync(join(folder, 'store.sqlite'));
  const { result } = database.prepare('SELECT integrity_check AS result FROM pragma_integrity_check').get() as {
    readonly result: string;
  };
  expect(result).toBe('ok');
  const { rows, highest } = database.prepare('SELECT count(*) AS rows, max(number) AS highest FROM numbers').get() as {
    readonly rows: number;
    readonly highest: number;
  };
  expect(rows).toBe(highest);
  database.close();
  return { rows, taken };
}

test('what a checkpoint has synced stays, and any later commits go, whole', () => {
  const rows = new Set<number>();
  for (let seed = 0; seed < 40; seed += 1) {
    const { rows: left, taken } = rowsAfterLoss(used, seed);
    expect(left).toBeGreaterThanOrEqual(SYNCED);
    expect(left).toBeLessThanOrEqual(ALL);
    if (left < ALL) expect(taken).toBeGreaterThan(0);
    rows.add(left);
  }
  expect(rows.has(SYNCED)).toBe(true);
  expect(rows.size).toBeGreaterThan(5);
});

/** The log is begun anew in its index before it is on the disk, so a kill can come in between. */
test('nothing goes either beside an index that tells of the log to come', () => {
  const folder = join(root, 'to-come');
  copy(restarted, folder);
  const file = join(folder, 'store.sqlite-shm');
  const index = readFileSync(file);
  for (const copyAt of [0, 48]) index.writeUInt8((index.readUInt8(copyAt + 32) + 1) % 256, copyAt + 32);
  index.writeUInt32LE(0, 128);
  writeFileSync(file, index);
  for (let seed = 100; seed < 110; seed += 1) expect(rowsAfterLoss(folder, seed)).toEqual({ rows: ALL, taken: 0 });
});

test('of a log that is all in the database, and about to be begun anew, nothing goes', () => {
  for (let seed = 0; seed < 20; seed += 1) expect(rowsAfterLoss(restarted, seed)).toEqual({ rows: ALL, taken: 0 });
});

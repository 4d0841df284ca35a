import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where Linux keeps files in memory: what a sync makes durable is simulated, and a real one costs more than all the rest. */
const MEMORY_FOLDER = '/dev/shm';

export function newFolder(): string {
  return mkdtempSync(join(existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir(), 'clickstream-simulator-'));
}

/** The store's folder, and what of its write-ahead log a sync made durable. */
export interface StoreDisk {
  readonly folder: string;
  durableWal: Buffer;
}

const SECTOR_BYTES = 512;
/** SQLite syncs the header of its write-ahead log by itself when it starts it anew, before any frame. */
const WAL_HEADER_BYTES = 32;

/** The store's files as they can lie on the disk after the loss: any unsynced sector is the new one or the old one. */
export function loseStore(disk: StoreDisk, to: string, random: () => number): StoreDisk {
  mkdirSync(to);
  copyFileSync(join(disk.folder, 'store.sqlite'), join(to, 'store.sqlite'));
  const path = join(disk.folder, 'store.sqlite-wal');
  const live = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
  // What was synced stays, and with it the size that it needs: the log does not become shorter while it is open.
  const least = Math.min(disk.durableWal.length, live.length);
  const found = Buffer.alloc(random() < 0.5 ? live.length : least + Math.floor(random() * (live.length - least)));
  const keep = random();
  for (let at = 0; at < found.length; at += SECTOR_BYTES) {
    const kept = random() < keep ? live : disk.durableWal;
    if (at < kept.length) kept.copy(found, at, at, at + SECTOR_BYTES);
  }
  live.copy(found, 0, 0, WAL_HEADER_BYTES);
  writeFileSync(join(to, 'store.sqlite-wal'), found);
  return { folder: to, durableWal: found };
}

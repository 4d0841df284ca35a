import { closeSync, existsSync, openSync, readFileSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../load/random.ts';

/** Of SQLite's write-ahead log and of its index (sqlite.org/fileformat2.html and walformat.html). */
const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const SECTOR_BYTES = 512;
const WAL_PAGE_BYTES_AT = 8;
const WAL_SALTS_AT = 16;
const INDEX_SALTS_AT = 32;
const INDEX_ATTEMPTED_AT = 128;
const SALTS_BYTES = 8;

/**
 * Takes from the store, of which no process has a file open, what a loss of power may take: any sectors of its write-ahead
 * log that were never synced. SQLite syncs that log before it moves anything of it into the database, and notes in the
 * index how far; frames up to there stay, and so does all when the index does not tell of this very log. Returns how
 * many sectors were taken.
 */
export function loseStoreTail(folder: string, random: Random): number {
  const [walFile, indexFile] = [join(folder, 'store.sqlite-wal'), join(folder, 'store.sqlite-shm')];
  if (!existsSync(walFile) || !existsSync(indexFile)) return 0;
  const [wal, index] = [readFileSync(walFile), readFileSync(indexFile)];
  // It is memory, and gone in any case.
  rmSync(indexFile);
  const from = syncedBytes(wal, index);
  if (from === undefined || from >= wal.length) return 0;
  // The first sector that goes undoes all commits from there on, so it is drawn by itself.
  const first = random.chance(0.3) ? from : random.between(from, wal.length);
  const kept = random.chance(0.4) ? 0 : random.fraction();
  const end = random.chance(0.5) ? wal.length : random.between(first, wal.length);
  let sectors = 0;
  const descriptor = openSync(walFile, 'r+');
  try {
    for (let at = first; at < end; at = nextSector(at)) {
      if (random.chance(kept)) continue;
      // What stood there before was of an earlier log, with other salts, or nothing: a frame to nobody.
      writeSync(descriptor, Buffer.alloc(Math.min(nextSector(at), end) - at), 0, undefined, at);
      sectors += 1;
    }
  } finally {
    closeSync(descriptor);
  }
  if (end < wal.length) truncateSync(walFile, end);
  return sectors + Math.ceil((wal.length - end) / SECTOR_BYTES);
}

/** The byte up to which the write-ahead log is known to have been synced; undefined when the index does not tell. */
function syncedBytes(wal: Buffer, index: Buffer): number | undefined {
  if (wal.length < WAL_HEADER_BYTES || index.length < INDEX_ATTEMPTED_AT + 4) return undefined;
  // When the log is begun anew its salts are changed in the index first, then how far is set to nothing, then the log's header is written.
  const salts = wal.subarray(WAL_SALTS_AT, WAL_SALTS_AT + SALTS_BYTES);
  if (!index.subarray(INDEX_SALTS_AT, INDEX_SALTS_AT + SALTS_BYTES).equals(salts)) return undefined;
  const frames = isLittleEndian() ? index.readUInt32LE(INDEX_ATTEMPTED_AT) : index.readUInt32BE(INDEX_ATTEMPTED_AT);
  return WAL_HEADER_BYTES + frames * (FRAME_HEADER_BYTES + wal.readUInt32BE(WAL_PAGE_BYTES_AT));
}

/** The index is of the machine's own byte order. */
function isLittleEndian(): boolean {
  return new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
}

function nextSector(at: number): number {
  return (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES;
}

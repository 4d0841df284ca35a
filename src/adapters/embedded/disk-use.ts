import { readdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { serialOf } from './segment.ts';

/** What the data folder takes of its disk. */
export interface DiskUse {
  /** As long as its files are: segments that are not full yet are full of zeros. */
  readonly logBytes: number;
  readonly segments: number;
  /** With the write-ahead log. */
  readonly storeBytes: number;
  /** Of the disk, for this user. */
  readonly freeBytes: number;
}

/** Some microseconds a segment. Throws what the file system throws; a file that goes meanwhile is passed over. */
export function diskUse({ folder, log }: { readonly folder: string; readonly log: string }): DiskUse {
  const segments = readdirSync(log).filter((name) => serialOf(name) !== undefined);
  const store = readdirSync(folder).filter((name) => name.startsWith('store.sqlite'));
  const { bavail, bsize } = statfsSync(folder);
  return {
    logBytes: bytesOf(log, segments),
    segments: segments.length,
    storeBytes: bytesOf(folder, store),
    freeBytes: bavail * bsize,
  };
}

function bytesOf(folder: string, names: readonly string[]): number {
  return names.reduce((sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0), 0);
}

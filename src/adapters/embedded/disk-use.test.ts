import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { diskUse } from './disk-use.ts';
import { segmentName } from './segment.ts';

test('is that of the segments, and of the store with its write-ahead log', () => {
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-disk-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const log = join(folder, 'log');
  mkdirSync(log);
  const files: readonly (readonly [string, number])[] = [
    [join(log, segmentName(1)), 100],
    [join(log, segmentName(2)), 20],
    [join(log, 'other'), 1_000],
    [join(folder, 'store.sqlite'), 7],
    [join(folder, 'store.sqlite-wal'), 30],
    [join(folder, 'lock'), 1_000],
  ];
  for (const [file, bytes] of files) writeFileSync(file, Buffer.alloc(bytes));
  const { freeBytes, ...rest } = diskUse({ folder, log });
  expect(rest).toEqual({ logBytes: 120, segments: 2, storeBytes: 37 });
  expect(freeBytes).toBeGreaterThan(0);
});

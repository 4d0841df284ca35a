import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { Random } from '../load/random.ts';
import { Disk } from './disk.ts';

const root = mkdtempSync(join(tmpdir(), 'clickstream-disk-test-'));
afterAll(() => rmSync(root, { recursive: true }));
const folder = join(root, 'log');
const path = join(folder, '1.segment');

const SECTOR = 512;
const BYTES = 40 * SECTOR;

beforeEach(() => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
});

/** A file of zeros that is on the device, with a write of ones over all of it under way. */
function written(disk: Disk): void {
  disk.beginLife();
  writeFileSync(path, Buffer.alloc(BYTES, 1));
  disk.hear({ kind: 'write', id: 1, path, position: 0, length: BYTES });
}

/** How many sectors hold ones and how many zeros; each must hold one or the other. */
function sectors() {
  const content = readFileSync(path);
  const counts = { ones: 0, zeros: 0 };
  for (let at = 0; at < content.length; at += SECTOR) {
    const sector = content.subarray(at, at + SECTOR);
    if (sector.equals(Buffer.alloc(SECTOR, 1))) counts.ones += 1;
    else if (sector.equals(Buffer.alloc(SECTOR))) counts.zeros += 1;
  }
  expect(counts.ones + counts.zeros).toBe(BYTES / SECTOR);
  return counts;
}

describe('a loss of power', () => {
  test('takes any part of what was never durable, by sectors', () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < 50; seed += 1) {
      const disk = new Disk(new Random(seed));
      written(disk);
      const { sectors: taken } = disk.losePower();
      const { zeros } = sectors();
      expect(zeros).toBe(taken);
      seen.add(zeros);
    }
    expect(seen.has(BYTES / SECTOR)).toBe(true);
    expect(seen.size).toBeGreaterThan(10);
  });

  test.each([
    ['a write that the system said is durable', { kind: 'durable', path, id: 1 } as const],
    ['what was written before a sync of its file', { kind: 'synced', path, through: 1 } as const],
  ])('takes nothing of %s', (_, message) => {
    const disk = new Disk(new Random(1));
    written(disk);
    disk.hear(message);
    expect(disk.losePower().sectors).toBe(0);
    expect(sectors().ones).toBe(BYTES / SECTOR);
  });

  test('takes what was written while a sync was under way, and not what a process before had written', () => {
    const disk = new Disk(new Random(1));
    written(disk);
    disk.beginLife();
    disk.hear({ kind: 'synced', path, through: 0 });
    expect(disk.losePower().sectors).toBe(0);
    written(disk);
    disk.hear({ kind: 'synced', path, through: 0 });
    expect(disk.losePower().sectors).toBeGreaterThan(0);
  });

  test('puts back what stood before the first of two writes', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const disk = new Disk(new Random(seed));
      disk.beginLife();
      writeFileSync(path, Buffer.alloc(SECTOR, 3));
      const stood = (byte: number) => Buffer.alloc(SECTOR, byte).toString('base64');
      disk.hear({ kind: 'write', id: 1, path, position: 0, length: SECTOR, before: stood(1) });
      disk.hear({ kind: 'write', id: 2, path, position: 0, length: SECTOR, before: stood(2) });
      const { sectors: taken } = disk.losePower();
      const left = readFileSync(path)[0];
      if (taken === 2) expect(left).toBe(1);
      else expect([1, 2, 3]).toContain(left);
    }
  });

  test('may take a file whose name was never synced, and never one whose name was', () => {
    const outcomes = new Set<boolean>();
    for (let seed = 0; seed < 20; seed += 1) {
      const disk = new Disk(new Random(seed));
      writeFileSync(path, 'x');
      disk.hear({ kind: 'created', path });
      disk.losePower();
      outcomes.add(existsSync(path));
      writeFileSync(path, 'x');
      disk.hear({ kind: 'created', path });
      disk.hear({ kind: 'synced', path: folder, through: 0 });
      disk.losePower();
      expect(existsSync(path)).toBe(true);
    }
    expect(outcomes).toEqual(new Set([true, false]));
  });
});

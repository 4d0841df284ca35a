import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventWith, recordOf } from '../../../tests/events.ts';
import { nodeFiles } from './files.ts';
import { GroupEncoder, SEGMENT_HEADER_BYTES, scanSegment } from './segment.ts';
import { scrubSegment } from './segment-scrub.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'segment-scrub-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const ERASED = 'secret "one"';

function groupOf(sequence: bigint, anonymousId: string): Buffer {
  const encoder = new GroupEncoder();
  encoder.add(Buffer.from(recordOf([eventWith({ anonymousId })], { number: Number(sequence) })).toString());
  return Buffer.from(encoder.seal(sequence));
}

/** Three groups and what follows them, of which the bytes are given. */
async function scrubbed({ second, rest }: { readonly second: Buffer; readonly rest: Buffer }) {
  const groups = [groupOf(0n, 'kept'), second, groupOf(2n, ERASED)];
  const content = Buffer.concat([Buffer.alloc(SEGMENT_HEADER_BYTES), ...groups, rest]);
  const path = join(folder, 'segment');
  writeFileSync(path, content);
  const ids = [{ source: 'default', visitor: ERASED, until: '2026-12-31T00:00:00.000Z' }];
  const counts = await scrubSegment(nodeFiles, path, { firstSequence: 0n, ids });
  const after = readFileSync(path);
  expect(after).toHaveLength(content.length);
  return { counts, after, scans: [scanSegment(content, 0n), scanSegment(after, 0n)] };
}

const damaged = (group: Buffer) => group.map((byte, index) => (index === 6 ? byte ^ 1 : byte)) as Buffer;

test('what a write that failed left of a person goes, and what it left of others stays', async () => {
  const own = groupOf(3n, ERASED);
  const { counts, after } = await scrubbed({ second: groupOf(1n, 'kept'), rest: own.subarray(0, own.length - 9) });
  expect(counts).toEqual([2]);
  expect(after.includes('secret')).toBe(false);
  const other = groupOf(3n, 'another').subarray(0, -9);
  const others = await scrubbed({ second: groupOf(1n, 'kept'), rest: other });
  expect(others.counts).toEqual([1]);
  expect(others.after.subarray(-other.length)).toEqual(other);
});

test('so does a damaged group, which is still found to be damaged', async () => {
  const { counts, after, scans } = await scrubbed({ second: damaged(groupOf(1n, ERASED)), rest: Buffer.alloc(100) });
  expect(counts).toEqual([2]);
  expect(after.includes('secret')).toBe(false);
  expect(after.includes('kept')).toBe(true);
  expect(scans[1]).toEqual(scans[0]);
  expect(scans[1]?.corruptions).toHaveLength(1);
});

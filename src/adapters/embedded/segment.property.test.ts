import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  GROUP_HEADER_BYTES,
  GroupEncoder,
  groupAt,
  RECORD_PREFIX_BYTES,
  recordAt,
  SEGMENT_HEADER_BYTES,
  scanSegment,
} from './segment.ts';

const datas = fc.array(fc.string({ unit: 'binary', maxLength: 200 }), { minLength: 1, maxLength: 8 });
const sequence = fc.bigInt({ min: 0n, max: 2n ** 62n });

function encoded(records: readonly string[], firstSequence: bigint): Buffer {
  const encoder = new GroupEncoder();
  for (const record of records) encoder.add(record);
  return Buffer.from(encoder.seal(firstSequence));
}

function decoded(buffer: Buffer, offset: number): readonly string[] | undefined {
  const group = groupAt(buffer, offset);
  if (group === undefined) return undefined;
  const texts: string[] = [];
  let at = offset + GROUP_HEADER_BYTES;
  for (let index = 0; index < group.count; index++) {
    const { data } = recordAt(buffer, at, group.firstSequence + BigInt(index));
    texts.push(Buffer.from(data).toString());
    at += RECORD_PREFIX_BYTES + data.length;
  }
  expect(at).toBe(offset + group.bytes);
  return texts;
}

/** A segment of groups whose sequences follow each other from 0. */
function segment(
  groups: readonly (readonly string[])[],
  zeros = 0,
): { readonly content: Buffer; readonly ends: readonly number[] } {
  const parts: Buffer[] = [Buffer.alloc(SEGMENT_HEADER_BYTES)];
  const ends: number[] = [];
  let next = 0n;
  for (const records of groups) {
    parts.push(encoded(records, next));
    next += BigInt(records.length);
    ends.push(parts.reduce((sum, part) => sum + part.length, 0));
  }
  return { content: Buffer.concat([...parts, Buffer.alloc(zeros)]), ends };
}

describe('the layout of segments', () => {
  test('a header is read as it was written, and not when any byte differs', () => {
    const natural = fc.nat({ max: 2 ** 31 });
    fc.assert(
      fc.property(
        natural,
        natural,
        natural,
        sequence,
        natural,
        natural,
        fc.nat({ max: SEGMENT_HEADER_BYTES - 1 }),
        (serial, previous, previousEnd, firstSequence, startBytes, createdAtMs, place) => {
          const header = { serial, previous, previousEnd, firstSequence, startBytes, createdAtMs };
          const bytes = encodeSegmentHeader(header);
          expect(decodeSegmentHeader(bytes)).toEqual(header);
          bytes[place] = (bytes[place] ?? 0) ^ 1;
          expect(decodeSegmentHeader(bytes)).toBeUndefined();
        },
      ),
    );
  });

  test('a group gives back its records', () => {
    fc.assert(
      fc.property(datas, sequence, (records, first) => {
        const buffer = encoded(records, first);
        // A lone half of a surrogate pair is no character: UTF-8 has none for it.
        expect(decoded(buffer, 0)).toEqual(records.map((record) => record.toWellFormed()));
        expect(groupAt(buffer, 0)).toEqual({ bytes: buffer.length, firstSequence: first, count: records.length });
      }),
    );
  });

  test('a group is none when any bit of it differs, or its end is missing', () => {
    fc.assert(
      fc.property(datas, sequence, fc.nat(), fc.nat({ max: 7 }), (records, first, place, bit) => {
        const buffer = encoded(records, first);
        const at = place % buffer.length;
        expect(groupAt(buffer.subarray(0, at), 0)).toBeUndefined();
        buffer[at] = (buffer[at] ?? 0) ^ (1 << bit);
        expect(groupAt(buffer, 0)).toBeUndefined();
      }),
    );
  });

  test('records dropped from the front leave the rest as if they had never been added', () => {
    fc.assert(
      fc.property(datas, datas, (dropped, kept) => {
        const encoder = new GroupEncoder();
        for (const record of dropped) encoder.add(record);
        const bytes = encoder.bytes - GROUP_HEADER_BYTES;
        for (const record of kept) encoder.add(record);
        encoder.drop({ count: dropped.length, bytes });
        expect(encoder.seal(5n)).toEqual(encoded(kept, 5n));
      }),
    );
  });

  test('a scan ends after the last whole group, wherever the segment was torn', () => {
    fc.assert(
      fc.property(fc.array(datas, { maxLength: 6 }), fc.nat(), fc.nat({ max: 700 }), (groups, cut, zeros) => {
        const { content, ends } = segment(groups);
        const at = SEGMENT_HEADER_BYTES + (cut % (content.length - SEGMENT_HEADER_BYTES + 1));
        const scan = scanSegment(Buffer.concat([content.subarray(0, at), Buffer.alloc(zeros)]), 0n);
        const whole = ends.filter((end) => end <= at).length;
        // The bytes cut off can themselves have been zeros, as zeros after them then put back.
        expect(scan.end).toBeGreaterThanOrEqual(ends[whole - 1] ?? SEGMENT_HEADER_BYTES);
        expect(scan.end).toBeLessThanOrEqual(ends[whole] ?? content.length);
        expect(scan.corruptions).toEqual([]);
        expect(scan.tornBytes).toBeLessThanOrEqual(Math.max(0, at - scan.end));
      }),
    );
  });

  test('a damaged byte in one group is corruption when a whole group follows, and a torn tail when none does', () => {
    fc.assert(
      fc.property(fc.array(datas, { minLength: 1, maxLength: 6 }), fc.nat(), fc.nat(), (groups, which, place) => {
        const { content, ends } = segment(groups, 100);
        const index = which % groups.length;
        const start = ends[index - 1] ?? SEGMENT_HEADER_BYTES;
        const end = ends[index] ?? start;
        const at = start + (place % (end - start));
        content[at] = (content[at] ?? 0) ^ 0x10;
        const scan = scanSegment(content, 0n);
        const isLast = index === groups.length - 1;
        expect(scan.corruptions).toHaveLength(isLast ? 0 : 1);
        expect(scan.end).toBe(isLast ? start : ends.at(-1));
        const first = BigInt(groups.slice(0, index).flat().length);
        if (!isLast) {
          const count = BigInt(groups[index]?.length ?? 0);
          expect(scan.corruptions).toEqual([{ bytes: end - start, after: first - 1n, before: first + count }]);
        }
      }),
    );
  });
});

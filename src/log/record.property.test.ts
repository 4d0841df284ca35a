import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeRecord, encodeRecord, RecordError, type RecordHeader } from './record.ts';

const text = fc.string({ unit: 'binary' });
const header: fc.Arbitrary<Omit<RecordHeader, 'count'>> = fc.record({
  v: fc.constant(1 as const),
  kind: fc.constantFrom('events', 'erase'),
  source: text,
  visitor: text,
  receivedAt: text,
  collector: text,
  number: fc.maxSafeNat(),
  ackedThrough: fc.integer({ min: -1 }),
  voids: fc.array(fc.nat()),
});
// What JSON.stringify writes has no raw line feed.
const lines = fc.array(fc.json().map((json) => JSON.stringify(JSON.parse(json))));
const record = fc
  .tuple(header, lines)
  .map(([head, body]) => ({ header: { ...head, count: body.length }, lines: body }));
const bytesOf = (of: { readonly header: RecordHeader; readonly lines: readonly string[] }) =>
  new TextEncoder().encode(encodeRecord(of.header, of.lines));

describe('the codec of records', () => {
  test('decodes what it encoded', () => {
    fc.assert(
      fc.property(record, (given) => {
        const { header: head, lines: body } = decodeRecord(bytesOf(given));
        expect(head).toMatchObject(JSON.parse(JSON.stringify(given.header)));
        expect(body).toEqual(given.lines);
      }),
    );
  });
  test('sees every changed byte of the lines, and keeps the header to account for them', () => {
    fc.assert(
      fc.property(record, fc.nat(), fc.integer({ min: 1, max: 255 }), (given, at, change) => {
        fc.pre(given.lines.length > 0);
        const bytes = bytesOf(given);
        const start = bytes.indexOf(10) + 1;
        const place = start + (at % (bytes.length - start));
        bytes[place] = (bytes[place] ?? 0) ^ change;
        const decoding = () => decodeRecord(bytes);
        expect(decoding).toThrow(RecordError);
        try {
          decoding();
        } catch (error) {
          expect((error as RecordError).header).toMatchObject({ count: given.lines.length });
        }
      }),
    );
  });
  test('throws nothing but a RecordError, whatever the bytes', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          record.map(bytesOf).map((bytes) => gzipSync(bytes)),
        ),
        (bytes) => {
          expect(() => decodeRecord(bytes)).toThrow(RecordError);
        },
      ),
    );
  });
  test('says of a record of another version that it is one', () => {
    const bytes = new TextEncoder().encode('{"v":2}\n');
    expect(() => decodeRecord(bytes)).toThrow(/version unknown/);
  });
});

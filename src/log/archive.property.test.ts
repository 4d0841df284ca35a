import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyEventsOfOneVisitor, lineOf } from '../../tests/events.ts';
import { type Archived, type ArchiveLimits, readArchive } from './archive.ts';
import { encodeRecord } from './record.ts';

const anyRecord: fc.Arbitrary<string> = fc
  .tuple(anyEventsOfOneVisitor, fc.constantFrom<'events' | 'erase'>('events', 'events', 'erase'), fc.nat())
  .map(([events, kind, number]) => {
    const lines = kind === 'erase' ? [] : events.map(lineOf);
    const header = { source: 'shop', visitor: 'ä', receivedAt: '2026-11-23T10:00:01.000Z', collector: 'c' };
    return encodeRecord({ v: 1, kind, ...header, number, count: lines.length, ackedThrough: -1, voids: [] }, lines);
  });
const anyRecords = fc.array(anyRecord, { maxLength: 12 });

/** No line of it begins as a header does, and its last one is whole. */
const anyRubbish: fc.Arbitrary<Buffer> = fc
  .oneof(
    fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.string({ minLength: 1 }).map((text) => Buffer.from(text)),
    // A record of which some is missing.
    fc
      .tuple(
        anyRecord.filter((text) => !text.endsWith('\n')),
        fc.nat(),
      )
      .map(([text, at]) => Buffer.from(text.slice(0, 1 + (at % (text.length - 1))))),
  )
  .filter((bytes) => bytes.some((byte) => byte !== 10))
  .map((bytes) => Buffer.concat([bytes, Buffer.from('\n')]));

const textOf = (records: readonly string[]) => Buffer.from(records.map((record) => `${record}\n`).join(''));

/** Cuts bytes at these places, wherever they fall. */
function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...ends].map((start, index) => bytes.subarray(start, ends[index] ?? bytes.length));
}

async function read(chunks: readonly Uint8Array[], limits: Partial<ArchiveLimits> = {}): Promise<Archived[]> {
  const found: Archived[] = [];
  for await (const archived of readArchive(chunks, { textBytesMax: 10_000_000, ...limits })) found.push(archived);
  return found;
}

const recordsOf = (found: readonly Archived[]) =>
  found.flatMap((archived) => (archived.kind === 'record' ? [Buffer.from(archived.data).toString()] : []));
const otherOf = (found: readonly Archived[]) => found.filter(({ kind }) => kind !== 'record');

const problemOf = (archived: Archived) => (archived.kind === 'no record' ? archived.problem : archived.kind);
const bodyOf = (record: string) => record.slice(record.indexOf('\n'));

const cuts = fc.array(fc.nat(), { maxLength: 8 });

describe('an archive', () => {
  test('gives its records in order, however it is cut into gzip members and chunks, or plain', async () => {
    await fc.assert(
      fc.asyncProperty(anyRecords, cuts, cuts, fc.boolean(), async (records, members, chunks, isPlain) => {
        const text = textOf(records);
        const bytes = isPlain ? text : Buffer.concat(cutAt(text, members).map((part) => gzipSync(part)));
        const found = await read(cutAt(bytes, chunks));
        expect(recordsOf(found)).toEqual(records);
        expect(otherOf(found)).toEqual([]);
        expect(found.map(({ place }) => place.record)).toEqual(records.map((_, index) => index + 1));
        const places = found.map(({ place }) => text.toString('latin1', place.byte, place.byte + 8));
        expect(places).toEqual(records.map(() => '{"v":1,"'));
      }),
    );
  });

  test('gives every record between which there is rubbish, and says of each piece where it is', async () => {
    const anyPieces = fc.array(fc.oneof(anyRecord, anyRubbish), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(anyPieces, cuts, cuts, fc.boolean(), async (pieces, members, chunks, isPlain) => {
        const parts = pieces.map((piece) => (typeof piece === 'string' ? textOf([piece]) : piece));
        const text = Buffer.concat(parts);
        fc.pre(!isPlain || text[0] !== 0x1f);
        const bytes = isPlain ? text : Buffer.concat(cutAt(text, members).map((part) => gzipSync(part)));
        const found = await read(cutAt(bytes, chunks));
        expect(recordsOf(found)).toEqual(pieces.filter((piece) => typeof piece === 'string'));
        // Pieces side by side are one, but for those that begin with a header.
        const starts = parts.map((_, index) => parts.slice(0, index).reduce((sum, part) => sum + part.length, 0));
        const begins = pieces.map((piece, index) => {
          if (typeof piece === 'string') return false;
          const line = piece.toString().split('\n', 1)[0] ?? '';
          return typeof (pieces[index - 1] ?? '') === 'string' || /^\{"v":1,.*"checksum":\d+\}$/.test(line);
        });
        const rubbish = starts.filter((_, index) => begins[index]);
        const said = otherOf(found).map(({ place }) => place.byte);
        expect(said).toHaveLength(rubbish.length);
        for (const [index, byte] of said.entries()) {
          // Empty lines at its beginning are nothing.
          const skipped = text.subarray(rubbish[index], byte);
          expect(skipped.every((value) => value === 10)).toBe(true);
        }
      }),
    );
  });

  test('gives the records of every whole member, also after one that is broken or bytes that are none', async () => {
    const anyBreak = fc.record({ at: fc.nat(), kind: fc.constantFrom('changed', 'cut', 'rubbish before') });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(anyRecord, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 5 }),
        fc.nat(),
        anyBreak,
        cuts,
        async (groups, which, { at, kind }, chunks) => {
          const members = groups.map((records) => gzipSync(textOf(records)));
          const index = which % members.length;
          // Else nobody could tell which of two the same was given.
          const others = new Set(groups.filter((_, group) => group !== index).flat());
          fc.pre(!groups[index]?.some((record) => others.has(record)));
          const broken = members[index] ?? Buffer.alloc(0);
          const place = at % broken.length;
          if (kind === 'changed') broken[place] = (broken[place] ?? 0) ^ 0x55;
          // What is left of the first of all must still be known as gzip.
          if (kind === 'changed' && index === 0) fc.pre(place >= 3);
          if (kind === 'cut') members[index] = broken.subarray(0, Math.max(3, place));
          if (kind === 'rubbish before') {
            fc.pre(index > 0);
            members[index] = Buffer.concat([Buffer.from('0123\u0000'), broken]);
          }
          const found = await read(cutAt(Buffer.concat(members), chunks));
          const whole = new Set(groups.filter((_, group) => group !== index || kind === 'rubbish before').flat());
          const got = recordsOf(found);
          expect(got.filter((record) => whole.has(record))).toEqual(
            groups.flat().filter((record) => whole.has(record)),
          );
          // What is given has lines that were there. Of a header, the checksum is the member's, which comes after it.
          const bodies = new Set(groups.flat().map(bodyOf));
          expect(got.map(bodyOf).filter((body) => !bodies.has(body))).toEqual([]);
          const isTold = otherOf(found).length > 0;
          expect(isTold || got.join() === groups.flat().join()).toBe(true);
        },
      ),
    );
  });
});

describe('what is no record', () => {
  const record = (number: number, lines: readonly string[] = ['{"eventId":"1"}', '{"eventId":"2"}']) =>
    encodeRecord(
      {
        ...{ v: 1, kind: 'events', source: 's', visitor: 'v', receivedAt: '2026-11-23T10:00:01.000Z', collector: 'c' },
        ...{ number, count: lines.length, ackedThrough: -1, voids: [] },
      },
      lines,
    );
  const told = async (text: string | Buffer) => (await read([Buffer.from(text)])).map(problemOf);

  test.each([
    ['a line lost', [record(1), record(2).replace('{"eventId":"1"}\n', ''), record(3)], 'it ends before its last line'],
    ['a byte changed', [record(1), record(2).replace('"2"', '"3"'), record(3)], 'checksum differs'],
    ['a header changed', [record(1), record(2).replace('"count"', '"counts"'), record(3)], 'header invalid'],
    ['a line more than it should', [record(1), `${record(2)}\n{}`, record(3)], 'no header'],
    ['a line in its middle', [record(1), record(2).replace('\n', '\n{}\n'), record(3)], 'checksum differs'],
  ])('is named, and read on after it: %s', async (_, records, problem) => {
    const found = await told(records.join('\n'));
    expect(found.filter((what) => what !== 'record')).toEqual([problem]);
    expect(found.at(-1)).toBe('record');
  });

  test('may be the end of a record, with the next one behind it in the same line', async () => {
    expect(await told(`torn}${record(1)}\n${record(2)}`)).toEqual(['no header', 'record', 'record']);
  });

  test('is a record without its end at the end of the file, and a last one without a line feed is none', async () => {
    expect(await told(`${record(1)}\n${record(2)}`)).toEqual(['record', 'record']);
    expect(await told(`${record(1)}\n${record(2).slice(0, -20)}`)).toEqual(['record', 'it ends before its last line']);
  });

  test('is what is longer than a record may be, in one line or many', async () => {
    const long = (lines: readonly string[]) => [Buffer.from([record(1), record(2, lines), record(3)].join('\n'))];
    const inOne = await read(long(['x'.repeat(600)]), { recordBytesMax: 500 });
    expect(inOne.map(problemOf)).toEqual(['record', 'a line is longer than 500 bytes', 'record']);
    const many = Array.from({ length: 60 }, () => '"xxxxxxxx"');
    const inMany = await read(long(many), { recordBytesMax: 500 });
    expect(inMany.map(problemOf)).toEqual(['record', 'it is longer than 500 bytes', 'record']);
  });

  test('is told of a member whose checksum differs, after its records', async () => {
    const bytes = gzipSync(`${record(1)}\n`);
    bytes.writeUInt32LE(7, bytes.length - 8);
    const found = await read([bytes, gzipSync(`${record(2)}\n`)]);
    expect(found.map(problemOf)).toEqual(['record', 'the gzip is broken: its checksum differs', 'record']);
  });

  test('is not held in memory: a bomb is read no further than it may be', async () => {
    const bomb = gzipSync(Buffer.alloc(200_000_000));
    const before = process.memoryUsage().arrayBuffers;
    const found = await read(cutAt(bomb, [50_000, 100_000]), { textBytesMax: 100_000_000 });
    expect(found.map(({ kind }) => kind)).toEqual(['no record', 'too long']);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50_000_000);
  });

  test('is told of once: a broken member with what is none around it', async () => {
    const [first, second, third] = [record(1), record(2), record(3)].map((text) => gzipSync(`${text}\n`));
    if (first === undefined || second === undefined || third === undefined) throw new Error('three were made');
    second.fill(0xff, 15, 40);
    const found = await read([first, second, third]);
    expect(found).toMatchObject([
      { kind: 'record', place: { record: 1, byte: 0 } },
      { kind: 'no record', place: { record: 2 }, problem: expect.stringMatching(/^the gzip is broken: /) },
      { kind: 'record', place: { record: 3 } },
    ]);
  });

  test.each([
    [0, []],
    [1, ['record']],
  ])('is nothing in an archive of %i records', async (count, kinds) => {
    const text = count === 0 ? '' : `\n\n${record(1)}\n\n`;
    expect(await told(text)).toEqual(kinds);
    expect(await told(gzipSync(text))).toEqual(kinds);
  });
});

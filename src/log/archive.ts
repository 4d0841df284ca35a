import { LIMITS } from '../core/limits.ts';
import { type GzipGap, textOf } from './gzip-members.ts';
import { type DecodedRecord, decodeRecord, parseHeader, RecordError } from './record.ts';

/** Where something begins in an archive's text, that is once it is decompressed. */
export interface ArchivePlace {
  /** Of records, and of what is none but lies between two, from 1. */
  readonly record: number;
  readonly byte: number;
}

export type Archived =
  | {
      readonly kind: 'record';
      readonly place: ArchivePlace;
      readonly record: DecodedRecord;
      /** As `encodeRecord` wrote it. */
      readonly data: Uint8Array;
    }
  | {
      /** All up to the next header. */
      readonly kind: 'no record';
      readonly place: ArchivePlace;
      readonly problem: string;
      readonly bytes: number;
    }
  | {
      /** The last: what lies beyond `textBytesMax` is not read. */
      readonly kind: 'too long';
      readonly place: ArchivePlace;
    };

export interface ArchiveLimits {
  /** Of the text. */
  readonly textBytesMax: number;
  /** @default LIMITS.archiveRecordBytesMax */
  readonly recordBytesMax?: number;
}

/**
 * Reads an archive: records with a line feed after each, gzipped in any number of members, or plain, cut into chunks
 * anywhere. Whatever is no record is told of with its place, and what follows is read on from the next header. It holds
 * one record at a time, so those of a gzip member are given before its checksum is seen: one that differs is told of
 * after them, and until then their headers are as they were found, for a record's own checksum is of its lines.
 */
export async function* readArchive(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { textBytesMax, recordBytesMax = LIMITS.archiveRecordBytesMax }: ArchiveLimits,
): AsyncGenerator<Archived, void, undefined> {
  const splitter = new Splitter(recordBytesMax);
  let bytes = 0;
  for await (const piece of textOf(chunks)) {
    if (!(piece instanceof Uint8Array)) yield* splitter.gap(piece);
    else {
      bytes += piece.length;
      if (bytes > textBytesMax) {
        yield* splitter.take(piece.subarray(0, piece.length - (bytes - textBytesMax)));
        yield* splitter.end();
        yield splitter.tooLong();
        return;
      }
      yield* splitter.take(piece);
    }
  }
  yield* splitter.end();
}

const LINE_FEED = 10;
/** What `encodeRecord` begins with. No event, and nothing set aside, begins so. */
const HEAD = Buffer.from('{"v":1,"kind":"');
const ENDS_EARLY = 'it ends before its last line';

/** The record, or what is none, that is being read. */
interface Reading {
  readonly byte: number;
  readonly parts: Uint8Array[];
  bytes: number;
  /** Lines that the header says are still to come. */
  missing: number;
}

interface Rubbish {
  readonly byte: number;
  readonly problem: string;
  bytes: number;
}

/** Finds records in text, line by line. */
class Splitter {
  readonly #recordBytesMax: number;
  /** The beginning of a line that is not whole yet. */
  #line: Uint8Array[] = [];
  #lineBytes = 0;
  /** A line is longer than any record: only its length is kept. */
  #isTooLong = false;
  #byte = 0;
  #places = 0;
  #reading: Reading | undefined;
  #rubbish: Rubbish | undefined;

  constructor(recordBytesMax: number) {
    this.#recordBytesMax = recordBytesMax;
  }

  *take(text: Uint8Array): Generator<Archived> {
    let start = 0;
    for (let end = text.indexOf(LINE_FEED); end >= 0; end = text.indexOf(LINE_FEED, start)) {
      this.#add(text.subarray(start, end));
      start = end + 1;
      yield* this.#lineEnds(1);
    }
    this.#add(text.subarray(start));
  }

  /** Something is missing here, or wrong with the bytes that the text is made of. */
  *gap({ problem, bytes }: GzipGap): Generator<Archived> {
    yield* this.#lineEnds(0);
    this.#cut(problem);
    this.#throwAway(problem, { byte: this.#byte, bytes });
  }

  *end(): Generator<Archived> {
    yield* this.#lineEnds(0);
    this.#cut(ENDS_EARLY);
    yield* this.#rubbishEnds();
  }

  tooLong(): Archived {
    return { kind: 'too long', place: this.#place(this.#byte) };
  }

  #add(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#lineBytes += part.length;
    if (this.#lineBytes > this.#recordBytesMax) {
      this.#isTooLong = true;
      this.#line = [];
    } else {
      this.#line.push(part);
    }
  }

  *#lineEnds(feedBytes: number): Generator<Archived> {
    const bytes = this.#lineBytes;
    const byte = this.#byte;
    const [only] = this.#line;
    const line = this.#line.length === 1 && only !== undefined ? only : Buffer.concat(this.#line);
    const isTooLong = this.#isTooLong;
    this.#byte += bytes + feedBytes;
    this.#line = [];
    this.#lineBytes = 0;
    this.#isTooLong = false;
    if (isTooLong) {
      const problem = `a line is longer than ${this.#recordBytesMax} bytes`;
      this.#cut(problem);
      this.#throwAway(problem, { byte, bytes });
    } else if (bytes > 0) yield* this.#lineAt(byte, line);
  }

  *#lineAt(byte: number, line: Uint8Array): Generator<Archived> {
    if (beginsWithHead(line)) {
      this.#cut(ENDS_EARLY);
      yield* this.#headerAt(byte, line);
    } else if (this.#reading !== undefined) {
      yield* this.#continued(this.#reading, line);
    } else {
      // A record may have lost its end with the line feed, so that the next one's header stands behind.
      const at = Buffer.from(line.buffer, line.byteOffset, line.length).indexOf(HEAD);
      this.#throwAway('no header', { byte, bytes: at < 0 ? line.length : at });
      if (at >= 0) yield* this.#headerAt(byte + at, line.subarray(at));
    }
  }

  *#headerAt(byte: number, line: Uint8Array): Generator<Archived> {
    try {
      const { count } = parseHeader(line);
      yield* this.#rubbishEnds();
      // Text is kept past the chunk it came in.
      this.#reading = { byte, parts: [line.slice()], bytes: line.length + 1, missing: count };
    } catch (thrown) {
      this.#throwAway(problemOf(thrown), { byte, bytes: line.length });
      return;
    }
    if (this.#reading.missing <= 0) yield* this.#whole(this.#reading);
  }

  *#continued(reading: Reading, line: Uint8Array): Generator<Archived> {
    reading.parts.push(line.slice());
    reading.bytes += line.length + 1;
    reading.missing -= 1;
    if (reading.bytes > this.#recordBytesMax + 1) {
      this.#cut(`it is longer than ${this.#recordBytesMax} bytes`);
    } else if (reading.missing === 0) yield* this.#whole(reading);
  }

  *#whole(reading: Reading): Generator<Archived> {
    const [header = new Uint8Array(), ...lines] = reading.parts;
    const feed = Uint8Array.of(LINE_FEED);
    const data = Buffer.concat([
      header,
      feed,
      ...lines.flatMap((line, index) => (index === 0 ? [line] : [feed, line])),
    ]);
    try {
      const record = decodeRecord(data);
      this.#reading = undefined;
      yield { kind: 'record', place: this.#place(reading.byte), record, data };
    } catch (thrown) {
      this.#cut(problemOf(thrown));
    }
  }

  /** The record that is being read is none. */
  #cut(problem: string): void {
    const reading = this.#reading;
    if (reading === undefined) return;
    this.#reading = undefined;
    this.#throwAway(problem, { byte: reading.byte, bytes: reading.bytes - 1 });
  }

  /** What is no record is one with what is none before it. */
  #throwAway(problem: string, { byte, bytes }: { readonly byte: number; readonly bytes: number }): void {
    this.#rubbish ??= { byte, problem, bytes: 0 };
    this.#rubbish.bytes += bytes;
  }

  *#rubbishEnds(): Generator<Archived> {
    const rubbish = this.#rubbish;
    if (rubbish === undefined) return;
    this.#rubbish = undefined;
    const { byte, problem, bytes } = rubbish;
    yield { kind: 'no record', place: this.#place(byte), problem, bytes };
  }

  #place(byte: number): ArchivePlace {
    this.#places += 1;
    return { record: this.#places, byte };
  }
}

function beginsWithHead(line: Uint8Array): boolean {
  return line.length >= HEAD.length && HEAD.every((byte, index) => line[index] === byte);
}

function problemOf(thrown: unknown): string {
  if (thrown instanceof RecordError) return thrown.problem;
  // What the decoder of UTF-8 throws.
  if (thrown instanceof TypeError) return 'it is no UTF-8';
  throw thrown;
}

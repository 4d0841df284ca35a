import { basename } from 'node:path';
import { LIMITS } from '../../core/limits.ts';
import type { LaneRecord } from '../../log/event-log.ts';
import { type Files, nodeFiles, type ReadableFile } from './files.ts';
import type { LogFinding } from './log-finding.ts';
import type { DurablePlace } from './log-progress.ts';
import {
  findGroup,
  GROUP_HEADER_BYTES,
  type Group,
  groupAt,
  groupBytesAt,
  isWithin,
  RECORD_PREFIX_BYTES,
  recordAt,
  SEGMENT_HEADER_BYTES,
  scanSegment,
} from './segment.ts';
import { type ChainedSegment, readAll, readChain, withFile } from './segment-chain.ts';

export interface LogReaderOptions {
  readonly folder: string;
  /** @default the file system */
  readonly files?: Files | undefined;
  /** Nothing beyond what this says is durable is read. A LogProgress, or a place that stays. */
  readonly progress: { readonly durable: DurablePlace };
  /** Records after this sequence are read; -1n for all. */
  readonly after: bigint;
  /** Told once of each gap in what is read. */
  readonly onFinding: (finding: LogFinding) => void;
}

interface OpenSegment {
  readonly place: ChainedSegment;
  /** The segment after it in the chain, once there is one: nothing of its sequences or later ones is read here. */
  readonly next: ChainedSegment | undefined;
  readonly file: ReadableFile;
}

/** What is left of the group that is being given out. */
interface Pending {
  readonly buffer: Buffer;
  offset: number;
  sequence: bigint;
  left: number;
}

/**
 * Reads the embedded log in order, synchronously, and follows it as it grows. What is corrupt is stepped over and
 * reported. A file that cannot be read throws what the system throws; the next `read` tries again there.
 */
export class LogReader {
  readonly #folder: string;
  readonly #files: Files;
  readonly #progress: LogReaderOptions['progress'];
  readonly #after: bigint;
  readonly #onFinding: LogReaderOptions['onFinding'];
  #segment: OpenSegment | undefined;
  #position = SEGMENT_HEADER_BYTES;
  /** The sequence that comes next when nothing is missing. */
  #expected: bigint;
  #gapReported = false;
  #chunk: Buffer = Buffer.alloc(0);
  #chunkStart = 0;
  #pending: Pending | undefined;
  #pendingStart = 0;
  /** As it was last read, and where in it the open segment is. */
  #chain: readonly ChainedSegment[] = [];
  #index = 0;

  constructor({ folder, files = nodeFiles, progress, after, onFinding }: LogReaderOptions) {
    this.#folder = folder;
    this.#files = files;
    this.#progress = progress;
    this.#after = after;
    this.#expected = after + 1n;
    this.#onFinding = onFinding;
  }

  /**
   * The next records in order: of at least one, as many as `bytesMax` lets begin. None: nothing more is durable.
   * Their `data` are views of memory that nothing else writes to.
   */
  read({ bytesMax }: { readonly bytesMax: number }): readonly LaneRecord[] {
    const records: LaneRecord[] = [];
    const durable = this.#progress.durable;
    let bytes = 0;
    while (bytes < bytesMax) {
      const pending = this.#pending ?? this.#nextGroupOr(records, durable);
      if (pending === undefined) break;
      while (pending.left > 0 && bytes < bytesMax) {
        const record = recordAt(pending.buffer, pending.offset, pending.sequence);
        const recordBytes = RECORD_PREFIX_BYTES + record.data.length;
        if (record.sequence > this.#after) {
          records.push(record);
          bytes += recordBytes;
        }
        pending.offset += recordBytes;
        pending.sequence++;
        pending.left--;
      }
      if (pending.left === 0) this.#pending = undefined;
    }
    return records;
  }

  /**
   * Bytes of the log's groups before this point, on the scale of `LogProgress`: all that was given out, and all
   * corrupt bytes stepped over. Grows also when `read` gave nothing but stepped over something.
   */
  get bytesConsumed(): number {
    if (this.#segment === undefined) return 0;
    const position = this.#pending === undefined ? this.#position : this.#pendingStart;
    return this.#segment.place.startBytes + position - SEGMENT_HEADER_BYTES;
  }

  /** Goes to the first record that `read` will give, and returns `bytesConsumed` there. */
  seek(): number {
    this.#pending ??= this.#nextGroup(this.#progress.durable);
    return this.bytesConsumed;
  }

  close(): void {
    this.#segment?.file.close();
    this.#segment = undefined;
  }

  /** A failing file must not take with it the records already read: they are given out, and the next `read` meets it. */
  #nextGroupOr(records: readonly LaneRecord[], durable: DurablePlace): Pending | undefined {
    try {
      return this.#nextGroup(durable);
    } catch (thrown) {
      if (records.length === 0) throw thrown;
      return undefined;
    }
  }

  #nextGroup(durable: DurablePlace): Pending | undefined {
    for (;;) {
      const segment = this.#segment ?? this.#openFirst(durable);
      if (segment === undefined) return undefined;
      const end = this.#endOf(segment, durable);
      if (this.#position >= end) {
        if (!this.#advance(segment, durable)) return undefined;
        continue;
      }
      const group = this.#groupHere(segment, end);
      if (group === undefined) {
        this.#stepOver(segment, end);
        continue;
      }
      const pending = this.#take(group);
      if (pending !== undefined) return pending;
    }
  }

  #take(group: Group): Pending | undefined {
    this.#reportMissing(group.firstSequence);
    const start = this.#position - this.#chunkStart;
    this.#pendingStart = this.#position;
    this.#position += group.bytes;
    this.#expected = group.firstSequence + BigInt(group.count);
    this.#gapReported = false;
    if (this.#expected - 1n <= this.#after) return undefined;
    this.#pending = {
      buffer: this.#chunk,
      offset: start + GROUP_HEADER_BYTES,
      sequence: group.firstSequence,
      left: group.count,
    };
    return this.#pending;
  }

  /** Where reading of this segment stops for now. */
  #endOf({ place, file, next }: OpenSegment, durable: DurablePlace): number {
    if (place.serial >= durable.segment) return durable.endBytes;
    return next === undefined ? 0 : (place.end ?? file.size());
  }

  #groupHere({ file, next }: OpenSegment, end: number): Group | undefined {
    if (!this.#load(file, GROUP_HEADER_BYTES, end)) return undefined;
    const bytes = groupBytesAt(this.#chunk, this.#position - this.#chunkStart);
    if (bytes === undefined || this.#position + bytes > end || !this.#load(file, bytes, end)) return undefined;
    const group = groupAt(this.#chunk, this.#position - this.#chunkStart);
    const sequences = { atLeast: this.#expected, below: next?.firstSequence };
    return group !== undefined && isWithin(group, sequences) ? group : undefined;
  }

  /** Has so many bytes of the file from `position` on in `chunk`. False when there are not so many before the end. */
  #load(file: ReadableFile, bytes: number, end: number): boolean {
    const available = this.#chunkStart + this.#chunk.length - this.#position;
    if (this.#position >= this.#chunkStart && available >= bytes) return true;
    if (this.#position + bytes > end) return false;
    // A new buffer each time, for records given out are views of the old one.
    const chunk = Buffer.allocUnsafeSlow(Math.min(end - this.#position, Math.max(bytes, LIMITS.logReadBytes)));
    this.#chunk = chunk.subarray(0, file.read(chunk, this.#position));
    this.#chunkStart = this.#position;
    return this.#chunk.length >= bytes;
  }

  /** No group begins here: goes on at the next good one of this segment, or at its end. */
  #stepOver({ place, file, next }: OpenSegment, end: number): void {
    const start = this.#position;
    const rest = Buffer.allocUnsafeSlow(end - start);
    const content = rest.subarray(0, file.read(rest, start));
    const found = findGroup(content, 0, { atLeast: this.#expected, below: next?.firstSequence });
    this.#position = found === undefined ? end : start + found.offset;
    // Where nobody says at which byte the segment ends, zeros and unfinished writes are no loss by themselves.
    if (found === undefined && next !== undefined && place.end === undefined) return;
    const before = found?.group.firstSequence ?? next?.firstSequence;
    const bytes = this.#position - start;
    if (before === undefined || before - 1n > this.#after) {
      const after = this.#expected - 1n;
      this.#onFinding({ kind: 'corruption', file: basename(place.path), bytes, after, before });
    }
    this.#gapReported = true;
  }

  #reportMissing(before: bigint): void {
    const after = this.#expected - 1n;
    if (before > this.#expected && before - 1n > this.#after && !this.#gapReported) {
      this.#onFinding({ kind: 'records_missing', after, before });
    }
  }

  #openFirst(durable: DurablePlace): OpenSegment | undefined {
    if (durable.segment === 0) return undefined;
    const { segments } = readChain(this.#files, this.#folder, { through: durable.segment });
    // Where several begin at the same sequence, all but the last are empty.
    const index = Math.max(
      0,
      segments.findLastIndex(({ firstSequence }) => firstSequence <= this.#expected),
    );
    const place = segments[index];
    if (place !== undefined && place.firstSequence < this.#expected) this.#expected = place.firstSequence;
    return this.#open(segments, index);
  }

  /** Goes on to the segment after this one. False when there is none yet. */
  #advance(segment: OpenSegment, durable: DurablePlace): boolean {
    if (segment.place.serial >= durable.segment) return false;
    // One that another goes on from stays as it is: who is far behind reads each header once, however many there are.
    if (this.#chain[this.#index + 2] !== undefined) {
      segment.file.close();
      try {
        return this.#open(this.#chain, this.#index + 1) !== undefined;
      } catch (thrown) {
        if (!isMissing(thrown)) throw thrown;
        // One without records counts as done before it is read, and may be trimmed: what is left says where to go on.
        return this.#openFirst(durable) !== undefined;
      }
    }
    const { serial } = segment.place;
    const { segments } = readChain(this.#files, this.#folder, { from: serial, through: durable.segment });
    const index = segments.findIndex((place) => place.serial > serial);
    if (index < 0) return false;
    const place = segments[index - 1];
    if (segment.next === undefined && place !== undefined && place.serial === serial) {
      // Only now is it known where this one ends: what lies before that end is read first.
      this.#segment = { place, next: segments[index], file: segment.file };
      [this.#chain, this.#index] = [segments, index - 1];
      return true;
    }
    segment.file.close();
    return this.#open(segments, index) !== undefined;
  }

  #open(chain: readonly ChainedSegment[], index: number): OpenSegment | undefined {
    [this.#chain, this.#index] = [chain, index];
    this.#segment = undefined;
    const place = chain[index];
    if (place === undefined) return undefined;
    this.#segment = { place, next: chain[index + 1], file: this.#files.openToRead(place.path) };
    this.#position = SEGMENT_HEADER_BYTES;
    this.#chunk = Buffer.alloc(0);
    this.#reportMissing(place.firstSequence);
    if (place.firstSequence > this.#expected) this.#expected = place.firstSequence;
    this.#gapReported = false;
    return this.#segment;
  }
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';
}

/** Where the log on disk ends, for reading the log of a server that is stopped. */
export function durableEndOf(files: Files, folder: string): DurablePlace {
  const last = readChain(files, folder).segments.at(-1);
  if (last === undefined) return { segment: 0, endBytes: 0 };
  const { end } = withFile(files, last.path, (file) => scanSegment(readAll(file), last.firstSequence));
  return { segment: last.serial, endBytes: end };
}

/**
 * The log's records after a sequence, in order, up to its durable end. Without `progress` the log must not be in use
 * by a server.
 */
export function* readRecords({
  progress,
  ...options
}: Omit<LogReaderOptions, 'progress'> & {
  readonly progress?: LogReaderOptions['progress'] | undefined;
}): Generator<LaneRecord, void> {
  const durable = (progress ?? { durable: durableEndOf(options.files ?? nodeFiles, options.folder) }).durable;
  const reader = new LogReader({ ...options, progress: { durable } });
  try {
    for (;;) {
      const records = reader.read({ bytesMax: LIMITS.processBatchBytesMax });
      if (records.length === 0) return;
      yield* records;
    }
  } finally {
    reader.close();
  }
}

import { join } from 'node:path';
import type { ErasedUntil } from '../../core/erasures.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Clock } from '../../core/time.ts';
import { type Files, type WritableFile, writeWhole } from './files.ts';
import type { LogProgress } from './log-progress.ts';
import { encodeSegmentHeader, type GroupEncoder, SEGMENT_HEADER_BYTES, segmentName } from './segment.ts';
import { scrubSegment } from './segment-scrub.ts';

/** What the log needs to know of a segment to delete it. */
export interface RetainedSegment {
  readonly serial: number;
  readonly path: string;
  readonly firstSequence: bigint;
  readonly createdAtMs: number;
}

/** Where the log ended when it was opened. */
export interface LogEnd {
  /** The last segment and its end; serial 0 when there is none. */
  readonly serial: number;
  readonly endBytes: number;
  /** The last sequence that is durable, or must not be given again; -1n for none. */
  readonly sequence: bigint;
  readonly bytes: number;
  /** No serial up to here is used again. */
  readonly serialMax: number;
}

export interface SegmentWriterOptions {
  readonly folder: string;
  readonly files: Files;
  readonly clock: Clock;
  readonly segmentBytes: number;
  readonly progress: LogProgress;
  readonly retained: readonly RetainedSegment[];
  readonly end: LogEnd;
}

interface Spare {
  readonly serial: number;
  readonly path: string;
  readonly file: WritableFile;
}

interface OpenSegment extends Spare {
  end: number;
}

const ZEROS = Buffer.alloc(LIMITS.segmentZeroBytes);

/**
 * Writes groups to segments, one at a time, and makes the segments. A file on which a write failed is never written
 * again: the next segment's header says at which byte it ends.
 */
export class SegmentWriter {
  readonly #folder: string;
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #segmentBytes: number;
  readonly #progress: LogProgress;
  readonly #retained: RetainedSegment[];
  #current: OpenSegment | undefined;
  #spare: Promise<Spare> | undefined;
  /** The chain's last segment, open or not. */
  #last: { serial: number; end: number };
  #serialMax: number;
  #sequence: bigint;
  #bytes: number;

  constructor({ folder, files, clock, segmentBytes, progress, retained, end }: SegmentWriterOptions) {
    this.#folder = folder;
    this.#files = files;
    this.#clock = clock;
    this.#segmentBytes = segmentBytes;
    this.#progress = progress;
    this.#retained = [...retained];
    this.#last = { serial: end.serial, end: end.endBytes };
    this.#serialMax = end.serialMax;
    this.#sequence = end.sequence;
    this.#bytes = end.bytes;
    this.#publish();
  }

  /** The last durable sequence; -1n for none. */
  get sequence(): bigint {
    return this.#sequence;
  }

  /** Bytes of all durable groups since the log began. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Resolves when the group is durable; its records then have the sequences up to `sequence`. When a write fails, the
   * group is written anew into a new segment, once; when that fails too, it rejects and the group has no sequences.
   */
  async write(group: GroupEncoder): Promise<void> {
    const data = group.seal(this.#sequence + 1n);
    try {
      await this.#put(data, group.count);
    } catch (first) {
      await this.#giveUp(first);
      try {
        await this.#put(data, group.count);
      } catch (second) {
        await this.#giveUp(second);
        throw second;
      }
    }
    if (this.#spare === undefined && this.#last.end > this.#segmentBytes / 4) this.#prepareAhead();
  }

  /** Has a segment open to write to. Rejects when none can be made. */
  async open(): Promise<void> {
    if (this.#current === undefined) await this.#next();
  }

  /**
   * Deletes the oldest segments, whole, as far as all their records are at or before `through` and the one after was
   * begun before `beforeMs`. Returns how many.
   */
  async trim({ through, beforeMs }: { readonly through: bigint; readonly beforeMs: number }): Promise<number> {
    let trimmed = 0;
    for (;;) {
      const [oldest, next] = this.#retained;
      if (oldest === undefined || next === undefined) break;
      if (next.firstSequence - 1n > through || next.createdAtMs > beforeMs) break;
      await unlinkIfThere(this.#files, oldest.path);
      this.#retained.shift();
      trimmed++;
    }
    if (trimmed > 0) await this.#files.syncFolder(this.#folder);
    return trimmed;
  }

  /**
   * Overwrites what is erased in all segments that are ended and hold nothing after `through`; nothing else may trim or roll
   * meanwhile. Returns how many records of each id, and the last sequence that was looked at.
   */
  async scrub(
    ids: readonly ErasedUntil[],
    { through }: { readonly through: bigint },
  ): Promise<{ readonly counts: readonly number[]; readonly through: bigint }> {
    const counts = ids.map(() => 0);
    let last = -1n;
    for (const [place, { path, firstSequence }] of [...this.#retained].entries()) {
      const next = this.#retained[place + 1];
      if (next === undefined || next.firstSequence - 1n > through) break;
      const own = await scrubSegment(this.#files, path, { firstSequence, ids });
      for (const [of, count] of own.entries()) counts[of] = (counts[of] ?? 0) + count;
      last = next.firstSequence - 1n;
    }
    await this.#files.syncFolder(this.#folder);
    return { counts, through: last };
  }

  /**
   * Goes on to a new segment when the last one holds something and was begun before `beforeMs`: only what another
   * follows is trimmed. The first call prepares the new one and a later one takes it, so that no write waits for its
   * zeros; when none can be made the last one goes on. Nothing may be in flight.
   */
  async roll({ beforeMs }: { readonly beforeMs: number }): Promise<void> {
    const begunAtMs = this.#retained.at(-1)?.createdAtMs;
    const finished = this.#current;
    if (finished === undefined || finished.end === SEGMENT_HEADER_BYTES) return;
    if (begunAtMs === undefined || begunAtMs > beforeMs) return;
    if (this.#spare === undefined) {
      this.#prepareAhead();
      return;
    }
    try {
      await this.#spare;
    } catch {
      this.#spare = undefined;
      return;
    }
    await this.#next();
    // A quiet site would keep a day of zeros; of a segment that was filled next to nothing is left.
    await this.#files.cut(finished.path, finished.end);
  }

  /** Ends the last segment where its last group ends. Nothing may be in flight. */
  async close(): Promise<void> {
    const spare = await this.#spare?.catch(() => undefined);
    this.#spare = undefined;
    if (spare !== undefined) await this.#discard(spare);
    const current = this.#current;
    this.#current = undefined;
    if (current === undefined) return;
    await current.file.close();
    await this.#files.cut(current.path, current.end);
  }

  async #put(data: Buffer, count: number): Promise<void> {
    const current = this.#current;
    // A group larger than a segment gets one of its own, beyond the zeros.
    const fits =
      current !== undefined &&
      (current.end + data.length <= this.#segmentBytes || current.end === SEGMENT_HEADER_BYTES);
    const segment = fits ? current : await this.#next();
    await writeWhole(segment.file, data, segment.end);
    segment.end += data.length;
    this.#last.end = segment.end;
    this.#sequence += BigInt(count);
    this.#bytes += data.length;
    this.#publish();
  }

  #publish(): void {
    const { serial, end } = this.#last;
    this.#progress.publish({ segment: serial, endBytes: end, sequence: this.#sequence, bytes: this.#bytes });
  }

  /** Goes on to a new segment, which counts once its header is durable. */
  async #next(): Promise<OpenSegment> {
    const finished = this.#current;
    this.#current = undefined;
    await finished?.file.close();
    const preparing = this.#spare ?? this.#prepare();
    this.#spare = undefined;
    const spare = await preparing;
    const createdAtMs = this.#clock();
    const firstSequence = this.#sequence + 1n;
    const header = encodeSegmentHeader({
      serial: spare.serial,
      previous: this.#last.serial,
      previousEnd: this.#last.end,
      firstSequence,
      startBytes: this.#bytes,
      createdAtMs,
    });
    try {
      await writeWhole(spare.file, header, 0);
    } catch (thrown) {
      await this.#discardAfter(spare, thrown);
    }
    const segment = { ...spare, end: SEGMENT_HEADER_BYTES };
    this.#current = segment;
    this.#last = { serial: spare.serial, end: SEGMENT_HEADER_BYTES };
    this.#retained.push({ serial: spare.serial, path: spare.path, firstSequence, createdAtMs });
    this.#publish();
    return segment;
  }

  /** Off the hot path: the next segment is there before it is needed. When it fails, it is tried again at need. */
  #prepareAhead(): void {
    this.#spare = this.#prepare();
    this.#spare.catch(() => {
      // Reported by whoever takes the spare.
    });
  }

  /** A new file full of zeros: a write into blocks that were written before needs no metadata to be durable. */
  async #prepare(): Promise<Spare> {
    const serial = ++this.#serialMax;
    const path = join(this.#folder, segmentName(serial));
    const file = await this.#files.create(path);
    try {
      for (let position = 0; position < this.#segmentBytes; position += ZEROS.length) {
        await writeWhole(file, ZEROS.subarray(0, this.#segmentBytes - position), position);
      }
      await this.#files.syncFolder(this.#folder);
    } catch (thrown) {
      await this.#discardAfter({ serial, path, file }, thrown);
    }
    return { serial, path, file };
  }

  /** The file on which this failed is not written again. */
  async #giveUp(cause: unknown): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    if (current === undefined) return;
    try {
      await current.file.close();
    } catch (thrown) {
      throw new AggregateError([cause, thrown], messageOf(cause));
    }
  }

  async #discardAfter(spare: Spare, cause: unknown): Promise<never> {
    try {
      await this.#discard(spare);
    } catch (thrown) {
      throw new AggregateError([cause, thrown], messageOf(cause));
    }
    throw cause;
  }

  async #discard({ path, file }: Spare): Promise<void> {
    try {
      await file.close();
    } finally {
      await this.#files.unlink(path);
    }
  }
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

async function unlinkIfThere(files: Files, path: string): Promise<void> {
  try {
    await files.unlink(path);
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT')) throw thrown;
  }
}

import { join } from 'node:path';
import type { Files, ReadableFile } from './files.ts';
import {
  decodeSegmentHeader,
  findGroup,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
  serialOf,
} from './segment.ts';

/** A segment of the log's chain. */
export interface ChainedSegment {
  readonly serial: number;
  readonly path: string;
  readonly firstSequence: bigint;
  readonly startBytes: number;
  readonly createdAtMs: number;
  /** The byte at which it ends, as the one after it says; undefined when none says. */
  readonly end: number | undefined;
  readonly headerCorrupt: boolean;
}

export interface SegmentChain {
  readonly segments: readonly ChainedSegment[];
  /** Files of segments that hold nothing: prepared and never used, or given up before their first group. */
  readonly unused: readonly string[];
  /** Files without a readable header or group in which something is written all the same. */
  readonly unreadable: readonly string[];
  readonly serialMax: number;
}

interface Found {
  readonly serial: number;
  readonly path: string;
  readonly header: SegmentHeader | undefined;
  /** Where the header is unreadable: the first sequence of the first whole group; undefined when there is no group. */
  readonly firstSequence: bigint | undefined;
  readonly isUnreadable: boolean;
}

/**
 * Puts the segments in order. Each header names the segment it goes on from, and files between the two hold nothing;
 * a file whose header cannot be read counts as a segment when it holds a whole group.
 */
export function readChain(
  files: Files,
  folder: string,
  { from = 0, through = Number.MAX_SAFE_INTEGER }: { readonly from?: number; readonly through?: number } = {},
): SegmentChain {
  const serials = files
    .list(folder)
    .map(serialOf)
    .filter((serial) => serial !== undefined)
    .sort((a, b) => b - a);
  const found = serials
    .filter((serial) => serial >= from && serial <= through)
    .map((serial) => readHeaderIfThere(files, join(folder, segmentName(serial)), serial))
    .filter((segment) => segment !== undefined);
  const unreadable = found.filter(({ isUnreadable }) => isUnreadable).map(({ path }) => path);
  const newestFirst: ChainedSegment[] = [];
  const unused: string[] = [];
  let previous: number | undefined;
  let end: number | undefined;
  for (const { serial, path, header, firstSequence, isUnreadable } of found) {
    if (isUnreadable) continue;
    if (firstSequence === undefined || (previous !== undefined && serial > previous && header !== undefined)) {
      unused.push(path);
      continue;
    }
    newestFirst.push({
      serial,
      path,
      firstSequence,
      startBytes: header?.startBytes ?? Number.NaN,
      createdAtMs: header?.createdAtMs ?? newestFirst.at(-1)?.createdAtMs ?? 0,
      end: serial === previous ? end : undefined,
      headerCorrupt: header === undefined,
    });
    previous = header?.previous;
    end = header?.previousEnd;
  }
  return { segments: withStartBytes(newestFirst.reverse()), unused, unreadable, serialMax: serials[0] ?? 0 };
}

/** Undefined when the file went since its folder was listed: it was trimmed, or given up. */
function readHeaderIfThere(files: Files, path: string, serial: number): Found | undefined {
  try {
    return readHeader(files, path, serial);
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined;
    throw thrown;
  }
}

function readHeader(files: Files, path: string, serial: number): Found {
  return withFile(files, path, (file) => {
    const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
    const header = file.read(bytes, 0) === SEGMENT_HEADER_BYTES ? decodeSegmentHeader(bytes) : undefined;
    if (header !== undefined && header.serial === serial) {
      return { serial, path, header, firstSequence: header.firstSequence, isUnreadable: false };
    }
    const content = readAll(file);
    const first = findGroup(content, 0, { atLeast: 0n });
    // A header is written after the zeros and before any group, so that a torn one has only zeros after it.
    const isUnreadable = first === undefined && !isZero(content.subarray(SEGMENT_HEADER_BYTES));
    return { serial, path, header: undefined, firstSequence: first?.group.firstSequence, isUnreadable };
  });
}

/** A corrupt header's `startBytes` is made up from the segment before it. */
function withStartBytes(segments: readonly ChainedSegment[]): readonly ChainedSegment[] {
  let next = 0;
  return segments.map((segment) => {
    const startBytes = Number.isNaN(segment.startBytes) ? next : segment.startBytes;
    next = startBytes + (segment.end ?? SEGMENT_HEADER_BYTES) - SEGMENT_HEADER_BYTES;
    return { ...segment, startBytes };
  });
}

export function withFile<T>(files: Files, path: string, use: (file: ReadableFile) => T): T {
  const file = files.openToRead(path);
  try {
    return use(file);
  } finally {
    file.close();
  }
}

export function readAll(file: ReadableFile): Buffer {
  const content = Buffer.allocUnsafeSlow(file.size());
  return content.subarray(0, file.read(content, 0));
}

export function isZero(bytes: Buffer): boolean {
  return bytes.equals(Buffer.alloc(bytes.length));
}

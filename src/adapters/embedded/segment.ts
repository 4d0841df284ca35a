import { crc32 } from 'node:zlib';
import { ClickstreamError } from '../../core/errors.ts';
import type { LaneRecord } from '../../log/event-log.ts';

/**
 * The layout of a segment file; integers are little-endian.
 *
 *     segment = header (64 bytes) group* zeros*
 *     header  = magic 8 | crc32 of what follows | version 4 | serial 4 | previous 4 | previousEnd 4 | unused 4
 *               | firstSequence 8 | startBytes 8 | createdAtMs 8 | unused 8
 *     group   = magic 4 | crc32 of what follows | payload bytes 4 | record count 4 | first sequence 8 | payload
 *     payload = (length 4, data)*
 *
 * The bytes of a magic occur nowhere in UTF-8, and a length's highest byte is small: no payload holds a magic.
 */
const SEGMENT_MAGIC = Buffer.from([0xff, 0xc0, 0xfe, 0xc1, 0xf8, 0xc1, 0xfe, 0xff]);
const GROUP_MAGIC = Buffer.from([0xff, 0xc1, 0xfe, 0xc0]);
const GROUP_MAGIC_NUMBER = GROUP_MAGIC.readUInt32LE(0);
const FORMAT_VERSION = 1;

export const SEGMENT_HEADER_BYTES = 64;
export const GROUP_HEADER_BYTES = 24;
export const RECORD_PREFIX_BYTES = 4;

export interface SegmentHeader {
  /** Segments are numbered from 1 in the order of their making; a number can be missing, none is used twice. */
  readonly serial: number;
  /** The serial of the segment that this one goes on from, 0 for none; those between the two hold nothing. */
  readonly previous: number;
  /** The byte at which the previous one ends: what lies beyond was never acknowledged. */
  readonly previousEnd: number;
  /** Every record of this segment has this sequence or a later one, every record before it an earlier one. */
  readonly firstSequence: bigint;
  /** Bytes of all groups before this segment, since the log began. */
  readonly startBytes: number;
  readonly createdAtMs: number;
}

export function segmentName(serial: number): string {
  return `${String(serial).padStart(10, '0')}.segment`;
}

/** Undefined when it is not the name of a segment. */
export function serialOf(name: string): number | undefined {
  return /^\d{10}\.segment$/.test(name) ? Number.parseInt(name, 10) : undefined;
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  SEGMENT_MAGIC.copy(bytes);
  bytes.writeUInt32LE(FORMAT_VERSION, 12);
  bytes.writeUInt32LE(header.serial, 16);
  bytes.writeUInt32LE(header.previous, 20);
  bytes.writeUInt32LE(header.previousEnd, 24);
  bytes.writeBigInt64LE(header.firstSequence, 32);
  bytes.writeDoubleLE(header.startBytes, 40);
  bytes.writeDoubleLE(header.createdAtMs, 48);
  bytes.writeUInt32LE(crc32(bytes.subarray(12)), 8);
  return bytes;
}

/** Undefined when there is no whole header. Throws `data_format_newer` for a version that this program does not know. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  if (bytes.length < SEGMENT_HEADER_BYTES || bytes.indexOf(SEGMENT_MAGIC) !== 0) return undefined;
  if (bytes.readUInt32LE(8) !== crc32(bytes.subarray(12, SEGMENT_HEADER_BYTES))) return undefined;
  const version = bytes.readUInt32LE(12);
  if (version !== FORMAT_VERSION) {
    throw new ClickstreamError(
      'data_format_newer',
      `the log has format version ${version}, this program reads ${FORMAT_VERSION}`,
    );
  }
  return {
    serial: bytes.readUInt32LE(16),
    previous: bytes.readUInt32LE(20),
    previousEnd: bytes.readUInt32LE(24),
    firstSequence: bytes.readBigInt64LE(32),
    startBytes: bytes.readDoubleLE(40),
    createdAtMs: bytes.readDoubleLE(48),
  };
}

/** A group being filled: records are encoded as they come, into a buffer that is used again. */
export class GroupEncoder {
  #buffer = Buffer.allocUnsafeSlow(64 * 1024);
  #end = GROUP_HEADER_BYTES;
  #count = 0;

  /** Header included. */
  get bytes(): number {
    return this.#end;
  }

  get count(): number {
    return this.#count;
  }

  get capacity(): number {
    return this.#buffer.length;
  }

  add(data: string): void {
    // At most three bytes of UTF-8 for each unit of UTF-16.
    const needed = this.#end + RECORD_PREFIX_BYTES + 3 * data.length;
    if (needed > this.#buffer.length) this.#grow(needed);
    const bytes = this.#buffer.write(data, this.#end + RECORD_PREFIX_BYTES);
    this.#buffer.writeUInt32LE(bytes, this.#end);
    this.#end += RECORD_PREFIX_BYTES + bytes;
    this.#count++;
  }

  /** Takes the oldest records out again: so many, which are so many bytes. */
  drop(records: { readonly count: number; readonly bytes: number }): void {
    this.#buffer.copyWithin(GROUP_HEADER_BYTES, GROUP_HEADER_BYTES + records.bytes, this.#end);
    this.#end -= records.bytes;
    this.#count -= records.count;
  }

  /** The group's bytes; they stay as they are until `add`, `drop` or `reset`. */
  seal(firstSequence: bigint): Buffer {
    const buffer = this.#buffer;
    buffer.writeUInt32LE(GROUP_MAGIC_NUMBER, 0);
    buffer.writeUInt32LE(this.#end - GROUP_HEADER_BYTES, 8);
    buffer.writeUInt32LE(this.#count, 12);
    buffer.writeBigInt64LE(firstSequence, 16);
    const sealed = buffer.subarray(0, this.#end);
    sealGroup(sealed);
    return sealed;
  }

  reset(): void {
    this.#end = GROUP_HEADER_BYTES;
    this.#count = 0;
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#buffer.length));
    this.#buffer.copy(larger, 0, 0, this.#end);
    this.#buffer = larger;
  }
}

/** Writes the checksum of a whole group. */
export function sealGroup(group: Buffer): void {
  group.writeUInt32LE(crc32(group.subarray(8)), 4);
}

export interface Group {
  /** Header included. */
  readonly bytes: number;
  readonly firstSequence: bigint;
  readonly count: number;
}

/** How long the group that begins here says it is, header included; undefined when none begins here. */
export function groupBytesAt(buffer: Buffer, offset: number): number | undefined {
  if (offset + GROUP_HEADER_BYTES > buffer.length || buffer.readUInt32LE(offset) !== GROUP_MAGIC_NUMBER)
    return undefined;
  return GROUP_HEADER_BYTES + buffer.readUInt32LE(offset + 8);
}

/** The group that begins here; undefined unless it is whole and its checksum right. */
export function groupAt(buffer: Buffer, offset: number): Group | undefined {
  const bytes = groupBytesAt(buffer, offset);
  if (bytes === undefined || offset + bytes > buffer.length) return undefined;
  if (buffer.readUInt32LE(offset + 4) !== crc32(buffer.subarray(offset + 8, offset + bytes))) return undefined;
  return { bytes, firstSequence: buffer.readBigInt64LE(offset + 16), count: buffer.readUInt32LE(offset + 12) };
}

/** The next whole group at or after this offset whose first sequence is within these bounds. */
export function findGroup(
  buffer: Buffer,
  from: number,
  sequences: { readonly atLeast: bigint; readonly below?: bigint | undefined },
): { readonly offset: number; readonly group: Group } | undefined {
  for (let offset = buffer.indexOf(GROUP_MAGIC, from); offset >= 0; offset = buffer.indexOf(GROUP_MAGIC, offset + 1)) {
    const group = groupAt(buffer, offset);
    if (group !== undefined && isWithin(group, sequences)) return { offset, group };
  }
  return undefined;
}

export function isWithin(
  { firstSequence, count }: Group,
  { atLeast, below }: { readonly atLeast: bigint; readonly below?: bigint | undefined },
): boolean {
  return firstSequence >= atLeast && (below === undefined || firstSequence + BigInt(count) <= below);
}

/** The record that begins here; the group it belongs to was found right. */
export function recordAt(buffer: Buffer, offset: number, sequence: bigint): LaneRecord {
  const start = offset + RECORD_PREFIX_BYTES;
  return { sequence, data: buffer.subarray(start, start + buffer.readUInt32LE(offset)) };
}

export interface SegmentScan {
  /** The byte after the last whole group. */
  readonly end: number;
  /** The last sequence; the one before `firstSequence` when it holds no group. */
  readonly lastSequence: bigint;
  /** Where a whole group follows something that is none: not a torn write, for one write is in flight at a time. */
  readonly corruptions: readonly { readonly bytes: number; readonly after: bigint; readonly before: bigint }[];
  /** What lies after the end, up to the last byte that is not zero: a group that was never whole. */
  readonly tornBytes: number;
}

/** Reads a whole segment, header included. */
export function scanSegment(content: Buffer, firstSequence: bigint): SegmentScan {
  let end = SEGMENT_HEADER_BYTES;
  let next = firstSequence;
  const corruptions: SegmentScan['corruptions'][number][] = [];
  for (;;) {
    const found = findGroup(content, end, { atLeast: next });
    if (found === undefined) break;
    const { firstSequence: before } = found.group;
    if (found.offset !== end || before !== next)
      corruptions.push({ bytes: found.offset - end, after: next - 1n, before });
    end = found.offset + found.group.bytes;
    next = found.group.firstSequence + BigInt(found.group.count);
  }
  let used = content.length;
  while (used > end && content[used - 1] === 0) used--;
  return { end, lastSequence: next - 1n, corruptions, tornBytes: Math.max(0, used - end) };
}

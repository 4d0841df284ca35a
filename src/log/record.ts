import { crc32 } from 'node:zlib';
import { type Reason, visitorOf } from '../core/event.ts';
import { addIdentities, isIdentities, NO_IDENTITIES, textsChecksum } from '../core/identities.ts';
import { idsIn, idsInDamaged, idsOf } from '../core/ids-in.ts';
import { isObject } from '../core/json.ts';
import { readJson } from '../core/read-json.ts';

/**
 * A record is lines of UTF-8 JSON: a header, then one line an event (an Event without source and receivedAt, which the
 * header holds for all) or an event set aside by the collector. JSON.stringify writes no raw line feed, so a line is an item.
 */
export interface RecordHeader {
  readonly v: 1;
  /** `erased` stands in the place of a record of which the events were erased when it was processed already. */
  readonly kind: 'events' | 'erase' | 'erased';
  readonly source: string;
  /** `anonymousId ?? userId` of all its events. */
  readonly visitor: string;
  /** ISO 8601, by the collector's clock. */
  readonly receivedAt: string;
  /** The ledger's part: who took it in, under which of its numbers, and what it knew then. */
  readonly collector: string;
  readonly number: number;
  /** How many events it holds. */
  readonly count: number;
  /** Below or at it, every number of this collector was acknowledged or is void. */
  readonly ackedThrough: number;
  /** Numbers whose append failed, until an acknowledged record has carried them. */
  readonly voids: readonly number[];
  /**
   * The sum of its items' checksums (`itemChecksum`), made where the identities were: whatever comes out of it further on must
   * have the same sum. Absent in what older versions wrote.
   */
  readonly identities?: number | undefined;
  /** Of `erase`: which erasure that was asked for it belongs to. */
  readonly erasure?: string | undefined;
}

/** An event that the collector took but could not map: its reason and the bytes that came. */
export interface SetAside {
  /** With the event's type, where it has one. */
  readonly setAside: Reason & { readonly eventType?: string };
  readonly raw: string;
}

export type RecordProblem =
  | 'no header'
  | 'header invalid'
  | 'version unknown'
  | 'checksum differs'
  | 'count differs'
  | 'visitor differs';

/** A record that cannot be read. `header` is there when that much could be. */
export class RecordError extends Error {
  readonly problem: RecordProblem;
  readonly header: RecordHeader | undefined;

  constructor(problem: RecordProblem, header?: RecordHeader) {
    super(`unreadable record: ${problem}`);
    this.name = 'RecordError';
    this.problem = problem;
    this.header = header;
  }
}

/** A record as `decodeRecord` reads it. */
export interface DecodedRecord {
  readonly header: RecordHeader;
  readonly lines: readonly string[];
}

const LINE_FEED = 10;
const decoder = new TextDecoder('utf-8', { fatal: true });

export function encodeRecord(header: RecordHeader, lines: readonly string[]): string {
  const body = lines.length === 1 ? (lines[0] ?? '') : lines.join('\n');
  const text = JSON.stringify;
  const { source, visitor, receivedAt, collector } = header;
  // Written out by hand, for it is on the way of every event.
  const who = `"v":${header.v},"kind":"${header.kind}","source":${text(source)},"visitor":${text(visitor)}`;
  const when = `"receivedAt":${text(receivedAt)},"collector":${text(collector)},"number":${header.number}`;
  const counts = `"count":${header.count},"ackedThrough":${header.ackedThrough},"voids":[${header.voids.join()}]`;
  const identities = header.identities === undefined ? '' : `"identities":${header.identities},`;
  const erasure = header.erasure === undefined ? '' : `"erasure":${text(header.erasure)},`;
  return `{${who},${when},${counts},${identities}${erasure}"checksum":${crc32(body)}}\n${body}`;
}

/** The header and the lines. Throws RecordError when the record is not what `encodeRecord` wrote. */
export function decodeRecord(data: Uint8Array): DecodedRecord {
  const header = decodeHeader(data);
  return { header, lines: decodeLines(data, header) };
}

/** The header, with what follows it checked. Throws RecordError. */
export function decodeHeader(data: Uint8Array): RecordHeader {
  const end = data.indexOf(LINE_FEED);
  if (end < 0) throw new RecordError('no header');
  const header = parseHeader(data.subarray(0, end));
  if (crc32(data.subarray(end + 1)) !== header.checksum) throw new RecordError('checksum differs', header);
  return header;
}

/** The lines after the header of a record that `decodeHeader` has read. Throws RecordError. */
export function decodeLines(data: Uint8Array, header: RecordHeader): readonly string[] {
  const body = data.subarray(data.indexOf(LINE_FEED) + 1);
  const lines = body.length === 0 ? [] : decoder.decode(body).split('\n');
  // What was erased is counted all the same.
  if (header.kind !== 'erased' && lines.length !== header.count) throw new RecordError('count differs', header);
  return lines;
}

/** A header from its line alone. Throws RecordError. */
export function parseHeader(bytes: Uint8Array): RecordHeader & { readonly checksum: number } {
  let header: unknown;
  try {
    header = readJson(decoder.decode(bytes));
  } catch {
    throw new RecordError('header invalid');
  }
  if (!isObject(header)) throw new RecordError('header invalid');
  if (header.v !== 1) throw new RecordError('version unknown');
  const { kind, source, visitor, receivedAt, collector, number, count, ackedThrough, voids, checksum } = header;
  const { identities, erasure } = header;
  if (
    (kind !== 'events' && kind !== 'erase' && kind !== 'erased') ||
    typeof source !== 'string' ||
    typeof visitor !== 'string' ||
    typeof receivedAt !== 'string' ||
    typeof collector !== 'string' ||
    !Number.isSafeInteger(number) ||
    !Number.isSafeInteger(count) ||
    !Number.isSafeInteger(ackedThrough) ||
    !Number.isSafeInteger(checksum) ||
    !Array.isArray(voids) ||
    (identities !== undefined && !isIdentities(identities)) ||
    (erasure !== undefined && typeof erasure !== 'string')
  ) {
    throw new RecordError('header invalid');
  }
  return header as unknown as RecordHeader & { readonly checksum: number };
}

/**
 * What a line of a record adds to its record's `identities`: of an event the checksum of its identity, of an event that was set
 * aside one of its bytes, and of what is neither one of the line. `item` is what the line is as JSON, undefined where it is none.
 */
export function itemChecksum(line: string, item: unknown, source: string): number {
  if (!isObject(item)) return bytesChecksum(line);
  const { setAside, raw, userId, anonymousId, createdAt, eventId, fingerprint } = item;
  if (isObject(setAside) && typeof raw === 'string') return bytesChecksum(raw);
  // As `identityOf` has it, and also of what is no whole event.
  const visitor = visitorOf({ userId, anonymousId } as Parameters<typeof visitorOf>[0]);
  return textsChecksum(textOf(visitor), textOf(createdAt), source, textOf(eventId), textOf(fingerprint));
}

/** Of what was set aside; it can be long, and zlib is faster than we are. */
export function bytesChecksum(raw: string): number {
  return textsChecksum(String(crc32(raw)), String(raw.length));
}

/** Of all lines of a record. */
export function linesIdentities(lines: readonly string[], source: string): number {
  return lines.reduce((sum, line) => addIdentities(sum, itemChecksum(line, parsed(line), source)), NO_IDENTITIES);
}

/**
 * Whoever a record may be of, also where its lines are not what they should be: the visitor of its header, and whoever its events and
 * what was set aside may be of (`idsOf`).
 */
export function* personsIn(data: Uint8Array, { visitor }: Pick<RecordHeader, 'visitor'>): Iterable<string> {
  if (visitor !== '') yield visitor;
  for (const line of linesOf(data).slice(1)) {
    const item = parsed(line);
    if (isObject(item) && typeof item.raw === 'string') yield* idsOf(item.raw);
    else yield* idsOf(line, item);
  }
}

/** When the earliest of a record's events happened; its arrival, for what has no time of its own. */
export function earliestIn(data: Uint8Array, { receivedAt }: Pick<RecordHeader, 'receivedAt'>): string {
  const times = linesOf(data)
    .slice(1)
    .map((line) => {
      const item = parsed(line);
      return isObject(item) && typeof item.timestamp === 'string' ? item.timestamp : receivedAt;
    });
  return times.reduce((earliest, time) => (time < earliest ? time : earliest), receivedAt);
}

/** All that could be somebody's id in what may be no record at all. */
export function* textsIn(data: Uint8Array): Iterable<string> {
  for (const line of linesOf(data)) {
    const item = parsed(line);
    yield* isObject(item) ? idsIn(line) : idsInDamaged(line);
    if (isObject(item) && typeof item.raw === 'string') yield* idsIn(item.raw);
  }
}

function linesOf(data: Uint8Array): readonly string[] {
  return Buffer.from(data).toString().split('\n');
}

function parsed(line: string): unknown {
  try {
    return readJson(line);
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

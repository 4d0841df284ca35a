import { crc32 } from 'node:zlib';
import { visitorOf } from '../core/event.ts';
import { addIdentities, NO_IDENTITIES, textsChecksum } from '../core/identities.ts';
import { isObject } from '../core/json.ts';

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

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

import { ClickstreamError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { readJson } from '../core/read-json.ts';
import type { EventMark, EventPosition, StoredEvent } from '../store/event-store.ts';

/** The place of an event in a list that is ordered by `by`. */
export function markOf(event: StoredEvent, by: 'createdAt' | 'timestamp'): EventMark {
  const { lane, sequence, index } = event.position;
  return { time: event[by], lane, sequence, index };
}

/** The order of lists: by time, then by position. */
export function compareMarks(a: EventMark, b: EventMark): number {
  return (
    compare(withoutZone(a.time), withoutZone(b.time)) ||
    compare(a.lane, b.lane) ||
    compare(a.sequence, b.sequence) ||
    a.index - b.index
  );
}

function compare<Value extends string | bigint>(a: Value, b: Value): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Times of different precision order as texts only without their final Z (core/time.ts). */
export function withoutZone(time: string): string {
  return time.endsWith('Z') ? time.slice(0, -1) : time;
}

/** A place as opaque text. The tag says which list, in which order, so that no other list takes it. */
export function encodeCursor(tag: string, { time, lane, sequence, index }: EventMark): string {
  return Buffer.from(JSON.stringify([tag, time, lane, sequence.toString(), index])).toString('base64url');
}

/** Throws `cursor_invalid` for what is not of the shape that `encodeCursor` makes with this tag. */
export function decodeCursor(tag: string, cursor: string): EventMark {
  const parts = parsed(cursor);
  if (!Array.isArray(parts) || parts.length !== 5) throw new ClickstreamError('cursor_invalid');
  const [, time, lane, sequence, index] = parts as readonly unknown[];
  if (
    typeof time !== 'string' ||
    typeof lane !== 'string' ||
    lane.length > LIMITS.laneCharsMax ||
    typeof sequence !== 'string' ||
    !/^\d{1,128}$/.test(sequence) ||
    typeof index !== 'number' ||
    !Number.isSafeInteger(index)
  ) {
    throw new ClickstreamError('cursor_invalid');
  }
  const mark = { time, lane, sequence: BigInt(sequence), index };
  // Equal only with the same tag, and when nothing was written another way.
  if (encodeCursor(tag, mark) !== cursor) throw new ClickstreamError('cursor_invalid');
  return mark;
}

/** A position as opaque text: the id of a bad event. */
export function positionId({ lane, sequence, index }: EventPosition): string {
  return Buffer.from(`${lane}:${sequence}:${index}`).toString('base64url');
}

/** The position that `positionId` was made of; undefined for what is none. */
export function positionOf(id: string): EventPosition | undefined {
  const [, lane, sequence, index] = /^(.*):(\d{1,128}):(\d{1,9})$/.exec(Buffer.from(id, 'base64url').toString()) ?? [];
  if (lane === undefined || sequence === undefined || index === undefined) return undefined;
  if (lane.length > LIMITS.laneCharsMax) return undefined;
  return { lane, sequence: BigInt(sequence), index: Number(index) };
}

function parsed(cursor: string): unknown {
  try {
    return readJson(Buffer.from(cursor, 'base64url').toString());
  } catch (cause) {
    throw new ClickstreamError('cursor_invalid', undefined, { cause });
  }
}

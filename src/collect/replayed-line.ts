import { isDeepStrictEqual } from 'node:util';
import { type Reason, shown, visitorOf } from '../core/event.ts';
import { isObject, type JsonObject } from '../core/json.ts';
import { readJson } from '../core/read-json.ts';
import type { BadEvent } from '../store/event-store.ts';
import { lineOf } from './accept.ts';
import type { Mapped } from './protocol.ts';
import { mapBatched } from './protocols/segment.ts';

/** A line of a record, of one visitor. */
export interface ReplayedLine {
  readonly visitor: string;
  readonly line: string;
}

/**
 * The line by which an event that was set aside goes into the log once more: as it came, or with an edit in its place, which has the
 * fields of an event, or those of one in a batch of Segment's protocol. It is dated and held to what every event must have like
 * one that comes, by the arrival of the one that was set aside; a reason when it is still none.
 *
 * What the collector had fixed of its identity stays, whatever the edit says of its properties: its sender's retry, set aside beside it,
 * is the same event. One that never had a fingerprint gets one of its place, and so do those without an id.
 *
 * One that was put back and set aside again stays the event that it was: the log may hold it twice, and what is set aside of one copy may
 * be stored of the other.
 */
export function replayedLine(bad: BadEvent, edit: JsonObject | undefined): ReplayedLine | Reason {
  const sent = parsed(bad.payload);
  const collected = isCollected(bad) && isObject(sent) ? sent : undefined;
  const mapped = mappedOf(edit ?? sent, edit === undefined ? collected !== undefined : edit.eventType !== undefined);
  const receivedAtMs = Date.parse(bad.receivedAt);
  if (Number.isNaN(receivedAtMs)) return { code: 'time_invalid', detail: 'it is not known when the event arrived' };
  const line = lineOf(mapped, { client: undefined, arrival: { receivedAt: bad.receivedAt, receivedAtMs } });
  if ('code' in line) return line;
  const { lane, sequence, index } = bad.position;
  const place = `${lane}-${sequence}-${index}`;
  const fingerprint = typeof collected?.fingerprint === 'string' ? collected.fingerprint : `bad:${place}`;
  const replay = { lane, sequence: sequence.toString(), index };
  const event: JsonObject = { eventId: `bad-${place}`, ...(readJson(line.text) as JsonObject), fingerprint, replay };
  const was = {
    eventId: collected?.eventId,
    createdAt: collected?.createdAt,
    visitor: bad.cameFrom && visitorOf(collected ?? {}),
  };
  const is = { eventId: event.eventId, createdAt: event.createdAt, visitor: line.visitor };
  if (bad.cameFrom !== undefined && !isDeepStrictEqual(is, was)) {
    const detail = `an event that was put back before keeps its ids and createdAt: ${shown(was)}, got ${shown(is)}`;
    return { code: 'field_invalid', detail };
  }
  return { visitor: line.visitor, line: JSON.stringify(event) };
}

/** What only the processor finds wrong is a line of a record; all else is what a tracker sent, whatever it may look like. */
function isCollected({ code }: BadEvent): boolean {
  return code === 'schema_invalid' || code === 'schema_version_unknown';
}

function mappedOf(value: unknown, isLine: boolean): Mapped {
  if (!isObject(value)) {
    return {
      kind: 'unmappable',
      reason: { code: 'not_an_object', detail: `an event is an object, got ${shown(value)}` },
    };
  }
  if (!isLine) return mapBatched(value);
  const { eventId, eventType, userId, anonymousId, createdAt, sentAt, properties, context, traits } = value;
  return {
    kind: 'candidate',
    ...{ eventId, eventType, userId, anonymousId, createdAt, sentAt },
    ...{ properties: properties ?? {}, context: context ?? {}, traits: traits ?? {} },
  };
}

function parsed(payload: string): unknown {
  try {
    return readJson(payload);
  } catch {
    // Then it is no object either, and said to be none.
    return payload;
  }
}

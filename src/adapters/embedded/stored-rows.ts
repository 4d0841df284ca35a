import type { SQLInputValue, StatementSync } from 'node:sqlite';
import { type Event, type Identity, visitorOf } from '../../core/event.ts';
import { readJson } from '../../core/read-json.ts';
import type { Facts } from '../../core/view.ts';
import type { EventPosition, LaneState, Registry, StoredEvent } from '../../store/event-store.ts';

/** `2026-11-23T10:04:05`; a fraction follows after a point. */
const SECONDS_CHARS = 19;
const DIGIT_ZERO = 48;

/** An event as `EVENT_COLUMNS` selects it from `EVENTS_WITH_SOURCE`, with integers read as bigints. */
export interface EventRow {
  readonly id: bigint;
  readonly lane: string;
  readonly sequence: bigint;
  readonly place: bigint;
  readonly source: string;
  readonly received_at: string;
  readonly facts: string;
  readonly body: string;
}

export const EVENT_COLUMNS =
  'events.id, lane, sequence, place, labels.text AS source, received_at, facts, body' as const;
/** CROSS JOIN makes SQLite go through the events in the order of their index. */
export const EVENTS_WITH_SOURCE = 'events CROSS JOIN labels ON labels.id = events.source' as const;

export interface LaneRow {
  readonly lane: string;
  readonly done: bigint;
  readonly registry: string;
  readonly cuts: string;
  readonly expired_through: bigint | null;
  readonly arrived_at_ms: bigint | null;
}

export const LANE_COLUMNS = 'lane, done, registry, cuts, expired_through, arrived_at_ms' as const;

/** All rows of a statement whose integers are read as bigints: sequences may exceed 2^53. */
export function selectAll<Row>(statement: StatementSync, ...values: readonly SQLInputValue[]): readonly Row[] {
  statement.setReadBigInts(true);
  return statement.all(...values) as unknown as Row[];
}

/** The same one by one, where there may be more than fit into memory. */
export function selectEach<Row>(statement: StatementSync, ...values: readonly SQLInputValue[]): Iterable<Row> {
  statement.setReadBigInts(true);
  return statement.iterate(...values) as unknown as Iterable<Row>;
}

export function selectOne<Row>(statement: StatementSync, ...values: readonly SQLInputValue[]): Row | undefined {
  statement.setReadBigInts(true);
  return statement.get(...values) as unknown as Row | undefined;
}

export function eventOf(row: Pick<EventRow, 'source' | 'received_at' | 'body'>): Event {
  return { ...(readJson(row.body) as Event), source: row.source, receivedAt: row.received_at };
}

export function positionOf({ lane, sequence, place }: Pick<EventRow, 'lane' | 'sequence' | 'place'>): EventPosition {
  return { lane, sequence, index: Number(place) };
}

export function storedEventOf(row: EventRow): StoredEvent {
  const event = eventOf(row);
  return { ...event, position: positionOf(row), visitor: visitorOf(event), facts: readJson(row.facts) as Facts };
}

/** Whether the stored event is the one of this identity; visitor and createdAt are known to be equal. */
export function hasIdentity(row: Pick<EventRow, 'source' | 'body'>, identity: Identity): boolean {
  if (row.source !== identity.source) return false;
  const { eventId, fingerprint } = readJson(row.body) as Event;
  return eventId === identity.eventId && fingerprint === identity.fingerprint;
}

export function laneOf({ done, registry, cuts, arrived_at_ms }: LaneRow): LaneState {
  const texts = Object.entries(readJson(cuts) as Record<string, string>);
  return {
    done,
    registry: readJson(registry) as Registry,
    cuts: Object.fromEntries(texts.map(([view, cut]) => [view, BigInt(cut)])),
    ...(arrived_at_ms !== null && { arrivedAtMs: Number(arrived_at_ms) }),
  };
}

/** Equal registries are equal texts. */
export function registryText(registry: Registry): string {
  return JSON.stringify(Object.fromEntries(Object.entries(registry).sort(byName)));
}

export function cutsText(cuts: LaneState['cuts']): string {
  const texts = Object.entries(cuts).map(([view, cut]) => [view, cut.toString()] as const);
  return JSON.stringify(Object.fromEntries(texts.sort(byName)));
}

/**
 * A canonical time as bytes that order as it does, a third as long: its fourteen digits down to the second as one number
 * in six bytes, then the digits of the fraction as they are. No two times have the same bytes.
 */
export function timeKey(time: string): Uint8Array {
  const fractionEnd = time.endsWith('Z') ? time.length - 1 : time.length;
  const key = new Uint8Array(6 + Math.max(0, fractionEnd - SECONDS_CHARS - 1));
  let seconds = 0;
  for (let place = 0; place < SECONDS_CHARS; place += 1) {
    const digit = time.charCodeAt(place) - DIGIT_ZERO;
    if (digit >= 0 && digit <= 9) seconds = seconds * 10 + digit;
  }
  for (let place = 5; place >= 0; place -= 1) {
    key[place] = seconds % 256;
    seconds = Math.floor(seconds / 256);
  }
  for (let place = 6; place < key.length; place += 1) key[place] = time.charCodeAt(SECONDS_CHARS + place - 5);
  return key;
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

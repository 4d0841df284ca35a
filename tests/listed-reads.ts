import { visitorOf } from '../src/core/event.ts';
import type { ViewRebuild } from '../src/core/generations.ts';
import type { RecordPosition } from '../src/log/event-log.ts';
import type {
  BadEvent,
  BadRange,
  DeadRecord,
  DoubledEvent,
  EventPosition,
  EventRange,
  EventReader,
  EventReads,
  LaneState,
  RecordNote,
  Row,
  SealedText,
  StoredCount,
  StoredEvent,
  StoreTotals,
  VisitorKey,
  Witness,
} from '../src/store/event-store.ts';
import { eventWith, factsWith } from './events.ts';

/** What a reader is to find, as plain lists, for tests of queries alone. */
export interface Listed {
  readonly events?: readonly StoredEvent[];
  readonly links?: readonly (VisitorKey & { readonly userId: string })[];
  readonly rows?: readonly Row[];
  readonly bad?: readonly BadEvent[];
  readonly dead?: readonly DeadRecord[];
  readonly lanes?: ReadonlyMap<string, LaneState>;
  readonly witnesses?: readonly Witness[];
  readonly totals?: Partial<StoreTotals>;
  readonly sealed?: SealedText;
  readonly rebuilds?: readonly ViewRebuild[];
  readonly storedCounts?: readonly StoredCount[];
  readonly doubled?: readonly DoubledEvent[];
  readonly notes?: readonly (RecordNote & RecordPosition)[];
}

export function storedEvent(part: Partial<StoredEvent> = {}): StoredEvent {
  const event = eventWith(part);
  return {
    ...event,
    visitor: visitorOf(event),
    facts: factsWith({ enriched: {} }),
    position: { lane: 'local', sequence: 0n, index: 0 },
    ...part,
  };
}

export function readerOf(listed: Listed): EventReader {
  return { snapshot: async (read) => read(readsOf(listed)), close: async () => undefined };
}

export function readsOf(listed: Listed): EventReads {
  const { events = [], links = [], rows = [], bad = [] } = listed;
  return {
    eventsOf: async (visitor, range) =>
      pageOf(
        events.filter((event) => event.visitor === visitor),
        range,
        'createdAt',
      ),
    events: async (range) => pageOf(events, range, 'timestamp'),
    visitorsOf: async (userId, limit) => links.filter((link) => link.userId === userId).slice(0, limit),
    visitorStates: async () => new Map(),
    rows: async ({ view, source, from, to }) =>
      rows.filter(
        ({ key }) =>
          key.view === view && key.bucket >= from && key.bucket < to && (source === undefined || key.source === source),
      ),
    sources: async (view) =>
      [...new Set(rows.filter(({ key }) => key.view === view).map(({ key }) => key.source))].sort(),
    erasing: async () => [],
    erasure: async () => undefined,
    badReasons: async (range) =>
      badIn(bad, range).map(({ payload, replay, ...reason }) => ({
        ...reason,
        isReplayed: replay?.position !== undefined,
      })),
    badAt: async (positions) =>
      positions.flatMap((place) => bad.filter(({ position }) => comparePositions(position, place) === 0)),
    dead: async (limit, after) =>
      (listed.dead ?? [])
        .toSorted((a, b) => comparePlaces(b, a))
        .filter((record) => after === undefined || comparePlaces(record, after) < 0)
        .slice(0, limit),
    deadAt: async (place) => listed.dead?.find((record) => comparePlaces(record, place) === 0),
    notesAt: async (places) =>
      (listed.notes ?? []).filter((note) => places.some((place) => comparePlaces(note, place) === 0)),
    lanes: async () => listed.lanes ?? new Map(),
    witnesses: async () => listed.witnesses ?? [],
    totals: async () => totalsOf(listed.totals),
    rebuilds: async () => listed.rebuilds ?? [],
    sealed: async () => listed.sealed,
    storedCounts: async () => ({ records: listed.storedCounts ?? [], hours: listed.storedCounts ?? [] }),
    doubled: async (limit) => (listed.doubled ?? []).slice(0, limit),
  };
}

function badIn(bad: readonly BadEvent[], { limit, after }: BadRange): readonly BadEvent[] {
  return bad
    .toSorted((a, b) => comparePositions(b.position, a.position))
    .filter(({ position }) => after === undefined || comparePositions(position, after) < 0)
    .slice(0, limit);
}

const NO_TOTALS = { events: 0, bad: 0, badExpired: 0, dead: 0, visitors: 0, expired: 0, erased: 0 };

export function totalsOf(part: Partial<StoreTotals> = {}): StoreTotals {
  return { ...NO_TOTALS, expiredThrough: new Map(), ...part };
}

/** The order of lists, written once more, and in another way than the queries have it. */
function pageOf(
  events: readonly StoredEvent[],
  { from, to, eventType, source, order, limit, after }: EventRange,
  by: 'createdAt' | 'timestamp',
): readonly StoredEvent[] {
  const comparePlaces = (
    a: { readonly time: string; readonly position: EventPosition },
    b: { readonly time: string; readonly position: EventPosition },
  ) => compare(a.time.slice(0, -1), b.time.slice(0, -1)) || comparePositions(a.position, b.position);
  const place = (event: StoredEvent) => ({ time: event[by], position: event.position });
  const direction = order === 'asc' ? 1 : -1;
  return events
    .filter((event) => eventType === undefined || event.eventType === eventType)
    .filter((event) => source === undefined || event.source === source)
    .filter((event) => from === undefined || compare(event[by].slice(0, -1), from.slice(0, -1)) >= 0)
    .filter((event) => to === undefined || compare(event[by].slice(0, -1), to.slice(0, -1)) < 0)
    .filter(
      (event) =>
        after === undefined || direction * comparePlaces(place(event), { time: after.time, position: after }) > 0,
    )
    .toSorted((a, b) => direction * comparePlaces(place(a), place(b)))
    .slice(0, limit);
}

function comparePlaces(a: RecordPosition, b: RecordPosition): number {
  return compare(a.sequence, b.sequence) || compare(a.lane, b.lane);
}

function comparePositions(a: EventPosition, b: EventPosition): number {
  return compare(a.lane, b.lane) || compare(a.sequence, b.sequence) || a.index - b.index;
}

function compare<Value extends string | bigint>(a: Value, b: Value): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

import type { Erasing } from '../../src/core/erasures.ts';
import { type Event, identityKey, identityOf, visitorOf } from '../../src/core/event.ts';
import { inForce } from '../../src/core/generations.ts';
import { identityChecksum } from '../../src/core/identities.ts';
import type { Facts, View } from '../../src/core/view.ts';
import {
  type BadEvent,
  type BadRange,
  type Decision,
  type EventPosition,
  type EventPut,
  type EventRange,
  type EventReader,
  type EventReads,
  type EventStore,
  type KnownEvent,
  type LaneState,
  type RowUpdate,
  type StoredEvent,
  type VisitorKey,
  type VisitorState,
  visitorText,
} from '../../src/store/event-store.ts';

/** A view for these tests alone: events by type, in rows of a minute and of an hour; each version counts in steps of its number. */
export function typeCounts(version: number): View<Map<string, number>> {
  return {
    name: 'types',
    version,
    empty: () => new Map(),
    encode: (state) => JSON.stringify([...state].sort(([a], [b]) => (a < b ? -1 : 1))),
    decode: (text) => new Map(JSON.parse(text) as [string, number][]),
    at: ({ timestamp }) => timestamp.slice(0, 16),
    fold: (state, { eventType }) => state.set(eventType, (state.get(eventType) ?? 0) + version),
    buckets: (minute) => [`minute/${minute}Z`, `hour/${minute.slice(0, 13)}:00Z`],
    absorb: (row, deltas) => deltas.reduce(addCounts, row),
    merge: (a, b) => addCounts(new Map(a), b),
  };
}

function addCounts(counts: Map<string, number>, more: ReadonlyMap<string, number>): Map<string, number> {
  for (const [type, count] of more) counts.set(type, (counts.get(type) ?? 0) + count);
  return counts;
}

export const FACTS: Facts = {
  session: 1,
  sessionStart: '2026-11-23T10:00:00.000Z',
  first: true,
  newVisitor: true,
  late: false,
  enriched: { browser: 'Firefox' },
  after: { seconds: 0, bounced: true },
};

let eventsMade = 0;

export function anEvent(fields: Partial<Event> = {}): Event {
  eventsMade += 1;
  return {
    eventId: `event-${eventsMade}`,
    source: 'shop',
    eventType: 'page',
    anonymousId: 'device-1',
    createdAt: '2026-11-23T10:00:00.000Z',
    receivedAt: '2026-11-23T10:00:01.000Z',
    timestamp: '2026-11-23T10:00:00.000Z',
    fingerprint: 'print',
    properties: { price: 1.5, name: 'é\ud83d\ude00' },
    context: {},
    traits: {},
    ...fields,
  };
}

/** One record's events. */
export interface TestRecord {
  readonly sequence: bigint;
  readonly events: readonly Event[];
}

interface DecisionOptions {
  readonly views?: readonly View[];
  /** By `identityKey`. */
  readonly known?: ReadonlyMap<string, KnownEvent>;
  /** Puts every event, whatever is known. */
  readonly isBlind?: boolean;
}

/** The state of one visitor, as the store gives it back. */
export async function visitorOfStore(
  store: EventStore,
  lane: string,
  visitor: VisitorKey,
): Promise<VisitorState | undefined> {
  const text = visitorText(visitor);
  const { visitors } = await store.load(lane, { visitors: new Map([[text, visitor]]), identities: () => [] });
  return visitors.get(text);
}

function laterOf(a: string | undefined, b: string): string {
  return a === undefined || b > a ? b : a;
}

/** The lane's state, as the store gives it back. */
export async function laneOfStore(store: EventStore, lane: string): Promise<LaneState | undefined> {
  return (await store.load(lane, { visitors: new Map(), identities: () => [] })).lane;
}

/**
 * What applying records decides, as the core does it in the main: identities known, by the store or by `known`, are left
 * out; a visitor's state counts its events.
 */
export async function decisionOf(
  store: EventStore,
  lane: string,
  records: readonly TestRecord[],
  { views: given = [typeCounts(1)], known, isBlind = false }: DecisionOptions = {},
): Promise<Decision> {
  const all = records.flatMap(({ sequence, events }) => events.map((event, index) => ({ sequence, event, index })));
  const visitors = new Map(
    all.map(({ event }) => {
      const key = { source: event.source, visitor: visitorOf(event) };
      return [visitorText(key), key] as const;
    }),
  );
  const identities = () => all.map(({ event }) => identityOf(event));
  const loaded = await store.load(lane, { visitors, identities });
  const views = given.map((view) => inForce(view, loaded.generations));
  const fresh = all.filter(({ event }) => {
    const key = identityKey(identityOf(event));
    return isBlind || (!loaded.known.has(key) && known?.has(key) !== true);
  });
  const last = records.at(-1)?.sequence ?? -1n;
  return {
    lane,
    loaded: loaded.lane,
    becomes: becoming(loaded.lane, last, views),
    events: fresh.map(({ sequence, event, index }) => putOf(event, { lane, sequence, index })),
    counts: {
      stored: fresh.length,
      newVisitors: [...visitors.keys()].filter((name) => !loaded.visitors.has(name)).length,
    },
    latestReceivedAt: all.map(({ event }) => event.receivedAt).reduce<string | undefined>(laterOf, undefined),
    visitors: [...visitors].map(([text, key]) => {
      const before = loaded.visitors.get(text);
      const events = all.filter(
        ({ event }) => visitorText({ source: event.source, visitor: visitorOf(event) }) === text,
      );
      const state = String(Number(before?.state ?? 0) + events.length);
      return { ...key, sequence: events.at(-1)?.sequence ?? last, state, loaded: before?.sequence };
    }),
    links: all.flatMap(({ event: { userId, anonymousId, source } }) =>
      userId === undefined || anonymousId === undefined ? [] : [{ userId, source, visitor: anonymousId }],
    ),
    rows: views.flatMap((view) => updatesOf(view, lane, fresh)),
    bad: [],
    dead: [],
    notes: [],
    erase: [],
    forgotten: [],
  };
}

/** Decides and applies; where the store contradicts, decides once more with what it said, as the core does. */
export async function write(
  store: EventStore,
  lane: string,
  records: readonly TestRecord[],
  views: readonly View[] = [typeCounts(1)],
): Promise<void> {
  const applied = await store.apply(await decisionOf(store, lane, records, { views }));
  if (applied.kind === 'applied') return;
  const again = await store.apply(await decisionOf(store, lane, records, { views, known: applied.known }));
  if (again.kind === 'contradicted') throw new Error('the store did not name every identity that it has');
}

export async function erase(
  store: EventStore,
  { lane, until = '2026-11-23T10:30:00.000Z', ...erased }: Omit<Erasing, 'until'> & { readonly until?: string },
): Promise<void> {
  const decision = await decisionOf(store, lane, [{ sequence: erased.sequence, events: [] }]);
  await store.apply({ ...decision, erase: [{ ...erased, until }] });
}

/** The lane's state with `done`; a view that it did not have is taken up with a cut. */
function becoming(before: LaneState | undefined, done: bigint, views: readonly View[]): LaneState {
  const registry = Object.fromEntries(views.map(({ name, version }) => [name, version]));
  if (before === undefined) return { done, registry, cuts: {} };
  const taken = views.filter(({ name, version }) => before.registry[name] !== version);
  const cuts = Object.fromEntries(taken.map(({ name, version }) => [`${name}@${version}`, before.done]));
  return { done, registry, cuts: { ...before.cuts, ...cuts } };
}

function putOf(event: Event, position: EventPosition): EventPut {
  const { source, receivedAt, ...body } = event;
  const { eventType, timestamp } = event;
  return {
    identity: identityOf(event),
    position,
    visitor: { source, visitor: visitorOf(event) },
    eventType,
    timestamp,
    receivedAt,
    facts: JSON.stringify(FACTS),
    body: JSON.stringify(body),
  };
}

function updatesOf(view: View, lane: string, events: readonly { readonly event: Event }[]): readonly RowUpdate[] {
  const deltas = new Map<string, { readonly source: string; readonly at: string; state: unknown }>();
  for (const [order, { event }] of events.entries()) {
    const { source } = event;
    const at = view.at(event, FACTS);
    if (at === undefined) continue;
    const delta = deltas.get(`${source}\0${at}`) ?? { source, at, state: view.empty() };
    delta.state = view.fold(delta.state, event, FACTS, order);
    deltas.set(`${source}\0${at}`, delta);
  }
  const updates = new Map<string, RowUpdate>();
  for (const { source, at, state } of deltas.values()) {
    for (const bucket of view.buckets(at)) {
      const key = { view: view.name, version: view.version, source, bucket, lane };
      const before = updates.get(`${source}\0${bucket}`)?.deltas ?? [];
      updates.set(`${source}\0${bucket}`, { key, row: view, deltas: [...before, state] });
    }
  }
  return [...updates.values()];
}

export function positionText({ lane, sequence, index }: EventPosition): string {
  return `${lane}/${sequence}/${index}`;
}

/** All pages of a list, one after another; `between` runs after each. */
export async function allPages(
  reader: EventReader,
  list: { readonly visitor?: string; readonly range: EventRange },
  between: () => Promise<void> = async () => {},
): Promise<readonly StoredEvent[]> {
  const { visitor, range } = list;
  const found: StoredEvent[] = [];
  for (;;) {
    const last = found.at(-1);
    const time = visitor === undefined ? last?.timestamp : last?.createdAt;
    const after = last === undefined || time === undefined ? undefined : { time, ...last.position };
    const page = await reader.snapshot((reads) =>
      visitor === undefined ? reads.events({ ...range, after }) : reads.eventsOf(visitor, { ...range, after }),
    );
    found.push(...page);
    if (page.length < range.limit) return found;
    await between();
  }
}

/** Rows of the test's view, of minutes or of hours, all lanes merged: by source and bucket. */
export async function mergedRows(
  reader: EventReader,
  { source, unit = 'minute' }: { readonly source?: string; readonly unit?: 'minute' | 'hour' } = {},
): Promise<Record<string, Record<string, number>>> {
  const range = { view: 'types', source, from: `${unit}/`, to: `${unit}0` };
  const rows = await reader.snapshot((reads) => reads.rows(range));
  const view = typeCounts(1);
  const merged = new Map<string, Map<string, number>>();
  for (const { key, text } of rows) {
    const name = `${key.source} ${key.bucket}`;
    merged.set(name, view.merge(merged.get(name) ?? view.empty(), view.decode(text)));
  }
  return Object.fromEntries([...merged].map(([name, state]) => [name, Object.fromEntries(state)]));
}

/** How many events of each record of a lane lie in the store. */
export async function recordCounts(reads: EventReads, lane: string): Promise<readonly (readonly [bigint, number])[]> {
  const through = new Map([[lane, 2n ** 62n]]);
  const { records } = await reads.storedCounts({ through, isDetailed: () => true });
  return records.map(({ sequence, events }) => [sequence, events]);
}

/** The sums that a store has of each record of a lane, by sequence. */
export async function recordIdentities(
  reads: EventReads,
  lane: string,
): Promise<ReadonlyMap<bigint, number | undefined>> {
  const through = new Map([[lane, 2n ** 62n]]);
  const { records } = await reads.storedCounts({ through, isDetailed: () => true });
  return new Map(records.map(({ sequence, identities }) => [sequence, identities]));
}

/** The sum of their checksums, added up in another way than the stores do. */
export function identitiesOf(events: readonly Event[]): number {
  const sum = events.reduce((total, event) => total + BigInt(identityChecksum(identityOf(event))), 0n);
  return Number(sum % 2n ** 52n);
}

/** Events set aside, whole, the newest first. */
export async function badEvents(reads: EventReads, range: BadRange): Promise<readonly BadEvent[]> {
  return reads.badAt((await reads.badReasons(range)).map(({ position }) => position));
}

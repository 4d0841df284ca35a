import { type Event, identityKey, identityOf, visitorOf } from '../../src/core/event.ts';
import type { Facts, View } from '../../src/core/view.ts';
import {
  type Applied,
  type Decision,
  type EventPosition,
  type EventPut,
  type EventRange,
  type EventReader,
  type EventStore,
  type LaneState,
  type RowUpdate,
  type StoredEvent,
  visitorText,
} from '../../src/store/event-store.ts';

/** A view for these tests alone: events by type, in buckets of a minute; each version counts in steps of its number. */
export function typeCounts(version: number): View<Map<string, number>> {
  return {
    name: 'types',
    version,
    empty: () => new Map(),
    encode: (state) => JSON.stringify([...state].sort(([a], [b]) => (a < b ? -1 : 1))),
    decode: (text) => new Map(JSON.parse(text) as [string, number][]),
    keys: ({ timestamp }) => [`minute/${timestamp.slice(0, 16)}Z`],
    fold: (state, { eventType }) => state.set(eventType, (state.get(eventType) ?? 0) + version),
    merge(a, b) {
      const merged = new Map(a);
      for (const [type, count] of b) merged.set(type, (merged.get(type) ?? 0) + count);
      return merged;
    },
  };
}

export const FACTS: Facts = {
  session: 1,
  sessionStart: '2026-11-23T10:00:00.000Z',
  first: true,
  newVisitor: true,
  late: false,
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

/** What applying records decides, as the core does it in the main: identities known are left out, a visitor's state counts its events. */
export async function decisionOf(
  store: EventStore,
  lane: string,
  records: readonly TestRecord[],
  views: readonly View[] = [typeCounts(1)],
): Promise<Decision> {
  const all = records.flatMap(({ sequence, events }) => events.map((event, index) => ({ sequence, event, index })));
  const visitors = new Map(
    all.map(({ event }) => {
      const key = { source: event.source, visitor: visitorOf(event) };
      return [visitorText(key), key] as const;
    }),
  );
  const identities = all.map(({ event }) => identityOf(event));
  const loaded = await store.load(lane, { visitors: [...visitors.values()], identities });
  const fresh = all.filter(({ event }) => !loaded.known.has(identityKey(identityOf(event))));
  const last = records.at(-1)?.sequence ?? -1n;
  return {
    lane,
    loaded: loaded.lane,
    becomes: becoming(loaded.lane, last, views),
    events: fresh.map(({ sequence, event, index }) => putOf(event, { lane, sequence, index })),
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
    erase: [],
  };
}

export async function write(
  store: EventStore,
  lane: string,
  records: readonly TestRecord[],
  views?: readonly View[],
): Promise<Applied> {
  return await store.apply(await decisionOf(store, lane, records, views));
}

export async function erase(
  store: EventStore,
  { lane, sequence, source, visitor }: Record<'lane' | 'source' | 'visitor', string> & { readonly sequence: bigint },
): Promise<void> {
  const decision = await decisionOf(store, lane, [{ sequence, events: [] }]);
  await store.apply({ ...decision, erase: [{ source, visitor, sequence }] });
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
  return {
    event,
    identity: identityOf(event),
    position,
    visitor: { source, visitor: visitorOf(event) },
    facts: JSON.stringify(FACTS),
    body: JSON.stringify(body),
  };
}

function updatesOf(
  view: View,
  lane: string,
  events: readonly { readonly sequence: bigint; readonly event: Event }[],
): readonly RowUpdate[] {
  const updates = new Map<string, RowUpdate>();
  for (const { sequence, event } of events) {
    for (const bucket of view.keys(event, FACTS)) {
      const key = { view: view.name, version: view.version, source: event.source, bucket, lane };
      const text = `${event.source}\0${bucket}`;
      const contributions = updates.get(text)?.contributions ?? [];
      const fold = (state: unknown) => view.fold(state, event, FACTS);
      updates.set(text, { key, codec: view, contributions: [...contributions, { sequence, fold }] });
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
  list: { readonly who?: string; readonly range: EventRange },
  between: () => Promise<void> = async () => {},
): Promise<readonly StoredEvent[]> {
  const { who, range } = list;
  const found: StoredEvent[] = [];
  for (;;) {
    const last = found.at(-1);
    const time = who === undefined ? last?.timestamp : last?.createdAt;
    const after = last === undefined || time === undefined ? undefined : { time, ...last.position };
    const page = await reader.snapshot((reads) =>
      who === undefined ? reads.events({ ...range, after }) : reads.eventsOf(who, { ...range, after }),
    );
    found.push(...page);
    if (page.length < range.limit) return found;
    await between();
  }
}

/** Rows of the test's view, all lanes merged: by source and bucket. */
export async function mergedRows(
  reader: EventReader,
  source?: string,
): Promise<Record<string, Record<string, number>>> {
  const rows = await reader.snapshot((reads) => reads.rows({ view: 'types', source, from: 'minute/', to: 'minute0' }));
  const view = typeCounts(1);
  const merged = new Map<string, Map<string, number>>();
  for (const { key, text } of rows) {
    const name = `${key.source} ${key.bucket}`;
    merged.set(name, view.merge(merged.get(name) ?? view.empty(), view.decode(text)));
  }
  return Object.fromEntries([...merged].map(([name, state]) => [name, Object.fromEntries(state)]));
}

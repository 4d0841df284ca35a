import { type Event, identityKey } from '../core/event.ts';
import type { Facts, RowCodec, View } from '../core/view.ts';
import type { RecordHeader } from '../log/record.ts';
import type {
  BadEvent,
  Contribution,
  DeadRecord,
  Decision,
  EventPosition,
  EventPut,
  KnownEvent,
  LaneState,
  Link,
  Loaded,
  Registry,
  RowUpdate,
  VisitorKey,
  VisitorPut,
} from '../store/event-store.ts';
import { visitorText } from '../store/event-store.ts';
import type { Decoded, Poison } from './decode.ts';
import { decodeMemory, encodeMemory, step, type VisitorMemory } from './stitch.ts';
import type { Validated } from './validate.ts';
import { foldLedger, LEDGER, type LedgerEntry, type LedgerState, ledgerBucket, ledgerCodec } from './views/ledger.ts';
import { registryOf } from './views/registry.ts';

type EventsRecord = Extract<Decoded, { readonly kind: 'events' }>;
type ValidEvent = Extract<Validated, { readonly kind: 'event' }>;
type EraseRecord = Extract<Decoded, { readonly kind: 'erase' }>;

/** Nothing is left to do, or what to apply. */
export type Decided = { readonly kind: 'nothing' } | { readonly kind: 'apply'; readonly decision: Decision };

/**
 * What a batch of one lane changes (docs/exactly-once.md). Pure: all it needs to know was loaded.
 * Throws when a newer version of the program has written the lane; nothing else throws, for a record that makes the
 * core throw is poison and becomes a dead record.
 */
export function decide(batch: {
  readonly lane: string;
  readonly loaded: Loaded;
  readonly records: readonly Decoded[];
  readonly views: readonly View[];
}): Decided {
  const { lane, loaded, views } = batch;
  const before = loaded.lane;
  const base = takeUpViews(before, registryOf(views));
  const fresh = batch.records.filter(({ sequence }) => sequence > base.done);
  const first = fresh[0];
  if (first === undefined && base === before) return { kind: 'nothing' };
  const draft = new Draft({ lane, loaded, cuts: base.cuts, views });
  let done = base.done;
  for (const record of first?.kind === 'erase' ? [first] : untilErase(fresh)) {
    if (record.kind === 'erase') draft.erase(record);
    else if (record.kind === 'poison') draft.setAside(record);
    else draft.take(record);
    done = record.sequence;
  }
  return { kind: 'apply', decision: draft.decision(before, { ...base, done }) };
}

/** An erasure is a batch of its own, so that what it must not see is applied before it and the rest after it. */
function untilErase(records: readonly Decoded[]): readonly Decoded[] {
  const erase = records.findIndex(({ kind }) => kind === 'erase');
  return erase < 0 ? records : records.slice(0, erase);
}

/** Step 1: the lane's registry becomes mine, with a cut for each view that it did not have in this version. */
function takeUpViews(lane: LaneState | undefined, mine: Registry): LaneState {
  if (lane === undefined) return { done: -1n, registry: mine, cuts: {} };
  for (const [view, version] of Object.entries(lane.registry)) {
    if (version > (mine[view] ?? 0)) {
      throw new Error(
        `the store was written by a newer version: it holds view ${view} in version ${version}, this program has ${mine[view] ?? 'none'}`,
      );
    }
  }
  const changed = Object.entries(mine).filter(([view, version]) => lane.registry[view] !== version);
  if (changed.length === 0) return lane;
  const cuts = Object.fromEntries(changed.map(([view, version]) => [`${view}@${version}`, lane.done]));
  return { done: lane.done, registry: mine, cuts: { ...lane.cuts, ...cuts } };
}

interface Visitor {
  readonly key: VisitorKey;
  readonly memory: VisitorMemory;
  readonly sequence: bigint;
}

/** What one record adds to the draft, once all of the record went well. Used again for the next record. */
class Trial {
  readonly events: EventPut[] = [];
  readonly links: Link[] = [];
  readonly bad: BadEvent[] = [];
  readonly known = new Map<string, KnownEvent>();
  readonly visitors = new Map<string, Visitor>();
  readonly counted: Counted[] = [];
  duplicate = 0;

  reset(): this {
    for (const list of [this.events, this.links, this.bad, this.counted]) list.length = 0;
    this.known.clear();
    this.visitors.clear();
    this.duplicate = 0;
    return this;
  }
}

/** An event that counts, and the buckets that it counts in, view by view. */
interface Counted {
  readonly event: Event;
  readonly facts: Facts;
  readonly buckets: readonly (readonly string[])[];
}

type OpenRow = RowUpdate & { readonly contributions: Contribution[] };

/** A decision in the making, one record after the other. */
class Draft {
  readonly #lane: string;
  readonly #loaded: Loaded;
  readonly #cuts: LaneState['cuts'];
  readonly #views: readonly View[];
  readonly #events: EventPut[] = [];
  readonly #links = new Map<string, Link>();
  readonly #bad: BadEvent[] = [];
  readonly #dead: DeadRecord[] = [];
  readonly #erase: (VisitorKey & { readonly sequence: bigint })[] = [];
  readonly #known = new Map<string, KnownEvent>();
  readonly #visitors = new Map<string, Visitor>();
  /** By codec (which is a view, or the ledger's), source and bucket. */
  readonly #rows = new Map<RowCodec, Map<string, Map<string, OpenRow>>>();
  readonly #trial = new Trial();
  /** What events are folded onto to see that folding does not throw. */
  readonly #trialStates = new Map<View, unknown>();

  constructor(batch: {
    readonly lane: string;
    readonly loaded: Loaded;
    readonly cuts: LaneState['cuts'];
    readonly views: readonly View[];
  }) {
    this.#lane = batch.lane;
    this.#loaded = batch.loaded;
    this.#cuts = batch.cuts;
    this.#views = batch.views;
  }

  /** A record of events: all of it, or, when anything in it throws, nothing but a dead record. */
  take(record: EventsRecord): void {
    let trial: Trial;
    try {
      trial = this.#try(record);
    } catch (thrown) {
      const { sequence, header, data } = record;
      this.#trialStates.clear();
      this.setAside({ kind: 'poison', sequence, header, data, detail: String(thrown) });
      return;
    }
    this.#events.push(...trial.events);
    this.#bad.push(...trial.bad);
    for (const link of trial.links) this.#links.set(`${link.userId}\0${visitorText(link)}`, link);
    for (const [key, known] of trial.known) this.#known.set(key, known);
    for (const [key, visitor] of trial.visitors) this.#visitors.set(key, visitor);
    for (const counted of trial.counted) this.#count(record.sequence, counted);
    const bad = trial.bad.length;
    const stored = record.items.length - bad - trial.duplicate;
    this.#account(record, { stored, duplicate: trial.duplicate, bad, dead: 0 });
  }

  setAside({ sequence, data, detail, header }: Poison): void {
    this.#dead.push({ lane: this.#lane, sequence, detail, payload: data });
    if (header === undefined) return;
    this.#account({ sequence, header }, { stored: 0, duplicate: 0, bad: 0, dead: header.count });
  }

  erase({ sequence, header }: EraseRecord): void {
    this.#erase.push({ source: header.source, visitor: header.visitor, sequence });
    this.#account({ sequence, header }, { stored: 0, duplicate: 0, bad: 0, dead: 0 });
  }

  decision(loaded: LaneState | undefined, becomes: LaneState): Decision {
    const visitors: VisitorPut[] = [];
    for (const [text, { key, memory, sequence }] of this.#visitors) {
      const before = this.#loaded.visitors.get(text);
      visitors.push({ ...key, sequence, state: encodeMemory(memory), loaded: before?.sequence });
    }
    return {
      lane: this.#lane,
      loaded,
      becomes,
      events: this.#events,
      visitors,
      links: [...this.#links.values()],
      rows: [...this.#rows.values()].flatMap((sources) => [...sources.values()].flatMap((rows) => [...rows.values()])),
      bad: this.#bad,
      dead: this.#dead,
      erase: this.#erase,
    };
  }

  /** The dry run of one record (step 4) and its events in order (step 5). Throws whatever the core throws. */
  #try(record: EventsRecord): Trial {
    const { sequence, header, items } = record;
    const trial = this.#trial.reset();
    for (const [index, item] of items.entries()) {
      const position = { lane: this.#lane, sequence, index };
      if (item.kind === 'bad') {
        const { source, receivedAt } = header;
        trial.bad.push({ position, source, receivedAt, ...item.reason, payload: item.payload });
      } else {
        this.#tryEvent(trial, item, position);
      }
    }
    return trial;
  }

  #tryEvent(trial: Trial, item: ValidEvent, position: EventPosition): void {
    const { event, identity, body, visitor: key, visitorText: text } = item;
    const identityText = identityKey(identity);
    const known =
      trial.known.get(identityText) ?? this.#known.get(identityText) ?? this.#loaded.known.get(identityText);
    if (known !== undefined && !isSame(known.position, position)) {
      trial.duplicate += 1;
      return;
    }
    const loaded = this.#loaded.visitors.get(text);
    if (loaded !== undefined && loaded.sequence >= position.sequence) {
      // The visitor's state holds this event already: the batch came before, and was left half done.
      if (known !== undefined) this.#tryCount(trial, event, JSON.parse(known.facts) as Facts);
      return;
    }
    const memory = trial.visitors.get(text)?.memory ?? this.#visitors.get(text)?.memory;
    const next = step(memory ?? (loaded && decodeMemory(loaded.state)), event);
    trial.visitors.set(text, { key, memory: next.state, sequence: position.sequence });
    if (event.userId !== undefined && event.anonymousId !== undefined) {
      trial.links.push({ userId: event.userId, ...key });
    }
    if (known === undefined) {
      const facts = JSON.stringify(next.facts);
      trial.events.push({ event, identity, position, visitor: key, facts, body });
      trial.known.set(identityText, { position, facts });
      this.#tryCount(trial, event, next.facts);
    } else {
      this.#tryCount(trial, event, JSON.parse(known.facts) as Facts);
    }
  }

  /** Folds the event, to see that it can be folded, and notes that it counts. */
  #tryCount(trial: Trial, event: Event, facts: Facts): void {
    const buckets = this.#views.map((view) => view.keys(event, facts));
    for (const [index, view] of this.#views.entries()) {
      if (buckets[index]?.length === 0) continue;
      this.#trialStates.set(view, view.fold(this.#trialStates.get(view) ?? view.empty(), event, facts));
    }
    trial.counted.push({ event, facts, buckets });
  }

  #count(sequence: bigint, { event, facts, buckets }: Counted): void {
    for (const [index, view] of this.#views.entries()) {
      const cut = this.#cuts[`${view.name}@${view.version}`];
      if (cut !== undefined && sequence <= cut) continue;
      const contribution = { sequence, fold: (state: unknown) => view.fold(state, event, facts) };
      for (const bucket of buckets[index] ?? [])
        this.#row(view, view, event.source, bucket).contributions.push(contribution);
    }
  }

  #account(
    { sequence, header }: { readonly sequence: bigint; readonly header: RecordHeader },
    outcome: Omit<LedgerEntry, 'sequence' | 'count'>,
  ): void {
    const entry = { sequence, count: header.count, ...outcome };
    const fold = (state: unknown) => foldLedger(state as LedgerState, header, entry);
    this.#row(LEDGER, ledgerCodec, header.source, ledgerBucket(header)).contributions.push({ sequence, fold });
  }

  #row(view: Pick<View, 'name' | 'version'>, codec: RowCodec, source: string, bucket: string): OpenRow {
    const sources = entryOf(this.#rows, codec, () => new Map<string, Map<string, OpenRow>>());
    const rows = entryOf(sources, source, () => new Map<string, OpenRow>());
    return entryOf(rows, bucket, () => {
      const key = { view: view.name, version: view.version, source, bucket, lane: this.#lane };
      return { key, codec, contributions: [] };
    });
  }
}

/** The map's value, made when it is absent. */
function entryOf<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}

function isSame(a: EventPosition, b: EventPosition): boolean {
  return a.sequence === b.sequence && a.index === b.index && a.lane === b.lane;
}

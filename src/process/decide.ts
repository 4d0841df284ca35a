import type { Erase } from '../core/erasures.ts';
import { ClickstreamError } from '../core/errors.ts';
import { type Event, type Identity, identityKey, type Reason, replayMarkOf } from '../core/event.ts';
import { inForce } from '../core/generations.ts';
import { addIdentities, noIdentities, type OutcomeIdentities } from '../core/identities.ts';
import { idsOf } from '../core/ids-in.ts';
import { LIMITS } from '../core/limits.ts';
import { readJson } from '../core/read-json.ts';
import { isCanonicalTime } from '../core/time.ts';
import type { Enriched, Facts, View } from '../core/view.ts';
import { personsIn, type RecordHeader } from '../log/record.ts';
import {
  type BadEvent,
  type DeadRecord,
  type Decision,
  type EventPosition,
  type EventPut,
  type KnownEvent,
  type LaneState,
  type Link,
  type Loaded,
  type RecordNote,
  type Registry,
  type RowUpdate,
  type VisitorKey,
  type VisitorPut,
  visitorText,
} from '../store/event-store.ts';
import { type Opened, type Poison, readItems } from './decode.ts';
import { Erasures } from './erasures.ts';
import { decodeMemory, encodeMemory, step, type VisitorMemory } from './stitch.ts';
import type { Validated } from './validate.ts';
import {
  deadOutcome,
  entryFor,
  foldLedger,
  LEDGER,
  type LedgerOutcome,
  type LedgerState,
  ledgerBucket,
  ledgerRows,
  NO_OUTCOME,
  wholeOutcome,
} from './views/ledger.ts';
import { registryOf } from './views/registry.ts';

type WholeRecord = Exclude<Opened, Poison>;
/** What of a record the ledger and receipts go by. */
type Accounted = Pick<WholeRecord, 'sequence' | 'arrivedAtMs' | 'header'>;
type ValidEvent = Extract<Validated, { readonly kind: 'event' }>;

/** Nothing is left to do, or what to apply; or it must first be known until when these ids were erased, by `visitorText`. */
export type Decided =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'apply'; readonly decision: Decision }
  | { readonly kind: 'asks'; readonly ids: ReadonlyMap<string, VisitorKey> };

/** What the core does with events beside counting them. */
export interface Steps {
  readonly views: readonly View[];
  readonly enrich: (event: Event) => Enriched;
  /** Why an event that is whole does not fit its schema; undefined when it does. */
  readonly check: (event: Event) => Reason | undefined;
}

/**
 * What a batch of one lane changes (docs/exactly-once.md). Pure: all it needs to know was loaded.
 * Throws when a newer version of the program has written the lane; nothing else throws, for a record that makes the
 * core throw is poison and becomes a dead record: the batch is then decided anew without it.
 */
export function decide(batch: {
  readonly lane: string;
  readonly loaded: Loaded;
  readonly records: readonly Opened[];
  readonly steps: Steps;
}): Decided {
  const { lane, loaded } = batch;
  const steps = { ...batch.steps, views: batch.steps.views.map((view) => inForce(view, loaded.generations)) };
  const before = loaded.lane;
  const base = takeUpViews(before, registryOf(steps.views));
  const fresh = batch.records.filter(({ sequence }) => sequence > base.done);
  const first = fresh[0];
  if (first === undefined && base === before) return { kind: 'nothing' };
  const records = first?.kind === 'erase' ? [first] : untilErase(fresh);
  const done = records.at(-1)?.sequence ?? base.done;
  const becomes = { ...base, done, ...arrivalOf(records, base) };
  const poisoned = new Map<bigint, string>();
  for (;;) {
    const draft = new Draft({ lane, loaded, cuts: base.cuts, steps });
    const failed = records.find((record) => !draft.process(record, poisoned));
    if (draft.asked.size > 0) return { kind: 'asks', ids: draft.asked };
    if (failed === undefined) return { kind: 'apply', decision: draft.decision(before, becomes) };
  }
}

/** Arrivals are stamped about in the order of the lane. */
function arrivalOf(records: readonly Opened[], { arrivedAtMs: before = 0 }: LaneState): Pick<LaneState, 'arrivedAtMs'> {
  const latest = records.reduce((most, { arrivedAtMs = 0 }) => Math.max(most, arrivedAtMs), before);
  return latest === 0 ? {} : { arrivedAtMs: latest };
}

/** An erasure is a batch of its own, so that what it must not see is applied before it and the rest after it. */
function untilErase(records: readonly Opened[]): readonly Opened[] {
  const erase = records.findIndex(({ kind }) => kind === 'erase');
  return erase < 0 ? records : records.slice(0, erase);
}

/**
 * Step 1: the lane's registry becomes mine, with a cut for each view that it did not have in this version. Throws
 * ClickstreamError `views_newer`.
 */
function takeUpViews(lane: LaneState | undefined, mine: Registry): LaneState {
  if (lane === undefined) return { done: -1n, registry: mine, cuts: {} };
  const newer = Object.entries(lane.registry).filter(([view, version]) => version > (mine[view] ?? 0));
  if (newer.length > 0) {
    const views = newer.map(
      ([view, version]) => `view ${view} in version ${version}, this program has ${mine[view] ?? 'none'}`,
    );
    throw new ClickstreamError('views_newer', `the store was written by a newer version: ${views.join('; ')}`);
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

interface Place {
  readonly position: EventPosition;
  readonly header: RecordHeader;
}

/** The places of a record's events by what became of them so far, and the sums of their identities. */
interface Outcomes {
  readonly stored: number[];
  readonly duplicate: number[];
  readonly bad: number[];
  readonly forgotten: number[];
  readonly identities: OutcomeIdentities;
}

/** A decision in the making, one record after the other. */
class Draft {
  readonly #lane: string;
  readonly #loaded: Loaded;
  readonly #steps: Steps;
  /** With the sequence up to which each is left to a rebuild. */
  readonly #views: readonly { readonly view: View; readonly cut: bigint | undefined }[];
  readonly #events: EventPut[] = [];
  readonly #links = new Map<string, Link>();
  readonly #bad: BadEvent[] = [];
  readonly #dead: DeadRecord[] = [];
  readonly #notes: RecordNote[] = [];
  readonly #erase: Erase[] = [];
  readonly #forgotten: Decision['forgotten'][number][] = [];
  readonly #erasures: Erasures;
  /** The first that this batch puts of each event id: identities are long texts, and hardly two events share an id. */
  readonly #putFirst = new Map<string, EventPut>();
  /** The others, by `identityKey`. */
  readonly #putMore = new Map<string, EventPut>();
  readonly #visitors = new Map<string, Visitor>();
  /** By view and source, and by what is folded together. */
  readonly #deltas = new Map<View, Map<string, Map<string, unknown>>>();
  /** By source and bucket. */
  readonly #ledger = new Map<string, Map<string, LedgerState>>();
  /** Events counted so far. */
  #order = 0;
  #newVisitors = 0;
  #latestReceivedAt: string | undefined;

  constructor(batch: {
    readonly lane: string;
    readonly loaded: Loaded;
    readonly cuts: LaneState['cuts'];
    readonly steps: Steps;
  }) {
    this.#lane = batch.lane;
    this.#loaded = batch.loaded;
    this.#steps = batch.steps;
    this.#erasures = new Erasures(batch.loaded);
    this.#views = batch.steps.views.map((view) => ({ view, cut: batch.cuts[`${view.name}@${view.version}`] }));
  }

  /** Whose erasures must be known before this is a decision. */
  get asked(): ReadonlyMap<string, VisitorKey> {
    return this.#erasures.asked;
  }

  /** False when the core threw: the record is then among the poisoned, and the draft is of no more use. */
  process(record: Opened, poisoned: Map<bigint, string>): boolean {
    const detail = poisoned.get(record.sequence);
    if (record.kind === 'poison') this.#setAside(record);
    else if (record.kind === 'erase') this.#eraseAt(record);
    else if (record.kind === 'erased') this.#forgetWhole(record);
    else if (detail !== undefined) this.#setAside({ ...record, kind: 'poison', detail });
    else {
      try {
        this.#take(record);
      } catch (thrown) {
        poisoned.set(record.sequence, String(thrown));
        return false;
      }
    }
    return true;
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
      counts: { stored: this.#order, newVisitors: this.#newVisitors },
      latestReceivedAt: this.#latestReceivedAt,
      visitors,
      links: [...this.#links.values()],
      rows: [...this.#viewRows(), ...this.#ledgerRows()],
      bad: this.#bad,
      dead: this.#dead,
      notes: this.#notes,
      erase: this.#erase,
      forgotten: this.#forgotten,
    };
  }

  /** A record's events in order (step 5). Throws whatever the core throws. */
  #take(record: WholeRecord): void {
    const { sequence, arrivedAtMs, header } = record;
    const outcomes: Outcomes = { stored: [], duplicate: [], bad: [], forgotten: [], identities: noIdentities() };
    for (const [index, item] of readItems(record).entries()) {
      const position = { lane: this.#lane, sequence, index };
      if (item.kind === 'event') {
        this.#takeEvent(item, { position, header }, outcomes);
      } else {
        this.#setBad({ ...item, position, header }, outcomes);
      }
    }
    const { stored, duplicate, bad, forgotten, identities } = outcomes;
    this.#note(record, outcomes);
    const counts = { stored: stored.length, duplicate: duplicate.length, bad: bad.length, dead: 0 };
    const more = forgotten.length > 0 ? { forgotten: forgotten.length } : {};
    this.#account({ sequence, arrivedAtMs, header }, { ...counts, ...more, identities });
  }

  #takeEvent(item: ValidEvent, { position, header }: Place, outcomes: Outcomes): void {
    const { event, identity, body, visitor: key, visitorText: text, checksum } = item;
    const known = this.#knownAs(identity);
    const { source, timestamp, userId } = event;
    // First, for a store that looks for events only by putting them does not know of a duplicate yet.
    const erased =
      known === undefined || !isSame(known.position, position)
        ? this.#erasures.hasErased({ source, timestamp, visitor: key.visitor, userId })
        : undefined;
    if (erased !== undefined) {
      tally(outcomes, 'forgotten', { position, checksum });
      this.#forgotten.push({ ...erased, put: { as: 'event', identity, position } });
      return;
    }
    if (known !== undefined && !isSame(known.position, position)) {
      tally(outcomes, 'duplicate', { position, checksum });
      return;
    }
    // Not of one that is stored: schemas may have changed since.
    const reason = known === undefined ? this.#steps.check(asSent(event)) : undefined;
    if (reason !== undefined) {
      const { eventType, replay } = event;
      const told = { payload: body, eventType, cameFrom: cameFrom(replay) };
      this.#setBad({ reason, ...told, checksum, position, header }, outcomes);
      return;
    }
    tally(outcomes, 'stored', { position, checksum });
    const loaded = this.#loaded.visitors.get(text);
    if (loaded !== undefined && loaded.sequence >= position.sequence) {
      // The visitor's state holds this event already: the batch came before, and was left half done.
      if (known === undefined) {
        // Or it never did: that try set the whole record aside, and went on with the next one. To count it as stored would lose it.
        throw new Error('an earlier try set this record aside and left its batch half done');
      }
      this.#count(position.sequence, event, readJson(known.facts) as Facts);
      return;
    }
    const memory = this.#visitors.get(text)?.memory;
    const next = step(memory ?? (loaded && decodeMemory(loaded.state)), event, this.#steps.enrich(event));
    this.#visitors.set(text, { key, memory: next.state, sequence: position.sequence });
    if (next.link !== undefined) this.#links.set(`${next.link}\0${text}`, { userId: next.link, ...key });
    if (known === undefined) {
      const facts = JSON.stringify(next.facts);
      const { eventType, timestamp, receivedAt } = event;
      const put = { identity, position, visitor: key, eventType, timestamp, receivedAt, facts, body };
      this.#events.push(put);
      if (this.#putFirst.has(identity.eventId)) this.#putMore.set(identityKey(identity), put);
      else this.#putFirst.set(identity.eventId, put);
      this.#count(position.sequence, event, next.facts);
    } else {
      this.#count(position.sequence, event, readJson(known.facts) as Facts);
    }
  }

  #knownAs(identity: Identity): KnownEvent | undefined {
    const { known } = this.#loaded;
    const first = this.#putFirst.get(identity.eventId);
    if (first === undefined && known.size === 0) return undefined;
    const text = identityKey(identity);
    if (first !== undefined && identityKey(first.identity) === text) return first;
    return this.#putMore.get(text) ?? known.get(text);
  }

  #setBad(
    item: Place &
      Pick<BadEvent, 'payload' | 'eventType' | 'cameFrom'> & { readonly reason: Reason; readonly checksum: number },
    outcomes: Outcomes,
  ): void {
    const { reason, payload, eventType, cameFrom: before, checksum, position, header } = item;
    const { source, receivedAt, visitor } = header;
    const own = { source, receivedAt, visitor, idsIn: () => idsOf(payload) };
    const erased = this.#erasures.hasErasedBytes(own);
    if (erased !== undefined) {
      this.#forgotten.push({ ...erased, put: { as: 'bad', position } });
      tally(outcomes, 'forgotten', { position, checksum });
      return;
    }
    this.#bad.push({
      ...{ position, source, receivedAt, code: reason.code, detail: reason.detail, payload },
      ...(eventType !== undefined && { eventType }),
      ...(before !== undefined && { cameFrom: before }),
    });
    tally(outcomes, 'bad', { position, checksum });
  }

  #setAside({ sequence, arrivedAtMs, data, detail, header }: Poison): void {
    const erased = header && this.#erasures.hasErasedBytes({ ...header, idsIn: () => personsIn(data, header) });
    if (header !== undefined && erased !== undefined) {
      this.#forgotten.push({ ...erased, put: { as: 'dead', position: { lane: this.#lane, sequence } } });
      this.#forgetWhole({ sequence, arrivedAtMs, header });
      return;
    }
    this.#dead.push({ lane: this.#lane, sequence, detail, payload: data });
    if (header === undefined) return;
    this.#account({ sequence, arrivedAtMs, header }, deadOutcome(header));
  }

  #forgetWhole(record: Accounted): void {
    const { count } = record.header;
    // More than a request can bring was put into the log by hand: there is no receipt of it.
    const forgotten = Array.from({ length: count <= LIMITS.batchEventsMax ? count : 0 }, (_, index) => index);
    this.#note(record, { duplicate: [], bad: [], forgotten });
    this.#account(record, wholeOutcome(record.header, 'forgotten'));
  }

  #note(
    { sequence, header: { receivedAt } }: Accounted,
    { duplicate, bad, forgotten }: Pick<Outcomes, 'duplicate' | 'bad' | 'forgotten'>,
  ): void {
    // One with another time was put into the log by hand: there is no receipt of it.
    if (duplicate.length + bad.length + forgotten.length === 0 || !isCanonicalTime(receivedAt)) return;
    this.#notes.push({
      ...{ sequence, receivedAt, duplicates: duplicate, bad },
      ...(forgotten.length > 0 && { forgotten }),
    });
  }

  #eraseAt({ sequence, arrivedAtMs, header }: WholeRecord): void {
    const { source, visitor, receivedAt, erasure } = header;
    // Clocks of collectors differ: of what came before it nothing may have happened after it.
    const state = this.#loaded.visitors.get(visitorText({ source, visitor }))?.state;
    const lastMs = state === undefined ? 0 : decodeMemory(state).last;
    const until = lastMs > Date.parse(receivedAt) ? new Date(lastMs).toISOString() : receivedAt;
    this.#erase.push({ source, visitor, sequence, until, ...(erasure !== undefined && { erasure }) });
    this.#account({ sequence, arrivedAtMs, header }, { ...NO_OUTCOME, identities: noIdentities() });
  }

  #count(sequence: bigint, event: Event, facts: Facts): void {
    this.#order += 1;
    if (facts.newVisitor) this.#newVisitors += 1;
    for (const { view, cut } of this.#views) {
      const at = cut !== undefined && sequence <= cut ? undefined : view.at(event, facts);
      if (at === undefined) continue;
      const sources = entryOf(this.#deltas, view, () => new Map<string, Map<string, unknown>>());
      const deltas = entryOf(sources, event.source, () => new Map<string, unknown>());
      deltas.set(at, view.fold(deltas.get(at) ?? view.empty(), event, facts, this.#order));
    }
  }

  #account({ sequence, arrivedAtMs, header }: Accounted, outcome: LedgerOutcome): void {
    if (this.#latestReceivedAt === undefined || header.receivedAt > this.#latestReceivedAt) {
      this.#latestReceivedAt = header.receivedAt;
    }
    const blocks = entryOf(this.#ledger, header.source, () => new Map<string, LedgerState>());
    const entry = entryFor({ sequence, header }, outcome);
    foldLedger(entryOf(blocks, ledgerBucket(header), ledgerRows.empty), { header, arrivedAtMs }, entry);
  }

  *#viewRows(): Iterable<RowUpdate> {
    for (const [view, sources] of this.#deltas) {
      for (const [source, deltas] of sources) {
        const buckets = new Map<string, unknown[]>();
        for (const [at, delta] of deltas) {
          for (const bucket of view.buckets(at)) entryOf(buckets, bucket, () => []).push(delta);
        }
        for (const [bucket, of] of buckets) yield { key: this.#rowKey(view, source, bucket), row: view, deltas: of };
      }
    }
  }

  *#ledgerRows(): Iterable<RowUpdate> {
    for (const [source, blocks] of this.#ledger) {
      for (const [bucket, delta] of blocks) {
        yield { key: this.#rowKey(LEDGER, source, bucket), row: ledgerRows, deltas: [delta] };
      }
    }
  }

  #rowKey({ name, version }: Pick<View, 'name' | 'version'>, source: string, bucket: string): RowUpdate['key'] {
    return { view: name, version, source, bucket, lane: this.#lane };
  }
}

function tally(
  outcomes: Outcomes,
  as: 'stored' | 'duplicate' | 'bad' | 'forgotten',
  { position, checksum }: { readonly position: EventPosition; readonly checksum: number },
): void {
  outcomes[as].push(position.index);
  outcomes.identities[as] = addIdentities(outcomes.identities[as], checksum);
}

/** A schema knows nothing of the mark of what was put back. */
function asSent(event: Event): Event {
  if (event.replay === undefined) return event;
  const { replay, ...sent } = event;
  return sent;
}

function cameFrom(replay: unknown): EventPosition | undefined {
  const mark = replayMarkOf(replay);
  return mark && { lane: mark.lane, sequence: BigInt(mark.sequence), index: mark.index };
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

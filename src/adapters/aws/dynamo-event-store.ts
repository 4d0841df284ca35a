import { randomUUID } from 'node:crypto';
import type { ErasedPlaces, Erasing } from '../../core/erasures.ts';
import { ClickstreamError } from '../../core/errors.ts';
import { type Identity, identityKey } from '../../core/event.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Clock } from '../../core/time.ts';
import type { View } from '../../core/view.ts';
import type { LaneRecord, RecordPosition } from '../../log/event-log.ts';
import {
  type Applied,
  type Decision,
  type EventPut,
  type EventStore,
  type KnownEvent,
  type Loaded,
  type PassOver,
  type Replay,
  type ReplayClaim,
  type ReplayNote,
  type Sealing,
  type VisitorKey,
  type VisitorState,
  visitorText,
  type Witness,
} from '../../store/event-store.ts';
import { atOnce } from './at-once.ts';
import { claimReplays, noteReplays, putBadItems } from './bad-items.ts';
import { noteRedriven, putDeadItem } from './dead-items.ts';
import { DynamoTable, type TableClient } from './dynamo-client.ts';
import { DynamoErasures, PendingErasures } from './dynamo-erasures.ts';
import { arrivalsAfter, DynamoExpiry } from './dynamo-expiry.ts';
import { askRebuild, foldsOf, readGenerations } from './dynamo-generations.ts';
import { isSameState, Lanes, lanesIn, stateOf } from './dynamo-lanes.ts';
import { DynamoRebuild } from './dynamo-rebuild.ts';
import { DynamoRows, type NamedFold } from './dynamo-rows.ts';
import { seal } from './dynamo-sealing.ts';
import { DynamoVisitors } from './dynamo-visitors.ts';
import { ErasureNotes } from './erasure-notes.ts';
import { EventKinds, type Kind } from './event-kinds.ts';
import type { HalfPut } from './half-put.ts';
import {
  eventItem,
  eventKeyOf,
  factsAndBodyOf,
  type Item,
  isAt,
  keyOf,
  linkItem,
  NO_TOTALS,
  positionOf,
  type StoredLane,
  sequenceText,
  text,
  textOf,
  WITNESS_PK,
  witnessItem,
} from './items.ts';
import { noteItem } from './record-notes.ts';
import type { TableNames } from './tables.ts';

export interface DynamoEventStoreOptions {
  readonly client: TableClient;
  readonly tables: TableNames;
  /** What rows are made by: the views and the ledger. */
  readonly folds: readonly NamedFold[];
  /** Journal items of a lane that may wait before they are folded into rows. @default journalItemsMax */
  readonly journalItemsMax?: number;
  /** @default Date.now */
  readonly clock?: Clock;
  /** How long erased events are hidden before they are deleted. @default erasureDelayMs */
  readonly erasureDelayMs?: number;
  /** Takes back what earlier tries put of a record that is set aside. @default nothing does */
  readonly halfPut?: Pick<HalfPut, 'takeBack'>;
  /** Tells the items of one try from those of another. @default random */
  readonly attempt?: () => string;
}

/**
 * The `EventStore` on DynamoDB, without transactions (docs/exactly-once.md). What a batch puts before the lane's own item is the
 * same however often it is put; that item then counts it all at once, by a compare-and-set. A batch that fails anywhere is
 * sent again and completes what is there.
 */
export class DynamoEventStore implements EventStore {
  readonly #events: DynamoTable;
  readonly #state: DynamoTable;
  readonly #folds: readonly NamedFold[];
  readonly #visitors: DynamoVisitors;
  readonly #rows: DynamoRows;
  readonly #rebuild: DynamoRebuild;
  readonly #expiry: DynamoExpiry;
  readonly #erasures: DynamoErasures;
  readonly #erasureNotes: ErasureNotes;
  readonly #clock: Clock;
  readonly #journalItemsMax: number;
  readonly #attempt: () => string;
  readonly #halfPut: Pick<HalfPut, 'takeBack'> | undefined;
  readonly #lanes: Lanes;
  readonly #kinds: EventKinds;
  /** Events that this batch has put already, when it is decided again: by key, with their position. */
  #putAlready = new Set<string>();
  /** Where duplicates come, more are to be expected: then events are looked for before they are put. */
  #expectsDuplicates = false;

  /** As they were when the batch was loaded. */
  #pending = new PendingErasures([]);
  /** By lane, as far as this batch had to know. */
  readonly #expiredThrough = new Map<string, bigint>();

  constructor(options: DynamoEventStoreOptions) {
    const { client, tables, folds, journalItemsMax, attempt = randomUUID, clock = Date.now } = options;
    this.#events = new DynamoTable(client, tables.events);
    this.#state = new DynamoTable(client, tables.state);
    this.#folds = folds;
    this.#visitors = new DynamoVisitors(this.#state);
    this.#rows = new DynamoRows(this.#state, folds);
    this.#kinds = new EventKinds(this.#state);
    this.#lanes = new Lanes(this.#state);
    this.#expiry = new DynamoExpiry(this.#state);
    this.#journalItemsMax = journalItemsMax ?? LIMITS.journalItemsMax;
    this.#attempt = attempt;
    this.#halfPut = options.halfPut;
    this.#clock = clock;
    const delayMs = options.erasureDelayMs ?? LIMITS.erasureDelayMs;
    const stored = { events: this.#events, state: this.#state };
    this.#erasures = new DynamoErasures({ ...stored, delayMs });
    this.#erasureNotes = new ErasureNotes(this.#state);
    this.#rebuild = new DynamoRebuild({ ...stored, rows: this.#rows, clock, attempt });
  }

  async load(lane: string, keys: Parameters<EventStore['load']>[1]): Promise<Loaded> {
    this.#putAlready = new Set();
    this.#expiredThrough.clear();
    // First the lane: were a visitor read before it, and the lane only after others had gone on, records in between would be in neither;
    // and it would not know of a rebuild that others began in between.
    const stored = await this.#lanes.begun(lane);
    const [generations, pending, visitors] = await Promise.all([
      readGenerations(this.#state),
      this.#erasures.pending(),
      this.#visitors.load(keys.visitors.values()),
    ]);
    for (const fold of foldsOf(this.#folds, generations)) this.#rows.know(fold);
    this.#pending = pending;
    const { done } = stored.state;
    const known = await this.#lookFor(keys.identities, { visitors, done });
    // A visitor is past the lane after a try that was left half done; or the lane went on between the reads, and what is not found may be erased.
    const isPast = [...visitors.values()].some(({ sequence }) => sequence > done);
    if (isPast && (await this.#lanes.read(lane))?.revision !== stored.revision)
      throw new ClickstreamError('overloaded', `lane ${lane} went on while it was loaded`);
    if (this.#expectsDuplicates) this.#expectsDuplicates = known.size > 0;
    return { lane: stateOf(stored), visitors, known, generations, erasedUntil: pending.until };
  }

  erasedUntil(ids: readonly VisitorKey[]): Promise<ReadonlyMap<string, string>> {
    return this.#erasureNotes.until(ids);
  }

  eraseBytes(erasing: Erasing, of: ErasedPlaces): Promise<void> {
    return this.#erasureNotes.eraseBytes(erasing, of);
  }

  noteErased(erasing: Erasing): Promise<void> {
    return this.#erasureNotes.noteErased(erasing);
  }

  async apply(decision: Decision): Promise<Applied> {
    const { lane } = decision;
    const before = await this.#laneWithRoom(lane);
    if (!isSameState(stateOf(before), decision.loaded))
      throw new ClickstreamError('overloaded', `lane ${lane} is no longer as it was loaded`);
    const arrivals = arrivalsAfter(before, decision, this.#clock());
    await this.#kinds.list(decision.events.map(kindOfPut));
    const known = await this.#putEvents(decision.events, arrivals.hour ?? '');
    if (known.size > 0) {
      this.#expectsDuplicates = true;
      return { kind: 'contradicted', known };
    }
    await putBadItems(this.#state, decision.bad, { hour: arrivals.hour ?? '', version: this.#attempt });
    await this.#putDead(decision);
    await this.#putNotes(decision);
    await this.#putLinks(decision);
    await atOnce(decision.visitors, LIMITS.dynamoPutsAtOnce, (put) => this.#visitors.put(put));
    let gone = 0;
    for (const erase of decision.erase) gone += await this.#erasures.hide(lane, erase, this.#clock());
    const attempt = this.#attempt();
    const name = await this.#rows.putJournal(decision.rows, { lane, sequence: decision.becomes.done, attempt });
    if (before !== undefined && before.hour !== arrivals.hour) await this.#expiry.mark(before);
    const done = before?.state.done ?? -1n;
    const { totals, journal, revision } = before ?? { totals: NO_TOTALS, journal: [], revision: 0 };
    await this.#lanes.put(before, {
      lane,
      state: decision.becomes,
      totals: {
        ...totals,
        events: totals.events + decision.counts.stored,
        bad: totals.bad + decision.bad.filter(({ position }) => position.sequence > done).length,
        dead: totals.dead + decision.dead.filter(({ sequence }) => sequence > done).length,
        visitors: totals.visitors + decision.counts.newVisitors - gone,
      },
      journal: name === undefined ? journal : [...journal, name],
      expiredThrough: before?.expiredThrough,
      expiredBefore: before?.expiredBefore,
      badExpiredThrough: before?.badExpiredThrough,
      ...arrivals,
      revision: revision + 1,
    });
    await this.#halfPut?.takeBack(lane, newlyDead(decision, done));
    await this.#erasures.takeBack(decision.forgotten);
    if (decision.erase.length > 0) this.#pending = await this.#erasures.pending();
    await this.#deleteDue(lane);
    const { journal: waiting } = (await this.#lanes.known(lane)) ?? { journal: [] };
    if (waiting.length > this.#journalItemsMax) await this.#foldJournal(lane);
    return { kind: 'applied' };
  }

  /** A lane in which nothing comes any more deletes nothing by itself. */
  async deleteHidden(): Promise<void> {
    this.#pending = await this.#erasures.pending();
    await this.#deleteDue();
  }

  async witness(witness: Witness): Promise<void> {
    const condition = {
      expression: 'attribute_not_exists(pk) OR #number < :number',
      names: { '#number': 'number' },
      values: { ':number': { N: String(witness.number) } },
    };
    await this.#state.put({ ...witnessItem(witness), pk: text(WITNESS_PK) }, condition);
  }

  markRedriven(lane: string, sequence: bigint, position: RecordPosition): Promise<RecordPosition> {
    return noteRedriven(this.#state, { lane, sequence }, position);
  }

  claimReplays(claims: readonly ReplayClaim[]): Promise<readonly Replay[]> {
    return claimReplays(this.#state, claims);
  }

  noteReplays(notes: readonly ReplayNote[]): Promise<readonly RecordPosition[]> {
    return noteReplays(this.#state, notes);
  }

  expire({ receivedAt }: { readonly receivedAt: string }): Promise<number> {
    this.#lanes.clear();
    return this.#expiry.expire(receivedAt);
  }

  rebuild(view: View, limit: number, passOver: PassOver = () => undefined): Promise<boolean> {
    this.#lanes.clear();
    return this.#rebuild.step(view, { limit, passOver });
  }

  askRebuild(view: View): Promise<void> {
    return askRebuild(this.#state, view, this.#clock);
  }

  seal(sealing: Sealing): Promise<boolean> {
    return seal(this.#state, sealing, this.#attempt());
  }

  /** All that DynamoDB has taken is durable. */
  async sync(): Promise<ReadonlyMap<string, bigint>> {
    return new Map((await lanesIn(this.#state)).map(({ lane, state }) => [lane, state.done]));
  }

  async close(): Promise<void> {}

  /**
   * Events that the store may hold already: all, where duplicates are expected, else those of visitors whose state is past
   * the lane's `done`: their batch came before, and was left half done.
   */
  async #lookFor(
    identities: () => readonly Identity[],
    { visitors, done }: { readonly visitors: ReadonlyMap<string, VisitorState>; readonly done: bigint },
  ): Promise<ReadonlyMap<string, KnownEvent>> {
    const isPast = ({ source, visitor }: Identity) =>
      (visitors.get(visitorText({ source, visitor }))?.sequence ?? -1n) > done;
    if (!this.#expectsDuplicates && ![...visitors.values()].some(({ sequence }) => sequence > done)) return new Map();
    return this.#find(identities().filter((identity) => this.#expectsDuplicates || isPast(identity)));
  }

  async #find(identities: readonly Identity[]): Promise<ReadonlyMap<string, KnownEvent>> {
    const asked = new Map(
      identities.map((identity) => {
        const key = eventKeyOf(identity);
        return [keyOf(key.pk, key.sk), { key, identity }] as const;
      }),
    );
    const known = new Map<string, KnownEvent>();
    for (const item of await this.#events.getAll([...asked.values()].map(({ key }) => key))) {
      const found = asked.get(keyOf(textOf(item, 'pk'), textOf(item, 'sk')));
      // What was erased or expired may come again.
      if (this.#pending.hides(item) || (await this.#isExpired(item))) continue;
      if (found !== undefined) known.set(identityKey(found.identity), knownOf(item));
    }
    return known;
  }

  /** Visitors side by side, each one's events in order: what one becomes depends on those before it. */
  async #putEvents(puts: readonly EventPut[], hour: string): Promise<ReadonlyMap<string, KnownEvent>> {
    const known = new Map<string, KnownEvent>();
    const byVisitor = Map.groupBy(puts, ({ visitor }) => visitorText(visitor));
    await atOnce(byVisitor.values(), LIMITS.dynamoPutsAtOnce, async (own) => {
      for (const [place, put] of own.entries()) {
        const contradiction = await this.#putEvent(put, hour);
        if (contradiction === undefined) continue;
        known.set(identityKey(put.identity), contradiction);
        // Nothing more of this visitor is put, for it was decided on what is not so; but what else is known is told.
        const rest = own.slice(place + 1);
        for (const [key, found] of await this.#find(rest.map(({ identity }) => identity))) known.set(key, found);
        return;
      }
    });
    return known;
  }

  /** Undefined when it lies there as decided, whoever put it. */
  async #putEvent(put: EventPut, hour: string): Promise<KnownEvent | undefined> {
    const item = eventItem(put, { hour, hasList: this.#kinds.hasList(kindOfPut(put)) });
    const name = keyOf(textOf(item, 'pk'), textOf(item, 'sk'), textOf(item, 'typeOrder'));
    if (this.#putAlready.has(name)) return undefined;
    let result = await this.#events.put(item);
    if (result.kind === 'refused' && result.found !== undefined && (await this.#makesRoom(result.found, put))) {
      const old = result.found.typeOrder ?? text('');
      result = await this.#events.put(item, {
        expression: '#order = :old',
        names: { '#order': 'typeOrder' },
        values: { ':old': old },
      });
    }
    // Gone between the refusal and the look: the batch is sent again.
    if (result.kind === 'refused' && result.found === undefined)
      throw new ClickstreamError('overloaded', 'an event was there and is gone');
    if (result.kind === 'refused' && result.found !== undefined) {
      const known = knownOf(result.found);
      // Put by a try before this one, which may have been told otherwise: the facts that are stored count.
      if (!isAt(known.position, put.position) || known.facts !== put.facts) return known;
    }
    this.#putAlready.add(name);
    return undefined;
  }

  /** Whether what lies at an event's place is there for nobody any more. */
  async #makesRoom(found: Item, { visitor, position }: EventPut): Promise<boolean> {
    if (this.#pending.hides(found) && this.#pending.isAfter(visitor, position.sequence)) {
      await this.#erasures.noteRemoved(found);
      return true;
    }
    return this.#isExpired(found);
  }

  /** Asked of what was found to be a duplicate: of another lane, once a batch. */
  async #isExpired(item: Item): Promise<boolean> {
    const { lane, sequence } = positionOf(item);
    if (!this.#expiredThrough.has(lane)) {
      const stored = await this.#lanes.known(lane);
      this.#expiredThrough.set(lane, stored?.expiredThrough ?? -1n);
    }
    return sequence <= (this.#expiredThrough.get(lane) ?? -1n);
  }

  async #putDead({ dead }: Decision): Promise<void> {
    await atOnce(dead, LIMITS.dynamoPutsAtOnce, (record) => putDeadItem(this.#state, record, this.#attempt()));
  }

  /** However often a batch is tried, the same: what is a duplicate stays one. */
  async #putNotes({ lane, notes }: Decision): Promise<void> {
    await atOnce(notes, LIMITS.dynamoPutsAtOnce, async (note) => {
      await this.#state.set(noteItem(lane, note));
    });
  }

  /** Before the visitors: a visitor's state says that it is linked. */
  async #putLinks({ links, lane, becomes }: Decision): Promise<void> {
    const places = [...links.entries()];
    await atOnce(places, LIMITS.dynamoPutsAtOnce, ([place, link]) => {
      const order = keyOf(sequenceText(becomes.done), lane, String(place).padStart(6, '0'));
      const erasure = this.#pending.of(link);
      if (erasure === undefined || becomes.done < erasure) return this.#state.put(linkItem(link, order));
      // One from before the erasure is hidden, and stands in the way.
      return this.#state.put(linkItem(link, order), {
        expression: 'attribute_not_exists(pk) OR #order < :erasure',
        names: { '#order': 'order' },
        values: { ':erasure': text(sequenceText(erasure)) },
      });
    });
  }

  /** What erasures hid: of a lane, with one of its later batches, or of all. */
  async #deleteDue(lane?: string): Promise<void> {
    const nowMs = this.#clock();
    const own = this.#pending.all.filter((erasure) => lane === undefined || erasure.lane === lane);
    const due = own.filter(({ dueAtMs }) => dueAtMs <= nowMs);
    if (due.length > 0) await this.#erasures.delete(due);
  }

  /** As loaded. A journal that could not be folded for long is tried once more first: the lane's item names all of it, and has 400 KB. */
  async #laneWithRoom(lane: string): Promise<StoredLane | undefined> {
    const loaded = await this.#lanes.known(lane);
    const waiting = loaded?.journal.length ?? 0;
    if (waiting < LIMITS.journalItemsHeldMax) return loaded;
    try {
      await this.#foldJournal(lane);
    } catch (cause) {
      const detail = `lane ${lane}: ${waiting} items of its journal cannot be folded into rows, and there is no room for more`;
      throw new ClickstreamError('overloaded', detail, { cause });
    }
    return this.#lanes.known(lane);
  }

  /**
   * The batch is done before: what fails here is thrown, the batch sent again finds nothing to do, and the next one folds. So
   * whoever runs it is told with every batch, long before the journal is full.
   */
  async #foldJournal(lane: string): Promise<void> {
    const before = await this.#lanes.known(lane);
    if (before === undefined) return;
    const { unread, faults } = await this.#rows.fold(lane, before.journal);
    await this.#lanes.put(before, { ...before, journal: unread, revision: before.revision + 1 });
    await this.#rows.drop(
      lane,
      before.journal.filter((name) => !unread.includes(name)),
    );
    if (faults.length === 0) return;
    const detail = `lane ${lane}: ${faults.length} rows or items of the journal failed by themselves: rows are kept apart, items stay in the journal`;
    throw new ClickstreamError('internal', detail, { cause: faults[0] });
  }
}

/** Only now that they are counted as dead: before, another try might still have counted what it put of them. */
function newlyDead({ dead }: Decision, done: bigint): readonly LaneRecord[] {
  return dead.flatMap(({ sequence, payload }) => (sequence > done ? [{ sequence, data: payload }] : []));
}

function kindOfPut({ visitor, eventType }: EventPut): Kind {
  return { source: visitor.source, eventType };
}

function knownOf(item: Item): KnownEvent {
  return { position: positionOf(item), facts: factsAndBodyOf(item).facts };
}

import { inflateRawSync } from 'node:zlib';
import type { Erasing, ErasureCounts } from '../../core/erasures.ts';
import { ClickstreamError } from '../../core/errors.ts';
import { type Identity, identityKey, identityOf } from '../../core/event.ts';
import type { ViewRebuild } from '../../core/generations.ts';
import { identityChecksum } from '../../core/identities.ts';
import { LIMITS } from '../../core/limits.ts';
import type { RecordPosition } from '../../log/event-log.ts';
import type {
  BadEvent,
  BadRange,
  BadReason,
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
  StoredCounts,
  StoredEvent,
  StoreTotals,
  VisitorKey,
  VisitorState,
  Witness,
} from '../../store/event-store.ts';
import { StoredCounting } from '../../store/stored-counting.ts';
import { badEventOf, badPk, badPositionOf, badReasonOf, badSk, REASON_ATTRIBUTES } from './bad-items.ts';
import { deadKey } from './dead-items.ts';
import { DynamoTable, type Key, type TableClient } from './dynamo-client.ts';
import { type PendingErasures, readPending, removedSk } from './dynamo-erasures.ts';
import { DynamoEventLists, mergeLists, ReadList, resultsOf } from './dynamo-event-lists.ts';
import { rebuildsOf } from './dynamo-generations.ts';
import { DynamoRowReader } from './dynamo-row-reader.ts';
import { readSealed } from './dynamo-sealing.ts';
import { readKept, readLinked } from './dynamo-visitors.ts';
import { readErasing, readErasure } from './erasure-notes.ts';
import { GivenUpReader } from './given-up-notes.ts';
import {
  AFTER_PART,
  deadPk,
  type Item,
  identityOfKey,
  keyOf,
  NO_TOTALS,
  numberOf,
  partsOf,
  positionOf,
  redrivenOf,
  sequenceText,
  storedEventOf,
  text,
  textOf,
  WITNESS_PK,
  witnessOf,
} from './items.ts';
import { readLarge } from './large-values.ts';
import { noteOf, notePk } from './record-notes.ts';
import type { TableNames } from './tables.ts';

export interface DynamoEventReaderOptions {
  readonly client: TableClient;
  readonly tables: TableNames;
  /** @default snapshotMsMax */
  readonly snapshotMsMax?: number;
}

/**
 * The `EventReader` on DynamoDB. A snapshot has no transaction: its lanes, and what they count, are those of its first look at
 * them, and whatever else it reads is from then on or after. Lists by time follow the table within a moment. The client stays open.
 */
export class DynamoEventReader implements EventReader {
  readonly #client: TableClient;
  readonly #tables: TableNames;
  readonly #snapshotMsMax: number;

  constructor({ client, tables, snapshotMsMax = LIMITS.snapshotMsMax }: DynamoEventReaderOptions) {
    this.#client = client;
    this.#tables = tables;
    this.#snapshotMsMax = snapshotMsMax;
  }

  /** Rejects with `query_unavailable` when it takes too long: slow tables are tried again for longer than anybody waits. */
  async snapshot<T>(read: (reads: EventReads) => Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const stop = new AbortController();
    const timer = setTimeout(() => {
      const detail = `the tables did not give all that was asked within ${this.#snapshotMsMax} ms`;
      late.reject(new ClickstreamError('query_unavailable', detail));
      stop.abort();
    }, this.#snapshotMsMax);
    const client = stoppedBy(this.#client, stop.signal);
    const events = new DynamoTable(client, this.#tables.events);
    const state = new DynamoTable(client, this.#tables.state);
    try {
      return await Promise.race([read(new DynamoReads({ events, state })), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {}
}

/** A client whose calls end, and that begins none any more, once the signal comes. */
function stoppedBy(client: TableClient, abortSignal: AbortSignal): TableClient {
  const send = async (command: Parameters<TableClient['send']>[0]) => {
    abortSignal.throwIfAborted();
    return client.send(command, { abortSignal });
  };
  const { sleep } = client;
  return { send: send as TableClient['send'], ...(sleep && { sleep }) };
}

class DynamoReads implements EventReads {
  readonly #events: DynamoTable;
  readonly #state: DynamoTable;
  readonly #lists: DynamoEventLists;
  readonly #rows: DynamoRowReader;
  readonly #givenUp: GivenUpReader;

  constructor(tables: { readonly events: DynamoTable; readonly state: DynamoTable }) {
    this.#events = tables.events;
    this.#state = tables.state;
    this.#rows = new DynamoRowReader(tables.state);
    this.#givenUp = new GivenUpReader(tables.state);
    this.#lists = new DynamoEventLists({ ...tables, lanes: () => this.#rows.lanes() });
  }

  eventsOf(visitor: string, range: EventRange): Promise<readonly StoredEvent[]> {
    return this.#lists.ofVisitor(visitor, range);
  }

  events(range: EventRange): Promise<readonly StoredEvent[]> {
    return this.#lists.byTime(range);
  }

  visitorsOf(userId: string, limit: number): Promise<readonly VisitorKey[]> {
    return readLinked(this.#state, userId, limit);
  }

  visitorStates(keys: readonly VisitorKey[]): Promise<ReadonlyMap<string, VisitorState>> {
    return readKept(this.#state, keys);
  }

  async rows(range: Parameters<EventReads['rows']>[0]): Promise<readonly Row[]> {
    return [...(await this.#rows.rows(range)), ...(await this.#givenUp.rows(range))];
  }

  async sources(view: string): Promise<readonly string[]> {
    const sources = [...(await this.#rows.sources(view)), ...(await this.#givenUp.sources(view))];
    return [...new Set(sources)].sort();
  }

  async badReasons({ limit, after }: BadRange): Promise<readonly BadReason[]> {
    const expiredThrough = await this.#badExpired();
    const lanes = await this.#laneNames();
    const list = { pkOf: badPk, skOf: badSk, positionOf: badPositionOf, attributes: REASON_ATTRIBUTES, lanes };
    const found = await this.#aside({ ...list, expiredThrough }, { limit, after });
    return found.map(({ item }) => badReasonOf(item));
  }

  async badAt(positions: readonly EventPosition[]): Promise<readonly BadEvent[]> {
    const expiredThrough = await this.#badExpired();
    const kept = positions.filter(({ lane, sequence }) => sequence > (expiredThrough.get(lane) ?? -1n));
    const keys = kept.map((position) => ({ pk: badPk(position.lane), sk: badSk(position) }));
    const found = await this.#itemsAt(keys);
    const bad = await resultsOf(keys, async (key) => {
      const item = found.get(keyText(key));
      return item && badEventOf(this.#state, item);
    });
    return bad.filter((event) => event !== undefined);
  }

  async dead(limit: number, after?: RecordPosition): Promise<readonly DeadRecord[]> {
    // Of a lane that nothing was processed of, something may have been given up.
    const lanes = [...new Set([...(await this.#laneNames()), ...(await this.#givenUp.lanes())])];
    const list = { pkOf: deadPk, skOf: deadSk, positionOf: deadPositionOf, lanes };
    const found = await this.#aside(list, { limit, after: after && { ...after, index: 0 } });
    return resultsOf(found, ({ item }) => this.#deadRecordOf(item));
  }

  async deadAt({ lane, sequence }: RecordPosition): Promise<DeadRecord | undefined> {
    const item = await this.#state.get(deadKey({ lane, sequence }));
    return item && this.#deadRecordOf(item);
  }

  async notesAt(places: readonly RecordPosition[]): Promise<readonly (RecordNote & RecordPosition)[]> {
    const keys = places.map(({ lane, sequence }) => ({ pk: notePk(lane), sk: sequenceText(sequence) }));
    return [...(await this.#itemsAt(keys)).values()].map(noteOf);
  }

  erasing(limit: number): Promise<readonly Erasing[]> {
    return readErasing(this.#state, limit);
  }

  async erasure(erasure: string): Promise<ErasureCounts | undefined> {
    const { all } = await readPending(this.#state);
    const due = new Map(all.map(({ lane, sequence, dueAtMs }) => [keyOf(lane, sequenceText(sequence)), dueAtMs]));
    return readErasure(this.#state, erasure, ({ lane, sequence }) => due.get(keyOf(lane, sequenceText(sequence))));
  }

  async lanes(): Promise<ReadonlyMap<string, LaneState>> {
    return new Map((await this.#rows.lanes()).map(({ lane, state }) => [lane, state]));
  }

  async rebuilds(): Promise<readonly ViewRebuild[]> {
    return rebuildsOf(await this.#rows.rebuilds(), await this.#rows.lanes());
  }

  async witnesses(): Promise<readonly Witness[]> {
    const witnesses: Witness[] = [];
    for await (const item of this.#state.partition(WITNESS_PK)) witnesses.push(witnessOf(item));
    return witnesses;
  }

  async totals(): Promise<StoreTotals> {
    const lanes = await this.#rows.lanes();
    const sum = { ...NO_TOTALS, dead: await this.#givenUp.count() };
    for (const { lane, totals, expiredThrough: through } of lanes) {
      for await (const _ of this.#erasedAfter(lane, through)) sum.erased += 1;
      sum.events += totals.events;
      sum.bad += totals.bad;
      sum.badExpired += totals.badExpired;
      sum.dead += totals.dead;
      sum.visitors += totals.visitors;
      sum.expired += totals.expired;
      sum.erased += totals.erased;
    }
    const expiredThrough = lanes.flatMap(({ lane, expiredThrough: through }) =>
      through === undefined ? [] : [[lane, through] as const],
    );
    const expiredBefore = lanes.map((lane) => lane.expiredBefore ?? '').reduce((a, b) => (a > b ? a : b), '');
    return {
      ...sum,
      events: sum.events - sum.expired - sum.erased,
      bad: sum.bad - sum.badExpired,
      expiredThrough: new Map(expiredThrough),
      ...(expiredBefore !== '' && { expiredBefore }),
    };
  }

  sealed(): Promise<SealedText | undefined> {
    return readSealed(this.#state);
  }

  /** What is erased while this counts, and comes again at once, is either one: then it is counted anew, as long as a snapshot may take. */
  async storedCounts(asked: Parameters<EventReads['storedCounts']>[0]): Promise<StoredCounts> {
    for (let erased = await readPending(this.#state); ; ) {
      const counts = await this.#countStored(asked, erased);
      const since = await readPending(this.#state);
      if (since.all.every((erasure) => erased.of(erasure) === erasure.sequence)) return counts;
      erased = since;
    }
  }

  async #countStored(asked: Parameters<EventReads['storedCounts']>[0], erased: PendingErasures): Promise<StoredCounts> {
    const counts = new StoredCounting(asked);
    // What is hidden may be removed while this reads: seen as an event, its note counts no more.
    const seen = new Set<string>();
    for await (const item of this.#allEvents()) {
      const { lane, sequence } = positionOf(item);
      if (erased.hides(item)) seen.add(keyOf(lane, removedSk(item)));
      const identity = identityOfKey(item);
      const hour = textOf(item, 'receivedAt').slice(0, 13);
      counts.add({ lane, sequence, source: identity.source, hour, events: 1, identities: identityChecksum(identity) });
    }
    const lanes = await this.#rows.lanes();
    for (const lane of asked.through.keys()) {
      const stored = lanes.find((known) => known.lane === lane);
      for await (const item of this.#erasedAfter(lane, stored?.expiredThrough)) {
        if (seen.has(keyOf(lane, textOf(item, 'sk')))) continue;
        // An erasure's note has its own name behind the record's.
        const sequence = BigInt(partsOf(textOf(item, 'sk'))[0] ?? '');
        const [source, hour] = [item.source?.S ?? '', item.hour?.S ?? ''];
        const identities = item.identities === undefined ? undefined : numberOf(item, 'identities');
        counts.add({ lane, sequence, source, hour, events: numberOf(item, 'events'), identities });
      }
    }
    return counts.counts();
  }

  /** A scan gives a visitor's events one after another, so that only one visitor's identities are kept at a time. */
  async doubled(limit: number): Promise<readonly DoubledEvent[]> {
    const doubled: DoubledEvent[] = [];
    let own: Item[] = [];
    for await (const item of this.#allEvents()) {
      if (doubled.length >= limit) return doubled.slice(0, limit);
      if (own[0] !== undefined && textOf(own[0], 'pk') !== textOf(item, 'pk')) {
        doubled.push(...doubledAmong(own));
        own = [];
      }
      own.push(item);
    }
    return [...doubled, ...doubledAmong(own)].slice(0, limit);
  }

  /** One item for each event that erasure took of what has not expired. */
  #erasedAfter(lane: string, expiredThrough = -1n): AsyncGenerator<Item, void> {
    return this.#state.partition(keyOf('removed', lane), { from: sequenceText(expiredThrough + 1n) });
  }

  /** But for those that expired, or were erased: of the latter, the notes are put before they are deleted. */
  async *#allEvents(): AsyncGenerator<Item, void> {
    const lanes = new Map((await this.#rows.lanes()).map(({ lane, expiredThrough }) => [lane, expiredThrough ?? -1n]));
    let after: Item | undefined;
    do {
      const page = await this.#events.scan({ after, limit: SCAN_ITEMS });
      for (const item of page.items) {
        const { lane, sequence } = positionOf(item);
        if (sequence > (lanes.get(lane) ?? -1n)) yield item;
      }
      after = page.after;
    } while (after !== undefined);
  }

  /** What retention took, which may still lie there, is for nobody any more. */
  async #badExpired(): Promise<ReadonlyMap<string, bigint>> {
    const lanes = await this.#rows.lanes();
    return new Map(lanes.map(({ lane, badExpiredThrough }) => [lane, badExpiredThrough ?? -1n]));
  }

  async #laneNames(): Promise<readonly string[]> {
    return (await this.#rows.lanes()).map(({ lane }) => lane);
  }

  /** What lanes have set aside, the newest first, over lanes by sequence and then lane. */
  async #aside(
    list: AsideList,
    { limit, after }: BadRange,
  ): Promise<readonly { readonly item: Item; readonly position: EventPosition }[]> {
    const { pkOf, attributes, lanes, expiredThrough } = list;
    const names = [...KEY_NAMES, ...(attributes ?? [])];
    const ends = lanes.map((lane) => ({
      lane,
      from: sequenceText((expiredThrough?.get(lane) ?? -1n) + 1n),
      to: after === undefined ? AFTER_SEQUENCES : lastBefore(list, lane, after),
    }));
    const inputOf = ({ lane, from, to }: (typeof ends)[number]) => ({
      // A key condition takes one comparison of the range key, and this one includes both ends.
      KeyConditionExpression: 'pk = :pk AND sk BETWEEN :from AND :to',
      ExpressionAttributeValues: {
        ':pk': text(pkOf(lane)),
        ':from': text(from),
        ':to': text(to),
      },
      ...(attributes && {
        ProjectionExpression: names.map((name) => `#${name}`).join(', '),
        ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
      }),
    });
    const keyOfItem = (item: Item) => {
      const position = list.positionOf(item);
      return { time: position.sequence, ...position, item };
    };
    // DynamoDB refuses a range that ends before it begins.
    const lists = ends
      .filter(({ from, to }) => from <= to)
      .map(
        (end) =>
          new ReadList({
            ...{ table: this.#state, input: inputOf(end), order: 'desc' },
            ...{ keyOf: keyOfItem, names: KEY_NAMES },
          }),
      );
    const found = await mergeLists(lists, { order: 'desc', limit });
    return found.map(({ lane, sequence, index, item }) => ({ item, position: { lane, sequence, index } }));
  }

  async #itemsAt(keys: readonly Key[]): Promise<ReadonlyMap<string, Item>> {
    const items = await this.#state.getAll(keys);
    return new Map(items.map((item) => [keyText({ pk: textOf(item, 'pk'), sk: textOf(item, 'sk') }), item]));
  }

  async #deadRecordOf(item: Item): Promise<DeadRecord> {
    const { lane, sequence } = deadPositionOf(item);
    const redriven = redrivenOf(item);
    const payload = inflateRawSync(await readLarge(this.#state, item));
    return { lane, sequence, detail: textOf(item, 'detail'), payload, ...(redriven && { redriven }) };
  }
}

/** Items of one page of a scan, which ends at 1 MB anyhow. */
const SCAN_ITEMS = 5_000;
const KEY_NAMES = ['pk', 'sk'];

/** A kind of list of what lanes set aside. */
interface AsideList {
  readonly pkOf: (lane: string) => string;
  readonly skOf: (position: EventPosition) => string;
  readonly positionOf: (item: Item) => EventPosition;
  readonly lanes: readonly string[];
  /** By lane: nothing up to there is listed. @default nothing is passed over */
  readonly expiredThrough?: ReadonlyMap<string, bigint>;
  /** Those to read beside the key. @default all */
  readonly attributes?: readonly string[];
}

/** Sequences are digits. */
const AFTER_SEQUENCES = '~';

/** Of a lane, everything before a position of whichever lane lies at or before this sort key, and nothing else does. */
function lastBefore({ skOf }: AsideList, lane: string, { sequence, index, lane: own }: EventPosition): string {
  if (lane === own && index > 0) return skOf({ lane, sequence, index: index - 1 });
  if (lane < own) return `${sequenceText(sequence)}${AFTER_PART}`;
  // Items of the sequence before may have an index behind it.
  return `${sequenceText(sequence - 1n)}${AFTER_PART}`;
}

function deadSk({ sequence }: EventPosition): string {
  return sequenceText(sequence);
}

function deadPositionOf(item: Item): EventPosition {
  const [, lane = ''] = partsOf(textOf(item, 'pk'));
  return { lane, sequence: BigInt(textOf(item, 'sk')), index: 0 };
}

function keyText({ pk, sk }: Key): string {
  return keyOf(pk, sk);
}

/** Identities that lie there more than once. Each has its one key, so a second copy can only be there by hand. */
function doubledAmong(items: readonly Item[]): readonly DoubledEvent[] {
  if (items.length < 2) return [];
  const byIdentity = new Map<string, { readonly identity: Identity; readonly positions: EventPosition[] }>();
  for (const item of items) {
    const event = storedEventOf(item);
    const identity = identityOf(event);
    const same = byIdentity.get(identityKey(identity)) ?? { identity, positions: [] };
    same.positions.push(event.position);
    byIdentity.set(identityKey(identity), same);
  }
  const doubled = [...byIdentity.values()].filter(({ positions }) => positions.length > 1);
  for (const { positions } of doubled) positions.sort(comparePlaces);
  return doubled;
}

function comparePlaces(a: EventPosition, b: EventPosition): number {
  if (a.sequence !== b.sequence) return a.sequence < b.sequence ? -1 : 1;
  if (a.lane !== b.lane) return a.lane < b.lane ? -1 : 1;
  return a.index - b.index;
}

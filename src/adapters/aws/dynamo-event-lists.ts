import type { QueryCommandInput } from '@aws-sdk/client-dynamodb';
import { LIMITS } from '../../core/limits.ts';
import {
  compareKeys,
  type EventKey,
  type KeyStream,
  type MergeRange,
  mergeDistantKeys,
} from '../../store/event-merge.ts';
import type { EventMark, EventRange, StoredEvent, VisitorKey } from '../../store/event-store.ts';
import { atOnce } from './at-once.ts';
import type { DynamoTable, Key } from './dynamo-client.ts';
import { isFull, type Kind, type Kinds, readKinds } from './event-kinds.ts';
import { type HiddenEvents, readHidden } from './hidden-events.ts';
import {
  AFTER_PART,
  eventKeyOf,
  type Item,
  keyOf,
  OTHER_TYPES,
  partsOf,
  positionOf,
  type StoredLane,
  sequenceText,
  storedEventOf,
  text,
  textOf,
  typeOf,
  typeOrderOf,
  typeShardOf,
} from './items.ts';
import { BY_TYPE } from './tables.ts';

/** Queries in flight. */
const READS_AT_ONCE = 16;
/** Entries that a first look into a list takes: so many cost no more than one, for half a read unit is 4 KB of them. */
const LOOK_MIN = 8;
/** Entries that one query reads of a list in which one type is looked for among others: some 32 read units. */
const LOOKED_THROUGH = 1_000;
/** Where nothing but hidden entries came, at most so many times as many are looked at as are asked for. */
const LOOKS_MORE_MAX = 64;
/** Keys of items begin with a year: these lie before and after all of them. */
const [BEFORE_ALL, AFTER_ALL] = ['0', ':'];
/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html; of a longer bound it says an error. */
const SORT_KEY_BYTES_MAX = 1_024;

interface ListedItem extends EventKey {
  readonly item: Item;
}

type DistantStream = KeyStream<ListedItem, Promise<readonly ListedItem[]>>;

/** One piece of a list in the index. */
interface TypeList {
  readonly typeShard: string;
  /** The one type to find in it, where it holds several. */
  readonly only: string | undefined;
}

interface Bounds {
  readonly from: string;
  readonly to: string;
}

/** Lists of events by visitor, and by time and type, as one snapshot sees them: what it has read of them, it reads no more. */
export class DynamoEventLists {
  readonly #events: DynamoTable;
  readonly #state: DynamoTable;
  #kinds: Promise<Kinds> | undefined;
  #hidden: Promise<HiddenEvents> | undefined;
  readonly #lanes: () => Promise<readonly StoredLane[]>;
  readonly #read = new Map<string, { readonly start: EventKey | undefined; readonly list: ReadList }>();

  constructor(parts: {
    readonly events: DynamoTable;
    readonly state: DynamoTable;
    readonly lanes: () => Promise<readonly StoredLane[]>;
  }) {
    this.#events = parts.events;
    this.#state = parts.state;
    this.#lanes = parts.lanes;
  }

  /** A visitor's events of one source lie in one partition, but at one time by their id; those of several sources are merged. */
  async ofVisitor(visitor: string, range: EventRange): Promise<readonly StoredEvent[]> {
    const sources = range.source === undefined ? [...(await this.#allKinds()).keys()] : [range.source];
    const streams = await resultsOf(sources, (source) => this.#timeline({ source, visitor }, range));
    const found = await mergeDistantKeys(
      streams.filter((stream) => stream !== undefined),
      range,
    );
    return found.map(({ item }) => storedEventOf(item));
  }

  /**
   * The index has a list for each source, type and shard, and one for what has no list of its type; these are merged. It follows the table after a moment: an entry
   * whose event is gone, or has come anew in another place, is passed over.
   */
  async byTime(range: EventRange): Promise<readonly StoredEvent[]> {
    const lists = await this.#listsIn(range);
    const hidden = await this.#hiding();
    const found: StoredEvent[] = [];
    let after = range.after;
    let more = 1;
    for (;;) {
      const limit = more * (range.limit - found.length);
      const entries = await this.#entries(lists, { ...range, after, limit });
      const visible = entries.filter(({ item }) => !hidden.hides(item));
      found.push(...(await this.#eventsAt(visible.slice(0, range.limit - found.length))));
      const last = entries.at(-1);
      if (last === undefined || entries.length < limit || found.length >= range.limit) return found;
      after = { ...last, time: `${last.time}Z` };
      // What expired lies together, at the old end of a list, and may be much.
      more = visible.length === 0 ? Math.min(2 * more, LOOKS_MORE_MAX) : 1;
    }
  }

  /** A type without a list is looked for among the others of its source; while there are places left, there are none. */
  async #listsIn({ source, eventType }: EventRange): Promise<readonly TypeList[]> {
    const kinds = await this.#allKinds();
    const lists: TypeList[] = [];
    const add = (kind: Kind, only?: string) => {
      for (let shard = 0; shard < LIMITS.typeShards; shard += 1) {
        lists.push({ typeShard: typeShardOf(kind, shard), only });
      }
    };
    for (const [from, types] of kinds) {
      if (source !== undefined && source !== from) continue;
      for (const type of types)
        if (eventType === undefined || eventType === type) add({ source: from, eventType: type });
      const hasList = eventType !== undefined && types.has(eventType);
      if (isFull(types) && !hasList) add({ source: from, eventType: OTHER_TYPES }, eventType);
    }
    return lists;
  }

  /** The sources that there are events of, or were, and the types that have lists. */
  #allKinds(): Promise<Kinds> {
    this.#kinds ??= readKinds(this.#state);
    return this.#kinds;
  }

  /** Undefined when the visitor has nothing in the range. */
  async #timeline(visitor: VisitorKey, range: EventRange): Promise<DistantStream | undefined> {
    const events = this.#inOrder(visitor, range);
    const waiting = await taken(events, 1);
    const first = waiting[0];
    if (first === undefined) return undefined;
    const read = async (_: unknown, limit: number) => {
      const found = waiting.splice(0);
      return [...found, ...(await taken(events, limit - found.length))];
    };
    return { first: first.time, read };
  }

  /** A visitor's events in the list's order: those of one time are read before the first of them is given. */
  async *#inOrder(visitor: VisitorKey, range: EventRange): AsyncGenerator<ListedItem, void> {
    const { order, eventType, after } = range;
    const sign = order === 'asc' ? 1 : -1;
    const mark = after && { ...after, time: timeKey(after.time) };
    const inPlace = (items: readonly ListedItem[]) =>
      items
        .filter((item) => mark === undefined || sign * compareKeys(item, mark) > 0)
        .sort((a, b) => sign * compareKeys(a, b));
    let same: ListedItem[] = [];
    const hidden = await this.#hiding();
    for await (const item of this.#itemsOf(visitor, range)) {
      if (hidden.hides(item)) continue;
      if (eventType !== undefined && typeOf(item) !== eventType) continue;
      const [time = ''] = partsOf(textOf(item, 'sk'));
      if (same[0] !== undefined && same[0].time !== time) {
        yield* inPlace(same);
        same = [];
      }
      same.push({ time, ...positionOf(item), item });
    }
    yield* inPlace(same);
  }

  async *#itemsOf(visitor: VisitorKey, range: EventRange): AsyncGenerator<Item, void> {
    const bounds = createdBounds(range);
    if (bounds === undefined) return;
    const { pk } = eventKeyOf({ ...visitor, createdAt: '', eventId: '', fingerprint: '' });
    yield* this.#events.query({
      KeyConditionExpression: 'pk = :pk AND sk BETWEEN :from AND :to',
      ExpressionAttributeValues: { ':pk': text(pk), ':from': text(bounds.from), ':to': text(bounds.to) },
      ScanIndexForward: range.order === 'asc',
      // One more shows that the last one's time is over. Of one type, nobody knows how many are between.
      ...(range.eventType === undefined && { Limit: range.limit + 1 }),
    });
  }

  async #entries(typeLists: readonly TypeList[], range: EventRange): Promise<readonly ListedItem[]> {
    const bounds = typeBounds(range);
    if (bounds === undefined) return [];
    const mark = range.after && { ...range.after, time: timeKey(range.after.time) };
    const lists = typeLists.map((list) => this.#listOf(list, { range, bounds, mark }));
    return mergeLists(lists, range, mark);
  }

  /** A list that was read in this snapshot is gone on with, if it was begun before the mark. */
  #listOf(
    { typeShard, only }: TypeList,
    place: { readonly range: EventRange; readonly bounds: Bounds; readonly mark: EventKey | undefined },
  ): ReadList {
    const { range, bounds, mark } = place;
    const { order, from = '', to = '' } = range;
    const name = keyOf(order, from, to, typeShard, only ?? '');
    const known = this.#read.get(name);
    const sign = order === 'asc' ? 1 : -1;
    const isBegunBefore = (start: EventKey | undefined) =>
      start === undefined || (mark !== undefined && sign * compareKeys(start, mark) <= 0);
    if (known !== undefined && isBegunBefore(known.start)) return known.list;
    const list = new ReadList({
      table: this.#events,
      input: {
        IndexName: BY_TYPE,
        KeyConditionExpression: 'typeShard = :list AND typeOrder BETWEEN :from AND :to',
        ExpressionAttributeValues: { ':list': text(typeShard), ':from': text(bounds.from), ':to': text(bounds.to) },
      },
      order,
      keyOf: (item) => ({ time: timeOf(item), ...positionOf(item), item }),
      names: ENTRY_NAMES,
      ...(only !== undefined && { has: (item) => typeOf(item) === only }),
    });
    this.#read.set(name, { start: mark, list });
    return list;
  }

  #hiding(): Promise<HiddenEvents> {
    this.#hidden ??= readHidden(this.#state, this.#lanes);
    return this.#hidden;
  }

  async #eventsAt(entries: readonly ListedItem[]): Promise<readonly StoredEvent[]> {
    const batches: Key[][] = [];
    for (let start = 0; start < entries.length; start += LIMITS.dynamoBatchGetMax) {
      const batch = entries.slice(start, start + LIMITS.dynamoBatchGetMax);
      batches.push(batch.map(({ item }) => ({ pk: textOf(item, 'pk'), sk: textOf(item, 'sk') })));
    }
    const items = (await resultsOf(batches, (keys) => this.#events.getAll(keys))).flat();
    const events = new Map(items.map((item) => [entryText(item), item]));
    return entries.flatMap(({ item: entry }) => {
      const item = events.get(entryText(entry));
      return item === undefined ? [] : [storedEventOf(item)];
    });
  }
}

const ENTRY_NAMES = ['pk', 'sk', 'typeShard', 'typeOrder'] as const;

/** What an entry of the index and its event have in common, and no other event has. */
function entryText(item: Item): string {
  return keyOf(...ENTRY_NAMES.map((name) => textOf(item, name)));
}

function timeOf(item: Item): string {
  const [time = ''] = partsOf(textOf(item, 'typeOrder'));
  return time;
}

/** Without its final Z, as times begin sort keys. */
function timeKey(time: string): string {
  return time.slice(0, -1);
}

/** Timestamps have milliseconds, whatever a question has. */
function timestampKey(time: string): string {
  return timeKey(new Date(time).toISOString());
}

/** Sort keys go on after the time, so that none equals a bound. Undefined when nothing can be between. */
function createdBounds({ from, to, order, after }: EventRange): Bounds | undefined {
  const mark = after && timeKey(after.time);
  return boundsOf({
    froms: [from && timeKey(from), order === 'asc' ? mark : undefined],
    tos: [to && timeKey(to), order === 'desc' && mark !== undefined ? mark + AFTER_PART : undefined],
  });
}

function typeBounds({ from, to, order, after }: EventRange): Bounds | undefined {
  return boundsOf({
    froms: [
      from && timestampKey(from),
      order === 'asc' && after ? typeOrderOf(after.time, after) + AFTER_PART : undefined,
    ],
    tos: [to && timestampKey(to), order === 'desc' && after ? orderBefore(after) : undefined],
  });
}

function boundsOf({ froms, tos }: Record<'froms' | 'tos', readonly (string | undefined)[]>): Bounds | undefined {
  const given = (bounds: typeof froms) => bounds.filter((bound) => bound !== undefined);
  const from = given(froms).reduce((a, b) => (a > b ? a : b), BEFORE_ALL);
  const to = given(tos).reduce((a, b) => (a < b ? a : b), AFTER_ALL);
  const isTooLong = [from, to].some((bound) => Buffer.byteLength(bound) > SORT_KEY_BYTES_MAX);
  return from >= to || isTooLong ? undefined : { from, to };
}

/** A bound above every entry before the mark, and below the mark's own. */
function orderBefore(mark: EventMark): string {
  if (mark.index > 0) return typeOrderOf(mark.time, { ...mark, index: mark.index - 1 }) + AFTER_PART;
  return keyOf(timeKey(mark.time), mark.lane, sequenceText(mark.sequence));
}

export interface ReadListOptions {
  readonly table: DynamoTable;
  /** A partition, or a range of it. */
  readonly input: Omit<QueryCommandInput, 'TableName' | 'Limit' | 'ExclusiveStartKey' | 'ScanIndexForward'>;
  readonly order: MergeRange['order'];
  readonly keyOf: (item: Item) => ListedItem;
  /** The attributes that say where an item lies in its list. */
  readonly names: readonly string[];
  /** Those that are looked for; DynamoDB itself cannot tell by a key's part. @default all */
  readonly has?: (item: Item) => boolean;
}

/** A list in the order of its sort key, kept as far as it was read. */
export class ReadList {
  readonly #options: ReadListOptions;
  readonly #found: ListedItem[] = [];
  #isOver = false;

  constructor(options: ReadListOptions) {
    this.#options = options;
  }

  /** What comes after a place, or from the beginning: what is known of it, or else about `limit`; none only at the end. */
  async after(mark: EventKey | undefined, limit: number): Promise<readonly ListedItem[]> {
    const sign = this.#options.order === 'asc' ? 1 : -1;
    const isAfter = (item: ListedItem) => mark === undefined || sign * compareKeys(item, mark) > 0;
    let start = this.#found.findIndex(isAfter);
    while (start < 0 && !this.#isOver) {
      const page = await this.#page(limit);
      this.#isOver = page.length < limit;
      this.#found.push(...page);
      start = this.#found.findIndex(isAfter);
    }
    return start < 0 ? [] : this.#found.slice(start);
  }

  async #page(limit: number): Promise<readonly ListedItem[]> {
    const { table, input, order, keyOf: keyOfItem, names, has } = this.#options;
    const last = this.#found.at(-1)?.item;
    const start = last && Object.fromEntries(names.map((name) => [name, text(textOf(last, name))]));
    const items = table.query({
      ...input,
      ScanIndexForward: order === 'asc',
      Limit: has === undefined ? limit : LOOKED_THROUGH,
      ...(start && { ExclusiveStartKey: start }),
    });
    return (await taken(has === undefined ? items : those(items, has), limit)).map(keyOfItem);
  }
}

/** The first items of these lists together, after a mark; a first look into each, side by side, says which come first. */
export async function mergeLists(
  lists: readonly ReadList[],
  range: MergeRange,
  mark?: EventKey,
): Promise<readonly ListedItem[]> {
  const look = Math.min(range.limit, Math.max(LOOK_MIN, Math.ceil(range.limit / lists.length)));
  if (look <= 0) return [];
  const streams = await resultsOf(lists, async (list): Promise<DistantStream | undefined> => {
    const [first] = await list.after(mark, look);
    return first && { first: first.time, read: (after, limit) => list.after(after ?? mark, limit) };
  });
  return mergeDistantKeys(
    streams.filter((stream) => stream !== undefined),
    range,
  );
}

async function* those<T>(generator: AsyncGenerator<T, void>, has: (item: T) => boolean): AsyncGenerator<T, void> {
  for await (const item of generator) if (has(item)) yield item;
}

/** The next ones, at most `limit`; what comes after them is not asked for, and the generator may be gone on with. */
async function taken<T>(generator: AsyncGenerator<T, void>, limit: number): Promise<T[]> {
  const found: T[] = [];
  while (found.length < limit) {
    const { value, done } = await generator.next();
    if (done === true) break;
    found.push(value);
  }
  return found;
}

/** In the order of the items, whichever ends first. */
export async function resultsOf<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  await atOnce(items.entries(), READS_AT_ONCE, async ([place, item]) => {
    results[place] = await work(item);
  });
  return results;
}

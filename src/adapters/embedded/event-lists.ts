import type { SQLInputValue } from 'node:sqlite';
import { type EventKey, type KeyStream, mergeKeys } from '../../store/event-merge.ts';
import type { EventRange, StoredEvent } from '../../store/event-store.ts';
import { integerOf, type ReadStatements } from './read-statements.ts';
import { EVENT_COLUMNS, EVENTS_WITH_SOURCE, type EventRow, storedEventOf, timeKey } from './stored-rows.ts';
import { allPairs, type Pair, walk } from './type-lists.ts';

/** A list in an index that orders it by time: what its events have in common. */
type List = readonly Condition[];

/** Lists of events by visitor, and by time and type. */
export class SqliteEventLists {
  readonly #reads: ReadStatements;

  constructor(reads: ReadStatements) {
    this.#reads = reads;
  }

  ofVisitor(visitor: string, range: EventRange): readonly StoredEvent[] {
    const conditions: Condition[] = [['visitor = ?', this.#reads.idOf('people', visitor)]];
    if (range.eventType !== undefined) {
      conditions.push(['coalesce(other_type, event_type) = ?', this.#reads.idOf('labels', range.eventType)]);
    }
    // A unary plus keeps a condition from choosing the index.
    if (range.source !== undefined) conditions.push(['+source = ?', this.#reads.idOf('labels', range.source)]);
    conditions.push(...pageConditions(range, 'created_at', timeKey));
    const rows = this.#reads.all<EventRow>(
      `SELECT ${EVENT_COLUMNS} FROM ${EVENTS_WITH_SOURCE} ${whereOf(conditions)}
       ORDER BY ${orderOf('created_at', range.order)} LIMIT ?`,
      ...valuesOf(conditions),
      range.limit,
    );
    return rows.map(storedEventOf);
  }

  /** The index on time has a list for each type and source, and one of a source's other types; these lists are merged. */
  byTime(range: EventRange): readonly StoredEvent[] {
    const streams = this.#listsOf(range).flatMap((list) => this.#streamOf(list, range) ?? []);
    const sql = `SELECT ${EVENT_COLUMNS} FROM ${EVENTS_WITH_SOURCE} WHERE events.id = ?`;
    return mergeKeys(streams, range).flatMap(({ id }) => {
      const row = this.#reads.one<EventRow>(sql, id);
      return row === undefined ? [] : [storedEventOf(row)];
    });
  }

  /** Of one type, events may lie in its own lists and, from when it had none, among the others, which another index tells apart. */
  #listsOf({ eventType, source }: EventRange): readonly List[] {
    const type = eventType === undefined ? undefined : this.#reads.idOf('labels', eventType);
    const only = source === undefined ? undefined : this.#reads.idOf('labels', source);
    if (type === null || only === null) return [];
    if (type === undefined) return this.#pairsOf(only).map((pair) => listOf('event_type', pair));
    return (['event_type', 'other_type'] as const).flatMap((column) => {
      if (only !== undefined) return [listOf(column, { event_type: type, source: only })];
      const sql = `SELECT ${column} AS event_type, source FROM events WHERE ${column} = ? AND source > ? ORDER BY source LIMIT 1`;
      return walk((last) => this.#reads.one<Pair>(sql, type, last.source)).map((pair) => listOf(column, pair));
    });
  }

  /** Those of one source, or of all. */
  #pairsOf(only: bigint | undefined): readonly Pair[] {
    if (only === undefined) return allPairs(this.#reads);
    const sql = 'SELECT event_type, source FROM events WHERE event_type > ? ORDER BY event_type, source LIMIT 1';
    const types = walk((last) => this.#reads.one<Pair>(sql, last.event_type));
    return types.map(({ event_type }) => ({ event_type, source: only }));
  }

  /** Undefined when the list has nothing in the range. */
  #streamOf(list: List, range: EventRange): KeyStream<StoredKey> | undefined {
    const { order } = range;
    const bounds = [...list, ...boundsOf(range, 'timestamp', Date.parse)];
    const first = this.#reads.one<{ readonly timestamp: bigint }>(
      `SELECT timestamp FROM events ${whereOf(bounds)} ORDER BY timestamp ${order} LIMIT 1`,
      ...valuesOf(bounds),
    );
    if (first === undefined) return undefined;
    const read: KeyStream<StoredKey>['read'] = (after, limit) => {
      const mark = after === undefined ? range.after : { ...after, time: new Date(after.time).toISOString() };
      const conditions = [...list, ...pageConditions({ ...range, after: mark }, 'timestamp', Date.parse)];
      const rows = this.#reads.all<
        Pick<EventRow, 'id' | 'lane' | 'sequence' | 'place'> & { readonly timestamp: bigint }
      >(
        `SELECT id, timestamp, lane, sequence, place FROM events ${whereOf(conditions)}
         ORDER BY ${orderOf('timestamp', order)} LIMIT ?`,
        ...valuesOf(conditions),
        limit,
      );
      return rows.map(({ id, timestamp, lane, sequence, place }) => ({
        ...{ id, time: Number(timestamp), lane, sequence },
        index: Number(place),
      }));
    };
    return { first: Number(first.timestamp), read };
  }
}

/** An event of a list by time, in epoch milliseconds, and the id of its row. */
interface StoredKey extends EventKey {
  readonly id: bigint;
  readonly time: number;
}

function listOf(column: 'event_type' | 'other_type', { event_type, source }: Pair): List {
  return [
    [`${column} = ?`, event_type],
    ['source = ?', source],
  ];
}

type Condition = readonly [sql: string, ...values: SQLInputValue[]];

type TimeColumn = 'created_at' | 'timestamp';

function whereOf(conditions: readonly Condition[]): string {
  return `WHERE ${conditions.map(([sql]) => sql).join(' AND ')}`;
}

function valuesOf(conditions: readonly Condition[]): readonly SQLInputValue[] {
  return conditions.flatMap(([, ...values]) => values);
}

function orderOf(time: TimeColumn, order: EventRange['order']): string {
  return [time, 'lane', 'sequence', 'place'].map((column) => `${column} ${order}`).join(', ');
}

/**
 * The bounds of a range's time. One condition on each side leads the index to it, the mark's time where there is one; the
 * other, behind a unary plus, only filters.
 */
function boundsOf(
  { from, to, order, after }: EventRange,
  column: TimeColumn,
  timeOf: (time: string) => SQLInputValue,
): readonly Condition[] {
  const conditions: Condition[] = [];
  const isAscending = order === 'asc';
  if (from !== undefined) conditions.push([`${after && isAscending ? '+' : ''}${column} >= ?`, timeOf(from)]);
  if (to !== undefined) conditions.push([`${after && !isAscending ? '+' : ''}${column} < ?`, timeOf(to)]);
  if (after !== undefined) conditions.push([`${column} ${isAscending ? '>=' : '<='} ?`, timeOf(after.time)]);
  return conditions;
}

/** What keeps a page within its range and after its mark: of what has the mark's very time, some comes before it. */
function pageConditions(
  range: EventRange,
  column: TimeColumn,
  timeOf: (time: string) => SQLInputValue,
): readonly Condition[] {
  const conditions = boundsOf(range, column, timeOf);
  if (range.after === undefined) return conditions;
  const { time, lane, sequence, index } = range.after;
  const sql = `(+${column}, lane, sequence, place) ${range.order === 'asc' ? '>' : '<'} (?, ?, ?, ?)`;
  return [...conditions, [sql, timeOf(time), lane, integerOf(sequence), index]];
}

import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { type Identity, identityKey, identityOf } from '../../core/event.ts';
import type { RecordPosition } from '../../log/event-log.ts';
import { type EventKey, type KeyStream, mergeKeys } from '../../store/event-merge.ts';
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
  Row,
  RowKey,
  SealedText,
  StoredCounts,
  StoredEvent,
  StoreTotals,
  VisitorKey,
  Witness,
} from '../../store/event-store.ts';
import { openDatabaseToRead } from './schema.ts';
import { COUNT_STORED, countStored } from './sealed-rows.ts';
import {
  EVENT_COLUMNS,
  EVENTS_WITH_SOURCE,
  type EventRow,
  eventOf,
  LANE_COLUMNS,
  type LaneRow,
  laneOf,
  selectAll,
  selectOne,
  storedEventOf,
  timeKey,
} from './stored-rows.ts';

/**
 * Opens `<folder>/store.sqlite` to read, on a connection of its own, so that it may live in another thread than the writer,
 * who must have opened it before. Throws ClickstreamError `data_format_newer` or `data_unusable`.
 */
export function openEventReader({ folder }: { readonly folder: string }): SqliteEventReader {
  return new SqliteEventReader(openDatabaseToRead(folder));
}

/** Snapshots run one after another, each in one transaction; none waits for the writer, nor the writer for it. */
export class SqliteEventReader implements EventReader {
  readonly #database: DatabaseSync;
  readonly #reads: SqliteReads;
  #last: Promise<unknown> = Promise.resolve();

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#reads = new SqliteReads(database);
  }

  snapshot<T>(read: (reads: EventReads) => Promise<T>): Promise<T> {
    const result = this.#last.then(() => this.#snapshot(read));
    // The next one waits for this one to end, however it ends; its failure is the caller's.
    this.#last = result.catch(() => undefined);
    return result;
  }

  async close(): Promise<void> {
    await this.#last;
    if (this.#database.isOpen) this.#database.close();
  }

  async #snapshot<T>(read: (reads: EventReads) => Promise<T>): Promise<T> {
    this.#database.exec('BEGIN');
    try {
      return await read(this.#reads);
    } finally {
      if (this.#database.isTransaction) this.#database.exec('COMMIT');
    }
  }
}

class SqliteReads implements EventReads {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  async eventsOf(visitor: string, range: EventRange): Promise<readonly StoredEvent[]> {
    const conditions: Condition[] = [['visitor = ?', this.#idOf('people', visitor)]];
    // A unary plus keeps a condition from choosing the index.
    if (range.eventType !== undefined) conditions.push(['+event_type = ?', this.#idOf('labels', range.eventType)]);
    if (range.source !== undefined) conditions.push(['+source = ?', this.#idOf('labels', range.source)]);
    conditions.push(...pageConditions(range, 'created_at', timeKey));
    const rows = this.#all<EventRow>(
      `SELECT ${EVENT_COLUMNS} FROM ${EVENTS_WITH_SOURCE} ${whereOf(conditions)}
       ORDER BY ${orderOf('created_at', range.order)} LIMIT ?`,
      ...valuesOf(conditions),
      range.limit,
    );
    return rows.map(storedEventOf);
  }

  /** The one index on time has a list of its own for each type and source; these lists are merged. */
  async events(range: EventRange): Promise<readonly StoredEvent[]> {
    const streams = this.#pairsOf(range).flatMap((pair) => this.#streamOf(pair, range) ?? []);
    const sql = `SELECT ${EVENT_COLUMNS} FROM ${EVENTS_WITH_SOURCE} WHERE events.id = ?`;
    return mergeKeys(streams, range).flatMap(({ id }) => {
      const row = this.#one<EventRow>(sql, id);
      return row === undefined ? [] : [storedEventOf(row)];
    });
  }

  async visitorsOf(userId: string, limit: number): Promise<readonly VisitorKey[]> {
    return this.#all<VisitorKey>(
      `SELECT labels.text AS source, visitors.text AS visitor FROM links
       JOIN people AS users ON users.id = links.user
       JOIN people AS visitors ON visitors.id = links.visitor
       JOIN labels ON labels.id = links.source
       WHERE users.text = ? ORDER BY links.id LIMIT ?`,
      userId,
      limit,
    ).map(({ source, visitor }) => ({ source, visitor }));
  }

  async rows(range: Parameters<EventReads['rows']>[0]): Promise<readonly Row[]> {
    const { view, from, to } = range;
    const version = this.#versionReady(view);
    if (version === undefined) return [];
    const found: Row[] = [];
    for (const source of range.source === undefined ? this.#sourcesOf(view, version) : [range.source]) {
      const rows = this.#all<Pick<RowKey, 'bucket' | 'lane'> & { readonly value: string }>(
        'SELECT bucket, lane, value FROM rows WHERE view = ? AND version = ? AND source = ? AND bucket >= ? AND bucket < ?',
        view,
        version,
        source,
        from,
        to,
      );
      for (const { bucket, lane, value } of rows) {
        found.push({ key: { view, version: Number(version), source, bucket, lane }, text: value, mark: value });
      }
    }
    return found;
  }

  async sources(view: string): Promise<readonly string[]> {
    const version = this.#versionReady(view);
    return version === undefined ? [] : this.#sourcesOf(view, version);
  }

  async badReasons(range: BadRange): Promise<readonly BadReason[]> {
    const rows = this.#badIn<Pick<BadRow, 'sequence' | 'lane' | 'place' | 'source' | 'code'>>(REASON_COLUMNS, range);
    return rows.map(({ sequence, lane, place, source, code }) => ({
      position: { lane, sequence, index: Number(place) },
      source,
      code,
    }));
  }

  async badAt(positions: readonly EventPosition[]): Promise<readonly BadEvent[]> {
    const sql = `SELECT ${BAD_COLUMNS} FROM bad WHERE sequence = ? AND lane = ? AND place = ?`;
    return positions.flatMap(({ lane, sequence, index }) => {
      const row = this.#one<BadRow>(sql, sequence, lane, index);
      return row === undefined ? [] : [badEventOf(row)];
    });
  }

  async dead(limit: number, after?: RecordPosition): Promise<readonly DeadRecord[]> {
    const before = after === undefined ? '' : 'WHERE (sequence, lane) < (?, ?)';
    const rows = this.#all<DeadRow>(
      `SELECT ${DEAD_COLUMNS} FROM dead ${before} ORDER BY sequence DESC, lane DESC LIMIT ?`,
      ...(after === undefined ? [] : [integerOf(after.sequence), after.lane]),
      limit,
    );
    return rows.map(deadRecordOf);
  }

  async deadAt({ lane, sequence }: RecordPosition): Promise<DeadRecord | undefined> {
    const sql = `SELECT ${DEAD_COLUMNS} FROM dead WHERE sequence = ? AND lane = ?`;
    const row = this.#one<DeadRow>(sql, integerOf(sequence), lane);
    return row && deadRecordOf(row);
  }

  async lanes(): Promise<ReadonlyMap<string, LaneState>> {
    return new Map(this.#lanes().map((row) => [row.lane, laneOf(row)]));
  }

  async witnesses(): Promise<readonly Witness[]> {
    const rows = this.#all<
      Omit<Witness, 'number' | 'atMs'> & { readonly number: bigint; readonly at_ms: bigint | null }
    >('SELECT collector, number, lane, sequence, at_ms FROM witnesses');
    return rows.map(({ collector, number, lane, sequence, at_ms }) => ({
      ...{ collector, number: Number(number), lane, sequence },
      ...(at_ms !== null && { atMs: Number(at_ms) }),
    }));
  }

  async totals(): Promise<StoreTotals> {
    const row = this.#one<
      Record<Exclude<keyof StoreTotals, 'expiredThrough' | 'expiredBefore'>, bigint> & {
        readonly expired_before: string | null;
      }
    >('SELECT events, bad, dead, visitors, expired, erased, expired_before FROM totals');
    if (row === undefined) throw new Error('the store has lost its totals');
    return {
      events: Number(row.events),
      bad: Number(row.bad),
      dead: Number(row.dead),
      visitors: Number(row.visitors),
      expired: Number(row.expired),
      erased: Number(row.erased),
      expiredThrough: new Map(
        this.#lanes().flatMap(({ lane, expired_through }) =>
          expired_through === null ? [] : [[lane, expired_through]],
        ),
      ),
      ...(row.expired_before !== null && { expiredBefore: row.expired_before }),
    };
  }

  async sealed(): Promise<SealedText | undefined> {
    const row = this.#one<{ readonly revision: bigint; readonly text: string }>('SELECT revision, text FROM sealed');
    return row && { revision: Number(row.revision), text: row.text };
  }

  async storedCounts(asked: Parameters<EventReads['storedCounts']>[0]): Promise<StoredCounts> {
    return countStored(this.#prepare(COUNT_STORED), asked);
  }

  async doubled(limit: number): Promise<readonly DoubledEvent[]> {
    const candidates = this.#prepare(
      'SELECT visitor, created_at, hash FROM events GROUP BY visitor, created_at, hash HAVING count(*) > 1',
    );
    candidates.setReadBigInts(true);
    const doubled: DoubledEvent[] = [];
    for (const candidate of candidates.iterate()) {
      const { visitor, created_at, hash } = candidate as { visitor: bigint; created_at: Uint8Array; hash: bigint };
      doubled.push(...this.#doubledAmong(visitor, created_at, hash));
      if (doubled.length >= limit) break;
    }
    return doubled.slice(0, limit);
  }

  #doubledAmong(visitor: bigint, createdAt: Uint8Array, hash: bigint): readonly DoubledEvent[] {
    const rows = this.#all<EventRow>(
      `SELECT ${EVENT_COLUMNS} FROM ${EVENTS_WITH_SOURCE} WHERE visitor = ? AND created_at = ? AND hash = ?
       ORDER BY sequence, lane, place`,
      visitor,
      createdAt,
      hash,
    );
    const byIdentity = new Map<string, { readonly identity: Identity; readonly positions: EventPosition[] }>();
    for (const row of rows) {
      const identity = identityOf(eventOf(row));
      const position = { lane: row.lane, sequence: row.sequence, index: Number(row.place) };
      const same = byIdentity.get(identityKey(identity));
      if (same === undefined) byIdentity.set(identityKey(identity), { identity, positions: [position] });
      else same.positions.push(position);
    }
    return [...byIdentity.values()].filter(({ positions }) => positions.length > 1);
  }

  #badIn<Found>(columns: string, { limit, after }: BadRange): readonly Found[] {
    const before = after === undefined ? '' : 'WHERE (sequence, lane, place) < (?, ?, ?)';
    return this.#all<Found>(
      `SELECT ${columns} FROM bad ${before} ORDER BY sequence DESC, lane DESC, place DESC LIMIT ?`,
      ...(after === undefined ? [] : [after.sequence, after.lane, after.index]),
      limit,
    );
  }

  /** The types and sources that events of a range may have. One look into the index for each, not one for each event. */
  #pairsOf({ eventType, source }: EventRange): readonly Pair[] {
    const type = eventType === undefined ? undefined : this.#idOf('labels', eventType);
    const only = source === undefined ? undefined : this.#idOf('labels', source);
    if (type === null || only === null) return [];
    if (type !== undefined && only !== undefined) return [{ event_type: type, source: only }];
    const from = 'SELECT event_type, source FROM events';
    // Of both at once, (event_type, source) > (?, ?), SQLite would go through all events of the type.
    const nextSource = `${from} WHERE event_type = ? AND source > ? ORDER BY source LIMIT 1`;
    const nextType = `${from} WHERE event_type > ? ORDER BY event_type, source LIMIT 1`;
    if (type !== undefined) return this.#walk((last) => this.#one<Pair>(nextSource, type, last.source));
    if (only !== undefined) {
      const types = this.#walk((last) => this.#one<Pair>(nextType, last.event_type));
      return types.map(({ event_type }) => ({ event_type, source: only }));
    }
    return this.#walk(
      (last) => this.#one<Pair>(nextSource, last.event_type, last.source) ?? this.#one<Pair>(nextType, last.event_type),
    );
  }

  /** What `next` finds after nothing, after that, and so on; integers of labels are above 0. */
  #walk(next: (last: Pair) => Pair | undefined): readonly Pair[] {
    const found: Pair[] = [];
    for (let pair = next({ event_type: 0n, source: 0n }); pair !== undefined; pair = next(pair)) found.push(pair);
    return found;
  }

  /** Undefined when the pair has nothing in the range. */
  #streamOf({ event_type, source }: Pair, range: EventRange): KeyStream<StoredKey> | undefined {
    const { order } = range;
    const ofPair: readonly Condition[] = [
      ['event_type = ?', event_type],
      ['source = ?', source],
    ];
    const bounds = [...ofPair, ...boundsOf(range, 'timestamp', Date.parse)];
    const first = this.#one<{ readonly timestamp: bigint }>(
      `SELECT timestamp FROM events ${whereOf(bounds)} ORDER BY timestamp ${order} LIMIT 1`,
      ...valuesOf(bounds),
    );
    if (first === undefined) return undefined;
    const read: KeyStream<StoredKey>['read'] = (after, limit) => {
      const mark = after === undefined ? range.after : { ...after, time: new Date(after.time).toISOString() };
      const conditions = [...ofPair, ...pageConditions({ ...range, after: mark }, 'timestamp', Date.parse)];
      const rows = this.#all<Pick<EventRow, 'id' | 'lane' | 'sequence' | 'place'> & { readonly timestamp: bigint }>(
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

  /** The newest version that all lanes fold from their beginning, or whose rebuild is finished. */
  #versionReady(view: string): bigint | undefined {
    const rebuilt = this.#one<{ readonly version: bigint | null }>(
      'SELECT max(version) AS version FROM rebuilds WHERE view = ? AND finished = 1',
      view,
    )?.version;
    const lanes = this.#lanes().map(laneOf);
    let version = this.#newestBelow(view, Number.MAX_SAFE_INTEGER);
    while (version !== null && version > (rebuilt ?? -1n)) {
      const key = `${view}@${version}`;
      if (lanes.every(({ cuts }) => cuts[key] === undefined)) return version;
      version = this.#newestBelow(view, version);
    }
    return rebuilt ?? undefined;
  }

  #newestBelow(view: string, version: number | bigint): bigint | null {
    const sql = 'SELECT max(version) AS version FROM rows WHERE view = ? AND version < ?';
    return this.#one<{ readonly version: bigint | null }>(sql, view, version)?.version ?? null;
  }

  /** One look into the index for each source, not one for each row. */
  #sourcesOf(view: string, version: bigint): readonly string[] {
    const sources: string[] = [];
    const sql = 'SELECT min(source) AS source FROM rows WHERE view = ? AND version = ? AND source > ?';
    let source = this.#one<{ readonly source: string | null }>(
      'SELECT min(source) AS source FROM rows WHERE view = ? AND version = ?',
      view,
      version,
    )?.source;
    while (typeof source === 'string') {
      sources.push(source);
      source = this.#one<{ readonly source: string | null }>(sql, view, version, source)?.source;
    }
    return sources;
  }

  #lanes(): readonly LaneRow[] {
    return this.#all<LaneRow>(`SELECT ${LANE_COLUMNS} FROM lanes`);
  }

  /** Not remembered, for an erased person's integer may be given to another. Null, which equals nothing, when absent. */
  #idOf(table: 'people' | 'labels', text: string): bigint | null {
    return this.#one<{ readonly id: bigint }>(`SELECT id FROM ${table} WHERE text = ?`, text)?.id ?? null;
  }

  #all<Found>(sql: string, ...values: readonly SQLInputValue[]): readonly Found[] {
    return selectAll<Found>(this.#prepare(sql), ...values);
  }

  #one<Found>(sql: string, ...values: readonly SQLInputValue[]): Found | undefined {
    return selectOne<Found>(this.#prepare(sql), ...values);
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** An event of a list by time, in epoch milliseconds, and the id of its row. */
interface StoredKey extends EventKey {
  readonly id: bigint;
  readonly time: number;
}

/** A type and a source, as integers of `labels`. */
interface Pair {
  readonly event_type: bigint;
  readonly source: bigint;
}

interface BadRow {
  readonly sequence: bigint;
  readonly lane: string;
  readonly place: bigint;
  readonly source: string;
  readonly received_at: string;
  readonly code: string;
  readonly detail: string;
  readonly payload: string;
}

const REASON_COLUMNS = 'sequence, lane, place, source, code';
const BAD_COLUMNS = 'sequence, lane, place, source, received_at, code, detail, payload';

function badEventOf({ sequence, lane, place, source, received_at, code, detail, payload }: BadRow): BadEvent {
  const position = { lane, sequence, index: Number(place) };
  return { position, source, receivedAt: received_at, code, detail, payload };
}

interface DeadRow {
  readonly sequence: bigint;
  readonly lane: string;
  readonly detail: string;
  readonly payload: Uint8Array;
  readonly redriven_lane: string | null;
  readonly redriven_sequence: bigint | null;
}

const DEAD_COLUMNS = 'sequence, lane, detail, payload, redriven_lane, redriven_sequence';

function deadRecordOf({ lane, sequence, detail, payload, ...row }: DeadRow): DeadRecord {
  const { redriven_lane, redriven_sequence } = row;
  if (redriven_lane === null || redriven_sequence === null) return { lane, sequence, detail, payload };
  return { lane, sequence, detail, payload, redriven: { lane: redriven_lane, sequence: redriven_sequence } };
}

const INTEGER_MAX = 2n ** 63n - 1n;

/** An id or a cursor may name any sequence; none that is stored is beyond what SQLite's integers hold. */
function integerOf(sequence: bigint): bigint {
  return sequence > INTEGER_MAX ? INTEGER_MAX : sequence;
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
  return [...conditions, [sql, timeOf(time), lane, sequence, index]];
}

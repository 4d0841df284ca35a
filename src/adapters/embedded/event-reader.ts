import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { type Identity, identityKey, identityOf } from '../../core/event.ts';
import type {
  BadEvent,
  DeadRecord,
  DoubledEvent,
  EventPosition,
  EventRange,
  EventReader,
  EventReads,
  LaneState,
  Row,
  RowKey,
  StoredCount,
  StoredEvent,
  StoreTotals,
  VisitorKey,
  Witness,
} from '../../store/event-store.ts';
import { openDatabaseToRead } from './schema.ts';
import {
  EVENT_COLUMNS,
  EVENTS_WITH_SOURCE,
  type EventRow,
  eventOf,
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

  async eventsOf(
    who: string,
    range: EventRange & { readonly visitor?: string | undefined },
  ): Promise<readonly StoredEvent[]> {
    const conditions: Condition[] = [['who = ?', this.#idOf('people', who)]];
    // A unary plus keeps a condition from choosing the index.
    if (range.visitor !== undefined) conditions.push(['+visitor = ?', this.#idOf('people', range.visitor)]);
    if (range.eventType !== undefined) conditions.push(['+event_type = ?', this.#idOf('labels', range.eventType)]);
    return this.#events([...conditions, ...pageConditions(range, 'created_at', timeKey)], 'created_at', range);
  }

  async events(range: EventRange): Promise<readonly StoredEvent[]> {
    const conditions: Condition[] = [];
    if (range.eventType !== undefined) conditions.push(['event_type = ?', this.#idOf('labels', range.eventType)]);
    return this.#events([...conditions, ...pageConditions(range, 'timestamp', Date.parse)], 'timestamp', range);
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

  async usersOf(visitor: string, limit: number): Promise<readonly string[]> {
    const rows = this.#all<{ readonly user: string }>(
      `SELECT people.text AS user FROM
         (SELECT DISTINCT user FROM links WHERE visitor = (SELECT id FROM people WHERE text = ?) LIMIT ?) AS linked
       JOIN people ON people.id = linked.user`,
      visitor,
      limit,
    );
    return rows.map(({ user }) => user);
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
        found.push({ key: { view, version: Number(version), source, bucket, lane }, text: value });
      }
    }
    return found;
  }

  async bad({ limit, after }: Parameters<EventReads['bad']>[0]): Promise<readonly BadEvent[]> {
    const before = after === undefined ? '' : 'WHERE (sequence, lane, place) < (?, ?, ?)';
    const rows = this.#all<Record<'sequence' | 'place', bigint> & Record<BadText, string>>(
      `SELECT sequence, lane, place, source, received_at, code, detail, payload FROM bad ${before}
       ORDER BY sequence DESC, lane DESC, place DESC LIMIT ?`,
      ...(after === undefined ? [] : [after.sequence, after.lane, after.index]),
      limit,
    );
    return rows.map(({ sequence, lane, place, source, received_at, code, detail, payload }) => ({
      position: { lane, sequence, index: Number(place) },
      source,
      receivedAt: received_at,
      code,
      detail,
      payload,
    }));
  }

  async dead(limit: number): Promise<readonly DeadRecord[]> {
    const rows = this.#all<DeadRecord>(
      'SELECT sequence, lane, detail, payload FROM dead ORDER BY sequence DESC, lane DESC LIMIT ?',
      limit,
    );
    return rows.map(({ lane, sequence, detail, payload }) => ({ lane, sequence, detail, payload }));
  }

  async lanes(): Promise<ReadonlyMap<string, LaneState>> {
    return new Map(this.#lanes().map((row) => [row.lane, laneOf(row)]));
  }

  async witnesses(): Promise<readonly Witness[]> {
    const rows = this.#all<Omit<Witness, 'number'> & { readonly number: bigint }>(
      'SELECT collector, number, lane, sequence FROM witnesses',
    );
    return rows.map(({ collector, number, lane, sequence }) => ({ collector, number: Number(number), lane, sequence }));
  }

  async totals(): Promise<StoreTotals> {
    const row = this.#one<Record<Exclude<keyof StoreTotals, 'expiredThrough'>, bigint>>(
      'SELECT events, bad, dead, visitors, expired, erased FROM totals',
    );
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
    };
  }

  async storedCounts(lane: string): Promise<readonly StoredCount[]> {
    const rows = this.#all<{ readonly sequence: bigint; readonly events: bigint }>(
      `SELECT sequence, sum(events) AS events FROM (
         SELECT sequence, 1 AS events FROM events WHERE lane = ?1
         UNION ALL SELECT sequence, events FROM removed WHERE lane = ?1
       ) GROUP BY sequence ORDER BY sequence`,
      lane,
    );
    return rows.map(({ sequence, events }) => ({ lane, sequence, events: Number(events) }));
  }

  async doubled(limit: number): Promise<readonly DoubledEvent[]> {
    const candidates = this.#prepare(
      'SELECT who, created_at, hash FROM events GROUP BY who, created_at, hash HAVING count(*) > 1',
    );
    candidates.setReadBigInts(true);
    const doubled: DoubledEvent[] = [];
    for (const candidate of candidates.iterate()) {
      const { who, created_at, hash } = candidate as { who: bigint; created_at: Uint8Array; hash: bigint };
      doubled.push(...this.#doubledAmong(who, created_at, hash));
      if (doubled.length >= limit) break;
    }
    return doubled.slice(0, limit);
  }

  #doubledAmong(who: bigint, createdAt: Uint8Array, hash: bigint): readonly DoubledEvent[] {
    const rows = this.#all<EventRow>(
      `SELECT ${EVENT_COLUMNS} FROM ${EVENTS_WITH_SOURCE} WHERE who = ? AND created_at = ? AND hash = ?
       ORDER BY sequence, lane, place`,
      who,
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

  #events(
    conditions: readonly Condition[],
    time: TimeColumn,
    { order, limit }: Pick<EventRange, 'order' | 'limit'>,
  ): readonly StoredEvent[] {
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.map(([sql]) => sql).join(' AND ')}`;
    const columns = [time, 'lane', 'sequence', 'place'].map((column) => `${column} ${order}`).join(', ');
    const rows = this.#all<EventRow>(
      `SELECT ${EVENT_COLUMNS} FROM ${EVENTS_WITH_SOURCE} ${where} ORDER BY ${columns} LIMIT ?`,
      ...conditions.flatMap(([, ...values]) => values),
      limit,
    );
    return rows.map(storedEventOf);
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
    return this.#all<LaneRow>('SELECT lane, done, registry, cuts, expired_through FROM lanes');
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

type BadText = 'lane' | 'source' | 'received_at' | 'code' | 'detail' | 'payload';
type Condition = readonly [sql: string, ...values: SQLInputValue[]];

type TimeColumn = 'created_at' | 'timestamp';

/**
 * What keeps a page within its range and after its mark. One condition on each side leads the index to its bound, the
 * mark's time where there is one; the others, behind a unary plus, only filter what has that very time.
 */
function pageConditions(
  { from, to, order, after }: EventRange,
  column: TimeColumn,
  timeOf: (time: string) => SQLInputValue,
): readonly Condition[] {
  const conditions: Condition[] = [];
  const isAscending = order === 'asc';
  if (from !== undefined) conditions.push([`${after && isAscending ? '+' : ''}${column} >= ?`, timeOf(from)]);
  if (to !== undefined) conditions.push([`${after && !isAscending ? '+' : ''}${column} < ?`, timeOf(to)]);
  if (after !== undefined) {
    const { time, lane, sequence, index } = after;
    conditions.push([`${column} ${isAscending ? '>=' : '<='} ?`, timeOf(time)]);
    const comparison = isAscending ? '>' : '<';
    conditions.push([
      `(+${column}, lane, sequence, place) ${comparison} (?, ?, ?, ?)`,
      timeOf(time),
      lane,
      sequence,
      index,
    ]);
  }
  return conditions;
}

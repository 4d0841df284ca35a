import type { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import type { Erasing, ErasureCounts } from '../../core/erasures.ts';
import { type Identity, identityKey, identityOf } from '../../core/event.ts';
import { type ReadVersion, type ViewRebuild, versionsRead } from '../../core/generations.ts';
import { readJson } from '../../core/read-json.ts';
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
  RowKey,
  SealedText,
  StoredCounts,
  StoredEvent,
  StoreTotals,
  VisitorKey,
  VisitorState,
  Witness,
} from '../../store/event-store.ts';
import { visitorText } from '../../store/event-store.ts';
import { StoredCounting } from '../../store/stored-counting.ts';
import { BadReads } from './bad-rows.ts';
import { readErasing, readErasure } from './erasures.ts';
import { SqliteEventLists } from './event-lists.ts';
import { integerOf, ReadStatements } from './read-statements.ts';
import { openDatabaseToRead } from './schema.ts';
import { countEvents, countRemoved, EVENTS_TO_COUNT, REMOVED_TO_COUNT } from './sealed-rows.ts';
import {
  EVENT_COLUMNS,
  EVENTS_WITH_SOURCE,
  type EventRow,
  eventOf,
  LANE_COLUMNS,
  type LaneRow,
  laneOf,
} from './stored-rows.ts';
import {
  GENERATION_COLUMNS,
  type GenerationRow,
  generationOf,
  REBUILD_COLUMNS,
  REBUILD_LANE,
  type RebuildRow,
  rebuildsOf,
} from './view-rebuilds.ts';

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
  readonly #reads: ReadStatements;
  readonly #lists: SqliteEventLists;
  readonly #bad: BadReads;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#reads = new ReadStatements(database);
    this.#lists = new SqliteEventLists(this.#reads);
    this.#bad = new BadReads(this.#reads);
  }

  async eventsOf(visitor: string, range: EventRange): Promise<readonly StoredEvent[]> {
    return this.#lists.ofVisitor(visitor, range);
  }

  async events(range: EventRange): Promise<readonly StoredEvent[]> {
    return this.#lists.byTime(range);
  }

  async visitorsOf(userId: string, limit: number): Promise<readonly VisitorKey[]> {
    return this.#reads
      .all<VisitorKey>(
        `SELECT labels.text AS source, visitors.text AS visitor FROM links
       JOIN people AS users ON users.id = links.user
       JOIN people AS visitors ON visitors.id = links.visitor
       JOIN labels ON labels.id = links.source
       WHERE users.text = ? ORDER BY links.id LIMIT ?`,
        userId,
        limit,
      )
      .map(({ source, visitor }) => ({ source, visitor }));
  }

  async visitorStates(keys: readonly VisitorKey[]): Promise<ReadonlyMap<string, VisitorState>> {
    const states = keys.flatMap((key) => {
      const state = this.#reads.one<VisitorState>(
        `SELECT visitors.sequence, visitors.state FROM visitors
         JOIN people ON people.id = visitors.visitor JOIN labels ON labels.id = visitors.source
         WHERE people.text = ? AND labels.text = ?`,
        key.visitor,
        key.source,
      );
      return state === undefined ? [] : [[visitorText(key), { ...state }] as const];
    });
    return new Map(states);
  }

  async rows(range: Parameters<EventReads['rows']>[0]): Promise<readonly Row[]> {
    const { view, from, to } = range;
    const found: Row[] = [];
    for (const { version, isWhole } of this.#versionsRead(view)) {
      const without = isWhole ? '' : `AND lane <> '${REBUILD_LANE}'`;
      for (const source of range.source === undefined ? this.#sourcesOf(view, version) : [range.source]) {
        const rows = this.#reads.all<Pick<RowKey, 'bucket' | 'lane'> & { readonly value: string }>(
          `SELECT bucket, lane, value FROM rows
           WHERE view = ? AND version = ? AND source = ? AND bucket >= ? AND bucket < ? ${without}`,
          view,
          version,
          source,
          from,
          to,
        );
        for (const { bucket, lane, value } of rows) {
          found.push({ key: { view, version, source, bucket, lane }, text: value, mark: value });
        }
      }
    }
    return found;
  }

  async sources(view: string): Promise<readonly string[]> {
    const sources = this.#versionsRead(view).flatMap(({ version }) => this.#sourcesOf(view, version));
    return [...new Set(sources)].sort();
  }

  async badReasons(range: BadRange): Promise<readonly BadReason[]> {
    return this.#bad.reasons(range);
  }

  async badAt(positions: readonly EventPosition[]): Promise<readonly BadEvent[]> {
    return this.#bad.at(positions);
  }

  async dead(limit: number, after?: RecordPosition): Promise<readonly DeadRecord[]> {
    const before = after === undefined ? '' : 'WHERE (sequence, lane) < (?, ?)';
    const rows = this.#reads.all<DeadRow>(
      `SELECT ${DEAD_COLUMNS} FROM dead ${before} ORDER BY sequence DESC, lane DESC LIMIT ?`,
      ...(after === undefined ? [] : [integerOf(after.sequence), after.lane]),
      limit,
    );
    return rows.map(deadRecordOf);
  }

  async deadAt({ lane, sequence }: RecordPosition): Promise<DeadRecord | undefined> {
    const sql = `SELECT ${DEAD_COLUMNS} FROM dead WHERE sequence = ? AND lane = ?`;
    const row = this.#reads.one<DeadRow>(sql, integerOf(sequence), lane);
    return row && deadRecordOf(row);
  }

  async notesAt(places: readonly RecordPosition[]): Promise<readonly (RecordNote & RecordPosition)[]> {
    const sql = 'SELECT received_at, duplicates, bad, forgotten FROM notes WHERE lane = ? AND sequence = ?';
    return places.flatMap(({ lane, sequence }) => {
      const row = this.#reads.one<NoteRow>(sql, lane, integerOf(sequence));
      return row === undefined ? [] : [{ lane, sequence, ...noteOf(row) }];
    });
  }

  async erasing(limit: number): Promise<readonly Erasing[]> {
    return readErasing(this.#reads, limit);
  }

  async erasure(erasure: string): Promise<ErasureCounts | undefined> {
    return readErasure(this.#reads, erasure);
  }

  async lanes(): Promise<ReadonlyMap<string, LaneState>> {
    return new Map(this.#lanes().map((row) => [row.lane, laneOf(row)]));
  }

  async witnesses(): Promise<readonly Witness[]> {
    const rows = this.#reads.all<
      Pick<Witness, 'collector' | 'lane' | 'sequence'> & { readonly number: bigint } & Readonly<
          Record<'at_ms' | 'events' | 'identities', bigint | null>
        >
    >('SELECT collector, number, lane, sequence, at_ms, events, identities FROM witnesses');
    return rows.map(({ collector, number, lane, sequence, at_ms, events, identities }) => ({
      ...{ collector, number: Number(number), lane, sequence },
      ...(at_ms !== null && { atMs: Number(at_ms) }),
      ...(events !== null && { counted: { events: Number(events), identities: Number(identities) } }),
    }));
  }

  async totals(): Promise<StoreTotals> {
    const row = this.#reads.one<
      Record<Exclude<keyof StoreTotals, 'expiredThrough' | 'expiredBefore'>, bigint> & {
        readonly expired_before: string | null;
      }
    >('SELECT events, bad, bad_expired AS badExpired, dead, visitors, expired, erased, expired_before FROM totals');
    if (row === undefined) throw new Error('the store has lost its totals');
    return {
      events: Number(row.events),
      bad: Number(row.bad),
      badExpired: Number(row.badExpired),
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

  async rebuilds(): Promise<readonly ViewRebuild[]> {
    const rows = this.#reads.all<GenerationRow>(`SELECT ${GENERATION_COLUMNS} FROM generations`);
    return rebuildsOf({
      rebuilds: this.#reads.all<RebuildRow>(`SELECT ${REBUILD_COLUMNS} FROM rebuilds`),
      generations: Object.fromEntries(rows.map((row) => [row.view, generationOf(row)])),
      lanes: this.#lanes(),
    });
  }

  async sealed(): Promise<SealedText | undefined> {
    const row = this.#reads.one<{ readonly revision: bigint; readonly text: string }>(
      'SELECT revision, text FROM sealed',
    );
    return row && { revision: Number(row.revision), text: row.text };
  }

  async storedCounts(asked: Parameters<EventReads['storedCounts']>[0]): Promise<StoredCounts> {
    const counts = new StoredCounting(asked);
    const events = this.#reads.prepare(EVENTS_TO_COUNT);
    const through = this.#reads.one<{ readonly id: bigint | null }>('SELECT max(id) AS id FROM events')?.id ?? 0n;
    for (let after: bigint | undefined = 0n; ; await this.#giveUpMoment()) {
      after = countEvents(counts, events, { after, through });
      if (after === undefined) break;
    }
    countRemoved(counts, this.#reads.prepare(REMOVED_TO_COUNT));
    return counts.counts();
  }

  /** So that the write-ahead log can start anew, and this thread hears what else it is asked. */
  async #giveUpMoment(): Promise<void> {
    this.#database.exec('COMMIT');
    await setImmediate();
    this.#database.exec('BEGIN');
  }

  async doubled(limit: number): Promise<readonly DoubledEvent[]> {
    // Of any two events of one hash, one has another twin than 0: so the index by identity has it, and hardly any has.
    const candidates = this.#reads.prepare(
      'SELECT DISTINCT visitor, created_at, hash FROM events INDEXED BY events_twins WHERE twin > 0',
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
    const rows = this.#reads.all<EventRow>(
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

  #versionsRead(view: string): readonly ReadVersion[] {
    const rebuilt = this.#versionRebuilt(view);
    const ready = this.#versionReady(view, rebuilt);
    const sql = `SELECT ${GENERATION_COLUMNS} FROM generations WHERE view = ?`;
    const asked = this.#reads.one<GenerationRow>(sql, view);
    return versionsRead({
      ready: ready === null ? undefined : Number(ready),
      rebuilt: rebuilt === null ? undefined : Number(rebuilt),
      generation: asked && generationOf(asked),
    });
  }

  /** The newest version that all lanes fold from their beginning, or whose rebuild is finished. */
  #versionReady(view: string, rebuilt: bigint | null): bigint | null {
    const lanes = this.#lanes().map(laneOf);
    let version = this.#newestBelow(view, Number.MAX_SAFE_INTEGER);
    while (version !== null && version > (rebuilt ?? -1n)) {
      const key = `${view}@${version}`;
      if (lanes.every(({ cuts }) => cuts[key] === undefined)) return version;
      version = this.#newestBelow(view, version);
    }
    return rebuilt;
  }

  #versionRebuilt(view: string): bigint | null {
    const sql = 'SELECT max(version) AS version FROM rebuilds WHERE view = ? AND finished = 1';
    return this.#reads.one<{ readonly version: bigint | null }>(sql, view)?.version ?? null;
  }

  #newestBelow(view: string, version: number | bigint): bigint | null {
    const sql = 'SELECT max(version) AS version FROM rows WHERE view = ? AND version < ?';
    return this.#reads.one<{ readonly version: bigint | null }>(sql, view, version)?.version ?? null;
  }

  /** One look into the index for each source, not one for each row. */
  #sourcesOf(view: string, version: number): readonly string[] {
    const sources: string[] = [];
    const sql = 'SELECT min(source) AS source FROM rows WHERE view = ? AND version = ? AND source > ?';
    let source = this.#reads.one<{ readonly source: string | null }>(
      'SELECT min(source) AS source FROM rows WHERE view = ? AND version = ?',
      view,
      version,
    )?.source;
    while (typeof source === 'string') {
      sources.push(source);
      source = this.#reads.one<{ readonly source: string | null }>(sql, view, version, source)?.source;
    }
    return sources;
  }

  #lanes(): readonly LaneRow[] {
    return this.#reads.all<LaneRow>(`SELECT ${LANE_COLUMNS} FROM lanes`);
  }
}

type NoteRow = Readonly<Record<'received_at' | 'duplicates' | 'bad' | 'forgotten', string>>;

function noteOf(row: NoteRow): Omit<RecordNote, 'sequence'> {
  const placesOf = (text: string) => readJson(text) as readonly number[];
  const forgotten = placesOf(row.forgotten);
  return {
    ...{ receivedAt: row.received_at, duplicates: placesOf(row.duplicates), bad: placesOf(row.bad) },
    ...(forgotten.length > 0 && { forgotten }),
  };
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

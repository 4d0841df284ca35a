import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { type Identity, identityKey } from '../../core/event.ts';
import { LIMITS } from '../../core/limits.ts';
import type { View } from '../../core/view.ts';
import {
  type Applied,
  type Decision,
  type EventPut,
  type EventStore,
  type KnownEvent,
  type LaneState,
  type Link,
  type Loaded,
  type VisitorPut,
  type VisitorState,
  visitorText,
  type Witness,
} from '../../store/event-store.ts';
import { BoundedCache, Names } from './names.ts';
import { openDatabase, transact } from './schema.ts';
import { eraseVisitor, expireEvents, rebuildView } from './store-maintenance.ts';
import {
  cutsText,
  type EventRow,
  hasIdentity,
  type LaneRow,
  laneOf,
  registryText,
  selectAll,
  selectOne,
  timeKey,
} from './stored-rows.ts';
import { ViewRows } from './view-rows.ts';

/** https://www.sqlite.org/rescode.html#ioerr_fsync */
const SQLITE_IOERR_FSYNC = 1034;

/** Opens or makes `<folder>/store.sqlite`, for the one process that writes it. Throws `data_format_newer`, `data_unusable`. */
export function openEventStore({ folder }: { readonly folder: string }): SqliteEventStore {
  return new SqliteEventStore(openDatabase(folder));
}

/** The embedded `EventStore`: one transaction a batch, with the lane's `done` in it. */
export class SqliteEventStore implements EventStore {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  readonly #people: Names;
  readonly #labels: Names;
  readonly #rows: ViewRows;
  /** Identities that the last `load` looked for and did not find; nothing was written since. Most puts need no second look. */
  readonly #absent = new Set<Identity>();
  /** Links that are stored, for most events repeat one. */
  readonly #linked = new BoundedCache<true>(LIMITS.storeNamesCachedMax);
  /** Set by an fsync that failed: what it covered may be lost though the next one succeeds, so none is trusted. */
  #fsyncFailure: unknown;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = prepareStatements(database);
    this.#people = new Names(database, 'people');
    this.#labels = new Names(database, 'labels');
    this.#rows = new ViewRows(database);
  }

  async load(lane: string, keys: Parameters<EventStore['load']>[1]): Promise<Loaded> {
    const visitors = new Map<string, VisitorState>();
    const known = new Map<string, KnownEvent>();
    this.#absent.clear();
    // A transaction makes the reads of one moment, and three times as fast.
    this.#database.exec('BEGIN');
    try {
      for (const key of keys.visitors) {
        const visitor = this.#people.find(key.visitor);
        const source = this.#labels.find(key.source);
        if (visitor === undefined || source === undefined) continue;
        const found = selectOne<VisitorState>(this.#statements.visitor, visitor, source);
        if (found !== undefined) visitors.set(visitorText(key), { sequence: found.sequence, state: found.state });
      }
      for (const identity of keys.identities) {
        const who = this.#people.find(identity.who);
        const event = who === undefined ? undefined : this.#find(identity, who, hashOf(identity));
        if (event === undefined) this.#absent.add(identity);
        else known.set(identityKey(identity), event);
      }
      return { lane: this.#lane(lane), visitors, known };
    } finally {
      this.#database.exec('COMMIT');
    }
  }

  async apply(decision: Decision): Promise<Applied> {
    const applied = this.#write(
      () => this.#applyAll(decision),
      ({ kind }) => kind === 'applied',
    );
    this.#checkpointWhenDue();
    return applied;
  }

  async witness({ collector, number, lane, sequence }: Witness): Promise<void> {
    this.#write(() => this.#statements.putWitness.run(collector, number, lane, sequence));
    this.#checkpointWhenDue();
  }

  async expire(before: { readonly receivedAt: string; readonly limit: number }): Promise<number> {
    const expired = this.#write(() => expireEvents(this.#database, before));
    this.#checkpointWhenDue();
    return expired;
  }

  async rebuild(view: View, limit: number): Promise<boolean> {
    const isDone = this.#write(() => rebuildView(this.#database, this.#rows, { view, limit }));
    this.#checkpointWhenDue();
    return isDone;
  }

  /**
   * One commit with synchronous=FULL syncs the write-ahead log, whatever readers are doing, and with it every commit
   * before; a checkpoint, which does the same for what no reader holds up, then keeps the log short.
   */
  async sync(): Promise<ReadonlyMap<string, bigint>> {
    if (this.#fsyncFailure !== undefined) {
      throw new Error('the store cannot tell what is durable since a sync failed: restart', {
        cause: this.#fsyncFailure,
      });
    }
    this.#database.exec('PRAGMA synchronous = FULL');
    try {
      const lanes = this.#write(() => {
        this.#statements.countSync.run();
        return selectAll<{ lane: string; done: bigint }>(this.#statements.dones);
      });
      this.#checkpoint();
      return new Map(lanes.map(({ lane, done }) => [lane, done]));
    } finally {
      this.#database.exec('PRAGMA synchronous = NORMAL');
    }
  }

  async close(): Promise<void> {
    if (this.#database.isOpen) this.#database.close();
  }

  #applyAll(decision: Decision): Applied {
    this.#checkLane(decision.lane, decision.loaded);
    const known = this.#putEvents(decision.events);
    if (known.size > 0) return { kind: 'contradicted', known };
    const { lane, becomes } = decision;
    let newVisitors = 0;
    for (const visitor of decision.visitors) {
      this.#putVisitor(visitor);
      if (visitor.loaded === undefined) newVisitors += 1;
    }
    for (const link of decision.links) this.#putLink(link);
    for (const update of decision.rows) this.#rows.fold(update);
    const bad = this.#putBad(decision);
    const dead = this.#putDead(decision);
    this.#statements.putLane.run(lane, becomes.done, registryText(becomes.registry), cutsText(becomes.cuts));
    this.#statements.addTotals.run(decision.events.length, bad, dead, newVisitors);
    for (const erase of decision.erase) eraseVisitor(this.#database, erase);
    // An erased person's integer may be given to another.
    if (decision.erase.length > 0) this.#forgetPeople();
    return { kind: 'applied' };
  }

  /** Puts the events that are absent, and returns those that are not. */
  #putEvents(puts: readonly EventPut[]): ReadonlyMap<string, KnownEvent> {
    const known = new Map<string, KnownEvent>();
    for (const { event, identity, position, visitor, facts, body } of puts) {
      const who = this.#people.intern(identity.who);
      const hash = hashOf(identity);
      // In this batch none lies twice, the core saw to that.
      const found = this.#absent.has(identity) ? undefined : this.#find(identity, who, hash);
      if (found !== undefined) {
        known.set(identityKey(identity), found);
        continue;
      }
      this.#statements.putEvent.run(
        position.lane,
        position.sequence,
        position.index,
        who,
        this.#people.intern(visitor.visitor),
        this.#labels.intern(visitor.source),
        this.#labels.intern(event.eventType),
        timeKey(identity.createdAt),
        Date.parse(event.timestamp),
        event.receivedAt,
        hash,
        facts,
        body,
      );
    }
    return known;
  }

  #find(identity: Identity, who: number, hash: number): KnownEvent | undefined {
    const rows = selectAll<EventRow>(this.#statements.candidates, who, timeKey(identity.createdAt), hash);
    const row = rows.find((candidate) => hasIdentity(candidate, identity));
    if (row === undefined) return undefined;
    const { lane, sequence, place, facts } = row;
    return { position: { lane, sequence, index: Number(place) }, facts };
  }

  #lane(lane: string): LaneState | undefined {
    const row = selectOne<LaneRow>(this.#statements.lane, lane);
    return row && laneOf(row);
  }

  #checkLane(lane: string, loaded: LaneState | undefined): void {
    const stored = this.#lane(lane);
    const isAsLoaded =
      stored?.done === loaded?.done &&
      registryText(stored?.registry ?? {}) === registryText(loaded?.registry ?? {}) &&
      cutsText(stored?.cuts ?? {}) === cutsText(loaded?.cuts ?? {});
    if (!isAsLoaded) throw new Error(`lane ${lane} is no longer as it was loaded`);
  }

  #putVisitor({ source, visitor, sequence, state, loaded }: VisitorPut): void {
    const keys = [this.#people.intern(visitor), this.#labels.intern(source)] as const;
    const { changes } =
      loaded === undefined
        ? this.#statements.insertVisitor.run(...keys, sequence, state)
        : this.#statements.updateVisitor.run(sequence, state, ...keys, loaded);
    if (changes === 0) throw new Error(`visitor ${visitor} of ${source} is no longer as it was loaded`);
  }

  #putLink({ userId, visitor, source }: Link): void {
    const text = `${userId}\0${visitor}\0${source}`;
    if (this.#linked.get(text) !== undefined) return;
    this.#statements.putLink.run(
      this.#people.intern(userId),
      this.#people.intern(visitor),
      this.#labels.intern(source),
    );
    this.#linked.set(text, true);
  }

  #putBad({ bad }: Decision): number {
    let put = 0;
    for (const { position, source, receivedAt, code, detail, payload } of bad) {
      const { lane, sequence, index } = position;
      const { changes } = this.#statements.putBad.run(sequence, lane, index, source, receivedAt, code, detail, payload);
      put += Number(changes);
    }
    return put;
  }

  #putDead({ dead }: Decision): number {
    let put = 0;
    for (const { lane, sequence, detail, payload } of dead) {
      put += Number(this.#statements.putDead.run(sequence, lane, detail, payload).changes);
    }
    return put;
  }

  /** A transaction; what was cached in one that is rolled back is forgotten. */
  #write<T>(work: () => T, keep?: (result: T) => boolean): T {
    let isKept = false;
    try {
      const result = transact(this.#database, work, keep);
      isKept = keep === undefined || keep(result);
      return result;
    } catch (thrown) {
      this.#noteFsync(thrown);
      throw thrown;
    } finally {
      this.#absent.clear();
      if (!isKept) {
        this.#forgetPeople();
        this.#labels.forget();
      }
    }
  }

  #forgetPeople(): void {
    this.#people.forget();
    this.#linked.clear();
  }

  /** After a commit, which stands whatever becomes of the checkpoint: one that fails is tried again later, and by `sync`. */
  #checkpointWhenDue(): void {
    const { log, checkpointed } = this.#statements.walPages.get() as { log: number; checkpointed: number };
    if ((log - checkpointed) * this.#statements.pageBytes < LIMITS.storeCheckpointBytes) return;
    try {
      this.#checkpoint();
      // The log starts anew by itself with the next commit, unless a reader is in it; one too long waits for the reader.
      if (log * this.#statements.pageBytes > LIMITS.storeWalBytesMax) this.#statements.restartWal.get();
    } catch (thrown) {
      // Not the batch's failure: `sync` throws it if it lasts, and until then the next batch tries again.
      this.#noteFsync(thrown);
    }
  }

  /** Moves the write-ahead log into the database as far as readers let it, without waiting for them. */
  #checkpoint(): void {
    try {
      this.#statements.checkpoint.get();
    } catch (thrown) {
      this.#noteFsync(thrown);
      throw thrown;
    }
  }

  #noteFsync(thrown: unknown): void {
    if (thrown instanceof Error && 'errcode' in thrown && thrown.errcode === SQLITE_IOERR_FSYNC) {
      this.#fsyncFailure = thrown;
    }
  }
}

/** Finds candidates only: the whole identity is compared on a hit. */
function hashOf({ source, eventId, fingerprint }: Identity): number {
  // Signed, it takes four bytes at the most in SQLite.
  return crc32(`${source}\0${eventId}\0${fingerprint}`) | 0;
}

type Statements = ReturnType<typeof prepareStatements>;

function prepareStatements(database: DatabaseSync) {
  const prepare = (sql: string): StatementSync => database.prepare(sql);
  return {
    lane: prepare('SELECT lane, done, registry, cuts, expired_through FROM lanes WHERE lane = ?'),
    dones: prepare('SELECT lane, done FROM lanes'),
    putLane: prepare(
      `INSERT INTO lanes (lane, done, registry, cuts) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET done = excluded.done, registry = excluded.registry, cuts = excluded.cuts`,
    ),
    visitor: prepare('SELECT sequence, state FROM visitors WHERE visitor = ? AND source = ?'),
    insertVisitor: prepare(
      'INSERT INTO visitors (visitor, source, sequence, state) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
    ),
    updateVisitor: prepare(
      'UPDATE visitors SET sequence = ?, state = ? WHERE visitor = ? AND source = ? AND sequence = ?',
    ),
    candidates: prepare(
      `SELECT lane, sequence, place, labels.text AS source, facts, body
       FROM events JOIN labels ON labels.id = events.source WHERE who = ? AND created_at = ? AND hash = ?`,
    ),
    putEvent: prepare(
      `INSERT INTO events (lane, sequence, place, who, visitor, source, event_type, created_at, timestamp, received_at,
         hash, facts, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    putLink: prepare('INSERT INTO links (user, visitor, source) VALUES (?, ?, ?) ON CONFLICT DO NOTHING'),
    putBad: prepare(
      `INSERT INTO bad (sequence, lane, place, source, received_at, code, detail, payload)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    ),
    putDead: prepare('INSERT INTO dead (sequence, lane, detail, payload) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING'),
    addTotals: prepare(
      'UPDATE totals SET events = events + ?, bad = bad + ?, dead = dead + ?, visitors = visitors + ?',
    ),
    putWitness: prepare(
      `INSERT INTO witnesses (collector, number, lane, sequence) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE
       SET number = excluded.number, lane = excluded.lane, sequence = excluded.sequence WHERE excluded.number > number`,
    ),
    countSync: prepare('UPDATE totals SET syncs = syncs + 1'),
    // NOOP only counts the pages in the log, and those of them that are in the database too.
    walPages: prepare('PRAGMA wal_checkpoint(NOOP)'),
    checkpoint: prepare('PRAGMA wal_checkpoint(PASSIVE)'),
    restartWal: prepare('PRAGMA wal_checkpoint(RESTART)'),
    pageBytes: (prepare('PRAGMA page_size').get() as { page_size: number }).page_size,
  };
}

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ErasedPlaces, Erasing } from '../../core/erasures.ts';
import { identityKey } from '../../core/event.ts';
import type { Generations } from '../../core/generations.ts';
import { LIMITS } from '../../core/limits.ts';
import type { View } from '../../core/view.ts';
import type { RecordPosition } from '../../log/event-log.ts';
import type {
  Applied,
  Decision,
  EventStore,
  KnownEvent,
  LaneState,
  Loaded,
  PassOver,
  Replay,
  ReplayClaim,
  ReplayNote,
  RowUpdate,
  Sealing,
  VisitorKey,
  VisitorState,
  Witness,
} from '../../store/event-store.ts';
import { BadRows, expireBad } from './bad-rows.ts';
import { Checkpointer } from './checkpointer.ts';
import { Erasures } from './erasures.ts';
import { EventRows } from './event-rows.ts';
import { assertRowsLevel, type Lateness, LateRows, MARK_COUNTED } from './late-rows.ts';
import { Names } from './names.ts';
import { roomLacking } from './rewrite-room.ts';
import { bytesInUse, isFullDisk, openDatabase, transact } from './schema.ts';
import { sealRows } from './sealed-rows.ts';
import { expireEvents } from './store-maintenance.ts';
import { cutsText, LANE_COLUMNS, type LaneRow, laneOf, registryText, selectAll, selectOne } from './stored-rows.ts';
import { askRebuild, generationsIn, rebuildView } from './view-rebuilds.ts';
import { ViewRows } from './view-rows.ts';
import { VisitorRows } from './visitor-rows.ts';
import { WriteAheadLog } from './write-ahead-log.ts';

/**
 * Opens or makes `<folder>/store.sqlite`, for the one process that writes it. Checkpoints come from a thread of their own
 * when that is asked for, and rows of views are written with their events unless they may be late. Throws
 * `data_format_newer`, `data_unusable`.
 */
export function openEventStore(options: {
  readonly folder: string;
  readonly withCheckpointer?: boolean;
  readonly lateness?: Lateness;
}): SqliteEventStore {
  const { folder, withCheckpointer = false, lateness } = options;
  const database = openDatabase(folder);
  try {
    if (lateness === undefined) assertRowsLevel(database);
  } catch (thrown) {
    database.close();
    throw thrown;
  }
  return new SqliteEventStore(database, {
    ...(withCheckpointer && { checkpointer: new Checkpointer({ folder }) }),
    ...(lateness && { lateness }),
    roomLacking: (bytes) => roomLacking(folder, bytes),
  });
}

/** What became of a rewrite: a reader was in the way, or there is no room for it, and what of it is lacking. */
export type Rewritten =
  | { readonly kind: 'done' }
  | { readonly kind: 'read' }
  | { readonly kind: 'noRoom'; readonly lacking: string };

interface StoreOptions {
  readonly checkpointer?: Checkpointer;
  readonly lateness?: Lateness;
  /** Of writing so many bytes anew, in words. @default nothing */
  readonly roomLacking?: (bytes: number) => string | undefined;
}

const DAY_MS = 86_400_000;

/** The embedded `EventStore`: one transaction a batch, with the lane's `done` in it. */
export class SqliteEventStore implements EventStore {
  readonly #database: DatabaseSync;
  readonly #writeAheadLog: WriteAheadLog;
  readonly #statements: Statements;
  readonly #people: Names;
  readonly #labels: Names;
  readonly #events: EventRows;
  readonly #visitors: VisitorRows;
  readonly #bad: BadRows;
  /** Rows that are written with their batch. */
  readonly #rows: ViewRows;
  readonly #late: LateRows | undefined;
  readonly #roomLacking: NonNullable<StoreOptions['roomLacking']>;
  /** As they are stored: there is no other writer. */
  #generations: Generations;
  readonly #erasures: Erasures;
  /** In the transaction under way, rows in memory became others than those stored. */
  #rowsInDoubt = false;
  /**
   * Nearly every event is new, and putting it finds out: looking first was an eighth of the work. Where duplicates come,
   * more are to be expected, and a batch that was looked for first is decided only once.
   */
  #expectsDuplicates = false;

  constructor(database: DatabaseSync, { checkpointer, lateness, roomLacking = () => undefined }: StoreOptions = {}) {
    this.#database = database;
    this.#writeAheadLog = new WriteAheadLog(database, checkpointer);
    this.#late = lateness && new LateRows(database, lateness);
    this.#roomLacking = roomLacking;
    this.#statements = prepareStatements(database);
    this.#people = new Names(database, 'people');
    this.#labels = new Names(database, 'labels');
    const names = { people: this.#people, labels: this.#labels };
    this.#events = new EventRows(database, names);
    this.#visitors = new VisitorRows(database, names);
    this.#bad = new BadRows(database);
    this.#rows = new ViewRows(database);
    this.#generations = generationsIn(database);
    this.#erasures = new Erasures(database);
  }

  async load(lane: string, keys: Parameters<EventStore['load']>[1]): Promise<Loaded> {
    const visitors = new Map<string, VisitorState>();
    const known = new Map<string, KnownEvent>();
    // A transaction makes the reads of one moment, and three times as fast.
    this.#database.exec('BEGIN');
    try {
      for (const [text, key] of keys.visitors) {
        const row = this.#visitors.find(key, text);
        if (row !== undefined) visitors.set(text, row);
      }
      if (this.#expectsDuplicates) {
        for (const identity of keys.identities()) {
          const event = this.#events.find(identity);
          if (event !== undefined) known.set(identityKey(identity), event);
        }
        this.#expectsDuplicates = known.size > 0;
      }
      return {
        lane: this.#lane(lane),
        visitors,
        known,
        generations: this.#generations,
        erasedUntil: this.#erasures.latest,
      };
    } finally {
      this.#database.exec('COMMIT');
    }
  }

  async apply(decision: Decision): Promise<Applied> {
    const applied = this.#write(
      () => this.#applyAll(decision),
      ({ kind }) => kind === 'applied',
    );
    if (applied.kind === 'contradicted') this.#expectsDuplicates = true;
    else this.#visitors.keep(decision);
    this.#writeAheadLog.checkpointWhenDue();
    return applied;
  }

  async witness({ collector, number, lane, sequence, atMs, counted }: Witness): Promise<void> {
    const { events = null, identities = null } = counted ?? {};
    this.#write(() =>
      this.#statements.putWitness.run(collector, number, lane, sequence, atMs ?? null, events, identities),
    );
    this.#writeAheadLog.checkpointWhenDue();
  }

  async markRedriven(lane: string, sequence: bigint, position: RecordPosition): Promise<RecordPosition> {
    const stands = this.#write(() => {
      this.#statements.markRedriven.run(position.lane, position.sequence, sequence, lane);
      return selectOne<RecordPosition>(this.#statements.redriven, sequence, lane);
    });
    this.#writeAheadLog.checkpointWhenDue();
    if (stands === undefined) throw new Error(`no dead record is at ${lane}/${sequence}`);
    return { lane: stands.lane, sequence: stands.sequence };
  }

  async claimReplays(claims: readonly ReplayClaim[]): Promise<readonly Replay[]> {
    // Once its line is in the log, a power loss must not take back which line it was.
    const stand = this.#durably(() => this.#bad.claim(claims));
    this.#writeAheadLog.checkpointWhenDue();
    return stand;
  }

  async noteReplays(notes: readonly ReplayNote[]): Promise<readonly RecordPosition[]> {
    const stand = this.#write(() => this.#bad.note(notes));
    this.#writeAheadLog.checkpointWhenDue();
    return stand;
  }

  async erasedUntil(ids: readonly VisitorKey[]): Promise<ReadonlyMap<string, string>> {
    return this.#erasures.until(ids);
  }

  async eraseBytes(erasing: Erasing, of: ErasedPlaces): Promise<void> {
    this.#write(() => this.#erasures.eraseBytes(erasing, of));
    this.#writeAheadLog.checkpointWhenDue();
  }

  async noteErased(erasing: Erasing, log?: number): Promise<void> {
    this.#write(() => this.#erasures.noteErased(erasing, log));
    this.#writeAheadLog.checkpointWhenDue();
  }

  /**
   * Writes the file anew when something was erased, for SQLite leaves copies of what it moved in bytes that belong to nothing any
   * more. Is to be called again when it was not done.
   */
  async rewrite(): Promise<Rewritten> {
    if (!this.#erasures.isRewriteDue) return { kind: 'done' };
    // First as well: it may make the room, and whoever reads would keep the log from being emptied in the end.
    if (!this.#writeAheadLog.empty()) return { kind: 'read' };
    const lacking = this.#roomLacking(bytesInUse(this.#database));
    if (lacking !== undefined) return { kind: 'noRoom', lacking };
    try {
      this.#writeAheadLog.rewrite();
    } catch (thrown) {
      if (isFullDisk(thrown)) return { kind: 'noRoom', lacking: 'more than there was' };
      throw thrown;
    }
    if (!this.#writeAheadLog.empty()) return { kind: 'read' };
    this.#write(() => this.#erasures.noteRewritten());
    return { kind: 'done' };
  }

  /** Whether an erasure was applied since this was last asked. */
  hasErased(): boolean {
    return this.#erasures.takeApplied();
  }

  async expire(before: { readonly receivedAt: string; readonly limit: number }): Promise<number> {
    const expired = this.#write(() => this.#deleting(() => expireEvents(this.#database, before)));
    const bad = this.#write(() => expireBad(this.#database, before));
    this.#writeAheadLog.checkpointWhenDue();
    return expired + bad;
  }

  async rebuild(view: View, limit: number, passOver: PassOver = () => undefined): Promise<boolean> {
    const isDone = this.#write(() => {
      this.#rowsInDoubt = true;
      return rebuildView(this.#database, this.#rows, { view, limit, nowMs: Date.now(), passOver });
    });
    this.#writeAheadLog.checkpointWhenDue();
    return isDone;
  }

  async askRebuild(view: View): Promise<void> {
    const isAsked = this.#write(() => {
      // The rows of before are read until the new ones are whole, and nothing would count anew what they lack.
      this.#rowsInDoubt = true;
      this.#late?.level();
      this.#late?.write(Date.now());
      return askRebuild(this.#database, view, Date.now());
    });
    if (isAsked) this.#generations = generationsIn(this.#database);
    this.#writeAheadLog.checkpointWhenDue();
  }

  async seal(sealing: Sealing): Promise<boolean> {
    const isSealed = this.#write(() => {
      // What the writer has in memory of rows that go must go as well.
      this.#rowsInDoubt = true;
      return sealRows(this.#database, sealing);
    });
    if (isSealed) this.#rows.forget();
    this.#writeAheadLog.checkpointWhenDue();
    return isSealed;
  }

  /** Writes the rows that are late, if any. Not needed for anything to be durable, only for it to be counted at once. */
  async settle(): Promise<void> {
    const late = this.#late;
    if (late === undefined || late.isWritten) return;
    this.#write(() => {
      this.#rowsInDoubt = true;
      late.level();
      late.write(Date.now());
    });
    this.#writeAheadLog.checkpointWhenDue();
  }

  /**
   * One commit with synchronous=FULL syncs the write-ahead log, whatever readers are doing, and with it every commit
   * before; a checkpoint, which does the same for what no reader holds up, then keeps the log short.
   */
  async sync(): Promise<ReadonlyMap<string, bigint>> {
    const lanes = this.#durably(() => {
      this.#statements.countSync.run();
      return selectAll<{ lane: string; done: bigint }>(this.#statements.dones);
    });
    this.#writeAheadLog.checkpoint();
    return new Map(lanes.map(({ lane, done }) => [lane, done]));
  }

  #durably<T>(work: () => T): T {
    this.#writeAheadLog.assertSyncs();
    this.#database.exec('PRAGMA synchronous = FULL');
    try {
      return this.#write(work);
    } finally {
      this.#database.exec('PRAGMA synchronous = NORMAL');
    }
  }

  async close(): Promise<void> {
    // Rows that cannot be written now are counted when the store is opened again.
    if (this.#database.isOpen) await this.settle().catch(() => undefined);
    await this.#writeAheadLog.close();
    if (this.#database.isOpen) this.#database.close();
  }

  #applyAll(decision: Decision): Applied {
    this.#checkLane(decision.lane, decision.loaded);
    this.#late?.level();
    const known = this.#events.putAbsent(decision.events);
    if (known.size > 0) return { kind: 'contradicted', known };
    const { lane, becomes } = decision;
    for (const visitor of decision.visitors) this.#visitors.put(visitor);
    for (const link of decision.links) this.#visitors.putLink(link);
    this.#absorb(decision.rows);
    const bad = this.#bad.put(decision.bad);
    const dead = this.#putDead(decision);
    this.#putNotes(decision);
    const { done, registry, cuts, arrivedAtMs } = becomes;
    this.#statements.putLane.run(lane, done, registryText(registry), cutsText(cuts), arrivedAtMs ?? null);
    this.#statements.addTotals.run(decision.counts.stored, bad, dead, decision.counts.newVisitors);
    if (decision.forgotten.length > 0) this.#erasures.forget(decision);
    if (decision.erase.length > 0) {
      this.#deleting(() => {
        for (const erase of decision.erase) this.#erasures.apply({ ...erase, lane });
      });
    }
    return { kind: 'applied' };
  }

  #absorb(updates: readonly RowUpdate[]): void {
    this.#rowsInDoubt = true;
    for (const update of updates) (this.#late?.has(update) ? this.#late : this.#rows).absorb(update);
    this.#rows.write();
    if (this.#late === undefined) this.#statements.markCounted.run();
    else this.#late.writeWhenDue(Date.now());
  }

  /** What is deleted must have been counted, for nothing could count it anew. */
  #deleting<T>(work: () => T): T {
    this.#rowsInDoubt = true;
    this.#late?.level();
    this.#late?.write(Date.now());
    const result = work();
    // The last event may be gone, and its id given to the next one.
    this.#statements.markCounted.run();
    return result;
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

  #putDead({ dead }: Decision): number {
    let put = 0;
    for (const { lane, sequence, detail, payload } of dead) {
      put += Number(this.#statements.putDead.run(sequence, lane, detail, payload).changes);
    }
    return put;
  }

  /** With each some of the oldest go, so that there are never many that are too old. */
  #putNotes({ lane, notes }: Decision): void {
    for (const { sequence, receivedAt, duplicates, bad, forgotten = [] } of notes) {
      const places = [duplicates, bad, forgotten].map((of) => JSON.stringify(of));
      this.#statements.putNote.run(lane, sequence, receivedAt, ...places);
      const oldest = new Date(Date.parse(receivedAt) - LIMITS.receiptDays * DAY_MS).toISOString();
      this.#statements.forgetNotes.run(lane, oldest);
    }
  }

  /** A transaction; what was cached in one that is rolled back is forgotten. */
  #write<T>(work: () => T, keep?: (result: T) => boolean): T {
    let isKept = false;
    try {
      const result = transact(this.#database, work, keep);
      isKept = keep === undefined || keep(result);
      return result;
    } catch (thrown) {
      this.#writeAheadLog.noteFsync(thrown);
      throw thrown;
    } finally {
      for (const names of [this.#people, this.#labels]) {
        if (isKept) names.keep();
        else names.rollBack();
      }
      if (!isKept && this.#rowsInDoubt) {
        this.#rows.forget();
        this.#late?.forget();
      }
      this.#rowsInDoubt = false;
    }
  }
}

type Statements = ReturnType<typeof prepareStatements>;

function prepareStatements(database: DatabaseSync) {
  const prepare = (sql: string): StatementSync => database.prepare(sql);
  return {
    lane: prepare(`SELECT ${LANE_COLUMNS} FROM lanes WHERE lane = ?`),
    dones: prepare('SELECT lane, done FROM lanes'),
    putLane: prepare(
      `INSERT INTO lanes (lane, done, registry, cuts, arrived_at_ms) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET done = excluded.done, registry = excluded.registry, cuts = excluded.cuts,
         arrived_at_ms = excluded.arrived_at_ms`,
    ),
    putNote: prepare('INSERT INTO notes VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING'),
    forgetNotes: prepare(
      `DELETE FROM notes WHERE (lane, sequence) IN (
         SELECT lane, sequence FROM (SELECT * FROM notes WHERE lane = ? ORDER BY sequence LIMIT 2) WHERE received_at < ?
       )`,
    ),
    putDead: prepare('INSERT INTO dead (sequence, lane, detail, payload) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING'),
    markRedriven: prepare(
      `UPDATE dead SET redriven_lane = ?, redriven_sequence = ?
       WHERE sequence = ? AND lane = ? AND redriven_sequence IS NULL`,
    ),
    redriven: prepare(
      'SELECT redriven_lane AS lane, redriven_sequence AS sequence FROM dead WHERE sequence = ? AND lane = ?',
    ),
    addTotals: prepare(
      'UPDATE totals SET events = events + ?, bad = bad + ?, dead = dead + ?, visitors = visitors + ?',
    ),
    putWitness: prepare(
      `INSERT INTO witnesses (collector, number, lane, sequence, at_ms, events, identities) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET number = excluded.number, lane = excluded.lane, sequence = excluded.sequence,
         at_ms = excluded.at_ms, events = excluded.events, identities = excluded.identities
       WHERE excluded.number > number`,
    ),
    markCounted: prepare(MARK_COUNTED),
    countSync: prepare('UPDATE totals SET syncs = syncs + 1'),
  };
}

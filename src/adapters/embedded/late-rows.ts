import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { ClickstreamError } from '../../core/errors.ts';
import { versionInForce } from '../../core/generations.ts';
import { LIMITS } from '../../core/limits.ts';
import type { View } from '../../core/view.ts';
import type { RowUpdate } from '../../store/event-store.ts';
import { updatesOf } from '../../store/row-updates.ts';
import {
  EVENT_COLUMNS,
  EVENTS_WITH_SOURCE,
  type EventRow,
  LANE_COLUMNS,
  type LaneRow,
  laneOf,
  selectAll,
  storedEventOf,
} from './stored-rows.ts';
import { generationsIn } from './view-rebuilds.ts';
import { ViewRows } from './view-rows.ts';

/** How rows of views may be written later than the events they count (docs/decisions/0015-late-rows.md). */
export interface Lateness {
  /** What the rows are counted anew by, from the events, after a crash. */
  readonly views: readonly View[];
  /** While batches keep coming, rows are written at least this often, and four times as often where that takes little of the time. */
  readonly msMax: number;
}

/** Writing rows is to take no more of the time than this: of a busy hour they grow to some ten megabytes. */
const TIME_SHARE = 0.05;
/** The longest pause holds this many of the shortest. */
const PAUSES = 4;

/** The written rows hold every event of the store. */
export const MARK_COUNTED = 'UPDATE counted SET event = (SELECT coalesce(max(id), 0) FROM events)';

/**
 * Rows of views that are written less often than events: a batch changes a hundred of them, and each of the next ones
 * much the same. `counted` in the store is the last event that the written rows hold; after a crash the events since then,
 * which lie there with their facts, are counted anew. Each method runs within a transaction of its caller, who calls `forget`
 * when it is rolled back.
 */
export class LateRows {
  readonly #database: DatabaseSync;
  readonly #rows: ViewRows;
  readonly #views: ReadonlyMap<string, View>;
  readonly #msMax: number;
  readonly #mark: StatementSync;
  #writtenAtMs = 0;
  /** From one writing to the next. */
  #pauseMs: number;
  /** Whether memory and rows together hold every event of the store. */
  #isLevel = false;

  constructor(database: DatabaseSync, { views, msMax }: Lateness) {
    this.#database = database;
    this.#rows = new ViewRows(database);
    this.#views = new Map(views.map((view) => [view.name, view]));
    this.#msMax = msMax;
    this.#pauseMs = msMax / PAUSES;
    this.#mark = database.prepare(MARK_COUNTED);
  }

  /** Whether a row may be late: only what the events alone tell can be counted anew. */
  has({ key }: RowUpdate): boolean {
    return this.#views.has(key.view);
  }

  get isWritten(): boolean {
    return this.#isLevel && this.#rows.changed === 0;
  }

  absorb(update: RowUpdate): void {
    this.#rows.absorb(update);
  }

  writeWhenDue(nowMs: number): void {
    const isDue = Math.abs(nowMs - this.#writtenAtMs) >= this.#pauseMs || this.#rows.changed >= LIMITS.storeRowsLateMax;
    if (isDue && this.#rows.changed > 0) this.write(nowMs);
  }

  /** Afterwards the rows hold every event of the store; so also before events are deleted. */
  write(nowMs: number): void {
    const startedAtMs = performance.now();
    this.#rows.write();
    this.#mark.run();
    this.#writtenAtMs = nowMs;
    const fairMs = (performance.now() - startedAtMs) / TIME_SHARE;
    this.#pauseMs = Math.min(Math.max(fairMs, this.#msMax / PAUSES), this.#msMax);
  }

  /** Counts the events that the written rows lack. To be called before the first batch, and after each that was rolled back. */
  level(): void {
    if (this.#isLevel) return;
    const lanes = selectAll<LaneRow>(this.#database.prepare(`SELECT ${LANE_COLUMNS} FROM lanes`));
    const states = new Map(lanes.map((row) => [row.lane, laneOf(row)]));
    const next = this.#database.prepare(
      `SELECT ${EVENT_COLUMNS} FROM ${EVENTS_WITH_SOURCE} WHERE events.id > ? ORDER BY events.id LIMIT ?`,
    );
    const generations = generationsIn(this.#database);
    const views = [...this.#views.values()].flatMap((view) => {
      const version = versionInForce(view, generations);
      return version === undefined ? [] : [{ ...view, version }];
    });
    let after = countedEvent(this.#database);
    for (;;) {
      const events = selectAll<EventRow>(next, after, LIMITS.maintenanceEventsMax);
      for (const view of views) {
        const counts = ({ lane, sequence }: EventRow) => {
          const state = states.get(lane);
          // What is at or before a cut is left to the rebuild; a version that the lane has not taken up is rebuilt whole.
          const cut = state?.cuts[`${view.name}@${view.version}`] ?? -1n;
          return state?.registry[view.name] === view.version && sequence > cut;
        };
        const counted = events.filter(counts).map(storedEventOf);
        for (const update of updatesOf(view, counted, ({ position }) => position.lane)) this.absorb(update);
      }
      const last = events.at(-1);
      if (last === undefined) break;
      after = last.id;
    }
    this.#isLevel = true;
  }

  forget(): void {
    this.#rows.forget();
    this.#isLevel = false;
  }
}

/** Refuses a store whose rows lack events: only `LateRows` can count them. */
export function assertRowsLevel(database: DatabaseSync): void {
  const late = database.prepare('SELECT 1 FROM events WHERE id > ? LIMIT 1').get(countedEvent(database));
  if (late === undefined) return;
  throw new ClickstreamError(
    'data_unusable',
    'rows of the store lack events: start the server once, which counts them',
  );
}

function countedEvent(database: DatabaseSync): bigint {
  const [row] = selectAll<{ readonly event: bigint }>(database.prepare('SELECT event FROM counted'));
  return row?.event ?? 0n;
}

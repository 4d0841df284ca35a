import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { RecordPosition } from '../../log/event-log.ts';
import type {
  BadEvent,
  BadRange,
  BadReason,
  EventPosition,
  Replay,
  ReplayClaim,
  ReplayNote,
} from '../../store/event-store.ts';
import { integerOf, type ReadStatements } from './read-statements.ts';
import { dueOf, type Expiring } from './store-maintenance.ts';
import { selectAll, selectOne } from './stored-rows.ts';

const PUT_COLUMNS =
  'sequence, lane, place, source, received_at, code, detail, event_type, from_sequence, from_lane, from_place';
const REPLAY_COLUMNS = 'replay_at, replay_edit, replay_visitor, replay_line, to_sequence, to_lane';
const AT_PLACE = 'sequence = ? AND lane = ? AND place = ?';

/** What is written of events set aside, within transactions of the caller. */
export class BadRows {
  readonly #put: StatementSync;
  readonly #claim: StatementSync;
  readonly #note: StatementSync;
  readonly #replay: StatementSync;

  constructor(database: DatabaseSync) {
    this.#put = database.prepare(
      `INSERT INTO bad (${PUT_COLUMNS}, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    );
    this.#claim = database.prepare(
      `UPDATE bad SET replay_at = ?, replay_edit = ?, replay_visitor = ?, replay_line = ?
       WHERE ${AT_PLACE} AND replay_at IS NULL AND payload <> ''`,
    );
    this.#note = database.prepare(
      `UPDATE bad SET replay_line = NULL, to_sequence = ?, to_lane = ? WHERE ${AT_PLACE} AND to_sequence IS NULL`,
    );
    this.#replay = database.prepare(`SELECT ${REPLAY_COLUMNS} FROM bad WHERE ${AT_PLACE}`);
  }

  /** Returns how many were not there before. */
  put(events: readonly BadEvent[]): number {
    let put = 0;
    for (const { position, source, receivedAt, code, detail, eventType, cameFrom, payload } of events) {
      const from = [cameFrom?.sequence ?? null, cameFrom?.lane ?? null, cameFrom?.index ?? null] as const;
      const told = [source, receivedAt, code, detail, eventType ?? null] as const;
      put += Number(this.#put.run(...placeOf(position), ...told, ...from, payload).changes);
    }
    return put;
  }

  /** Throws when there is no such event. */
  claim(claims: readonly ReplayClaim[]): readonly Replay[] {
    return claims.map(({ of, replay }) => {
      const { at, edit, visitor, line } = replay;
      this.#claim.run(at, edit ?? null, visitor, line ?? null, ...placeOf(of));
      const row = this.#rowOf(of);
      if (row === undefined) throw new Error(`no event that was set aside is at ${of.lane}/${of.sequence}/${of.index}`);
      return replayOf(row) ?? { ...replay, visitor: '', line: undefined };
    });
  }

  note(notes: readonly ReplayNote[]): readonly RecordPosition[] {
    return notes.map(({ of, position }) => {
      this.#note.run(position.sequence, position.lane, ...placeOf(of));
      const row = this.#rowOf(of);
      return (row && replayOf(row)?.position) ?? position;
    });
  }

  #rowOf(of: EventPosition): ReplayRow | undefined {
    return selectOne<ReplayRow>(this.#replay, ...placeOf(of));
  }
}

/** Deletes the oldest that are due, at most `limit`. */
export function expireBad(database: DatabaseSync, { receivedAt, limit }: Expiring): number {
  const oldest = selectAll<Pick<ReasonRow, 'sequence' | 'lane' | 'place' | 'received_at'>>(
    database.prepare('SELECT sequence, lane, place, received_at FROM bad ORDER BY sequence, lane, place LIMIT ?'),
    limit,
  );
  const due = dueOf(oldest, receivedAt, ({ sequence, lane, place }, now) =>
    selectOne<Pick<ReasonRow, 'received_at'>>(
      database.prepare(
        `SELECT received_at FROM bad WHERE (sequence, lane, place) > (?, ?, ?) AND received_at <= ?
         ORDER BY sequence, lane, place LIMIT 1`,
      ),
      sequence,
      lane,
      place,
      now,
    ),
  );
  const last = oldest[due - 1];
  if (last === undefined) return 0;
  database
    .prepare('DELETE FROM bad WHERE (sequence, lane, place) <= (?, ?, ?)')
    .run(last.sequence, last.lane, last.place);
  database.prepare('UPDATE totals SET bad = bad - ?1, bad_expired = bad_expired + ?1').run(due);
  return due;
}

/** What is read of them. */
export class BadReads {
  readonly #reads: ReadStatements;

  constructor(reads: ReadStatements) {
    this.#reads = reads;
  }

  /** The newest first. */
  reasons({ limit, after }: BadRange): readonly BadReason[] {
    const before = after === undefined ? '' : 'WHERE (sequence, lane, place) < (?, ?, ?)';
    const rows = this.#reads.all<ReasonRow & Pick<ReplayRow, 'to_sequence'>>(
      `SELECT ${PUT_COLUMNS}, to_sequence FROM bad ${before} ORDER BY sequence DESC, lane DESC, place DESC LIMIT ?`,
      ...(after === undefined ? [] : placeOf(after)),
      limit,
    );
    return rows.map((row) => ({ ...reasonOf(row), isReplayed: row.to_sequence !== null }));
  }

  at(positions: readonly EventPosition[]): readonly BadEvent[] {
    const sql = `SELECT ${PUT_COLUMNS}, payload, ${REPLAY_COLUMNS} FROM bad WHERE ${AT_PLACE}`;
    return positions.flatMap((position) => {
      const row = this.#reads.one<ReasonRow & ReplayRow & Pick<BadEvent, 'payload'>>(sql, ...placeOf(position));
      if (row === undefined) return [];
      const replay = replayOf(row);
      return [{ ...reasonOf(row), payload: row.payload, ...(replay && { replay }) }];
    });
  }
}

function placeOf({ sequence, lane, index }: EventPosition) {
  return [integerOf(sequence), lane, index] as const;
}

interface ReasonRow {
  readonly sequence: bigint;
  readonly lane: string;
  readonly place: bigint;
  readonly source: string;
  readonly received_at: string;
  readonly code: string;
  readonly detail: string;
  readonly event_type: string | null;
  readonly from_sequence: bigint | null;
  readonly from_lane: string | null;
  readonly from_place: bigint | null;
}

function reasonOf({ sequence, lane, place, source, received_at, code, detail, ...row }: ReasonRow) {
  const { event_type, from_sequence, from_lane, from_place } = row;
  return {
    ...{ position: { lane, sequence, index: Number(place) }, source, receivedAt: received_at, code, detail },
    ...(event_type !== null && { eventType: event_type }),
    ...(from_sequence !== null &&
      from_lane !== null && { cameFrom: { lane: from_lane, sequence: from_sequence, index: Number(from_place) } }),
  };
}

interface ReplayRow {
  readonly replay_at: string | null;
  readonly replay_edit: string | null;
  readonly replay_visitor: string | null;
  readonly replay_line: string | null;
  readonly to_sequence: bigint | null;
  readonly to_lane: string | null;
}

function replayOf(row: ReplayRow): Replay | undefined {
  const { replay_at, replay_edit, replay_visitor, replay_line, to_sequence, to_lane } = row;
  if (replay_at === null || replay_visitor === null) return undefined;
  return {
    ...{ at: replay_at, visitor: replay_visitor, edit: replay_edit ?? undefined, line: replay_line ?? undefined },
    position: to_sequence === null || to_lane === null ? undefined : { lane: to_lane, sequence: to_sequence },
  };
}

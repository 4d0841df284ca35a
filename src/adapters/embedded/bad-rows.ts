import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { RecordPosition } from '../../log/event-log.ts';
import {
  type BadEvent,
  type BadRange,
  type BadReason,
  type EventPosition,
  type ReplayClaim,
  type ReplayKey,
  type ReplayNote,
  replayKeyOf,
} from '../../store/event-store.ts';
import { integerOf, type ReadStatements } from './read-statements.ts';
import { selectAll, selectOne } from './stored-rows.ts';

const REASON_COLUMNS =
  'sequence, lane, place, source, received_at, code, detail, event_type, first_sequence, first_lane, first_place, attempt';
const CLAIM_COLUMNS = 'sequence, lane, place, attempt, at, edit, visitor, line, to_lane, to_sequence';
const OF_KEY = 'sequence = ? AND lane = ? AND place = ? AND attempt = ?';

/** What is written of events set aside, within transactions of the caller. */
export class BadRows {
  readonly #put: StatementSync;
  readonly #claim: StatementSync;
  readonly #claimed: StatementSync;
  readonly #note: StatementSync;

  constructor(database: DatabaseSync) {
    this.#put = database.prepare(
      `INSERT INTO bad (${REASON_COLUMNS}, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    );
    this.#claim = database.prepare(
      `INSERT INTO replays (${CLAIM_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    );
    this.#claimed = database.prepare(`SELECT ${CLAIM_COLUMNS} FROM replays WHERE ${OF_KEY}`);
    this.#note = database.prepare(
      `UPDATE replays SET line = NULL, to_lane = ?, to_sequence = ? WHERE ${OF_KEY} AND to_sequence IS NULL`,
    );
  }

  /** Returns how many were not there before. */
  put(events: readonly BadEvent[]): number {
    let put = 0;
    for (const { position, source, receivedAt, code, detail, eventType, cameFrom, payload } of events) {
      const { lane, sequence, index } = position;
      const { changes } = this.#put.run(
        ...([sequence, lane, index, source, receivedAt, code, detail, eventType ?? null] as const),
        ...([cameFrom?.first.sequence ?? null, cameFrom?.first.lane ?? null, cameFrom?.first.index ?? null] as const),
        cameFrom?.attempt ?? null,
        payload,
      );
      put += Number(changes);
    }
    return put;
  }

  claim(claims: readonly ReplayClaim[]): readonly ReplayClaim[] {
    return claims.map(({ key, at, edit, visitor, line, position }) => {
      const to = [position?.lane ?? null, position?.sequence ?? null] as const;
      this.#claim.run(...keyValues(key), at, edit ?? null, visitor, line ?? null, ...to);
      return this.#standing(key);
    });
  }

  note(notes: readonly ReplayNote[]): readonly RecordPosition[] {
    return notes.map(({ key, position }) => {
      this.#note.run(position.lane, position.sequence, ...keyValues(key));
      return this.#standing(key).position ?? position;
    });
  }

  #standing(key: ReplayKey): ReplayClaim {
    const row = selectOne<ClaimRow>(this.#claimed, ...keyValues(key));
    if (row === undefined) throw new Error(`nothing was claimed for ${key.first.lane}/${key.first.sequence}`);
    return claimOf(row);
  }
}

/** Deletes the oldest that arrived before the time, up to the first that did not, with the claims that no other shares. */
export function expireBad(
  database: DatabaseSync,
  { receivedAt, limit }: { readonly receivedAt: string; readonly limit: number },
): number {
  const oldest = selectAll<ReasonRow>(
    database.prepare(`SELECT ${REASON_COLUMNS} FROM bad ORDER BY sequence, lane, place LIMIT ?`),
    limit,
  );
  const young = oldest.findIndex(({ received_at }) => received_at >= receivedAt);
  const expired = young < 0 ? oldest : oldest.slice(0, young);
  const last = expired.at(-1);
  if (last === undefined) return 0;
  database
    .prepare('DELETE FROM bad WHERE (sequence, lane, place) <= (?, ?, ?)')
    .run(last.sequence, last.lane, last.place);
  const forget = database.prepare(
    `DELETE FROM replays WHERE ${OF_KEY} AND NOT EXISTS (
       SELECT 1 FROM bad WHERE first_sequence = ? AND first_lane = ? AND first_place = ? AND bad.attempt = ?
     )`,
  );
  for (const row of expired) {
    const { first, attempt } = replayKeyOf(reasonOf(row));
    const { sequence, lane, index } = first;
    forget.run(...keyValues({ first, attempt }), sequence, lane, index, attempt - 1);
  }
  database.prepare('UPDATE totals SET bad = bad - ?1, bad_expired = bad_expired + ?1').run(expired.length);
  return expired.length;
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
    const rows = this.#reads.all<ReasonRow>(
      `SELECT ${REASON_COLUMNS} FROM bad ${before} ORDER BY sequence DESC, lane DESC, place DESC LIMIT ?`,
      ...(after === undefined ? [] : [integerOf(after.sequence), after.lane, after.index]),
      limit,
    );
    return rows.map(reasonOf);
  }

  at(positions: readonly EventPosition[]): readonly BadEvent[] {
    const sql = `SELECT ${REASON_COLUMNS}, payload FROM bad WHERE sequence = ? AND lane = ? AND place = ?`;
    return positions.flatMap(({ lane, sequence, index }) => {
      const row = this.#reads.one<ReasonRow & { readonly payload: string }>(sql, integerOf(sequence), lane, index);
      return row === undefined ? [] : [{ ...reasonOf(row), payload: row.payload }];
    });
  }

  replays(keys: readonly ReplayKey[]): readonly ReplayClaim[] {
    const sql = `SELECT ${CLAIM_COLUMNS} FROM replays WHERE ${OF_KEY}`;
    return keys.flatMap((key) => {
      const row = this.#reads.one<ClaimRow>(sql, ...keyValues(key));
      return row === undefined ? [] : [claimOf(row)];
    });
  }
}

function keyValues({ first, attempt }: ReplayKey) {
  return [integerOf(first.sequence), first.lane, first.index, attempt] as const;
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
  readonly first_sequence: bigint | null;
  readonly first_lane: string | null;
  readonly first_place: bigint | null;
  readonly attempt: bigint | null;
}

function reasonOf({ sequence, lane, place, source, received_at, code, detail, ...row }: ReasonRow): BadReason {
  const { event_type, first_sequence, first_lane, first_place, attempt } = row;
  return {
    ...{ position: { lane, sequence, index: Number(place) }, source, receivedAt: received_at, code, detail },
    ...(event_type !== null && { eventType: event_type }),
    ...(first_sequence !== null &&
      first_lane !== null && {
        cameFrom: {
          first: { lane: first_lane, sequence: first_sequence, index: Number(first_place) },
          attempt: Number(attempt),
        },
      }),
  };
}

interface ClaimRow {
  readonly sequence: bigint;
  readonly lane: string;
  readonly place: bigint;
  readonly attempt: bigint;
  readonly at: string;
  readonly edit: string | null;
  readonly visitor: string;
  readonly line: string | null;
  readonly to_lane: string | null;
  readonly to_sequence: bigint | null;
}

function claimOf({ sequence, lane, place, attempt, at, edit, visitor, line, ...row }: ClaimRow): ReplayClaim {
  const { to_lane, to_sequence } = row;
  return {
    key: { first: { lane, sequence, index: Number(place) }, attempt: Number(attempt) },
    ...{ at, visitor },
    edit: edit ?? undefined,
    line: line ?? undefined,
    position: to_lane === null || to_sequence === null ? undefined : { lane: to_lane, sequence: to_sequence },
  };
}

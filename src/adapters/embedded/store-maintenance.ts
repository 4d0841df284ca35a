import type { DatabaseSync } from 'node:sqlite';
import { identityOf } from '../../core/event.ts';
import { addIdentities, identityChecksum, NO_IDENTITIES } from '../../core/identities.ts';
import type { View } from '../../core/view.ts';
import type { VisitorKey } from '../../store/event-store.ts';
import { updatesOf } from '../../store/row-updates.ts';
import {
  cutsText,
  EVENT_COLUMNS,
  EVENTS_WITH_SOURCE,
  type EventRow,
  eventOf,
  LANE_COLUMNS,
  type LaneRow,
  laneOf,
  registryText,
  selectAll,
  selectOne,
  storedEventOf,
} from './stored-rows.ts';
import type { ViewRows } from './view-rows.ts';

/** The lane that rebuilt rows belong to; no lane of a log is called so. */
const REBUILD_LANE = 'rebuild';

type Arrived = Pick<EventRow, 'id' | 'lane' | 'sequence' | 'source' | 'received_at'>;
const ARRIVED_COLUMNS = 'events.id, lane, sequence, labels.text AS source, received_at';
type Gone = Arrived & Pick<EventRow, 'body'>;

/** Each function here runs within a transaction of its caller. */

/** Deletes the oldest arrivals up to the first that is not before the time, at most `limit`. */
export function expireEvents(
  database: DatabaseSync,
  { receivedAt, limit }: { readonly receivedAt: string; readonly limit: number },
): number {
  const oldest = selectAll<Arrived>(
    database.prepare(`SELECT ${ARRIVED_COLUMNS} FROM ${EVENTS_WITH_SOURCE} ORDER BY events.id LIMIT ?`),
    limit,
  );
  const young = oldest.findIndex(({ received_at }) => received_at >= receivedAt);
  const expired = young < 0 ? oldest : oldest.slice(0, young);
  const last = expired.at(-1);
  if (last === undefined) return 0;
  const next = selectOne<Pick<EventRow, 'lane' | 'sequence'>>(
    database.prepare('SELECT lane, sequence FROM events WHERE id > ? ORDER BY id LIMIT 1'),
    last.id,
  );
  // The limit may cut a record in two: its events are counted as removed until the rest expires too.
  const isCut = next?.lane === last.lane && next.sequence === last.sequence;
  if (isCut) {
    const taken = database.prepare(
      `SELECT ${ARRIVED_COLUMNS}, body FROM ${EVENTS_WITH_SOURCE} WHERE events.id <= ? AND lane = ? AND sequence = ?`,
    );
    for (const event of selectAll<Gone>(taken, last.id, last.lane, last.sequence)) addRemoved(database, event);
  }
  database.prepare('DELETE FROM events WHERE id <= ?').run(last.id);
  moveTwins(database);
  database
    .prepare(
      `UPDATE totals SET events = events - ?1, expired = expired + ?1,
         expired_before = max(?2, coalesce(expired_before, ''))`,
    )
    .run(expired.length, receivedAt);

  const through = new Map(expired.map(({ lane, sequence }) => [lane, sequence]));
  if (isCut) through.set(last.lane, last.sequence - 1n);
  for (const [lane, sequence] of through) {
    database
      .prepare('UPDATE lanes SET expired_through = max(?1, coalesce(expired_through, ?1)) WHERE lane = ?2')
      .run(sequence, lane);
    database.prepare('DELETE FROM removed WHERE lane = ? AND sequence <= ?').run(lane, sequence);
  }
  return expired.length;
}

/**
 * Deletes a visitor's state, links and events before a sequence, and the texts of ids that nothing refers to any more.
 * What is deleted is overwritten with zeros in the file.
 */
export function eraseVisitor(
  database: DatabaseSync,
  { source, visitor, sequence }: VisitorKey & { readonly sequence: bigint },
): void {
  const visitorId = idOf(database, 'people', visitor);
  const sourceId = idOf(database, 'labels', source);
  if (visitorId === undefined || sourceId === undefined) return;
  database.exec('PRAGMA secure_delete = ON');
  const events = selectAll<Gone>(
    database.prepare(
      `SELECT ${ARRIVED_COLUMNS}, body FROM ${EVENTS_WITH_SOURCE} WHERE visitor = ? AND events.source = ? AND sequence < ?`,
    ),
    visitorId,
    sourceId,
    sequence,
  );
  const people = new Set([visitorId]);
  const deleteEvent = database.prepare('DELETE FROM events WHERE id = ?');
  for (const event of events) {
    deleteEvent.run(event.id);
    addRemoved(database, event);
  }
  moveTwins(database);
  const links = selectAll<{ readonly user: bigint }>(
    database.prepare('DELETE FROM links WHERE visitor = ? AND source = ? RETURNING user'),
    visitorId,
    sourceId,
  );
  for (const { user } of links) people.add(user);
  const { changes } = database
    .prepare('DELETE FROM visitors WHERE visitor = ? AND source = ? AND sequence < ?')
    .run(visitorId, sourceId, sequence);
  database
    .prepare('UPDATE totals SET events = events - ?1, erased = erased + ?1, visitors = visitors - ?2')
    .run(events.length, changes);
  for (const person of people) deleteUnused(database, person);
  database.exec('PRAGMA secure_delete = OFF');
}

/** Where the event with twin 0 went, another takes its place: a put looks no further than there. */
function moveTwins(database: DatabaseSync): void {
  database.exec(
    `UPDATE events SET twin = 0 WHERE id IN (
       SELECT min(id) FROM events AS later INDEXED BY events_twins WHERE twin > 0 AND NOT EXISTS (
         SELECT 1 FROM events AS first WHERE first.visitor = later.visitor AND first.created_at = later.created_at
           AND first.hash = later.hash AND first.twin = 0
       ) GROUP BY visitor, created_at, hash
     )`,
  );
}

/**
 * Folds the next `limit` events at or before their lane's cut into the view's rows of the rebuild lane. The events to
 * look at are fixed when the rebuild starts: whatever comes later is after every cut.
 */
export function rebuildView(
  database: DatabaseSync,
  rows: ViewRows,
  { view, limit }: { readonly view: View; readonly limit: number },
): boolean {
  const cuts = takeUp(database, view);
  if (cuts.size === 0) return true;
  const progress = startOrResume(database, view);
  if (progress.finished !== 0n) return deleteOlderRows(database, view, limit);
  const events = selectAll<EventRow>(
    database.prepare(
      `SELECT ${EVENT_COLUMNS} FROM ${EVENTS_WITH_SOURCE} WHERE events.id > ? AND events.id <= ? ORDER BY events.id LIMIT ?`,
    ),
    progress.through,
    progress.until,
    limit,
  );
  const before = events.filter(({ lane, sequence }) => sequence <= (cuts.get(lane) ?? -1n));
  for (const update of updatesOf(view, before.map(storedEventOf), () => REBUILD_LANE)) rows.absorb(update);
  rows.write();
  const last = events.at(-1);
  const isFinished = events.length < limit;
  database
    .prepare('UPDATE rebuilds SET through = ?, finished = ? WHERE view = ? AND version = ?')
    .run(last?.id ?? progress.through, isFinished ? 1 : 0, view.name, view.version);
  return isFinished && deleteOlderRows(database, view, limit);
}

/** Has every lane fold into this version, and returns the cuts of those that did not from their beginning. */
function takeUp(database: DatabaseSync, view: View): ReadonlyMap<string, bigint> {
  const key = `${view.name}@${view.version}`;
  const lanes = selectAll<LaneRow>(database.prepare(`SELECT ${LANE_COLUMNS} FROM lanes`));
  const states = lanes.map((row) => ({ lane: row.lane, state: laneOf(row) }));
  if (states.some(({ state }) => (state.registry[view.name] ?? 0) > view.version)) return new Map();
  const found = new Map<string, bigint>();
  for (const { lane, state } of states) {
    const cut = state.registry[view.name] === view.version ? state.cuts[key] : state.done;
    if (cut === undefined) continue;
    found.set(lane, cut);
    if (state.registry[view.name] === view.version) continue;
    const registry = registryText({ ...state.registry, [view.name]: view.version });
    const cuts = cutsText({ ...state.cuts, [key]: cut });
    database.prepare('UPDATE lanes SET registry = ?, cuts = ? WHERE lane = ?').run(registry, cuts, lane);
  }
  return found;
}

interface Progress {
  readonly through: bigint;
  readonly until: bigint;
  readonly finished: bigint;
}

function startOrResume(database: DatabaseSync, view: View): Progress {
  database
    .prepare(
      `INSERT INTO rebuilds (view, version, through, until, finished)
       SELECT ?, ?, 0, coalesce(max(id), 0), 0 FROM events WHERE true ON CONFLICT DO NOTHING`,
    )
    .run(view.name, view.version);
  const progress = selectOne<Progress>(
    database.prepare('SELECT through, until, finished FROM rebuilds WHERE view = ? AND version = ?'),
    view.name,
    view.version,
  );
  if (progress === undefined) throw new Error(`the rebuild of ${view.name}@${view.version} did not start`);
  return progress;
}

/** True when none are left. */
function deleteOlderRows(database: DatabaseSync, view: View, limit: number): boolean {
  const { changes } = database
    .prepare(
      `DELETE FROM rows WHERE (view, version, source, bucket, lane) IN
         (SELECT view, version, source, bucket, lane FROM rows WHERE view = ? AND version < ? LIMIT ?)`,
    )
    .run(view.name, view.version, limit);
  return Number(changes) < limit;
}

function addRemoved(database: DatabaseSync, event: Gone): void {
  const { lane, sequence, source, received_at } = event;
  const place = [lane, sequence] as const;
  const before = selectOne<{ readonly identities: bigint | null }>(
    database.prepare('SELECT identities FROM removed WHERE lane = ? AND sequence = ?'),
    ...place,
  );
  const own = identityChecksum(identityOf(eventOf(event)));
  // What was removed by an older version has no sum, and with it there is none.
  const sum = before?.identities === null ? null : addIdentities(Number(before?.identities ?? NO_IDENTITIES), own);
  database
    .prepare(
      `INSERT INTO removed (lane, sequence, source, hour, events, identities) VALUES (?, ?, ?, substr(?, 1, 13), 1, ?)
       ON CONFLICT DO UPDATE SET events = events + 1, identities = excluded.identities`,
    )
    .run(...place, source, received_at, sum);
}

function idOf(database: DatabaseSync, table: 'people' | 'labels', text: string): bigint | undefined {
  return selectOne<{ readonly id: bigint }>(database.prepare(`SELECT id FROM ${table} WHERE text = ?`), text)?.id;
}

function deleteUnused(database: DatabaseSync, person: bigint): void {
  database
    .prepare(
      `DELETE FROM people WHERE id = ?1
       AND NOT EXISTS (SELECT 1 FROM events WHERE visitor = ?1)
       AND NOT EXISTS (SELECT 1 FROM visitors WHERE visitor = ?1)
       AND NOT EXISTS (SELECT 1 FROM links WHERE visitor = ?1)
       AND NOT EXISTS (SELECT 1 FROM links WHERE user = ?1)`,
    )
    .run(person);
}

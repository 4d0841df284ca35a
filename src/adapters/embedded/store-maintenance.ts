import type { DatabaseSync } from 'node:sqlite';
import { identityOf } from '../../core/event.ts';
import { addIdentities, IDENTITIES_MODULUS, identityChecksum, NO_IDENTITIES } from '../../core/identities.ts';
import { LIMITS } from '../../core/limits.ts';
import type { VisitorKey } from '../../store/event-store.ts';
import { EVENTS_WITH_SOURCE, type EventRow, eventOf, selectAll, selectEach, selectOne } from './stored-rows.ts';

type Arrived = Pick<EventRow, 'id' | 'lane' | 'sequence' | 'source' | 'received_at'>;
const ARRIVED_COLUMNS = 'events.id, lane, sequence, labels.text AS source, received_at';
type Gone = Arrived & Pick<EventRow, 'body'>;

/** Each function here runs within a transaction of its caller. */

export interface Expiring {
  /** What arrived before is due. */
  readonly receivedAt: string;
  readonly limit: number;
}

interface Arrival {
  readonly received_at: string;
}

const MS_PER_DAY = 86_400_000;

/**
 * How many of the oldest are due: those up to the first that arrived not before the time. A clock that was ahead would keep all that
 * follows for longer, so what is dated after now has the date of the next one that is not; `after` finds it behind the last.
 */
export function dueOf<Row extends Arrival>(
  oldest: readonly Row[],
  receivedAt: string,
  after: (last: Row, now: string) => Arrival | undefined,
): number {
  const now = new Date(Date.parse(receivedAt) + LIMITS.eventRetentionDays * MS_PER_DAY).toISOString();
  const isDue = ({ received_at }: Arrival) => received_at < receivedAt;
  const first = oldest.findIndex((row) => !isDue(row) && row.received_at <= now);
  const before = first < 0 ? oldest : oldest.slice(0, first);
  const last = before.at(-1);
  if (last === undefined || isDue(last)) return before.length;
  const next = first < 0 ? after(last, now) : undefined;
  return next !== undefined && isDue(next) ? before.length : before.findLastIndex(isDue) + 1;
}

/** Deletes the oldest arrivals that are due, at most `limit`. */
export function expireEvents(database: DatabaseSync, { receivedAt, limit }: Expiring): number {
  const oldest = selectAll<Arrived>(
    database.prepare(`SELECT ${ARRIVED_COLUMNS} FROM ${EVENTS_WITH_SOURCE} ORDER BY events.id LIMIT ?`),
    limit,
  );
  const due = dueOf(oldest, receivedAt, ({ id }, now) =>
    selectOne<Pick<EventRow, 'received_at'>>(
      database.prepare('SELECT received_at FROM events WHERE id > ? AND received_at <= ? ORDER BY id LIMIT 1'),
      id,
      now,
    ),
  );
  const expired = oldest.slice(0, due);
  const last = expired.at(-1);
  if (last === undefined) return 0;
  const next = selectOne<Pick<EventRow, 'lane' | 'sequence'>>(
    database.prepare('SELECT lane, sequence FROM events WHERE id > ? ORDER BY id LIMIT 1'),
    last.id,
  );
  // The limit may cut a record in two: its events are counted as removed until the rest expires too. So are those dated ahead, until
  // that hour is over for good: of an hour that nothing expired from, all must be there.
  const isCut = next?.lane === last.lane && next.sequence === last.sequence;
  const read = database.prepare(`SELECT ${ARRIVED_COLUMNS}, body FROM ${EVENTS_WITH_SOURCE} WHERE events.id = ?`);
  const taken = expired.flatMap(({ id, lane, sequence, received_at }) => {
    const isOfCut = isCut && lane === last.lane && sequence === last.sequence;
    return isOfCut || received_at >= receivedAt ? selectAll<Gone>(read, id) : [];
  });
  addRemoved(database, taken);
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
    database
      .prepare('DELETE FROM removed WHERE lane = ? AND sequence <= ? AND hour <= substr(?, 1, 13)')
      .run(lane, sequence, receivedAt);
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
): { readonly events: number; readonly visitors: number; readonly links: number } {
  const visitorId = idOf(database, 'people', visitor);
  const sourceId = idOf(database, 'labels', source);
  if (visitorId === undefined || sourceId === undefined) return { events: 0, visitors: 0, links: 0 };
  database.exec('PRAGMA secure_delete = ON');
  const taken = database.prepare(
    `SELECT ${ARRIVED_COLUMNS}, body FROM ${EVENTS_WITH_SOURCE} WHERE visitor = ? AND events.source = ? AND sequence < ?`,
  );
  addRemoved(database, selectEach<Gone>(taken, visitorId, sourceId, sequence));
  const { changes: events } = database
    .prepare('DELETE FROM events WHERE visitor = ? AND source = ? AND sequence < ?')
    .run(visitorId, sourceId, sequence);
  moveTwins(database);
  const people = new Set([visitorId]);
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
    .run(events, changes);
  for (const person of people) deleteUnused(database, person);
  database.exec('PRAGMA secure_delete = OFF');
  return { events: Number(events), visitors: Number(changes), links: links.length };
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

/** A visitor may have more events than fit into memory, so they come one by one; those of a record mostly follow each other. */
function addRemoved(database: DatabaseSync, events: Iterable<Gone>): void {
  // What was removed by an older version has no sum, and with it there is none.
  const add = database.prepare(
    `INSERT INTO removed (lane, sequence, source, hour, events, identities) VALUES (?, ?, ?, substr(?, 1, 13), ?, ?)
     ON CONFLICT DO UPDATE SET events = events + excluded.events,
       identities = (identities + excluded.identities) % ${IDENTITIES_MODULUS}`,
  );
  let record: Removed | undefined;
  const write = () => {
    if (record === undefined) return;
    const { lane, sequence, source, received_at } = record.first;
    add.run(lane, sequence, source, received_at, record.events, record.identities);
  };
  for (const event of events) {
    if (record?.first.sequence !== event.sequence || record.first.lane !== event.lane) {
      write();
      record = { first: event, events: 0, identities: NO_IDENTITIES };
    }
    record.events += 1;
    record.identities = addIdentities(record.identities, identityChecksum(identityOf(eventOf(event))));
  }
  write();
}

/** Events of one record that are taken. */
interface Removed {
  readonly first: Arrived;
  events: number;
  identities: number;
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

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { identityOf } from '../../core/event.ts';
import { identityChecksum } from '../../core/identities.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Sealing, StoredCount } from '../../store/event-store.ts';
import type { StoredCounting } from '../../store/stored-counting.ts';
import { EVENTS_WITH_SOURCE, type EventRow, eventOf, selectOne } from './stored-rows.ts';

/** Runs within a transaction of its caller. */
export function sealRows(database: DatabaseSync, { from, text, rows, witnesses }: Sealing): boolean {
  const before = selectOne<{ readonly revision: bigint }>(database.prepare('SELECT revision FROM sealed'));
  if (Number(before?.revision ?? 0) !== from) return false;
  database.exec('DELETE FROM sealed');
  database.prepare('INSERT INTO sealed (revision, text) VALUES (?, ?)').run(from + 1, text);
  const deleteRow = database.prepare(
    'DELETE FROM rows WHERE view = ? AND version = ? AND source = ? AND bucket = ? AND lane = ? AND value = ?',
  );
  for (const { key, mark } of rows) {
    deleteRow.run(key.view, key.version, key.source, key.bucket, key.lane, mark);
  }
  const deleteWitness = database.prepare('DELETE FROM witnesses WHERE collector = ? AND number = ?');
  for (const { collector, number } of witnesses) deleteWitness.run(collector, number);
  return true;
}

/** Identities are read out of the events themselves, and not from what was indexed of them. */
export const EVENTS_TO_COUNT = `
SELECT events.id, lane, sequence, labels.text AS source, received_at, body FROM ${EVENTS_WITH_SOURCE}
WHERE events.id > ? AND events.id <= ? ORDER BY events.id LIMIT ${LIMITS.auditPieceEvents}`;
export const REMOVED_TO_COUNT = 'SELECT lane, sequence, source, hour, events, identities FROM removed';

/** Counts a piece of the events after one and through another, in the order of arrival. Returns its last one; undefined when that is all. */
export function countEvents(
  counts: StoredCounting,
  events: StatementSync,
  { after, through }: { readonly after: bigint; readonly through: bigint },
): bigint | undefined {
  events.setReadBigInts(true);
  let counted = 0;
  let last = after;
  for (const found of events.iterate(after, through)) {
    const row = found as unknown as Pick<EventRow, 'id' | 'lane' | 'sequence' | 'source' | 'received_at' | 'body'>;
    const { lane, sequence, source, received_at } = row;
    counted += 1;
    last = row.id;
    if (!counts.isAsked({ lane, sequence })) continue;
    const identities = identityChecksum(identityOf(eventOf(row)));
    counts.add({ lane, sequence, source, hour: received_at.slice(0, 13), events: 1, identities });
  }
  return counted < LIMITS.auditPieceEvents ? undefined : last;
}

export function countRemoved(counts: StoredCounting, removed: StatementSync): void {
  removed.setReadBigInts(true);
  for (const found of removed.iterate()) {
    const row = found as unknown as Omit<StoredCount, 'events' | 'identities'> & {
      readonly events: bigint;
      readonly identities: bigint | null;
    };
    const { lane, sequence, source, hour, events: gone, identities } = row;
    const sum = identities === null ? undefined : Number(identities);
    counts.add({ lane, sequence, source, hour, events: Number(gone), identities: sum });
  }
}

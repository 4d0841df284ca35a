import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { identityOf } from '../../core/event.ts';
import { identityChecksum } from '../../core/identities.ts';
import type { EventReads, Sealing, StoredCount, StoredCounts } from '../../store/event-store.ts';
import { StoredCounting } from '../../store/stored-counting.ts';
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
SELECT lane, sequence, labels.text AS source, received_at, body FROM ${EVENTS_WITH_SOURCE} ORDER BY events.id`;
export const REMOVED_TO_COUNT = 'SELECT lane, sequence, source, hour, events, identities FROM removed';

/** One event at a time: there are more than memory has room for. */
export function countStored(
  { events, removed }: { readonly events: StatementSync; readonly removed: StatementSync },
  { through, isDetailed }: Parameters<EventReads['storedCounts']>[0],
): StoredCounts {
  const counts = new StoredCounting({ through, isDetailed });
  events.setReadBigInts(true);
  for (const found of events.iterate()) {
    const row = found as unknown as Pick<EventRow, 'lane' | 'sequence' | 'source' | 'received_at' | 'body'>;
    const { lane, sequence, source, received_at } = row;
    if (!counts.isAsked({ lane, sequence })) continue;
    const identities = identityChecksum(identityOf(eventOf(row)));
    counts.add({ lane, sequence, source, hour: received_at.slice(0, 13), events: 1, identities });
  }
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
  return counts.counts();
}

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { EventReads, Sealing, StoredCount, StoredCounts, StoredHour } from '../../store/event-store.ts';
import { selectOne } from './stored-rows.ts';

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

export const COUNT_STORED = `
SELECT lane, sequence, source, hour, sum(events) AS events FROM (
  SELECT lane, sequence, labels.text AS source, substr(received_at, 1, 13) AS hour, 1 AS events
  FROM events JOIN labels ON labels.id = events.source
  UNION ALL SELECT lane, sequence, source, hour, events FROM removed
) GROUP BY lane, sequence, source, hour ORDER BY lane, sequence`;

/** One record's counts at a time: there may be more records than memory. */
export function countStored(
  statement: StatementSync,
  { through, isDetailed }: Parameters<EventReads['storedCounts']>[0],
): StoredCounts {
  const records: StoredCount[] = [];
  const hours = new Map<string, StoredHour>();
  statement.setReadBigInts(true);
  for (const found of statement.iterate()) {
    const row = found as Omit<StoredCount, 'events'> & { readonly events: bigint };
    const { lane, sequence, source, hour } = row;
    if (sequence > (through.get(lane) ?? -1n)) continue;
    const events = Number(row.events);
    if (isDetailed({ lane, sequence })) {
      const last = records.at(-1);
      const isSame = last?.lane === lane && last.sequence === sequence;
      if (isSame) records.pop();
      records.push({ lane, sequence, source, hour, events: events + (isSame ? last.events : 0) });
    }
    const name = `${lane}\0${source}\0${hour}`;
    hours.set(name, { lane, source, hour, events: events + (hours.get(name)?.events ?? 0) });
  }
  return { records, hours: [...hours.values()] };
}

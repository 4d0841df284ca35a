import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { RowUpdate } from '../../store/event-store.ts';

/** The rows of views, for their one writer. They are read anew each time: keeping them decoded was tried, and gains nothing. */
export class ViewRows {
  readonly #read: StatementSync;
  readonly #write: StatementSync;

  constructor(database: DatabaseSync) {
    this.#read = database.prepare(
      'SELECT value FROM rows WHERE view = ? AND version = ? AND source = ? AND bucket = ? AND lane = ?',
    );
    this.#write = database.prepare(
      `INSERT INTO rows (view, version, source, bucket, lane, value) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET value = excluded.value`,
    );
  }

  /** Folds contributions into their row, within a transaction. */
  fold({ key, codec, contributions }: RowUpdate): void {
    const { view, version, source, bucket, lane } = key;
    const row = this.#read.get(view, version, source, bucket, lane) as { value: string } | undefined;
    let state = row === undefined ? codec.empty() : codec.decode(row.value);
    for (const { fold } of contributions) state = fold(state);
    this.#write.run(view, version, source, bucket, lane, codec.encode(state));
  }
}

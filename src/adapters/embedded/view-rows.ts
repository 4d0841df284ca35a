import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { LIMITS } from '../../core/limits.ts';
import type { RowCodec } from '../../core/view.ts';
import type { RowKey, RowUpdate } from '../../store/event-store.ts';
import { BoundedCache } from './names.ts';

/** The rows of views, for their one writer, which keeps those it wrote last decoded. */
export class ViewRows {
  readonly #read: StatementSync;
  readonly #write: StatementSync;
  readonly #states = new BoundedCache<{ readonly state: unknown }>(LIMITS.storeRowsCachedMax);

  constructor(database: DatabaseSync) {
    this.#read = database.prepare(
      'SELECT value FROM rows WHERE view = ? AND version = ? AND source = ? AND bucket = ? AND lane = ?',
    );
    this.#write = database.prepare(
      `INSERT INTO rows (view, version, source, bucket, lane, value) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET value = excluded.value`,
    );
  }

  /** Folds contributions into their row, within a transaction; `forget` when it is rolled back. */
  fold({ key, codec, contributions }: RowUpdate): void {
    let state = this.#stateOf(key, codec);
    for (const { fold } of contributions) state = fold(state);
    const { view, version, source, bucket, lane } = key;
    this.#write.run(view, version, source, bucket, lane, codec.encode(state));
    this.#states.set(textOf(key), { state });
  }

  forget(): void {
    this.#states.clear();
  }

  #stateOf(key: RowKey, codec: RowCodec): unknown {
    const cached = this.#states.get(textOf(key));
    if (cached !== undefined) return cached.state;
    const { view, version, source, bucket, lane } = key;
    const row = this.#read.get(view, version, source, bucket, lane) as { value: string } | undefined;
    return row === undefined ? codec.empty() : codec.decode(row.value);
  }
}

function textOf({ view, version, source, bucket, lane }: RowKey): string {
  return `${view}\0${version}\0${source}\0${bucket}\0${lane}`;
}

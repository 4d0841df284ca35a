import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { LIMITS } from '../../core/limits.ts';
import type { RowKey, RowUpdate } from '../../store/event-store.ts';

interface Kept {
  readonly state: unknown;
  readonly chars: number;
}

/**
 * The rows of views, for their one writer. Those written lately are kept decoded, up to `storeRowsCachedChars` of their
 * texts: a batch of few events changes some thirty rows, and reading them anew each time was a third of its work.
 */
export class ViewRows {
  readonly #read: StatementSync;
  readonly #write: StatementSync;
  /** In the order of their last use. */
  readonly #kept = new Map<string, Kept>();
  #keptChars = 0;

  constructor(database: DatabaseSync) {
    this.#read = database.prepare(
      'SELECT value FROM rows WHERE view = ? AND version = ? AND source = ? AND bucket = ? AND lane = ?',
    );
    this.#write = database.prepare(
      `INSERT INTO rows (view, version, source, bucket, lane, value) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET value = excluded.value`,
    );
  }

  /** Absorbs what a batch brings into a row, within a transaction; `forget` when it is rolled back. */
  absorb({ key, row: fold, deltas }: RowUpdate): void {
    const { view, version, source, bucket, lane } = key;
    const text = textOf(key);
    const state = fold.absorb(this.#take(text) ?? this.#readState({ key, row: fold }), deltas, bucket);
    const value = fold.encode(state);
    this.#write.run(view, version, source, bucket, lane, value);
    this.#keep(text, { state, chars: value.length });
  }

  forget(): void {
    this.#kept.clear();
    this.#keptChars = 0;
  }

  #readState({ key, row: fold }: Pick<RowUpdate, 'key' | 'row'>): unknown {
    const { view, version, source, bucket, lane } = key;
    const found = this.#read.get(view, version, source, bucket, lane) as { value: string } | undefined;
    return found === undefined ? fold.empty() : fold.decode(found.value);
  }

  #take(text: string): unknown {
    const kept = this.#kept.get(text);
    if (kept === undefined) return undefined;
    this.#kept.delete(text);
    this.#keptChars -= kept.chars;
    return kept.state;
  }

  #keep(text: string, kept: Kept): void {
    this.#kept.set(text, kept);
    this.#keptChars += kept.chars;
    for (const oldest of this.#kept.keys()) {
      if (this.#keptChars <= LIMITS.storeRowsCachedChars) return;
      this.#take(oldest);
    }
  }
}

function textOf({ view, version, source, bucket, lane }: RowKey): string {
  return `${view}\0${version}\0${source}\0${bucket}\0${lane}`;
}

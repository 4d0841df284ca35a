import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { LIMITS } from '../../core/limits.ts';
import type { RowFold } from '../../core/view.ts';
import type { RowKey, RowUpdate } from '../../store/event-store.ts';

interface Kept {
  readonly key: RowKey;
  readonly fold: RowFold;
  readonly state: unknown;
  /** Of its text when it was last read or written. */
  readonly chars: number;
}

/**
 * The rows of views, for their one writer. Those used lately are kept decoded, up to `storeRowsCachedChars` of their
 * texts: a batch of few events changes some thirty rows, and reading them anew each time was a third of its work. What was
 * written last is kept whatever its size, for the next batch changes nearly all of it again.
 */
export class ViewRows {
  readonly #read: StatementSync;
  readonly #write: StatementSync;
  /** As they are stored, in the order of their last use. */
  readonly #kept = new Map<string, Kept>();
  #keptChars = 0;
  /** What is to be written. */
  readonly #changed = new Map<string, Kept>();

  constructor(database: DatabaseSync) {
    this.#read = database.prepare(
      'SELECT value FROM rows WHERE view = ? AND version = ? AND source = ? AND bucket = ? AND lane = ?',
    );
    this.#write = database.prepare(
      `INSERT INTO rows (view, version, source, bucket, lane, value) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET value = excluded.value`,
    );
  }

  /** How many rows are to be written. */
  get changed(): number {
    return this.#changed.size;
  }

  /** Absorbs what a batch brings into a row, in memory, within the batch's transaction; `forget` when it is rolled back. */
  absorb({ key, row: fold, deltas }: RowUpdate): void {
    const text = textOf(key);
    const { state, chars } = this.#changed.get(text) ?? this.#take(text) ?? this.#readRow(key, fold);
    this.#changed.set(text, { key, fold, state: fold.absorb(state, deltas, key.bucket), chars });
  }

  /** Writes all that changed, within a transaction; `forget` when it is rolled back. */
  write(): void {
    for (const [text, kept] of this.#changed) {
      const { view, version, source, bucket, lane } = kept.key;
      const value = kept.fold.encode(kept.state);
      this.#write.run(view, version, source, bucket, lane, value);
      this.#kept.set(text, { ...kept, chars: value.length });
      this.#keptChars += value.length;
    }
    for (const oldest of this.#kept.keys()) {
      if (this.#keptChars <= LIMITS.storeRowsCachedChars || this.#kept.size <= this.#changed.size) break;
      this.#take(oldest);
    }
    this.#changed.clear();
  }

  /** Also what was to be written. */
  forget(): void {
    this.#kept.clear();
    this.#keptChars = 0;
    this.#changed.clear();
  }

  #readRow(key: RowKey, fold: RowFold): Pick<Kept, 'state' | 'chars'> {
    const { view, version, source, bucket, lane } = key;
    const found = this.#read.get(view, version, source, bucket, lane) as { value: string } | undefined;
    return { state: found === undefined ? fold.empty() : fold.decode(found.value), chars: found?.value.length ?? 0 };
  }

  #take(text: string): Kept | undefined {
    const kept = this.#kept.get(text);
    if (kept === undefined) return undefined;
    this.#kept.delete(text);
    this.#keptChars -= kept.chars;
    return kept;
  }
}

function textOf({ view, version, source, bucket, lane }: RowKey): string {
  return `${view}\0${version}\0${source}\0${bucket}\0${lane}`;
}

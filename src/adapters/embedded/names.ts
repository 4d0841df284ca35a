import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { BoundedCache } from '../../core/bounded-cache.ts';
import { LIMITS } from '../../core/limits.ts';

/** The writer's side of a table of texts: each has an integer, and those grow with time. */
export class Names {
  readonly #find: StatementSync;
  readonly #insert: StatementSync;
  readonly #cache = new BoundedCache<number>(LIMITS.storeNamesCachedMax);
  /** Interned in the transaction under way. */
  readonly #fresh: string[] = [];

  constructor(database: DatabaseSync, table: 'people' | 'labels') {
    this.#find = database.prepare(`SELECT id FROM ${table} WHERE text = ?`);
    this.#insert = database.prepare(`INSERT OR IGNORE INTO ${table} (text) VALUES (?)`);
  }

  find(text: string): number | undefined {
    const cached = this.#cache.get(text);
    if (cached !== undefined) return cached;
    const row = this.#find.get(text) as { id: number } | undefined;
    if (row !== undefined) this.#cache.set(text, row.id);
    return row?.id;
  }

  /** Within a transaction; then `keep`, or `rollBack`. */
  intern(text: string): number {
    const cached = this.#cache.get(text);
    if (cached !== undefined) return cached;
    const { changes, lastInsertRowid } = this.#insert.run(text);
    if (changes === 0) return this.find(text) ?? NaN;
    const id = Number(lastInsertRowid);
    this.#cache.set(text, id);
    this.#fresh.push(text);
    return id;
  }

  keep(): void {
    this.#fresh.length = 0;
  }

  rollBack(): void {
    for (const text of this.#fresh) this.#cache.delete(text);
    this.#fresh.length = 0;
  }

  /** Texts were deleted: their integers may be given to others. */
  forget(): void {
    this.#cache.clear();
    this.#fresh.length = 0;
  }
}

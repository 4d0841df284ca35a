import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { LIMITS } from '../../core/limits.ts';

/** A map that forgets what was not used for long: the entries of two generations, of which the older is dropped whole. */
export class BoundedCache<Value> {
  readonly #generationMax: number;
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();

  constructor(entriesMax: number) {
    this.#generationMax = Math.ceil(entriesMax / 2);
  }

  get(key: string): Value | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: string, value: Value): void {
    this.#young.set(key, value);
    if (this.#young.size < this.#generationMax) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}

/** The writer's side of a table of texts: each has an integer, and those grow with time. */
export class Names {
  readonly #find: StatementSync;
  readonly #insert: StatementSync;
  readonly #cache = new BoundedCache<number>(LIMITS.storeNamesCachedMax);

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

  /** Within a transaction; `forget` when it is rolled back. */
  intern(text: string): number {
    const cached = this.#cache.get(text);
    if (cached !== undefined) return cached;
    const { changes, lastInsertRowid } = this.#insert.run(text);
    if (changes === 0) return this.find(text) ?? NaN;
    const id = Number(lastInsertRowid);
    this.#cache.set(text, id);
    return id;
  }

  forget(): void {
    this.#cache.clear();
  }
}

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { BoundedCache } from '../../core/bounded-cache.ts';
import { LIMITS } from '../../core/limits.ts';
import {
  type Decision,
  type Link,
  type VisitorKey,
  type VisitorPut,
  type VisitorState,
  visitorText,
} from '../../store/event-store.ts';
import type { Names } from './names.ts';
import { selectOne } from './stored-rows.ts';

/** What is kept of visitors between events, and their links, as the one writer knows them; each within a transaction of its caller. */
export class VisitorRows {
  readonly #people: Names;
  readonly #labels: Names;
  readonly #select: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #insertLink: StatementSync;
  /** As they are stored, by `visitorText`: there is no other writer. */
  readonly #cached = new BoundedCache<VisitorState>(LIMITS.storeVisitorsCachedMax);

  constructor(database: DatabaseSync, { people, labels }: { readonly people: Names; readonly labels: Names }) {
    this.#people = people;
    this.#labels = labels;
    this.#select = database.prepare('SELECT sequence, state FROM visitors WHERE visitor = ? AND source = ?');
    this.#insert = database.prepare(
      'INSERT INTO visitors (visitor, source, sequence, state) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#update = database.prepare(
      'UPDATE visitors SET sequence = ?, state = ? WHERE visitor = ? AND source = ? AND sequence = ?',
    );
    this.#insertLink = database.prepare(
      'INSERT INTO links (user, visitor, source) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    );
  }

  find(key: VisitorKey, text: string): VisitorState | undefined {
    return this.#cached.get(text) ?? this.#read(key, text);
  }

  put({ source, visitor, sequence, state, loaded }: VisitorPut): void {
    const keys = [this.#people.intern(visitor), this.#labels.intern(source)] as const;
    const { changes } =
      loaded === undefined
        ? this.#insert.run(...keys, sequence, state)
        : this.#update.run(sequence, state, ...keys, loaded);
    if (changes === 0) throw new Error(`visitor ${visitor} of ${source} is no longer as it was loaded`);
  }

  putLink({ userId, visitor, source }: Link): void {
    this.#insertLink.run(this.#people.intern(userId), this.#people.intern(visitor), this.#labels.intern(source));
  }

  /** After the commit. An erased person's integer may be given to another, so then nothing is remembered. */
  keep({ visitors, erase }: Decision): void {
    for (const put of visitors) this.#cached.set(visitorText(put), { sequence: put.sequence, state: put.state });
    if (erase.length === 0) return;
    this.#people.forget();
    this.#cached.clear();
  }

  #read({ source, visitor }: VisitorKey, text: string): VisitorState | undefined {
    const visitorId = this.#people.find(visitor);
    const sourceId = this.#labels.find(source);
    if (visitorId === undefined || sourceId === undefined) return undefined;
    const found = selectOne<VisitorState>(this.#select, visitorId, sourceId);
    if (found === undefined) return undefined;
    const row = { sequence: found.sequence, state: found.state };
    this.#cached.set(text, row);
    return row;
  }
}

import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { ERASED_DETAIL, type Erase, type ErasedPlaces, type Erasing, type ErasureCounts } from '../../core/erasures.ts';
import { type Decision, type VisitorKey, visitorText } from '../../store/event-store.ts';
import { TOMBSTONE_KEY_BYTES, tombstoneHash } from '../../store/tombstones.ts';
import type { ReadStatements } from './read-statements.ts';
import { eraseVisitor } from './store-maintenance.ts';
import { selectOne } from './stored-rows.ts';

/** What the writer does of erasures; each function but `until` runs within a transaction of its caller. */
export class Erasures {
  readonly #database: DatabaseSync;
  #latest: string | undefined;
  #key: Uint8Array | undefined;
  #isApplied = false;

  constructor(database: DatabaseSync) {
    this.#database = database;
    const row = selectOne<{ readonly until: string | null }>(
      database.prepare('SELECT max(until) AS until FROM tombstones'),
    );
    this.#latest = row?.until ?? undefined;
  }

  /** The latest of all. A transaction that was rolled back may have raised it: then a little more is asked than need be. */
  get latest(): string | undefined {
    return this.#latest;
  }

  takeApplied(): boolean {
    const isApplied = this.#isApplied;
    this.#isApplied = false;
    return isApplied;
  }

  until(ids: readonly VisitorKey[]): ReadonlyMap<string, string> {
    const key = this.#readKey();
    if (key === undefined) return new Map();
    const find = this.#database.prepare('SELECT until FROM tombstones WHERE hash = ?');
    return new Map(
      ids.flatMap((id) => {
        const row = selectOne<{ readonly until: string }>(find, tombstoneHash(key, id));
        return row === undefined ? [] : [[visitorText(id), row.until]];
      }),
    );
  }

  /** Events, links and state go at once; the rest once it was looked for (`Erasing`). */
  apply(erase: Erase & { readonly lane: string }): void {
    const { source, visitor, lane, sequence, until, erasure = '' } = erase;
    const key = this.#readKey() ?? this.#makeKey();
    this.#database
      .prepare('INSERT INTO tombstones VALUES (?1, ?2) ON CONFLICT DO UPDATE SET until = max(until, excluded.until)')
      .run(tombstoneHash(key, { source, visitor }), until);
    if (this.#latest === undefined || until > this.#latest) this.#latest = until;
    this.#isApplied = true;
    const { events, visitors, links } = eraseVisitor(this.#database, erase);
    this.#database
      .prepare(
        `INSERT INTO erasures (lane, sequence, erasure, until, events, visitors, links, source, visitor)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(lane, sequence, erasure, until, events, visitors, links, source, visitor);
  }

  /** The log has the bytes of these once more: they are looked for as after an erasure. One that still waits waits for the later place. */
  forget({ lane, becomes, forgotten }: Pick<Decision, 'lane' | 'becomes' | 'forgotten'>): void {
    const ids = new Map(
      forgotten.flatMap(({ ids, until }) => ids.map((id) => [visitorText(id), { id, until }] as const)),
    );
    const replace = this.#database.prepare(
      'DELETE FROM erasures WHERE rewritten = 0 AND place > 0 AND source = ? AND visitor = ?',
    );
    const insert = this.#database.prepare(
      `INSERT INTO erasures (lane, sequence, place, erasure, until, events, visitors, links, source, visitor)
       VALUES (?, ?, ?, '', ?, 0, 0, 0, ?, ?)`,
    );
    for (const [index, { id, until }] of [...ids.values()].entries()) {
      replace.run(id.source, id.visitor);
      insert.run(lane, becomes.done, index + 1, until, id.source, id.visitor);
      this.#isApplied = true;
    }
  }

  eraseBytes({ lane, sequence, place = 0 }: Erasing, { bad, dead }: ErasedPlaces): void {
    const eraseBad = this.#database.prepare(
      `UPDATE bad SET payload = '', detail = '${ERASED_DETAIL}', replay_line = NULL,
         replay_visitor = iif(replay_visitor IS NULL, NULL, '')
       WHERE sequence = ? AND lane = ? AND place = ? AND payload <> ''`,
    );
    const eraseDead = this.#database.prepare(
      `UPDATE dead SET payload = x'', detail = '${ERASED_DETAIL}' WHERE sequence = ? AND lane = ? AND payload <> x''`,
    );
    const changed = (changes: readonly { readonly changes: number | bigint }[]) =>
      changes.reduce((sum, { changes: own }) => sum + Number(own), 0);
    this.#overwriting(() => {
      const counts = [
        changed(bad.map((position) => eraseBad.run(position.sequence, position.lane, position.index))),
        changed(dead.map((record) => eraseDead.run(record.sequence, record.lane))),
      ];
      this.#database
        .prepare('UPDATE erasures SET bad = bad + ?, dead = dead + ? WHERE lane = ? AND sequence = ? AND place = ?')
        .run(...counts, lane, sequence, place);
    });
  }

  noteErased({ lane, sequence, place = 0 }: Erasing, log: number | undefined): void {
    this.#overwriting(() =>
      this.#database
        .prepare(
          `UPDATE erasures SET log = ?, source = NULL, visitor = NULL
           WHERE lane = ? AND sequence = ? AND place = ? AND visitor IS NOT NULL`,
        )
        .run(log ?? null, lane, sequence, place),
    );
  }

  /** Whether what was erased may still lie in bytes of the file that belong to nothing any more. */
  get isRewriteDue(): boolean {
    const sql = 'SELECT 1 AS due FROM erasures WHERE rewritten = 0 AND visitor IS NULL LIMIT 1';
    return selectOne(this.#database.prepare(sql)) !== undefined;
  }

  noteRewritten(): void {
    // Nobody asks what became of what was forgotten.
    this.#database.exec(
      `DELETE FROM erasures WHERE rewritten = 0 AND visitor IS NULL AND place > 0;
       UPDATE erasures SET rewritten = 1 WHERE rewritten = 0 AND visitor IS NULL`,
    );
  }

  #overwriting(work: () => void): void {
    this.#database.exec('PRAGMA secure_delete = ON');
    work();
    this.#database.exec('PRAGMA secure_delete = OFF');
  }

  #readKey(): Uint8Array | undefined {
    this.#key ??= selectOne<{ readonly key: Uint8Array }>(this.#database.prepare('SELECT key FROM tombstone_key'))?.key;
    return this.#key;
  }

  /** Not kept here before it is committed. */
  #makeKey(): Uint8Array {
    const key = randomBytes(TOMBSTONE_KEY_BYTES);
    this.#database.prepare('INSERT INTO tombstone_key VALUES (?)').run(key);
    return key;
  }
}

interface ErasureRow {
  readonly lane: string;
  readonly sequence: bigint;
  readonly place: bigint;
  readonly erasure: string;
  readonly until: string;
  readonly source: string;
  readonly visitor: string;
}

/** The reading half: first what was asked for, then what was forgotten since. */
export function readErasing(reads: ReadStatements, limit: number): readonly Erasing[] {
  const rows = reads.all<ErasureRow>(
    `SELECT lane, sequence, place, erasure, until, source, visitor FROM erasures WHERE rewritten = 0 AND visitor IS NOT NULL
     ORDER BY place > 0, lane, sequence LIMIT ?`,
    limit,
  );
  return rows.map(({ erasure, place, ...row }) => ({
    ...{ ...row, place: Number(place) },
    ...(erasure !== '' && { erasure }),
  }));
}

export function readErasure(reads: ReadStatements, erasure: string): ErasureCounts | undefined {
  const row = reads.one<Record<Exclude<keyof ErasureCounts, 'hiddenUntil'>, bigint | null>>(
    `SELECT count(*) AS applied, sum(events) AS events, sum(visitors) AS visitors, sum(links) AS links, sum(bad) AS bad,
       sum(dead) AS dead, sum(log) AS log, count(visitor) AS searching, sum(1 - rewritten) AS rewriting FROM erasures WHERE erasure = ?`,
    erasure,
  );
  if (row === undefined || row.applied === 0n) return undefined;
  const [applied, searching] = [Number(row.applied), Number(row.searching)];
  const [events, visitors, links] = [Number(row.events), Number(row.visitors), Number(row.links)];
  const [bad, dead, log] = [Number(row.bad), Number(row.dead), Number(row.log)];
  const rewriting = Number(row.rewriting);
  return { applied, searching, rewriting, events, visitors, links, bad, dead, log };
}

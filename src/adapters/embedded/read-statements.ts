import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { selectAll, selectOne } from './stored-rows.ts';

/** What a connection reads by; each statement is prepared once. Integers are bigints. */
export class ReadStatements {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  all<Found>(sql: string, ...values: readonly SQLInputValue[]): readonly Found[] {
    return selectAll<Found>(this.prepare(sql), ...values);
  }

  one<Found>(sql: string, ...values: readonly SQLInputValue[]): Found | undefined {
    return selectOne<Found>(this.prepare(sql), ...values);
  }

  /** Not remembered, for an erased person's integer may be given to another. Null, which equals nothing, when absent. */
  idOf(table: 'people' | 'labels', text: string): bigint | null {
    return this.one<{ readonly id: bigint }>(`SELECT id FROM ${table} WHERE text = ?`, text)?.id ?? null;
  }

  prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

const INTEGER_MAX = 2n ** 63n - 1n;

/** An id or a cursor may name any sequence; none that is stored is beyond what SQLite's integers hold. */
export function integerOf(sequence: bigint): bigint {
  return sequence > INTEGER_MAX ? INTEGER_MAX : sequence;
}

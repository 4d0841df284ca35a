import type { DatabaseSync } from 'node:sqlite';
import { LIMITS } from '../../core/limits.ts';
import { ReadStatements } from './read-statements.ts';

/** The label of the list that a source's types share that have none of their own; no event's type is an empty text (`checkEvent`). */
export const OTHER_TYPES = '';

/** A list of events in the index, of one type or of the others, and a source, as integers of `labels`. */
export interface Pair {
  readonly event_type: bigint;
  readonly source: bigint;
}

/** One look into the index for each pair, not one for each event. */
export function allPairs(reads: ReadStatements): readonly Pair[] {
  const from = 'SELECT event_type, source FROM events';
  // Of both at once, (event_type, source) > (?, ?), SQLite would go through all events of the type.
  const nextSource = `${from} WHERE event_type = ? AND source > ? ORDER BY source LIMIT 1`;
  const nextType = `${from} WHERE event_type > ? ORDER BY event_type, source LIMIT 1`;
  return walk(
    (last) => reads.one<Pair>(nextSource, last.event_type, last.source) ?? reads.one<Pair>(nextType, last.event_type),
  );
}

/** What `next` finds after nothing, after that, and so on; integers of labels are above 0. */
export function walk(next: (last: Pair) => Pair | undefined): readonly Pair[] {
  const found: Pair[] = [];
  for (let pair = next({ event_type: 0n, source: 0n }); pair !== undefined; pair = next(pair)) found.push(pair);
  return found;
}

/**
 * The writer's side of which types have lists of their own: a list of all events is merged of all lists, and anybody with a write key
 * can make new types. The first `storeTypeListsMax` of each source have one; those that there are events of keep it.
 */
export class TypeLists {
  /** By source, integers of labels. */
  readonly #listed = new Map<number, Set<number>>();

  constructor(database: DatabaseSync) {
    const reads = new ReadStatements(database);
    const others = reads.idOf('labels', OTHER_TYPES);
    for (const { event_type, source } of allPairs(reads)) {
      if (event_type !== others) this.#ofSource(Number(source)).add(Number(event_type));
    }
  }

  /** Whether an event that is put now is in a list of its own type. */
  take({ source, type }: { readonly source: number; readonly type: number }): boolean {
    const types = this.#ofSource(source);
    if (types.has(type)) return true;
    if (types.size >= LIMITS.storeTypeListsMax) return false;
    types.add(type);
    return true;
  }

  #ofSource(source: number): Set<number> {
    const types = this.#listed.get(source) ?? new Set();
    this.#listed.set(source, types);
    return types;
  }
}

import { LIMITS } from '../../core/limits.ts';
import type { DynamoTable } from './dynamo-client.ts';
import { AFTER_PART, KINDS_PK, kindItem, kindOf, kindsSk } from './items.ts';

export interface Kind {
  readonly source: string;
  readonly eventType: string;
}

/** By source, the types whose events have lists of their own. */
export type Kinds = ReadonlyMap<string, ReadonlySet<string>>;

/** Whether a source has no place left: any type that has no list may then have events in the list that others share. */
export function isFull(types: ReadonlySet<string> | undefined): boolean {
  return (types?.size ?? 0) >= LIMITS.typeListsMax;
}

export async function readKinds(state: DynamoTable, source?: string): Promise<Kinds> {
  const kinds = new Map<string, Set<string>>();
  const range = source === undefined ? {} : { from: kindsSk(source), to: `${source}${AFTER_PART}` };
  for await (const item of state.partition(KINDS_PK, range)) note(kinds, kindOf(item));
  return kinds;
}

/**
 * The writer's side of which types have lists of their own. A list of all events is merged of all lists, so a source has at most
 * `typeListsMax`: one for each of the types that came first; anybody with a write key can make new ones. A place is taken once
 * and for good, so a type whose events lie in the list of the others will never have one of its own.
 */
export class EventKinds {
  readonly #state: DynamoTable;
  readonly #known = new Map<string, Set<string>>();

  constructor(state: DynamoTable) {
    this.#state = state;
  }

  hasList({ source, eventType }: Kind): boolean {
    return this.#known.get(source)?.has(eventType) === true;
  }

  /** Before the first event of a kind is put, so that no reader lacks its list. */
  async list(kinds: Iterable<Kind>): Promise<void> {
    for (const kind of kinds) {
      if (!this.hasList(kind) && !isFull(this.#known.get(kind.source))) await this.#take(kind);
    }
  }

  /** The next place that is free. Who else takes one goes through the same places in the same order: no type takes two. */
  async #take(kind: Kind): Promise<void> {
    const { source } = kind;
    for (const eventType of (await readKinds(this.#state, source)).get(source) ?? []) {
      note(this.#known, { source, eventType });
    }
    while (!this.hasList(kind) && !isFull(this.#known.get(source))) {
      const put = await this.#state.put(kindItem(kind, this.#known.get(source)?.size ?? 0));
      if (put.kind === 'put') note(this.#known, kind);
      else if (put.found !== undefined) note(this.#known, kindOf(put.found));
    }
  }
}

function note(kinds: Map<string, Set<string>>, { source, eventType }: Kind): void {
  const types = kinds.get(source);
  if (types === undefined) kinds.set(source, new Set([eventType]));
  else types.add(eventType);
}

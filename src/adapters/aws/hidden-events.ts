import type { DynamoTable } from './dynamo-client.ts';
import { type PendingErasures, readPending } from './dynamo-erasures.ts';
import { type Item, positionOf, type StoredLane } from './items.ts';

/** What still lies in the table of events and is there for nobody: what was erased and not yet deleted, and what expired. */
export class HiddenEvents {
  readonly #erased: PendingErasures;
  readonly #expiredThrough: ReadonlyMap<string, bigint>;

  constructor({ erased, lanes }: { readonly erased: PendingErasures; readonly lanes: readonly StoredLane[] }) {
    this.#erased = erased;
    this.#expiredThrough = new Map(
      lanes.flatMap(({ lane, expiredThrough }) => (expiredThrough === undefined ? [] : [[lane, expiredThrough]])),
    );
  }

  /** Of an event, or of its entry in the index. */
  hides(item: Item): boolean {
    return this.#erased.hides(item) || this.#isExpired(item);
  }

  #isExpired(item: Item): boolean {
    if (this.#expiredThrough.size === 0) return false;
    const { lane, sequence } = positionOf(item);
    return sequence <= (this.#expiredThrough.get(lane) ?? -1n);
  }
}

export async function readHidden(
  state: DynamoTable,
  lanes: () => Promise<readonly StoredLane[]>,
): Promise<HiddenEvents> {
  const [erased, read] = await Promise.all([readPending(state), lanes()]);
  return new HiddenEvents({ erased, lanes: read });
}

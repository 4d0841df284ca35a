import type { Erasing } from '../core/erasures.ts';
import { idsOfBad } from '../core/ids-in.ts';
import { LIMITS } from '../core/limits.ts';
import { parseHeader, personsIn, textsIn } from '../log/record.ts';
import type { DeadRecord, EventPosition, EventReader, EventStore } from '../store/event-store.ts';
import { visitorText } from '../store/event-store.ts';

interface BytesParts {
  readonly reader: EventReader;
  readonly store: Pick<EventStore, 'eraseBytes'>;
}

/** The whole search at once. */
export async function eraseBytes(erasing: readonly Erasing[], parts: BytesParts): Promise<void> {
  const eraser = new BytesEraser(erasing, parts);
  while (!(await eraser.step()));
}

/**
 * Looks through all that was set aside, and through the dead records, for those of the erased ids, page by page, and takes their
 * bytes. Nothing is sorted by an id there. A step that throws is done again by the next one; cut off, all is done again.
 */
export class BytesEraser {
  readonly #search: Search;
  readonly #parts: BytesParts;
  #bad: { readonly after?: EventPosition } | 'done' = {};
  #dead: { readonly after?: DeadRecord } | 'done' = {};

  constructor(erasing: readonly Erasing[], parts: BytesParts) {
    this.#search = new Search(erasing);
    this.#parts = parts;
  }

  /** One page. True when all was looked through. */
  async step(): Promise<boolean> {
    if (this.#bad !== 'done') await this.#stepBad(this.#bad.after);
    else if (this.#dead !== 'done') await this.#stepDead(this.#dead.after);
    return this.#dead === 'done';
  }

  async #stepBad(after: EventPosition | undefined): Promise<void> {
    const { reader, store } = this.#parts;
    const { places, bad } = await reader.snapshot(async (reads) => {
      const reasons = await reads.badReasons({ limit: LIMITS.badEventsStep, after });
      const positions = reasons.map(({ position }) => position);
      return { places: positions, bad: await reads.badAt(positions) };
    });
    const found = Map.groupBy(bad, (event) => this.#search.find({ ...event, ids: idsOfBad(event) }));
    for (const [of, events] of found) {
      if (of !== undefined) await store.eraseBytes(of, { bad: events.map(({ position }) => position), dead: [] });
    }
    const last = places.at(-1);
    this.#bad = last === undefined ? 'done' : { after: last };
  }

  async #stepDead(after: DeadRecord | undefined): Promise<void> {
    const { reader, store } = this.#parts;
    const dead = await reader.snapshot((reads) => reads.dead(LIMITS.badEventsStep, after));
    const found = Map.groupBy(dead, ({ payload }) => this.#search.find(headOf(payload)));
    for (const [of, records] of found) {
      if (of !== undefined) await store.eraseBytes(of, { bad: [], dead: records });
    }
    const last = dead.at(-1);
    this.#dead = last === undefined ? 'done' : { after: last };
  }
}

/** What is looked through. */
interface Bytes {
  readonly source: string | undefined;
  readonly receivedAt: string | undefined;
  readonly ids: Iterable<string>;
}

class Search {
  /** By `visitorText`. */
  readonly #byId: ReadonlyMap<string, Erasing>;
  readonly #byText: ReadonlyMap<string, readonly Erasing[]>;

  constructor(erasing: readonly Erasing[]) {
    this.#byId = new Map(erasing.map((each) => [visitorText(each), each]));
    this.#byText = Map.groupBy(erasing, ({ visitor }) => visitor);
  }

  /** Whose they are. What arrived after the erasure stays. Where the source or the time cannot be read, the id alone counts. */
  find({ source, receivedAt, ids }: Bytes): Erasing | undefined {
    for (const id of ids) {
      const own = source === undefined ? undefined : this.#byId.get(visitorText({ source, visitor: id }));
      const erasing = source === undefined ? this.#byText.get(id)?.[0] : own;
      if (erasing !== undefined && (receivedAt ?? '') <= erasing.until) return erasing;
    }
    return undefined;
  }
}

function headOf(payload: Uint8Array): Bytes {
  try {
    const header = parseHeader(payload.subarray(0, payload.indexOf(0x0a)));
    return { source: header.source, receivedAt: header.receivedAt, ids: personsIn(payload, header) };
  } catch {
    return { source: undefined, receivedAt: undefined, ids: textsIn(payload) };
  }
}

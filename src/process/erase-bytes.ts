import type { Erasing } from '../core/erasures.ts';
import { idsIn } from '../core/ids-in.ts';
import { LIMITS } from '../core/limits.ts';
import { parseHeader } from '../log/record.ts';
import type { BadEvent, DeadRecord, EventPosition, EventReader, EventStore } from '../store/event-store.ts';
import { visitorText } from '../store/event-store.ts';

/**
 * Looks through all that was set aside, and through the dead records, for those of the erased ids, page by page, and takes their
 * bytes. Nothing is sorted by an id there, and what could not be read has none: an id counts as found where any text or number
 * is it. Cut off, it is done again.
 */
export async function eraseBytes(
  erasing: readonly Erasing[],
  { reader, store }: { readonly reader: EventReader; readonly store: Pick<EventStore, 'eraseBytes'> },
): Promise<void> {
  const search = new Search(erasing);
  for (let after: EventPosition | undefined; ; ) {
    const { places, bad } = await reader.snapshot(async (reads) => {
      const reasons = await reads.badReasons({ limit: LIMITS.badEventsStep, after });
      const positions = reasons.map(({ position }) => position);
      return { places: positions, bad: await reads.badAt(positions) };
    });
    const found = Map.groupBy(bad, (event) => search.find({ ...event, texts: textsOfBad(event) }));
    for (const [of, events] of found) {
      if (of !== undefined) await store.eraseBytes(of, { bad: events.map(({ position }) => position), dead: [] });
    }
    after = places.at(-1);
    if (after === undefined) break;
  }
  for (let after: DeadRecord | undefined; ; ) {
    const dead = await reader.snapshot((reads) => reads.dead(LIMITS.badEventsStep, after));
    const found = Map.groupBy(dead, ({ payload }) => search.find(headOf(payload)));
    for (const [of, records] of found) {
      if (of !== undefined) await store.eraseBytes(of, { bad: [], dead: records });
    }
    after = dead.at(-1);
    if (after === undefined) break;
  }
}

/** What is looked through. */
interface Bytes {
  readonly source: string | undefined;
  readonly receivedAt: string | undefined;
  readonly texts: readonly string[];
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
  find({ source, receivedAt, texts }: Bytes): Erasing | undefined {
    for (const text of texts) {
      for (const id of idsIn(text)) {
        const own = source === undefined ? undefined : this.#byId.get(visitorText({ source, visitor: id }));
        const erasing = source === undefined ? this.#byText.get(id)?.[0] : own;
        if (erasing !== undefined && (receivedAt ?? '') <= erasing.until) return erasing;
      }
    }
    return undefined;
  }
}

function textsOfBad({ payload, replay }: BadEvent): readonly string[] {
  return [payload, replay?.line ?? '', JSON.stringify(replay?.visitor ?? '')];
}

/** What was set aside within a record is a text within its JSON, so its own texts have a backslash before them. */
function headOf(payload: Uint8Array): Bytes {
  const texts = [Buffer.from(payload).toString().replaceAll('\\"', '"')];
  try {
    const { source, receivedAt } = parseHeader(payload.subarray(0, payload.indexOf(0x0a)));
    return { source, receivedAt, texts };
  } catch {
    return { source: undefined, receivedAt: undefined, texts };
  }
}

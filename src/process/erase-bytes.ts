import type { Erasing } from '../core/erasures.ts';
import { idsIn } from '../core/ids-in.ts';
import { LIMITS } from '../core/limits.ts';
import { parseHeader, textsIn } from '../log/record.ts';
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
    const found = Map.groupBy(bad, (event) => search.find({ ...event, ids: idsOfBad(event) }));
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
  readonly ids: ReadonlySet<string>;
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

function idsOfBad({ payload, replay }: BadEvent): ReadonlySet<string> {
  return new Set([...idsIn(payload), ...idsIn(replay?.line ?? ''), replay?.visitor ?? '']);
}

function headOf(payload: Uint8Array): Bytes {
  const ids = textsIn(payload);
  try {
    const { source, receivedAt } = parseHeader(payload.subarray(0, payload.indexOf(0x0a)));
    return { source, receivedAt, ids };
  } catch {
    return { source: undefined, receivedAt: undefined, ids };
  }
}

import { idsIn } from '../core/ids-in.ts';
import { LIMITS } from '../core/limits.ts';
import { parseHeader } from '../log/record.ts';
import type { ErasedBytes, Erasing } from '../store/erasures.ts';
import type { BadEvent, DeadRecord, EventPosition, EventReader, EventStore } from '../store/event-store.ts';
import { visitorText } from '../store/event-store.ts';

/**
 * Looks through all that was set aside, and through the dead records, for those of the erased ids, page by page, and takes their
 * bytes. Nothing is sorted by an id there, and what could not be read has none: an id counts as found where any text or number
 * is it. Done again after it was cut off, it finds less, and takes the rest.
 */
export async function eraseBytes(
  erasing: readonly Erasing[],
  { reader, store }: { readonly reader: EventReader; readonly store: Pick<EventStore, 'eraseBytes'> },
): Promise<ReadonlyMap<Erasing, ErasedBytes>> {
  const search = new Search(erasing);
  for (let after: EventPosition | undefined; ; ) {
    const { places, bad } = await reader.snapshot(async (reads) => {
      const reasons = await reads.badReasons({ limit: LIMITS.badEventsStep, after });
      const positions = reasons.map(({ position }) => position);
      return { places: positions, bad: await reads.badAt(positions) };
    });
    const found = bad.filter((event) => search.finds('bad', event.source, () => textsOfBad(event), event.receivedAt));
    if (found.length > 0) await store.eraseBytes({ bad: found.map(({ position }) => position), dead: [] });
    after = places.at(-1);
    if (after === undefined) break;
  }
  for (let after: DeadRecord | undefined; ; ) {
    const dead = await reader.snapshot((reads) => reads.dead(LIMITS.badEventsStep, after));
    const found = dead.filter(({ payload }) => {
      const { source, receivedAt, text } = headOf(payload);
      return search.finds('dead', source, () => [text], receivedAt);
    });
    if (found.length > 0) await store.eraseBytes({ bad: [], dead: found });
    after = dead.at(-1);
    if (after === undefined) break;
  }
  return search.found;
}

class Search {
  readonly found: ReadonlyMap<Erasing, { bad: number; dead: number }>;
  /** By `visitorText`. */
  readonly #byId: ReadonlyMap<string, Erasing>;
  readonly #byText: ReadonlyMap<string, readonly Erasing[]>;

  constructor(erasing: readonly Erasing[]) {
    this.found = new Map(erasing.map((each) => [each, { bad: 0, dead: 0 }]));
    this.#byId = new Map(erasing.map((each) => [visitorText(each), each]));
    this.#byText = Map.groupBy(erasing, ({ visitor }) => visitor);
  }

  /** What arrived after the erasure stays. Where the source or the time cannot be read, the id alone counts. */
  finds(
    kind: 'bad' | 'dead',
    source: string | undefined,
    texts: () => readonly string[],
    receivedAt: string | undefined,
  ): boolean {
    for (const text of texts()) {
      for (const id of idsIn(text)) {
        const own = source === undefined ? undefined : this.#byId.get(visitorText({ source, visitor: id }));
        const erasing = source === undefined ? this.#byText.get(id)?.[0] : own;
        if (erasing === undefined || (receivedAt ?? '') > erasing.until) continue;
        const counts = this.found.get(erasing);
        if (counts !== undefined) counts[kind] += 1;
        return true;
      }
    }
    return false;
  }
}

function textsOfBad({ payload, replay }: BadEvent): readonly string[] {
  return [payload, replay?.line ?? '', JSON.stringify(replay?.visitor ?? '')];
}

function headOf(payload: Uint8Array): {
  readonly source: string | undefined;
  readonly receivedAt: string | undefined;
  readonly text: string;
} {
  const text = Buffer.from(payload).toString();
  try {
    const { source, receivedAt } = parseHeader(payload.subarray(0, payload.indexOf(0x0a)));
    return { source, receivedAt, text: text.replaceAll('\\"', '"') };
  } catch {
    return { source: undefined, receivedAt: undefined, text };
  }
}

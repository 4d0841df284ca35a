import { addIdentities, NO_IDENTITIES, withoutIdentities } from '../core/identities.ts';
import type { StoredCount, StoredCounts, StoreTotals } from '../store/event-store.ts';
import type { ProblemList } from './audit-problems.ts';
import type { OpenCopy } from './ledger-reading.ts';
import { type CellPlace, type Cells, hasIdentities, OLDER } from './sealed.ts';

/**
 * The ledger against the stored events themselves: record by record where the ledger has rows, and by lane, source and hour of
 * arrival for all of it.
 */
export class DeepAudit {
  readonly #counts: StoredCounts;
  readonly #totals: StoreTotals;
  /** Some events expired while they were counted. */
  readonly #isExpiring: boolean;
  readonly #olderThrough: string;
  readonly #problems: ProblemList;
  /** Records of which nothing was said yet. */
  readonly #records: Map<string, StoredCount>;
  /** By place: what lies there more than the ledger has, where a record was named for it. */
  readonly #named = new Map<string, Amount>();

  constructor(parts: {
    readonly counts: StoredCounts;
    /** When the counting was begun, and when it was done. */
    readonly begun: StoreTotals;
    readonly totals: StoreTotals;
    /** Of what is sealed. */
    readonly olderThrough: string;
    readonly problems: ProblemList;
  }) {
    this.#counts = parts.counts;
    this.#totals = parts.totals;
    this.#isExpiring = parts.totals.expired !== parts.begun.expired;
    this.#olderThrough = parts.olderThrough;
    this.#problems = parts.problems;
    this.#records = new Map(parts.counts.records.map((record) => [recordKey(record), record]));
  }

  checkCopy({ block, number, copy }: OpenCopy): void {
    const { lane, source, collector } = block;
    const { sequence, hour, stored } = copy;
    const lies = this.#records.get(recordKey({ lane, sequence })) ?? NOTHING;
    const { events } = lies;
    this.#records.delete(recordKey({ lane, sequence }));
    const has = { events: stored, identities: copy.identities?.stored };
    if (isSame(lies, has) || this.#isExpired({ lane, sequence, hour })) return;
    this.#name({ lane, source, hour }, differenceOf(lies, has));
    const where = { collector, number, lane, sequence, source, hour };
    if (events === stored) {
      const detail = `${stored} events of this record were stored and as many lie in the store, but they are not the same ones`;
      this.#problems.add({ kind: 'identities_differ', ...where, detail });
    } else if (events < stored) {
      const detail = `${stored} events of this record were stored, ${events} lie in the store: ${stored - events} missing`;
      this.#problems.add({ kind: 'event_missing', ...where, detail });
    } else {
      this.#addUnaccounted(where, { events, stored });
    }
  }

  /** `cells` are those of all that the ledger has counted. */
  checkRest(cells: Cells): void {
    for (const record of this.#records.values()) {
      const { events, lane, sequence, source, hour } = record;
      if (this.#isExpired(record)) continue;
      this.#name(record, record);
      this.#addUnaccounted({ lane, sequence, source, hour }, { events, stored: 0 });
    }
    this.#checkHours(cells);
  }

  /** Retention takes what arrived before some moment: of hours before it not all can be there. */
  #checkHours(cells: Cells): void {
    const places = new Map<string, { readonly place: CellPlace; has: Amount; lies: Amount }>();
    const known = new Set([...cells.all()].map(({ cell, ...place }) => placeKey(place)));
    const joined = (place: CellPlace): CellPlace => {
      // Rows that did not know their hours: only the sum of all hours can be compared.
      if (known.has(placeKey({ ...place, hour: '' }))) return { ...place, hour: '' };
      if (!known.has(placeKey({ ...place, hour: OLDER }))) return place;
      // What came back of an older hour is known by that hour, and the rest of it is not.
      return place.hour > this.#olderThrough && known.has(placeKey(place)) ? place : { ...place, hour: OLDER };
    };
    const of = (given: CellPlace) => {
      const { lane, source, hour } = joined(given);
      const key = placeKey({ lane, source, hour });
      const found = places.get(key) ?? { place: { lane, source, hour }, has: NOTHING, lies: NOTHING };
      places.set(key, found);
      return found;
    };
    for (const { cell, ...place } of cells.all()) {
      const found = of(place);
      const identities = hasIdentities(cell) ? cell.identities.stored : undefined;
      found.has = sumOf(found.has, { events: cell.stored, identities });
    }
    for (const count of this.#counts.hours) {
      const found = of(count);
      found.lies = sumOf(found.lies, count);
    }
    for (const [key, named] of this.#named) {
      const found = of(placeOf(key));
      found.has = sumOf(found.has, named);
    }
    for (const { place, has, lies } of places.values()) {
      if (isSame(lies, has) || !this.#isWhole(place.hour)) continue;
      const [stored, events] = [has.events, lies.events];
      const of = place.hour === '' ? 'all hours' : place.hour === OLDER ? 'the older hours' : `the hour ${place.hour}`;
      if (stored === events) {
        const detail =
          `of what arrived in ${of}, the ledger has ${stored} events of ${place.source} stored, and as many lie in the store, ` +
          'but they are not the same ones';
        this.#problems.add({ kind: 'identities_differ', ...place, detail });
        continue;
      }
      const detail =
        `of what arrived in ${of}, the ledger has ${stored} events of ${place.source} stored, and ${events} lie in the store: ` +
        (events < stored ? `${stored - events} missing` : `${events - stored} too many`);
      this.#problems.add({ kind: 'hour_differs', ...place, detail });
    }
  }

  #name({ lane, source, hour }: CellPlace, amount: Amount): void {
    const key = placeKey({ lane, source, hour });
    this.#named.set(key, sumOf(this.#named.get(key) ?? NOTHING, amount));
  }

  #addUnaccounted(
    where: CellPlace & { readonly sequence: bigint; readonly collector?: string; readonly number?: number },
    { events, stored }: { readonly events: number; readonly stored: number },
  ): void {
    const detail = `${events} events of this record lie in the store, the ledger accounts for ${stored}`;
    this.#problems.add({ kind: 'event_unaccounted', ...where, detail });
  }

  /** Of a record that is expiring some events may be gone, and were counted before or not. */
  #isExpired({ lane, sequence, hour }: Pick<CellPlace, 'lane' | 'hour'> & { readonly sequence: bigint }): boolean {
    return sequence <= (this.#totals.expiredThrough.get(lane) ?? -1n) || (this.#isExpiring && !this.#isWhole(hour));
  }

  /** Whether retention took nothing of what arrived in this hour. */
  #isWhole(hour: string): boolean {
    const { expiredBefore } = this.#totals;
    return expiredBefore === undefined || (/^\d/.test(hour) && hour >= expiredBefore);
  }
}

/** Events and the sum of their checksums; undefined where that is not known. */
interface Amount {
  readonly events: number;
  readonly identities: number | undefined;
}

const NOTHING: Amount = { events: 0, identities: NO_IDENTITIES };

function isSame(a: Amount, b: Amount): boolean {
  if (a.events !== b.events) return false;
  return a.identities === undefined || b.identities === undefined || a.identities === b.identities;
}

function sumOf(a: Amount, b: Amount): Amount {
  const isKnown = a.identities !== undefined && b.identities !== undefined;
  return { events: a.events + b.events, identities: isKnown ? addIdentities(a.identities, b.identities) : undefined };
}

function differenceOf(a: Amount, b: Amount): Amount {
  const isKnown = a.identities !== undefined && b.identities !== undefined;
  return {
    events: a.events - b.events,
    identities: isKnown ? withoutIdentities(a.identities, b.identities) : undefined,
  };
}

function recordKey({ lane, sequence }: { readonly lane: string; readonly sequence: bigint }): string {
  return `${lane}\0${sequence}`;
}

function placeKey({ lane, source, hour }: CellPlace): string {
  return `${lane}\0${source}\0${hour}`;
}

function placeOf(key: string): CellPlace {
  const [lane = '', source = '', hour = ''] = key.split('\0');
  return { lane, source, hour };
}

import { addIdentities } from '../core/identities.ts';
import type { RecordPosition } from '../log/event-log.ts';
import type { EventReads, StoredCount, StoredCounts, StoredHour } from './event-store.ts';

/** Adds up what a store finds in it, in whatever order. */
export class StoredCounting {
  readonly #asked: Parameters<EventReads['storedCounts']>[0];
  readonly #records = new Map<string, StoredCount>();
  readonly #hours = new Map<string, StoredHour>();

  constructor(asked: Parameters<EventReads['storedCounts']>[0]) {
    this.#asked = asked;
  }

  /** Whether it counts what lies there: only then need it be looked at. */
  isAsked({ lane, sequence }: RecordPosition): boolean {
    return sequence <= (this.#asked.through.get(lane) ?? -1n);
  }

  add(count: StoredCount): void {
    if (!this.isAsked(count)) return;
    const { lane, sequence, source, hour, events, identities } = count;
    const inHour = `${lane}\0${source}\0${hour}`;
    this.#hours.set(inHour, added({ lane, source, hour, events, identities }, this.#hours.get(inHour)));
    if (!this.#asked.isDetailed(count)) return;
    const record = `${lane}\0${sequence}`;
    this.#records.set(record, added(count, this.#records.get(record)));
  }

  counts(): StoredCounts {
    const records = [...this.#records.values()].sort((a, b) =>
      a.sequence === b.sequence ? (a.lane < b.lane ? -1 : 1) : a.sequence < b.sequence ? -1 : 1,
    );
    return { records, hours: [...this.#hours.values()] };
  }
}

function added<Count extends StoredHour>(count: Count, to: Count | undefined): Count {
  if (to === undefined) return count;
  const isKnown = to.identities !== undefined && count.identities !== undefined;
  const identities = isKnown ? addIdentities(to.identities, count.identities) : undefined;
  return { ...to, events: to.events + count.events, identities };
}

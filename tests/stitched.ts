import type { Event } from '../src/core/event.ts';
import { visitorOf } from '../src/core/event.ts';
import type { Facts } from '../src/core/view.ts';
import { createEnrich } from '../src/process/enrich.ts';
import { step, type VisitorMemory } from '../src/process/stitch.ts';

/** An event with the facts it is stored with. */
export interface Stitched {
  readonly event: Event;
  readonly facts: Facts;
}

const enrich = createEnrich({ domains: () => [] });

/** Events in order of arrival, none a duplicate, with the facts that enrichment and stitching give them. */
export function stitched(events: readonly Event[]): readonly Stitched[] {
  const visitors = new Map<string, VisitorMemory>();
  return events.map((event) => {
    const visitor = `${event.source}\0${visitorOf(event)}`;
    const { state, facts } = step(visitors.get(visitor), event, enrich(event));
    visitors.set(visitor, state);
    return { event, facts };
  });
}

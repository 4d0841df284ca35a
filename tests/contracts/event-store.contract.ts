import { afterEach, beforeEach, describe } from 'vitest';
import { describeMaintenance } from './event-store-maintenance.contract.ts';
import { describeReading } from './event-store-reading.contract.ts';
import { describeAskedRebuild } from './event-store-rebuild.contract.ts';
import { describeWriting } from './event-store-writing.contract.ts';
import { describeIndependentEnds } from './independent-ends.contract.ts';
import type { StoreSubject, StoreTraits } from './store-subject.ts';

/** The contract of `EventStore` and `EventReader`, to be run over each adapter. */
export function describeEventStore(name: string, traits: StoreTraits, open: () => Promise<StoreSubject>): void {
  describe(`event store: ${name}`, () => {
    let subject: StoreSubject;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.dispose());

    describeWriting(() => subject, traits);
    describeReading(() => subject, open, traits);
    describeIndependentEnds(() => subject);
    const replace = (next: StoreSubject) => {
      subject = next;
    };
    describeMaintenance(() => subject, replace, traits);
    describeAskedRebuild(() => subject, replace, traits);
  });
}

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readsOf, storedEvent } from '../../tests/listed-reads.ts';
import type { StoredEvent } from '../store/event-store.ts';
import { compareMarks, markOf } from './cursor.ts';
import { timeline } from './timeline.ts';

const anyId = fc.constantFrom('u', 'v', 'a', 'b', 'c');
const anyStored = fc
  .record({
    ids: fc.oneof(
      anyId.map((anonymousId) => ({ anonymousId })),
      anyId.map((userId) => ({ userId, anonymousId: undefined })),
      fc.record({ userId: anyId, anonymousId: anyId }),
    ),
    source: fc.constantFrom('shop', 'blog'),
    // The same moments at several precisions.
    createdAt: fc.constantFrom(
      '2026-01-01T00:00:00Z',
      '2026-01-01T00:00:00.5Z',
      '2026-01-01T00:00:00.500Z',
      '2026-01-01T00:00:01Z',
    ),
    eventType: fc.constantFrom('page', 'identify'),
  })
  .map(({ ids, ...rest }) => {
    const visitor = ids.anonymousId ?? ('userId' in ids ? ids.userId : '');
    // An absent id is undefined here, which reads the same.
    return storedEvent({ ...rest, ...(ids as Partial<StoredEvent>), visitor });
  });
const anyHistory = fc
  .array(anyStored, { maxLength: 60 })
  .map((events) =>
    events.map((event, at) => ({ ...event, position: { lane: 'local', sequence: BigInt(at >> 1), index: at & 1 } })),
  );

function linksOf(events: readonly StoredEvent[]) {
  return events.flatMap(({ userId, visitor, source }) => (userId === undefined ? [] : [{ userId, visitor, source }]));
}

/** The rule over all events at once (docs/decisions/0012-identity-by-visitor.md). */
function belongs(event: StoredEvent, id: string, events: readonly StoredEvent[]): boolean {
  if (event.visitor === id) return true;
  const isOnDevice = linksOf(events).some(
    (link) => link.userId === id && link.visitor === event.visitor && link.source === event.source,
  );
  const isOfAnother = event.userId !== undefined && event.userId !== id;
  return isOnDevice && !isOfAnother;
}

test('a timeline is the sorted union of what belongs to the person, each event once, however it is paged', async () => {
  await fc.assert(
    fc.asyncProperty(
      anyHistory,
      anyId,
      fc.constantFrom('asc' as const, 'desc' as const),
      fc.integer({ min: 1, max: 7 }),
      async (events, id, order, limit) => {
        const reads = readsOf({ events, links: linksOf(events) });
        const direction = order === 'asc' ? 1 : -1;
        const expected = events
          .filter((event) => belongs(event, id, events))
          .sort((a, b) => direction * compareMarks(markOf(a, 'createdAt'), markOf(b, 'createdAt')));
        const paged: StoredEvent[] = [];
        for (;;) {
          const last = paged.at(-1);
          const after = last === undefined ? undefined : markOf(last, 'createdAt');
          const page = await timeline(reads, id, { order, limit, after });
          paged.push(...page);
          if (page.length < limit) break;
        }
        expect(paged.map(({ position }) => position)).toEqual(expected.map(({ position }) => position));
      },
    ),
  );
});

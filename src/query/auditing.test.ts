import { describe, expect, test } from 'vitest';
import { MemoryEventStore } from '../../tests/contracts/memory-event-store.ts';
import { eventWith, recordOf } from '../../tests/events.ts';
import { answer, processBatch, seal } from '../pipeline.ts';
import type { EventReader, EventReads } from '../store/event-store.ts';

const NOW_MS = Date.parse('2026-11-25T10:00:00.000Z');
const DAY_MS = 86_400_000;

async function put(store: MemoryEventStore, numbers: readonly number[]): Promise<void> {
  const records = numbers.map((number) => ({
    sequence: BigInt(number),
    data: recordOf([eventWith({ eventId: `e${number}` })], { number, ackedThrough: number - 1 }),
  }));
  await processBatch({ lane: 'a', records }, store);
}

/** Runs once, between the look at the lanes and that at the rows. */
function interrupted(store: MemoryEventStore, run: () => Promise<unknown>): EventReader {
  let isRun = false;
  const rows: EventReads['rows'] = async (range) => {
    if (!isRun) await run();
    isRun = true;
    return store.snapshot((reads) => reads.rows(range));
  };
  // Of one moment are the lanes and what they count, as on DynamoDB.
  return {
    snapshot: (read) =>
      store.snapshot(async (reads) => {
        const [lanes, totals] = [await reads.lanes(), await reads.totals()];
        return read({ ...reads, rows, lanes: async () => lanes, totals: async () => totals });
      }),
    close: async () => undefined,
  };
}

async function audited(
  reader: EventReader,
  deep: 'true' | 'false',
  { nowMs = NOW_MS }: { readonly nowMs?: number } = {},
): Promise<Record<string, unknown>> {
  const question = { path: '/api/v1/audit', parameters: { deep } };
  const { body } = await answer(question, { reader, clock: () => nowMs, report: () => undefined });
  return JSON.parse(body);
}

test.each(['false', 'true'] as const)('records done while it reads are passed over (deep: %s)', async (deep) => {
  const store = new MemoryEventStore();
  await put(store, [0, 1, 2]);
  const reader = interrupted(store, () => put(store, [3, 4]));
  expect(await audited(reader, deep)).toMatchObject({ balanced: true, problems: [], accepted: 3, stored: 3 });
  expect(await audited(reader, deep)).toMatchObject({ balanced: true, problems: [], accepted: 5, stored: 5 });
});

test.each(['false', 'true'] as const)(
  'it begins anew when the ledger is sealed while it reads (deep: %s)',
  async (deep) => {
    const store = new MemoryEventStore();
    await put(store, [0, 1, 2, 3]);
    // By then its collector is over, and the row goes.
    const nowMs = NOW_MS + 3 * DAY_MS;
    const reader = interrupted(store, () => seal({ reader: store, store, nowMs }));
    expect(await audited(reader, deep)).toMatchObject({ balanced: true, problems: [], accepted: 4, stored: 4 });
    expect((await store.snapshot((reads) => reads.sealed()))?.revision).toBe(1);
  },
);

describe('of an hour that became one with older ones', () => {
  /** Three events of it in the totals alone, and then another record of it that brings one of them again and a new one. */
  async function putBack({ sealedAtMs }: { readonly sealedAtMs: readonly number[] }): Promise<MemoryEventStore> {
    const store = new MemoryEventStore();
    await put(store, [0, 1, 2]);
    const events = [eventWith({ eventId: 'e0' }), eventWith({ eventId: 'new' })];
    for (const [place, nowMs] of sealedAtMs.entries()) {
      await seal({ reader: store, store, nowMs });
      const records = [{ sequence: BigInt(3 + place), data: recordOf(events, { collector: `again ${place}` }) }];
      await processBatch({ lane: 'a', records }, store);
    }
    return store;
  }

  test('what is put back is no difference', async () => {
    const store = await putBack({ sealedAtMs: [NOW_MS + 40 * DAY_MS] });
    const told = await audited(store, 'true');
    expect(told).toMatchObject({ balanced: true, problems: [], stored: 4, duplicate: 1 });
    expect(told.hours).toMatchObject([
      { hour: '2026-11-23T10', stored: 1 },
      { hour: 'older', stored: 3 },
    ]);
  });

  test('nor is it once it is sealed too, by a clock that was put back', async () => {
    const store = await putBack({ sealedAtMs: [NOW_MS + 40 * DAY_MS, NOW_MS + 20 * DAY_MS] });
    const told = await audited(store, 'true');
    expect(told).toMatchObject({ balanced: true, problems: [], stored: 4, duplicate: 3 });
    expect(told.hours).toMatchObject([
      { hour: '2026-11-23T10', duplicate: 2 },
      { hour: 'older', stored: 4 },
    ]);
  });

  test('what is gone of it is missed', async () => {
    const store = await putBack({ sealedAtMs: [NOW_MS + 40 * DAY_MS] });
    store.events.splice(1, 1);
    const problem = { kind: 'hour_differs', hour: 'older', detail: expect.stringContaining('1 missing') };
    expect((await audited(store, 'true')).problems).toContainEqual(expect.objectContaining(problem));
  });

  test('one that is older only since the ledger was sealed is compared by itself', async () => {
    const store = new MemoryEventStore();
    const longAgo = recordOf([eventWith({ receivedAt: '2026-10-01T10:00:00.000Z', eventId: 'long ago' })]);
    await processBatch({ lane: 'a', records: [{ sequence: 0n, data: longAgo }] }, store);
    await put(store, [1, 2, 3]);
    await seal({ reader: store, store, nowMs: NOW_MS + 3 * DAY_MS });
    const data = recordOf([eventWith({ eventId: 'new' })], { collector: 'again' });
    await processBatch({ lane: 'a', records: [{ sequence: 4n, data }] }, store);
    const told = await audited(store, 'true', { nowMs: NOW_MS + 40 * DAY_MS });
    expect(told).toMatchObject({ balanced: true, problems: [], stored: 5 });
    expect(told.hours).toMatchObject([
      { hour: '2026-11-23T10', stored: 4 },
      { hour: 'older', stored: 1 },
    ]);
  });
});

import { expect, test } from 'vitest';
import { MemoryEventStore } from '../../tests/contracts/memory-event-store.ts';
import { eventWith, recordOf } from '../../tests/events.ts';
import { answer, processBatch, seal } from '../pipeline.ts';
import type { EventReader, EventReads } from '../store/event-store.ts';

const NOW_MS = Date.parse('2026-11-25T10:00:00.000Z');

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

async function audited(reader: EventReader, deep: 'true' | 'false'): Promise<Record<string, unknown>> {
  const question = { path: '/api/v1/audit', parameters: { deep } };
  const { body } = await answer(question, { reader, clock: () => NOW_MS, report: () => undefined });
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
    const nowMs = NOW_MS + 3 * 86_400_000;
    const reader = interrupted(store, () => seal({ reader: store, store, nowMs }));
    expect(await audited(reader, deep)).toMatchObject({ balanced: true, problems: [], accepted: 4, stored: 4 });
    expect((await store.snapshot((reads) => reads.sealed()))?.revision).toBe(1);
  },
);

import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { eventWith, recordOf } from '../../../tests/events.ts';
import { FOLDS, TABLES } from '../../../tests/simulation/dynamo-protocol.ts';
import { MemoryDynamo } from '../../../tests/simulation/memory-dynamo.ts';
import { answer, processBatch, seal } from '../../pipeline.ts';
import { DynamoEventReader } from './dynamo-event-reader.ts';
import { DynamoEventStore } from './dynamo-event-store.ts';
import { textOf } from './items.ts';

const NOW_MS = Date.parse('2026-11-25T10:00:00.000Z');
/** By then a collector that sends no more is over. */
const LATER_MS = NOW_MS + 3 * 86_400_000;

function open() {
  const dynamo = new MemoryDynamo();
  const { client } = dynamo;
  const reader = new DynamoEventReader({ client, tables: TABLES });
  const storeWith = (journalItemsMax: number) =>
    new DynamoEventStore({ client, tables: TABLES, folds: FOLDS, journalItemsMax });
  const put = (store: DynamoEventStore, collector: string, numbers: readonly number[], first = 0) =>
    processBatch(
      {
        lane: 'a',
        records: numbers.map((number) => ({
          sequence: BigInt(first + number),
          data: recordOf([eventWith({ eventId: `${collector}${number}` })], {
            collector,
            number,
            ackedThrough: number - 1,
          }),
        })),
      },
      store,
    );
  const audited = async () => {
    const asked = { path: '/api/v1/audit', parameters: { deep: 'true' } };
    const { body } = await answer(asked, { reader, clock: () => NOW_MS, report: () => undefined });
    const { balanced, problems, accepted, redelivered, stored } = JSON.parse(body);
    return { balanced, problems, accepted, redelivered, stored };
  };
  const ledgerRows = () => dynamo.itemsOf(TABLES.state).filter((item) => textOf(item, 'pk').startsWith('row\0ledger'));
  return { dynamo, reader, storeWith, put, audited, ledgerRows };
}

test('what waits in a journal is in the totals at once; the row that it becomes counts nothing more, and goes', async () => {
  const { reader, storeWith, put, audited, ledgerRows } = open();
  const store = storeWith(20);
  await put(store, 'over', [0, 1, 2]);
  const expected = { balanced: true, problems: [], accepted: 3, redelivered: 0, stored: 3 };
  const sealing = { reader, store, nowMs: LATER_MS };
  // Nothing is taken away, for there is no row yet.
  expect(await seal(sealing)).toBe(0);
  expect(ledgerRows()).toEqual([]);
  expect(await audited()).toEqual(expected);
  // Another collector's batch has the journal folded.
  await put(storeWith(0), 'young', [0], 10);
  expect(ledgerRows()).toHaveLength(2);
  const more = { ...expected, accepted: 4, stored: 4 };
  expect(await audited()).toEqual(more);
  expect(await seal({ ...sealing, nowMs: LATER_MS })).toBe(2);
  expect(ledgerRows()).toEqual([]);
  expect(await audited()).toEqual(more);
});

test('totals too long for an item lie in parts, which go when they are put anew', async () => {
  const { dynamo, reader, storeWith } = open();
  const store = storeWith(0);
  const parts = () => dynamo.itemsOf(TABLES.state).filter((item) => textOf(item, 'pk') === 'part\0sealed');
  const texts = ['first', 'second'].map((name) => `${name} ${randomBytes(400_000).toString('hex')}`);
  for (const [from, text] of texts.entries()) {
    expect(await store.seal({ from, text, rows: [], witnesses: [] })).toBe(true);
    expect(await reader.snapshot((reads) => reads.sealed())).toEqual({ revision: from + 1, text });
    expect(parts()).toHaveLength(2);
  }
  // Of one that comes too late nothing is left.
  expect(await store.seal({ from: 1, text: texts[0] ?? '', rows: [], witnesses: [] })).toBe(false);
  expect(parts()).toHaveLength(2);
  expect(await store.seal({ from: 2, text: 'short', rows: [], witnesses: [] })).toBe(true);
  expect(parts()).toEqual([]);
});

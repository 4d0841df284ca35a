import { ScanCommand } from '@aws-sdk/client-dynamodb';
import { expect, test } from 'vitest';
import { eventWith, recordOf, recordOfLines } from '../../../tests/events.ts';
import { MemoryDynamo } from '../../../tests/simulation/memory-dynamo.ts';
import { processBatch } from '../../process/process-batch.ts';
import { LEDGER, ledgerRows } from '../../process/views/ledger.ts';
import { VIEWS } from '../../process/views/registry.ts';
import { badPk } from './bad-items.ts';
import { DynamoTable, type TableClient } from './dynamo-client.ts';
import { DynamoErasures } from './dynamo-erasures.ts';
import { DynamoEventReader } from './dynamo-event-reader.ts';
import { DynamoEventStore } from './dynamo-event-store.ts';
import { deadPk, textOf } from './items.ts';

const tables = { events: 'events', state: 'state' };

test('an erased event that is deleted while stored events are counted is counted once', async () => {
  const { client } = new MemoryDynamo();
  const store = new DynamoEventStore({ client, tables, folds: [...VIEWS, { ...LEDGER, ...ledgerRows }] });
  const event = eventWith({ eventId: 'e', source: 'shop', anonymousId: 'a' });
  const erasure = { kind: 'erase', source: 'shop', visitor: 'a', number: 1 } as const;
  const records = [recordOf([event]), recordOfLines([], erasure)].map((data, place) => ({
    sequence: BigInt(place),
    data,
  }));
  for (const record of records) await processBatch({ lane: 'l', records: [record] }, store);

  const [events, state] = [new DynamoTable(client, tables.events), new DynamoTable(client, tables.state)];
  const erasures = new DynamoErasures({ events, state, delayMs: 0 });
  const send = async (command: Parameters<TableClient['send']>[0]) => {
    const answer = await client.send(command);
    // What the scan has seen is deleted before the notes of what was deleted are read.
    if (command instanceof ScanCommand) await erasures.delete((await erasures.pending()).all);
    return answer;
  };
  const reader = new DynamoEventReader({ client: { send: send as TableClient['send'] }, tables });
  const asked = { through: new Map([['l', 1n]]), isDetailed: () => true };
  const counts = await reader.snapshot((reads) => reads.storedCounts(asked));
  expect(counts.records).toMatchObject([{ lane: 'l', sequence: 0n, events: 1 }]);
  expect(await reader.snapshot((reads) => reads.storedCounts(asked))).toEqual(counts);
});

test('an event that is erased and comes again while stored events are counted is counted once', async () => {
  const { client } = new MemoryDynamo();
  const store = new DynamoEventStore({ client, tables, folds: [...VIEWS, { ...LEDGER, ...ledgerRows }] });
  const event = eventWith({ eventId: 'e', source: 'shop', anonymousId: 'a' });
  const erasure = { kind: 'erase', source: 'shop', visitor: 'a', number: 1 } as const;
  const take = (place: number, data: Uint8Array) =>
    processBatch({ lane: 'l', records: [{ sequence: BigInt(place), data }] }, store);
  await take(0, recordOf([event]));

  let isErased = false;
  const send = async (command: Parameters<TableClient['send']>[0]) => {
    const answer = await client.send(command);
    if (command instanceof ScanCommand && !isErased) {
      isErased = true;
      await take(1, recordOfLines([], erasure));
      // By a clock that is ahead, and so dated by its arrival: what is dated before the erasure is not taken in.
      await take(2, recordOf([{ ...event, timestamp: '2026-11-23T10:00:02.000Z' }], { number: 2 }));
    }
    return answer;
  };
  const reader = new DynamoEventReader({ client: { send: send as TableClient['send'] }, tables });
  const asked = { through: new Map([['l', 0n]]), isDetailed: () => true };
  const counts = await reader.snapshot((reads) => reads.storedCounts(asked));
  expect(isErased).toBe(true);
  expect(counts.records).toMatchObject([{ lane: 'l', sequence: 0n, events: 1 }]);
});

test('of a visitor that is only emptied yet nothing is kept that could be told', async () => {
  const { client } = new MemoryDynamo();
  const store = new DynamoEventStore({ client, tables, folds: [...VIEWS, { ...LEDGER, ...ledgerRows }] });
  const erasure = { kind: 'erase', source: 'shop', visitor: 'a', number: 1 } as const;
  const events = ['a', 'b'].map((anonymousId) => recordOf([eventWith({ source: 'shop', anonymousId })]));
  const records = [...events, recordOfLines([], erasure)].map((data, place) => ({ sequence: BigInt(place), data }));
  await processBatch({ lane: 'l', records: records.slice(0, 2) }, store);
  await processBatch({ lane: 'l', records: records.slice(2) }, store);
  const reader = new DynamoEventReader({ client, tables });
  const keys = ['a', 'b'].map((visitor) => ({ source: 'shop', visitor }));
  const states = await reader.snapshot((reads) => reads.visitorStates(keys));
  expect([...states.keys()]).toEqual(['shop\0b']);
});

const OF_PERSON = { source: 'shop', anonymousId: 'a', userId: 'u' };
const asText = (event: object) => JSON.stringify(event);

test.each<readonly [string, Uint8Array]>([
  ['an event', recordOf([eventWith({ eventId: 'e', ...OF_PERSON })])],
  [
    'one set aside',
    recordOfLines([asText({ setAside: { code: 'time_invalid', detail: '' }, raw: asText(OF_PERSON) })], {
      source: 'shop',
      visitor: '',
    }),
  ],
  ['a dead record', recordOf([eventWith(OF_PERSON)], { visitor: 'other' })],
])('%s that a half-done try put goes once the user is erased in another lane meanwhile', async (_, data) => {
  const dynamo = new MemoryDynamo();
  const { client } = dynamo;
  const folds = [...VIEWS, { ...LEDGER, ...ledgerRows }];
  const newStore = (of: TableClient = client) => new DynamoEventStore({ client: of, tables, folds });
  const batch = { lane: 'l', records: [{ sequence: 5n, data }] };
  const set = [badPk('l'), deadPk('l')];
  const found = () => [
    ...dynamo.itemsOf(tables.events),
    ...dynamo.itemsOf(tables.state).filter((item) => set.includes(textOf(item, 'pk'))),
  ];
  // Ends after it has put that.
  let isEnded = false;
  const ending = async (command: Parameters<TableClient['send']>[0]) => {
    if (isEnded) throw new Error('ended');
    const answer = await client.send(command);
    isEnded = found().length > 0;
    return answer;
  };
  await processBatch({ lane: 'l', records: [] }, newStore());
  await expect(processBatch(batch, newStore({ send: ending as TableClient['send'] }))).rejects.toThrow('ended');
  expect(found()).toHaveLength(1);
  const erasure = recordOfLines([], { kind: 'erase', source: 'shop', visitor: 'u', number: 7, collector: 'other' });
  await processBatch({ lane: 'other', records: [{ sequence: 9n, data: erasure }] }, newStore());

  await processBatch(batch, newStore());
  expect(found()).toEqual([]);
  const totals = await new DynamoEventReader({ client, tables }).snapshot((reads) => reads.totals());
  expect(totals).toMatchObject({ events: 0, bad: 0, dead: 0, erased: 0 });
});

import { randomBytes } from 'node:crypto';
import { type DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  anEvent,
  badEvents,
  decisionOf,
  mergedRows,
  typeCounts,
  write,
} from '../../../tests/contracts/store-writing.ts';
import { type DynamoEmulator, startDynamo } from '../../../tests/emulators/dynamo.ts';
import { MemoryDynamo } from '../../../tests/simulation/memory-dynamo.ts';
import { LIMITS } from '../../core/limits.ts';
import type { View } from '../../core/view.ts';
import { DynamoEventReader } from './dynamo-event-reader.ts';
import { DynamoEventStore } from './dynamo-event-store.ts';
import { type Item, LANE_PK, laneOf, textOf } from './items.ts';

const LANE = 'shardId-000000000003';
/** As Kinesis gives them: 56 digits. */
const SEQUENCE = 49_668_899_999_999_999_999_999_999_999_999_999_999_999_999_999_999_999_999n;

let emulator: DynamoEmulator;
beforeAll(async () => {
  emulator = await startDynamo();
});
afterAll(() => emulator.close());

async function opened(journalItemsMax = 24) {
  const [tables, { client }] = [await emulator.newTables(), emulator];
  const store = new DynamoEventStore({ client, tables, folds: [typeCounts(1)], journalItemsMax });
  return { store, reader: new DynamoEventReader({ client, tables }), tables };
}

describe('the store on DynamoDB', () => {
  it('keeps sequence numbers that are longer than numbers of DynamoDB', async () => {
    const { store, reader } = await opened();
    for (const step of [0n, 1n]) {
      await write(store, LANE, [
        { sequence: SEQUENCE + step, events: [anEvent(), anEvent({ anonymousId: `d${step}` })] },
      ]);
    }
    const list = await reader.snapshot((reads) => reads.events({ order: 'asc', limit: 10 }));
    expect(list.map(({ position }) => position.sequence)).toEqual([SEQUENCE, SEQUENCE, SEQUENCE + 1n, SEQUENCE + 1n]);
    expect((await reader.snapshot((reads) => reads.lanes())).get(LANE)?.done).toBe(SEQUENCE + 1n);
  });

  it('keeps what is longer than an item, whole', async () => {
    const { store, reader } = await opened();
    // Random, so that nothing packs it.
    const payload = randomBytes(450_000).toString('hex');
    const decision = await decisionOf(store, LANE, [{ sequence: SEQUENCE, events: [] }]);
    const position = { lane: LANE, sequence: SEQUENCE, index: 0 };
    const bad = { position, source: 'shop', receivedAt: anEvent().receivedAt, code: 'too_large', detail: '', payload };
    const dead = { lane: LANE, sequence: SEQUENCE, detail: 'poison', payload: randomBytes(1_000_000) };
    await store.apply({ ...decision, bad: [bad], dead: [dead] });
    expect(await reader.snapshot((reads) => badEvents(reads, { limit: 2 }))).toEqual([bad]);
    const [found] = await reader.snapshot((reads) => reads.dead(2));
    expect(Buffer.from(found?.payload ?? []).equals(dead.payload)).toBe(true);
  });

  it('keeps an event of 64,000 bytes that nothing packs', async () => {
    const { store, reader } = await opened();
    const event = anEvent({ properties: { noise: randomBytes(31_000).toString('hex') } });
    await write(store, LANE, [{ sequence: SEQUENCE, events: [event] }]);
    const [found] = await reader.snapshot((reads) => reads.eventsOf('device-1', { order: 'asc', limit: 1 }));
    expect(found?.properties).toEqual(event.properties);
  });

  it('takes a user of a thousand events in one batch, in order', async () => {
    const { store, reader } = await opened();
    const times = Array.from({ length: 1_000 }, (_, index) => new Date(1_764_000_000_000 + index).toISOString());
    const events = times.map((time) => anEvent({ anonymousId: 'hot', createdAt: time, timestamp: time }));
    await write(store, LANE, [{ sequence: SEQUENCE, events }]);
    const found = await reader.snapshot((reads) => reads.eventsOf('hot', { order: 'asc', limit: 1_000 }));
    expect(found.map(({ createdAt }) => createdAt)).toEqual(times);
    expect((await reader.snapshot((reads) => reads.totals())).events).toBe(1_000);
  }, 30_000);

  it('gives the same rows out of its journal as out of rows', async () => {
    for (const journalItemsMax of [0, 3, 100]) {
      const { store, reader } = await opened(journalItemsMax);
      for (let step = 1n; step <= 8n; step += 1n) {
        await write(store, LANE, [
          { sequence: step, events: [anEvent({ eventType: step % 2n === 0n ? 'page' : 'click' })] },
        ]);
      }
      expect(await mergedRows(reader), String(journalItemsMax)).toEqual({
        'shop minute/2026-11-23T10:00Z': { click: 4, page: 4 },
      });
    }
  });

  it('never asks for a key of no text, which DynamoDB refuses though its emulator does not', async () => {
    const dynamo = new MemoryDynamo();
    const { client } = dynamo;
    const reader = new DynamoEventReader({ client, tables: emulator.tables });
    const store = new DynamoEventStore({ client, tables: emulator.tables, folds: [typeCounts(1)], journalItemsMax: 0 });
    await write(store, LANE, [{ sequence: 1n, events: [anEvent()] }]);
    const rows = await reader.snapshot((reads) => reads.rows({ view: 'types', from: '', to: '~' }));
    expect(rows.map(({ key }) => key.bucket)).toEqual(['hour/2026-11-23T10:00Z', 'minute/2026-11-23T10:00Z']);
  });

  it('gives up on what stays throttled, and completes it when the batch comes again', async () => {
    const dynamo = new MemoryDynamo();
    const store = new DynamoEventStore({
      client: dynamo.client,
      tables: emulator.tables,
      folds: [typeCounts(1)],
      journalItemsMax: 0,
    });
    const decision = await decisionOf(store, LANE, [
      { sequence: 1n, events: [anEvent(), anEvent({ anonymousId: 'b' })] },
    ]);
    let calls = 0;
    dynamo.faults = {
      ...dynamo.faults,
      isThrottled: () => {
        calls += 1;
        return calls > 2;
      },
    };
    await expect(store.apply(decision)).rejects.toThrow('throttled');
    dynamo.faults = { ...dynamo.faults, isThrottled: () => false };
    expect((await store.apply(decision)).kind).toBe('applied');
    expect(dynamo.itemsOf(emulator.tables.events)).toHaveLength(2);
  });

  it('keeps apart what comes for a row that always fails, tells of it, and loses nothing', async () => {
    const dynamo = new MemoryDynamo();
    const { client } = dynamo;
    const counts = typeCounts(1);
    const options = { client, tables: emulator.tables, journalItemsMax: 0 };
    const failing: View<Map<string, number>> = {
      ...counts,
      absorb: (row, deltas, bucket) => {
        if (bucket.startsWith('hour/')) throw new TypeError('planted');
        return counts.absorb(row, deltas, bucket);
      },
    };
    const store = new DynamoEventStore({ ...options, folds: [failing] });
    for (let step = 1n; step <= 60n; step += 1n) {
      const decision = await decisionOf(store, LANE, [{ sequence: step, events: [anEvent()] }], { views: [failing] });
      await expect(store.apply(decision)).rejects.toThrow(/1 rows or items of the journal failed/);
    }
    const [lane] = dynamo.itemsOf(emulator.tables.state).filter((item) => textOf(item, 'pk') === LANE_PK);
    expect(lane && laneOf(lane).journal).toEqual([]);
    const reader = new DynamoEventReader({ client, tables: emulator.tables });
    expect(await mergedRows(reader)).toEqual({ 'shop minute/2026-11-23T10:00Z': { page: 60 } });
    expect(await mergedRows(reader, { unit: 'hour' })).toEqual({ 'shop hour/2026-11-23T10:00Z': { page: 60 } });
    const mended = new DynamoEventStore({ ...options, folds: [counts] });
    await write(mended, LANE, [{ sequence: 61n, events: [anEvent()] }]);
    expect(await mergedRows(reader, { unit: 'hour' })).toEqual({ 'shop hour/2026-11-23T10:00Z': { page: 61 } });
  });

  it('tells of a journal that cannot be folded with each batch, and takes no more than the item of a lane has room for', async () => {
    const dynamo = new MemoryDynamo();
    let isRowRefused = true;
    const client = {
      send: async (command: unknown) => {
        const isRow = command instanceof PutItemCommand && command.input.Item?.pk?.S?.startsWith('row\0') === true;
        if (isRow && isRowRefused) throw Object.assign(new Error('a hot row'), { $metadata: {} });
        return dynamo.client.send(command as PutItemCommand);
      },
    } as unknown as Pick<DynamoDBClient, 'send'>;
    const store = new DynamoEventStore({ client, tables: emulator.tables, folds: [typeCounts(1)] });
    const laneItem = () => dynamo.itemsOf(emulator.tables.state).find((item) => textOf(item, 'pk') === LANE_PK) as Item;
    const { journalItemsMax, journalItemsHeldMax } = LIMITS;
    let told = 0;
    for (let step = 1n; step <= BigInt(journalItemsHeldMax); step += 1n) {
      const decision = await decisionOf(store, LANE, [{ sequence: SEQUENCE + step, events: [anEvent()] }]);
      await store.apply(decision).catch((fault: Error) => {
        expect(fault.message).toBe('a hot row');
        told += 1;
      });
    }
    expect(told).toBe(journalItemsHeldMax - journalItemsMax);
    expect(laneOf(laneItem()).journal).toHaveLength(journalItemsHeldMax);
    expect(JSON.stringify(laneItem()).length).toBeLessThan(100_000);
    const next = await decisionOf(store, LANE, [
      { sequence: SEQUENCE + BigInt(journalItemsHeldMax) + 1n, events: [anEvent()] },
    ]);
    await expect(store.apply(next)).rejects.toThrow('400 items of its journal cannot be folded');
    expect(laneOf(laneItem()).journal).toHaveLength(journalItemsHeldMax);
    isRowRefused = false;
    expect((await store.apply(next)).kind).toBe('applied');
    const reader = new DynamoEventReader({ client, tables: emulator.tables });
    expect(await mergedRows(reader)).toEqual({ 'shop minute/2026-11-23T10:00Z': { page: journalItemsHeldMax + 1 } });
  });
});

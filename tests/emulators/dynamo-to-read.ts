import { BatchWriteItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { DynamoTable } from '../../src/adapters/aws/dynamo-client.ts';
import { DynamoEventReader } from '../../src/adapters/aws/dynamo-event-reader.ts';
import { EventKinds } from '../../src/adapters/aws/event-kinds.ts';
import { eventItem, hourOf, type Item, laneItem, NO_TOTALS, type StoredLane } from '../../src/adapters/aws/items.ts';
import type { TableNames } from '../../src/adapters/aws/tables.ts';
import { type Event, identityOf, visitorOf } from '../../src/core/event.ts';
import { LIMITS } from '../../src/core/limits.ts';
import type { EventPosition, EventReads } from '../../src/store/event-store.ts';
import { FACTS } from '../contracts/store-writing.ts';
import { type DynamoEmulator, startDynamo } from './dynamo.ts';

export type Sending = Pick<DynamoDBClient, 'send'>;
type Command = { readonly input: object };

/** For the file that calls it: a reader, over two tables that are new and empty for each of its tests. */
export function dynamoToRead() {
  let emulator: DynamoEmulator;
  let tables: TableNames;
  let state: DynamoTable;
  let reader: DynamoEventReader;
  beforeAll(async () => {
    emulator = await startDynamo();
  });
  afterAll(() => emulator.close());
  beforeEach(async () => {
    tables = await emulator.newTables();
    state = new DynamoTable(emulator.client, tables.state);
    reader = new DynamoEventReader({ client: emulator.client, tables });
  });

  function read<T>(reads: (reads: EventReads) => Promise<T>, client?: Sending): Promise<T> {
    return (client === undefined ? reader : new DynamoEventReader({ client, tables })).snapshot(reads);
  }

  /** A client that tells of each command before it is sent, and may change what comes back. */
  function listening(
    before: (command: Command) => Promise<void>,
    change: (command: Command, answer: object) => object = (_, answer) => answer,
  ): Sending {
    const send = async (command: Command) => {
      await before(command);
      return change(command, await emulator.client.send(command as never));
    };
    return { send: send as unknown as Sending['send'] };
  }

  async function putAll(table: keyof TableNames, items: readonly Item[]): Promise<void> {
    for (let start = 0; start < items.length; start += LIMITS.dynamoBatchWriteMax) {
      const requests = items.slice(start, start + LIMITS.dynamoBatchWriteMax).map((Item) => ({ PutRequest: { Item } }));
      await emulator.client.send(new BatchWriteItemCommand({ RequestItems: { [tables[table]]: requests } }));
    }
  }

  /** Each in a record of its own, in this order. */
  async function putEvents(events: readonly Event[], lane = 'a'): Promise<readonly Item[]> {
    const kinds = new EventKinds(state);
    await kinds.list(events);
    const items = events.map((event, place) =>
      itemOf(event, { lane, sequence: BigInt(place + 1), index: 0 }, kinds.hasList(event)),
    );
    await putAll('events', items);
    return items;
  }

  return { tables: () => tables, state: () => state, read, listening, putAll, putEvents };
}

export function itemOf(event: Event, position: EventPosition, hasList = true): Item {
  const { source, receivedAt, ...body } = event;
  const put = {
    identity: identityOf(event),
    position,
    visitor: { source, visitor: visitorOf(event) },
    eventType: event.eventType,
    timestamp: event.timestamp,
    receivedAt,
    facts: JSON.stringify(FACTS),
    body: JSON.stringify(body),
  };
  return eventItem(put, { hour: hourOf(receivedAt), hasList });
}

export function aLane(lane: string, fields: Partial<Omit<StoredLane, 'lane'>> = {}): Item {
  return laneItem({
    lane,
    state: { done: 0n, registry: { types: 1 }, cuts: {} },
    totals: NO_TOTALS,
    journal: [],
    expiredThrough: undefined,
    hour: undefined,
    revision: 1,
    ...fields,
  });
}

export const minute = (place: number) => `2026-11-23T10:${String(place).padStart(2, '0')}:00.000Z`;

import { PutItemCommand } from '@aws-sdk/client-dynamodb';
import { expect, it } from 'vitest';
import { anEvent } from '../../../tests/contracts/store-writing.ts';
import { itemOf } from '../../../tests/emulators/dynamo-to-read.ts';
import { MemoryDynamo } from '../../../tests/simulation/memory-dynamo.ts';
import { identityOf } from '../../core/event.ts';
import { HalfPut } from './half-put.ts';
import { positionOf } from './items.ts';

const tables = { events: 'events', state: 'state' };

it.each([true, false])(
  'takes back what a try put of a record, whether its type has a list (%s), and nothing else',
  async (hasList) => {
    const dynamo = new MemoryDynamo();
    const events = [anEvent(), anEvent({ eventType: 'other' }), anEvent()];
    // The last of them was stored before, by another record.
    for (const [index, event] of events.entries()) {
      const sequence = index === 2 ? 3n : 7n;
      const Item = itemOf(event, { lane: 'a', sequence, index }, hasList);
      await dynamo.client.send(new PutItemCommand({ TableName: tables.events, Item }));
    }
    const eventsIn = () =>
      events.map((event, index) => ({ identity: identityOf(event), timestamp: event.timestamp, index }));
    const halfPut = new HalfPut({ client: dynamo.client, tables, eventsIn });
    const records = [{ sequence: 7n, data: new Uint8Array() }];
    expect(await halfPut.isThere('a', records)).toBe(true);
    expect(await halfPut.isThere('b', records)).toBe(false);
    await halfPut.takeBack('a', records);
    expect(dynamo.itemsOf(tables.events).map((item) => positionOf(item).sequence)).toEqual([3n]);
    expect(await halfPut.isThere('a', records)).toBe(false);
  },
);

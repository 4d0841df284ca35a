import { DeleteItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll } from 'vitest';
import { DynamoEventReader } from '../../src/adapters/aws/dynamo-event-reader.ts';
import { DynamoEventStore, type DynamoEventStoreOptions } from '../../src/adapters/aws/dynamo-event-store.ts';
import { type Item, positionOf, textOf, typeOrderOf } from '../../src/adapters/aws/items.ts';
import type { TableNames } from '../../src/adapters/aws/tables.ts';
import type { EventPosition } from '../../src/store/event-store.ts';
import { type DynamoEmulator, startDynamo } from '../emulators/dynamo.ts';
import { FOLDS } from '../simulation/dynamo-protocol.ts';
import { describeEventStore } from './event-store.contract.ts';
import type { StoreSubject } from './store-subject.ts';
import { positionText } from './store-writing.ts';

let emulator: DynamoEmulator;
beforeAll(async () => {
  emulator = await startDynamo();
});
afterAll(() => emulator.close());

const TRAITS = { isAtomic: false, isolatesSnapshots: false, outlastsProcess: true };
/** As the processor has it: what the contract's own view is made by, it learns from batches, as from another version. */
const DEPLOYED = { folds: FOLDS };

describeEventStore('DynamoDB', TRAITS, async () => open(await emulator.newTables(), DEPLOYED));
describeEventStore('DynamoDB, rows written with every batch', TRAITS, async () =>
  open(await emulator.newTables(), { folds: [], journalItemsMax: 0 }),
);
describeEventStore('DynamoDB, rows written now and then', TRAITS, async () =>
  open(await emulator.newTables(), { folds: FOLDS, journalItemsMax: 2 }),
);

async function open(
  tables: TableNames,
  options: Pick<DynamoEventStoreOptions, 'folds' | 'journalItemsMax'>,
): Promise<StoreSubject> {
  const { client } = emulator;
  // After all that the suite writes; at an hour's end, so that what arrives later would be seen.
  const clock = () => Date.parse('2026-11-24T00:00:00.000Z');
  const store = new DynamoEventStore({ client, tables, ...options, erasureDelayMs: 0, clock });
  const reader = new DynamoEventReader({ client, tables });
  const find = async (position: EventPosition): Promise<Item> => {
    for (const item of await emulator.itemsOf(tables.events)) {
      if (positionText(positionOf(item)) === positionText(position)) return item;
    }
    throw new Error(`there is no event at ${positionText(position)}`);
  };
  const byHand: Promise<unknown>[] = [];
  const subject: StoreSubject = {
    store,
    reader: { snapshot: (read) => Promise.all(byHand).then(() => reader.snapshot(read)), close: () => reader.close() },
    reopen: async () => open(tables, options),
    removeByHand: (position) => {
      const remove = async () => {
        const { pk, sk } = await find(position);
        await client.send(new DeleteItemCommand({ TableName: tables.events, Key: { pk, sk } as Item }));
      };
      byHand.push(remove());
    },
    doubleByHand: (position, copy) => {
      const double = async () => {
        const item = await find(position);
        const [time = ''] = textOf(item, 'typeOrder').split('\0');
        const again = { ...item, sk: { S: `${textOf(item, 'sk')}\0copy` } };
        const doubled: Item = { ...again, typeOrder: { S: typeOrderOf(`${time}Z`, copy) } };
        await client.send(new PutItemCommand({ TableName: tables.events, Item: doubled }));
      };
      byHand.push(double());
    },
    moveByHand: (position, receivedAt) => {
      const move = async () => {
        const item = { ...(await find(position)), receivedAt: { S: receivedAt } };
        await client.send(new PutItemCommand({ TableName: tables.events, Item: item }));
      };
      byHand.push(move());
    },
    dispose: async () => {
      await Promise.all(byHand);
    },
  };
  return subject;
}

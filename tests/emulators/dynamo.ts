import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateTableCommand, DescribeTableCommand, DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import dynalite from 'dynalite';
import type { Item } from '../../src/adapters/aws/items.ts';
import { type TableNames, tableDefinitions } from '../../src/adapters/aws/tables.ts';

export interface DynamoEmulator {
  readonly client: DynamoDBClient;
  readonly tables: TableNames;
  /** Two more, empty. */
  newTables(): Promise<TableNames>;
  itemsOf(table: string): Promise<readonly Item[]>;
  close(): Promise<void>;
}

/**
 * DynamoDB on a free port of this machine, by dynalite, with the two tables, empty. It has no transactions, TTL or streams, throttles
 * nothing, and its index never lags. What tests rely on, [API] being https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/:
 *   a failed condition writes nothing   [API] API_PutItem.html. It does not send the item that is there, as AWS does: the adapter reads it
 *   order of a partition and an index   [API] API_Query.html: texts of the range key in the order of their UTF-8
 *   pages                               [API] API_Query.html, API_Scan.html: Limit, or 1 MB, and LastEvaluatedKey
 *   limits of keys and items            https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
 *   keys of one BatchGetItem            [API] API_BatchGetItem.html: at most 100; one named twice is refused
 *   a table is there once it is ACTIVE  [API] API_CreateTable.html
 */
export async function startDynamo(): Promise<DynamoEmulator> {
  const server = dynalite({ createTableMs: 0 });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = new DynamoDBClient({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'none', secretAccessKey: 'none' },
    requestHandler: new NodeHttpHandler({ connectionTimeout: 2_000, requestTimeout: 20_000 }),
  });
  let pairs = 0;
  const newTables = async () => {
    pairs += 1;
    const tables = { events: `events-${pairs}`, state: `state-${pairs}` };
    for (const definition of tableDefinitions(tables)) {
      await client.send(new CreateTableCommand(definition));
      await untilActive(client, definition.TableName);
    }
    return tables;
  };
  return {
    client,
    tables: await newTables(),
    newTables,
    itemsOf: (table) => itemsOf(client, table),
    close: async () => {
      client.destroy();
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

async function untilActive(client: DynamoDBClient, name: string | undefined): Promise<void> {
  for (;;) {
    const { Table } = await client.send(new DescribeTableCommand({ TableName: name }));
    if (Table?.TableStatus === 'ACTIVE') return;
    await sleep(1);
  }
}

async function itemsOf(client: DynamoDBClient, table: string): Promise<readonly Item[]> {
  const items: Item[] = [];
  let after: Item | undefined;
  do {
    const start = after && { ExclusiveStartKey: after };
    const page = await client.send(new ScanCommand({ TableName: table, ConsistentRead: true, ...start }));
    items.push(...(page.Items ?? []));
    after = page.LastEvaluatedKey;
  } while (after !== undefined);
  return items;
}

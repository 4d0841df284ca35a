import { randomBytes } from 'node:crypto';
import {
  BatchWriteItemCommand,
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb';
import { expect, test } from 'vitest';
import { SEALED_PARTITIONS, SUPERFLUOUS_PARTITIONS } from '../../infra/lib/query.ts';
import type { TableClient } from '../../src/adapters/aws/dynamo-client.ts';
import { DynamoEventStore } from '../../src/adapters/aws/dynamo-event-store.ts';
import { DynamoSalts } from '../../src/adapters/aws/dynamo-salts.ts';
import { deadPk, journalPk, LANE_PK, REBUILD_PK, rowPk, SALT_PK, visitorPk } from '../../src/adapters/aws/items.ts';
import { VIEWS } from '../../src/process/views/registry.ts';
import { TABLES } from '../simulation/dynamo-protocol.ts';
import { MemoryDynamo } from '../simulation/memory-dynamo.ts';

/** As IAM's StringLike compares. */
function isLike(pk: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const text = pattern
      .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '[^]*')
      .replaceAll('?', '[^]');
    return new RegExp(`^${text}$`).test(pk);
  });
}

/** The partitions that the function names when it seals, by what it does there. */
async function partitionsOfSealing(): Promise<{
  readonly put: readonly string[];
  readonly deleted: readonly string[];
}> {
  const { client } = new MemoryDynamo();
  const put: string[] = [];
  const deleted: string[] = [];
  const listening: TableClient = {
    ...client,
    send: (async (command: object) => {
      if (command instanceof PutItemCommand) put.push(command.input.Item?.pk?.S ?? '');
      if (command instanceof DeleteItemCommand) deleted.push(command.input.Key?.pk?.S ?? '');
      if (command instanceof BatchWriteItemCommand) {
        const requests = Object.values(command.input.RequestItems ?? {}).flat();
        // The statement that lets it put lets it write many, too.
        put.push(...requests.map(({ DeleteRequest }) => DeleteRequest?.Key?.pk?.S ?? ''));
      }
      return client.send(command as never);
    }) as TableClient['send'],
  };
  const store = new DynamoEventStore({ client: listening, tables: TABLES, folds: [] });
  const key = { view: 'ledger', version: 1, source: 'any', bucket: 'collector/000000000000', lane: 'a' };
  const witness = { collector: 'collector', number: 1, lane: 'a', sequence: 1n };
  for (const [from, text] of [randomBytes(400_000).toString('hex'), 'short'].entries()) {
    const sealing = { from, text, rows: [{ key, mark: 'any' }], witnesses: [witness] };
    expect(await store.seal(sealing)).toBe(true);
  }
  return { put: [...new Set(put)].sort(), deleted: [...new Set(deleted)].sort() };
}

test('a role that may seal may write what sealing writes, and nothing else', async () => {
  const { put, deleted } = await partitionsOfSealing();
  expect(put).toEqual(['part\0sealed', 'sealed']);
  expect(deleted).toEqual(['row\0ledger\u00001\0any', 'witness']);
  expect(put.filter((pk) => !isLike(pk, SEALED_PARTITIONS))).toEqual([]);
  expect(deleted.filter((pk) => !isLike(pk, SUPERFLUOUS_PARTITIONS))).toEqual([]);
  const others = [
    LANE_PK,
    journalPk('a'),
    deadPk('a'),
    visitorPk({ source: 'shop', visitor: 'v' }),
    rowPk({ view: 'traffic', version: 1, source: 'shop' }),
    'given-up',
    'part\0row\0ledger\u00001\0shop',
  ];
  for (const pk of others) expect(isLike(pk, [...SEALED_PARTITIONS, ...SUPERFLUOUS_PARTITIONS]), pk).toBe(false);
});

test('asking for a rebuild writes nothing but the partition that the role has for it', async () => {
  const { client } = new MemoryDynamo();
  const written: (string | undefined)[] = [];
  const listening: TableClient = {
    ...client,
    send: (async (command: object) => {
      const isRead = command instanceof GetItemCommand || command instanceof QueryCommand;
      if (!isRead) written.push(command instanceof PutItemCommand ? command.input.Item?.pk?.S : String(command));
      return client.send(command as never);
    }) as TableClient['send'],
  };
  const store = new DynamoEventStore({ client: listening, tables: TABLES, folds: [] });
  for (const view of VIEWS) await store.askRebuild(view);
  expect(written).toEqual(VIEWS.map(() => REBUILD_PK));
});

test('a salt is read and put in the partition that the collector has for it, and nowhere else', async () => {
  const asked: string[] = [];
  const client: TableClient = {
    send: (async (command: object) => {
      if (command instanceof GetItemCommand) asked.push(`get ${command.input.Key?.pk?.S}`);
      else asked.push(command instanceof PutItemCommand ? `put ${command.input.Item?.pk?.S}` : String(command));
      return {};
    }) as TableClient['send'],
  };
  const clock = () => Date.parse('2026-11-25T12:00:00Z');
  const salts = new DynamoSalts({ client, table: TABLES.state, clock, report: () => undefined });
  for (const day of ['2026-11-25', '2026-11-24']) await salts.of(day);
  expect(new Set(asked)).toEqual(new Set([`get ${SALT_PK}`, `put ${SALT_PK}`]));
});

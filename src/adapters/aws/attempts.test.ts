import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DynamoEmulator, startDynamo } from '../../../tests/emulators/dynamo.ts';
import { LIMITS } from '../../core/limits.ts';
import { DynamoAttempts } from './attempts.ts';
import { keyOf, sequenceText } from './items.ts';

let dynamo: DynamoEmulator;

beforeAll(async () => {
  dynamo = await startDynamo();
});

afterAll(async () => {
  await dynamo.close();
});

/** Of a real stream: more digits than a number of DynamoDB has. */
const SEQUENCE = 49_546_986_683_135_544_286_507_457_936_321_625_675_700_192_471_156_785_154n;

test('tries of each record are counted apart, until they are forgotten, and expire by themselves', async () => {
  const { client, tables } = dynamo;
  const nowMs = Date.parse('2026-11-25T08:00:00.000Z');
  const attempts = new DynamoAttempts({ client, table: tables.state, clock: () => nowMs });
  expect(await attempts.begin('shard-1', SEQUENCE)).toBe(1);
  expect(await attempts.begin('shard-1', SEQUENCE)).toBe(2);
  expect(await attempts.begin('shard-1', SEQUENCE + 1n)).toBe(1);
  expect(await attempts.begin('shard-2', SEQUENCE)).toBe(1);
  const Key = { pk: { S: keyOf('attempts', 'shard-1') }, sk: { S: sequenceText(SEQUENCE) } };
  const { Item } = await client.send(new GetItemCommand({ TableName: tables.state, Key }));
  expect(Number(Item?.expiresAt?.N) - nowMs / 1_000).toBe(LIMITS.recordTriesKeptHours * 3_600);
  await attempts.clear('shard-1', SEQUENCE);
  await attempts.clear('shard-1', SEQUENCE);
  expect(await attempts.begin('shard-1', SEQUENCE)).toBe(1);
  expect(await attempts.begin('shard-1', SEQUENCE + 1n)).toBe(2);
});

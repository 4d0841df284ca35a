import { randomBytes } from 'node:crypto';
import { GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { expect, test } from 'vitest';
import { MemoryDynamo } from '../../../tests/simulation/memory-dynamo.ts';
import { LIMITS } from '../../core/limits.ts';
import { badEventOf, badKey, claimReplays, noteReplays, putBadItems } from './bad-items.ts';
import { changeItem, UNCHANGED } from './change-item.ts';
import { deadKey, noteRedriven, putDeadItem } from './dead-items.ts';
import { DynamoTable, type Key, type TableClient } from './dynamo-client.ts';
import { redrivenOf, text } from './items.ts';
import { eraseLarge, partPk, readLarge } from './large-values.ts';

const BAD = { lane: 'l', sequence: 5n, index: 0 };
const DEAD = { lane: 'l', sequence: 6n };
const TO = { lane: 'l', sequence: 9n };
const SHORT = '{"anonymousId":"ada"}';
const LONG = JSON.stringify({ anonymousId: 'ada', more: randomBytes(LIMITS.dynamoValueBytesMax).toString('base64') });

const claim = (table: DynamoTable) =>
  claimReplays(table, [
    { of: BAD, replay: { at: 'now', edit: undefined, visitor: 'ada', line: SHORT, position: undefined } },
  ]);
const note = (table: DynamoTable) => noteReplays(table, [{ of: BAD, position: TO }]);
const redrive = (table: DynamoTable) => noteRedriven(table, DEAD, TO);
const eraseBad = (table: DynamoTable) => eraseLarge(table, badKey(BAD));
const eraseDead = (table: DynamoTable) => eraseLarge(table, deadKey(DEAD));

/** One event set aside and one dead record, of that payload. */
async function tableOf(payload: string) {
  const memory = new MemoryDynamo();
  const table = new DynamoTable(memory.client, 'state');
  const reason = {
    source: 'shop',
    receivedAt: '2026-11-25T10:00:00.000Z',
    code: 'schema_invalid',
    detail: 'got "ada"',
  };
  await putBadItems(table, [{ position: BAD, ...reason, payload }], { hour: '2026-11-25T10', version: () => 'v' });
  await putDeadItem(table, { ...DEAD, detail: 'ada', payload: Buffer.from(payload) }, 'v');
  return { memory, table };
}

/** The table for someone between whose first read and what they do with it another does their work. */
function interrupted(memory: MemoryDynamo, other: () => Promise<unknown>): DynamoTable {
  let isOver = false;
  const send = async (command: Parameters<TableClient['send']>[0]) => {
    const answer = await memory.client.send(command);
    if (command instanceof GetItemCommand && !isOver) {
      isOver = true;
      await other();
    }
    return answer;
  };
  return new DynamoTable({ send: send as TableClient['send'] }, 'state');
}

async function found(table: DynamoTable, key: Key) {
  const item = await table.get(key);
  if (item === undefined) throw new Error('it is gone');
  return item;
}

const read = async (table: DynamoTable) => badEventOf(table, await found(table, badKey(BAD)));
const GONE = { payload: '', detail: 'erased' };

test.each([
  ['short', SHORT],
  ['in parts', LONG],
])('what is erased between a read and its write stays erased: %s', async (_, payload) => {
  const { memory, table } = await tableOf(payload);
  expect(await claim(interrupted(memory, () => eraseBad(table)))).toMatchObject([
    { visitor: '', line: undefined, position: undefined },
  ]);
  expect(await read(table)).toMatchObject(GONE);
  expect((await read(table)).replay).toBeUndefined();
  expect(await redrive(interrupted(memory, () => eraseDead(table)))).toEqual(TO);
  const dead = await found(table, deadKey(DEAD));
  expect([dead.detail?.S, redrivenOf(dead)]).toEqual(['erased', TO]);
  expect((await readLarge(table, dead)).length).toBeLessThan(10);

  const claimed = await tableOf(payload);
  await claim(claimed.table);
  expect(await note(interrupted(claimed.memory, () => eraseBad(claimed.table)))).toEqual([TO]);
  expect(await read(claimed.table)).toMatchObject({
    ...GONE,
    replay: { visitor: '', line: undefined, position: TO },
  });
  expect(memory.itemsOf('state').filter(({ pk }) => pk?.S?.startsWith(partPk('')))).toEqual([]);
});

test('what is noted between the read and the write of an erasure stays noted', async () => {
  const { memory, table } = await tableOf(LONG);
  expect(await eraseBad(interrupted(memory, () => claim(table)))).toBe(true);
  expect(await read(table)).toMatchObject({ ...GONE, replay: { at: 'now', visitor: '', line: undefined } });
  expect(await eraseDead(interrupted(memory, () => redrive(table)))).toBe(true);
  expect(redrivenOf(await found(table, deadKey(DEAD)))).toEqual(TO);

  const claimed = await tableOf(SHORT);
  await claim(claimed.table);
  expect(await eraseBad(interrupted(claimed.memory, () => note(claimed.table)))).toBe(true);
  expect(await read(claimed.table)).toMatchObject({ ...GONE, replay: { visitor: '', position: TO } });
});

test('an event that expires between a read and its write does not come back', async () => {
  const { memory, table } = await tableOf(SHORT);
  await claim(table);
  await note(interrupted(memory, () => table.deleteAll([badKey(BAD)])));
  expect(await table.get(badKey(BAD))).toBeUndefined();
});

test('an erasure whose write is sent twice, for its answer was lost, takes the parts and counts', async () => {
  const { memory, table } = await tableOf(LONG);
  const send = async (command: Parameters<TableClient['send']>[0]) => {
    if (command instanceof PutItemCommand) await memory.client.send(command);
    return memory.client.send(command);
  };
  const lossy = new DynamoTable({ send: send as TableClient['send'] }, 'state');
  expect([await eraseBad(lossy), await eraseDead(lossy)]).toEqual([true, true]);
  expect(await read(table)).toMatchObject(GONE);
  expect(memory.itemsOf('state').filter(({ pk }) => pk?.S?.startsWith(partPk('')))).toEqual([]);
});

test('an item that others write each time it was read is left after some tries, which may be made again', async () => {
  const { client } = new MemoryDynamo();
  const table = new DynamoTable(client, 'state');
  const key = { pk: 'p', sk: 's' };
  await table.put({ pk: text(key.pk), sk: text(key.sk), ...UNCHANGED });
  let writes = 0;
  const send = async (command: Parameters<TableClient['send']>[0]) => {
    if (command instanceof PutItemCommand) writes += 1;
    if (command instanceof PutItemCommand) await changeItem(table, key, (item) => item);
    return client.send(command);
  };
  const busy = new DynamoTable({ send: send as TableClient['send'] }, 'state');
  await expect(changeItem(busy, key, (item) => item)).rejects.toMatchObject({ code: 'overloaded' });
  expect(writes).toBe(LIMITS.dynamoTries);
});

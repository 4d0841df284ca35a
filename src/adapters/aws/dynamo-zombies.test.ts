import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { expect, test } from 'vitest';
import { eventWith, recordOf } from '../../../tests/events.ts';
import { MemoryDynamo } from '../../../tests/simulation/memory-dynamo.ts';
import { processBatch } from '../../process/process-batch.ts';
import { LEDGER, ledgerRows } from '../../process/views/ledger.ts';
import { VIEWS } from '../../process/views/registry.ts';
import type { TableClient } from './dynamo-client.ts';
import { DynamoEventReader } from './dynamo-event-reader.ts';
import { DynamoEventStore } from './dynamo-event-store.ts';
import { LANE_PK } from './items.ts';

const tables = { events: 'events', state: 'state' };

function storeOn(client: TableClient): DynamoEventStore {
  return new DynamoEventStore({ client, tables, folds: [...VIEWS, { ...LEDGER, ...ledgerRows }] });
}

test('an invocation whose look at the lane comes late leaves nothing that was decided without what others did meanwhile', async () => {
  const { client } = new MemoryDynamo();
  const at = (second: number) => `2026-11-23T10:00:0${second}.000Z`;
  const records = [1, 2, 3].map((second) => {
    const times = { createdAt: at(second), timestamp: at(second) };
    const event = eventWith({ eventId: `e${second}`, anonymousId: 'a', eventType: 'Clicked', ...times });
    return { sequence: BigInt(second), data: recordOf([event], { number: second, ackedThrough: second - 1 }) };
  });
  const [first, second, third] = records;
  if (first === undefined || second === undefined || third === undefined) throw new Error('there are three');
  await processBatch({ lane: 'l', records: [first] }, storeOn(client));

  let isLate = false;
  const send = async (command: Parameters<TableClient['send']>[0]) => {
    if (command instanceof GetItemCommand && command.input.Key?.pk?.S === LANE_PK && !isLate) {
      isLate = true;
      await processBatch({ lane: 'l', records: [second] }, storeOn(client));
    }
    return client.send(command);
  };
  const late = storeOn({ send: send as TableClient['send'] });
  await processBatch({ lane: 'l', records: [second, third] }, late).catch(() => undefined);
  expect(isLate).toBe(true);
  await processBatch({ lane: 'l', records: [third] }, storeOn(client));

  const reader = new DynamoEventReader({ client, tables });
  const stored = await reader.snapshot((reads) => reads.events({ order: 'asc', limit: 10 }));
  // The second event took the bounce back; the third finds a session that is none any more.
  expect(stored.map(({ facts }) => facts.before?.bounced)).toEqual([undefined, true, false]);
});

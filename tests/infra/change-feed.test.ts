import { expect, test, vi } from 'vitest';
import { changeFeedHandler, handler } from '../../infra/examples/change-feed.ts';
import { DynamoEventStore } from '../../src/adapters/aws/dynamo-event-store.ts';
import { eventItem, type Item } from '../../src/adapters/aws/items.ts';
import type { StoredEvent } from '../../src/store/event-store.ts';
import { anEvent, decisionOf, erase, write } from '../contracts/store-writing.ts';
import { MemoryDynamo } from '../simulation/memory-dynamo.ts';

type EventName = 'INSERT' | 'MODIFY' | 'REMOVE';

function recordOf(eventId: string, eventName: EventName = 'INSERT') {
  const put = {
    identity: { source: 'shop', visitor: 'v1', createdAt: '2026-11-25T08:00:00.000Z', eventId, fingerprint: 'f' },
    position: { lane: 'shardId-000000000001', sequence: 7n, index: 0 },
    visitor: { source: 'shop', visitor: 'v1' },
    eventType: 'Order Completed',
    timestamp: '2026-11-25T08:00:00.000Z',
    receivedAt: '2026-11-25T08:00:01.000Z',
    facts: '{}',
    body: JSON.stringify({ eventId, eventType: 'Order Completed', anonymousId: 'v1', properties: { total: 12 } }),
  };
  return feedRecord(eventItem(put, { hour: '2026-11-25T08', hasList: true }), eventName, `s-${eventId}`);
}

/** As DynamoDB gives it to Lambda: JSON, bytes in base64. */
function feedRecord(item: Item, eventName: EventName, SequenceNumber: string) {
  const image = Object.fromEntries(
    Object.entries(item).map(([name, value]) => [
      name,
      value.B === undefined ? value : { B: Buffer.from(value.B).toString('base64') },
    ]),
  );
  const NewImage = JSON.parse(JSON.stringify(image));
  return { eventName, dynamodb: { SequenceNumber, ...(eventName !== 'REMOVE' && { NewImage }) } };
}

test('each event that was stored is taken, whole; removals are not', async () => {
  const taken: StoredEvent[] = [];
  const consume = changeFeedHandler(async (event) => void taken.push(event));
  expect(await consume({ Records: [recordOf('a'), recordOf('b', 'REMOVE'), recordOf('c')] })).toEqual({
    batchItemFailures: [],
  });
  expect(taken.map(({ eventId }) => eventId)).toEqual(['a', 'c']);
  expect(taken[0]).toMatchObject({ source: 'shop', eventType: 'Order Completed', properties: { total: 12 } });
});

test('an event that came again over one that an erasure hides is taken, too: the store writes it as a MODIFY', async () => {
  const dynamo = new MemoryDynamo();
  const tables = { events: 'events', state: 'state' };
  const store = new DynamoEventStore({ client: dynamo.client, tables, folds: [] });
  const event = anEvent({ anonymousId: 'gone' });
  const itemsOf = () => dynamo.itemsOf(tables.events);
  await write(store, 'a', [{ sequence: 1n, events: [event] }]);
  const [before] = itemsOf();
  await erase(store, { lane: 'a', sequence: 2n, source: 'shop', visitor: 'gone' });
  const again = await decisionOf(store, 'a', [{ sequence: 3n, events: [event] }], { isBlind: true });
  expect((await store.apply(again)).kind).toBe('applied');
  const [after, ...others] = itemsOf();
  expect(others).toEqual([]);
  expect(after?.sk).toEqual(before?.sk);
  expect(after).not.toEqual(before);

  const taken: StoredEvent[] = [];
  const consume = changeFeedHandler(async (stored) => void taken.push(stored));
  await consume({ Records: [feedRecord(after ?? {}, 'MODIFY', 's-2')] });
  expect(taken.map(({ eventId, position }) => [eventId, position.sequence])).toEqual([[event.eventId, 3n]]);
});

test('from the first that fails on, all are sent again', async () => {
  vi.spyOn(console, 'error').mockImplementation(() => {});
  const consume = changeFeedHandler(async ({ eventId }) => {
    if (eventId === 'b') throw new Error('no');
  });
  expect(await consume({ Records: [recordOf('a'), recordOf('b'), recordOf('c')] })).toEqual({
    batchItemFailures: [{ itemIdentifier: 's-b' }],
  });
});

test('the example writes into its log', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  await handler({ Records: [recordOf('a')] });
  expect(log).toHaveBeenCalledWith(expect.stringContaining('"eventId":"a"'));
});

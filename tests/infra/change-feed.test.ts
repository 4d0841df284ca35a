import { expect, test, vi } from 'vitest';
import { changeFeedHandler, handler } from '../../infra/examples/change-feed.ts';
import { eventItem } from '../../src/adapters/aws/items.ts';
import type { StoredEvent } from '../../src/store/event-store.ts';

function recordOf(eventId: string, eventName: 'INSERT' | 'REMOVE' = 'INSERT') {
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
  const item = eventItem(put, '2026-11-25T08');
  // As DynamoDB gives it to Lambda: JSON, bytes in base64.
  const image = Object.fromEntries(
    Object.entries(item).map(([name, value]) => [
      name,
      value.B === undefined ? value : { B: Buffer.from(value.B).toString('base64') },
    ]),
  );
  const NewImage = JSON.parse(JSON.stringify(image));
  return { eventName, dynamodb: { SequenceNumber: `s-${eventId}`, ...(eventName === 'INSERT' && { NewImage }) } };
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

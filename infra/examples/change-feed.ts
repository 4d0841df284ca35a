import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { type Item, storedEventOf } from '../../src/adapters/aws/items.ts';
import type { StoredEvent } from '../../src/store/event-store.ts';

/** Of the table's stream, as an event source mapping gives it: bytes are base64. */
export interface ChangeFeedEvent {
  readonly Records: readonly {
    readonly eventName: 'INSERT' | 'MODIFY' | 'REMOVE';
    readonly dynamodb: {
      readonly SequenceNumber: string;
      readonly NewImage?: Readonly<Record<string, FeedValue>>;
    };
  }[];
}

type FeedValue = { readonly S: string } | { readonly N: string } | { readonly B: string };

/**
 * An example of a consumer of the change feed: gives each event that was stored to `take`, in the order of its visitor.
 * The feed repeats what failed, so `take` must bear an event twice: its eventId and createdAt are the same. An event source
 * mapping with ReportBatchItemFailures goes on from the first that failed, and loses none.
 */
export function changeFeedHandler(
  take: (event: StoredEvent) => Promise<void>,
): (event: ChangeFeedEvent) => Promise<{ readonly batchItemFailures: readonly { readonly itemIdentifier: string }[] }> {
  return async ({ Records }) => {
    for (const { eventName, dynamodb } of Records) {
      // REMOVE is an event's retention, or an erasure. An event itself never changes: MODIFY is one that came again after an
      // erasure that has not deleted it yet, and took its place; that is a new one.
      if (eventName === 'REMOVE' || dynamodb.NewImage === undefined) continue;
      try {
        await take(storedEventOf(itemOf(dynamodb.NewImage)));
      } catch (thrown) {
        console.error(thrown);
        return { batchItemFailures: [{ itemIdentifier: dynamodb.SequenceNumber }] };
      }
    }
    return { batchItemFailures: [] };
  };
}

function itemOf(image: Readonly<Record<string, FeedValue>>): Item {
  return Object.fromEntries(
    Object.entries(image).map(([name, value]): [string, AttributeValue] => [
      name,
      'B' in value ? { B: Buffer.from(value.B, 'base64') } : value,
    ]),
  );
}

/** What the feed's function exports: here it writes each event into its log. */
export const handler = changeFeedHandler(async ({ source, eventType, eventId, timestamp }) => {
  console.log(JSON.stringify({ source, eventType, eventId, timestamp }));
});

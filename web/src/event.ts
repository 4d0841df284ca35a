import type { StoredEvent } from './answers.ts';

/** Of an event alone. */
export function keyOf({ position: { lane, sequence, index } }: Pick<StoredEvent, 'position'>): string {
  return `${lane}:${sequence}:${index}`;
}

/** The person, or else the device. */
export function whoOf({ userId, anonymousId, visitor }: StoredEvent): string {
  return userId ?? anonymousId ?? visitor;
}

/** What of it says where it happened: a page's path, or what the tracker named. */
export function placeOf({ properties, context }: StoredEvent): string {
  const page =
    typeof context.page === 'object' && context.page !== null ? (context.page as Record<string, unknown>) : {};
  const found = [properties.path, properties.url, page.path, page.url].find((value) => typeof value === 'string');
  return typeof found === 'string' ? found : '';
}

const CALLS = ['page', 'screen', 'identify', 'group', 'alias'];

/** A batch of Segment's protocol that sends it once more; with the same ids it is a duplicate, and changes nothing. */
export function batchOf(event: StoredEvent): unknown {
  const {
    eventId: messageId,
    eventType,
    userId,
    anonymousId,
    createdAt: timestamp,
    properties,
    context,
    traits,
  } = event;
  const call = CALLS.includes(eventType) ? { type: eventType } : { type: 'track', event: eventType };
  return { batch: [{ ...call, messageId, userId, anonymousId, timestamp, properties, context, traits }] };
}

import type { ReplayMark } from '../core/event.ts';
import type { JsonObject } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import type { EventPosition, EventRange, StoredEvent } from '../store/event-store.ts';
import { decodeCursor, encodeCursor, markOf, positionId } from './cursor.ts';
import { endpoint } from './endpoint.ts';
import { described, integer, oneOf, text, time, type Values } from './parameters.ts';
import { timeline } from './timeline.ts';

export const SOURCE = described(
  'Only of this source. One that nothing came from is no error.',
  text(LIMITS.idCharsMax),
);
export const LIMIT = described(
  `How many a page holds at the most; default ${LIMITS.pageEventsDefault}. A page may be shorter.`,
  integer({ min: 1, max: LIMITS.pageEventsMax }),
);
export const CURSOR = described('The cursor of the page before, with the same parameters.', text(LIMITS.urlCharsMax));
const LIST = {
  type: described('Only events of this type.', text(LIMITS.eventTypeCharsMax)),
  source: SOURCE,
  from: described('Inclusive.', time),
  to: described('Exclusive.', time),
  order: described('Oldest or newest first.', oneOf(['asc', 'desc'])),
  limit: LIMIT,
  cursor: CURSOR,
};

/** A list's parameters as a range of the store; one more event is asked for, to know whether there is another page. */
function rangeOf(given: Values<typeof LIST>, list: { readonly tag: string; readonly order: 'asc' | 'desc' }) {
  const { type, source, from, to, cursor, limit = LIMITS.pageEventsDefault, order = list.order } = given;
  const tag = `${list.tag}:${order}`;
  const after = cursor === undefined ? undefined : decodeCursor(tag, cursor);
  const range: EventRange = { eventType: type, source, from, to, order, limit: limit + 1, after };
  return { tag, limit, range };
}

export const userEvents = endpoint({
  path: '/api/v1/users/{id}/events',
  name: 'userEvents',
  summary: "One person's timeline",
  description:
    'Events over all linked visitors, in the order of `createdAt`, oldest first unless asked otherwise. An id that was never seen has none.',
  inPath: { id: described('A userId or an anonymousId.', text(LIMITS.idCharsMax)) },
  parameters: LIST,
  answers: 'EventPage',
  errors: ['cursor_invalid'],
  reply: async ({ reader }, given, { id }) => {
    const { tag, limit, range } = rangeOf(given, { tag: 'timeline', order: 'asc' });
    const events = await reader.snapshot((reads) => timeline(reads, id, range));
    const cursorOf = (event: StoredEvent) => encodeCursor(tag, markOf(event, 'createdAt'));
    return pageText('events', pageOf(events, { limit, render: renderEvent, cursorOf }));
  },
});

export const events = endpoint({
  path: '/api/v1/events',
  name: 'events',
  summary: 'Events in time order',
  description:
    'In the order of `timestamp`: those of a type oldest first, all of them newest first, unless asked otherwise.',
  parameters: LIST,
  answers: 'EventPage',
  errors: ['cursor_invalid'],
  reply: async ({ reader }, given) => {
    const order = given.type === undefined ? 'desc' : 'asc';
    const { tag, limit, range } = rangeOf(given, { tag: 'events', order });
    const found = await reader.snapshot((reads) => reads.events(range));
    const cursorOf = (event: StoredEvent) => encodeCursor(tag, markOf(event, 'timestamp'));
    return pageText('events', pageOf(found, { limit, render: renderEvent, cursorOf }));
  },
});

interface Page {
  readonly texts: readonly string[];
  /** Null on the last page. */
  readonly cursor: string | null;
}

/** At most `limit` items as JSON, fewer once they are long. */
export function pageOf<Item>(
  items: readonly Item[],
  page: {
    readonly limit: number;
    readonly render: (item: Item) => JsonObject;
    readonly cursorOf: (item: Item) => string;
  },
): Page {
  const texts: string[] = [];
  let chars = 0;
  for (const item of items) {
    if (texts.length === page.limit || chars > LIMITS.pageCharsMax) break;
    const rendered = JSON.stringify(page.render(item));
    chars += rendered.length;
    texts.push(rendered);
  }
  const last = items[texts.length - 1];
  return { texts, cursor: last !== undefined && texts.length < items.length ? page.cursorOf(last) : null };
}

export function pageText(name: string, { texts, cursor }: Page, more: JsonObject = {}): string {
  return `{"${name}":[${texts.join(',')}],${JSON.stringify({ cursor, ...more }).slice(1)}`;
}

export function renderEvent(event: StoredEvent): JsonObject {
  const { eventId, source, eventType, userId, anonymousId, createdAt, sentAt, receivedAt, timestamp } = event;
  const { properties, context, traits, visitor, position } = event;
  // The rest of the facts is for counting alone.
  const { session, sessionStart, first, newVisitor, late, enriched } = event.facts;
  return {
    ...{ eventId, source, eventType, userId, anonymousId, createdAt, sentAt, receivedAt, timestamp },
    ...{ properties, context, traits, visitor },
    facts: { session, sessionStart, first, newVisitor, late, enriched: { ...enriched } },
    position: renderPosition(position),
    ...(event.replay !== undefined && { replayOf: replayedId(event.replay) }),
  };
}

/** The id of the event set aside that an event was put back for. */
function replayedId({ lane, sequence, index }: ReplayMark): string {
  return positionId({ lane, sequence: BigInt(sequence), index });
}

export function renderPosition({ lane, sequence, index }: EventPosition): JsonObject {
  return { lane, sequence: sequence.toString(), index };
}

import { ClickstreamError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import type { BadEvent, BadReason, EventPosition, EventRange, EventReads, StoredEvent } from '../store/event-store.ts';
import { decodeCursor, encodeCursor, markOf, positionId, positionOf } from './cursor.ts';
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
  };
}

function renderPosition({ lane, sequence, index }: EventPosition): JsonObject {
  return { lane, sequence: sequence.toString(), index };
}

interface BadQuestion {
  readonly code: string | undefined;
  readonly source: string | undefined;
  readonly limit: number;
  readonly after: EventPosition | undefined;
}

export const bad = endpoint({
  path: '/api/v1/bad',
  name: 'bad',
  summary: 'Events that were set aside, newest first',
  description: `With a filter a page looks through ${LIMITS.badLooksMax} of them at the most: it may hold few, or none, and still have a cursor.`,
  parameters: {
    code: described('Only those set aside for this reason.', text(LIMITS.idCharsMax)),
    source: SOURCE,
    limit: LIMIT,
    cursor: CURSOR,
  },
  answers: 'BadPage',
  errors: ['cursor_invalid'],
  reply: async ({ reader }, { code, source, limit = LIMITS.pageEventsDefault, cursor }) => {
    const after = cursor === undefined ? undefined : decodeCursor('bad', cursor);
    const { page, reasons } = await reader.snapshot(async (reads) => ({
      page: await badPage(reads, { code, source, limit, after }),
      reasons: await countReasons(reads, source),
    }));
    return pageText('bad', page, reasons);
  },
});

export const badEvent = endpoint({
  path: '/api/v1/bad/{id}',
  name: 'badEvent',
  summary: 'One event that was set aside',
  inPath: { id: described('Its id, as the list has it.', text(LIMITS.urlCharsMax)) },
  parameters: {},
  answers: 'BadEvent',
  reply: async ({ reader, path }, _, { id }) => {
    const position = positionOf(id);
    const found = position && (await reader.snapshot((reads) => reads.badAt([position])))[0];
    if (found === undefined) throw new ClickstreamError('not_found', `no event that was set aside is at ${path}`);
    return JSON.stringify(renderBad(found));
  },
});

/** Finds the page's events by their reasons alone, and only then reads their bytes. */
async function badPage(reads: EventReads, { code, source, limit, after }: BadQuestion): Promise<Page> {
  const isFiltered = code !== undefined || source !== undefined;
  const looks = isFiltered ? LIMITS.badLooksMax : limit + 1;
  const seen = await reads.badReasons({ limit: looks, after });
  const fitting = seen.filter(
    (reason) => (code ?? reason.code) === reason.code && (source ?? reason.source) === reason.source,
  );
  const found = await readBad(reads, fitting.slice(0, limit + 1));
  const page = pageOf(found, { limit, render: renderBad, cursorOf: badCursor });
  const last = seen.at(-1);
  // There may be more beyond what was looked at.
  if (page.texts.length < fitting.length || seen.length < looks || last === undefined) return page;
  return { ...page, cursor: badCursor(last) };
}

/** The list is in the order of positions alone. */
function badCursor({ position }: BadReason): string {
  return encodeCursor('bad', { time: '', ...position });
}

/** Reads in steps and stops past a page's length, for a bad event may be as large as a request. */
async function readBad(reads: EventReads, reasons: readonly BadReason[]): Promise<readonly BadEvent[]> {
  const found: BadEvent[] = [];
  let chars = 0;
  for (let start = 0; start < reasons.length && chars <= 2 * LIMITS.pageCharsMax; start += LIMITS.badEventsStep) {
    const step = reasons.slice(start, start + LIMITS.badEventsStep).map(({ position }) => position);
    for (const event of await reads.badAt(step)) {
      chars += event.payload.length;
      found.push(event);
    }
  }
  return found;
}

/** The newest by reason, so that the answer costs no more however many there are. */
async function countReasons(reads: EventReads, source: string | undefined): Promise<JsonObject> {
  const newest = await reads.badReasons({ limit: LIMITS.badLooksMax });
  const counts = new Map<string, number>();
  for (const reason of newest) {
    if (source === undefined || reason.source === source) counts.set(reason.code, (counts.get(reason.code) ?? 0) + 1);
  }
  const reasons = [...counts]
    .sort(([codeA, a], [codeB, b]) => b - a || (codeA < codeB ? -1 : 1))
    .map(([code, count]) => ({ code, count }));
  return { reasons, counted: newest.length, complete: newest.length < LIMITS.badLooksMax };
}

function renderBad({ position, source, receivedAt, code, detail, payload }: BadEvent): JsonObject {
  return { id: positionId(position), source, receivedAt, code, detail, payload, position: renderPosition(position) };
}

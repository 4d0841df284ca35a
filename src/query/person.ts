import { ClickstreamError } from '../core/errors.ts';
import { idsOfBad } from '../core/ids-in.ts';
import type { JsonObject } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import { readJson } from '../core/read-json.ts';
import { type EventReads, type StoredEvent, type VisitorKey, visitorText } from '../store/event-store.ts';
import { renderBad } from './bad.ts';
import { decodeCursor, encodeCursor, markOf } from './cursor.ts';
import { endpoint, type QueryParts } from './endpoint.ts';
import { CURSOR, LIMIT, pageOf, renderEvent } from './lists.ts';
import { described, text } from './parameters.ts';
import { timeline } from './timeline.ts';

const ID = described('A userId or an anonymousId.', text(LIMITS.idCharsMax));

/** Whatever a person is to the stores. */
export interface Person {
  /** The devices linked to it, and the id itself in every source: as a device, or a user without one. */
  readonly visitors: readonly VisitorKey[];
  /** There are more devices than are named. */
  readonly more: boolean;
}

export async function personOf(reads: EventReads, id: string, ledger: string): Promise<Person> {
  const linked = await reads.visitorsOf(id, LIMITS.linksPerUserMax);
  const sources = new Set([...(await reads.sources(ledger)), ...linked.map(({ source }) => source)]);
  const itself = [...sources].map((source) => ({ source, visitor: id }));
  const others = linked.filter(({ visitor }) => visitor !== id);
  return { visitors: [...itself, ...others], more: linked.length === LIMITS.linksPerUserMax };
}

/** The same over whatever answers questions of the API. Rejects with `query_unavailable`. */
export function findPerson(
  ask: (question: { readonly path: string; readonly parameters: Readonly<Record<string, string>> }) => Promise<{
    readonly status: number;
    readonly body: string;
  }>,
): (id: string) => Promise<Person> {
  return async (id) => {
    const { status, body } = await ask({ path: `/api/v1/users/${encodeURIComponent(id)}/visitors`, parameters: {} });
    if (status !== 200) throw new ClickstreamError('query_unavailable', `the person cannot be looked up: ${body}`);
    return readJson(body) as Person;
  };
}

export const person = endpoint({
  path: '/api/v1/users/{id}/visitors',
  name: 'userVisitors',
  summary: 'What an erasure of a person takes',
  description: 'The id itself in each source, and every visitor (device) linked to it.',
  inPath: { id: ID },
  parameters: {},
  answers: 'Person',
  reply: async ({ reader, parts }, _, { id }) => {
    const { visitors, more } = await reader.snapshot((reads) => personOf(reads, id, parts.ledger.name));
    return JSON.stringify({ visitors, more });
  },
});

/** The parts of an export, one after another. */
const PARTS = ['visitors', 'events', 'bad'] as const;
type Part = (typeof PARTS)[number];

interface ExportPage {
  readonly texts: readonly string[];
  /** Where the part goes on; undefined at its end. */
  readonly cursor: string | undefined;
}

export const personExport = endpoint({
  path: '/api/v1/users/{id}/export',
  name: 'userExport',
  summary: 'All that is stored of a person',
  description:
    'Page by page until there is no cursor: the visitors (devices) that are linked, each with what is `kept` of it between events, the events of the timeline, and what was set aside of them. A page may be empty and have a cursor all the same. `clickstream export` makes a file of it.',
  inPath: { id: ID },
  parameters: { limit: LIMIT, cursor: CURSOR },
  answers: 'PersonExport',
  errors: ['cursor_invalid'],
  reply: async ({ reader, parts }, { limit = LIMITS.pageEventsDefault, cursor }, { id }) => {
    const { part, inner } = placeOf(cursor);
    const page = await reader.snapshot((reads) => pageFor(part, { reads, id, limit, inner, parts }));
    const next = PARTS[PARTS.indexOf(part) + 1];
    const following = page.cursor !== undefined ? `${part}.${page.cursor}` : next && `${next}.`;
    return `{"lines":[${page.texts.join(',')}],"cursor":${JSON.stringify(following ?? null)}}`;
  },
});

function placeOf(cursor: string | undefined): { readonly part: Part; readonly inner: string | undefined } {
  const [name = 'visitors', inner = ''] = cursor?.split('.') ?? [];
  const part = PARTS.find((each) => each === name);
  // Decoding it refuses what is none.
  return part === undefined ? { part: 'events', inner: name } : { part, inner: inner === '' ? undefined : inner };
}

interface Asked {
  readonly reads: EventReads;
  readonly id: string;
  readonly limit: number;
  readonly inner: string | undefined;
  readonly parts: QueryParts;
}

function pageFor(part: Part, asked: Asked): Promise<ExportPage> {
  switch (part) {
    case 'visitors':
      return visitorsPage(asked);
    case 'events':
      return eventsPage(asked);
    case 'bad':
      return badPage(asked);
  }
}

/** At most `linksPerUserMax` and the id itself, where it is one; and so one page. */
async function visitorsPage({ reads, id, parts }: Asked): Promise<ExportPage> {
  const { visitors } = await personOf(reads, id, parts.ledger.name);
  const states = await reads.visitorStates(visitors);
  const texts = visitors.flatMap((visitor) => {
    const kept = states.get(visitorText(visitor));
    if (kept === undefined && visitor.visitor === id) return [];
    return [lineOf('visitor', { ...visitor, ...(kept && { kept: parts.memoryOf(kept.state) }) })];
  });
  return { texts, cursor: undefined };
}

async function eventsPage({ reads, id, limit, inner }: Asked): Promise<ExportPage> {
  const after = inner === undefined ? undefined : decodeCursor('export', inner);
  const events = await timeline(reads, id, { order: 'asc', limit: limit + 1, after });
  const { texts, cursor } = pageOf(events, {
    limit,
    render: (event: StoredEvent) => ({ kind: 'event', ...renderEvent(event) }),
    cursorOf: (event: StoredEvent) => encodeCursor('export', markOf(event, 'createdAt')),
  });
  return { texts, cursor: cursor ?? undefined };
}

/** Nothing there is sorted by an id, so each page looks through the next ones. */
async function badPage({ reads, id, inner, parts }: Asked): Promise<ExportPage> {
  const { visitors } = await personOf(reads, id, parts.ledger.name);
  const ids = new Set(visitors.map(({ source, visitor }) => `${source}\0${visitor}`));
  const after = inner === undefined ? undefined : decodeCursor('export-bad', inner);
  const reasons = await reads.badReasons({ limit: LIMITS.badEventsStep, after });
  const bad = await reads.badAt(reasons.map(({ position }) => position));
  const own = bad.filter((event) => [...idsOfBad(event)].some((found) => ids.has(`${event.source}\0${found}`)));
  const last = reasons.at(-1)?.position;
  return {
    texts: own.map((event) => lineOf('bad', renderBad(event))),
    cursor: last && encodeCursor('export-bad', { time: '', ...last }),
  };
}

function lineOf(kind: string, of: JsonObject): string {
  return JSON.stringify({ kind, ...of });
}

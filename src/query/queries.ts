import { asClickstreamError, ClickstreamError, problemOf } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import type { Clock } from '../core/time.ts';
import type {
  BadEvent,
  EventPosition,
  EventReader,
  EventReads,
  Row,
  StoredCount,
  StoredEvent,
} from '../store/event-store.ts';
import { type AuditResult, audit, type LedgerBlock, type LedgerPart, type LogView } from './audit.ts';
import { decodeCursor, encodeCursor, markOf, positionId } from './cursor.ts';
import { integer, invalidParameter, oneOf, readParameters, text, time, zone } from './parameters.ts';
import { INTERVALS, type Measures, mergedStates, stats } from './stats.ts';
import { timeline } from './timeline.ts';

/** A GET of the API: the path as it was asked for (percent-encoded), and its query parameters, decoded, each once. */
export interface Question {
  readonly path: string;
  readonly parameters: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  /** JSON; a problem document (RFC 9457) when the status is 400 or more. */
  readonly body: string;
}

/** What queries need beside the store, passed in, for stages do not know each other. */
export interface QueryParts {
  readonly measures: Measures;
  readonly ledger: { readonly name: string; decode(text: string): LedgerPart };
  /** What the log still holds, for the audit. Absent where it cannot be looked into. */
  readonly log?: (() => Promise<LogView>) | undefined;
  readonly clock: Clock;
  /** Told of faults of the program; the asker is told too. */
  readonly report: (fault: ClickstreamError) => void;
}

interface Asked {
  readonly reader: EventReader;
  readonly parameters: Question['parameters'];
  readonly parts: QueryParts;
}

const ENDPOINTS: ReadonlyMap<string, (asked: Asked) => Promise<string>> = new Map([
  ['/api/v1/events', answerEvents],
  ['/api/v1/stats', answerStats],
  ['/api/v1/live', answerLive],
  ['/api/v1/bad', answerBad],
  ['/api/v1/audit', answerAudit],
]);
const TIMELINE = /^\/api\/v1\/users\/([^/]+)\/events$/;

/** Answers one question of the API from the store. Never throws: what goes wrong is an answer, too. */
export async function answer(reader: EventReader, question: Question, parts: QueryParts): Promise<Answer> {
  try {
    const asked = { reader, parameters: question.parameters, parts };
    const endpoint = ENDPOINTS.get(question.path);
    if (endpoint !== undefined) return { status: 200, body: await endpoint(asked) };
    const id = TIMELINE.exec(question.path)?.[1];
    if (id === undefined) throw new ClickstreamError('not_found', `nothing is served at ${question.path}`);
    return { status: 200, body: await answerTimeline(asked, decodeId(id)) };
  } catch (thrown) {
    const error = asClickstreamError(thrown);
    if (error.code === 'internal') parts.report(error);
    return { status: error.status, body: JSON.stringify(problemOf(error)) };
  }
}

function decodeId(encoded: string): string {
  const allowed = `a percent-encoded userId or anonymousId of at most ${LIMITS.idCharsMax} characters`;
  try {
    const id = text(LIMITS.idCharsMax).read(decodeURIComponent(encoded));
    if (id !== undefined) return id;
  } catch (error) {
    // What decodeURIComponent throws for a broken escape; the answer below says so.
    if (!(error instanceof URIError)) throw error;
  }
  throw invalidParameter({ name: 'the id in the path', got: encoded, allowed });
}

const ORDER = oneOf(['asc', 'desc']);
const LIMIT = integer({ min: 1, max: LIMITS.pageEventsMax });
const CURSOR = text(LIMITS.urlCharsMax);
const LIST = {
  type: text(LIMITS.eventTypeCharsMax),
  from: time,
  to: time,
  order: ORDER,
  limit: LIMIT,
  cursor: CURSOR,
};

/** A list's parameters as a range of the store; one more event is asked for, to know whether there is another page. */
function rangeOf(given: Question['parameters'], list: { readonly tag: string; readonly order?: 'asc' | 'desc' }) {
  const { type, from, to, cursor, limit = LIMITS.pageEventsDefault, ...rest } = readParameters(given, LIST);
  const order = rest.order ?? list.order ?? (type === undefined ? 'desc' : 'asc');
  const tag = `${list.tag}:${order}`;
  const after = cursor === undefined ? undefined : decodeCursor(tag, cursor);
  return { tag, limit, range: { eventType: type, from, to, order, limit: limit + 1, after } as const };
}

/** One person's events in `createdAt` order, oldest first unless asked otherwise. */
async function answerTimeline({ reader, parameters }: Asked, id: string): Promise<string> {
  const { tag, limit, range } = rangeOf(parameters, { tag: 'timeline', order: 'asc' });
  const events = await reader.snapshot((reads) => timeline(reads, id, range));
  const cursorOf = (event: StoredEvent) => encodeCursor(tag, markOf(event, 'createdAt'));
  return pageText('events', events, { limit, render: renderEvent, cursorOf });
}

/** Events in `timestamp` order: those of a type oldest first, all of them newest first, unless asked otherwise. */
async function answerEvents({ reader, parameters }: Asked): Promise<string> {
  const { tag, limit, range } = rangeOf(parameters, { tag: 'events' });
  const events = await reader.snapshot((reads) => reads.events(range));
  const cursorOf = (event: StoredEvent) => encodeCursor(tag, markOf(event, 'timestamp'));
  return pageText('events', events, { limit, render: renderEvent, cursorOf });
}

/** A page of at most `limit` items that ends early once it is long. The cursor is null on the last page. */
function pageText<Item>(
  name: string,
  items: readonly Item[],
  page: {
    readonly limit: number;
    readonly render: (item: Item) => JsonObject;
    readonly cursorOf: (item: Item) => string;
  },
): string {
  const texts: string[] = [];
  let chars = 0;
  for (const item of items) {
    if (texts.length === page.limit || chars > LIMITS.pageCharsMax) break;
    const rendered = JSON.stringify(page.render(item));
    chars += rendered.length;
    texts.push(rendered);
  }
  const last = items[texts.length - 1];
  const cursor = last !== undefined && texts.length < items.length ? page.cursorOf(last) : null;
  return `{"${name}":[${texts.join(',')}],"cursor":${JSON.stringify(cursor)}}`;
}

function renderEvent(event: StoredEvent): JsonObject {
  const { eventId, source, eventType, userId, anonymousId, createdAt, sentAt, receivedAt, timestamp } = event;
  const { properties, context, traits, visitor, facts, position } = event;
  const { session, sessionStart, first, newVisitor, late } = facts;
  return {
    ...{ eventId, source, eventType, userId, anonymousId, createdAt, sentAt, receivedAt, timestamp },
    ...{ properties, context, traits, visitor },
    facts: { session, sessionStart, first, newVisitor, late },
    position: renderPosition(position),
  };
}

function renderPosition({ lane, sequence, index }: EventPosition): JsonObject {
  return { lane, sequence: sequence.toString(), index };
}

const DAY_MS = 86_400_000;

async function answerStats({ reader, parameters, parts }: Asked): Promise<string> {
  const given = readParameters(parameters, {
    measure: oneOf(Object.keys(parts.measures)),
    by: text(LIMITS.eventTypeCharsMax),
    from: time,
    to: time,
    interval: oneOf(INTERVALS),
    zone,
    source: text(LIMITS.idCharsMax),
  });
  const { source, interval } = given;
  const name = given.measure ?? 'events';
  const measure = parts.measures[name] ?? parts.measures.events;
  const by = given.by === undefined ? undefined : measure.by[Object.hasOwn(measure.by, given.by) ? given.by : ''];
  if (given.by !== undefined && by === undefined) {
    const dimensions = Object.keys(measure.by).join(', ') || 'nothing';
    throw invalidParameter({
      name: 'by',
      got: given.by,
      allowed: `one of what ${name} can be split by (${dimensions})`,
    });
  }
  const to = given.to === undefined ? parts.clock() : Date.parse(given.to);
  const from = given.from === undefined ? to - DAY_MS : Date.parse(given.from);
  const question = { measure, by, source, from, to, interval, zone: given.zone ?? 'UTC' };
  const found = await reader.snapshot((reads) => stats(reads, question));
  return JSON.stringify({ measure: name, by: given.by, source, ...found });
}

/**
 * The last minutes: events of each, the visitors of the last few, what was stored ever (a rate is the difference of two
 * answers), and the newest events.
 */
async function answerLive({ reader, parameters, parts }: Asked): Promise<string> {
  readParameters(parameters, {});
  const now = parts.clock();
  const live = await reader.snapshot(async (reads) => {
    const { events, bad, dead, visitors, expired, erased } = await reads.totals();
    const newest = await reads.events({ order: 'desc', limit: LIMITS.liveEvents });
    return {
      time: new Date(now).toISOString(),
      totals: { stored: events + expired + erased, events, visitors, bad, dead },
      visitorsNow: await visitorsNow(reads, parts, now),
      minutes: await eventsByMinute(reads, parts, now),
      newest: newest.map(renderEvent),
    };
  });
  return JSON.stringify(live);
}

const MINUTE_MS = 60_000;

async function eventsByMinute(reads: EventReads, { measures }: QueryParts, now: number): Promise<JsonObject[]> {
  const { total } = measures.events;
  const borders = lastMinutes(now, { count: LIMITS.liveMinutes, stepMinutes: 1 });
  const states = await mergedStates(reads, { view: total.view, borders, interval: 'minute' });
  return states.map((state, place) => ({
    time: new Date(borders[place] ?? now).toISOString(),
    value: total.value(state),
  }));
}

async function visitorsNow(reads: EventReads, { measures }: QueryParts, now: number): Promise<number> {
  const { total } = measures.visitors;
  const borders = lastMinutes(now, { count: 1, stepMinutes: LIMITS.visitorsNowMinutes });
  const [state] = await mergedStates(reads, { view: total.view, borders, interval: 'minute' });
  return total.value(state ?? total.view.empty());
}

/** The borders of the last intervals, of which the very last ends with the current minute. */
function lastMinutes(now: number, { count, stepMinutes }: { readonly count: number; readonly stepMinutes: number }) {
  const end = (Math.floor(now / MINUTE_MS) + 1) * MINUTE_MS;
  return Array.from({ length: count + 1 }, (_, place) => end - (count - place) * stepMinutes * MINUTE_MS);
}

/** Events that were set aside, newest first. */
async function answerBad({ reader, parameters }: Asked): Promise<string> {
  const given = readParameters(parameters, { limit: LIMIT, cursor: CURSOR });
  const { limit = LIMITS.pageEventsDefault, cursor } = given;
  const after = cursor === undefined ? undefined : decodeCursor('bad', cursor);
  const bad = await reader.snapshot((reads) => readBad(reads, { limit: limit + 1, after }));
  const cursorOf = ({ receivedAt, position }: BadEvent) => encodeCursor('bad', { time: receivedAt, ...position });
  return pageText('bad', bad, { limit, render: renderBad, cursorOf });
}

/** Reads in steps and stops past a page's length, for a bad event may be as large as a request. */
async function readBad(
  reads: EventReads,
  range: { readonly limit: number; readonly after: EventPosition | undefined },
): Promise<readonly BadEvent[]> {
  const found: BadEvent[] = [];
  let { after } = range;
  let chars = 0;
  while (found.length < range.limit && chars <= 2 * LIMITS.pageCharsMax) {
    const limit = Math.min(LIMITS.badEventsStep, range.limit - found.length);
    const step = await reads.bad({ limit, after });
    for (const { payload } of step) chars += payload.length;
    found.push(...step);
    after = step.at(-1)?.position;
    if (step.length < limit) break;
  }
  return found;
}

function renderBad({ position, source, receivedAt, code, detail, payload }: BadEvent): JsonObject {
  return { id: positionId(position), source, receivedAt, code, detail, payload, position: renderPosition(position) };
}

/** The ledger. With `deep=true` the stored events are counted too, which reads all of them. */
async function answerAudit({ reader, parameters, parts }: Asked): Promise<string> {
  const { deep = 'false' } = readParameters(parameters, { deep: oneOf(['true', 'false']) });
  const witnesses = await reader.snapshot((reads) => reads.witnesses());
  const log = await parts.log?.();
  const result = await reader.snapshot(async (reads): Promise<AuditResult> => {
    const rows = await reads.rows({ view: parts.ledger.name, from: '', to: '\uffff' });
    const lanes = await reads.lanes();
    return audit({
      witnesses,
      log,
      ledger: blocksOf(rows, parts.ledger),
      lanes,
      totals: await reads.totals(),
      deep: deep === 'true' ? await readDeep(reads, [...lanes.keys()]) : undefined,
    });
  });
  return JSON.stringify(result, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));
}

function* blocksOf(rows: readonly Row[], ledger: QueryParts['ledger']): Generator<LedgerBlock> {
  for (const { key, text } of rows) {
    const collector = key.bucket.slice(0, key.bucket.lastIndexOf('/'));
    yield { collector, lane: key.lane, source: key.source, ...ledger.decode(text) };
  }
}

async function readDeep(reads: EventReads, lanes: readonly string[]) {
  const storedCounts: StoredCount[] = [];
  for (const lane of lanes) for (const count of await reads.storedCounts(lane)) storedCounts.push(count);
  return { storedCounts, doubled: await reads.doubled(LIMITS.auditProblemsMax) };
}

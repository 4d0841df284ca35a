import { ERASED_DETAIL } from '../core/erasures.ts';
import { ClickstreamError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import type { BadEvent, BadReason, EventPosition, EventReads, Replay } from '../store/event-store.ts';
import { decodeCursor, encodeCursor, positionId, positionOf, withoutZone } from './cursor.ts';
import { endpoint } from './endpoint.ts';
import { CURSOR, LIMIT, pageOf, pageText, renderPosition, SOURCE } from './lists.ts';
import { described, oneOf, text, time } from './parameters.ts';

/** Which of the events set aside are meant. */
export interface BadFilter {
  readonly code?: string | undefined;
  readonly type?: string | undefined;
  readonly source?: string | undefined;
  /** Of arrival: inclusive. */
  readonly from?: string | undefined;
  /** Exclusive. */
  readonly to?: string | undefined;
  /** @default include */
  readonly replayed?: 'exclude' | 'include' | 'only' | undefined;
}

export const BAD_FILTER = {
  code: described('Only those set aside for this reason.', text(LIMITS.idCharsMax)),
  type: described('Only events of this type, as far as it could be read.', text(LIMITS.eventTypeCharsMax)),
  source: SOURCE,
  from: described('Only what arrived then or later.', time),
  to: described('Only what arrived earlier.', time),
};

export const bad = endpoint({
  path: '/api/v1/bad',
  name: 'bad',
  summary: 'Events that were set aside, newest first',
  description: `With a filter a page looks through ${LIMITS.badLooksMax} of them at the most: it may hold few, or none, and still have a cursor. They are kept as long as events.`,
  parameters: {
    ...BAD_FILTER,
    replayed: described(
      'Those that were put back into the log; default include.',
      oneOf(['exclude', 'include', 'only']),
    ),
    limit: LIMIT,
    cursor: CURSOR,
  },
  answers: 'BadPage',
  errors: ['cursor_invalid'],
  reply: async ({ reader }, { limit = LIMITS.pageEventsDefault, cursor, ...filter }) => {
    const after = cursor === undefined ? undefined : decodeCursor('bad', cursor);
    const { found, reasons } = await reader.snapshot(async (reads) => ({
      found: await findBad(reads, { filter, limit: limit + 1, after }),
      reasons: await countReasons(reads, filter.source),
    }));
    const page = pageOf(found.events, { limit, render: renderBad, cursorOf: badCursor });
    const isCut = page.texts.length < found.events.length;
    return pageText('bad', { ...page, cursor: isCut ? page.cursor : found.cursor }, reasons);
  },
});

export const badEvent = endpoint({
  path: '/api/v1/bad/{id}',
  name: 'badEvent',
  summary: 'One event that was set aside, with its bytes as they came and what was put back for it',
  inPath: { id: described('Its id, as the list has it.', text(LIMITS.urlCharsMax)) },
  parameters: {},
  answers: 'BadEvent',
  reply: async ({ reader, path }, _, { id }) => {
    const position = positionOf(id);
    const [found] = position === undefined ? [] : await reader.snapshot((reads) => reads.badAt([position]));
    if (found === undefined) throw new ClickstreamError('not_found', `no event that was set aside is at ${path}`);
    return JSON.stringify(renderBad(found));
  },
});

export const badReasons = endpoint({
  path: '/api/v1/bad/reasons',
  name: 'badReasons',
  summary: 'Why events were set aside, counted by kind',
  description: `Of the newest ${LIMITS.badLooksMax} that were set aside: by source, reason, event type, and what its detail says without what was got.`,
  parameters: { source: SOURCE, code: BAD_FILTER.code, type: BAD_FILTER.type },
  answers: 'BadReasons',
  reply: async ({ reader }, filter) => JSON.stringify(await reader.snapshot((reads) => groupReasons(reads, filter))),
});

/** Finds events by their reasons alone, and only then reads their bytes: at most `limit`, fewer once they are long. */
export async function findBad(
  reads: EventReads,
  asked: { readonly filter: BadFilter; readonly limit: number; readonly after: EventPosition | undefined },
): Promise<{ readonly events: readonly BadEvent[]; readonly cursor: string | null }> {
  const { filter, limit, after } = asked;
  const isFiltered = Object.values(filter).some((value) => value !== undefined);
  const looks = isFiltered ? LIMITS.badLooksMax : limit;
  const seen = await reads.badReasons({ limit: looks, after });
  const fitting = seen.filter((reason) => fits(reason, filter));
  const events = await readBad(reads, fitting.slice(0, limit));
  const last = events.length < fitting.length ? events.at(-1) : seen.length < looks ? undefined : seen.at(-1);
  return { events, cursor: last === undefined ? null : badCursor(last) };
}

function fits(reason: BadReason, { code, type, source, from, to, replayed = 'include' }: BadFilter): boolean {
  const arrival = withoutZone(reason.receivedAt);
  return (
    (replayed === 'include' || (replayed === 'only' ? reason.isReplayed : isWaiting(reason))) &&
    (code === undefined || reason.code === code) &&
    (type === undefined || reason.eventType === type) &&
    (source === undefined || reason.source === source) &&
    (from === undefined || arrival >= withoutZone(from)) &&
    (to === undefined || arrival < withoutZone(to))
  );
}

/** Whether it can yet be put back: of what was erased nothing is left. */
function isWaiting({ isReplayed, detail }: BadReason): boolean {
  return !isReplayed && detail !== ERASED_DETAIL;
}

/** The list is in the order of positions alone. */
function badCursor({ position }: Pick<BadReason, 'position'>): string {
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

/** Events set aside that have all of it in common but when they came and what was got. */
interface Kind {
  readonly newest: BadReason;
  readonly pattern: string;
  count: number;
  waiting: number;
  first: string;
  last: string;
}

async function groupReasons(reads: EventReads, filter: BadFilter): Promise<JsonObject> {
  const newest = await reads.badReasons({ limit: LIMITS.badLooksMax });
  const fitting = newest.filter((reason) => fits(reason, filter));
  const kinds = new Map<string, Kind>();
  for (const reason of fitting) {
    const { source, code, eventType = '', receivedAt } = reason;
    const pattern = patternOf(reason.detail);
    const key = [source, code, eventType, pattern].join('\0');
    const kind = kinds.get(key) ?? {
      newest: reason,
      pattern,
      count: 0,
      waiting: 0,
      first: receivedAt,
      last: receivedAt,
    };
    kinds.set(key, kind);
    kind.count += 1;
    if (isWaiting(reason)) kind.waiting += 1;
    if (receivedAt < kind.first) kind.first = receivedAt;
    if (receivedAt > kind.last) kind.last = receivedAt;
  }
  // Those of one count stay in the order of their newest.
  const inOrder = [...kinds.values()].sort((a, b) => b.count - a.count).slice(0, LIMITS.badKindsMax);
  return {
    reasons: inOrder.map(({ newest: { source, code, eventType, position }, pattern, ...counts }) => ({
      ...{ source, code, eventType: eventType ?? null, detail: pattern, ...counts, example: positionId(position) },
    })),
    kinds: kinds.size,
    counted: newest.length,
    complete: newest.length < LIMITS.badLooksMax,
  };
}

/** What a detail says of more than one event: without what was got, and wherever in a list it was. */
export function patternOf(detail: string): string {
  return detail.replace(/, got .*$/s, '').replaceAll(/\/\d+(?=[/\s]|$)/g, '/*');
}

export function renderBad(event: BadEvent): JsonObject {
  const { position, source, receivedAt, code, detail, eventType, payload, cameFrom, replay } = event;
  return {
    ...{ id: positionId(position), source, receivedAt, code, detail, eventType: eventType ?? null, payload },
    position: renderPosition(position),
    replay: replay === undefined ? null : renderReplay(replay),
    replayOf: cameFrom === undefined ? null : positionId(cameFrom),
  };
}

export function renderReplay({ at, edit, position }: Replay): JsonObject {
  const place = position && { lane: position.lane, sequence: position.sequence.toString() };
  return { at, edit: edit ?? null, position: place ?? null };
}

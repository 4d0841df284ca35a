import type { JsonObject } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import type { EventMark, EventReads, StoredEvent } from '../store/event-store.ts';
import { auditOf } from './auditing.ts';
import { markOf } from './cursor.ts';
import { type Endpoint, endpoint, type QueryParts } from './endpoint.ts';
import { renderEvent, SOURCE } from './lists.ts';
import { described, integer, invalidParameter, oneOf, type Parameter, text, time, zone } from './parameters.ts';
import { schemasReport } from './schemas-report.ts';
import {
  BOTS,
  type Bots,
  INTERVALS,
  type Measure,
  type Measures,
  stats as measured,
  mergedStates,
  type Split,
} from './stats.ts';

const BOTS_CHOICE = described('Whether what bots did counts; default exclude.', oneOf(BOTS));

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** What can be measured, and by what, comes from the table of measures. */
export function statsEndpoint(measures: Measures): Endpoint {
  const splits = Object.entries(measures).map(
    ([name, { by }]) => `${name} by ${Object.keys(by).join(', ') || 'nothing'}`,
  );
  return endpoint({
    path: '/api/v1/stats',
    name: 'stats',
    summary: 'A measure over time',
    description:
      'The range is rounded outwards to whole intervals; `total` is all of it as one interval, rounded to minutes. Without `by`, or with ' +
      '`key`, there is a row for each interval; else rows of an interval come largest first. Visitors and users are told apart over the ' +
      `whole of an interval, so those of its parts do not sum up to it. Measures can be split thus: ${splits.join('; ')}.`,
    parameters: {
      measure: described('Default events.', oneOf(Object.keys(measures))),
      by: described('The dimension to split it by.', dimension(measures)),
      key: described('With `by`, and without `limit`: of this value alone.', text(LIMITS.rowKeyCharsMax)),
      limit: described(
        'With `by`, and without `key`: the largest so many of each interval; default all.',
        integer({ min: 1, max: LIMITS.statsLimitMax }),
      ),
      from: described('Inclusive; default a day before `to`.', time),
      to: described('Exclusive; default now.', time),
      interval: described('Default by the length of the range.', oneOf(INTERVALS)),
      zone: described('The time zone that days begin in; default UTC.', zone),
      source: SOURCE,
      bots: BOTS_CHOICE,
    },
    answers: 'Stats',
    reply: async ({ reader, parts }, given) => {
      const { source, interval, key, limit, bots = 'exclude' } = given;
      const name = given.measure ?? 'events';
      const measure = parts.measures[name] ?? parts.measures.events;
      const by = splitOf({ name, measure }, given);
      const to = given.to === undefined ? parts.clock() : Date.parse(given.to);
      const from = given.from === undefined ? to - DAY_MS : Date.parse(given.from);
      const question = { measure, by, key, limit, source, bots, from, to, interval, zone: given.zone ?? 'UTC' };
      const found = await reader.snapshot((reads) => measured(reads, question));
      return JSON.stringify({ measure: name, by: given.by, key, limit, source, bots, ...found });
    },
  });
}

/** How the measure is read by what it is to be split by. Throws `parameter_invalid` for what does not go together. */
function splitOf(
  { name, measure }: { readonly name: string; readonly measure: Measure },
  { by, key, limit }: { readonly [Name in 'by' | 'key']: string | undefined } & { readonly limit: number | undefined },
): Split | undefined {
  if (key !== undefined && (by === undefined || limit !== undefined))
    throw invalidParameter({ name: 'key', got: key, allowed: 'given with by, and without limit' });
  if (by === undefined && limit !== undefined)
    throw invalidParameter({ name: 'limit', got: String(limit), allowed: 'given with by' });
  if (by === undefined) return undefined;
  const split = Object.hasOwn(measure.by, by) ? measure.by[by] : undefined;
  if (split !== undefined) return split;
  const allowed = `one of what ${name} can be split by (${Object.keys(measure.by).join(', ') || 'nothing'})`;
  throw invalidParameter({ name: 'by', got: by, allowed });
}

/** Any text, for which dimensions a measure has is told by what refuses it. */
function dimension(measures: Measures): Parameter<string> {
  const names = [...new Set(Object.values(measures).flatMap(({ by }) => Object.keys(by)))];
  return {
    ...text(LIMITS.eventTypeCharsMax),
    allowed: 'one of what the measure can be split by',
    schema: { type: 'string', enum: names },
  };
}

interface LiveQuestion {
  readonly source: string | undefined;
  readonly bots: Bots;
  /** Epoch milliseconds. */
  readonly now: number;
}

export const live = endpoint({
  path: '/api/v1/live',
  name: 'live',
  summary: 'What happens now',
  description:
    'Events of each of the last minutes, the visitors of the last few, the newest events, and what was stored ever (a rate is the ' +
    'difference of two answers); `totals` are of all sources, with bots.',
  parameters: { source: SOURCE, bots: BOTS_CHOICE },
  answers: 'Live',
  reply: async ({ reader, parts }, { source, bots = 'exclude' }) => {
    const question = { source, bots, now: parts.clock() };
    const found = await reader.snapshot(async (reads) => {
      const { events, bad, badExpired, dead, visitors, expired, erased } = await reads.totals();
      return {
        time: new Date(question.now).toISOString(),
        source,
        bots,
        totals: { stored: events + expired + erased, events, visitors, bad: bad + badExpired, dead },
        visitorsNow: await visitorsNow(reads, parts, question),
        minutes: await eventsByMinute(reads, parts, question),
        newest: (await newestEvents(reads, question)).map(renderEvent),
      };
    });
    return JSON.stringify(found);
  },
});

/** Looks back at `liveLooksMax` events at the most: among many bots there may be fewer than asked for. */
async function newestEvents(reads: EventReads, { source, bots }: LiveQuestion): Promise<readonly StoredEvent[]> {
  const newest: StoredEvent[] = [];
  const limit = LIMITS.liveEvents;
  let after: EventMark | undefined;
  for (let looked = 0; looked < LIMITS.liveLooksMax && newest.length < limit; looked += limit) {
    const step = await reads.events({ order: 'desc', limit, source, after });
    newest.push(...step.filter((event) => bots === 'include' || isOfBot(event) === (bots === 'only')));
    const last = step.at(-1);
    if (last === undefined || step.length < limit) break;
    after = markOf(last, 'timestamp');
  }
  return newest.slice(0, limit);
}

function isOfBot({ facts }: StoredEvent): boolean {
  return facts.enriched.bot === true;
}

async function eventsByMinute(
  reads: EventReads,
  { measures }: QueryParts,
  { source, bots, now }: LiveQuestion,
): Promise<readonly JsonObject[]> {
  const { total } = measures.events;
  const borders = lastMinutes(now, { count: LIMITS.liveMinutes, stepMinutes: 1 });
  const question = { of: total, source, bots, borders, interval: 'minute' } as const;
  const states = await mergedStates(reads, question);
  return states.map((state, place) => ({
    time: new Date(borders[place] ?? now).toISOString(),
    value: total.value(state),
  }));
}

async function visitorsNow(
  reads: EventReads,
  { measures }: QueryParts,
  { source, bots, now }: LiveQuestion,
): Promise<number> {
  const { total } = measures.visitors;
  const borders = lastMinutes(now, { count: 1, stepMinutes: LIMITS.visitorsNowMinutes });
  const question = { of: total, source, bots, borders, interval: 'minute' } as const;
  const [state] = await mergedStates(reads, question);
  return total.value(state ?? total.empty());
}

/** The borders of the last intervals, of which the very last ends with the current minute. */
function lastMinutes(now: number, { count, stepMinutes }: { readonly count: number; readonly stepMinutes: number }) {
  const end = (Math.floor(now / MINUTE_MS) + 1) * MINUTE_MS;
  return Array.from({ length: count + 1 }, (_, place) => end - (count - place) * stepMinutes * MINUTE_MS);
}

export const sources = endpoint({
  path: '/api/v1/sources',
  name: 'sources',
  summary: 'The sources that anything came from',
  parameters: {},
  answers: 'Sources',
  reply: async ({ reader, parts }) =>
    JSON.stringify({ sources: await reader.snapshot((reads) => reads.sources(parts.ledger.name)) }),
});

export const schemas = endpoint({
  path: '/api/v1/schemas',
  name: 'schemas',
  summary: 'Properties seen, against the schemas',
  description:
    'For each source and event type: how often each property was there and with which JSON types, and whether the newest schema of ' +
    'the type has it. The range is rounded outwards to days of UTC. Events set aside are not counted.',
  parameters: {
    source: SOURCE,
    type: described(
      'Only this event type, and `(other)` where a row had no room for some.',
      text(LIMITS.eventTypeCharsMax),
    ),
    from: described('Inclusive; default seven days before `to`.', time),
    to: described('Exclusive; default now.', time),
  },
  answers: 'Schemas',
  reply: async ({ reader, parts }, given) => {
    const { list, fault } = parts.schemas();
    const to = given.to === undefined ? parts.clock() : Date.parse(given.to);
    const from = given.from === undefined ? to - 7 * DAY_MS : Date.parse(given.from);
    const question = { view: parts.seen, schemas: list, fault, source: given.source, type: given.type, from, to };
    return JSON.stringify(await reader.snapshot((reads) => schemasReport(reads, question)));
  },
});

export const audit = endpoint({
  path: '/api/v1/audit',
  name: 'audit',
  summary: 'Whether everything acknowledged is accounted for',
  description:
    'The ledger, in events. There is no parameter `source`: records are numbered over all sources, so of one that is lost it is not known ' +
    'which source it was of, and balance is of the whole; `sources`, `lanes` and `hours` (of arrival) have the counts of each.',
  parameters: {
    deep: described('Count the stored events too, which reads all of them.', oneOf(['true', 'false'])),
  },
  answers: 'Audit',
  reply: async ({ reader, parts }, { deep }) => {
    const result = await auditOf({ reader, parts, deep: deep === 'true' });
    return JSON.stringify(result, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));
  },
});

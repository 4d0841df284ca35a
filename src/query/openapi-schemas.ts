import type { JsonObject } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';

/**
 * What answers hold, as JSON Schema (2020-12). They say all of an answer: a member that is not here may not be there, save
 * where an object is the sender's own, and in `facts`, which may come to hold more.
 */

type Members = Readonly<Record<string, JsonObject>>;

/** An object with these members, some of which may be absent, and no others. */
function object(members: Members, optional: Members = {}): JsonObject {
  return {
    type: 'object',
    properties: { ...members, ...optional },
    required: Object.keys(members),
    additionalProperties: false,
  };
}

function arrayOf(items: JsonObject): JsonObject {
  return { type: 'array', items };
}

export function schemaOf(name: string): JsonObject {
  return { $ref: `#/components/schemas/${name}` };
}

function about(description: string, schema: JsonObject): JsonObject {
  return { ...schema, description };
}

const TEXT: JsonObject = { type: 'string' };
const NAME: JsonObject = { type: 'string', minLength: 1 };
const FLAG: JsonObject = { type: 'boolean' };
const COUNT: JsonObject = { type: 'integer', minimum: 0 };
/** As `-?` says, a lane that has nothing done yet is at -1. */
const BIG: JsonObject = { type: 'string', pattern: '^-?\\d+$' };
const TIME: JsonObject = { type: 'string', format: 'date-time' };
const TIME_OR_NULL: JsonObject = { type: ['string', 'null'], format: 'date-time' };
/** Of a tracker: ISO 8601 in UTC at any precision; a day that its month lacks is kept as it was sent. */
const TRACKER_TIME: JsonObject = {
  type: 'string',
  pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?Z$',
  examples: ['2026-11-23T10:04:05.678Z'],
};
const ANYTHING: JsonObject = { type: 'object', additionalProperties: true };
const CURSOR: JsonObject = { type: ['string', 'null'], description: 'For the next page; null on the last one.' };
const ID = NAME;

const FACTS: JsonObject = {
  ...object({
    session: about("The visitor's sessions are numbered from 1.", { type: 'integer', minimum: 1 }),
    sessionStart: about("The timestamp of the session's first event.", TRACKER_TIME),
    first: about("The session's first event.", FLAG),
    newVisitor: about("The visitor's first event of all.", FLAG),
    late: about('It came after an event of its visitor with a later timestamp.', FLAG),
    enriched: about('What was found out from it: browser, referrer, country and the like, each where it is known.', {
      type: 'object',
      properties: { bot: { const: true } },
      additionalProperties: { type: 'string' },
    }),
  }),
  additionalProperties: true,
  description: 'What processing found out about the event. There may come to be more.',
};

const STORED_EVENT = object(
  {
    eventId: about("The tracker's id of it.", ID),
    source: NAME,
    eventType: about("A track call's event name; else page, screen, identify, group or alias.", NAME),
    createdAt: about("By the tracker's clock.", TRACKER_TIME),
    receivedAt: about("By the server's clock.", TRACKER_TIME),
    timestamp: about('`createdAt` corrected by `sentAt` and `receivedAt`.', TRACKER_TIME),
    properties: ANYTHING,
    context: ANYTHING,
    traits: ANYTHING,
    visitor: about('`anonymousId`, else `userId`.', ID),
    facts: schemaOf('Facts'),
    position: schemaOf('Position'),
  },
  {
    ...{ userId: ID, anonymousId: ID, sentAt: TRACKER_TIME },
    replayOf: about('The id under which it was set aside, of one that was put back.', ID),
  },
);

const STATS = object(
  {
    measure: NAME,
    bots: { enum: ['exclude', 'include', 'only'] },
    from: about('From when it counted: the range is rounded outwards to whole intervals.', TIME),
    to: TIME,
    interval: { enum: ['minute', 'hour', 'day', 'total'] },
    zone: about('The time zone that days begin in.', NAME),
    rows: arrayOf(schemaOf('StatsRow')),
  },
  { by: NAME, key: NAME, limit: COUNT, source: NAME },
);

const LIVE = object(
  {
    time: TIME,
    totals: about(
      'Of all sources, bots and all.',
      object({
        stored: about('Events stored ever.', COUNT),
        events: about('Events that lie in the store.', COUNT),
        visitors: COUNT,
        bad: COUNT,
        dead: COUNT,
      }),
    ),
    visitorsNow: about('Visitors of the last five minutes.', { type: 'number', minimum: 0 }),
    minutes: arrayOf(object({ time: TIME, value: { type: 'number' } })),
    newest: arrayOf(schemaOf('StoredEvent')),
    bots: { enum: ['exclude', 'include', 'only'] },
  },
  { source: NAME },
);

function orNull(schema: JsonObject): JsonObject {
  return { anyOf: [schema, { type: 'null' }] };
}

const COUNTS: JsonObject = { type: 'object', additionalProperties: COUNT };

const SYSTEM = object({
  home: { enum: ['one machine', 'AWS'] },
  version: NAME,
  startedAt: TIME_OR_NULL,
  ready: schemaOf('Readiness'),
  freshness: about(
    'From the 2xx to when lists and timelines have the events, over the last seconds; half of the records took no longer than `p50Ms`, and ' +
      '99 in 100 no longer than `p99Ms`.',
    orNull(object({ seconds: COUNT, records: COUNT, p50Ms: COUNT, p99Ms: COUNT })),
  ),
  collect: about(
    'Since it started: events acknowledged, how many of them were set aside, answers by status, and errors by code.',
    orNull(object({ events: COUNT, setAside: COUNT, requests: COUNTS, rejected: COUNTS })),
  ),
  log: about(
    'Segments are as long as their files, which are full of zeros first.',
    orNull(object({ bytes: COUNT, segments: COUNT, unprocessedBytes: COUNT, writable: FLAG })),
  ),
  store: orNull(object({ bytes: COUNT, writable: FLAG })),
  disk: orNull(object({ freeBytes: COUNT })),
  lanes: arrayOf(
    object({
      lane: NAME,
      done: BIG,
      arrivedAt: about(
        'When the newest record that is done arrived in the log, where the log says that.',
        TIME_OR_NULL,
      ),
    }),
  ),
});

const BAD_PAGE = object({
  bad: arrayOf(schemaOf('BadEvent')),
  cursor: CURSOR,
  reasons: about(
    'How many of the newest events set aside there are by reason, most first; `source` narrows it, `code` does not.',
    arrayOf(object({ code: NAME, count: { type: 'integer', minimum: 1 } })),
  ),
  counted: about('How many events set aside were looked at for `reasons`.', COUNT),
  complete: about('Whether these were all.', FLAG),
});

const PLACE: Members = { lane: NAME, sequence: BIG };

const REPLAY: Members = {
  at: about('When that was decided.', TIME),
  edit: about(
    'SHA-256 of the event that came in its place, as JSON without spaces; null when it was put back as it came.',
    {
      type: ['string', 'null'],
    },
  ),
  position: about('Where it lies in the log; null while that is not known.', {
    anyOf: [object(PLACE), { type: 'null' }],
  }),
};

const DEAD: Members = {
  id: ID,
  ...PLACE,
  reason: about('Why it could not be processed.', TEXT),
  bytes: about('Of its payload.', COUNT),
  receivedAt: about('When its events came; null where that cannot be read.', {
    type: ['string', 'null'],
    format: 'date-time',
  }),
  redriven: about('Where its payload lies in the log anew; null when it was not put back.', {
    anyOf: [object(PLACE), { type: 'null' }],
  }),
};

const OUTCOMES: Members = {
  accepted: COUNT,
  stored: COUNT,
  duplicate: COUNT,
  bad: COUNT,
  dead: COUNT,
  forgotten: about('Not taken in, for they happened before an erasure of their person.', COUNT),
  pending: COUNT,
  redelivered: COUNT,
};

const PERSON = object({
  visitors: about(
    'The id itself in each source, and the devices linked to it.',
    arrayOf(object({ source: NAME, visitor: ID })),
  ),
  more: about('There are more than are named: erase again once the certificate says that these are.', FLAG),
});

const ERASURE_ASKED = object({
  id: about('For `/api/v1/erasures/{id}`.', ID),
  visitors: about('How many visitors, each in one source, it takes.', COUNT),
  more: FLAG,
});

const ERASURE = object({
  id: ID,
  state: about('`done` once nothing is scheduled any more; what expires or is kept is told.', {
    enum: ['asked', 'applied', 'done'],
  }),
  askedAt: TIME,
  visitors: about('How many it was asked for.', COUNT),
  applied: about('Of these, how many took their place in the log.', COUNT),
  places: arrayOf(
    object(
      { place: NAME, state: { enum: ['removed', 'scheduled', 'expires', 'kept'] }, detail: TEXT },
      { removed: COUNT, until: TIME },
    ),
  ),
});

const RECEIPT = object({
  id: ID,
  state: about('`done` when nothing of it is pending.', { enum: ['pending', 'done'] }),
  receivedAt: about('When the request came, to the second.', TIME),
  events: about('That it acknowledges: the sum of those below.', { type: 'integer', minimum: 1 }),
  stored: COUNT,
  duplicate: about('Of an event that is stored already.', COUNT),
  bad: about('Set aside, with a reason.', COUNT),
  dead: about('Of records that could not be processed at all.', COUNT),
  forgotten: about('Not taken in, for they happened before an erasure of their person.', COUNT),
  lost: about('Of records that are nowhere. It is a fault, which the audit names too.', COUNT),
  pending: about('Not processed yet.', COUNT),
  notStored: about(
    `Those that are not stored, and not pending; ${LIMITS.receiptNotStoredMax} at the most.`,
    arrayOf(
      object(
        { outcome: { enum: ['duplicate', 'bad', 'dead', 'forgotten', 'lost'] }, lane: NAME, sequence: BIG },
        {
          index: about(
            'The place in its record. A request is a record for each visitor, its events in their order.',
            COUNT,
          ),
          events: about('How many, of a record that is dead or lost.', COUNT),
          id: about('For `/api/v1/bad/{id}`, or `/api/v1/dead/{id}`.', ID),
          code: about('Why it is bad.', NAME),
          detail: TEXT,
        },
      ),
    ),
  ),
});

const AUDIT = object({
  balanced: about('No problem was found.', FLAG),
  deep: about('Whether the stored events themselves were counted.', FLAG),
  ...OUTCOMES,
  lost: COUNT,
  unresolved: COUNT,
  unwitnessed: about(
    'Records that are known and that their collector has not spoken of apart from them: were others lost behind them, it would not show yet.',
    COUNT,
  ),
  expired: COUNT,
  badExpired: about('Events set aside that retention took; `bad` counts them.', COUNT),
  erased: COUNT,
  waiting: about(
    'Lanes in which records wait to be processed. On AWS they are not counted, so `pending` is 0 also when some do.',
    arrayOf(NAME),
  ),
  lanes: arrayOf(object({ lane: NAME, done: BIG, ...OUTCOMES })),
  sources: arrayOf(object({ source: TEXT, ...OUTCOMES })),
  hours: about(
    'By the hour of arrival in UTC, the newest first. `older` are those before, together; an empty hour is not known.',
    arrayOf(object({ lane: NAME, source: TEXT, hour: TEXT, ...OUTCOMES })),
  ),
  problemCount: COUNT,
  problems: arrayOf(schemaOf('AuditProblem')),
  notes: arrayOf(schemaOf('AuditProblem')),
});

const TYPE_REPORT = object({
  source: { type: ['string', 'null'] },
  eventType: NAME,
  events: COUNT,
  versions: about('Of its schemas, ascending; none: it has no schema.', arrayOf({ type: 'integer', minimum: 0 })),
  field: { enum: ['properties', 'traits'] },
  capped: about('There were more properties than were kept.', FLAG),
  properties: arrayOf(
    object({
      name: TEXT,
      count: COUNT,
      missing: about('Events without it.', COUNT),
      types: { type: 'object', additionalProperties: COUNT },
      inSchema: FLAG,
      required: FLAG,
    }),
  ),
});

export const SCHEMAS: JsonObject = {
  Position: object({ lane: NAME, sequence: BIG, index: COUNT }),
  Facts: FACTS,
  StoredEvent: STORED_EVENT,
  EventPage: object({ events: arrayOf(schemaOf('StoredEvent')), cursor: CURSOR }),
  Stats: STATS,
  StatsRow: object({ time: TIME, value: { type: 'number' } }, { key: about('The value of the dimension.', TEXT) }),
  Live: LIVE,
  System: SYSTEM,
  Schemas: object({
    from: TIME,
    to: TIME,
    fault: about('Why the schemas as they are in their folder are not in force.', { type: ['string', 'null'] }),
    types: arrayOf(TYPE_REPORT),
  }),
  Sources: object({ sources: arrayOf(NAME) }),
  BadEvent: object({
    id: ID,
    source: NAME,
    receivedAt: TIME,
    code: about('Why it was set aside.', NAME),
    detail: TEXT,
    eventType: about('Null where it could not be read.', { type: ['string', 'null'] }),
    payload: about('The bytes it came as.', TEXT),
    position: schemaOf('Position'),
    replay: about('What was put back into the log for it; null when nothing was.', {
      anyOf: [object(REPLAY), { type: 'null' }],
    }),
    replayOf: about('Of one that was put back and set aside again: the id under which it was set aside first.', {
      type: ['string', 'null'],
    }),
  }),
  BadReasons: object({
    reasons: about(
      'Most first.',
      arrayOf(
        object({
          source: NAME,
          code: NAME,
          eventType: { type: ['string', 'null'] },
          detail: about('What their details have in common: without what was got.', TEXT),
          count: { type: 'integer', minimum: 1 },
          waiting: about('Of these, not put back.', COUNT),
          first: about('When the oldest of them arrived.', TIME),
          last: TIME,
          example: about('The id of the newest.', ID),
        }),
      ),
    ),
    kinds: about('How many kinds there are, listed or not.', COUNT),
    counted: about('How many events set aside were looked at.', COUNT),
    complete: about('Whether these were all.', FLAG),
  }),
  BadReplayed: object({
    id: ID,
    ...REPLAY,
    appended: about('False when this was done before, and nothing was appended now.', FLAG),
  }),
  BadReplays: object({
    found: about('Those of the kind that were not put back before.', COUNT),
    replayed: about('Of these, appended now; with `dryRun`, that would be.', COUNT),
    refused: about(
      'Those that are no valid events as they came.',
      arrayOf(object({ id: ID, code: NAME, detail: TEXT })),
    ),
    stopped: about('Why the piece was ended before its end; null when it was not.', {
      anyOf: [object({ code: NAME, detail: TEXT }), { type: 'null' }],
    }),
    cursor: CURSOR,
  }),
  BadPage: BAD_PAGE,
  Person: PERSON,
  PersonExport: object({
    lines: arrayOf({ ...object({ kind: { enum: ['visitor', 'event', 'bad'] } }), additionalProperties: true }),
    cursor: CURSOR,
  }),
  ErasureAsked: ERASURE_ASKED,
  Erasure: ERASURE,
  DeadPage: object({ dead: arrayOf(object(DEAD)), cursor: CURSOR }),
  DeadRecord: object({
    ...DEAD,
    payload: about('Its bytes as base64.', { type: 'string', contentEncoding: 'base64' }),
    text: about('Its bytes as text; null when they are no UTF-8.', { type: ['string', 'null'] }),
  }),
  Receipt: RECEIPT,
  Redriven: object({
    id: ID,
    redriven: object(PLACE),
    appended: about('False when this was done before, and nothing was appended now.', FLAG),
  }),
  Rebuilds: object({
    rebuilds: arrayOf(
      object({
        view: NAME,
        state: about('finished: its numbers are the new ones.', {
          type: 'string',
          enum: ['never', 'waiting', 'folding', 'finished'],
        }),
        askedAt: about('Null when it was not asked for, but came with a new version of the program.', TIME_OR_NULL),
        startedAt: TIME_OR_NULL,
        finishedAt: TIME_OR_NULL,
        folded: about('Stored events that were looked at.', COUNT),
        events: about('About how many there are to be looked at.', COUNT),
        keptBefore: about(
          'Times that began before this keep their numbers, for some of their events are expired; null where none is.',
          TIME_OR_NULL,
        ),
      }),
    ),
  }),
  RebuildAsked: object({ view: NAME }),
  Replayed: object({
    records: about('Appended now.', COUNT),
    events: about('Of these records.', COUNT),
    refused: about(
      'What was not appended. When its code is one of 503, neither was all after it.',
      arrayOf(
        object({
          place: about("Which of the body's records, from 1; what is none but lies between two counts as one.", COUNT),
          code: about('Stable.', { type: 'string', pattern: '^[a-z_]+$' }),
          detail: TEXT,
        }),
      ),
    ),
  }),
  Audit: AUDIT,
  AuditProblem: object(
    { kind: NAME, detail: TEXT },
    { collector: NAME, number: COUNT, lane: NAME, sequence: BIG, eventId: ID, source: TEXT, hour: TEXT },
  ),
  Health: object({ status: { const: 'ok' } }),
  Readiness: object({ ready: FLAG, reasons: about('Why it is not, in words.', arrayOf(TEXT)) }),
  Problem: object({
    type: about('Names the error; leads nowhere.', { type: 'string', pattern: '^urn:clickstream:error:[a-z_]+$' }),
    title: NAME,
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: TEXT,
    code: about('Stable.', { type: 'string', pattern: '^[a-z_]+$' }),
    cure: TEXT,
  }),
  Accepted: object(
    { success: { const: true } },
    {
      receipt: about(
        'What was acknowledged, for `/api/v1/receipts/{id}`; also a header. Absent where there was no event.',
        NAME,
      ),
    },
  ),
  Rejection: object({
    success: { const: false },
    code: about('Stable.', { type: 'string', pattern: '^[a-z_]+$' }),
    message: TEXT,
    cure: TEXT,
  }),
};

/** RFC 9457. */
export const PROBLEM_SCHEMA: JsonObject = schemaOf('Problem');
/** The same for trackers. */
export const REJECTION_SCHEMA: JsonObject = schemaOf('Rejection');

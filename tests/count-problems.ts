import { type Question, type Row, recount, type SentEvent, sessionsOf } from './recount.ts';

/** An event as a test sent it: by its own time, with neither a clock that is off nor anything to enrich it by. */
export interface Sent {
  readonly eventType: string;
  readonly anonymousId: string;
  readonly userId?: string | undefined;
  /** ISO 8601. */
  readonly timestamp: string;
  readonly properties: { readonly [name: string]: unknown };
}

type Asked = Pick<Question, 'measure' | 'by' | 'interval'>;

/** Every measure; minutes and hours, whose rows are others; what moves when a session goes on. */
const ASKED: readonly Asked[] = [
  { measure: 'events', by: 'eventType', interval: 'minute' },
  { measure: 'events', by: 'page', interval: 'hour' },
  { measure: 'pageviews', by: 'page', interval: 'minute' },
  { measure: 'pageviews', by: 'entryPage', interval: 'hour' },
  { measure: 'visitors', interval: 'hour' },
  { measure: 'users', interval: 'day' },
  { measure: 'sessions', by: 'exitPage', interval: 'minute' },
  { measure: 'bounces', by: 'exitPage', interval: 'hour' },
  { measure: 'sessionSeconds', by: 'entryPage', interval: 'hour' },
  { measure: 'sessionSeconds', interval: 'minute' },
  { measure: 'newVisitors', interval: 'minute' },
];

/**
 * Where the sessions and counts of the product differ from a recount of what was sent. `stored` is what of it was stored, in the
 * order in which it was taken in, with the session that each event was told.
 */
export async function countProblems(given: {
  readonly stored: readonly { readonly sent: Sent; readonly session: number }[];
  /** ISO 8601. */
  readonly from: string;
  readonly to: string;
  readonly stats: (parameters: Readonly<Record<string, string>>) => Promise<readonly Row[]>;
}): Promise<readonly string[]> {
  const { stored, from, to, stats } = given;
  const problems: string[] = [];
  const sessions = [...Map.groupBy(stored, ({ sent }) => sent.anonymousId)].flatMap(([visitor, events]) => {
    const told = new Map(events.map(({ sent, session }, place) => [arrivalOf(sent, place), session]));
    const recounted = sessionsOf([...told.keys()]);
    const isAsTold = recounted.every((session, place) =>
      session.events.every((event) => told.get(event) === place + 1),
    );
    if (!isAsTold) problems.push(`sessions of ${visitor} differ from a recount`);
    return recounted;
  });
  for (const { measure, by, interval } of ASKED) {
    const [start, end] = interval === 'minute' ? hoursAround(stored, [from, to]) : [from, to];
    const range = { from: Date.parse(start), to: Date.parse(end), zone: 'UTC' };
    const expected = numbersOf(recount(sessions, { measure, by, interval, bots: 'exclude', ...range }));
    const counted = numbersOf(
      await stats({ measure, ...(by !== undefined && { by }), interval, from: start, to: end }),
    );
    for (const key of new Set([...counted.keys(), ...expected.keys()])) {
      const [got, recounted] = [counted.get(key) ?? 0, expected.get(key) ?? 0];
      if (got !== recounted) problems.push(`${measure} by ${by} ${key}: ${got}, recounted ${recounted}`);
    }
  }
  return problems;
}

/** Thousands of minutes in which nothing happened take long to ask for; what is counted there in error is in an hour, too. */
function hoursAround(
  stored: readonly { readonly sent: Sent }[],
  range: readonly [string, string],
): readonly [string, string] {
  const times = stored.map(({ sent: { timestamp } }) => timestamp).sort();
  const [first, last] = [times[0], times.at(-1)];
  if (first === undefined || last === undefined) return range;
  const HOUR_MS = 60 * 60 * 1_000;
  return [new Date(Date.parse(first) - HOUR_MS).toISOString(), new Date(Date.parse(last) + HOUR_MS).toISOString()];
}

/** Its place tells it from others alike: that none is stored twice is checked by its id, elsewhere. */
function arrivalOf({ eventType, anonymousId, userId, timestamp, properties }: Sent, place: number): SentEvent {
  const receivedAt = new Date(Date.parse(timestamp) + 1_000).toISOString();
  const { path } = properties;
  return {
    ...{ source: 'default', eventId: String(place), anonymousId, userId, eventType },
    ...{ createdAt: timestamp, sentAt: undefined, receivedAt, content: '', isBot: false },
    values: typeof path === 'string' ? { page: path } : {},
  };
}

/** Rows of nothing are left out. */
function numbersOf(rows: readonly Row[]): ReadonlyMap<string, number> {
  const numbers = rows.map(({ time, key = '', value }) => [`${time} ${key}`, value] as const);
  return new Map(numbers.filter(([, value]) => value !== 0));
}

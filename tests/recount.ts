/**
 * Counts again, from plain lists, what the product has counted; written apart from it and importing nothing of it, so that
 * one mistake is not made twice. It is slow, and as simple as it can be, so that it can be read and believed.
 */

/** An event as its sender knows it, with its source and when it arrived. */
export interface SentEvent {
  readonly source: string;
  /** Without an id of its own no event is the duplicate of another. */
  readonly eventId: string | undefined;
  readonly userId: string | undefined;
  readonly anonymousId: string | undefined;
  /** ISO 8601, by the sender's clock, as is `sentAt`. */
  readonly createdAt: string;
  readonly sentAt: string | undefined;
  /** ISO 8601, by the collector's clock. */
  readonly receivedAt: string;
  readonly eventType: string;
  /** Properties and traits, as text. */
  readonly content: string;
  readonly isBot: boolean;
  /** What it says of itself; a name is absent where it says nothing. */
  readonly values: {
    readonly [Name in (typeof OWN)[number] | (typeof OPENING)[number]]?: string | undefined;
  };
}

export interface Question {
  readonly measure: string;
  readonly by?: string | undefined;
  /** Of what it is split by, this alone. */
  readonly key?: string | undefined;
  /** So many of each interval, the largest. */
  readonly limit?: number | undefined;
  readonly source?: string | undefined;
  readonly bots: 'exclude' | 'include' | 'only';
  /** Epoch milliseconds. */
  readonly from: number;
  readonly to: number;
  readonly interval: 'minute' | 'hour' | 'day' | 'total';
  readonly zone: string;
}

export interface Row {
  readonly time: string;
  readonly value: number;
  readonly key?: string;
}

/** What an event counts by for itself. */
const OWN = ['page', 'browser', 'os', 'device', 'language', 'country'] as const;
/** What all of a session counts by as its first event has it. */
const OPENING = ['referrer', 'channel', 'source', 'medium', 'campaign'] as const;

export const TRAFFIC_MEASURES = ['events', 'pageviews', 'visitors', 'users'] as const;
export const SESSION_MEASURES = ['sessions', 'bounces', 'sessionSeconds', 'newVisitors'] as const;
export const TRAFFIC_DIMENSIONS = ['eventType', ...OWN, 'entryPage', ...OPENING] as const;
export const SESSION_DIMENSIONS = [...TRAFFIC_DIMENSIONS, 'exitPage'] as const;

type Measure = (typeof TRAFFIC_MEASURES)[number] | (typeof SESSION_MEASURES)[number];
type Dimension = (typeof SESSION_DIMENSIONS)[number];

/** The rows that the API should answer with. */
export function recount(sessions: readonly Session[], question: Question): readonly Row[] {
  const { measure, by, key: wanted, limit, source, bots } = question;
  const marks = SESSION_MEASURES.some((name) => name === measure) ? starts(sessions) : happenings(sessions);
  const asked = marks
    .filter(({ event }) => source === undefined || event.source === source)
    .filter(({ event }) => bots === 'include' || event.isBot === (bots === 'only'));
  return intervalsOf(question).flatMap(({ start, end }) => {
    const time = new Date(start).toISOString();
    const within = asked.filter(({ at }) => at >= start && at < end);
    if (by === undefined) return [{ time, value: amountOf(measure as Measure, within) }];
    const byKey = Map.groupBy(within, (mark) => keyUnder(mark, by as Dimension) ?? '(none)');
    if (wanted !== undefined) {
      return [{ time, value: amountOf(measure as Measure, byKey.get(wanted) ?? []), key: wanted }];
    }
    return [...byKey]
      .map(([key, marks]) => ({ time, value: amountOf(measure as Measure, marks), key }))
      .filter(({ value }) => value > 0)
      .sort((a, b) => b.value - a.value || (a.key < b.key ? -1 : 1))
      .slice(0, limit);
  });
}

/**
 * When it happened by the collector's clock: as long before its arrival as the sender's clock says that it was before it was
 * sent; or at its arrival, where that makes no sense.
 */
export function timeOf({ createdAt, sentAt, receivedAt }: SentEvent): number {
  const arrival = Date.parse(receivedAt);
  const age = (sentAt === undefined ? arrival : Date.parse(sentAt)) - Date.parse(createdAt);
  const isAnAge = age > 0 && age <= 3_650 * 24 * 60 * 60 * 1_000;
  return isAnAge ? arrival - age : arrival;
}

/** A device, within a source. */
function visitorOf({ source, anonymousId, userId }: SentEvent): string {
  return `${source} ${anonymousId ?? userId}`;
}

/** The first of those that are one event, however often it was sent, and whatever its context and user id are the next time. */
function withoutDuplicates(arrivals: readonly SentEvent[]): readonly SentEvent[] {
  return arrivals.filter((event, place) => !arrivals.slice(0, place).some((other) => isSame(event, other)));
}

function isSame(a: SentEvent, b: SentEvent): boolean {
  return (
    a.eventId !== undefined &&
    a.eventId === b.eventId &&
    visitorOf(a) === visitorOf(b) &&
    a.createdAt === b.createdAt &&
    a.eventType === b.eventType &&
    a.content === b.content
  );
}

export interface Session {
  readonly visitor: string;
  readonly isVisitorsFirst: boolean;
  readonly first: SentEvent;
  /** In the order in which they arrived, the first included. */
  readonly events: SentEvent[];
  /** Those that may move its end and its exit page. */
  readonly moving: SentEvent[];
}

/** What nobody does. */
const PASSIVE = ['Page Left', 'Scrolled', 'Web Vitals'];

/**
 * A visitor's first event, and each that is more than 30 minutes after the latest there was, starts a session; all others
 * join the one they find, and so do passive ones, which then move nothing of it. The events are given in the order in which they
 * arrived, duplicates too.
 */
export function sessionsOf(arrivals: readonly SentEvent[]): readonly Session[] {
  const sessions: Session[] = [];
  for (const event of withoutDuplicates(arrivals)) {
    const visitor = visitorOf(event);
    const session = sessions.findLast((other) => other.visitor === visitor);
    const isAfter = session !== undefined && timeOf(event) - latestOf(session.moving) > 30 * 60 * 1_000;
    if (session === undefined || (isAfter && !PASSIVE.includes(event.eventType))) {
      const isVisitorsFirst = session === undefined;
      sessions.push({ visitor, isVisitorsFirst, first: event, events: [event], moving: [event] });
    } else {
      session.events.push(event);
      if (!isAfter) session.moving.push(event);
    }
  }
  return sessions;
}

function latestOf(events: readonly SentEvent[]): number {
  return Math.max(...events.map(timeOf));
}

function secondsOf({ first, moving }: Session): number {
  return Math.floor((latestOf(moving) - timeOf(first)) / 1_000);
}

function isBounce({ events }: Session): boolean {
  const noInteractions = ['identify', 'group', 'alias', ...PASSIVE];
  return events.filter(({ eventType }) => !noInteractions.includes(eventType)).length <= 1;
}

/** The page of the last event to arrive that says one and was not late: none before it is of a later time. */
function exitPageOf({ moving }: Session): string | undefined {
  const inTime = moving.filter((event, place) => timeOf(event) >= latestOf(moving.slice(0, place)));
  return inTime.findLast(({ values }) => values.page !== undefined)?.values.page;
}

/** One that counts: an event where it happened, or a session where it starts, with its first event. */
interface Mark {
  readonly at: number;
  readonly event: SentEvent;
  readonly session: Session;
}

function happenings(sessions: readonly Session[]): readonly Mark[] {
  return sessions.flatMap((session) => session.events.map((event) => ({ at: timeOf(event), event, session })));
}

function starts(sessions: readonly Session[]): readonly Mark[] {
  return sessions.map((session) => ({ at: timeOf(session.first), event: session.first, session }));
}

function keyUnder({ event, session }: Mark, by: Dimension): string | undefined {
  switch (by) {
    case 'eventType':
      return event.eventType;
    case 'page':
    case 'browser':
    case 'os':
    case 'device':
    case 'language':
    case 'country':
      return event.values[by];
    case 'entryPage':
      return session.first.values.page;
    case 'exitPage':
      return exitPageOf(session);
    case 'referrer':
    case 'channel':
    case 'source':
    case 'medium':
    case 'campaign':
      return session.first.values[by];
  }
}

function amountOf(measure: Measure, marks: readonly Mark[]): number {
  switch (measure) {
    case 'events':
    case 'sessions':
      return marks.length;
    case 'pageviews':
      return marks.filter(({ event }) => event.eventType === 'page').length;
    case 'visitors':
      return new Set(marks.map(({ session }) => session.visitor)).size;
    case 'users': {
      // A person who is known to two sources by the same id is one.
      const known = marks.filter(({ event }) => event.userId !== undefined);
      return new Set(known.map(({ event }) => event.userId)).size;
    }
    case 'bounces':
      return marks.filter(({ session }) => isBounce(session)).length;
    case 'sessionSeconds':
      return marks.reduce((sum, { session }) => sum + secondsOf(session), 0);
    case 'newVisitors':
      return marks.filter(({ session }) => session.isVisitorsFirst).length;
  }
}

const MINUTE_MS = 60 * 1_000;
const QUARTER_MS = 15 * MINUTE_MS;
/** More than a day on which clocks go back has. */
const LONG_DAY_MS = 26 * 60 * MINUTE_MS;

/** The whole intervals that the range overlaps: minutes and hours of UTC, days of the zone; or all of its minutes as one. */
function intervalsOf(range: Question): readonly { readonly start: number; readonly end: number }[] {
  const { from, to, interval, zone } = range;
  if (interval === 'total') {
    const minutes = floors(from, to, MINUTE_MS);
    return [{ start: Math.min(...minutes), end: Math.max(...minutes) + MINUTE_MS }];
  }
  if (interval !== 'day') {
    const length = interval === 'minute' ? MINUTE_MS : 60 * MINUTE_MS;
    return floors(from, to, length).map((start) => ({ start, end: start + length }));
  }
  const format = new Intl.DateTimeFormat('en', { timeZone: zone, dateStyle: 'long' });
  // Zones are off by whole quarters of an hour: where one has another date than the one before, a day starts.
  const quarters = floors(from - LONG_DAY_MS, to + LONG_DAY_MS, QUARTER_MS);
  const dates = quarters.map((quarter) => format.format(quarter));
  const dayStarts = quarters.filter((_, place) => place > 0 && dates[place] !== dates[place - 1]);
  const days = dayStarts.slice(1).map((end, place) => ({ start: dayStarts[place] ?? end, end }));
  return days.filter(({ start, end }) => end > from && start < to);
}

/** Whole multiples of the length: the last at or before `from`, and all after it before `to`. */
function floors(from: number, to: number, length: number): readonly number[] {
  const first = Math.floor(from / length);
  return Array.from({ length: Math.ceil(to / length) - first }, (_, place) => (first + place) * length);
}

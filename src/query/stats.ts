import { ClickstreamError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { EventReads } from '../store/event-store.ts';
import { dayBorders } from './days.ts';
import { invalidParameter } from './parameters.ts';

/** How a view's rows are read for one part of them: the whole, or a dimension. */
export interface Part<State = unknown> {
  /** The view's name in the store. */
  readonly view: string;
  /** The part's name in the buckets of hours. */
  readonly part: string;
  empty(): State;
  /** That part of a row's text. */
  decode(text: string): State;
  /** The first with the second in it; may change and return its first. */
  add(state: State, other: State): State;
}

/** How a measure's one value is read. */
export interface Total<State = unknown> extends Part<State> {
  value(state: State): number;
}

/** How a measure's values along one dimension are read. */
export interface Split<State = unknown> extends Part<State> {
  values(state: State): ReadonlyMap<string, number>;
  /** The reading of one value alone; 0 where it is not. */
  at(value: string): Total<State>;
}

export interface Measure {
  readonly total: Total;
  /** By dimension. */
  readonly by: Readonly<Record<string, Split>>;
}

/** Every measure, by its name in the API. */
export type Measures = Readonly<Record<string, Measure>> & { readonly events: Measure; readonly visitors: Measure };

/** Whether what bots did counts: not, too, or alone. */
export const BOTS = ['exclude', 'include', 'only'] as const;
export type Bots = (typeof BOTS)[number];
/** What stands before the buckets of each. */
const PREFIXES = { exclude: [''], include: ['', 'bots/'], only: ['bots/'] } as const satisfies Record<
  Bots,
  readonly string[]
>;

/** `total` is the whole range as one. */
export const INTERVALS = ['minute', 'hour', 'day', 'total'] as const;
export type Interval = (typeof INTERVALS)[number];

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** The longest ranges that are cut in minutes and in hours unless the question says otherwise. */
const MINUTES_UP_TO_MS = 3 * HOUR_MS;
const HOURS_UP_TO_MS = 4 * DAY_MS;
/** How many intervals are read at once, so that an answer over years holds few rows in memory. */
const INTERVALS_AT_ONCE = { minute: 60, hour: 24, day: 1, total: 1 } as const satisfies Record<Interval, number>;
/** How much of one interval is read at once, for the same. */
const READ_AT_ONCE_MS = 7 * DAY_MS;

export interface StatsQuestion {
  readonly measure: Measure;
  readonly by?: Split | undefined;
  /** With `by`: this value alone, also where it is 0. */
  readonly key?: string | undefined;
  /** With `by`: so many of each interval, the largest. */
  readonly limit?: number | undefined;
  readonly source?: string | undefined;
  /** @default 'exclude' */
  readonly bots?: Bots | undefined;
  /** Epoch milliseconds. */
  readonly from: number;
  readonly to: number;
  readonly interval?: Interval | undefined;
  readonly zone: string;
}

export interface StatsRow {
  /** The interval's start, ISO 8601 in UTC. */
  readonly time: string;
  readonly value: number;
  readonly key?: string;
}

export interface StatsAnswer {
  /** What was counted, after rounding. */
  readonly from: string;
  readonly to: string;
  readonly interval: Interval;
  readonly zone: string;
  readonly rows: readonly StatsRow[];
}

/**
 * A measure over time. The range is rounded outwards: intervals that overlap it count whole, and the answer says from when to
 * when it counted. Minutes and hours are those of UTC; days are those of the zone, merged from hours and, where the zone
 * is off by part of an hour, from the minutes at their edges; so is the total, of which the range is rounded to minutes. Without
 * `by`, or with a `key`, an interval in which nothing happened is a row of 0; else an interval's rows come largest first, and there
 * are none where nothing happened. Of an interval with more than `statsRowsMax` values, those that came last are one, "(other)".
 *
 * Throws `parameter_invalid` when the range is empty, too old, or would take more than `statsBucketsMax` or `statsRowsMax`.
 */
export async function stats(reads: EventReads, question: StatsQuestion): Promise<StatsAnswer> {
  const { measure, by, key, limit, source, bots, zone } = question;
  // What is asked of one value is a number for each interval, like what is asked of all.
  const single = by === undefined ? measure.total : key === undefined ? undefined : by.at(key);
  const interval = question.interval ?? defaultInterval(question.to - question.from);
  const borders = bordersOf({ ...question, interval });
  const rows: StatsRow[] = [];
  for (let first = 0; first < borders.length - 1; first += INTERVALS_AT_ONCE[interval]) {
    const part = borders.slice(first, first + INTERVALS_AT_ONCE[interval] + 1);
    const states = await mergedStates(reads, {
      of: single ?? by ?? measure.total,
      source,
      bots,
      borders: part,
      interval,
    });
    for (const [place, state] of states.entries()) {
      const time = isoTime(part[place] ?? Number.NaN);
      if (single !== undefined) rows.push({ time, value: single.value(state), ...(key !== undefined && { key }) });
      else if (by !== undefined) rows.push(...splitRows(time, by.values(state)).slice(0, limit));
    }
    if (rows.length > LIMITS.statsRowsMax) {
      throw new ClickstreamError(
        'parameter_invalid',
        `the answer has more than ${LIMITS.statsRowsMax} rows; allowed: fewer, by a shorter range (from, to), a longer interval or a limit`,
      );
    }
  }
  const [from = Number.NaN, to = Number.NaN] = [borders[0], borders.at(-1)];
  return { from: isoTime(from), to: isoTime(to), interval, zone, rows };
}

function splitRows(time: string, values: ReadonlyMap<string, number>): readonly StatsRow[] {
  return [...values]
    .sort(([keyA, a], [keyB, b]) => b - a || (keyA < keyB ? -1 : 1))
    .map(([key, value]) => ({ time, value, key }));
}

function defaultInterval(rangeMs: number): Interval {
  return rangeMs <= MINUTES_UP_TO_MS ? 'minute' : rangeMs <= HOURS_UP_TO_MS ? 'hour' : 'day';
}

type Range = Pick<StatsQuestion, 'from' | 'to' | 'zone'> & { readonly interval: Interval };

function bordersOf({ from, to, interval, zone }: Range): readonly number[] {
  if (from >= to) throw invalidParameter({ name: 'from', got: isoTime(from), allowed: `before to (${isoTime(to)})` });
  if (from < DAY_MS) throw invalidParameter({ name: 'from', got: isoTime(from), allowed: 'after 1970-01-01' });
  const bucketMs = interval === 'minute' ? MINUTE_MS : HOUR_MS;
  const buckets = Math.ceil((to - from) / bucketMs);
  if (buckets > LIMITS.statsBucketsMax) {
    throw new ClickstreamError(
      'parameter_invalid',
      `from and to span ${buckets} ${interval === 'minute' ? 'minutes' : 'hours'}; allowed: at most ${LIMITS.statsBucketsMax}` +
        (interval === 'minute'
          ? ' by the minute; take interval=hour or day, or a shorter range'
          : '; take a shorter range'),
    );
  }
  if (interval === 'day') return dayBorders({ from, to, zone });
  if (interval === 'total') return [Math.floor(from / MINUTE_MS) * MINUTE_MS, Math.ceil(to / MINUTE_MS) * MINUTE_MS];
  const borders: number[] = [];
  for (let border = Math.floor(from / bucketMs) * bucketMs; border < to + bucketMs; border += bucketMs)
    borders.push(border);
  return borders;
}

interface StatesQuestion {
  readonly of: Part;
  readonly bots?: Bots | undefined;
  readonly source?: string | undefined;
  /** Epoch milliseconds, ascending. All on whole minutes; on whole hours unless the interval is a minute or there are just two. */
  readonly borders: readonly number[];
  readonly interval: Interval;
}

/** For each interval between two borders, the part's state there: all lanes, and all sources or one, merged. */
export async function mergedStates(reads: EventReads, question: StatesQuestion): Promise<readonly unknown[]> {
  const { of, source, bots = 'exclude', borders, interval } = question;
  const states: unknown[] = borders.slice(1).map(() => of.empty());
  for (const piece of piecesOf(borders, interval)) {
    for (const prefix of PREFIXES[bots]) {
      const unit = `${prefix}${piece.unit === 'minute' ? 'minute' : `hour/${of.part}`}/`;
      const [from, to] = [unit + bucketTime(piece.from), unit + bucketTime(piece.to)];
      for (const { key, text } of await reads.rows({ view: of.view, source, from, to })) {
        const start = Date.parse(key.bucket.slice(unit.length));
        const place = borders.findLastIndex((border) => border <= start);
        states[place] = of.add(states[place], of.decode(text));
      }
    }
  }
  return states;
}

interface Piece {
  readonly unit: 'minute' | 'hour';
  readonly from: number;
  readonly to: number;
}

/** The rows to read: hours where they fit whole, minutes before and after them. */
function piecesOf(borders: readonly number[], interval: Interval): readonly Piece[] {
  const [from, to] = [borders[0], borders.at(-1)];
  if (from === undefined || to === undefined) return [];
  const firstHour = Math.ceil(from / HOUR_MS) * HOUR_MS;
  const lastHour = Math.floor(to / HOUR_MS) * HOUR_MS;
  // A range within an hour has no whole one.
  if (interval === 'minute' || firstHour > lastHour) return [{ unit: 'minute', from, to }];
  const pieces: Piece[] = [{ unit: 'minute', from, to: firstHour }];
  for (let start = firstHour; start < lastHour; start += READ_AT_ONCE_MS) {
    pieces.push({ unit: 'hour', from: start, to: Math.min(start + READ_AT_ONCE_MS, lastHour) });
  }
  pieces.push({ unit: 'minute', from: lastHour, to });
  return pieces.filter((piece) => piece.from < piece.to);
}

function bucketTime(ms: number): string {
  return `${isoTime(ms).slice(0, 16)}Z`;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

import type { Stats, StatsRow } from '../answers.ts';
import { ask, pathOf } from '../api.ts';
import { type Range, rangeOf, type Span, zone } from '../range.ts';
import { amountOf, type Counts, type FigureKind, MEASURES, type Measure, measuresOf } from './figures.ts';
import type { List } from './panels.ts';

/** What of an address the questions of the overview are made of. */
export type Chosen = Readonly<Record<string, string>>;

interface Asked {
  readonly measure: Measure;
  readonly span: Span;
  readonly interval: 'hour' | 'day' | 'total';
  readonly chosen: Chosen;
  readonly by?: string;
  readonly key?: string;
  readonly limit?: number;
}

async function rowsOf(
  { measure, span, interval, chosen, ...more }: Asked,
  signal: AbortSignal,
): Promise<readonly StatsRow[]> {
  const { source, bots } = chosen;
  const times = { from: new Date(span.from).toISOString(), to: new Date(span.to).toISOString(), zone: zone() };
  const { rows } = await ask<Stats>(pathOf('/api/v1/stats', { measure, interval, ...times, source, bots, ...more }), {
    signal,
  });
  return rows;
}

/** What was counted over a range, and over the one before it. */
export interface Totals {
  readonly range: Range;
  readonly now: Counts;
  readonly before: Counts;
}

export async function readTotals(chosen: Chosen, signal: AbortSignal): Promise<Totals> {
  const range = rangeOf(chosen, Date.now());
  const countsOf = async (span: Span): Promise<Counts> => {
    const counted = await Promise.all(
      MEASURES.map(async (measure) => {
        const [total] = await rowsOf({ measure, span, interval: 'total', chosen }, signal);
        return [measure, total?.value ?? 0] as const;
      }),
    );
    return Object.fromEntries(counted);
  };
  const [now, before] = await Promise.all([countsOf(range), countsOf(range.before)]);
  return { range, now, before };
}

/** A figure over time, and over the time before; null where it has no value. */
export interface Series {
  readonly range: Range;
  /** The last interval is not over yet. */
  readonly isRunning: boolean;
  /** Epoch milliseconds at which the intervals start. */
  readonly times: readonly number[];
  readonly now: readonly (number | null)[];
  readonly before: readonly (number | null)[];
}

export async function readSeries(figure: FigureKind, chosen: Chosen, signal: AbortSignal): Promise<Series> {
  const asked = Date.now();
  const range = rangeOf(chosen, asked);
  const { interval } = range;
  const valuesOf = async (span: Span) => {
    const measures = measuresOf(figure);
    const rows = await Promise.all(measures.map((measure) => rowsOf({ measure, span, interval, chosen }, signal)));
    const times = (rows[0] ?? []).map(({ time }) => Date.parse(time));
    const values = times.map((_, place) => {
      const counts = Object.fromEntries(measures.map((measure, at) => [measure, rows[at]?.[place]?.value ?? 0]));
      return amountOf(figure, counts) ?? null;
    });
    return { times, values };
  };
  const [now, before] = await Promise.all([valuesOf(range), valuesOf(range.before)]);
  return {
    range,
    isRunning: range.to === asked,
    times: now.times,
    now: now.values,
    // The first of it lies under the first of the other; months differ in length.
    before: now.times.map((_, place) => before.values[place] ?? null),
  };
}

export function readList(
  { by, measure }: List,
  { chosen, limit }: { readonly chosen: Chosen; readonly limit: number },
  signal: AbortSignal,
): Promise<readonly StatsRow[]> {
  return rowsOf({ measure, span: rangeOf(chosen, Date.now()), interval: 'total', chosen, by, limit }, signal);
}

/** One value of a list over time, beside the whole. */
export interface Part {
  readonly range: Range;
  readonly times: readonly number[];
  readonly part: readonly number[];
  readonly whole: readonly number[];
}

export async function readPart(
  { by, measure }: List,
  { chosen, key }: { readonly chosen: Chosen; readonly key: string },
  signal: AbortSignal,
): Promise<Part> {
  const range = rangeOf(chosen, Date.now());
  const asked = { measure, span: range, interval: range.interval, chosen };
  const [part, whole] = await Promise.all([rowsOf({ ...asked, by, key }, signal), rowsOf(asked, signal)]);
  return {
    range,
    times: whole.map(({ time }) => Date.parse(time)),
    part: part.map(({ value }) => value),
    whole: whole.map(({ value }) => value),
  };
}

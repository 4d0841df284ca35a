/** The times that a page is about, in the time zone of whoever looks. */

export const RANGES = [
  ['today', 'Today'],
  ['yesterday', 'Yesterday'],
  ['24h', 'Last 24 hours'],
  ['7d', 'Last 7 days'],
  ['30d', 'Last 30 days'],
  ['90d', 'Last 90 days'],
  ['month', 'This month'],
  ['last-month', 'Last month'],
  ['12mo', 'Last 12 months'],
  ['custom', 'Custom'],
] as const;
export type RangeName = (typeof RANGES)[number][0];

export interface Span {
  /** Epoch milliseconds; `from` is inclusive, `to` exclusive. */
  readonly from: number;
  readonly to: number;
}

export interface Range extends Span {
  readonly name: RangeName;
  /** Of the same length, right before; of a range that is not over yet, up to the same moment of it. */
  readonly before: Span;
  readonly interval: 'hour' | 'day';
}

export const zone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Whose days and hours they are: the server counts by hours of UTC. */
export function zoneWords(): string {
  const isByHours = new Date().getTimezoneOffset() % 60 === 0;
  return isByHours ? `Days and hours of ${zone()}` : `Days of ${zone()}; hours are those of UTC`;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const CUSTOM_DAYS_MAX = 400;

/** What the parameters `range`, `from` and `to` (days, `2026-11-01`, both included) of an address mean now. What they do not mean is the default. */
export function rangeOf(parameters: Readonly<Record<string, string>>, now: number): Range {
  const name = RANGES.find(([known]) => known === parameters.range)?.[0] ?? '7d';
  const at = new Date(now);
  const day = (offset: number) => new Date(at.getFullYear(), at.getMonth(), at.getDate() + offset).getTime();
  const month = (offset: number) => new Date(at.getFullYear(), at.getMonth() + offset, 1).getTime();
  const spanned = (span: Span, before: Span, interval: Range['interval']) =>
    rangeWith({ name, ...span, before, interval });
  const lastDays = (days: number) =>
    spanned({ from: day(1 - days), to: now }, { from: day(1 - 2 * days), to: moved(now, { days: -days }) }, 'day');
  switch (name) {
    case 'today':
      return spanned({ from: day(0), to: now }, { from: day(-1), to: moved(now, { days: -1 }) }, 'hour');
    case 'yesterday':
      return spanned({ from: day(-1), to: day(0) }, { from: day(-2), to: day(-1) }, 'hour');
    case '24h': {
      // Whole hours of UTC, as the server counts them.
      const from = Math.floor(now / HOUR_MS) * HOUR_MS - 23 * HOUR_MS;
      return spanned({ from, to: now }, { from: from - 24 * HOUR_MS, to: now - 24 * HOUR_MS }, 'hour');
    }
    case '7d':
      return lastDays(7);
    case '30d':
      return lastDays(30);
    case '90d':
      return lastDays(90);
    case 'month':
      return spanned({ from: month(0), to: now }, { from: month(-1), to: moved(now, { months: -1 }) }, 'day');
    case 'last-month':
      return spanned({ from: month(-1), to: month(0) }, { from: month(-2), to: month(-1) }, 'day');
    case '12mo':
      return spanned({ from: month(-11), to: now }, { from: month(-23), to: moved(now, { months: -12 }) }, 'day');
    case 'custom':
      return customOf(parameters, now) ?? rangeOf({}, now);
  }
}

/** Where clocks skip midnight, the same moment of the day before may be its very start: then that has a minute all the same. */
function rangeWith({ before: { from, to }, ...range }: Range): Range {
  return { ...range, before: { from, to: Math.max(to, from + MINUTE_MS) } };
}

/** The same time of another day; in a month that is too short for it, the end of that month. */
function moved(time: number, { days = 0, months = 0 }: { readonly days?: number; readonly months?: number }): number {
  const at = new Date(time);
  const end = new Date(at.getFullYear(), at.getMonth() + months + 1, 1).getTime();
  at.setMonth(at.getMonth() + months, at.getDate() + days);
  return months === 0 ? at.getTime() : Math.min(at.getTime(), end);
}

function customOf({ from = '', to = '' }: Readonly<Record<string, string>>, now: number): Range | undefined {
  const [first, end] = [dayStart(from, 0), dayStart(to, 1)];
  if (first === undefined || end === undefined || first >= end) return undefined;
  const days = Math.round((end - first) / (24 * HOUR_MS));
  if (days > CUSTOM_DAYS_MAX) return undefined;
  // One that has not begun has an hour all the same, for a range of none is none.
  const until = Math.min(end, Math.max(now, first + HOUR_MS));
  return rangeWith({
    name: 'custom',
    from: first,
    to: until,
    before: { from: moved(first, { days: -days }), to: moved(until, { days: -days }) },
    interval: days <= 2 ? 'hour' : 'day',
  });
}

/** The start, in local time, of a day written `2026-11-01`, or of one some days after it. */
function dayStart(text: string, offset: number): number | undefined {
  const found = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (found === null) return undefined;
  const [year, month, day] = found.slice(1).map(Number) as [number, number, number];
  // Before it nothing is counted.
  if (year < 1970) return undefined;
  const start = new Date(year, month - 1, day + offset);
  return Number.isFinite(start.getTime()) ? start.getTime() : undefined;
}

/** How a day is written in an address, and by a field for dates. */
export function dayText(time: number): string {
  const at = new Date(time);
  return [at.getFullYear(), at.getMonth() + 1, at.getDate()].map((part) => String(part).padStart(2, '0')).join('-');
}

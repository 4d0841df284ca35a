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
  readonly interval: 'minute' | 'hour' | 'day';
}

export const zone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

const HOUR_MS = 3_600_000;
const CUSTOM_DAYS_MAX = 400;

/** What the parameters `range`, `from` and `to` (days, `2026-11-01`, both included) of an address mean now. What they do not mean is the default. */
export function rangeOf(parameters: Readonly<Record<string, string>>, now: number): Range {
  const name = RANGES.find(([known]) => known === parameters.range)?.[0] ?? '7d';
  const at = new Date(now);
  const day = (offset: number) => new Date(at.getFullYear(), at.getMonth(), at.getDate() + offset).getTime();
  const month = (offset: number) => new Date(at.getFullYear(), at.getMonth() + offset, 1).getTime();
  const spanned = (from: number, to: number, before: Span, interval: Range['interval']): Range => ({
    name,
    from,
    to,
    before,
    interval,
  });
  const lastDays = (days: number) =>
    spanned(day(1 - days), now, { from: day(1 - 2 * days), to: sameTime(now, -days) }, 'day');
  switch (name) {
    case 'today':
      return spanned(day(0), now, { from: day(-1), to: sameTime(now, -1) }, 'hour');
    case 'yesterday':
      return spanned(day(-1), day(0), { from: day(-2), to: day(-1) }, 'hour');
    case '24h': {
      const from = Math.floor(now / HOUR_MS) * HOUR_MS - 23 * HOUR_MS;
      return spanned(from, now, { from: from - 24 * HOUR_MS, to: now - 24 * HOUR_MS }, 'hour');
    }
    case '7d':
      return lastDays(7);
    case '30d':
      return lastDays(30);
    case '90d':
      return lastDays(90);
    case 'month':
      return spanned(month(0), now, { from: month(-1), to: Math.min(month(0), month(-1) + now - month(0)) }, 'day');
    case 'last-month':
      return spanned(month(-1), month(0), { from: month(-2), to: month(-1) }, 'day');
    case '12mo':
      return spanned(month(-11), now, { from: month(-23), to: month(-11) }, 'day');
    case 'custom':
      return customOf(parameters, now) ?? rangeOf({}, now);
  }
}

function sameTime(now: number, days: number): number {
  const at = new Date(now);
  at.setDate(at.getDate() + days);
  return at.getTime();
}

function customOf({ from = '', to = '' }: Readonly<Record<string, string>>, now: number): Range | undefined {
  const [first, last] = [dayStart(from, 0), dayStart(to, 1)];
  if (first === undefined || last === undefined || first >= last) return undefined;
  const days = Math.round((last - first) / (24 * HOUR_MS));
  if (days > CUSTOM_DAYS_MAX) return undefined;
  return {
    name: 'custom',
    from: first,
    to: Math.min(last, Math.max(now, first + HOUR_MS)),
    before: { from: sameTime(first, -days), to: first },
    interval: days <= 2 ? 'hour' : 'day',
  };
}

/** The start, in local time, of a day written `2026-11-01`, or of one some days after it. */
function dayStart(text: string, offset: number): number | undefined {
  const found = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (found === null) return undefined;
  const [year, month, day] = found.slice(1).map(Number) as [number, number, number];
  const start = new Date(year, month - 1, day + offset);
  return Number.isFinite(start.getTime()) ? start.getTime() : undefined;
}

/** How a day is written in an address, and by a field for dates. */
export function dayText(time: number): string {
  const at = new Date(time);
  return [at.getFullYear(), at.getMonth() + 1, at.getDate()].map((part) => String(part).padStart(2, '0')).join('-');
}

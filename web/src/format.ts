/** Numbers and times as people read them, in the language and time zone of the browser. */

const wholeNumbers = new Intl.NumberFormat();
const shortNumbers = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });
const tenths = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const shares = new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 1 });
const changes = new Intl.NumberFormat(undefined, {
  style: 'percent',
  maximumFractionDigits: 0,
  signDisplay: 'exceptZero',
});
const pointChanges = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1, signDisplay: 'exceptZero' });
const clocks = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const minuteClocks = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const moments = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

type Time = string | number;
const at = (time: Time): number => (typeof time === 'string' ? Date.parse(time) : time);
/** What is no time is shown as it came. */
const timed = (format: Pick<Intl.DateTimeFormat, 'format'>) => (time: Time) =>
  Number.isFinite(at(time)) ? format.format(at(time)) : String(time);

/** A day and what belongs to it, with its year where that is not the present one. */
const dated = (options: Intl.DateTimeFormatOptions) => {
  const [present, other] = [{}, { year: 'numeric' } as const].map(
    (year) => new Intl.DateTimeFormat(undefined, { ...year, day: 'numeric', month: 'short', ...options }),
  ) as [Intl.DateTimeFormat, Intl.DateTimeFormat];
  const yearOf = (time: number) => new Date(time).getFullYear();
  return timed({ format: (time) => (yearOf(Number(time)) === yearOf(Date.now()) ? present : other).format(time) });
};

export const whole = (value: number): string => wholeNumbers.format(Math.round(value));
/** 12,345 as it is, 1.2M beyond 100,000. */
export const short = (value: number): string => (Math.abs(value) < 100_000 ? whole(value) : shortNumbers.format(value));
/** 0.4, 12.0; whole beyond 100. */
export const rate = (value: number): string => (value < 100 ? tenths.format(value) : short(value));
export const share = (part: number): string => shares.format(part);
/** A change of a share. */
export const points = (part: number): string => `${pointChanges.format(100 * part)} points`;
export const change = (part: number): string => changes.format(part);
export const clock = timed(clocks);
export const minuteClock = timed(minuteClocks);
export const day = dated({});
/** A day with its weekday. */
export const weekday = dated({ weekday: 'short' });
/** An hour of such a day. */
export const hour = dated({ weekday: 'short', hour: '2-digit', minute: '2-digit' });
export const moment = timed(moments);

export function count(value: number, one: string, many = `${one}s`): string {
  return `${whole(value)} ${value === 1 ? one : many}`;
}

export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
  const scaled = value / 1_000 ** power;
  return `${power > 0 && scaled < 10 ? scaled.toFixed(1) : Math.round(scaled)} ${units[power]}`;
}

/** 42 s, 3 min 5 s, 12 min, 2 h 10 min. */
export function duration(seconds: number): string {
  const rounded = Math.round(seconds);
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(rounded / 3_600), 'h'],
    [Math.floor((rounded % 3_600) / 60), 'min'],
    [rounded < 600 ? rounded % 60 : 0, 's'],
  ];
  const told = parts.filter(([value]) => value > 0).map(([value, unit]) => `${value} ${unit}`);
  return told.length === 0 ? '0 s' : told.join(' ');
}

export function milliseconds(value: number): string {
  return value < 1_000 ? `${Math.round(value)} ms` : `${(value / 1_000).toFixed(1)} s`;
}

/** What steers the order in which a text is shown, or a terminal; half a character. */
export const STEERING = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** A sender's text on one line, with what would steer its showing made visible. */
export function visible(text: string): string {
  return text.replaceAll(STEERING, '\ufffd');
}

import { LIMITS } from './limits.ts';

/** Hours to 23 and seconds to 59; a day that its month lacks, as the 31st of June, counts on into the next, as Date.parse has it. */
const CANONICAL = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?Z$/;
const ISO_8601 = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?\s?(Z|z|[+-]\d\d(?::?\d\d)?)?$/;

/**
 * A tracker's time as UTC in ISO 8601, at the precision it was sent with, so that texts order as times do once the
 * final Z is left aside: `2026-01-02T03:04:05.678901Z`. Accepts ISO 8601 (a time without a zone is taken as UTC) and
 * epoch milliseconds. Undefined when it is neither, or outside the years 0000 to 9999.
 */
export function canonicalTime(value: unknown): string | undefined {
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || value < -62_167_219_200_000 || value > 253_402_300_799_999) return undefined;
    return new Date(Math.trunc(value)).toISOString();
  }
  if (typeof value !== 'string' || value.length > 40) return undefined;
  if (CANONICAL.test(value)) return value;
  const parts = ISO_8601.exec(value);
  if (parts === null) return undefined;
  const [, date, hourMinute = '00:00', second = '00', fraction, zone = 'Z'] = parts;
  const offset = zone.length === 3 ? `${zone}:00` : zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone;
  const ms = Date.parse(`${date}T${hourMinute}:${second}${offset.toUpperCase()}`);
  if (Number.isNaN(ms)) return undefined;
  const utc = new Date(ms).toISOString();
  if (utc.length !== 24) return undefined;
  return `${utc.slice(0, 19)}${fraction === undefined ? '' : `.${fraction}`}Z`;
}

/** Whether a value is what `canonicalTime` returns, and so a time that Date.parse reads. */
export function isCanonicalTime(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 40 && CANONICAL.test(value);
}

let minute = '';
let minuteMs = 0;

/**
 * What Date.parse says of a canonical time, in epoch milliseconds (what is finer is cut off), at a tenth of its cost for a time
 * in the minute of the one before: this is asked several times for each event.
 */
export function epochMsOf(canonical: string): number {
  if (minute === '' || !canonical.startsWith(minute)) {
    minute = canonical.slice(0, 16);
    minuteMs = Date.parse(`${minute}Z`);
  }
  let ms = 10_000 * digitAt(canonical, 17) + 1_000 * digitAt(canonical, 18);
  const digits = Math.min(canonical.length - 21, 3);
  for (let digit = 0, unit = 100; digit < digits; digit += 1, unit /= 10) ms += unit * digitAt(canonical, 20 + digit);
  return minuteMs + ms;
}

function digitAt(text: string, index: number): number {
  return text.charCodeAt(index) - 48;
}

/**
 * When an event happened by the collector's clock, in epoch milliseconds. The tracker's own clock only says how long
 * before sending it was (`sentAt - createdAt`, never negative, for a truncated sentAt may lie before createdAt).
 * Never later than the arrival; an age beyond `eventAgeDaysMax` is no age, and the arrival is taken.
 */
export function correctedTime(times: {
  readonly createdAtMs: number;
  readonly sentAtMs: number | undefined;
  readonly receivedAtMs: number;
}): number {
  const { createdAtMs, sentAtMs, receivedAtMs } = times;
  const age = sentAtMs === undefined ? receivedAtMs - createdAtMs : sentAtMs - createdAtMs;
  if (age <= 0 || age > LIMITS.eventAgeDaysMax * 86_400_000) return receivedAtMs;
  return receivedAtMs - age;
}

/** The clock, passed in so that tests can hold it. Epoch milliseconds. */
export type Clock = () => number;

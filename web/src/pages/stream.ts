import type { Live, StoredEvent } from '../answers.ts';
import { keyOf, placeOf, whoOf } from '../event.ts';

/** Rows that the stream keeps; older ones are on the page of events. */
export const ROWS_MAX = 200;

export interface StreamRow {
  readonly event: StoredEvent;
  /** Epoch milliseconds; undefined of what was there when the page was opened. */
  readonly cameAt: number | undefined;
}

export interface Stream {
  /** The newest first. */
  readonly rows: readonly StreamRow[];
  /** How many events were stored by then, ever. */
  readonly stored: number;
  /** How many came since the first answer that no answer named. */
  readonly passed: number;
}

/** The stream with what an answer brings. An answer names the newest few events alone, and counts them all. */
export function flowed(stream: Stream | undefined, { newest, totals }: Live, now: number): Stream {
  const known = new Set(stream?.rows.map(({ event }) => keyOf(event)));
  const cameAt = stream === undefined ? undefined : now;
  const fresh = newest.filter((event) => !known.has(keyOf(event))).map((event) => ({ event, cameAt }));
  return {
    rows: [...fresh, ...(stream?.rows ?? [])].slice(0, ROWS_MAX),
    stored: totals.stored,
    passed: stream === undefined ? 0 : stream.passed + Math.max(0, totals.stored - stream.stored - fresh.length),
  };
}

/** Whether an event is of the type, and has the text anywhere in it; empty ones fit all. */
export function fits(event: StoredEvent, { type, text }: { readonly type: string; readonly text: string }): boolean {
  if (type !== '' && event.eventType !== type) return false;
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return true;
  const shown = [event.eventType, whoOf(event), placeOf(event), event.source, JSON.stringify(event)];
  return shown.some((part) => part.toLowerCase().includes(wanted));
}

export interface Sample {
  /** Epoch milliseconds. */
  readonly time: number;
  readonly stored: number;
}

const SAMPLES_MAX = 6;
/** Answers so far apart are not of the same seconds any more. */
const GAP_MS_MAX = 60_000;

/** The last few answers' counts, with that of the newest. */
export function sampled(samples: readonly Sample[], { time, totals }: Live): readonly Sample[] {
  const sample = { time: Date.parse(time), stored: totals.stored };
  const last = samples.at(-1);
  if (last === undefined || sample.stored < last.stored || sample.time - last.time > GAP_MS_MAX) return [sample];
  if (sample.time <= last.time) return samples;
  return [...samples, sample].slice(-SAMPLES_MAX);
}

/** Events a second over the samples; undefined of less than two. */
export function rateOf(samples: readonly Sample[]): number | undefined {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || first === last) return undefined;
  return (1_000 * (last.stored - first.stored)) / (last.time - first.time);
}

/** Events of the last 60 seconds: those of the running minute, and as large a part of the one before as is missing of it. */
export function perMinute({ time, minutes }: Pick<Live, 'time' | 'minutes'>): number {
  const [before, running] = [minutes.at(-2), minutes.at(-1)];
  if (running === undefined) return 0;
  const missing = 1 - (Date.parse(time) - Date.parse(running.time)) / 60_000;
  return running.value + (before?.value ?? 0) * Math.min(1, Math.max(0, missing));
}

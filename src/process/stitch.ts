import type { Event } from '../core/event.ts';
import { LIMITS } from '../core/limits.ts';
import type { Facts } from '../core/view.ts';

/** What is kept of a visitor between its events. Times are epoch milliseconds of `timestamp`. */
export interface VisitorMemory {
  readonly session: number;
  readonly sessionStart: number;
  /** The latest timestamp seen. */
  readonly last: number;
}

const SESSION_GAP_MS = LIMITS.sessionGapMinutes * 60_000;

/**
 * One step of a visitor's state machine.
 *
 * A visitor's first event, and every event more than `sessionGapMinutes` after the latest one, starts a session. An event
 * at or before the latest timestamp never does: it joins the session it finds, and if it is before, it is late. A late
 * event moves neither the session's start nor the latest timestamp, so what earlier events were told stays true.
 */
export function step(
  state: VisitorMemory | undefined,
  event: Event,
): { readonly state: VisitorMemory; readonly facts: Facts } {
  const timestamp = Date.parse(event.timestamp);
  if (state === undefined || timestamp - state.last > SESSION_GAP_MS) {
    const session = (state?.session ?? 0) + 1;
    return {
      state: { session, sessionStart: timestamp, last: timestamp },
      facts: { session, sessionStart: event.timestamp, first: true, newVisitor: state === undefined, late: false },
    };
  }
  const { session, sessionStart, last } = state;
  return {
    state: timestamp > last ? { session, sessionStart, last: timestamp } : state,
    facts: {
      session,
      sessionStart: new Date(sessionStart).toISOString(),
      first: false,
      newVisitor: false,
      late: timestamp < last,
    },
  };
}

export function encodeMemory({ session, sessionStart, last }: VisitorMemory): string {
  return JSON.stringify([session, sessionStart, last]);
}

export function decodeMemory(text: string): VisitorMemory {
  const [session, sessionStart, last] = JSON.parse(text) as [number, number, number];
  return { session, sessionStart, last };
}

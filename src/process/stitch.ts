import type { Event } from '../core/event.ts';
import type { JsonObject } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import { readJson } from '../core/read-json.ts';
import { epochMsOf } from '../core/time.ts';
import type { Enriched, Facts, SessionStanding, Values } from '../core/view.ts';
import { openingBeside, VALUE_NAMES } from './views/dimensions.ts';

/** What is kept of a visitor between its events. Times are epoch milliseconds of `timestamp`. */
export interface VisitorMemory {
  readonly session: number;
  readonly sessionStart: number;
  /** The latest timestamp seen. */
  readonly last: number;
  /** Page, screen and track events of the session; counted to 2. */
  readonly interactions: number;
  readonly newVisitor: boolean;
  readonly exitPage: string | undefined;
  /** The user last seen on the device. */
  readonly user: string | undefined;
  /** Values of the session's first event. */
  readonly opening: Values;
}

export interface Step {
  readonly state: VisitorMemory;
  readonly facts: Facts;
  /** The user to be linked to the visitor. */
  readonly link: string | undefined;
}

const SESSION_GAP_MS = LIMITS.sessionGapMinutes * 60_000;
/** What the tracker of this program sends by itself of every page that was looked at, also long after anybody did anything. */
const PASSIVE: ReadonlySet<string> = new Set(['Page Left', 'Scrolled', 'Web Vitals']);
/** Two interactions, and the session is no bounce. What trackers say of a person is none, nor what is passive. */
const NO_INTERACTIONS: ReadonlySet<string> = new Set(['identify', 'group', 'alias', ...PASSIVE]);

/**
 * One step of a visitor's state machine.
 *
 * A visitor's first event, and every event more than `sessionGapMinutes` after the latest one, starts a session. An event
 * at or before the latest timestamp never does: it joins the session it finds, and if it is before, it is late. A late
 * event moves neither the session's start, nor the latest timestamp, nor the exit page, so what earlier events were told stays
 * true; it counts as an interaction. A passive event after the gap starts no session either, and moves as little. A user is
 * linked to the device when it is seen there after nobody or after another.
 */
export function step(state: VisitorMemory | undefined, event: Event, enriched: Enriched): Step {
  const timestamp = epochMsOf(event.timestamp);
  const own: Values = { ...enriched, eventType: event.eventType };
  const interacts = NO_INTERACTIONS.has(event.eventType) ? 0 : 1;
  const isStale = state !== undefined && timestamp - state.last > SESSION_GAP_MS;
  if (state === undefined || (isStale && !PASSIVE.has(event.eventType))) {
    return opened({ session: (state?.session ?? 0) + 1, timestamp, own, interacts, enriched, before: state }, event);
  }
  const isLate = timestamp < state.last;
  const isBeside = isLate || isStale;
  const next: VisitorMemory = {
    ...state,
    last: isBeside ? state.last : timestamp,
    interactions: Math.min(2, state.interactions + interacts),
    exitPage: isBeside ? state.exitPage : (enriched.page ?? state.exitPage),
    user: userOnDevice(event) ?? state.user,
  };
  const [before, after] = [standingOf(state), standingOf(next)];
  const opening = openingBeside(own, state.opening);
  return {
    state: next,
    link: next.user === state.user ? undefined : next.user,
    facts: {
      session: state.session,
      sessionStart: new Date(state.sessionStart).toISOString(),
      first: false,
      newVisitor: false,
      late: isLate,
      enriched,
      ...(opening !== undefined && { opening }),
      ...(state.newVisitor && { newVisitorSession: true }),
      ...(!isSame(before, after) && { before, after }),
    },
  };
}

function opened(
  start: {
    readonly session: number;
    readonly timestamp: number;
    readonly own: Values;
    readonly interacts: number;
    readonly enriched: Enriched;
    readonly before: VisitorMemory | undefined;
  },
  event: Event,
): Step {
  const { session, timestamp, own, interacts, enriched, before } = start;
  const user = userOnDevice(event) ?? before?.user;
  const newVisitor = session === 1;
  const state = {
    session,
    sessionStart: timestamp,
    last: timestamp,
    interactions: interacts,
    newVisitor,
    exitPage: enriched.page,
    user,
    opening: own,
  };
  return {
    state,
    link: user === before?.user ? undefined : user,
    facts: {
      session,
      sessionStart: event.timestamp,
      first: true,
      newVisitor,
      late: false,
      enriched,
      ...(newVisitor && { newVisitorSession: true }),
      after: standingOf(state),
    },
  };
}

function userOnDevice({ userId, anonymousId }: Event): string | undefined {
  return anonymousId === undefined ? undefined : userId;
}

function standingOf({ sessionStart, last, interactions, exitPage }: VisitorMemory): SessionStanding {
  const seconds = Math.floor((last - sessionStart) / 1_000);
  return { seconds, bounced: interactions < 2, ...(exitPage !== undefined && { exitPage }) };
}

function isSame(a: SessionStanding, b: SessionStanding): boolean {
  return a.seconds === b.seconds && a.bounced === b.bounced && a.exitPage === b.exitPage;
}

export function encodeMemory(memory: VisitorMemory): string {
  const { session, sessionStart, last, interactions, newVisitor, exitPage, user, opening } = memory;
  const values = VALUE_NAMES.map((name) => opening[name] ?? 0);
  const known = [exitPage ?? 0, user ?? 0, ...values];
  return JSON.stringify([session, sessionStart, last, interactions, newVisitor ? 1 : 0, ...known]);
}

export function decodeMemory(text: string): VisitorMemory {
  const [session, sessionStart, last, interactions, newVisitor, exitPage, user, ...values] = readJson(text) as [
    ...[number, number, number, number, number, string | 0, string | 0],
    ...(string | true | 0)[],
  ];
  const opening: Record<string, unknown> = {};
  for (const [index, name] of VALUE_NAMES.entries()) {
    const value = values[index];
    if (value !== undefined && value !== 0) opening[name] = value;
  }
  return {
    session,
    sessionStart,
    last,
    interactions,
    newVisitor: newVisitor === 1,
    exitPage: exitPage === 0 ? undefined : exitPage,
    user: user === 0 ? undefined : user,
    opening: opening as unknown as Values,
  };
}

/** The same as its person may read it. */
export function shownMemory(text: string): JsonObject {
  const { sessionStart, last, exitPage, user, opening, ...rest } = decodeMemory(text);
  const [start, latest] = [sessionStart, last].map((ms) => new Date(ms).toISOString());
  return readJson(
    JSON.stringify({ ...rest, sessionStart: start, last: latest, exitPage, user, opening }),
  ) as JsonObject;
}

import { isDeepStrictEqual } from 'node:util';
import { answer } from '../../../src/pipeline.ts';
import type { LogView } from '../../../src/query/ledger-reading.ts';
import type { EventReader, StoredEvent } from '../../../src/store/event-store.ts';
import { countProblems } from '../../count-problems.ts';
import { type Arrival, expectedOf, type SentEvent, type Stored } from './oracle.ts';

/** Of a history, whatever was stored by it. */
export interface Ended {
  readonly reader: EventReader;
  readonly sent: readonly SentEvent[];
  /** In an order in which each visitor's come one after another. */
  readonly arrivals: readonly Arrival[];
  readonly nowMs: number;
  readonly log: () => Promise<LogView>;
  /** Whether what was erased is only hidden yet: then it is not counted as erased. */
  readonly isHiding: boolean;
}

export type Ask = (path: string, parameters?: Readonly<Record<string, string>>) => Promise<Json>;
// biome-ignore lint/suspicious/noExplicitAny: an answer of the API, of which each check reads what it needs.
type Json = any;

const DAY_MS = 86_400_000;

export function askOf({ reader, nowMs, log }: Pick<Ended, 'reader' | 'nowMs' | 'log'>): Ask {
  return async (path, parameters = {}) => {
    const report = (fault: unknown) => {
      throw fault;
    };
    const question = { path: `/api/v1/${path}`, parameters };
    const { status, body } = await answer(question, { reader, clock: () => nowMs, log, report });
    if (status !== 200) throw new Error(`${path}: ${body}`);
    return JSON.parse(body);
  };
}

/** Where a home's answers differ from the oracle's. Nothing, when the history is right. */
export async function problemsOf(ended: Ended): Promise<readonly string[]> {
  const { reader, sent, arrivals, nowMs } = ended;
  const expected = expectedOf(sent, arrivals);
  const problems: string[] = expected.lost.map((mark) => `lost: ${mark} was acknowledged, and is nowhere in the log`);
  const ask = askOf(ended);
  const hold = (what: string, found: unknown, wanted: unknown) => {
    if (isDeepStrictEqual(found, wanted)) return;
    const [more, less] = [without(found, wanted), without(wanted, found)];
    problems.push(`${what}: ${shown(more)}, expected ${shown(less)}`);
  };
  const stored = await reader.snapshot((reads) => reads.events({ order: 'asc', limit: 10_000 }));
  const timestamps = stored.map(({ timestamp }) => timestamp);
  hold('order of the list', timestamps, [...timestamps].sort());
  hold('stored', inOrder(stored.map(lineOf)), inOrder(expected.stored.map(wantedOf)));
  for (const [visitor, own] of Map.groupBy(expected.stored, ({ sent: event }) => event.visitor)) {
    hold(`timeline of ${visitor}`, await timeline(ask, visitor), timelineOf(own));
  }
  for (const user of new Set(expected.stored.flatMap(({ sent: event }) => event.userId ?? []))) {
    const linked = new Set(
      expected.stored.filter(({ sent: event }) => event.userId === user).map((own) => own.sent.visitor),
    );
    const isTheirs = ({ visitor, userId = user }: SentEvent) => linked.has(visitor) && userId === user;
    const own = expected.stored.filter(({ sent: event }) => isTheirs(event));
    hold(`timeline of ${user}`, await timeline(ask, user), timelineOf(own));
  }
  await reader.snapshot(async (reads) => {
    const bad = await reads.badReasons({ limit: 10_000 });
    hold(
      'bad',
      inOrder(bad.map(({ position: { lane, sequence, index } }) => `${lane} ${sequence} ${index}`)),
      inOrder(expected.bad),
    );
    const dead = await reads.dead(10_000);
    hold('dead', inOrder(dead.map(({ lane, sequence }) => `${lane} ${sequence}`)), inOrder(expected.dead));
  });
  const audit = await ask('audit', { deep: 'true' });
  for (const { kind, detail } of audit.problems) problems.push(`audit: ${kind}: ${detail}`);
  const { accepted, redelivered, duplicate, bad, dead, forgotten, pending, lost } = audit;
  const erased = ended.isHiding ? expected.erased : audit.erased;
  const { accepted: most, redelivered: least, ...outcomes } = expected.ledger;
  hold(
    'audit',
    { came: accepted + redelivered, stored: audit.stored, duplicate, bad, dead, forgotten, pending, lost, erased },
    { came: most + least, ...outcomes, pending: 0, lost: 0, erased: expected.erased },
  );
  if (accepted > most || accepted < most - expected.late)
    problems.push(`audit: ${accepted} accepted, expected ${most}`);
  // Rows keep what was counted before an erasure, of visitors whose sessions then begin anew: a plain recount does not know them.
  if (expected.erased === 0) {
    const [from, to] = [nowMs - 2 * DAY_MS, nowMs + DAY_MS].map(
      (ms) => `${new Date(ms).toISOString().slice(0, 10)}T00:00:00.000Z`,
    );
    const counted = expected.counted.map((own) => ({ sent: countable(own), session: own.session }));
    const stats = async (parameters: Readonly<Record<string, string>>) => (await ask('stats', parameters)).rows;
    problems.push(...(await countProblems({ stored: counted, from: from ?? '', to: to ?? '', stats })));
  }
  return problems;
}

function lineOf(event: StoredEvent): string {
  const { position, context, visitor, eventType, createdAt, timestamp, properties, facts, userId } = event;
  const place = `${position.lane} ${position.sequence} ${position.index}`;
  const said = [visitor, userId ?? '', eventType, createdAt, timestamp, JSON.stringify(properties)];
  return `${place}: ${context.mark}, session ${facts.session}${facts.late ? ', late' : ''}: ${said.join(' ')}`;
}

function wantedOf({ sent, place, session, isLate, timestampMs }: Stored): string {
  const { mark, visitor, userId, eventType, createdAt, properties } = sent;
  const said = [visitor, userId ?? '', eventType, createdAt, new Date(timestampMs).toISOString(), properties];
  return `${place}: ${mark}, session ${session}${isLate ? ', late' : ''}: ${said.join(' ')}`;
}

/** What is of one time may come in any order. */
async function timeline(ask: Ask, id: string): Promise<readonly string[]> {
  const { events } = await ask(`users/${id}/events`, { limit: '1000', order: 'asc' });
  const times = events.map(({ createdAt }: { createdAt: string }) => createdAt);
  if (!isDeepStrictEqual(times, [...times].sort())) return ['a timeline that is not in order'];
  return inOrder(events.map(({ createdAt, context }: Json) => `${createdAt} ${context.mark}`));
}

function timelineOf(own: readonly Stored[]): readonly string[] {
  return inOrder(own.map(({ sent: { createdAt, mark } }) => `${createdAt} ${mark}`));
}

function countable({ sent: { eventType, visitor, userId, path }, timestampMs }: Stored) {
  const timestamp = new Date(timestampMs).toISOString();
  return { eventType, anonymousId: visitor, userId, timestamp, properties: path === undefined ? {} : { path } };
}

function inOrder(texts: readonly string[]): readonly string[] {
  return [...texts].sort();
}

/** Of lists, only what the other lacks is worth reading. */
function without(value: unknown, other: unknown): unknown {
  if (!Array.isArray(value) || !Array.isArray(other)) return value;
  const left = [...other];
  const rest = value.filter((item) => {
    const at = left.indexOf(item);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
  return rest;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 1_000 ? `${text.slice(0, 1_000)}…` : text;
}

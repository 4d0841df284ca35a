/** Reads all that a home answers about a recorded input, and says where two homes differ. */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { MEASURES } from '../../src/measures.ts';
import type { RecordedInput } from './recorded-input.ts';

/** A GET of a path below `/api/v1/`. Rejects what is not answered with 200. */
export type Ask = (path: string, parameters?: Readonly<Record<string, string>>) => Promise<unknown>;

/** What there was before the input was played: a home may hold more than it. */
export interface Before {
  readonly counts: Counts;
  readonly badIds: ReadonlySet<string>;
}

export interface Home {
  readonly ask: Ask;
  readonly before: Before;
  /** What it gave for the input. */
  readonly receipts: readonly string[];
  /** When the input arrived, by the home's clock, in epoch milliseconds. */
  readonly arrived: { readonly from: number; readonly to: number };
}

type Counts = Readonly<Record<string, number | boolean>>;
/** What was answered to each question. */
type Reading = ReadonlyMap<string, readonly unknown[]>;

export interface Compared {
  readonly questions: number;
  /** Rows, events and counts that were held against each other. */
  readonly answers: number;
  /** In words: where, what is at the first home, and what at the other. */
  readonly differences: readonly string[];
}

const QUESTIONS_AT_ONCE = 4;
const PAGE = '60';

export const PARTS: Readonly<Record<string, (home: Home, input: RecordedInput) => Promise<Reading>>> = {
  audit,
  'bad events': badEvents,
  receipts,
  timelines,
  'lists of events': lists,
  'properties seen': propertiesSeen,
  ...Object.fromEntries(
    Object.keys(MEASURES).map((measure) => [
      `statistics of ${measure}`,
      (home: Home, input: RecordedInput) => statistics(home, input, measure),
    ]),
  ),
};

export async function before(ask: Ask): Promise<Before> {
  const badIds = (await pages(ask, { path: 'bad', list: 'bad' })).map(({ id }) => String(id));
  return { counts: await countsOf(ask), badIds: new Set(badIds) };
}

/** Holds one of `PARTS` of two homes against each other, and what the input tells of it against both. */
export async function compare(
  part: string,
  { input, homes }: { readonly input: RecordedInput; readonly homes: readonly [Home, Home] },
): Promise<Compared> {
  const read = PARTS[part];
  if (read === undefined) throw new Error(`nothing is known of ${part}`);
  const [one, other] = await Promise.all(homes.map((home) => read(home, input)));
  assert.ok(one !== undefined && other !== undefined);
  const questions = new Set([...one.keys(), ...other.keys()]);
  const differences = [...questions].flatMap((question) => {
    const difference = differenceOf(one.get(question), other.get(question));
    return difference === undefined ? [] : [`${part}, ${question}: ${difference}`];
  });
  const answers = [...one.values()].reduce((sum, { length }) => sum + length, 0);
  if (answers === 0) differences.push(`${part}: nothing was read`);
  // Two homes could be wrong in the same way.
  if (part === 'audit' || part === 'receipts') differences.push(...notAsSent(part, one, input.counted));
  if (part === 'bad events') differences.push(...notAsSent(part, lengthsOf(one), input.reasons));
  return { questions: questions.size, answers, differences };
}

function lengthsOf(reading: Reading): Reading {
  return new Map([...reading].map(([question, { length }]) => [question, [length]]));
}

function notAsSent(part: string, read: Reading, sent: Readonly<Record<string, number>>): readonly string[] {
  return Object.entries(sent).flatMap(([name, count]) => {
    const difference = differenceOf(read.get(name), [count]);
    return difference === undefined ? [] : [`${part}, ${name}: ${difference} that were sent`];
  });
}

/** The first place where two values differ, and what is there; undefined where they are equal. */
function differenceOf(one: unknown, other: unknown, place = ''): string | undefined {
  if (isDeepStrictEqual(one, other)) return undefined;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) {
    return `${place === '' ? '' : `at ${place} `}${shown(one)} against ${shown(other)}`;
  }
  const [mine, others] = [one as Record<string, unknown>, other as Record<string, unknown>];
  for (const name of new Set([...Object.keys(mine), ...Object.keys(others)])) {
    const difference = differenceOf(mine[name], others[name], place === '' ? name : `${place}.${name}`);
    if (difference !== undefined) return difference;
  }
  return `${place} is of another kind`;
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 300);
}

async function statistics({ ask }: Home, { range, minutes }: RecordedInput, measure: string): Promise<Reading> {
  const questions: Record<string, string>[] = [
    { interval: 'minute', bots: 'include', ...minutes },
    { interval: 'hour', bots: 'only', ...range },
  ];
  for (const by of [undefined, ...Object.keys(MEASURES[measure]?.by ?? {})]) {
    const split = by === undefined ? {} : { by };
    questions.push({ ...split, interval: 'hour', bots: 'include', ...range });
    questions.push({ ...split, interval: 'day', zone: 'Europe/Zurich', bots: 'exclude', ...range });
    questions.push({ ...split, interval: 'total', bots: 'exclude', ...range });
  }
  return readingOf(questions, async (question) => {
    const { rows } = (await ask('stats', { measure, ...question })) as { readonly rows: readonly unknown[] };
    const { by = 'nothing', interval, bots } = question;
    return [`by ${by}, by the ${interval}, bots: ${bots}`, rows];
  });
}

async function timelines(home: Home, input: RecordedInput): Promise<Reading> {
  return readingOf(input.who, async (id) => {
    const listed = await pages(home.ask, { path: `users/${encodeURIComponent(id)}/events`, list: 'events' });
    assertOrder(listed, 'createdAt', 'asc');
    // Events of one moment, of two devices, lie in the order of where they lie in the log, which is the home's own.
    const sorted = listed.toSorted((a, b) => textOrder(sortKey(a), sortKey(b)));
    return [id, sorted.map((event) => comparable(event, home, input))];
  });
}

async function lists(home: Home, input: RecordedInput): Promise<Reading> {
  const questions = [
    {},
    { order: 'asc' },
    { type: 'page' },
    { type: 'Order Completed', order: 'desc' },
    { type: '__proto__' },
  ];
  return readingOf(questions, async (question: Readonly<Record<string, string>>) => {
    const parameters = { ...input.range, ...question };
    const listed = await pages(home.ask, { path: 'events', list: 'events', parameters });
    assertOrder(listed, 'timestamp', question.order ?? (question.type === undefined ? 'desc' : 'asc'));
    const events = listed.map((event) => comparable(event, home, input));
    return [new URLSearchParams(question).toString(), sortedByText(events)];
  });
}

async function badEvents({ ask, before }: Home, _: RecordedInput): Promise<Reading> {
  const listed = (await pages(ask, { path: 'bad', list: 'bad' })).filter(({ id }) => !before.badIds.has(String(id)));
  const reading = await readingOf(listed, async (listedEvent) => {
    const event = (await ask(`bad/${encodeURIComponent(String(listedEvent.id))}`)) as Listed;
    assert.deepEqual(event, listedEvent);
    return [String(event.id), [event]];
  });
  const events = [...reading.values()].flat().map((event) => {
    const { source, code, detail, payload } = event as Listed;
    return { source, code, detail, payload };
  });
  const byCode = Object.entries(Object.groupBy(events, ({ code }) => String(code)));
  return new Map(byCode.map(([code, of = []]) => [code, sortedByText(of)]));
}

/** All of them together, and what each says of its request but for where it lies. */
async function receipts({ ask, receipts: given }: Home): Promise<Reading> {
  const sums = { accepted: 0, stored: 0, duplicate: 0, bad: 0 };
  const reading = await readingOf([...given.entries()], async ([place, id]) => {
    const told = (await ask(`receipts/${encodeURIComponent(id)}`)) as Readonly<Record<keyof typeof sums, number>> & {
      readonly state: string;
      readonly events: number;
      readonly lost: number;
      readonly notStored: readonly Listed[];
    };
    const { state, events, stored, duplicate, bad, lost, notStored } = told;
    sums.accepted += events;
    for (const name of ['stored', 'duplicate', 'bad'] as const) sums[name] += told[name];
    const others = notStored.map(({ outcome, index, code }) => ({ outcome, index, code }));
    return [`receipt ${place}`, [{ state, events, stored, duplicate, bad, lost, others: sortedByText(others) }]];
  });
  return new Map([...reading, ...Object.entries(sums).map(([name, sum]) => [name, [sum]] as const)]);
}

async function propertiesSeen({ ask }: Home, { range }: RecordedInput): Promise<Reading> {
  const { types, fault } = (await ask('schemas', range)) as {
    readonly types: readonly Listed[];
    readonly fault: unknown;
  };
  const { sources } = (await ask('sources')) as { readonly sources: readonly unknown[] };
  const byType = types.map((type) => [`${type.source} ${type.eventType}`, [type]] as const);
  return new Map<string, readonly unknown[]>([...byType, ['sources', sources], ['fault', [fault]]]);
}

async function audit({ ask, before }: Home): Promise<Reading> {
  const counts = Object.entries(await countsOf(ask));
  const added = counts.map(([name, count]) => {
    const earlier = before.counts[name];
    return [name, [typeof count === 'number' ? count - Number(earlier) : count]] as const;
  });
  return new Map(added);
}

/** What is pending, unresolved or delivered again is the way's affair, and no matter of what came of the input. */
async function countsOf(ask: Ask): Promise<Counts> {
  const ledger = (await ask('audit', { deep: 'true' })) as Counts;
  const { totals } = (await ask('live')) as { readonly totals: Counts };
  const names = ['balanced', 'accepted', 'stored', 'duplicate', 'bad', 'dead', 'lost'];
  return Object.fromEntries([
    ...names.map((name) => [name, ledger[name] ?? Number.NaN]),
    ...Object.entries(totals).map(([name, count]) => [`${name} in the store`, count]),
  ]) as Counts;
}

type Listed = Readonly<Record<string, unknown>>;

async function pages(
  ask: Ask,
  of: { readonly path: string; readonly list: string; readonly parameters?: Readonly<Record<string, string>> },
): Promise<readonly Listed[]> {
  const found: Listed[] = [];
  let cursor: unknown;
  do {
    const next = typeof cursor === 'string' ? { cursor } : {};
    const page = (await ask(of.path, { limit: PAGE, ...of.parameters, ...next })) as Listed;
    found.push(...(page[of.list] as readonly Listed[]));
    cursor = page.cursor;
  } while (typeof cursor === 'string');
  return found;
}

async function readingOf<Question>(
  questions: readonly Question[],
  answer: (question: Question) => Promise<readonly [string, readonly unknown[]]>,
): Promise<Reading> {
  const reading = new Map<string, readonly unknown[]>();
  const waiting = [...questions];
  const take = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [question, answers] = await answer(next);
      assert.ok(!reading.has(question), `asked twice: ${question}`);
      reading.set(question, answers);
    }
  };
  await Promise.all(Array.from({ length: QUESTIONS_AT_ONCE }, take));
  return reading;
}

/**
 * An event without what must differ: where it lies, an id that its collector made, and its arrival. What goes by the
 * arrival is told as a distance from it.
 */
function comparable(event: Listed, { arrived }: Home, { eventIds }: RecordedInput): unknown {
  const {
    position: _,
    eventId,
    receivedAt,
    createdAt,
    timestamp,
    facts,
    ...rest
  } = event as Listed & {
    readonly [name in 'eventId' | 'receivedAt' | 'createdAt' | 'timestamp']: string;
  } & { readonly facts: { readonly sessionStart: string } };
  const receivedMs = Date.parse(receivedAt);
  assert.ok(receivedMs >= arrived.from && receivedMs <= arrived.to, `${eventId} is said to have come at ${receivedAt}`);
  const after = (time: string) => `${receivedMs - Date.parse(time)} ms before its arrival`;
  const goesByArrival = rest.sentAt !== undefined || timestamp === receivedAt;
  return {
    ...rest,
    eventId: eventIds.has(eventId) ? eventId : 'made by the collector',
    createdAt: createdAt === receivedAt ? after(createdAt) : createdAt,
    timestamp: goesByArrival ? after(timestamp) : timestamp,
    facts: { ...facts, sessionStart: goesByArrival ? after(facts.sessionStart) : facts.sessionStart },
  };
}

/** Of times in UTC, as texts order once the Z is left aside. */
function instantOf(time: unknown): string {
  return String(time).slice(0, -1);
}

function sortKey({ createdAt, visitor }: Listed): string {
  return `${instantOf(createdAt)}\0${visitor}`;
}

function textOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function assertOrder(listed: readonly Listed[], by: 'createdAt' | 'timestamp', order: string): void {
  for (const [place, event] of listed.entries()) {
    const last = listed[place - 1];
    if (last === undefined) continue;
    const step = textOrder(instantOf(last[by]), instantOf(event[by])) * (order === 'asc' ? 1 : -1);
    assert.ok(step <= 0, `${event.eventId} of ${String(event[by])} comes after ${String(last[by])}`);
  }
}

function sortedByText(values: readonly unknown[]): readonly unknown[] {
  return values.toSorted((a, b) => textOrder(JSON.stringify(a), JSON.stringify(b)));
}

import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { MEASURES } from '../../src/measures.ts';
import { anyHistory, type SentRequest } from '../histories.ts';
import {
  type Question,
  type Row,
  recount,
  SESSION_DIMENSIONS,
  SESSION_MEASURES,
  sessionsOf,
  TRAFFIC_DIMENSIONS,
  TRAFFIC_MEASURES,
  timeOf,
} from '../recount.ts';
import { type Piece, served } from '../whole-way.ts';
import { copyTo, type Plant, plantIn } from './planted.ts';

/** Histories, each asked some 450 questions; a failure prints its seed, with which it comes again. */
const RUNS = 40;
/** On a slow machine there are fewer runs, and a failure is shrunk less. */
const RUNS_MS_MAX = 60_000;
/** Histories in which a planted fault must show. */
const PLANTED_RUNS = 40;

const HOUR_MS = 60 * 60 * 1_000;
const DAY_MS = 24 * HOUR_MS;

/** Of whole hours, with a change of clock in the histories; of a quarter and of a half hour. */
const ZONES = ['UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'America/St_Johns'] as const;

/** Where a question looks, from the first event on. */
const anyRange = fc.record({
  /** Which zone comes first: the questions go round. */
  turn: fc.nat(ZONES.length - 1),
  source: fc.constantFrom(undefined, undefined, 'shop', 'blog'),
  bots: fc.constantFrom('exclude', 'exclude', 'include', 'only'),
  fromMs: fc.oneof(
    fc.constant(-HOUR_MS),
    fc.integer({ min: 0, max: HOUR_MS }),
    fc.integer({ min: -6 * HOUR_MS, max: 24 * HOUR_MS }),
  ),
  lengthMs: fc.oneof(fc.constant(3 * DAY_MS), fc.integer({ min: 1, max: 2 * DAY_MS })),
});
type Range = typeof anyRange extends fc.Arbitrary<infer Value> ? Value : never;

const anyCase = fc.record({
  requests: anyHistory,
  pieces: fc.array(fc.record({ from: fc.nat(20), length: fc.integer({ min: 1, max: 6 }) }), { maxLength: 10 }),
  ranges: fc.record({ minute: anyRange, hour: anyRange, day: anyRange, total: anyRange }),
});
interface Case {
  readonly requests: readonly SentRequest[];
  readonly pieces: readonly Piece[];
  readonly ranges: Record<Question['interval'], Range>;
}

/** Every measure, as a whole and by each of its dimensions. */
const SPLITS = [
  ...TRAFFIC_MEASURES.map((measure) => ({ measure, dimensions: TRAFFIC_DIMENSIONS })),
  ...SESSION_MEASURES.map((measure) => ({ measure, dimensions: SESSION_DIMENSIONS })),
].flatMap(({ measure, dimensions }) => [undefined, ...dimensions].map((by) => ({ measure, by })));

/** What the API answers otherwise than the recount. */
async function differences(sent: Omit<Case, 'ranges'>, questions: readonly Question[], serve = served) {
  const sessions = sessionsOf(sent.requests.flatMap(({ events }) => events));
  return serve(sent, async (ask) => {
    const found = [];
    for (const question of questions) {
      const [answered, recounted] = [await ask(question), recount(sessions, question)];
      if (JSON.stringify(answered) === JSON.stringify(recounted)) continue;
      found.push({ question, answered: without(answered, recounted), recounted: without(recounted, answered) });
    }
    return found;
  });
}

/** Rows that the others have not; all of them when it is only their order that differs. */
function without(rows: readonly Row[], others: readonly Row[]): readonly Row[] {
  const known = new Set(others.map((row) => JSON.stringify(row)));
  const rest = rows.filter((row) => !known.has(JSON.stringify(row)));
  return rest.length === 0 && rows.length === others.length ? rows : rest;
}

/** Of values that most are split into, and one that nothing has. */
const NARROWED = [
  ...[{}, { limit: 1 }, { limit: 3 }],
  ...['(none)', '/', '/lamps', 'page', 'Chrome', 'direct', '(other)'].map((key) => ({ key })),
] as const;

function questionsIn({ requests, ranges }: Case): readonly Question[] {
  const first = firstTime(requests);
  return (['minute', 'hour', 'day', 'total'] as const).flatMap((interval) => {
    const { turn, fromMs, lengthMs, ...rest } = ranges[interval];
    const from = first + fromMs;
    const to = from + (interval === 'minute' ? Math.min(lengthMs, 8 * HOUR_MS) : lengthMs);
    return SPLITS.flatMap((split, place) => {
      const zone = ZONES[(turn + place) % ZONES.length] ?? 'UTC';
      const question = { ...split, ...rest, zone, interval, from, to };
      const narrowed = split.by === undefined ? {} : NARROWED[(turn + place) % NARROWED.length];
      return interval === 'total' ? [question, { ...question, ...narrowed }] : [{ ...question, ...narrowed }];
    });
  });
}

function firstTime(requests: readonly SentRequest[]): number {
  return Math.min(...requests.flatMap(({ events }) => events.map(timeOf)));
}

describe('every measure by every dimension equals a recount of the list of what was sent', () => {
  test('that knows them all', () => {
    const declared = Object.entries(MEASURES).flatMap(([measure, { by }]) =>
      ['', ...Object.keys(by)].map((name) => `${measure} ${name}`),
    );
    expect(SPLITS.map(({ measure, by = '' }) => `${measure} ${by}`).sort()).toEqual(declared.sort());
  });

  test(
    'over random ranges',
    async () => {
      await fc.assert(
        fc.asyncProperty(anyCase, async (one) => {
          expect((await differences(one, questionsIn(one))).slice(0, 3)).toEqual([]);
        }),
        { numRuns: RUNS, interruptAfterTimeLimit: RUNS_MS_MAX },
      );
    },
    2 * RUNS_MS_MAX,
  );

  test('by each interval, of each source, with and without bots and of bots alone, in each zone', async () => {
    const [requests = []] = fc.sample(
      fc.array(anyHistory, { minLength: 4, maxLength: 4 }).map((histories) => histories.flat()),
      { seed: 1, numRuns: 1 },
    );
    const from = firstTime(requests) - HOUR_MS;
    const questions = (['minute', 'hour', 'day', 'total'] as const).flatMap((interval) =>
      [undefined, 'shop', 'blog'].flatMap((source) =>
        (['exclude', 'include', 'only'] as const).flatMap((bots) =>
          (interval === 'day' ? ZONES : ['UTC']).flatMap((zone) => {
            const to = from + (interval === 'minute' ? 6 * HOUR_MS : 3 * DAY_MS);
            return SPLITS.map((split) => ({ ...split, interval, source, bots, zone, from, to }));
          }),
        ),
      ),
    );
    expect((await differences({ requests, pieces: [] }, questions)).slice(0, 3)).toEqual([]);
  }, 120_000);
});

const PLANTS: readonly Plant[] = [
  {
    fault: 'a bounce is never taken back',
    file: 'src/process/views/sessions.ts',
    line: 'bounces: bounced ? sign : 0',
    planted: 'bounces: bounced && sign > 0 ? 1 : 0',
  },
  {
    fault: 'a late event moves the exit page',
    file: 'src/process/stitch.ts',
    line: 'isBeside ? state.exitPage : (enriched.page ?? state.exitPage)',
    planted: 'enriched.page ?? state.exitPage',
  },
  {
    fault: 'a late event moves the latest time',
    file: 'src/process/stitch.ts',
    line: 'last: isBeside ? state.last : timestamp',
    planted: 'last: timestamp',
  },
  {
    fault: 'what changes a session is dated at the event',
    file: 'src/process/views/sessions.ts',
    line: 'minuteOf(facts.sessionStart, bot === true)',
    planted: 'minuteOf(event.timestamp, bot === true)',
  },
  {
    fault: 'bots are not excluded',
    file: 'src/process/views/times.ts',
    line: 'return isBot ? BOTS + minute : minute;',
    planted: 'return minute;',
  },
  {
    fault: 'a session counts among bots by each of its events',
    file: 'src/process/views/sessions.ts',
    line: 'const { bot } = openingOf(valuesOf(event, facts), facts);',
    planted: 'const { bot } = facts.enriched;',
  },
  {
    fault: 'a duplicate is counted',
    file: 'src/process/decide.ts',
    line: "      tally(outcomes, 'duplicate', { position, checksum });\n",
    planted:
      "      tally(outcomes, 'duplicate', { position, checksum });\n" +
      '      this.#count(position.sequence, event, readJson(known.facts) as Facts);\n',
  },
  {
    fault: 'a session ends with 30 minutes of silence exactly',
    file: 'src/process/stitch.ts',
    line: 'timestamp - state.last > SESSION_GAP_MS',
    planted: 'timestamp - state.last >= SESSION_GAP_MS',
  },
  {
    fault: 'a page left after the session ended starts another',
    file: 'src/process/stitch.ts',
    line: '(isStale && !PASSIVE.has(event.eventType))',
    planted: 'isStale',
  },
  {
    fault: 'a page left after the session ended makes it longer',
    file: 'src/process/stitch.ts',
    line: 'isLate || isStale',
    planted: 'isLate',
  },
  {
    fault: 'the campaign is that of each event',
    file: 'src/process/views/traffic.ts',
    line: "dimension.of === 'event' ? own : opening",
    planted: 'own',
  },
  {
    fault: 'a new visitor’s later events are forgotten',
    file: 'src/process/stitch.ts',
    line: '...(state.newVisitor && { newVisitorSession: true }),',
    planted: '',
  },
  {
    fault: 'one visitor in two sources is one',
    file: 'src/process/views/traffic.ts',
    line: 'const visitor = hashOf(',
    planted: 'const visitor = hashOf(visitorOf(event)) + 0 * hashOf(',
  },
  {
    fault: 'days of a zone are made of whole hours',
    file: 'src/query/stats.ts',
    line: "const pieces: Piece[] = [{ unit: 'minute', from, to: firstHour }];",
    planted: 'const pieces: Piece[] = [];',
  },
  {
    fault: 'a total is the sum of its minutes',
    file: 'src/query/stats.ts',
    line: '  const borders = bordersOf({ ...question, interval });\n',
    planted: `
  if (interval === 'total') {
    const minutes = await stats(reads, { ...question, limit: undefined, interval: 'minute' });
    const byKey = Map.groupBy(minutes.rows, (row) => row.key ?? '');
    const sums = new Map([...byKey].map(([of, all]) => [of, all.reduce((sum, row) => sum + row.value, 0)]));
    const rows = splitRows(minutes.from, sums).slice(0, limit);
    const whole = [{ time: minutes.from, value: rows[0]?.value ?? 0, ...(key !== undefined && { key }) }];
    return { ...minutes, interval, rows: single === undefined ? rows : whole };
  }
  const borders = bordersOf({ ...question, interval });
`,
  },
];

describe('a fault planted in a copy of the source is found', () => {
  const root = join('.planted', `recount-${process.pid}`);
  afterAll(() => rmSync(root, { recursive: true, force: true }), 60_000);

  /** The whole way in a copy of the source. */
  async function servedFrom(folder: string) {
    const copy = pathToFileURL(resolve(folder, 'tests', 'whole-way.ts')).href;
    const { served: servedByCopy } = (await import(/* @vite-ignore */ copy)) as { readonly served: typeof served };
    expect(servedByCopy).not.toBe(served);
    return servedByCopy;
  }

  test('and in a copy as it is, nothing', async () => {
    expect(await isFound(await servedFrom(copyTo(root, 'none')), 5)).toBe(false);
  }, 120_000);

  test.each(PLANTS)(
    '$fault',
    async (plant) => {
      expect(await isFound(await servedFrom(plantIn(root, plant)), PLANTED_RUNS)).toBe(true);
    },
    120_000,
  );
});

async function isFound(serve: typeof served, runs: number): Promise<boolean> {
  for (const one of fc.sample(anyCase, { seed: 1, numRuns: runs })) {
    if ((await differences(one, questionsIn(one), serve)).length > 0) return true;
  }
  return false;
}

import { rmSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { openEventReader } from '../../../src/adapters/embedded/event-reader.ts';
import { openEventStore } from '../../../src/adapters/embedded/event-store.ts';
import { processBatch } from '../../../src/process/process-batch.ts';
import { SESSION_DIMENSIONS, SESSION_MEASURES, TRAFFIC_DIMENSIONS, TRAFFIC_MEASURES } from '../../recount.ts';
import type { AwsEnded } from './aws.ts';
import { type Ask, askOf } from './check.ts';
import { newFolder } from './disk.ts';

const DAY_MS = 86_400_000;

type Question = readonly [path: string, parameters: Readonly<Record<string, string>>];

/** Of every measure by every dimension, which together take longer than the history, each asks another few; and what is listed. */
const STATS_ASKED = 12;

function questionsAt(nowMs: number, random: () => number): readonly Question[] {
  const range = { from: new Date(nowMs - 2 * DAY_MS).toISOString(), to: new Date(nowMs + DAY_MS).toISOString() };
  const stats = (measures: readonly string[], dimensions: readonly string[]) =>
    measures.flatMap((measure) => [
      ...dimensions.map((by): Question => ['stats', { measure, by, interval: 'hour', ...range }]),
      ['stats', { measure, interval: 'hour', ...range }] as const,
    ]);
  const all = [...stats(TRAFFIC_MEASURES, TRAFFIC_DIMENSIONS), ...stats(SESSION_MEASURES, SESSION_DIMENSIONS)];
  const drawn = Array.from({ length: STATS_ASKED }, () => all[Math.floor(random() * all.length)]);
  return [
    ...drawn.filter((question) => question !== undefined),
    ['schemas', {}],
    ['bad', { limit: '1000' }],
    ['events', { limit: '1000', ...range }],
  ];
}

/**
 * The same records in the same order applied to SQLite, each once: whatever is asked, DynamoDB after all that happened to it must give
 * the same answer.
 */
export async function differencesFromSqlite(ended: AwsEnded, random: () => number): Promise<readonly string[]> {
  const folder = newFolder();
  const { fault, records, nowMs } = ended;
  const store = openEventStore({ folder });
  try {
    for (const { lane, isMended, ...record } of records) {
      fault.mend(isMended);
      await processBatch({ lane, records: [record], steps: { views: fault.views } }, store);
    }
    const reader = openEventReader({ folder });
    const asks: readonly Ask[] = [askOf(ended), askOf({ ...ended, reader })];
    const problems: string[] = [];
    for (const [path, parameters] of questionsAt(nowMs, random)) {
      const [dynamo, sqlite] = await Promise.all(asks.map((ask) => ask(path, parameters)));
      if (isDeepStrictEqual(dynamo, sqlite)) continue;
      problems.push(`DynamoDB and SQLite differ: ${path} ${JSON.stringify(parameters)}`);
    }
    await reader.close();
    return problems;
  } finally {
    await store.close();
    rmSync(folder, { recursive: true });
  }
}

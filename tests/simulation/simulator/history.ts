import { seededRandom } from '../../random.ts';
import type { Faults } from '../fault-files.ts';
import { playOnAws } from './aws.ts';
import { problemsOf } from './check.ts';
import { Scheduler } from './clock.ts';
import { playEmbedded } from './embedded.ts';
import { differencesFromSqlite } from './twin.ts';

/** So far apart are the seeds of two streams of one history. */
const APART = 1_000_000_007;

export const HOMES = ['aws', 'embedded'] as const;
export type Home = (typeof HOMES)[number];

export interface Played {
  readonly problems: readonly string[];
  /** What happened, in order, each with the seconds since the start. */
  readonly trace: readonly string[];
  readonly events: number;
}

/** One history of one home, the same each time; `disk` breaks the promise of the one on which the embedded log lies. */
export async function playHistory(
  home: Home,
  { seed, disk }: { readonly seed: number; readonly disk?: Faults['planted'] },
): Promise<Played> {
  const scheduler = new Scheduler({ random: seededRandom(seed), apart: seededRandom(seed + APART) });
  const { trace } = scheduler;
  try {
    if (home === 'aws') {
      const ended = await playOnAws(scheduler);
      const problems = [
        ...ended.alarms,
        ...(await problemsOf(ended)),
        ...(await differencesFromSqlite(ended, scheduler.random)),
      ];
      return { problems, trace, events: ended.sent.length };
    }
    const ended = await playEmbedded(scheduler, disk);
    try {
      return { problems: [...ended.alarms, ...(await problemsOf(ended))], trace, events: ended.sent.length };
    } finally {
      await ended.close();
    }
  } catch (thrown) {
    const problem = `threw ${thrown instanceof Error ? thrown.stack : String(thrown)}`;
    return { problems: [problem], trace, events: 0 };
  }
}

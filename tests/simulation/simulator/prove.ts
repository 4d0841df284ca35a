/**
 * Histories of both homes, each drawn from its seed and held against the oracle (oracle.ts):
 *
 *   node tests/simulation/simulator/prove.ts [--histories 2000] [--seed 1] [--only aws|embedded] [--workers 2] [--trace]
 *
 * A failing seed is printed with the command that plays it alone, the same each time; --trace tells what happened in it. --until-found ends with the
 * first that fails; --disk "no sync" gives the embedded log a disk that breaks its promise.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import type { Faults } from '../fault-files.ts';
import { HOMES, type Home, playHistory } from './history.ts';

const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    workers: { type: 'string', default: '1' },
    disk: { type: 'string' },
    trace: { type: 'boolean', default: false },
    'until-found': { type: 'boolean', default: false },
  },
});
const homes = values.only === undefined ? HOMES : HOMES.filter((home) => home === values.only);
if (homes.length === 0) throw new Error(`--only takes aws or embedded, got ${values.only}`);
const [first, wanted, workers] = [values.seed, values.histories, values.workers].map(Number);
if (first === undefined || wanted === undefined || workers === undefined) throw new Error('unreachable');

const FAILURES_MAX = values['until-found'] ? 1 : 3;
const PROBLEMS_SHOWN = 5;
const TRACE_LINES_SHOWN = 40;

interface Total {
  played: number;
  events: number;
  failed: number;
}

/** Three failing histories are enough to look into. */
async function playHere(
  total: Total,
  { seed, histories }: { readonly seed: number; readonly histories: number },
): Promise<void> {
  for (let own = seed; own < seed + histories && total.failed < FAILURES_MAX; own += 1) {
    let hasFailed = false;
    for (const home of homes) {
      const played = await playHistory(home, { seed: own, disk: values.disk as Faults['planted'] });
      total.events += played.events;
      if (played.problems.length > 0 && !hasFailed) total.failed += 1;
      hasFailed ||= played.problems.length > 0;
      if (played.problems.length > 0) tell(home, own, played);
      else if (values.trace) process.stdout.write(`${played.trace.join('\n')}\n`);
    }
    total.played += 1;
  }
}

function tell(home: Home, seed: number, { problems, trace }: Awaited<ReturnType<typeof playHistory>>): void {
  const disk = values.disk === undefined ? '' : ` --disk "${values.disk}"`;
  const lines = [
    `history ${seed} of ${home}: ${problems.length} problems`,
    ...problems.slice(0, PROBLEMS_SHOWN).map((problem) => `  ${problem}`),
    ...(values.trace ? trace : trace.slice(-TRACE_LINES_SHOWN)).map((line) => `    ${line}`),
    `  npm run prove:simulation -- --only ${home} --histories 1 --seed ${seed}${disk} --trace`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** Each worker plays a part of the seeds in a process of its own, and says in the end what it came to. */
async function playIn(workers: number, total: Total): Promise<void> {
  const each = Math.ceil((wanted ?? 0) / workers);
  const runs = Array.from({ length: workers }, async (_, place) => {
    const seed = (first ?? 1) + place * each;
    const histories = Math.min(each, (first ?? 1) + (wanted ?? 0) - seed);
    if (histories <= 0) return;
    const words = ['--seed', String(seed), '--histories', String(histories), '--workers', '1'];
    if (values.only !== undefined) words.push('--only', values.only);
    if (values.disk !== undefined) words.push('--disk', values.disk);
    if (values.trace) words.push('--trace');
    const child = spawn(process.execPath, [process.argv[1] ?? '', ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const line of createInterface({ input: child.stdout })) {
      const [, played, events, failed] = SUMMARY.exec(line) ?? [];
      if (played === undefined) process.stdout.write(`${line}\n`);
      total.played += Number(played ?? 0);
      total.events += Number(events ?? 0);
      total.failed += Number(failed ?? 0);
    }
  });
  await Promise.all(runs);
}

const SUMMARY = /^(\d+) histories from seed \d+ of [a-z ]+, (\d+) events sent: (\d+) with problems$/;
const total: Total = { played: 0, events: 0, failed: 0 };
// Which of them was first to fail is known where one plays them all.
if (workers > 1 && !values['until-found']) await playIn(workers, total);
else await playHere(total, { seed: first, histories: wanted });
process.stdout.write(
  `${total.played} histories from seed ${first} of ${homes.join(' and ')}, ${total.events} events sent: ${total.failed} with problems\n`,
);
// A worker that ended early has said nothing of its histories.
const isWhole = total.failed > 0 || total.played === wanted;
if (total.failed > 0 || !isWhole) process.exitCode = 1;

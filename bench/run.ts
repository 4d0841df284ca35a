/**
 * Figures, each a ratio to bare node:http in the same round, for machines are noisy: `npm run bench -- --seconds 10 --rounds 5`.
 * Needs wrk. Nothing is asserted: what it prints is kept in bench/RESULTS.md by hand, with the day and the machine.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs, promisify } from 'node:util';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '10' }, rounds: { type: 'string', default: '3' } },
});
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const run = promisify(execFile);

interface Server {
  readonly url: string;
  stop(): Promise<void>;
}

/** A server of its own process and folder, which goes with it. */
async function start(words: (folder: string) => readonly string[]): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-bench-'));
  const child = spawn(process.execPath, words(folder), { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return {
    url: (JSON.parse(line) as { readonly url: string }).url,
    async stop() {
      child.kill('SIGTERM');
      await once(child, 'exit');
      rmSync(folder, { recursive: true });
    },
  };
}

const bare = () => start(() => ['bench/servers.ts', 'bare']);
const collect = () => start((folder) => ['bench/servers.ts', 'collect', folder]);
const whole = () => start((folder) => ['src/main/cli.ts', 'serve', '--port', '0', '--data', folder, '--json']);

let runs = 0;

/** Events a second that the server answered. */
async function load(
  url: string,
  { size, connections }: { readonly size: number; readonly connections: number },
): Promise<number> {
  runs += 1;
  const words = [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '-s',
    'bench/events.lua',
    url,
    '--',
    `run${runs}`,
    String(size),
  ];
  const { stdout } = await run('wrk', words);
  const { requests, microseconds, failed } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
    readonly [name: string]: number;
  };
  if (failed !== 0) throw new Error(`${failed} requests failed:\n${stdout}`);
  return ((requests ?? 0) * size) / ((microseconds ?? 1) / 1e6);
}

/** Events a second that are in the store when the load ends: what was only acknowledged does not count. */
async function loadThrough(
  server: Server,
  shape: { readonly size: number; readonly connections: number },
): Promise<number> {
  const started = performance.now();
  await load(server.url, shape);
  const response = await fetch(`${server.url}/api/v1/live`);
  const { totals } = (await response.json()) as { readonly totals: { readonly stored: number } };
  return totals.stored / ((performance.now() - started) / 1000);
}

async function during<T>(server: Promise<Server>, measure: (server: Server) => Promise<T>): Promise<T> {
  const running = await server;
  try {
    return await measure(running);
  } finally {
    await running.stop();
  }
}

function median(list: readonly number[]): number {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;
}

function row(name: string, figures: readonly number[], bares: readonly number[]): void {
  const ratios = figures.map((figure, round) => figure / (bares[round] ?? Number.NaN));
  const whole = (value: number) => Math.round(value).toLocaleString('en');
  const spread = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
  process.stdout.write(
    `| ${name} | ${whole(median(figures))}/s (${((median(figures) * 60) / 1e6).toFixed(2)}M/min) | ${whole(median(bares))}/s | ${median(ratios).toFixed(2)} (${spread}) |\n`,
  );
}

const SINGLE = { size: 1, connections: 64 };
const BATCH = { size: 100, connections: 16 };

await run('wrk', ['-v']).catch((error: { readonly code?: unknown }) => {
  if (error.code === 'ENOENT') throw new Error('wrk is not installed: apt-get install wrk, or brew install wrk');
});
const figures = { bareSingle: [], bareBatch: [], acknowledged: [], single: [], batch: [] } as Record<string, number[]>;
const note = (name: string, figure: number) => {
  figures[name]?.push(figure);
  process.stderr.write(`${name}: ${Math.round(figure)} events/s\n`);
};
for (let round = 1; round <= rounds; round += 1) {
  process.stderr.write(`round ${round} of ${rounds}\n`);
  await during(bare(), async ({ url }) => {
    note('bareSingle', await load(url, SINGLE));
    note('bareBatch', await load(url, BATCH));
  });
  note('acknowledged', await during(collect(), ({ url }) => load(url, SINGLE)));
  note('single', await during(whole(), (server) => loadThrough(server, SINGLE)));
  note('batch', await during(whole(), (server) => loadThrough(server, BATCH)));
}
const { bareSingle = [], bareBatch = [], acknowledged = [], single = [], batch = [] } = figures;
process.stdout.write(
  `\n${rounds} rounds of ${seconds} s; ${cpus().length} × ${cpus()[0]?.model}; Node ${process.version}; medians\n\n`,
);
process.stdout.write(
  '| | events | bare `node:http`, same round | ratio (least to most) |\n| --- | --- | --- | --- |\n',
);
row('durable acknowledgements, single events, 64 connections', acknowledged, bareSingle);
row('end to end, single events, 64 connections', single, bareSingle);
row('end to end, batches of 100, 16 connections', batch, bareBatch);

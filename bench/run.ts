/**
 * Figures, each a ratio to bare node:http in the same round, for machines are noisy: `npm run bench -- --seconds 10 --rounds 5`.
 * Needs wrk. Nothing is asserted: what it prints is kept in bench/RESULTS.md by hand, with the day and the machine.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs, promisify } from 'node:util';
import { countryDatabase } from '../tests/country-database.ts';

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
const whole = () =>
  start((folder) => {
    const config = everythingOn(join(folder, 'configuration'));
    return ['src/main/cli.ts', 'serve', '--port', '0', '--data', join(folder, 'data'), '--config', config, '--json'];
  });

/** What can be configured is: a schema for the events of the load, and the country of their address. */
function everythingOn(folder: string): string {
  const schemas = join(folder, 'schemas', 'Product Viewed');
  mkdirSync(schemas, { recursive: true });
  const text = { type: 'string', maxLength: 300 };
  const properties = {
    ...{ productId: text, name: text, category: text },
    ...{ price: { type: 'number', minimum: 0 }, quantity: { type: 'integer', minimum: 1 } },
  };
  const product = { type: 'object', required: ['name'], properties };
  writeFileSync(join(schemas, '1.json'), JSON.stringify({ type: 'object', properties: { properties: product } }));
  writeFileSync(join(folder, 'countries.mmdb'), countryDatabase({ '203.0.113.0/24': { country: { iso_code: 'NL' } } }));
  const file = join(folder, 'clickstream.json');
  const sources = { default: { writeKeys: [], domains: ['shop.example'] } };
  writeFileSync(file, JSON.stringify({ sources, schemas: 'schemas', countries: 'countries.mmdb' }));
  return file;
}

/** A server is measured warm: until its code is compiled it would be the compiler that is compared. */
const WARM_SECONDS = 5;

let runs = 0;

interface Shape {
  /** Events a request. */
  readonly size: number;
  readonly connections: number;
}

async function wrk(url: string, { size, connections }: Shape, lastsSeconds: number): Promise<number> {
  runs += 1;
  const script = ['-s', 'bench/events.lua', url, '--', `run${runs}`, String(size)];
  const { stdout } = await run('wrk', ['-t1', `-c${connections}`, `-d${lastsSeconds}s`, ...script]);
  const summary = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<
    'requests' | 'microseconds' | 'failed',
    number
  >;
  // A refusal under overload is an answer, too: said, and not counted as an event.
  if (summary.failed !== 0) process.stderr.write(`${summary.failed} requests were refused or cut\n`);
  return ((summary.requests - summary.failed) * size) / (summary.microseconds / 1e6);
}

/** Events a second that the server answered. */
async function load(url: string, shape: Shape): Promise<number> {
  await wrk(url, shape, WARM_SECONDS);
  return wrk(url, shape, seconds);
}

/** Events a second that came into the store: what was only acknowledged when the load ended does not count. */
async function loadThrough({ url }: Server, shape: Shape): Promise<number> {
  await wrk(url, shape, WARM_SECONDS);
  const [before, started] = [await stored(url), performance.now()];
  await wrk(url, shape, seconds);
  const after = await stored(url);
  return (after - before) / ((performance.now() - started) / 1000);
}

async function stored(url: string): Promise<number> {
  const response = await fetch(`${url}/api/v1/live`);
  const { totals } = (await response.json()) as { readonly totals: { readonly stored: number } };
  return totals.stored;
}

/** Milliseconds from the 2xx until a query shows the event, of samples, while singles come at a rate. */
async function freshness({ url }: Server, rate: string): Promise<{ readonly p50: number; readonly p99: number }> {
  const words = [
    'src/main/cli.ts',
    'load',
    '--url',
    url,
    '--rate',
    rate,
    '--for',
    `${seconds + WARM_SECONDS}s`,
    '--people',
    '20000',
    '--json',
  ];
  const { stdout } = await run(process.execPath, words);
  const { queryableMs, sent } = JSON.parse(stdout) as {
    readonly queryableMs: { readonly p50: number; readonly p99: number };
    readonly sent: { readonly schedule: { readonly kept: boolean } };
  };
  if (!sent.schedule.kept) process.stderr.write(`the rate of ${rate} was not kept\n`);
  return queryableMs;
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
const PACE = '400000/min';
const BATCH = { size: 100, connections: 16 };

await run('wrk', ['-v']).catch((error: { readonly code?: unknown }) => {
  if (error.code === 'ENOENT') throw new Error('wrk is not installed: apt-get install wrk, or brew install wrk');
});
const figures = { bareSingle: [], bareBatch: [], acknowledged: [], single: [], batch: [] } as Record<string, number[]>;
const note = (name: string, figure: number) => {
  figures[name]?.push(figure);
  process.stderr.write(`${name}: ${Math.round(figure)} events/s\n`);
};
const fresh: { readonly p50: number; readonly p99: number }[] = [];
for (let round = 1; round <= rounds; round += 1) {
  process.stderr.write(`round ${round} of ${rounds}\n`);
  await during(bare(), async ({ url }) => {
    note('bareSingle', await load(url, SINGLE));
    note('bareBatch', await load(url, BATCH));
  });
  note('acknowledged', await during(collect(), ({ url }) => load(url, SINGLE)));
  note('single', await during(whole(), (server) => loadThrough(server, SINGLE)));
  note('batch', await during(whole(), (server) => loadThrough(server, BATCH)));
  fresh.push(await during(whole(), (server) => freshness(server, PACE)));
  process.stderr.write(`queryable at ${PACE}: ${JSON.stringify(fresh.at(-1))}\n`);
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
const [p50, p99] = [median(fresh.map((of) => of.p50)), median(fresh.map((of) => of.p99))];
process.stdout.write(
  `\nFrom the 2xx until a query shows it, single events at ${PACE}: p50 ${p50} ms, p99 ${p99} ms.\n`,
);

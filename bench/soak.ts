/**
 * A server under steady load for a time: memory, latencies, disk and what waits, sampled; and at the end all of it read back
 * and the ledger audited. Ends with 1 when something is lost or doubled, or is not flat. Some 2.8 KB of disk an event.
 *
 *   node bench/soak.ts [--for 30m] [--rate 300000/min] [--batch 10] [--write]
 *
 * With --write the samples are kept as bench/soak.csv and drawn as bench/soak.svg.
 */
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { LIMITS } from '../src/core/limits.ts';
import { ApiClient } from '../src/main/commands/client.ts';
import { parseDuration, parseRate } from '../src/main/commands/terminal.ts';
import { checkStored, readAudit, waitProcessed } from '../src/main/load/check.ts';
import { Freshness } from '../src/main/load/freshness.ts';
import { Ledger } from '../src/main/load/ledger.ts';
import { problemsOf, sentReport } from '../src/main/load/report.ts';
import { LoadRun, newRun } from '../src/main/load/run.ts';
import { ServerProcess } from '../src/main/prove/server-process.ts';
import type { HeapTold } from './heap-teller.ts';
import { soakPlot } from './soak-plot.ts';
import { bytesAnEvent, notFlat, type SoakSample, soakCsv } from './soak-samples.ts';

const { values } = parseArgs({
  options: {
    for: { type: 'string', default: '30m' },
    rate: { type: 'string', default: '300000/min' },
    batch: { type: 'string', default: '10' },
    write: { type: 'boolean', default: false },
  },
});
const forMs = parseDuration(values.for);
const ratePerSecond = parseRate(values.rate);
/** So many samples, whatever the time. */
const SAMPLES = 180;
const SAMPLE_MS_MIN = 2_000;
const sampleMs = Math.max(SAMPLE_MS_MIN, forMs / SAMPLES);

const folder = mkdtempSync(join(tmpdir(), 'clickstream-soak-'));
const data = join(folder, 'data');
const heaps = new Map<number, number>();
const teller = new URL('./heap-teller.ts', import.meta.url).href;
const serve = ['src/main/cli.ts', 'serve', '--port', '0', '--data', data, '--json'];
const server = new ServerProcess([process.execPath, '--import', teller, ...serve], (line) => {
  const { threadId, heapBytes } = JSON.parse(line) as HeapTold;
  heaps.set(threadId, heapBytes);
});

function bytesOf(within: string, isWanted: (name: string) => boolean): number {
  return readdirSync(within)
    .filter(isWanted)
    .reduce((sum, name) => sum + (statSync(join(within, name), { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** A gauge of the server's own. */
async function metric(url: URL, name: string): Promise<number> {
  const text = await (await fetch(new URL('/metrics', url))).text();
  return Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1]);
}

async function sampled(url: URL, load: LoadRun, freshness: Freshness): Promise<SoakSample> {
  const [acknowledged, queryable] = [load.takeAcknowledgement(), freshness.takeLatencies()];
  return {
    seconds: load.elapsedMs / 1_000,
    events: load.acknowledgedEvents,
    residentBytes: await metric(url, 'process_resident_memory_bytes'),
    heapBytes: [...heaps.values()].reduce((sum, bytes) => sum + bytes, 0),
    acknowledgedP50Ms: acknowledged.quantile(0.5),
    acknowledgedP99Ms: acknowledged.quantile(0.99),
    queryableP50Ms: queryable.quantile(0.5),
    queryableP99Ms: queryable.quantile(0.99),
    logBytes: bytesOf(join(data, 'log'), () => true),
    storeBytes: bytesOf(data, (name) => name === 'store.sqlite'),
    walBytes: bytesOf(data, (name) => name === 'store.sqlite-wal'),
    lagBytes: await metric(url, 'clickstream_log_unprocessed_bytes'),
  };
}

const MEGABYTE = 1_000_000;

function told(sample: SoakSample): string {
  const { seconds, events, residentBytes, heapBytes, acknowledgedP99Ms, queryableP99Ms, lagBytes } = sample;
  return (
    `${seconds.toFixed(0)} s: ${events} events, ${(residentBytes / MEGABYTE).toFixed(0)} MB resident, ${(heapBytes / MEGABYTE).toFixed(0)} MB heaps, ` +
    `2xx p99 ${acknowledgedP99Ms.toFixed(1)} ms, queryable p99 ${queryableP99Ms.toFixed(0)} ms, ${(lagBytes / MEGABYTE).toFixed(2)} MB wait\n`
  );
}

const samples: SoakSample[] = [];
const problems: string[] = [];
try {
  const url = new URL(await server.serving());
  const client = new ApiClient({ url });
  const ledger = new Ledger(newRun());
  const freshness = new Freshness(client, ledger.run);
  const plan = {
    url,
    writeKey: 'soak',
    seed: 1,
    people: 20_000,
    batch: Number(values.batch),
    connections: 32,
    ratePerSecond,
    forMs,
  };
  const load = new LoadRun(plan, ledger, (event) => freshness.offer(event));
  let isOver = false;
  const played = load.play().finally(() => {
    isOver = true;
  });
  for (let due = sampleMs; !isOver && due <= forMs; due += sampleMs) {
    await Promise.race([played, sleep(Math.max(0, due - load.elapsedMs))]);
    const sample = await sampled(url, load, freshness);
    samples.push(sample);
    if (samples.length % 10 === 0) process.stdout.write(told(sample));
  }
  await played;
  if (values.write) {
    writeFileSync('bench/soak.csv', soakCsv(samples));
    writeFileSync('bench/soak.svg', soakPlot(samples));
  }
  await freshness.settled();
  const { schedule } = sentReport(load);
  if (schedule?.kept === false) problems.push(`the schedule was not kept: up to ${schedule.behindMsMax} ms late`);
  if (freshness.notSeen > 0) problems.push(`${freshness.notSeen} events were not seen in time`);
  const processed = await waitProcessed(client);
  const check = await checkStored(client, ledger);
  const readMs = performance.now();
  const audit = await readAudit(client, { deep: true, patienceMs: LIMITS.clientMsMax });
  const auditMs = performance.now() - readMs;
  problems.push(...problemsOf({ processed, check, audit }));
  problems.push(...notFlat(samples, { lagBytesMax: 2 * LIMITS.unprocessedBytesMax }));
  client.close();
  const code = await server.stop();
  if (code !== 0) problems.push(`the server ended with ${code}`);
  if (server.errors() !== '') problems.push(`the server said: ${server.errors()}`);
  const { acknowledged } = ledger.counts();
  process.stdout.write(
    `${acknowledged} events acknowledged in ${load.seconds.toFixed(0)} s, ${check.found} found; lost ${check.missing.count}, doubled ${check.doubled.count}; ` +
      `audit ${audit.balanced ? 'balanced' : 'not balanced'}, in ${(auditMs / 1_000).toFixed(0)} s; ${bytesAnEvent(samples, 'logBytes').toFixed(0)} B of log and ` +
      `${bytesAnEvent(samples, 'storeBytes').toFixed(0)} B of store an event, write-ahead log at most ${(Math.max(...samples.map(({ walBytes }) => walBytes)) / MEGABYTE).toFixed(0)} MB\n`,
  );
} finally {
  await server.kill();
  rmSync(folder, { recursive: true, force: true });
}
for (const problem of problems) process.stdout.write(`${problem}\n`);
if (problems.length > 0) process.exitCode = 1;

/**
 * The real bundles of the functions, alone, at a rate kept on the clock: `node bench/aws-handlers.ts [--minutes 1] [--rate 10000]
 * [--batch 20] [--window-seconds 1]`. The visits of `clickstream load` go in by HTTP, as events of the load balancer into
 * the collector, by kinesalite into the processor, onto dynalite; then the audit is asked for and all events are read back
 * through the query function. Prints what an invocation takes; ends with 1 unless the ledger balances and each acknowledged
 * event is stored once. What it prints is kept in docs/cost.md by hand.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { bundle } from '../infra/bundle.ts';
import { createKinesisClient } from '../src/adapters/aws/kinesis-client.ts';
import type { KinesisBatchResponse } from '../src/adapters/aws/kinesis-records.ts';
import type { AlbResult } from '../src/adapters/aws/lambda-http.ts';
import { ApiClient } from '../src/main/commands/client.ts';
import { checkStored, readAudit } from '../src/main/load/check.ts';
import { Ledger } from '../src/main/load/ledger.ts';
import { problemsOf } from '../src/main/load/report.ts';
import { LoadRun, newRun } from '../src/main/load/run.ts';
import { albEvent } from '../tests/alb.ts';
import { certificate } from '../tests/deploy/emulator.ts';
import { EventSourceMapping } from '../tests/emulators/lambda.ts';
import { type Service, STREAM } from './aws-emulator.ts';
import { coldStarts, Environments, type Measured, startEmulator, stopChild } from './aws-environments.ts';
import { coldStartTable, invocationTable } from './aws-report.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    rate: { type: 'string', default: '10000' },
    batch: { type: 'string', default: '20' },
    people: { type: 'string', default: '20000' },
    shards: { type: 'string', default: '10' },
    'window-seconds': { type: 'string', default: '1' },
    'batch-max': { type: 'string', default: '100' },
    // What a call of each service is taken to last on AWS; so late do the emulators answer.
    'kinesis-ms': { type: 'string', default: '15' },
    'dynamodb-ms': { type: 'string', default: '5' },
    'secrets-ms': { type: 'string', default: '15' },
    collectors: { type: 'string', default: '6' },
    processors: { type: 'string', default: '4' },
    'cold-starts': { type: 'string', default: '5' },
  },
});
const numbers = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)])) as Record<
  keyof typeof values,
  number
>;
const [WRITE_KEY, READ_TOKEN] = ['w'.repeat(40), 'r'.repeat(40)];
const WRITE_KEY_ARN = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:write-key';
const READ_TOKEN_ARN = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:read-token';
const LATENCIES = {
  kinesis: numbers['kinesis-ms'],
  dynamodb: numbers['dynamodb-ms'],
  secretsmanager: numbers['secrets-ms'],
};

// The emulators, and the environment of the functions as the stack sets it.
const folder = await mkdtemp(join(tmpdir(), 'clickstream-handlers-'));
const files = certificate(folder, { name: 'emulators' });

const secrets = { [WRITE_KEY_ARN]: WRITE_KEY, [READ_TOKEN_ARN]: READ_TOKEN };
const start = (service: Service) =>
  startEmulator({ service, latencyMs: LATENCIES[service], shards: numbers.shards, ...files, secrets });
const [kinesis, dynamo, secretsManager] = await Promise.all([
  start('kinesis'),
  start('dynamodb'),
  start('secretsmanager'),
]);
const { tables } = dynamo;
if (tables === undefined) throw new Error('the emulator of DynamoDB has no tables');
const variables: NodeJS.ProcessEnv = {
  PATH: process.env.PATH,
  NODE_OPTIONS: '--enable-source-maps',
  NODE_EXTRA_CA_CERTS: files.certificate,
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'any',
  AWS_SECRET_ACCESS_KEY: 'any',
  AWS_ENDPOINT_URL_KINESIS: kinesis.far,
  AWS_ENDPOINT_URL_DYNAMODB: dynamo.far,
  AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager.far,
  STREAM_NAME: STREAM,
  EVENTS_TABLE: tables.events,
  STATE_TABLE: tables.state,
  WRITE_KEY_SECRET_ARN: WRITE_KEY_ARN,
  READ_TOKEN_SECRET_ARN: READ_TOKEN_ARN,
  DEAD_LETTERS_BUCKET: 'dead-letters',
};

const bundled = await bundle(folder);
const fileOf = (name: keyof typeof bundled) => join(bundled[name].folder, 'index.mjs');
const inits = [];
for (const name of ['collect', 'process', 'query'] as const) {
  const { bytes } = bundled[name];
  inits.push({ name, bytes, inits: await coldStarts(fileOf(name), variables, numbers['cold-starts']) });
}
process.stdout.write(`${coldStartTable(inits)}\n`);

const collectors = await Environments.start(fileOf('collect'), variables, numbers.collectors);
const processors = await Environments.start(fileOf('process'), variables, numbers.processors);
const queries = await Environments.start(fileOf('query'), variables, 1);

/** Where the load balancer would be. */
async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)] as const);
  const url = request.url ?? '/';
  const event = albEvent({
    method: request.method ?? 'GET',
    url,
    headers: Object.fromEntries(headers),
    body: await buffer(request),
  });
  const environments = url.startsWith('/api/') ? queries : collectors;
  const { statusCode, multiValueHeaders, body, isBase64Encoded } = (await environments.invoke(event)) as AlbResult;
  response.writeHead(statusCode, multiValueHeaders).end(Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8'));
}

const door = createServer((request, response) => {
  serve(request, response).catch((fault: unknown) => {
    process.stderr.write(`${String(fault)}\n`);
    response.writeHead(502).end();
  });
});
door.listen(0, '127.0.0.1');
await once(door, 'listening');
const url = new URL(`http://127.0.0.1:${(door.address() as AddressInfo).port}`);

// The event source mapping: each window all shards are read, and each is given what came, one batch in flight.
const credentials = { accessKeyId: 'any', secretAccessKey: 'any' };
const stream = createKinesisClient({ endpoint: kinesis.near, region: 'us-east-1', credentials });
const mapping = new EventSourceMapping(stream, STREAM);
const invoke = (event: unknown) => processors.invoke(event) as Promise<KinesisBatchResponse>;
let records = 0;
let isSending = true;
async function pumpUntilDry(): Promise<void> {
  for (let dueMs = performance.now(); ; ) {
    dueMs = Math.max(dueMs + numbers['window-seconds'] * 1_000, performance.now());
    await sleep(Math.max(0, dueMs - performance.now()));
    const wasSending = isSending;
    const came = await mapping.pump(invoke, { batchRecordsMax: numbers['batch-max'], invocationsMax: 10_000 });
    records += came;
    if (came === 0 && !wasSending) return;
  }
}

/** How idle the machine is from now on, by all that runs on it: where little is left, processor time is inflated too. */
function watchIdle(): () => number {
  const sums = () => {
    const all = cpus().map(({ times }) => times);
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    return { idle: sum(all.map(({ idle }) => idle)), all: sum(all.flatMap((times) => Object.values(times))) };
  };
  const before = sums();
  return () => (sums().idle - before.idle) / (sums().all - before.all);
}

const ledger = new Ledger(newRun());
const run = new LoadRun(
  {
    ...{ url, writeKey: WRITE_KEY, seed: 1, people: numbers.people, batch: numbers.batch, connections: 64 },
    ratePerSecond: numbers.rate / 60,
    forMs: numbers.minutes * 60_000,
  },
  ledger,
);
const idleShare = watchIdle();
const pumped = pumpUntilDry();
await run.play();
isSending = false;
await pumped;

const perMinute = Math.round((run.acknowledgedEvents / run.seconds) * 60);
const { acknowledged, refused, unknown } = ledger.counts();
const batches = processors.measured.length;
const perBatch = (run.events / batches).toFixed(1);
process.stdout.write(
  `${run.events} events in ${run.requests} requests of ${numbers.batch}, ${run.seconds.toFixed(1)} s: ${perMinute} a minute reached; ` +
    `acknowledged ${acknowledged} (and ${run.copies} copies), refused ${refused}, unanswered ${unknown}; ` +
    `acknowledgement p50 ${run.acknowledgement.quantile(0.5).toFixed(0)}, p99 ${run.acknowledgement.quantile(0.99).toFixed(0)} ms\n` +
    `${records} records of ${(run.events / records).toFixed(2)} events in ${batches} batches of ${perBatch} events; ` +
    `${numbers.shards} shards, window ${numbers['window-seconds']} s; ` +
    `meanwhile the machine's processors were idle for ${(idleShare() * 100).toFixed(0)} % of the time\n`,
);

const client = new ApiClient({ url, token: READ_TOKEN });
// Not the deep one, which reads every event too, within one answer.
const audit = await readAudit(client, { deep: false, patienceMs: 60_000 });
const check = await checkStored(client, ledger);
const { stored, duplicate, lost } = audit.counts;
process.stdout.write(
  `stored ${stored}, duplicates ${duplicate}, lost ${lost}; read back ${check.found}, missing ${check.missing.count}, ` +
    `doubled ${check.doubled.count}; the ledger is ${audit.balanced ? 'balanced' : 'NOT balanced'}\n\n`,
);

/** What invocations of the query function this many questions were. */
async function asked(times: number, ask: (time: number) => Promise<unknown>): Promise<readonly Measured[]> {
  const before = queries.measured.length;
  for (let time = 0; time < times; time += 1) await ask(time);
  return queries.measured.slice(before);
}

const day = { from: new Date(Date.now() - 86_400_000).toISOString(), to: new Date().toISOString() };
// An event that comes late has a number long before it is sent.
const users = Array.from({ length: ledger.size }, (_, number) => ledger.entry(number)?.user ?? []).flat();
const userOf = (time: number) => encodeURIComponent(users[(time * 37) % users.length] ?? '');
const questions = {
  'a timeline': await asked(100, (time) => client.get(`/api/v1/users/${userOf(time)}/events`)),
  "a day's statistics": await asked(40, () =>
    client.get('/api/v1/stats', { ...day, measure: 'events', interval: 'hour' }),
  ),
  'the audit': await asked(20, () => client.get('/api/v1/audit')),
};
client.close();

const functions = { collect: collectors.measured, process: processors.measured };
process.stdout.write(`${invocationTable(functions, { events: run.events, latencies: LATENCIES })}\n`);
process.stdout.write(`${invocationTable(questions, { latencies: LATENCIES })}\n`);

const problems = problemsOf({ processed: true, check, audit });
if (refused + unknown > 0) problems.push(`${refused + unknown} events were not acknowledged`);
// A schedule that is not kept shows nothing of the rate.
if (perMinute < 0.97 * numbers.rate) problems.push(`${perMinute} events a minute, of ${numbers.rate}`);
for (const problem of problems) process.stdout.write(`${problem}\n`);
if (problems.length > 0) process.exitCode = 1;

stream.destroy();
door.closeAllConnections();
door.close();
await Promise.all([collectors, processors, queries].map((own) => own.stop()));
await Promise.all([kinesis, dynamo, secretsManager].map(({ child }) => stopChild(child)));
await rm(folder, { recursive: true });

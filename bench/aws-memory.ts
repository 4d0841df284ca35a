/**
 * Whether the process function grows: `node bench/aws-memory.ts [--events 200000] [--every 10000]`. One environment of its bundle
 * is given the batches of all shards at 10,000 events a minute, as fast as it takes them, onto dynalite over TLS, and after each
 * so many events its garbage is collected and what is left is printed. Ends with 1 when the second half holds more than the first
 * by a tenth. What it prints is kept in docs/cost.md by hand.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from '../infra/bundle.ts';
import type { KinesisBatchResponse } from '../src/adapters/aws/kinesis-records.ts';
import type { ProcessEvent } from '../src/main/process-handler.ts';
import { certificate } from '../tests/deploy/emulator.ts';
import { arrivalsOf, batchesOf } from './aws-arrivals.ts';
import type { Memory } from './aws-environment.ts';
import { type Environment, invokeIn, startEmulator, startEnvironment, stopChild } from './aws-environments.ts';

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '200000' },
    every: { type: 'string', default: '10000' },
    shards: { type: 'string', default: '10' },
    'batch-max': { type: 'string', default: '100' },
    'window-seconds': { type: 'string', default: '1' },
  },
});
const [events, every, shards] = [Number(values.events), Number(values.every), Number(values.shards)];
const limits = { batchMax: Number(values['batch-max']), windowMs: Number(values['window-seconds']) * 1_000 };

const folder = await mkdtemp(join(tmpdir(), 'clickstream-memory-'));
const files = certificate(folder, { name: 'emulators' });

const dynamo = await startEmulator({ service: 'dynamodb', latencyMs: 0, shards, ...files, secrets: {} });
const { tables } = dynamo;
if (tables === undefined) throw new Error('the emulator of DynamoDB has no tables');
const variables: NodeJS.ProcessEnv = {
  PATH: process.env.PATH,
  NODE_OPTIONS: '--enable-source-maps',
  NODE_EXTRA_CA_CERTS: files.certificate,
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'any',
  AWS_SECRET_ACCESS_KEY: 'any',
  AWS_ENDPOINT_URL_DYNAMODB: dynamo.far,
  STREAM_NAME: 'events',
  EVENTS_TABLE: tables.events,
  STATE_TABLE: tables.state,
  DEAD_LETTERS_BUCKET: 'dead-letters',
};
const bundled = await bundle(folder);
// What Node gives itself where 512 MB are all there is (`v8.getHeapStatistics()` in a control group of that size). On a machine
// with more it lets garbage lie for longer.
const sizes = ['--max-old-space-size=256', '--max-semi-space-size=1'];
const environment = await startEnvironment(join(bundled.process.folder, 'index.mjs'), variables, [
  '--expose-gc',
  ...sizes,
]);

/** The batches of all shards in the order in which their windows end. */
async function* batches(): AsyncGenerator<ProcessEvent> {
  const perMinute = 10_000;
  const { lanes } = await arrivalsOf({ perMinute, minutes: events / perMinute, shards, perRequest: 1, people: 20_000 });
  const all = lanes.flatMap((arrivals, lane) => [...batchesOf(arrivals, limits)].map((batch) => ({ lane, batch })));
  all.sort((a, b) => (a.batch[0]?.atMs ?? 0) - (b.batch[0]?.atMs ?? 0));
  for (const { lane, batch } of all) {
    yield {
      Records: batch.map(({ partitionKey, record: { sequence, data } }) => ({
        eventID: `shardId-${String(lane).padStart(12, '0')}:${sequence}`,
        eventSourceARN: 'arn:aws:kinesis:us-east-1:123456789012:stream/events',
        kinesis: {
          sequenceNumber: String(sequence),
          partitionKey,
          data: Buffer.from(data).toString('base64'),
          approximateArrivalTimestamp: Date.now() / 1_000,
        },
      })),
    };
  }
}

async function memoryOf({ child }: Environment): Promise<Memory> {
  const told = once(child, 'message');
  child.send('collect garbage');
  return ((await told) as [Memory])[0];
}

const heaps: number[] = [];
let [given, invocations, due, rssMax] = [0, 0, 0, 0];
process.stdout.write(
  '| events | batches | heap MB | besides it MB | resident MB | at most MB |\n| --- | --- | --- | --- | --- | --- |\n',
);
async function look(): Promise<void> {
  const { heapMb, externalMb, residentMb } = await memoryOf(environment);
  if (given > 0) heaps.push(heapMb);
  const cells = [heapMb, externalMb, residentMb, rssMax].map((value) => value.toFixed(1));
  process.stdout.write(`| ${[given, invocations, ...cells].join(' | ')} |\n`);
  due += every;
}

await look();
for await (const event of batches()) {
  const { answer, fault, memoryMb } = await invokeIn(environment, event);
  if (answer === undefined) throw new Error(fault);
  const { batchItemFailures } = JSON.parse(answer) as KinesisBatchResponse;
  if (batchItemFailures.length > 0) throw new Error('a batch was not done');
  rssMax = Math.max(rssMax, memoryMb);
  given += event.Records.length;
  invocations += 1;
  if (given >= due) await look();
}

const half = Math.floor(heaps.length / 2);
const meanOf = (of: readonly number[]) => of.reduce((sum, value) => sum + value, 0) / of.length;
const [first, second] = [meanOf(heaps.slice(0, half)), meanOf(heaps.slice(half))];
process.stdout.write(
  `\nafter garbage is collected: ${first.toFixed(1)} MB in the first half, ${second.toFixed(1)} in the second\n`,
);
if (!(second <= 1.1 * first)) {
  process.stdout.write('it grows\n');
  process.exitCode = 1;
}

await stopChild(environment.child);
await stopChild(dynamo.child);
await rm(folder, { recursive: true });

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  type KinesisClient,
  ListShardsCommand,
} from '@aws-sdk/client-kinesis';
import { bundle } from '../../infra/bundle.ts';
import type { KinesisBatchResponse } from '../../src/adapters/aws/kinesis-records.ts';
import type { AlbEvent, AlbResult } from '../../src/adapters/aws/lambda-http.ts';
import type { FunctionContext } from '../../src/main/in-time.ts';
import type { ProcessEvent } from '../../src/main/process-handler.ts';
import { type AlbRequest, albAnswer, albEvent } from '../alb.ts';
import { type DynamoEmulator, startDynamo } from './dynamo.ts';
import { type FakeAws, startFakeAws } from './fake-aws.ts';
import { type KinesisEmulator, startKinesis } from './kinesis.ts';

export type ProcessFunction = (event: ProcessEvent, context: FunctionContext) => Promise<KinesisBatchResponse>;

/** The three functions, as they are bundled for Lambda, over emulators in this process. */
export interface Lambdas {
  readonly writeKey: string;
  readonly readToken: string;
  readonly stream: string;
  readonly kinesis: KinesisEmulator;
  readonly dynamo: DynamoEmulator;
  readonly aws: FakeAws;
  readonly process: ProcessFunction;
  collect(request: AlbRequest): Promise<ReturnType<typeof albAnswer>>;
  query(request: AlbRequest): Promise<ReturnType<typeof albAnswer>>;
  /** Gives the processor all that the stream holds and was not given before. Returns how many records there were. */
  pump(options?: PumpOptions): Promise<number>;
  stop(): Promise<void>;
}

const STREAM = 'events';
const BUCKET = 'dead-letters';
const WRITE_KEY_ARN = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:write-key';
const READ_TOKEN_ARN = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:read-token';

/**
 * One at a time in a process: the functions read their environment, as on Lambda
 * (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html), and are loaded once for many invocations
 * (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html). Their events are those of a load balancer
 * (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html) and of a stream
 * (https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html). Unlike there, nobody asks what their roles may do.
 */
export async function startLambdas({ shardCount = 2 }: { readonly shardCount?: number } = {}): Promise<Lambdas> {
  const [kinesis, dynamo, aws] = await Promise.all([startKinesis(), startDynamo(), startFakeAws()]);
  const [writeKey, readToken] = ['w'.repeat(40), 'r'.repeat(40)];
  aws.secrets.set(WRITE_KEY_ARN, writeKey).set(READ_TOKEN_ARN, readToken);
  await kinesis.makeStream({ stream: STREAM, shardCount });
  const folder = await mkdtemp(join(tmpdir(), 'clickstream-lambda-'));
  const bundled = await bundle(folder);
  Object.assign(process.env, await environmentOf({ kinesis, dynamo, aws }));
  const handlerOf = async (name: keyof typeof bundled): Promise<unknown> => {
    const { handler } = await import(pathToFileURL(join(bundled[name].folder, 'index.mjs')).href);
    return handler;
  };
  const collect = (await handlerOf('collect')) as (event: AlbEvent) => Promise<AlbResult>;
  const query = (await handlerOf('query')) as (event: AlbEvent) => Promise<AlbResult>;
  const processBatch = (await handlerOf('process')) as ProcessFunction;
  const mapping = new EventSourceMapping(kinesis.client, STREAM);
  return {
    ...{ writeKey, readToken, kinesis, dynamo, aws },
    stream: STREAM,
    process: processBatch,
    collect: async (request) => albAnswer(await collect(albEvent(request))),
    query: async (request) => albAnswer(await query(albEvent(request))),
    pump: (options) => mapping.pump(processBatch, options),
    stop: async () => {
      await Promise.all([kinesis.stop(), dynamo.close(), aws.stop()]);
      await rm(folder, { recursive: true });
    },
  };
}

async function environmentOf(emulators: {
  readonly kinesis: KinesisEmulator;
  readonly dynamo: DynamoEmulator;
  readonly aws: FakeAws;
}): Promise<Record<string, string>> {
  const { kinesis, dynamo, aws } = emulators;
  const at = await dynamo.client.config.endpoint?.();
  if (at === undefined) throw new Error('the client of the emulator has no endpoint');
  return {
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'any',
    AWS_SECRET_ACCESS_KEY: 'any',
    AWS_ENDPOINT_URL_KINESIS: kinesis.endpoint,
    AWS_ENDPOINT_URL_DYNAMODB: `${at.protocol}//${at.hostname}:${at.port}`,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: aws.endpoint,
    AWS_ENDPOINT_URL_S3: aws.endpoint,
    STREAM_NAME: STREAM,
    EVENTS_TABLE: dynamo.tables.events,
    STATE_TABLE: dynamo.tables.state,
    WRITE_KEY_SECRET_ARN: WRITE_KEY_ARN,
    READ_TOKEN_SECRET_ARN: READ_TOKEN_ARN,
    DEAD_LETTERS_BUCKET: BUCKET,
  };
}

export interface PumpOptions {
  /** @default 100 */
  readonly batchRecordsMax?: number;
  /** Of each invocation. @default 60,000 */
  readonly timeoutMs?: number;
  /** Invocations after which it is given up: without a limit a record that always fails would be sent for ever. @default 1,000 */
  readonly invocationsMax?: number;
}

/**
 * Gives a function the records of a stream as an event source mapping does: of each shard in order, one batch in flight
 * (https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html, ParallelizationFactor 1). A batch that is answered with a failure is sent again from that record on
 * (https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html); one that ends the function
 * is halved, and each half is sent again (BisectBatchOnFunctionError,
 * https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html). Nothing is ever given up.
 */
export class EventSourceMapping {
  readonly #client: KinesisClient;
  readonly #stream: string;
  /** By shard, the last sequence number that is done. */
  readonly #checkpoints = new Map<string, string>();

  constructor(client: KinesisClient, stream: string) {
    this.#client = client;
    this.#stream = stream;
  }

  async pump(invoke: ProcessFunction, options: PumpOptions = {}): Promise<number> {
    const { Shards = [] } = await this.#client.send(new ListShardsCommand({ StreamName: this.#stream }));
    const counts = await Promise.all(
      Shards.map(async ({ ShardId }) => {
        if (ShardId === undefined) throw new Error('a shard without an id');
        const records = await this.#read(ShardId);
        await this.#giveAll(records, invoke, options);
        const last = records.at(-1)?.kinesis.sequenceNumber;
        if (last !== undefined) this.#checkpoints.set(ShardId, last);
        return records.length;
      }),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async #giveAll(records: ProcessEvent['Records'], invoke: ProcessFunction, options: PumpOptions): Promise<void> {
    const { batchRecordsMax = 100, timeoutMs = 60_000, invocationsMax = 1_000 } = options;
    const batches: ProcessEvent['Records'][] = [];
    for (let at = 0; at < records.length; at += batchRecordsMax) batches.push(records.slice(at, at + batchRecordsMax));
    for (let invocations = 0; ; invocations += 1) {
      const batch = batches.shift();
      if (batch === undefined) return;
      if (invocations === invocationsMax) throw new Error(`a batch is not done after ${invocationsMax} invocations`);
      const deadline = performance.now() + timeoutMs;
      try {
        const context = { getRemainingTimeInMillis: () => deadline - performance.now() };
        const { batchItemFailures } = await invoke({ Records: batch }, context);
        const failed = batchItemFailures.map(({ itemIdentifier }) => BigInt(itemIdentifier));
        const rest = batch.filter(({ kinesis }) => failed.some((first) => BigInt(kinesis.sequenceNumber) >= first));
        if (rest.length > 0) batches.unshift(rest);
      } catch {
        const half = Math.ceil(batch.length / 2);
        batches.unshift(...[batch.slice(0, half), batch.slice(half)].filter(({ length }) => length > 0));
      }
    }
  }

  async #read(ShardId: string): Promise<ProcessEvent['Records']> {
    const after = this.#checkpoints.get(ShardId);
    const { ShardIterator } = await this.#client.send(
      new GetShardIteratorCommand({
        StreamName: this.#stream,
        ShardId,
        ...(after === undefined
          ? { ShardIteratorType: 'TRIM_HORIZON' }
          : { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: after }),
      }),
    );
    const records: ProcessEvent['Records'][number][] = [];
    let iterator = ShardIterator;
    while (iterator !== undefined) {
      const page = await this.#client.send(new GetRecordsCommand({ ShardIterator: iterator }));
      for (const { SequenceNumber, PartitionKey, Data, ApproximateArrivalTimestamp } of page.Records ?? []) {
        records.push({
          eventID: `${ShardId}:${SequenceNumber}`,
          eventSourceARN: `arn:aws:kinesis:us-east-1:123456789012:stream/${this.#stream}`,
          kinesis: {
            sequenceNumber: SequenceNumber ?? '',
            partitionKey: PartitionKey ?? '',
            data: Buffer.from(Data ?? []).toString('base64'),
            approximateArrivalTimestamp: (ApproximateArrivalTimestamp?.getTime() ?? 0) / 1_000,
          },
        });
      }
      iterator = page.Records?.length === 0 ? undefined : page.NextShardIterator;
    }
    return records;
  }
}

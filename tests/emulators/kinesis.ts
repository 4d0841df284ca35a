import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  type KinesisClient,
  ListShardsCommand,
} from '@aws-sdk/client-kinesis';
import kinesalite from 'kinesalite';
import { createKinesisClient } from '../../src/adapters/aws/kinesis-client.ts';
import type { LaneRecord } from '../../src/log/event-log.ts';

/**
 * Kinesis in this process, by kinesalite: streams, shards and sequence numbers. It throttles nothing and fails no single
 * record, and puts the records of a call in the order of the call; AWS promises none of that. What tests rely on, [API] being
 * https://docs.aws.amazon.com/kinesis/latest/APIReference/:
 *   a partition key's shard             [API] API_PutRecords.html: by the MD5 of the key
 *   sequence numbers grow in a shard    https://docs.aws.amazon.com/streams/latest/dev/key-concepts.html
 *   reading a shard from its beginning  [API] API_GetShardIterator.html (TRIM_HORIZON), API_GetRecords.html (in order, NextShardIterator)
 *   limits of a call and a record       [API] API_PutRecords.html
 *   a service that is down              [API] CommonErrors.html: 503, to be tried again
 */
export interface KinesisEmulator {
  readonly endpoint: string;
  readonly client: KinesisClient;
  makeStream(options: { readonly stream: string; readonly shardCount: number }): Promise<void>;
  /** All records of a stream by shard, in order. */
  readStream(stream: string): Promise<ReadonlyMap<string, readonly LaneRecord[]>>;
  /** Answers 503 to everything, until `mend`. */
  breakDown(): void;
  mend(): void;
  stop(): Promise<void>;
}

export async function startKinesis(): Promise<KinesisEmulator> {
  const server = kinesalite({ createStreamMs: 0, deleteStreamMs: 0, updateStreamMs: 0, shardLimit: 100 });
  let isBroken = false;
  const handlers = server.listeners('request');
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    if (isBroken) response.writeHead(503).end('<html>Service Unavailable</html>');
    else for (const handle of handlers) handle(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const credentials = { accessKeyId: 'any', secretAccessKey: 'any' };
  const client = createKinesisClient({ endpoint, region: 'us-east-1', credentials });
  return {
    endpoint,
    client,
    async makeStream({ stream, shardCount }) {
      await client.send(new CreateStreamCommand({ StreamName: stream, ShardCount: shardCount }));
      for (;;) {
        const { StreamDescriptionSummary } = await client.send(
          new DescribeStreamSummaryCommand({ StreamName: stream }),
        );
        if (StreamDescriptionSummary?.StreamStatus === 'ACTIVE') return;
      }
    },
    readStream: (stream) => readStream(client, stream),
    breakDown() {
      isBroken = true;
    },
    mend() {
      isBroken = false;
    },
    async stop() {
      client.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readStream(client: KinesisClient, stream: string): Promise<ReadonlyMap<string, readonly LaneRecord[]>> {
  const lanes = new Map<string, LaneRecord[]>();
  const { Shards = [] } = await client.send(new ListShardsCommand({ StreamName: stream }));
  for (const { ShardId } of Shards) {
    if (ShardId === undefined) throw new Error('a shard without an id');
    const records: LaneRecord[] = [];
    lanes.set(ShardId, records);
    const start = { StreamName: stream, ShardId, ShardIteratorType: 'TRIM_HORIZON' } as const;
    let { ShardIterator: iterator } = await client.send(new GetShardIteratorCommand(start));
    while (iterator !== undefined) {
      const page = await client.send(new GetRecordsCommand({ ShardIterator: iterator }));
      for (const { SequenceNumber, Data } of page.Records ?? []) {
        if (SequenceNumber === undefined || Data === undefined) throw new Error('a record without number or data');
        records.push({ sequence: BigInt(SequenceNumber), data: Data });
      }
      iterator = page.Records?.length === 0 ? undefined : page.NextShardIterator;
    }
  }
  return lanes;
}

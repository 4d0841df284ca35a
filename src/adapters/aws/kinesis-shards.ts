import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  type KinesisClient,
  ListShardsCommand,
  ProvisionedThroughputExceededException,
  type Shard,
} from '@aws-sdk/client-kinesis';
import { LIMITS } from '../../core/limits.ts';
import type { Clock } from '../../core/time.ts';

interface Looking {
  readonly client: Pick<KinesisClient, 'send'>;
  readonly stream: string;
  readonly clock: Clock;
}

/**
 * Each shard that the stream still has, with the time at which nothing in it was left to do, in epoch milliseconds; undefined
 * where something is, or where that could not be seen. A shard that was split or merged has its end, and so is done for good
 * one day; once all its records have expired the stream does not list it any more. `dones` are the last sequences done, by shard.
 */
export async function lookAtShards(
  looking: Looking,
  dones: ReadonlyMap<string, bigint>,
): Promise<ReadonlyMap<string, number | undefined>> {
  const found = new Map<string, number | undefined>();
  for (const { ShardId: shard = '' } of await shardsOf(looking)) {
    const nowMs = looking.clock();
    found.set(shard, (await isDone(looking, shard, dones.get(shard))) ? nowMs : undefined);
  }
  return found;
}

async function shardsOf({ client, stream }: Looking): Promise<readonly Shard[]> {
  const shards: Shard[] = [];
  let next: string | undefined;
  do {
    const asked = next === undefined ? { StreamName: stream } : { NextToken: next };
    const page = await client.send(new ListShardsCommand(asked));
    shards.push(...(page.Shards ?? []));
    next = page.NextToken;
  } while (next !== undefined);
  return shards;
}

/** Kinesis may answer with no records before it has come to the end of a shard; it then says how far it is from it. */
async function isDone({ client, stream }: Looking, shard: string, done: bigint | undefined): Promise<boolean> {
  const place =
    done === undefined || done < 0n
      ? ({ ShardIteratorType: 'TRIM_HORIZON' } as const)
      : ({ ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: String(done) } as const);
  try {
    const start = await client.send(new GetShardIteratorCommand({ StreamName: stream, ShardId: shard, ...place }));
    let iterator = start.ShardIterator;
    for (let looks = 0; looks < LIMITS.shardLooksMax; looks += 1) {
      if (iterator === undefined) return true;
      const page = await client.send(new GetRecordsCommand({ ShardIterator: iterator, Limit: 1 }));
      if ((page.Records?.length ?? 0) > 0) return false;
      if (page.NextShardIterator === undefined || page.MillisBehindLatest === 0) return true;
      iterator = page.NextShardIterator;
    }
    return false;
  } catch (thrown) {
    // A shard gives five reads a second, and the processor comes first.
    if (thrown instanceof ProvisionedThroughputExceededException) return false;
    throw thrown;
  }
}

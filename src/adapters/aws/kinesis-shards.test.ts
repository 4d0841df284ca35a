import { DescribeStreamSummaryCommand, ListShardsCommand, SplitShardCommand } from '@aws-sdk/client-kinesis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type KinesisEmulator, startKinesis } from '../../../tests/emulators/kinesis.ts';
import { KinesisEventLog } from './kinesis-event-log.ts';
import { lookAtShards } from './kinesis-shards.ts';

let emulator: KinesisEmulator;
beforeAll(async () => {
  emulator = await startKinesis();
});
afterAll(() => emulator.stop());

const NOW_MS = 1_800_000_000_000;

test('a shard is done when nothing is left after what was done, also one that was split', async () => {
  const { client } = emulator;
  const stream = 'looked-at';
  await emulator.makeStream({ stream, shardCount: 1 });
  const log = new KinesisEventLog({ client, stream });
  const look = (dones: ReadonlyMap<string, bigint>) => lookAtShards({ client, stream, clock: () => NOW_MS }, dones);
  const parent = 'shardId-000000000000';
  expect(await look(new Map())).toEqual(new Map([[parent, NOW_MS]]));
  const [first] = await log.append([{ partitionKey: 'a', data: 'one' }]);
  const [second] = await log.append([{ partitionKey: 'a', data: 'two' }]);
  if (first === undefined || second === undefined) throw new Error('unreachable');
  expect(await look(new Map())).toEqual(new Map([[parent, undefined]]));
  expect(await look(new Map([[parent, first.sequence]]))).toEqual(new Map([[parent, undefined]]));
  expect(await look(new Map([[parent, second.sequence]]))).toEqual(new Map([[parent, NOW_MS]]));

  const hash = (2n ** 127n).toString();
  await client.send(new SplitShardCommand({ StreamName: stream, ShardToSplit: parent, NewStartingHashKey: hash }));
  for (let status = ''; status !== 'ACTIVE'; ) {
    const { StreamDescriptionSummary } = await client.send(new DescribeStreamSummaryCommand({ StreamName: stream }));
    status = StreamDescriptionSummary?.StreamStatus ?? '';
  }
  const [after] = await log.append([{ partitionKey: 'a', data: 'three' }]);
  if (after === undefined) throw new Error('unreachable');
  const { Shards = [] } = await client.send(new ListShardsCommand({ StreamName: stream }));
  expect(Shards).toHaveLength(3);
  const idle =
    Shards.map(({ ShardId = '' }) => ShardId).find((shard) => shard !== parent && shard !== after.lane) ?? '';
  // The parent has its end; one child was never written to, and the other has one record that nobody has done.
  expect(await look(new Map([[parent, second.sequence]]))).toEqual(
    new Map([
      [parent, NOW_MS],
      ...Shards.slice(1).map(({ ShardId = '' }) => [ShardId, ShardId === idle ? NOW_MS : undefined] as const),
    ]),
  );
  expect((await look(new Map([[parent, first.sequence]]))).get(parent)).toBeUndefined();
});

test('sequence numbers of two shards say nothing of which came first', async () => {
  const { client } = emulator;
  const stream = 'two-shards';
  await emulator.makeStream({ stream, shardCount: 2 });
  const log = new KinesisEventLog({ client, stream });
  const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
  const positions: { readonly lane: string; readonly sequence: bigint }[] = [];
  for (const partitionKey of [...keys, ...keys]) positions.push(...(await log.append([{ partitionKey, data: 'x' }])));
  const [low, high] = ['shardId-000000000000', 'shardId-000000000001'].map((lane) =>
    positions.filter((position) => position.lane === lane).map(({ sequence }) => sequence),
  );
  const lastOfLow = low?.at(-1) ?? 0n;
  expect(positions.at(-1)?.lane === 'shardId-000000000000' || (high?.length ?? 0) > 0).toBe(true);
  expect(high?.every((sequence) => sequence > lastOfLow)).toBe(true);
});

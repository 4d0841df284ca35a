/** A shard is split while events come. */
import assert from 'node:assert/strict';
import type { Scene } from './scenes.ts';
import { events } from './tracker.ts';

const SPLIT = 'shard-split';
const VISITORS = 12;
const ROUNDS = 12;

interface Shard {
  readonly ShardId: string;
  readonly HashKeyRange: { readonly StartingHashKey: string; readonly EndingHashKey: string };
}

interface Timeline {
  readonly events: readonly {
    readonly properties: { readonly number: number };
    readonly facts: { readonly session: number; readonly first: boolean };
    readonly position: { readonly lane: string };
  }[];
}

export const RESHARDING: Scene = {
  title: 'a shard split while events come: each event once, each visitor in order, the parent done before its children',
  play: async ({ emulator, tracker, output }) => {
    const stream = { StreamName: output('StreamName') };
    const { Shards: before } = await emulator.call<{ readonly Shards: readonly Shard[] }>(
      'kinesis',
      'list_shards',
      stream,
    );
    const parent = before[0] as Shard;
    await emulator.forgetReport();
    const split = async () => {
      const { StartingHashKey, EndingHashKey } = parent.HashKeyRange;
      const middle = (BigInt(StartingHashKey) + BigInt(EndingHashKey)) / 2n;
      const half = { ShardToSplit: parent.ShardId, NewStartingHashKey: String(middle) };
      await emulator.call('kinesis', 'split_shard', { ...stream, ...half });
    };
    for (let round = 0; round < ROUNDS; round += 1) {
      await tracker.send(events(VISITORS, { scene: SPLIT }));
      // What was just sent lies in the parent, unread, when its children open.
      if (round === ROUNDS / 2) await split();
    }
    await emulator.drained();
    const stored = await tracker.everyOnce(SPLIT);

    const isOld = new Set(before.map(({ ShardId }) => ShardId));
    const { batches } = await emulator.report();
    const lastOfParent = batches.findLastIndex(({ shard }) => shard === parent.ShardId);
    const firstOfChild = batches.findIndex(({ shard }) => !isOld.has(shard));
    assert.ok(lastOfParent >= 0 && firstOfChild > lastOfParent, `${lastOfParent}, ${firstOfChild}`);

    let moved = 0;
    for (let visitor = 0; visitor < VISITORS; visitor += 1) {
      const { events: timeline } = await tracker.get<Timeline>(
        `/api/v1/users/${SPLIT}-visitor-${visitor}/events?order=asc&limit=100`,
      );
      assert.equal(timeline.length, ROUNDS);
      const numbers = timeline.map(({ properties }) => properties.number);
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      );
      // The state of a visitor has followed it into its new shard.
      assert.deepEqual(new Set(timeline.map(({ facts }) => facts.session)), new Set([1]));
      assert.deepEqual(
        [0],
        [...timeline.keys()].filter((place) => timeline[place]?.facts.first),
      );
      if (new Set(timeline.map(({ position }) => position.lane)).size > 1) moved += 1;
    }
    assert.ok(moved > 0, 'no visitor of the parent shard');
    return `${stored} events; ${moved} of ${VISITORS} visitors moved from ${parent.ShardId} into its children`;
  },
};

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { processBatch } from '../../src/process/process-batch.ts';
import { MemoryEventStore } from '../contracts/memory-event-store.ts';
import { seededRandom } from '../random.ts';
import { anyHistory } from './any-history.ts';
import { drawLanes, type LanePlan, playOnDynamo, saidByDynamo, saidByMemory } from './dynamo-protocol.ts';

async function oneByOne(lanes: readonly LanePlan[]): Promise<MemoryEventStore> {
  const store = new MemoryEventStore();
  for (const { lane, records } of lanes) {
    for (const record of records) await processBatch({ lane, records: [record] }, store);
  }
  return store;
}

test('throttles, lost answers, unprocessed keys, retries, bisects and zombies leave what each record once, in order, leaves', async () => {
  await fc.assert(
    fc.asyncProperty(anyHistory, fc.nat(), async (records, seed) => {
      const random = seededRandom(seed);
      const phases = drawLanes(records, random);
      const dynamo = await playOnDynamo(phases, random);
      expect(await saidByDynamo(dynamo)).toEqual(await saidByMemory(await oneByOne(phases.flat())));
    }),
    { numRuns: Number(process.env.HISTORIES ?? 300) },
  );
}, 600_000);

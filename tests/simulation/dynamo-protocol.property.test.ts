import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LaneRecord } from '../../src/log/event-log.ts';
import { processBatch } from '../../src/process/process-batch.ts';
import { MemoryEventStore } from '../contracts/memory-event-store.ts';
import { seededRandom } from '../random.ts';
import { anyHistoryWithoutErasures } from './any-history.ts';
import { playOnDynamo, saidByDynamo, saidByMemory } from './dynamo-protocol.ts';

async function oneByOne(records: readonly LaneRecord[]): Promise<MemoryEventStore> {
  const store = new MemoryEventStore();
  for (const record of records) await processBatch({ lane: 'lane', records: [record] }, store);
  return store;
}

test('throttles, lost answers, unprocessed keys, retries, bisects and zombies leave what each record once, in order, leaves', async () => {
  await fc.assert(
    fc.asyncProperty(anyHistoryWithoutErasures, fc.nat(), async (records, seed) => {
      const dynamo = await playOnDynamo(records, seededRandom(seed));
      expect(saidByDynamo(dynamo)).toEqual(await saidByMemory(await oneByOne(records)));
    }),
    { numRuns: Number(process.env.HISTORIES ?? 300) },
  );
}, 600_000);

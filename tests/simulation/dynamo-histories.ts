/**
 * Plays histories of a lane, and of one that is split midway, on a model of DynamoDB with throttles, lost answers, unprocessed keys, retries, bisects and
 * zombies, and holds what is left against each record applied once, in order:
 * `node tests/simulation/dynamo-histories.ts --histories 1000 --seed 1`. A failing seed is printed, and replays alone. With --sealing, histories of
 * the ledger that is sealed and audited meanwhile; with --rebuilding, of views that are folded anew.
 */
import { isDeepStrictEqual, parseArgs } from 'node:util';
import fc from 'fast-check';
import { processBatch } from '../../src/process/process-batch.ts';
import { MemoryEventStore } from '../contracts/memory-event-store.ts';
import { seededRandom } from '../random.ts';
import { anyHistory } from './any-history.ts';
import { drawLanes, playOnDynamo, saidByDynamo, saidByMemory } from './dynamo-protocol.ts';
import { problemsOfRebuilding } from './dynamo-rebuilding.ts';
import { problemsOfSealing } from './dynamo-sealing.ts';

/** Undefined when the history is right. */
async function problemOfProtocol(seed: number): Promise<string | undefined> {
  const [records = []] = fc.sample(anyHistory, { seed, numRuns: 1 });
  const random = seededRandom(seed);
  const phases = drawLanes(records, random);
  const once = new MemoryEventStore();
  for (const { lane, records: own } of phases.flat()) {
    for (const record of own) await processBatch({ lane, records: [record] }, once);
  }
  try {
    const played = (await saidByDynamo(await playOnDynamo(phases, random))) as Record<string, unknown>;
    const expected = (await saidByMemory(once)) as Record<string, unknown>;
    const wrong = Object.keys(expected).filter((name) => !isDeepStrictEqual(played[name], expected[name]));
    return wrong.length === 0 ? undefined : `${wrong.join(', ')} differ`;
  } catch (thrown) {
    return `threw ${String(thrown)}`;
  }
}

async function problemOfSealing(seed: number): Promise<string | undefined> {
  const [problem] = await problemsOfSealing(seed).catch((thrown: unknown) => [`threw ${String(thrown)}`]);
  return problem;
}

async function problemOfRebuilding(seed: number): Promise<string | undefined> {
  const [problem] = await problemsOfRebuilding(seed).catch((thrown: unknown) => [`threw ${String(thrown)}`]);
  return problem;
}

const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    sealing: { type: 'boolean', default: false },
    rebuilding: { type: 'boolean', default: false },
  },
});
const problemOfOther = values.rebuilding ? problemOfRebuilding : problemOfProtocol;
const problemOf = values.sealing ? problemOfSealing : problemOfOther;
const [first, wanted] = [Number(values.seed), Number(values.histories)];
let failed = 0;
let played = 0;
// Three failing histories are enough to look into.
for (let seed = first; played < wanted && failed < 3; seed += 1) {
  const problem = await problemOf(seed);
  played += 1;
  if (problem === undefined) continue;
  failed += 1;
  process.stdout.write(`history ${seed}: ${problem}\n`);
}
process.stdout.write(`${played} histories from seed ${first}, ${failed} with problems\n`);
if (failed > 0) process.exitCode = 1;

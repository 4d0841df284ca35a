/**
 * Plays histories in which events are set aside and put back, on the store in memory and on a model of DynamoDB:
 * `node tests/simulation/bad-replay-histories.ts --histories 1000 --seed 1`. Whatever people do, each event that was sent is stored once in the
 * end. A failing seed is printed, and replays alone.
 */
import { parseArgs } from 'node:util';
import { problemsOfBadReplay } from './bad-replay.ts';

const { values } = parseArgs({
  options: { histories: { type: 'string', default: '1000' }, seed: { type: 'string', default: '1' } },
});
const [first, wanted] = [Number(values.seed), Number(values.histories)];
let failed = 0;
let played = 0;
// Three failing histories are enough to look into.
for (let seed = first; played < wanted && failed < 3; seed += 1) {
  const problems = await problemsOfBadReplay(seed).catch((thrown: unknown) => [`threw ${String(thrown)}`]);
  played += 1;
  if (problems.length === 0) continue;
  failed += 1;
  process.stdout.write(`history ${seed}: ${problems.join('\n  ')}\n`);
}
process.stdout.write(`${played} histories from seed ${first}, ${failed} with problems\n`);
if (failed > 0) process.exitCode = 1;

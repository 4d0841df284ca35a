import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { problemsOfBadReplay } from './bad-replay.ts';
import { type Plant, plantIn } from './planted.ts';

test('events put back at will, twice, at once, edited and cut off midway: each that was sent is stored once', async () => {
  for (let seed = 1; seed <= Number(process.env.HISTORIES ?? 200); seed += 1) {
    expect(await problemsOfBadReplay(seed), `seed ${seed}`).toEqual([]);
  }
}, 600_000);

const PLANTS: readonly Plant[] = [
  {
    fault: 'an event put back twice with different edits',
    file: 'src/query/bad-replay.ts',
    line: 'replay: stand[index] ?? replay }',
    planted: 'replay }',
  },
  {
    fault: 'the last claim stands',
    file: 'src/adapters/aws/bad-items.ts',
    line: 'if (item.replayAt !== undefined || isErased(item)) return undefined;',
    planted: 'if (item.toLane !== undefined || isErased(item)) return undefined;',
  },
  {
    fault: 'another identity for each event put back',
    file: 'src/collect/replayed-line.ts',
    line: "typeof collected?.fingerprint === 'string'",
    planted: 'collected === null',
  },
  {
    fault: 'other ids for an event that was put back before',
    file: 'src/collect/replayed-line.ts',
    line: '  if (bad.cameFrom !== undefined && ',
    planted: '  if (bad.cameFrom === null && ',
  },
  {
    fault: 'what nobody knows to be appended taken for done',
    file: 'src/query/bad-replay.ts',
    line: '  return position !== undefined;\n',
    planted: '  return position !== undefined || true;\n',
  },
];

describe('the same, with a fault planted in a copy', () => {
  const root = join('.planted', `bad-replay-${process.pid}`);
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  test.each(PLANTS)(
    'finds $fault',
    async (plant) => {
      const asked = [join('tests', 'simulation', 'bad-replay-histories.ts'), '--histories', '2000'];
      const ended = promisify(execFile)(process.execPath, asked, { cwd: plantIn(root, plant) });
      await expect(ended).rejects.toMatchObject({ code: 1, stdout: expect.stringMatching(/, [1-9]\d* with problems/) });
    },
    240_000,
  );
});

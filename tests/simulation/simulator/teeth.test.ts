import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { type Plant, plantIn } from '../planted.ts';
import type { Home } from './history.ts';
import { TEETH } from './plants.ts';

const VITEST = join('node_modules', 'vitest', 'vitest.mjs');
/** No history of this simulator has a rebuild in it. */
const REBUILD_WITHOUT_CUT: Plant = {
  fault: 'rebuild without a cut',
  file: 'src/adapters/embedded/view-rebuilds.ts',
  line: 'events.filter(({ lane, sequence }) => sequence <= (cuts.get(lane) ?? -1n));',
  planted: 'events.filter(({ lane }) => cuts.has(lane));',
};

const run = promisify(execFile);

/** Each was found within a third of it (docs/exactly-once.md has how soon). */
const HISTORIES_MAX = Number(process.env.TEETH_HISTORIES ?? 1_000);
const MS_MAX = 1_200_000;

/** How many histories it took until one failed, for what was stored or said, and not for a fault that is no program any more. Rejects when none did. */
async function historiesUntilFound(folder: string, home: Home, words: readonly string[] = []): Promise<number> {
  const script = join('tests', 'simulation', 'simulator', 'prove.ts');
  const asked = [script, '--until-found', '--only', home, '--histories', String(HISTORIES_MAX), ...words];
  const { stdout } = await run(process.execPath, asked, { cwd: folder }).catch(
    (failed: { readonly code?: unknown; readonly stdout: string }) => {
      if (failed.code !== 1 || !failed.stdout.includes('histories from seed')) throw failed;
      return failed;
    },
  );
  const [, played, failed] = /^(\d+) histories from seed .*: (\d+) with problems$/m.exec(stdout) ?? [];
  expect(Number(failed), stdout.slice(-400)).toBe(1);
  expect(stdout).not.toMatch(/threw (Type|Reference|Syntax)Error/);
  return Number(played);
}

describe('the simulator has teeth', () => {
  const root = join('.planted', `teeth-${process.pid}`);
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  test.each(TEETH)(
    'it finds $fault',
    async ({ home, ...plant }) => {
      const histories = await historiesUntilFound(plantIn(root, plant), home);
      console.log(`| ${plant.fault} | ${histories} |`);
    },
    MS_MAX,
  );

  test(
    'the simulator of rebuilds finds a rebuild without a cut',
    async () => {
      const folder = plantIn(root, REBUILD_WITHOUT_CUT);
      const asked = [VITEST, 'run', '--root', folder, join('tests', 'simulation', 'rebuild.property.test.ts')];
      const { stdout, stderr } = await run(process.execPath, asked).catch(
        (failed: { readonly stdout: string; readonly stderr: string }) => failed,
      );
      const [, histories] = /Property failed after (\d+) tests/.exec(stdout + stderr) ?? [];
      expect(histories, stdout + stderr).toBeDefined();
      console.log(`| ${REBUILD_WITHOUT_CUT.fault} | ${histories} |`);
    },
    MS_MAX,
  );

  test(
    'it finds a disk that does not sync',
    async () => {
      const histories = await historiesUntilFound('.', 'embedded', ['--disk', 'no sync']);
      console.log(`| a disk that does not sync | ${histories} |`);
    },
    MS_MAX,
  );
});

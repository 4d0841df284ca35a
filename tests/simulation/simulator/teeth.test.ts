import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { plantIn } from '../planted.ts';
import type { Home } from './history.ts';
import { TEETH } from './plants.ts';

const run = promisify(execFile);

/** Each was found within a quarter of it (docs/exactly-once.md has how soon). */
const HISTORIES_MAX = Number(process.env.TEETH_HISTORIES ?? 1_000);
const MS_MAX = 1_200_000;

/** How many histories it took until one failed. Rejects when none did. */
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
    'it finds a disk that does not sync',
    async () => {
      const histories = await historiesUntilFound('.', 'embedded', ['--disk', 'no sync']);
      console.log(`| a disk that does not sync | ${histories} |`);
    },
    MS_MAX,
  );
});

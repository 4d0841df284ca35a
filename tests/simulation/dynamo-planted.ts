import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { type Plant, plantIn } from './planted.ts';

const run = promisify(execFile);
/** A fault may be one by which a history never ends. */
const MS_MAX = 240_000;

/** Tests that so many histories on DynamoDB's model, by dynamo-histories.ts, find each fault. */
export function findsEach(
  plants: readonly Plant[],
  { histories, options = [] }: { readonly histories: number; readonly options?: readonly string[] },
): void {
  const root = join('.planted', `dynamo-${process.pid}`);
  const simulate = async (folder: string): Promise<string> => {
    const asked = [join('tests', 'simulation', 'dynamo-histories.ts'), ...options, '--histories', String(histories)];
    const { stdout } = await run(process.execPath, asked, { cwd: folder, timeout: MS_MAX }).catch(
      (failed: { readonly code?: unknown; readonly stdout: string }) => {
        if (failed.code !== 1 || !failed.stdout.includes('histories from seed')) throw failed;
        return failed;
      },
    );
    return stdout;
  };
  describe('the simulator on DynamoDB, with a fault planted in a copy', () => {
    afterAll(() => rmSync(root, { recursive: true, force: true }));
    test.each(plants)(
      'catches $fault',
      async (plant) => {
        expect(await simulate(plantIn(root, plant))).toMatch(/, [1-9]\d* with problems/);
      },
      MS_MAX + 10_000,
    );
  });
}

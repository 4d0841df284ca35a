import { execFile } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import type { ProveReport } from '../../src/main/prove/report.ts';
import { type Plant, plantIn } from '../simulation/planted.ts';
import { startClickstream } from './command.ts';

const run = promisify(execFile);
const root = join('.planted', `prove-${process.pid}`);
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** `clickstream prove --json` of a copy of the source, or of the source itself; with its exit code. */
async function prove(folder: string, ...words: readonly string[]) {
  const ran = run(process.execPath, [join('src', 'main', 'cli.ts'), 'prove', '--json', ...words], { cwd: folder });
  const { code = 0, stdout } = (await ran.catch(
    (failed: { readonly code?: number; readonly stdout: string }) => failed,
  )) as {
    readonly code?: number;
    readonly stdout: string;
  };
  return { code, report: JSON.parse(stdout) as ProveReport };
}

const PLANTS: readonly Plant[] = [
  {
    fault: 'no sync',
    file: 'src/adapters/embedded/files.ts',
    line: ' | (SYNCHRONOUS_WRITES ? O_DSYNC : 0)',
    planted: '',
  },
  {
    fault: 'acknowledging before the sync',
    file: 'src/adapters/embedded/event-log.ts',
    line: '        await this.#writer.write(group.encoder);\n',
    planted:
      '        for (const { resolve } of group.appends) resolve([]);\n        await this.#writer.write(group.encoder);\n',
  },
];

describe('clickstream prove', () => {
  test('finds nothing in the program as it is, and leaves nothing behind', async () => {
    const before = left();
    const { code, report } = await prove('.', '--for', '1s');
    expect(report).toMatchObject({ ok: true, problems: [], sum: { lost: 0, doubled: 0 }, audit: { balanced: true } });
    expect(code).toBe(0);
    expect(report.kills).toBeGreaterThanOrEqual(6);
    expect(report.powerLosses).toBeGreaterThan(0);
    expect(report.sum.acknowledged).toBeGreaterThan(500);
    expect(report.rounds.some(({ sectorsTaken }) => sectorsTaken > 0)).toBe(true);
    if (process.platform === 'linux') expect(report.skipped).toEqual([]);
    expect(left()).toEqual(before);
  }, 300_000);

  test.each(PLANTS)(
    'reports loss in a program with $fault, and keeps what it looked at',
    async (plant) => {
      const { code, report } = await prove(plantIn(root, plant), '--for', '1s');
      expect(report.ok).toBe(false);
      expect(report.sum.lost).toBeGreaterThan(0);
      expect(report.sum.lost).toBe(report.rounds.reduce((sum, { lost }) => sum + lost, 0));
      expect(report.problems.join('\n')).toMatch(/^round \d+: missing: load-/m);
      expect(code).toBe(1);
      const { kept = '' } = report;
      expect(dirname(kept)).toBe(tmpdir());
      expect(existsSync(join(kept, 'data', 'store.sqlite'))).toBe(true);
      expect(existsSync(join(kept, 'servers.log'))).toBe(true);
      rmSync(kept, { recursive: true });
    },
    300_000,
  );

  test('tells of a server that cannot start', async () => {
    const plant: Plant = {
      fault: 'a server that throws',
      file: 'src/main/local.ts',
      line: '  assertLimits();\n',
      planted: "  throw new Error('planted');\n",
    };
    const { code, report } = await prove(plantIn(root, plant), '--for', '1s');
    expect(code).toBe(1);
    expect(report.problems.join()).toMatch(/serve ended with 1: .*planted/s);
    expect(report.audit).toBeUndefined();
    if (report.kept !== undefined) rmSync(report.kept, { recursive: true });
  }, 300_000);

  test('ends early at Ctrl-C, and checks what there is', async () => {
    const running = startClickstream(['prove', '--for', '10m', '--json']);
    setTimeout(() => running.interrupt(), 4_000);
    const { code, output } = await running.ended;
    expect(code).toBe(0);
    expect(JSON.parse(output)).toMatchObject({ ok: true, audit: { balanced: true } });
  }, 300_000);
});

function left(): readonly string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('clickstream-prove-'));
}

import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { type Plant, plantIn } from './planted.ts';

const run = promisify(execFile);

const PLANTS: readonly Plant[] = [
  {
    fault: 'acknowledging before the sync',
    file: 'src/adapters/embedded/event-log.ts',
    line: '        await this.#writer.write(group.encoder);\n',
    planted:
      '        for (const { resolve } of group.appends) resolve([]);\n        await this.#writer.write(group.encoder);\n',
  },
  {
    fault: "a frame's checksum not checked",
    file: 'src/adapters/embedded/segment.ts',
    line: '  if (buffer.readUInt32LE(offset + 4) !== crc32(buffer.subarray(offset + 8, offset + bytes))) return undefined;\n',
    planted: '',
  },
  {
    fault: 'the position check skipped',
    file: 'src/process/decide.ts',
    line: 'batch.records.filter(({ sequence }) => sequence > base.done)',
    planted: 'batch.records',
  },
  {
    fault: 'a duplicate counted',
    file: 'src/process/decide.ts',
    line: "      tally(outcomes, 'duplicate', { position, checksum });\n",
    planted:
      "      tally(outcomes, 'duplicate', { position, checksum });\n" +
      '      this.#count(position.sequence, event, readJson(known.facts) as Facts);\n',
  },
  {
    fault: 'a duplicate that the store finds not told to the core',
    file: 'src/adapters/embedded/event-store.ts',
    line: "    if (known.size > 0) return { kind: 'contradicted', known };\n",
    planted: '',
  },
  {
    fault: "a visitor's state not restored",
    file: 'src/process/decide.ts',
    line: 'memory ?? (loaded && decodeMemory(loaded.state))',
    planted: 'memory',
  },
  {
    fault: 'late rows not counted anew',
    file: 'src/adapters/embedded/late-rows.ts',
    line: '    if (this.#isLevel) return;\n',
    planted: '    this.#isLevel = true;\n    if (this.#isLevel) return;\n',
  },
  {
    fault: 'segments deleted before they are processed',
    file: 'src/adapters/embedded/segment-writer.ts',
    line: 'next.firstSequence - 1n > through || ',
    planted: '',
  },
];

async function simulate(folder: string, words: readonly string[] = []): Promise<string> {
  const script = join('tests', 'simulation', 'power-loss.ts');
  const { stdout } = await run(process.execPath, [script, '--losses', '150', ...words], { cwd: folder }).catch(
    (failed: { readonly code?: unknown; readonly stdout: string }) => {
      if (failed.code !== 1 || !failed.stdout.includes('power losses')) throw failed;
      return failed;
    },
  );
  return stdout;
}

const FAILED = /; lost \d+, doubled \d+, [1-9]\d* histories with problems/;

describe('the simulator of power losses', () => {
  test('finds nothing in the source as it is', async () => {
    expect(await simulate('.')).toMatch(/; lost 0, doubled 0, 0 histories with problems/);
  }, 120_000);

  test('catches no sync', async () => {
    expect(await simulate('.', ['--disk', 'no sync'])).toMatch(FAILED);
  }, 120_000);

  describe('with a fault planted in a copy', () => {
    const root = join('.planted', String(process.pid));
    afterAll(() => rmSync(root, { recursive: true, force: true }));
    test.each(PLANTS)(
      'catches $fault',
      async (plant) => {
        expect(await simulate(plantIn(root, plant))).toMatch(FAILED);
      },
      120_000,
    );
  });
});

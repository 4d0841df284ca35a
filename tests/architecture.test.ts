import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { cruise, type ICruiseResult } from 'dependency-cruiser';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const rules = createRequire(import.meta.url)('../.dependency-cruiser.cjs');

async function violations(): Promise<{ readonly modules: number; readonly broken: readonly string[] }> {
  const { output } = await cruise(['src'], { ...rules.options, ruleSet: rules, validate: true });
  const { summary, modules } = output as ICruiseResult;
  const broken = summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`);
  return { modules: modules.filter(({ source }) => source.startsWith('src/')).length, broken };
}

describe('the direction of imports', () => {
  test('holds, over every module', async () => {
    const { modules, broken } = await violations();
    expect(broken).toEqual([]);
    // Were the tool to see no modules, all rules would hold.
    expect(modules).toBeGreaterThan(40);
  }, 60_000);

  describe('with faults planted', () => {
    const planted = [
      ['core-is-pure', 'src/core', `import { readFileSync } from 'node:fs';\nexport const planted = readFileSync;\n`],
      ['stages-know-core-and-ports', 'src/collect', `export { step } from '../process/stitch.ts';\n`],
      [
        'stages-use-no-driver',
        'src/process',
        `import { readFileSync } from 'node:fs';\nexport const planted = readFileSync;\n`,
      ],
      ['stages-use-no-driver', 'src/collect', `export { Command } from 'commander';\n`],
      ['user-agents-in-enrichment-only', 'src/query', `export { isbot } from 'isbot';\n`],
      ['json-schema-in-schemas-only', 'src/process/views', `export { Ajv } from 'ajv';\n`],
      [
        'driver-in-embedded-only',
        'src/query',
        `import { DatabaseSync } from 'node:sqlite';\nexport const planted = DatabaseSync;\n`,
      ],
      ['adapters-know-ports', 'src/adapters/embedded', `export { step } from '../../process/stitch.ts';\n`],
      ['nobody-imports-main', 'src/store', `export { readConfig } from '../main/config.ts';\n`],
    ] as const;
    const files: string[] = [];
    const fileOf = (folder: string, place: number) => join(folder, `planted-${process.pid}-${place}.ts`);
    let broken: readonly string[] = [];
    beforeAll(async () => {
      for (const [place, [, folder, text]] of planted.entries()) {
        const file = fileOf(folder, place);
        files.push(file);
        writeFileSync(file, text);
      }
      broken = (await violations()).broken;
    }, 60_000);
    afterAll(() => {
      for (const file of files) rmSync(file);
    });
    test.each(planted)('%s is caught in %s', (rule, folder) => {
      expect(broken).toContainEqual(expect.stringMatching(`^${rule}: ${folder}/planted-`));
    });
  });
});

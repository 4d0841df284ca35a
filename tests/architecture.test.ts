import { spawnSync } from 'node:child_process';
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { cruise, type ICruiseResult } from 'dependency-cruiser';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const rules = createRequire(import.meta.url)('../.dependency-cruiser.cjs');

async function violations(
  baseDir = process.cwd(),
): Promise<{ readonly modules: readonly string[]; readonly broken: readonly string[] }> {
  const { output } = await cruise(['src', 'tracker/src', 'web/src'], {
    ...rules.options,
    ruleSet: rules,
    validate: true,
    baseDir,
  });
  const { summary, modules } = output as ICruiseResult;
  const broken = summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`);
  return { modules: modules.map(({ source }) => source), broken };
}

describe('the direction of imports', () => {
  test('holds, over every module', async () => {
    const { modules, broken } = await violations();
    expect(broken).toEqual([]);
    // Were the tool to see no modules, all rules would hold.
    const seen = (folder: string) => modules.filter((source) => source.startsWith(folder)).length;
    expect(seen('src/')).toBeGreaterThan(40);
    expect(seen('web/src/')).toBeGreaterThan(15);
  }, 120_000);

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
      ['sdk-in-aws-only', 'src/main', `export { KinesisClient } from '@aws-sdk/client-kinesis';\n`],
      ['adapters-know-ports', 'src/adapters/embedded', `export { step } from '../../process/stitch.ts';\n`],
      ['web-knows-core-alone', 'web/src', `export type { Step } from '../../src/process/stitch.ts';\n`],
      ['web-takes-types-of-core', 'web/src/parts', `export { LIMITS } from '../../../src/core/limits.ts';\n`],
      ['tracker-stands-alone', 'tracker/src', `export { step } from '../../src/process/stitch.ts';\n`],
      ['browser-tracker-without-node', 'tracker/src', `export { randomUUID } from 'node:crypto';\n`],
      ['commands-load-the-server-late', 'src/main/commands', `export { answer } from '../../pipeline.ts';\n`],
      ['nobody-imports-main', 'src/store', `export { readConfig } from '../main/config.ts';\n`],
    ] as const;
    // In a copy: other tests read the source at the same time.
    const copy = resolve('.planted', `architecture-${process.pid}`);
    let broken: readonly string[] = [];
    beforeAll(async () => {
      for (const part of ['src', 'tracker/src', 'web/src', 'tsconfig.json'])
        cpSync(part, join(copy, part), { recursive: true });
      for (const [place, [, folder, text]] of planted.entries()) {
        writeFileSync(join(copy, folder, `planted-${place}.ts`), text);
      }
      broken = (await violations(copy)).broken;
    }, 120_000);
    afterAll(() => rmSync(copy, { recursive: true, force: true }));
    test.each(planted)('%s is caught in %s', (rule, folder) => {
      expect(broken).toContainEqual(expect.stringMatching(`^${rule}: ${folder}/planted-`));
    });
  });
});

describe('the reading of JSON', () => {
  const copy = resolve('.planted', `json-${process.pid}`);
  afterAll(() => rmSync(copy, { recursive: true, force: true }));
  test("is readJson's alone: the linter refuses JSON.parse anywhere else in src", () => {
    for (const part of ['src', 'biome.json', 'json-parse.grit', '.gitignore']) {
      cpSync(part, join(copy, part), { recursive: true });
    }
    const planted = 'export const planted = (text: string): unknown => JSON.parse(text);\n';
    for (const file of ['src/query/planted.ts', 'src/planted.ts', 'src/query/planted.test.ts']) {
      writeFileSync(join(copy, file), planted);
    }
    const biome = resolve('node_modules/.bin/biome');
    const { stdout } = spawnSync(biome, ['lint', '--reporter=github', 'src'], { cwd: copy, encoding: 'utf8' });
    const refused = [...stdout.matchAll(/title=plugin,file=[^,]*\/(src\/[^,]*),/g)].map(([, file]) => file);
    expect(refused.sort()).toEqual(['src/planted.ts', 'src/query/planted.ts']);
  });
});

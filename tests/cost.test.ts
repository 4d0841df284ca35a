/** What is promised of the cost on AWS (docs/cost.md): write units, and the size of what a function starts from. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { arrivalsOf } from '../bench/aws-arrivals.ts';
import { unitsOf, WRITE_UNITS_MAX } from '../bench/aws-units.ts';
import { BUNDLE_BYTES_MAX, bundle, HANDLERS, tooLarge } from '../infra/bundle.ts';
import { parametersOf } from '../infra/lib/parameters.ts';
import { type Plant, plantIn } from './simulation/planted.ts';

const run = promisify(execFile);
const ROOT = join('.planted', `cost-${process.pid}`);
afterAll(() => rm(ROOT, { recursive: true, force: true }));

/** Of the script in a copy with a fault: 1 for what it says itself, and nothing else is an end. */
async function failureOf(plant: Plant, words: readonly string[]): Promise<string> {
  try {
    await run(process.execPath, words, { cwd: plantIn(ROOT, plant) });
    return '';
  } catch (thrown) {
    const { code, stdout, stderr } = thrown as {
      readonly code?: unknown;
      readonly stdout: string;
      readonly stderr: string;
    };
    if (code !== 1) throw thrown;
    return `${stdout}${stderr}`;
  }
}

describe('write units an event', () => {
  /** A minute, or less, at 10,000 events a minute, one a request, with the parameters that a stack has by default. */
  async function perEvent({
    minutes = 1,
    ...options
  }: {
    minutes?: number;
    journalItemsMax?: number;
  } = {}): Promise<number> {
    const { batchSize, batchWindowSeconds, shardCount: shards } = parametersOf({});
    const arrivals = await arrivalsOf({ perMinute: 10_000, minutes, shards, perRequest: 1, people: 20_000 });
    const limits = { batchMax: batchSize, windowMs: batchWindowSeconds * 1_000 };
    const { writeUnits } = await unitsOf(arrivals, { ...limits, ...options });
    return writeUnits / arrivals.events;
  }

  test('are what docs/cost.md says at the batch sizes of 10,000 a minute, and no more than are promised', async () => {
    const [, said] =
      /\| \*\*write units an event, in all\*\* \| \*\*([\d.]+)\*\*/.exec(readFileSync('docs/cost.md', 'utf8')) ?? [];
    const counted = await perEvent();
    expect(counted).toBeLessThanOrEqual(WRITE_UNITS_MAX);
    expect(Math.abs(counted - Number(said)), `counted ${counted}, said ${said}`).toBeLessThan(0.1);
  });

  test('are too many when rows are written with every batch', async () => {
    expect(await perEvent({ minutes: 0.3, journalItemsMax: 0 })).toBeGreaterThan(WRITE_UNITS_MAX);
  });

  test('are too many when each event is put again and again', async () => {
    const put = 'let result = await this.#events.put(item);';
    const said = await failureOf(
      {
        fault: 'each event put three times',
        file: 'src/adapters/aws/dynamo-event-store.ts',
        line: put,
        planted: `${put}\n    for (let time = 0; time < 2; time += 1) await this.#events.put(item);`,
      },
      ['bench/aws-cost.ts', '--minutes', '0.3'],
    );
    expect(said).toContain(`more than ${WRITE_UNITS_MAX} write units an event`);
  });
});

describe('bundles', () => {
  test('are within their limits, which are near what they are', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'clickstream-bundle-'));
    const bundled = await bundle(folder);
    await rm(folder, { recursive: true });
    expect(tooLarge(bundled)).toEqual([]);
    for (const name of HANDLERS) expect(BUNDLE_BYTES_MAX[name], name).toBeLessThan(1.25 * bundled[name].bytes);
  });

  test.each([
    { fault: 'the whole chain of credentials', line: 'plugins: [environmentCredentials],', planted: 'plugins: [],' },
    { fault: 'not minified', line: 'minify: true,', planted: 'minify: false,' },
  ])('are too large with $fault', async ({ fault, line, planted }) => {
    const said = await failureOf({ fault, file: 'infra/bundle.ts', line, planted }, ['infra/bundle.ts']);
    for (const name of HANDLERS) expect(said).toContain(`the bundle of ${name} has`);
  });
});

import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { type Plant, plantIn } from '../simulation/planted.ts';

const run = promisify(execFile);
const root = join('.planted', `fuzz-${process.pid}`);
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function fuzz(folder: string, ...words: readonly string[]): Promise<string> {
  const ran = run(process.execPath, [join('tests', 'fuzz', 'run.ts'), ...words], { cwd: folder });
  const { stdout, stderr } = await ran.catch((failed: { readonly stdout: string; readonly stderr: string }) => failed);
  return stdout + stderr;
}

/** The fuzzer that must find each of them, within its cases at scale 1. */
const PLANTS: readonly (Plant & { readonly only: string })[] = [
  {
    only: 'protocols',
    fault: 'a batch that is no array mapped all the same',
    file: 'src/collect/protocols/segment.ts',
    line: '  if (!Array.isArray(batch)) {\n',
    planted: '  if (batch === undefined) {\n',
  },
  {
    only: 'protocols',
    fault: 'memory kept of each request',
    file: 'src/collect/protocols/segment.ts',
    line: "    if (request.method === 'GET') return segmentSettings(request);\n",
    planted:
      "    ((globalThis as any).kept ??= []).push(new Array(40_000).fill(1.5));\n    if (request.method === 'GET') return segmentSettings(request);\n",
  },
  {
    only: 'recovery',
    fault: "a group's checksum not checked",
    file: 'src/adapters/embedded/segment.ts',
    line: '  if (buffer.readUInt32LE(offset + 4) !== crc32(buffer.subarray(offset + 8, offset + bytes))) return undefined;\n',
    planted: '',
  },
  {
    only: 'recovery',
    fault: 'a bad group taken for the end, whatever follows',
    file: 'src/adapters/embedded/event-log.ts',
    line: 'scan.corruptions.length === 0 && scan.lastSequence >= atLeast',
    planted: 'scan.lastSequence >= atLeast && (scan.end = scan.corruptions.length === 0 ? scan.end : 64) > 0',
  },
  {
    only: 'questions',
    fault: 'a broken escape in a path not caught',
    file: 'src/query/endpoint.ts',
    line: '    if (!(error instanceof URIError)) throw error;\n',
    planted: '    throw error;\n',
  },
  {
    only: 'served',
    fault: 'a 2xx for what was not appended',
    file: 'src/collect/accept.ts',
    line: '      positions = await this.#log.append(records);\n',
    planted:
      '      positions = records.length < 2 ? await this.#log.append(records) : records.map((_, index) => ({ lane: "local", sequence: BigInt(index) }));\n',
  },
];

describe('fuzzing', () => {
  test('finds nothing in the source as it is', async () => {
    const output = await fuzz('.');
    expect(output.match(/: well$/gm), output).toHaveLength(4);
  }, 300_000);

  test.each(PLANTS)(
    'finds $fault',
    async (plant) => {
      const output = await fuzz(plantIn(root, plant), '--only', plant.only, '--seed', '1');
      expect(output).toMatch(new RegExp(`^${plant.only}: failed, from seed 1\n`));
    },
    300_000,
  );
});

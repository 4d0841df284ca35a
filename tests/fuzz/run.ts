/**
 * Fuzzes protocols, the log's recovery, the API's parameters and a real server. A failure prints its seed and path, and
 * `--only NAME --seed SEED --path PATH` plays it alone.
 *
 *   node tests/fuzz/run.ts [--scale 10] [--seed 1] [--only recovery] [--path 17:3]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startServer } from '../end-to-end/running-server.ts';
import type { Fuzzing } from './fuzzing.ts';
import { fuzzProtocols } from './protocols.ts';
import { fuzzQuestions } from './questions.ts';
import { type RealRequest, realTraffic } from './real-traffic.ts';
import { fuzzRecovery } from './recovery.ts';
import { fuzzServed } from './served-requests.ts';

const { values } = parseArgs({
  options: {
    scale: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    only: { type: 'string' },
    path: { type: 'string' },
  },
});

/** Cases at scale 1, some seconds each. */
const FUZZERS = {
  protocols: { runs: 1_500, fuzz: fuzzProtocols },
  recovery: { runs: 300, fuzz: (_: readonly RealRequest[], fuzzing: Fuzzing) => fuzzRecovery(fuzzing) },
  questions: { runs: 1_000, fuzz: fuzzQuestions },
  served: { runs: 1_000, fuzz: fuzzOwnServer },
} as const;

async function fuzzOwnServer(traffic: readonly RealRequest[], fuzzing: Fuzzing): Promise<void> {
  const data = mkdtempSync(join(tmpdir(), 'clickstream-fuzz-'));
  const server = await startServer({ data });
  try {
    await fuzzServed(server, traffic, fuzzing);
    const code = await server.stop();
    if (code !== 0) throw new Error(`the server ended with ${code}`);
  } finally {
    await server.kill();
    rmSync(data, { recursive: true });
  }
}

const traffic = await realTraffic();
const names = Object.keys(FUZZERS) as (keyof typeof FUZZERS)[];
const chosen = names.filter((name) => values.only === undefined || values.only === name);
if (chosen.length === 0) throw new Error(`--only must be one of ${names.join(', ')}`);
for (const name of chosen) {
  const { runs, fuzz } = FUZZERS[name];
  const fuzzing = { runs: Math.ceil(runs * Number(values.scale)), seed: Number(values.seed), path: values.path };
  const startMs = performance.now();
  try {
    await fuzz(traffic, fuzzing);
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
    process.stdout.write(`${name}: ${fuzzing.runs} cases from seed ${fuzzing.seed}, ${seconds} s: well\n`);
  } catch (thrown) {
    process.stdout.write(
      `${name}: failed, from seed ${fuzzing.seed}\n${thrown instanceof Error ? thrown.stack : thrown}\n`,
    );
    process.exitCode = 1;
  }
}

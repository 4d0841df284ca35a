/** Runs Schemathesis against a real server; see fuzz.sh. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type RunningServer, settledAudit, startServer } from '../end-to-end/running-server.ts';
import { send, variedEvents } from './varied-events.ts';

const { tool, seconds } = parseArgs({
  options: { tool: { type: 'string', default: 'st' }, seconds: { type: 'string', default: '50' } },
}).values;

/** What does not apply, of which every other check of Schemathesis is done. */
const RUNS = [
  {
    name: 'reading',
    tags: ['read', 'operate'],
    // What each parameter allows may still be refused together: a range that ends before it starts, a measure that has no
    // such dimension, a cursor of another list.
    // What an erasure of a person takes is not a resource that is gone afterwards: any id can be asked for, before and after.
    excluded: ['positive_data_acceptance', 'use_after_free'],
  },
  {
    name: 'collecting',
    tags: ['collect'],
    // An event that is wrong is set aside, and answered like one that is not; a path that is wrong is no collect path.
    excluded: ['negative_data_rejection'],
  },
] as const;

async function fuzz(server: RunningServer, { name, tags, excluded }: (typeof RUNS)[number]): Promise<boolean> {
  process.stdout.write(`\n== ${name}\n`);
  const args = [
    ...['run', `${server.url}/openapi.json`, '--checks', 'all', '--exclude-checks', excluded.join(',')],
    ...tags.flatMap((tag) => ['--include-tag', tag]),
    ...[
      '--max-time',
      seconds,
      '--continue-on-failure',
      '--generation-database',
      'none',
      '--no-color',
      '--warnings',
      'off',
    ],
    ...['--suppress-health-check', 'all', '--request-timeout', '30'],
  ];
  const env = { ...process.env, SCHEMATHESIS_HOOKS: 'tests/api/fuzz-hooks.py' };
  const child = spawn(tool, args, { stdio: 'inherit', env });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code === 0;
}

const data = mkdtempSync(join(tmpdir(), 'clickstream-fuzz-'));
const server = await startServer({ data });
try {
  await send(server, variedEvents(Date.now()));
  await settledAudit(server);
  for (const run of RUNS) if (!(await fuzz(server, run))) process.exitCode = 1;
  const { balanced, problems } = await settledAudit(server);
  const code = await server.stop();
  const faults = server.errors();
  if (!balanced || code !== 0 || faults !== '') {
    process.stdout.write(`the server ended with ${code}, audit ${JSON.stringify(problems)}, and said:\n${faults}\n`);
    process.exitCode = 1;
  }
} finally {
  await server.kill();
  rmSync(data, { recursive: true });
}

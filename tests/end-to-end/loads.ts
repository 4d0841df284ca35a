/**
 * The peak that the product promises, for a time, and then all that it can take: each event acknowledged is stored once,
 * and the ledger balances.
 *
 *   node tests/end-to-end/loads.ts [--minutes 5]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { clickstream } from './command.ts';
import { startServer } from './running-server.ts';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '5' } } });
const data = mkdtempSync(join(tmpdir(), 'clickstream-loads-'));
const server = await startServer({ data });
for (const words of [
  ['--rate', '10000/min', '--for', `${values.minutes}m`],
  ['--rate', 'max', '--for', '60s', '--people', '20000'],
]) {
  process.stdout.write(`\n$ clickstream load ${words.join(' ')}\n`);
  const { code } = await clickstream(['load', '--url', server.url, ...words], { show: true });
  if (code !== 0) process.exitCode = 1;
}
process.stdout.write('\n$ clickstream audit\n');
const { code } = await clickstream(['audit', '--url', server.url], { show: true });
if (code !== 0 || (await server.stop()) !== 0) process.exitCode = 1;
rmSync(data, { recursive: true });

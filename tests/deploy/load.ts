/** `clickstream load` through the load balancer, as a user calls it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Stage } from './stage.ts';

export async function playLoad(
  { access, emulator }: Stage,
  options: { readonly rate: string; readonly for: string; readonly batch: string },
): Promise<string> {
  const words = [
    ...['src/main/cli.ts', 'load', '--url', access.url, '--token', access.readToken, '--write-key', access.writeKey],
    ...['--rate', options.rate, '--for', options.for, '--batch', options.batch, '--connections', '8'],
  ];
  const child = spawn(process.execPath, words, {
    cwd: resolve(import.meta.dirname, '../..'),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      output = `${output}${bytes}`.slice(-8_000);
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  await emulator.drained({ withinMs: 300_000 });
  if (code !== 0) throw new Error(`it ended with ${code}: ${output.slice(-800)}`);
  return output.trim().replace(/\n\s*/g, `\n${' '.repeat(17)}`);
}

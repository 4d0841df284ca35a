import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

export interface Ran {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

/** Runs `clickstream …` as a user would, and waits for it. `show` passes its output on as it comes. */
export async function clickstream(words: readonly string[], { show = false } = {}): Promise<Ran> {
  const child = spawn(process.execPath, ['src/main/cli.ts', ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  if (show) {
    child.stdout.pipe(process.stdout);
    child.stderr.pipe(process.stderr);
  }
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code: code ?? -1, output, errors };
}

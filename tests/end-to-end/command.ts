import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';

export interface Ran {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

export interface Running {
  /** What it wrote to standard output so far. */
  output(): string;
  /** Ctrl-C. */
  interrupt(): void;
  readonly ended: Promise<Ran>;
}

type Environment = Readonly<Record<string, string>>;

/** Runs `clickstream …` as a user would, and waits for it. `show` passes its output on as it comes. */
export async function clickstream(
  words: readonly string[],
  { show = false, environment = {} }: { readonly show?: boolean; readonly environment?: Environment } = {},
): Promise<Ran> {
  const child = spawned(words, environment);
  if (show) {
    child.stdout.pipe(process.stdout);
    child.stderr.pipe(process.stderr);
  }
  return gathered(child).ended;
}

/** Starts `clickstream …`, for a command that goes on until it is told to stop. */
export function startClickstream(words: readonly string[], environment: Environment = {}): Running {
  return gathered(spawned(words, environment));
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

function spawned(words: readonly string[], environment: Environment): Child {
  return spawn(process.execPath, ['src/main/cli.ts', ...words], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function gathered(child: Child): Running {
  const written = { output: '', errors: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    written.output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    written.errors += text;
  });
  return {
    output: () => written.output,
    interrupt: () => child.kill('SIGINT'),
    ended: (async () => {
      const [code] = (await once(child, 'close')) as [number | null];
      return { code: code ?? -1, ...written };
    })(),
  };
}

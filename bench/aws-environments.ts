import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Emulator, EmulatorOptions } from './aws-emulator.ts';
import type { Init, Invocation, Invoked } from './aws-environment.ts';

const PROGRAM = join(import.meta.dirname, 'aws-environment.ts');
/** As the stack sets it (infra/lib/pipeline-function.ts). */
const TIMEOUT_MS = 60_000;

/** The emulator of one service, in a process of its own. */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator & { readonly child: ChildProcess }> {
  const child = fork(join(import.meta.dirname, 'aws-emulator.ts'), [JSON.stringify(options)]);
  const [emulator] = (await once(child, 'message')) as [Emulator];
  return { child, ...emulator };
}

export interface Environment {
  readonly child: ChildProcess;
  readonly init: Init;
  invocations: number;
}

/** An invocation as it was measured; the first of an environment is not like the others. */
export interface Measured extends Invoked {
  readonly isFirst: boolean;
}

/**
 * The environments of one function: each handles one invocation at a time, the one used last goes first, and what finds none
 * free waits.
 */
export class Environments {
  readonly measured: Measured[] = [];
  readonly #all: readonly Environment[];
  readonly #free: Environment[];
  readonly #waiting: ((environment: Environment) => void)[] = [];

  private constructor(all: readonly Environment[]) {
    this.#all = all;
    this.#free = [...all];
  }

  static async start(file: string, variables: NodeJS.ProcessEnv, size: number): Promise<Environments> {
    return new Environments(await Promise.all(Array.from({ length: size }, () => startEnvironment(file, variables))));
  }

  async invoke(event: unknown): Promise<unknown> {
    const environment = this.#free.pop() ?? (await new Promise<Environment>((resolve) => this.#waiting.push(resolve)));
    const invoked = await invokeIn(environment, event);
    this.measured.push({ ...invoked, isFirst: environment.invocations === 0 });
    environment.invocations += 1;
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(environment);
    else next(environment);
    if (invoked.answer === undefined) throw new Error(invoked.fault);
    return JSON.parse(invoked.answer) as unknown;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all.map(({ child }) => stopChild(child)));
  }
}

export async function startEnvironment(
  file: string,
  variables: NodeJS.ProcessEnv,
  execArgv: readonly string[] = [],
): Promise<Environment> {
  const child = fork(PROGRAM, [file], { env: variables, execArgv: [...execArgv] });
  // Nobody would answer any more: the whole run ends.
  child.on('exit', (code) => {
    if (code !== 0) throw new Error(`an environment ended with ${code}`);
  });
  const [init] = (await once(child, 'message')) as [Init];
  return { child, init, invocations: 0 };
}

/** One at a time. */
export async function invokeIn({ child }: Environment, event: unknown): Promise<Invoked> {
  const answered = once(child, 'message');
  child.send({ event: JSON.stringify(event), timeoutMs: TIMEOUT_MS } satisfies Invocation);
  return ((await answered) as [Invoked])[0];
}

export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, 'exit');
  child.disconnect();
  await ended;
}

/** Loads a bundle in so many fresh processes, one after the other. */
export async function coldStarts(file: string, variables: NodeJS.ProcessEnv, runs: number): Promise<readonly Init[]> {
  const inits: Init[] = [];
  for (let run = 0; run < runs; run += 1) {
    const { child, init } = await startEnvironment(file, variables);
    inits.push(init);
    await stopChild(child);
  }
  return inits;
}

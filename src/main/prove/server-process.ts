import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { readJson } from '../../core/read-json.ts';

/** The descriptor on which a process started with `onLine` tells lines. */
export const TELLING_DESCRIPTOR = 3;

/** A server in a process of its own: `clickstream serve --json`, within another command perhaps. */
export class ServerProcess {
  readonly process: ChildProcess;
  readonly #closed: Promise<number | null>;
  readonly #url: Promise<string>;
  #errors = '';

  /**
   * With `onLine` the process gets a pipe as descriptor 3, and each line that it writes there is passed on; and a pipe as its
   * standard input, which ends when this process does.
   */
  constructor(command: readonly string[], onLine?: (line: string) => void) {
    const [file = '', ...words] = command;
    const child = spawn(file, words, {
      stdio: onLine === undefined ? ['ignore', 'pipe', 'pipe'] : ['pipe', 'pipe', 'pipe', 'pipe'],
      // Ctrl-C is for us: what we do then is ours to say.
      detached: onLine !== undefined,
    });
    this.process = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text;
    });
    // Not `exit`: what it told before it was killed is read first.
    this.#closed = once(child, 'close').then(([code]) => code as number | null);
    if (onLine !== undefined) createInterface(child.stdio[TELLING_DESCRIPTOR] as Readable).on('line', onLine);
    this.#url = this.#firstUrl();
    // Who kills it while it starts does not ask for it.
    this.#url.catch(() => undefined);
  }

  /** All that it wrote to standard error so far. */
  errors(): string {
    return this.#errors;
  }

  /** Resolves with its URL once it says that it serves; rejects when it ends before, with what it wrote. */
  serving(): Promise<string> {
    return this.#url;
  }

  /** Resolves with its exit code, null when it was killed, once it has ended and all that it told is read. */
  get ended(): Promise<number | null> {
    return this.#closed;
  }

  /** Asks it to stop, and waits for its exit code. */
  stop(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  /** `kill -9`, and waits until it is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  #end(signal: NodeJS.Signals): Promise<number | null> {
    const { process } = this;
    if (process.exitCode === null && process.signalCode === null) process.kill(signal);
    return this.#closed;
  }

  async #firstUrl(): Promise<string> {
    const { stdout } = this.process;
    if (stdout === null) throw new Error('the server has no standard output');
    const ended = this.#closed.then((code) => Promise.reject(new Error(`serve ended with ${code}: ${this.#errors}`)));
    const [line] = (await Promise.race([once(createInterface(stdout), 'line'), ended])) as [string];
    try {
      return (readJson(line) as { readonly url: string }).url;
    } catch (thrown) {
      this.process.kill('SIGKILL');
      throw thrown;
    }
  }
}

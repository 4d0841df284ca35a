/** The command line against one home, as a person's shell has it: the address and the keys are in the environment. */
import assert from 'node:assert/strict';
import type { Command } from 'commander';
import { isObject, type JsonObject } from '../../src/core/json.ts';
import { createProgram } from '../../src/main/commands/program.ts';
import { clickstream, type Ran, type Running, startClickstream } from '../end-to-end/command.ts';

export interface CommandHome {
  readonly url: string;
  readonly writeKey: string;
  readonly readToken: string;
  /** Waits until what was acknowledged is processed. */
  readonly processed: () => Promise<void>;
  /** Does what is done now and then, where that is a schedule's. */
  readonly maintained: () => Promise<void>;
}

/** `bad show` and its like: the commands that ask a server. */
function askingCommands(parent: Command, path: readonly string[] = []): readonly string[] {
  return parent.commands.flatMap((command) => {
    const own = [...path, command.name()];
    const asks = command.options.some(({ long }) => long === '--url');
    return [...(asks ? [own.join(' ')] : []), ...askingCommands(command, own)];
  });
}

let made = 0;

export class Shell {
  readonly home: CommandHome;
  readonly commands = askingCommands(createProgram());
  /** In all that this shell sends, and nothing else has it. */
  readonly marker: string;
  runs = 0;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #answered = new Set<string>();

  constructor(home: CommandHome) {
    this.home = home;
    made += 1;
    this.marker = `${Date.now().toString(36)}${made}`;
    this.#environment = {
      CLICKSTREAM_URL: home.url,
      CLICKSTREAM_TOKEN: home.readToken,
      CLICKSTREAM_WRITE_KEY: home.writeKey,
    };
  }

  typeOf(name: string): string {
    return `${name} ${this.marker}`;
  }

  async run(words: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ran> {
    this.runs += 1;
    const ran = await clickstream(words, { environment: { ...this.#environment, ...environment } });
    if (ran.code === 0) this.#answered.add(this.#formOf(words));
    return ran;
  }

  start(words: readonly string[]): Running {
    this.runs += 1;
    return startClickstream(words, this.#environment);
  }

  /** Text of a command that must end well, and say nothing is wrong. */
  async well(words: readonly string[]): Promise<string> {
    const { code, output, errors } = await this.run(words);
    assert.deepEqual({ code, errors }, { code: 0, errors: '' }, `${words.join(' ')}: ${errors}${output.slice(0, 500)}`);
    return output;
  }

  /** With `--json`: one document and nothing else. */
  async json(words: readonly string[]): Promise<JsonObject> {
    const document: unknown = JSON.parse(await this.well([...words, '--json']));
    if (!isObject(document)) throw new Error(`${words.join(' ')} printed no object`);
    return document;
  }

  async refused(
    words: readonly string[],
    expected: {
      readonly code: number;
      readonly errors: RegExp;
      readonly environment?: Readonly<Record<string, string>>;
    },
  ): Promise<void> {
    const { code, output, errors } = await this.run(words, expected.environment);
    assert.deepEqual({ code, output }, { code: expected.code, output: '' }, `${words.join(' ')}: ${errors}`);
    assert.match(errors, expected.errors, `${words.join(' ')}: ${errors}`);
  }

  /** Sends events in one request, and waits until they are processed. Returns the receipt. */
  async send(batch: readonly object[]): Promise<string> {
    const response = await fetch(`${this.home.url}/v1/batch`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${this.home.writeKey}` },
      body: JSON.stringify({ batch }),
    });
    assert.equal(response.status, 200, await response.text());
    await this.home.processed();
    return response.headers.get('clickstream-receipt') ?? '';
  }

  /** Commands that did not end well as text, or not with --json. */
  notPlayed(): readonly string[] {
    return this.commands.flatMap((path) => [path, `${path} --json`]).filter((form) => !this.#answered.has(form));
  }

  #formOf(words: readonly string[]): string {
    const named = this.commands.filter((path) => `${words.join(' ')} `.startsWith(`${path} `));
    const longest = named.toSorted((one, other) => other.length - one.length)[0] ?? 'redrive list';
    return words.includes('--json') ? `${longest} --json` : longest;
  }
}

/** The CDK's command line, as a user calls it, against the emulator. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ACCOUNT, type Emulator, REGION } from './emulator.ts';

const ROOT = resolve(import.meta.dirname, '../..');

export interface CloudApp {
  /** Where the app's command is run. */
  readonly folder: string;
  readonly command: string;
  /** Its path in the app, and its name in the account. */
  readonly stack: string;
  readonly stackName: string;
  /** `-c name=value` of each. */
  readonly parameters?: Readonly<Record<string, string>>;
}

export interface Deployment {
  readonly outputs: Readonly<Record<string, string>>;
  readonly resources: readonly Resource[];
}
export interface Resource {
  readonly LogicalResourceId: string;
  readonly PhysicalResourceId: string;
  readonly ResourceType: string;
}

export class Cdk {
  readonly #emulator: Emulator;
  readonly #app: CloudApp;
  readonly #work = mkdtempSync(join(tmpdir(), 'clickstream-cdk-'));

  constructor(emulator: Emulator, app: CloudApp) {
    this.#emulator = emulator;
    this.#app = app;
  }

  async bootstrap(): Promise<void> {
    // Bootstrapping runs the app too, without bundling: into a folder of its own, or it would overwrite the assembly.
    await this.#run(['bootstrap', `aws://${ACCOUNT}/${REGION}`, '-o', join(this.#work, 'bootstrap.out')]);
  }

  async deploy(): Promise<Deployment> {
    const outputs = join(this.#work, 'outputs.json');
    const options = ['--require-approval', 'never', '--outputs-file', outputs];
    await this.#run(['deploy', this.#app.stack, ...options, '-o', this.assembly]);
    const written = JSON.parse(readFileSync(outputs, 'utf8')) as Record<string, Record<string, string>>;
    return { outputs: written[this.#app.stackName] ?? {}, resources: await this.#resources() };
  }

  async #resources(): Promise<readonly Resource[]> {
    const resources: Resource[] = [];
    let token: string | undefined;
    do {
      const page: { readonly StackResourceSummaries: readonly Resource[]; readonly NextToken?: string } =
        await this.#emulator.call('cloudformation', 'list_stack_resources', {
          StackName: this.#app.stackName,
          ...(token === undefined ? {} : { NextToken: token }),
        });
      resources.push(...page.StackResourceSummaries);
      token = page.NextToken;
    } while (token !== undefined);
    return resources;
  }

  async destroy(): Promise<void> {
    await this.#run(['destroy', this.#app.stack, '--force', '-o', this.assembly]);
  }

  get assembly(): string {
    return join(this.#work, 'cdk.out');
  }

  /** What the command line wrote. */
  get log(): string {
    return join(this.#work, 'cdk.log');
  }

  /** Removes what the command line left. */
  clear(): void {
    rmSync(this.#work, { recursive: true, force: true });
  }

  async #run(words: readonly string[]): Promise<void> {
    const context = Object.entries(this.#app.parameters ?? {}).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const options = ['--app', this.#app.command, '--no-notices', '--no-version-reporting', '--ci', ...context];
    const child = spawn(resolve(ROOT, 'node_modules/.bin/cdk'), [...words, ...options], {
      cwd: this.#app.folder,
      env: { ...this.#emulator.environment, CDK_DISABLE_CLI_TELEMETRY: '1', NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const log = createWriteStream(this.log, { flags: 'a' });
    let last = '';
    for (const output of [child.stdout, child.stderr]) {
      output.on('data', (bytes: Buffer) => {
        log.write(bytes);
        last = `${last}${bytes}`.slice(-4_000);
      });
    }
    const [code] = (await once(child, 'close')) as [number | null];
    log.end();
    if (code !== 0) throw new Error(`cdk ${words[0]} ended with ${code}: see ${this.log}\n${last}`);
  }
}

import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nameOf } from './lib/name.ts';
import { parametersOf } from './lib/parameters.ts';

/** Runs `cdk` in this folder, on the Node that runs this. Resolves to its exit code; a signal counts as 1. */
export async function cdk(options: readonly string[]): Promise<number> {
  const program = join(dirname(fileURLToPath(import.meta.resolve('aws-cdk/package.json'))), 'bin', 'cdk');
  const app = `"${process.execPath}" bin/app.ts`;
  const child = spawn(process.execPath, [program, ...options, '--app', app], {
    cwd: import.meta.dirname,
    stdio: 'inherit',
    // It would ask its maker for news, and tell it of the use.
    env: { ...process.env, CDK_DISABLE_CLI_TELEMETRY: 'true' },
  });
  return await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

/** The parameters of a command line: `-c name=value`, `--context name=value`, and both with `=` for the space, as CDK takes them. */
export function contextOf(options: readonly string[]): Readonly<Record<string, string>> {
  const pairs = options.flatMap((option, at) => {
    if (option === '-c' || option === '--context') return [options[at + 1] ?? ''];
    const [, pair] = /^(?:-c|--context)=(.*)$/.exec(option) ?? [];
    return pair === undefined ? [] : [pair];
  });
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

/** The name of the stack that these options are about. Throws a ParameterError. */
export function stackNameOf(options: readonly string[]): string {
  return `TapStack-${nameOf(parametersOf(contextOf(options)))}`;
}

if (import.meta.main) process.exitCode = await cdk(process.argv.slice(2));

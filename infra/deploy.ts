import { cdk } from './cdk.ts';

const HELP = `npm run deploy -- [-c name=value …] [--bootstrap] [options of cdk deploy]

Makes the stack, or brings it up to date. docs/deploy.md has the parameters.
  --bootstrap   first makes what CDK itself needs in the account and region, which is needed once

  npm run deploy -- --bootstrap -c environment=test`;

/** Returns the exit code of the last command that was run. */
export async function deploy(
  given: readonly string[],
  run: (options: readonly string[]) => Promise<number>,
): Promise<number> {
  const options = given.filter((option) => option !== '--bootstrap');
  if (options.length < given.length) {
    // It runs the app too, and would leave its own assembly where that of the deployment goes.
    const code = await run(['bootstrap', '--output', 'cdk.bootstrap', ...options]);
    if (code !== 0) return code;
  }
  return await run(['deploy', '--outputs-file', 'outputs.json', ...options]);
}

async function main(given: readonly string[]): Promise<number> {
  if (given.includes('--help')) {
    console.log(HELP);
    return 0;
  }
  return await deploy(given, cdk);
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));

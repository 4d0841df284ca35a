import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { S3Client } from '@aws-sdk/client-s3';
import { cdk, stackNameOf } from './cdk.ts';
import { emptyBucket } from './empty-bucket.ts';
import { ParameterError } from './lib/parameters.ts';

const HELP = `npm run destroy -- [-c name=value …] [--delete-data] [--yes]

Takes the stack down. Give the same parameters as to deploy. What holds data stays: the tables, the stream, the buckets,
the secrets and the key.
  --delete-data   takes that away too: all events, for good. Asks for the stack's name first
  --yes           does not ask`;

const OUTPUTS = 'outputs.json';

async function main(given: readonly string[]): Promise<number> {
  if (given.includes('--help')) {
    console.log(HELP);
    return 0;
  }
  const isSure = given.includes('--yes');
  const options = given.filter((option) => option !== '--yes' && option !== '--delete-data');
  const force = isSure ? ['--force'] : [];
  if (!given.includes('--delete-data')) return await cdk(['destroy', ...force, ...options]);

  const stackName = stackNameOf(options);
  if (!isSure && !(await isConfirmed(stackName))) {
    console.error('Nothing was done.');
    return 1;
  }
  // What is retained becomes what is deleted, and the tables' protection goes. The last of the same name wins.
  const deletable = [...options, '--context', 'deleteData=on'];
  const deployed = await cdk(['deploy', '--require-approval', 'never', '--outputs-file', OUTPUTS, ...deletable]);
  if (deployed !== 0) return deployed;
  const outputs = await outputsOf(stackName);
  // Access logs arrive for some minutes more, and a bucket that is not empty stops the deletion: once more, then.
  for (let tries = 0; tries < 2; tries += 1) {
    await emptyBuckets(outputs);
    const destroyed = await cdk(['destroy', '--force', ...deletable]);
    if (destroyed === 0) return 0;
  }
  return 1;
}

async function isConfirmed(stackName: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    console.log(`This deletes all events, dead letters, keys and logs of ${stackName}, for good.`);
    return (await terminal.question('Type the name of the stack to go on: ')).trim() === stackName;
  } finally {
    terminal.close();
  }
}

async function outputsOf(stackName: string): Promise<Readonly<Record<string, string>>> {
  const text = await readFile(join(import.meta.dirname, OUTPUTS), 'utf8');
  const all = JSON.parse(text) as Record<string, Record<string, string>>;
  const outputs = all[stackName];
  if (outputs === undefined) throw new Error(`${OUTPUTS} has no ${stackName}`);
  return outputs;
}

async function emptyBuckets(outputs: Readonly<Record<string, string>>): Promise<void> {
  const region = outputs.Region;
  const client = new S3Client(region === undefined ? {} : { region });
  // The access logs last, for what is asked of the others is written there.
  for (const name of ['ArchiveBucketName', 'DeadLetterBucketName', 'AccessLogBucketName']) {
    const bucket = outputs[name];
    if (bucket !== undefined) console.log(`${bucket}: ${await emptyBucket(client, bucket)} objects deleted`);
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (thrown) {
  if (!(thrown instanceof ParameterError)) throw thrown;
  console.error(thrown.message);
  process.exitCode = 2;
}

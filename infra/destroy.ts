import { createInterface } from 'node:readline/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { cdk, contextOf, stackNameOf } from './cdk.ts';
import { CloudFormation, type DeployedStack, type StackResource } from './cloudformation.ts';
import { emptyBucket } from './empty-bucket.ts';
import { discardHalfMade } from './half-made.ts';
import { ParameterError, parametersOf } from './lib/parameters.ts';

const HELP = `npm run destroy -- [-c name=value …] [--delete-data] [--yes]

Takes the stack down. Which one, say environment, project, suffix and region: give those that it was deployed with. What
holds data stays: the tables, the stream, the buckets, the secrets and the key.
  --delete-data   takes that away too: all events, for good. Asks for the stack's name first
  --yes           does not ask

  npm run destroy -- -c environment=test --delete-data

Ends with 0 when the stack is gone, with 1 when it is not there or not gone, with 2 when a parameter is wrong.`;

/** What the command does its work with. */
export interface DestroyTools {
  readonly region: string;
  readonly cdk: (options: readonly string[]) => Promise<number>;
  readonly cloudFormation: Pick<CloudFormation, 'stack' | 'resources'>;
  /** Says how many objects there were. */
  readonly emptyBucket: (bucket: string) => Promise<number>;
  /** Says what it deleted. */
  readonly discardHalfMade: (resources: readonly StackResource[]) => Promise<readonly string[]>;
  readonly isConfirmed: (stackName: string) => Promise<boolean>;
  readonly say: (line: string) => void;
}

/** What a deployment leaves when it goes well, or when it goes back. */
const IS_WHOLE = /^(CREATE|UPDATE|UPDATE_ROLLBACK|IMPORT|IMPORT_ROLLBACK)_COMPLETE$/;
/** The first one failed: such a stack can only be deleted. */
const IS_HALF_MADE = /^(ROLLBACK_COMPLETE|ROLLBACK_FAILED|CREATE_FAILED|REVIEW_IN_PROGRESS)$/;

/** Returns the exit code. Throws a ParameterError. */
export async function destroy(given: readonly string[], tools: DestroyTools): Promise<number> {
  const isSure = given.includes('--yes');
  const options = given.filter((option) => option !== '--yes' && option !== '--delete-data');
  const stackName = stackNameOf(options);
  // Without this look a name that is mistyped would make a whole stack, to delete it.
  const stack = await tools.cloudFormation.stack(stackName);
  if (stack === undefined) {
    tools.say(`There is no stack ${stackName} in ${tools.region}, so nothing was done.`);
    tools.say('Its name is of project, environment and suffix: -c environment=… -c region=…');
    return 1;
  }
  if (!given.includes('--delete-data')) {
    return await destroyWithoutData({ stackName, stack, options: [...(isSure ? ['--force'] : []), ...options] }, tools);
  }
  if (!isSure && !(await tools.isConfirmed(stackName))) {
    tools.say('Nothing was done.');
    return 1;
  }
  return await destroyWithData({ stackName, stack, options }, tools);
}

interface Doomed {
  readonly stackName: string;
  readonly stack: DeployedStack;
  readonly options: readonly string[];
}

/** Says what stays, for once the stack is gone nobody else does. */
async function destroyWithoutData({ stackName, stack, options }: Doomed, tools: DestroyTools): Promise<number> {
  const resources = await tools.cloudFormation.resources(stackName);
  const destroyed = await tools.cdk(['destroy', ...options]);
  // CDK ends with 0 when whom it asks says no.
  if (destroyed !== 0 || (await tools.cloudFormation.stack(stackName)) !== undefined) return destroyed || 1;
  const kept = resources.filter(({ logicalId, physicalId }) => stack.retained.has(logicalId) && physicalId !== '');
  if (kept.length === 0) return 0;
  tools.say(
    'Kept, and paid for until you delete it, as docs/deploy.md says. A new deployment makes its own beside it:',
  );
  for (const { type, physicalId } of kept) tools.say(`  ${type.padEnd(WIDEST_TYPE)}  ${physicalId}`);
  return 0;
}

const WIDEST_TYPE = 'AWS::SecretsManager::Secret'.length;

async function destroyWithData(
  { stackName, stack: { status, parameters, outputs }, options }: Doomed,
  tools: DestroyTools,
): Promise<number> {
  if (parameters === undefined) {
    tools.say(
      `The template of ${stackName} does not say what it was deployed with. Deploy it once more, then destroy it.`,
    );
    return 1;
  }
  // Its own, so that no shard and no capacity changes before it goes. The last of the same name wins.
  const own = Object.entries({ ...parameters, deleteData: 'on' }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  const deletable = [...options, ...own];
  if (IS_HALF_MADE.test(status)) {
    const discarded = await tools.discardHalfMade(await tools.cloudFormation.resources(stackName));
    for (const name of discarded) tools.say(`${name}: deleted`);
  } else if (parameters.deleteData !== 'on') {
    if (!IS_WHOLE.test(status)) {
      tools.say(
        `${stackName} is ${status}, and cannot be deployed to: what is retained would stay. See CloudFormation.`,
      );
      return 1;
    }
    // What is retained becomes what is deleted, and the tables' protection goes.
    const deployed = await tools.cdk(['deploy', '--require-approval', 'never', ...deletable]);
    if (deployed !== 0) return deployed;
  }
  // Access logs arrive for some minutes more, and a bucket that is not empty stops the deletion: once more, then.
  for (let tries = 0; tries < 2; tries += 1) {
    // The access logs last, for what is asked of the others is written there.
    for (const name of ['ArchiveBucketName', 'DeadLetterBucketName', 'AccessLogBucketName']) {
      const bucket = outputs[name];
      if (bucket !== undefined) tools.say(`${bucket}: ${await tools.emptyBucket(bucket)} objects deleted`);
    }
    const destroyed = await tools.cdk(['destroy', '--force', ...deletable]);
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

/** The region asked for, else that of the AWS profile, else the default, as the app takes it. */
async function toolsOf(options: readonly string[]): Promise<DestroyTools> {
  const { region: asked } = contextOf(options);
  const fallback = async () => asked ?? (await new S3Client({}).config.region().catch(() => parametersOf({}).region));
  const region = await fallback();
  const s3 = new S3Client({ region });
  const dynamodb = new DynamoDBClient({ region });
  const { AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_CLOUDFORMATION } = process.env;
  return {
    region,
    cdk,
    cloudFormation: new CloudFormation({
      region,
      credentials: () => s3.config.credentials(),
      endpoint: AWS_ENDPOINT_URL_CLOUDFORMATION ?? AWS_ENDPOINT_URL,
    }),
    emptyBucket: (bucket) => emptyBucket(s3, bucket),
    discardHalfMade: (resources) => discardHalfMade(resources, { dynamodb, s3, sleep }),
    isConfirmed,
    say: console.error,
  };
}

async function main(given: readonly string[]): Promise<number> {
  if (given.includes('--help')) {
    console.log(HELP);
    return 0;
  }
  try {
    return await destroy(given, await toolsOf(given));
  } catch (thrown) {
    if (!(thrown instanceof ParameterError)) throw thrown;
    console.error(thrown.message);
    return 2;
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));

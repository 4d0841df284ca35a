/**
 * `npm run deploy` and `npm run destroy` as a user calls them, from the first deployment to the last byte gone. Prints what was
 * shown; exits with 1 when something was not, and with 75 when the emulator itself ended or did not start.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Emulator } from './emulator.ts';
import { onEmulator } from './on-emulator.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const ENVIRONMENT = ['-c', 'environment=test', '-c', 'shardCount=1'];
const STACK = 'TapStack-clickstream-test';
/** A second stack, for the emulator gives what is made anew the names of what was kept. */
const SECOND = [...ENVIRONMENT, '-c', 'suffix=two'];
const SECOND_STACK = `${STACK}-two`;
const WITHOUT_ASKING = ['--require-approval', 'never'];

interface Ended {
  readonly code: number | null;
  readonly said: string;
}

type Run = (script: 'deploy' | 'destroy', options: readonly string[], typed?: string) => Promise<Ended>;

function scriptsOn({ environment }: Emulator): Run {
  return async (script, options, typed = '') => {
    const child = spawn('npm', ['run', '--silent', script, '--', ...options], {
      cwd: ROOT,
      env: { ...environment, NO_COLOR: '1' },
    });
    let said = '';
    for (const output of [child.stdout, child.stderr]) {
      output.on('data', (bytes: Buffer) => {
        said += bytes;
      });
    }
    child.stdin.end(typed);
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, said };
  };
}

function assertEnded({ code, said }: Ended, expected: { readonly code: number; readonly saying?: RegExp }): void {
  assert.equal(code, expected.code, said.slice(-2_000));
  if (expected.saying !== undefined) assert.match(said, expected.saying);
}

interface Names {
  readonly TableNames: readonly string[];
  readonly StreamNames: readonly string[];
  readonly Buckets: readonly { readonly Name: string }[];
  readonly SecretList: readonly { readonly Name: string }[];
  readonly QueueUrls?: readonly string[];
  readonly Functions: readonly { readonly FunctionName: string }[];
  readonly logGroups: readonly { readonly logGroupName: string; readonly retentionInDays?: number }[];
}

/** All that costs or holds data in the account, but for what CDK's own bootstrap made. */
async function inAccount(emulator: Emulator): Promise<ReadonlySet<string>> {
  const ask = <Name extends keyof Names>(service: string, operation: string, _name: Name) =>
    emulator.call<Pick<Names, Name>>(service, operation);
  const { TableNames } = await ask('dynamodb', 'list_tables', 'TableNames');
  const { StreamNames } = await ask('kinesis', 'list_streams', 'StreamNames');
  const { Buckets } = await ask('s3', 'list_buckets', 'Buckets');
  const { SecretList } = await ask('secretsmanager', 'list_secrets', 'SecretList');
  const { QueueUrls = [] } = await ask('sqs', 'list_queues', 'QueueUrls');
  const { Functions } = await ask('lambda', 'list_functions', 'Functions');
  const { logGroups } = await ask('logs', 'describe_log_groups', 'logGroups');
  const names = [
    ...TableNames,
    ...StreamNames,
    ...Buckets.map(({ Name }) => Name),
    ...SecretList.map(({ Name }) => Name),
    ...QueueUrls,
    ...Functions.map(({ FunctionName }) => FunctionName),
    ...logGroups.map(({ logGroupName }) => logGroupName),
  ];
  return new Set(names.filter((name) => !name.includes('cdk-hnb659fds')));
}

function outputs(stack = STACK): Readonly<Record<string, string>> {
  const written = JSON.parse(readFileSync(resolve(ROOT, 'infra/outputs.json'), 'utf8')) as Record<
    string,
    Readonly<Record<string, string>>
  >;
  return written[stack] ?? {};
}

async function answers(emulator: Emulator, stack = STACK): Promise<void> {
  const [listener] = await emulator.listeners(outputs(stack).BalancerDns ?? '');
  assert.equal((await fetch(`${listener?.url}/health`)).status, 200);
}

/** As docs/deploy.md says, in the words of the API. Each resource as `destroy` told of it: its type, and its physical name. */
async function deleteByHand(emulator: Emulator, [type = '', name = '']: readonly string[]): Promise<void> {
  switch (type) {
    case 'AWS::DynamoDB::Table':
      await emulator.call('dynamodb', 'update_table', { TableName: name, DeletionProtectionEnabled: false });
      await emulator.call('dynamodb', 'delete_table', { TableName: name });
      break;
    case 'AWS::Kinesis::Stream':
      await emulator.call('kinesis', 'delete_stream', { StreamName: name });
      break;
    case 'AWS::S3::Bucket':
      await emulator.call('s3', 'delete_bucket', { Bucket: name });
      break;
    case 'AWS::SecretsManager::Secret':
      await emulator.call('secretsmanager', 'delete_secret', { SecretId: name });
      break;
    case 'AWS::KMS::Key':
      await emulator.call('kms', 'schedule_key_deletion', { KeyId: name });
      break;
    default:
      throw new Error(`docs/deploy.md does not say how to delete ${type} ${name}`);
  }
}

/** Keys of ours that nobody has asked to be deleted. */
async function keysInUse(emulator: Emulator): Promise<number> {
  const { Keys } = await emulator.call<{ readonly Keys: readonly { readonly KeyId: string }[] }>('kms', 'list_keys');
  const states = await Promise.all(
    Keys.map(async ({ KeyId }) => {
      const { KeyMetadata } = await emulator.call<{
        readonly KeyMetadata: { readonly KeyState: string; readonly KeyManager?: string };
      }>('kms', 'describe_key', { KeyId });
      return KeyMetadata;
    }),
  );
  return states.filter(({ KeyState, KeyManager }) => KeyState === 'Enabled' && KeyManager !== 'AWS').length;
}

async function play(emulator: Emulator, show: (title: string, seen: string) => void): Promise<void> {
  const run = scriptsOn(emulator);
  for (const script of ['deploy', 'destroy'] as const) {
    assertEnded(await run(script, ['--help']), { code: 0, saying: /npm run (deploy|destroy) -- -.*environment=test/ });
  }
  const empty = await inAccount(emulator);
  const keysBefore = await keysInUse(emulator);
  const wrong = ['-c', 'environment=test', '-c', 'shardCount=none'];
  assertEnded(await run('deploy', [...wrong, ...WITHOUT_ASKING]), { code: 1, saying: /shardCount/ });
  assertEnded(await run('destroy', [...wrong, '--yes']), { code: 2, saying: /shardCount/ });
  assertEnded(await run('destroy', [...ENVIRONMENT, '--yes']), { code: 1, saying: /There is no stack TapStack/ });
  assert.deepEqual(await inAccount(emulator), empty);
  show('help, wrong parameters, and a stack that is not there', 'exit codes 0, 1 and 2; nothing was made');

  assertEnded(await run('deploy', ['--bootstrap', ...ENVIRONMENT, ...WITHOUT_ASKING]), { code: 0 });
  await answers(emulator);
  assertEnded(await run('deploy', [...ENVIRONMENT, ...WITHOUT_ASKING]), { code: 0, saying: /no changes/ });
  show('deployed with --bootstrap, and once more', 'it answers; no changes');

  const longer = [...ENVIRONMENT, '-c', 'logRetentionDays=365'];
  assertEnded(await run('deploy', [...longer, ...WITHOUT_ASKING]), { code: 0 });
  const { logGroups } = await emulator.call<Names>('logs', 'describe_log_groups');
  const group = logGroups.find(({ logGroupName }) => logGroupName === outputs().CollectLogGroup);
  assert.equal(group?.retentionInDays, 365);
  await answers(emulator);
  show('a parameter changed', 'logs are kept for 365 days');

  const kept = await run('destroy', [...ENVIRONMENT, '--yes']);
  assertEnded(kept, { code: 0, saying: /Kept, and paid for/ });
  const { EventsTableName = '', StateTableName = '', StreamName = '', DeadLetterBucketName = '' } = outputs();
  const left = await inAccount(emulator);
  for (const name of [EventsTableName, StateTableName, StreamName, DeadLetterBucketName]) {
    assert.ok(name !== '' && left.has(name), `${name} is gone`);
    assert.ok(kept.said.includes(name), `${name} is not told of`);
  }
  const functions = [...left].filter((name) => name === outputs().CollectFunctionName);
  assert.deepEqual(functions, []);
  show('destroyed without its data', `${kept.said.match(/^ {2}AWS::/gm)?.length} resources told of as kept, and there`);

  assertEnded(await run('deploy', [...SECOND, ...WITHOUT_ASKING]), { code: 0 });
  assertEnded(await run('destroy', [...SECOND, '--delete-data'], 'another name\n'), { code: 1 });
  await answers(emulator, SECOND_STACK);
  assertEnded(await run('destroy', [...SECOND, '--delete-data'], `${SECOND_STACK}\n`), { code: 0 });
  assert.deepEqual(await inAccount(emulator), left);
  assert.equal(await keysInUse(emulator), keysBefore + 1);
  show('another one destroyed with its data, once its name was typed', 'nothing of it is left; what was kept still is');

  const told = [...kept.said.matchAll(/^ {2}(AWS::\S+) +(\S+)$/gm)].map(([, ...of]) => of);
  for (const resource of told) await deleteByHand(emulator, resource);
  assert.deepEqual(await inAccount(emulator), empty);
  assert.equal(await keysInUse(emulator), keysBefore);
  show('what was kept, deleted by hand', `${told.length} resources; nothing is left in the account`);
}

await onEmulator(async (emulator) => {
  const started = performance.now();
  await play(emulator, (title, seen) => {
    const seconds = (performance.now() - started) / 1_000;
    console.log(`shown  ${seconds.toFixed(1).padStart(6)} s  ${title}\n${' '.repeat(17)}${seen}`);
  });
  return true;
});

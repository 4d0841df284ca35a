import { expect, test } from 'vitest';
import { contextOf } from '../../infra/cdk.ts';
import type { DeployedStack, StackResource } from '../../infra/cloudformation.ts';
import { deploy } from '../../infra/deploy.ts';
import { type DestroyTools, destroy } from '../../infra/destroy.ts';
import { ParameterError, parametersOf } from '../../infra/lib/parameters.ts';

const DEPLOYED: DeployedStack = {
  status: 'UPDATE_COMPLETE',
  outputs: { Region: 'eu-west-1', DeadLetterBucketName: 'letters', AccessLogBucketName: 'logs' },
  parameters: parametersOf({ region: 'eu-west-1', environment: 'prod', shardCount: '40' }).texts,
  retained: new Set(['Events', 'Letters']),
};

/** What was done, in order; `codes` are the exit codes of `cdk`, 0 without more. */
function toolsOf({
  stacks = { 'TapStack-clickstream-prod': DEPLOYED } as Readonly<Record<string, DeployedStack>>,
  resources = [] as readonly StackResource[],
  codes = [] as readonly number[],
  answer = true,
} = {}) {
  const done: string[] = [];
  const commands: (readonly string[])[] = [];
  const left = [...codes];
  const tools: DestroyTools = {
    region: 'eu-west-1',
    cdk: async (options) => {
      commands.push(options);
      done.push(`cdk ${options[0]}`);
      return left.shift() ?? 0;
    },
    cloudFormation: { stack: async (name) => stacks[name], resources: async () => resources },
    emptyBucket: async (bucket) => done.push(`empty ${bucket}`),
    discardHalfMade: async (of) => {
      done.push(`discard ${of.map(({ physicalId }) => physicalId).join(' ')}`);
      return of.map(({ physicalId }) => physicalId);
    },
    isConfirmed: async (name) => {
      done.push(`ask ${name}`);
      return answer;
    },
    say: () => {},
  };
  return { tools, done, commands };
}

const PROD = ['-c', 'environment=prod'];

test.each([
  ['with its data kept', []],
  ['with its data', ['--delete-data', '--yes']],
])('a stack that is not there is neither made nor taken down, %s', async (_how, flags) => {
  const { tools, done } = toolsOf();
  const lines: string[] = [];
  const code = await destroy(['-c', 'environment=prd', ...flags], { ...tools, say: (line) => lines.push(line) });
  expect(code).toBe(1);
  expect(done).toEqual([]);
  expect(lines[0]).toBe('There is no stack TapStack-clickstream-prd in eu-west-1, so nothing was done.');
});

test('a parameter that is wrong is told, before anything is asked of AWS', async () => {
  const { tools, done } = toolsOf();
  await expect(destroy(['-c', 'environment=production', '--yes'], tools)).rejects.toThrow(ParameterError);
  expect(done).toEqual([]);
});

test('without --delete-data nothing is deployed, CDK asks, and what stays is told', async () => {
  const { tools, commands } = toolsOf();
  const lines: string[] = [];
  const resource = (logicalId: string, type: string, physicalId: string) =>
    ({ logicalId, type, physicalId, status: 'CREATE_COMPLETE' }) as const;
  const resources = [
    resource('Events', 'AWS::DynamoDB::Table', 'events-1'),
    resource('Vpc', 'AWS::EC2::VPC', 'vpc-1'),
    resource('Letters', 'AWS::S3::Bucket', ''),
  ];
  const goes = {
    resources: async () => resources,
    stack: async () => (commands.length === 0 ? DEPLOYED : undefined),
  };
  expect(await destroy(PROD, { ...tools, cloudFormation: goes, say: (line) => lines.push(line) })).toBe(0);
  expect(commands).toEqual([['destroy', ...PROD]]);
  expect(lines.slice(1).map((line) => line.trim().split(/ +/))).toEqual([['AWS::DynamoDB::Table', 'events-1']]);
});

test('who tells CDK not to has the stack still, and that is told by the exit code', async () => {
  const { tools, commands } = toolsOf();
  expect(await destroy(PROD, tools)).toBe(1);
  expect(commands).toEqual([['destroy', ...PROD]]);
});

test('with its data it is deployed once more with its own parameters, and then goes', async () => {
  const { tools, done, commands } = toolsOf();
  expect(await destroy([...PROD, '--delete-data'], tools)).toBe(0);
  expect(done).toEqual(['ask TapStack-clickstream-prod', 'cdk deploy', 'empty letters', 'empty logs', 'cdk destroy']);
  for (const options of commands) {
    // 40 shards stay 40, though nobody named them.
    expect(contextOf(options)).toEqual({ ...DEPLOYED.parameters, deleteData: 'on' });
    expect(parametersOf(contextOf(options))).toMatchObject({ shardCount: 40, region: 'eu-west-1', deleteData: true });
  }
});

test('its own parameters win over those that are given by mistake', async () => {
  const { tools, commands } = toolsOf();
  await destroy([...PROD, '-c', 'shardCount=4', '--delete-data', '--yes'], tools);
  expect(commands.map((options) => parametersOf(contextOf(options)).shardCount)).toEqual([40, 40]);
});

test.each([
  ['-c', 'environment=prod'],
  ['-c=environment=prod'],
  ['--context=environment=prod'],
  ['--context', 'environment=prod'],
])('a parameter is read in each way that CDK takes it: %s %s', async (...options) => {
  const dev = { ...DEPLOYED, outputs: { DeadLetterBucketName: 'of another stack' } };
  const stacks = { 'TapStack-clickstream-prod': DEPLOYED, 'TapStack-clickstream-dev': dev };
  const { tools, done } = toolsOf({ stacks });
  expect(await destroy([...options.filter((option) => option !== undefined), '--delete-data', '--yes'], tools)).toBe(0);
  expect(done).toContain('empty letters');
  expect(done).not.toContain('empty of another stack');
});

test('who does not type the name keeps everything', async () => {
  const { tools, done } = toolsOf({ answer: false });
  expect(await destroy([...PROD, '--delete-data'], tools)).toBe(1);
  expect(done).toEqual(['ask TapStack-clickstream-prod']);
});

test('a deployment that fails ends it, before a bucket is emptied', async () => {
  const { tools, done } = toolsOf({ codes: [3] });
  expect(await destroy([...PROD, '--delete-data', '--yes'], tools)).toBe(3);
  expect(done).toEqual(['cdk deploy']);
});

test('a deletion that access logs stopped is tried once more', async () => {
  const { tools, done } = toolsOf({ codes: [0, 1, 0] });
  expect(await destroy([...PROD, '--delete-data', '--yes'], tools)).toBe(0);
  expect(done.filter((what) => what === 'cdk destroy')).toHaveLength(2);
  const stubborn = toolsOf({ codes: [0, 1, 1] });
  expect(await destroy([...PROD, '--delete-data', '--yes'], stubborn.tools)).toBe(1);
});

test('one that stopped half way goes on, and is not deployed to', async () => {
  const parameters = { ...DEPLOYED.parameters, deleteData: 'on' };
  const stacks = { 'TapStack-clickstream-prod': { ...DEPLOYED, status: 'DELETE_FAILED', parameters } };
  const { tools, done } = toolsOf({ stacks });
  expect(await destroy([...PROD, '--delete-data', '--yes'], tools)).toBe(0);
  expect(done).toEqual(['empty letters', 'empty logs', 'cdk destroy']);
});

test('of a first deployment that failed, what is protected goes too', async () => {
  const stacks = { 'TapStack-clickstream-prod': { ...DEPLOYED, status: 'ROLLBACK_FAILED', outputs: {} } };
  const resources = [
    { logicalId: 'Events', type: 'AWS::DynamoDB::Table', physicalId: 'events', status: 'DELETE_FAILED' },
  ];
  const { tools, done } = toolsOf({ stacks, resources });
  expect(await destroy([...PROD, '--delete-data', '--yes'], tools)).toBe(0);
  expect(done).toEqual(['discard events', 'cdk destroy']);
});

test.each([
  ['that is under way', { ...DEPLOYED, status: 'UPDATE_IN_PROGRESS' }],
  ['that does not say what it was deployed with', { ...DEPLOYED, parameters: undefined }],
])('a stack %s is left alone', async (_what, stack) => {
  const { tools, done } = toolsOf({ stacks: { 'TapStack-clickstream-prod': stack } });
  expect(await destroy([...PROD, '--delete-data', '--yes'], tools)).toBe(1);
  expect(done).toEqual([]);
});

test('deploy bootstraps first when asked to, elsewhere than where the deployment goes', async () => {
  const commands: (readonly string[])[] = [];
  const run = (code: number) => async (options: readonly string[]) => {
    commands.push(options);
    return code;
  };
  expect(await deploy(['--bootstrap', ...PROD], run(0))).toBe(0);
  expect(commands).toEqual([
    ['bootstrap', '--output', 'cdk.bootstrap', ...PROD],
    ['deploy', '--outputs-file', 'outputs.json', ...PROD],
  ]);
  commands.length = 0;
  expect(await deploy(['--bootstrap', ...PROD], run(7))).toBe(7);
  expect(commands).toHaveLength(1);
  commands.length = 0;
  expect(await deploy(PROD, run(0))).toBe(0);
  expect(commands).toEqual([['deploy', '--outputs-file', 'outputs.json', ...PROD]]);
});

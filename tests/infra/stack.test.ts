import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import * as store from './guarantees/store.ts';
import * as whole from './guarantees/whole.ts';
import { GUARANTEES, ROOMS } from './guarantees.ts';
import { first, one, resourcesOf, stackOf } from './template.ts';

const CERTIFICATE = `arn:aws:acm:eu-central-1:123456789012:certificate/${'12345678-'.padEnd(36, '0')}`;

const TEMPLATES = {
  'as it is by default': stackOf().synth(),
  'with everything on': stackOf({
    region: 'eu-central-1',
    availabilityZones: 'eu-central-1a,eu-central-1b,eu-central-1c',
    certificateArn: CERTIFICATE,
    egressCidrs: '203.0.113.0/24',
    clientPrefixLists: 'pl-a3a144ca',
    archive: 'on',
    alarmEmail: 'operator@shop.example',
    suffix: 'blue',
  }).synth(),
  'on demand': stackOf({ tableMode: 'on-demand', streamMode: 'on-demand' }).synth(),
} as const;

test.each(Object.entries(TEMPLATES))('the stack %s keeps every guarantee', (variant, template) => {
  for (const [name, { problems, onlyOf }] of GUARANTEES) {
    if (onlyOf === undefined || onlyOf === variant) expect.soft(problems(template), name).toEqual([]);
  }
});

test('each guarantee has a name of its own and faults, and every room is seen', () => {
  expect(new Set(GUARANTEES.map(([name]) => name)).size).toBe(GUARANTEES.length);
  for (const [name, { faults }] of GUARANTEES) expect.soft(Object.keys(faults), name).not.toEqual([]);
  const files = readdirSync('tests/infra/guarantees').map((file) => basename(file, '.ts'));
  expect(Object.keys(ROOMS).sort()).toEqual(files.sort());
});

const FAULTS = GUARANTEES.flatMap(([name, { faults, ...guarantee }]) =>
  Object.entries(faults).map(([fault, plant]) => [name, fault, { ...guarantee, plant }] as const),
);

test.each(FAULTS)('%s finds: %s', (_name, _fault, { plant, problems, onlyOf }) => {
  const template = structuredClone(TEMPLATES[onlyOf ?? 'as it is by default']);
  plant(template);
  expect(problems(template)).not.toEqual([]);
});

test('on demand, nothing has capacity or scales', () => {
  const template = TEMPLATES['on demand'];
  expect(resourcesOf(template, 'AWS::ApplicationAutoScaling::ScalableTarget')).toEqual([]);
  expect(one(template, 'Kinesis::Stream').Properties).toMatchObject({ StreamModeDetails: { StreamMode: 'ON_DEMAND' } });
  expect(one(template, 'Kinesis::Stream').Properties.ShardCount).toBeUndefined();
});

test('what is asked for is in the template', () => {
  const { synth } = stackOf({
    shardCount: '4',
    streamRetentionHours: '48',
    batchSize: '500',
    batchWindowSeconds: '2',
    retries: '10',
    maximumAgeHours: '40',
    reservedConcurrency: 'none',
    egressCidrs: '203.0.113.0/24',
    clientCidrs: '10.1.0.0/16',
    vpcCidr: '10.80.0.0/20',
    logRetentionDays: '7',
    deleteData: 'on',
    eventsWrite: '7-70',
    proxies: '2',
    bisect: 'off',
  });
  const template = synth();
  expect(one(template, 'Kinesis::Stream').Properties).toMatchObject({ ShardCount: 4, RetentionPeriodHours: 48 });
  expect(one(template, 'Lambda::EventSourceMapping').Properties).toMatchObject({
    BatchSize: 500,
    MaximumBatchingWindowInSeconds: 2,
    MaximumRetryAttempts: 10,
    MaximumRecordAgeInSeconds: 144_000,
    BisectBatchOnFunctionError: false,
  });
  expect(one(template, 'Lambda::Function', /Collector/).Properties.Environment.Variables.PROXIES).toBe('2');
  expect(one(template, 'Lambda::Function', /Processor/).Properties.ReservedConcurrentExecutions).toBeUndefined();
  expect(first(template, 'EC2::SecurityGroup', /Functions/).Properties.SecurityGroupEgress).toContainEqual(
    expect.objectContaining({ CidrIp: '203.0.113.0/24', FromPort: 443 }),
  );
  expect(first(template, 'EC2::SecurityGroup', /Balancer/).Properties.SecurityGroupIngress).toMatchObject([
    { CidrIp: '10.1.0.0/16' },
  ]);
  expect(one(template, 'EC2::VPC').Properties.CidrBlock).toBe('10.80.0.0/20');
  expect(first(template, 'Logs::LogGroup').Properties.RetentionInDays).toBe(7);
  // With deleteData the data goes with the stack, and nothing protects it.
  expect(whole.stateIsRetained.problems(template).length).toBeGreaterThan(5);
  expect(store.tablesAreSafe.problems(template).length).toBe(2);
  expect(first(template, 'DynamoDB::Table', /Events/).Properties.ProvisionedThroughput.WriteCapacityUnits).toBe(7);
});

test('no name or password is written into the template', () => {
  for (const template of Object.values(TEMPLATES))
    expect(JSON.stringify(template)).not.toMatch(/SecretString":"|AKIA|password"/i);
});

test('a long window gives the mapping longer to be late', () => {
  const template = stackOf({ batchWindowSeconds: '300' }).synth();
  expect(one(template, 'CloudWatch::Alarm', /mappingstopped/).Properties).toMatchObject({
    EvaluationPeriods: 3,
    DatapointsToAlarm: 3,
  });
});

test('docs/deploy.md has every alarm, every output and every role', () => {
  const document = readFileSync('docs/deploy.md', 'utf8');
  const template = TEMPLATES['with everything on'];
  const alarms = resourcesOf(template, 'AWS::CloudWatch::Alarm').map(([, { Properties }]) =>
    String(Properties.AlarmName).replace('clickstream-dev-blue-', ''),
  );
  const roles = resourcesOf(template, 'AWS::IAM::Role').map(([id]) => id.replace(/[0-9A-F]{8}$/, ''));
  const shown = (name: string) =>
    document.includes(`\`${name}\``) ||
    // Outputs of the four functions stand in one row.
    document.includes(`\`${name.replace(/^(Process|Query|Network)/, 'Collect')}\``);
  const missing = [...alarms, ...Object.keys(template.Outputs), ...roles].filter((name) => !shown(name));
  expect(missing).toEqual([]);
  // And none that is not there.
  const section = (title: string) => document.split(`## ${title}\n`)[1]?.split('\n## ')[0] ?? '';
  const named = (title: string) =>
    section(title)
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name));
  expect(named('What is watched').sort()).toEqual([...alarms].sort());
  expect(named('Roles').sort()).toEqual([...roles].sort());
});

test('docs/deploy.md says how many there are', () => {
  expect(readFileSync('docs/deploy.md', 'utf8')).toContain(`${GUARANTEES.length} guarantees, ${FAULTS.length} faults`);
});

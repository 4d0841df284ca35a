import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { contextOf, stackNameOf } from '../../infra/cdk.ts';
import { nameOf } from '../../infra/lib/name.ts';
import { PARAMETER_TABLE, ParameterError, parametersOf } from '../../infra/lib/parameters.ts';
import { PREFIX_LISTS } from '../../infra/lib/prefix-lists.ts';

function problemsOf(given: Readonly<Record<string, unknown>>): readonly string[] {
  try {
    parametersOf(given);
    return [];
  } catch (thrown) {
    if (thrown instanceof ParameterError) return thrown.problems;
    throw thrown;
  }
}

test('without any, all defaults hold', () => {
  expect(parametersOf({})).toMatchObject({
    region: 'us-east-1',
    project: 'clickstream',
    environment: 'dev',
    vpcCidr: '10.40.0.0/16',
    availabilityZones: [],
    egressCidrs: [],
    prefixLists: PREFIX_LISTS['us-east-1'],
    streamMode: 'provisioned',
    shardCount: 10,
    streamRetentionHours: 24,
    batchSize: 100,
    retries: undefined,
    maximumAgeHours: 20,
    reservedConcurrency: 100,
    proxies: 1,
    bisect: true,
    tableMode: 'provisioned',
    eventsWrite: { min: 50, max: 4_000 },
    archive: false,
    deleteData: false,
  });
});

test("what is given is read, CDK's own context is left alone", () => {
  const parameters = parametersOf({
    'aws:cdk:enable-path-metadata': true,
    '@aws-cdk/core:x': true,
    region: 'eu-west-2',
    availabilityZones: 'eu-west-2a, eu-west-2c',
    retries: '0',
    reservedConcurrency: 'none',
    eventsWrite: '1-2',
    archive: 'on',
    egressCidrs: '203.0.113.0/24,198.51.100.7/32',
    batchSize: 7,
  });
  expect(parameters).toMatchObject({
    availabilityZones: ['eu-west-2a', 'eu-west-2c'],
    prefixLists: PREFIX_LISTS['eu-west-2'],
    retries: 0,
    reservedConcurrency: undefined,
    eventsWrite: { min: 1, max: 2 },
    archive: true,
    egressCidrs: ['203.0.113.0/24', '198.51.100.7/32'],
    batchSize: 7,
  });
});

test.each([
  ['region', 'Frankfurt'],
  ['project', 'Click Stream'],
  ['project', 'averylongproject'],
  ['environment', 'production'],
  ['suffix', 'green'],
  ['vpcCidr', '10.0.0.0/8'],
  ['vpcCidr', '10.0.0.0/28'],
  ['vpcCidr', '10.0.0.1/16'],
  ['vpcCidr', '8.8.0.0/16'],
  ['vpcCidr', '10.0.256.0/24'],
  ['availabilityZones', 'us-east-1a'],
  ['availabilityZones', 'us-east-1a,us-east-1a'],
  ['availabilityZones', 'us-east-1'],
  ['clientCidrs', '10.0.0.0'],
  ['clientPrefixLists', 'cloudfront'],
  ['egressCidrs', '203.0.113.5/24'],
  ['certificateArn', 'arn:aws:iam::123456789012:server-certificate/x'],
  ['streamMode', 'serverless'],
  ['shardCount', '0'],
  ['shardCount', '1.5'],
  ['shardCount', ''],
  ['streamRetentionHours', '12'],
  ['batchSize', '10001'],
  ['batchWindowSeconds', '301'],
  ['retries', '-1'],
  ['retries', 'many'],
  ['maximumAgeHours', '0'],
  ['reservedConcurrency', '0'],
  ['proxies', '0'],
  ['proxies', '11'],
  ['bisect', 'no'],
  ['tableMode', 'auto'],
  ['eventsWrite', '100'],
  ['eventsWrite', '10-5'],
  ['eventsWrite', '0-5'],
  ['logRetentionDays', '31'],
  ['archive', 'yes'],
  ['auditMinutes', '0'],
  ['alarmEmail', 'operator'],
  ['deleteData', 'true'],
])('%s may not be %j, and the error says what it may be', (name, value) => {
  const problems = problemsOf({ [name]: value });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(new RegExp(`^${name}: '${value.replaceAll(/[.*+?^$()|/\\]/g, '\\$&')}' is not .{5}`));
});

test('all problems are told at once', () => {
  expect(problemsOf({ shards: '4', shardCount: 'four', project: 'X' })).toHaveLength(3);
  expect(problemsOf({ shards: '4' })[0]).toMatch(/^shards: not a parameter. They are region, .*shardCount/);
});

test.each([
  [{ maximumAgeHours: '23' }, /maximumAgeHours: 23 must be at least 2 below streamRetentionHours, 24/],
  [{ shardCount: '101' }, /reservedConcurrency: 100 is below shardCount, 101: each shard has a batch in flight/],
  [{ shardCount: '20', reservedConcurrency: '19' }, /reservedConcurrency: 19 is below shardCount, 20/],
  [{ batchWindowSeconds: '0' }, /batchWindowSeconds: must be at least 1/],
  [{ region: 'ca-west-1' }, /prefix lists of 'ca-west-1' are not known.*describe-prefix-lists --region ca-west-1/],
  [{ region: 'ca-west-1', s3PrefixList: 'pl-12345678' }, /prefix lists of 'ca-west-1' are not known/],
  [{ region: 'eu-west-1', availabilityZones: 'us-east-1a,us-east-1b' }, /'us-east-1a' is not of the region eu-west-1/],
  [{ indexWrite: '50-100' }, /indexWrite: its end, 100, is below that of eventsWrite, 4000/],
])('%j contradicts itself', (given, problem) => {
  expect(problemsOf(given).join('\n')).toMatch(problem);
});

test.each([
  [{ shardCount: '100' }],
  [{ shardCount: '200', reservedConcurrency: 'none' }],
  // AWS counts its shards.
  [{ streamMode: 'on-demand', reservedConcurrency: '5' }],
])('%j does not', (given) => {
  expect(problemsOf(given)).toEqual([]);
});

test('parameters as texts make the same parameters', () => {
  const given = { environment: 'prod', clientCidrs: '10.1.0.0/16, 10.2.0.0/16', retries: '5', archive: 'on' };
  const parameters = parametersOf(given);
  expect(Object.keys(parameters.texts)).toEqual(PARAMETER_TABLE.map(([name]) => name));
  expect(parametersOf(parameters.texts)).toEqual(parameters);
});

test('a region whose prefix lists are not written down takes them as parameters', () => {
  const given = { region: 'ca-west-1', dynamodbPrefixList: 'pl-0123abcd', s3PrefixList: 'pl-4567abcd' };
  expect(parametersOf(given).prefixLists).toEqual({ dynamodb: 'pl-0123abcd', s3: 'pl-4567abcd' });
});

test('the longest name leaves room for that of a target group', () => {
  const longest = nameOf(parametersOf({ project: 'abcdefghijkl', environment: 'abcdef', suffix: '1234' }));
  expect(`${longest}-collect`.length).toBeLessThanOrEqual(32);
  expect(nameOf(parametersOf({}))).toBe('clickstream-dev');
});

test('parameters are found in a command line', () => {
  const options = ['-c', 'environment=prod', '--context', 'egressCidrs=a=b', '--context=suffix=b', '--verbose'];
  expect(contextOf(options)).toEqual({ environment: 'prod', egressCidrs: 'a=b', suffix: 'b' });
  expect(stackNameOf(['-c', 'environment=prod'])).toBe('TapStack-clickstream-prod');
  expect(() => stackNameOf(['-c', 'environment=production'])).toThrow(ParameterError);
});

test('docs/deploy.md has every parameter as it is', () => {
  const rows = readFileSync('docs/deploy.md', 'utf8').split('\n');
  for (const [name, fallback, meaning] of PARAMETER_TABLE) {
    const shown = fallback === '' ? 'none' : `\`${fallback}\``;
    expect.soft(rows).toContain(`| \`${name}\` | ${shown} | ${meaning} |`);
  }
});

import type { Guarantee, Statement } from '../guarantee.ts';
import { idOf, listed, one, referred, resourcesOf, type Template, text } from '../template.ts';

/** What each function may do to the stack's own, and nothing else: one line a grant. */
const GRANTS: Readonly<Record<'collect' | 'process' | 'query', readonly string[]>> = {
  collect: [
    'Kinesis::Stream PutRecords',
    'DynamoDB::Table State PutItem GetItem',
    'SecretsManager::Secret WriteKey GetSecretValue',
  ],
  process: [
    'Kinesis::Stream DescribeStream DescribeStreamSummary GetRecords GetShardIterator ListShards',
    'DynamoDB::Table Events GetItem BatchGetItem Query PutItem DeleteItem',
    'DynamoDB::Table State GetItem BatchGetItem Query PutItem BatchWriteItem UpdateItem DeleteItem',
    'S3::Bucket/* PutObject',
    'S3::Bucket/aws/lambda/* GetObject',
    'S3::Bucket ListBucket',
  ],
  query: [
    'DynamoDB::Table Events BatchGetItem Query Scan',
    'DynamoDB::Table Events/index/by-type Query',
    'DynamoDB::Table State GetItem BatchGetItem Query',
    'SecretsManager::Secret ReadToken GetSecretValue',
    'Kinesis::Stream PutRecords',
    'DynamoDB::Table State PutItem',
    'DynamoDB::Table State DeleteItem BatchWriteItem',
    'Kinesis::Stream ListShards GetShardIterator GetRecords',
  ],
};

export const functionsMayOnly: Guarantee = {
  problems: (template) =>
    Object.entries(GRANTS).flatMap(([stage, allowed]) => {
      const made = resourcesOf(template, 'AWS::Lambda::Function').find(([, { Properties }]) =>
        String(Properties.FunctionName).endsWith(`-${stage}`),
      );
      const role = template.Resources[referred(made?.[1].Properties.Role) ?? ''];
      const granted = listed<Statement>(role?.Properties.Policies)
        .flatMap(({ PolicyDocument }) => listed<Statement>(PolicyDocument.Statement))
        .filter(({ Action }) =>
          /^(kinesis|dynamodb|s3|secretsmanager|lambda|sqs|sns|iam):/.test(listed<string>(Action)[0] ?? ''),
        )
        .map(
          ({ Action, Resource }) =>
            `${resourceName(template, Resource)} ${listed<string>(Action)
              .map((action) => action.split(':')[1])
              .join(' ')}`,
        );
      return [
        ...granted.filter((grant) => !allowed.includes(grant)).map((grant) => `${stage} may: ${grant}`),
        ...allowed.filter((grant) => !granted.includes(grant)).map((grant) => `${stage} may not: ${grant}`),
      ];
    }),
  faults: {
    'query may write events': (t) =>
      grant(t, {
        Effect: 'Allow',
        Action: 'dynamodb:PutItem',
        Resource: { 'Fn::GetAtt': [idOf(t, 'DynamoDB::Table', /Events/), 'Arn'] },
      }),
    'the collector may read the stream': (t) => {
      const statements = one(t, 'IAM::Role', /CollectorRole/).Properties.Policies[0].PolicyDocument.Statement;
      const append = statements.find(({ Sid }: { Sid: string }) => Sid === 'Append');
      append.Action = ['kinesis:PutRecords', 'kinesis:GetRecords'];
    },
    'the collector may not append': (t) => {
      const document = one(t, 'IAM::Role', /CollectorRole/).Properties.Policies[0].PolicyDocument;
      document.Statement = document.Statement.filter(({ Sid }: { Sid: string }) => Sid !== 'Append');
    },
    'query may delete what Lambda gave up': (t) =>
      grant(t, {
        Effect: 'Allow',
        Action: 's3:DeleteObject',
        Resource: {
          'Fn::Join': ['', [{ 'Fn::GetAtt': [idOf(t, 'S3::Bucket', /DeadLetters/), 'Arn'] }, '/aws/lambda/*']],
        },
      }),
    'other objects': (t) =>
      grant(t, {
        Effect: 'Allow',
        Action: 's3:GetObject',
        Resource: 'arn:aws:s3:::other/*',
        Condition: { StringEquals: { 'kms:ViaService': 's3' } },
      }),
  },
};

function resourceName(template: Template, value: unknown): string {
  const id = /"(?:Fn::GetAtt":\["|Ref":")([A-Za-z0-9]+)"/.exec(text(value))?.[1] ?? '';
  const tail = /,"(\/[^"]+)"\]\]\}$/.exec(text(value))?.[1] ?? '';
  const type = template.Resources[id]?.Type.replace('AWS::', '') ?? text(value);
  const which = /(Events|State|WriteKey|ReadToken)[0-9A-F]{8}$/.exec(id)?.[1];
  return `${type}${which === undefined ? '' : ` ${which}`}${tail}`;
}

/** Actions that take no resource, each with AWS's word for it in infra/lib/pipeline-function.ts. */
const WITHOUT_RESOURCE = new Set([
  'xray:PutTraceSegments',
  'xray:PutTelemetryRecords',
  'ec2:CreateNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:DeleteNetworkInterface',
  'ec2:AssignPrivateIpAddresses',
  'ec2:UnassignPrivateIpAddresses',
]);

export const rolesAreExact: Guarantee = {
  problems: (template) => [
    ...resourcesOf(template, 'AWS::IAM::Policy', 'AWS::IAM::ManagedPolicy').map(([id]) => `${id} is beside the roles`),
    ...resourcesOf(template, 'AWS::IAM::Role').flatMap(([id, { Properties: role }]) => [
      ...(listed(role.ManagedPolicyArns).length === 0 ? [] : [`${id} has a managed policy`]),
      ...listed<Statement>(role.Policies)
        .flatMap(({ PolicyDocument }) => listed<Statement>(PolicyDocument.Statement))
        .filter(({ Effect }) => Effect === 'Allow')
        .flatMap(({ Action, NotAction, Resource, NotResource, Condition }) => {
          const actions = listed<string>(Action);
          const isAll = listed(Resource).some((resource) => resource === '*');
          const isOfKey = actions.some((action) => action.startsWith('kms:'));
          return [
            ...(NotAction === undefined && NotResource === undefined ? [] : [`${id} allows all but something`]),
            ...actions.filter((action) => action.includes('*')).map((action) => `${id} may ${action}`),
            ...(isAll ? actions.filter((action) => !WITHOUT_RESOURCE.has(action)) : []).map(
              (action) => `${id} may ${action} on all`,
            ),
            ...(isOfKey && Condition?.StringEquals?.['kms:ViaService'] === undefined
              ? [`${id} may use the key for anything`]
              : []),
          ];
        }),
    ]),
  ],
  faults: {
    'a wildcard of actions': (t) => grant(t, { Effect: 'Allow', Action: 'dynamodb:*', Resource: 'arn:x' }),
    'all resources': (t) => grant(t, { Effect: 'Allow', Action: ['dynamodb:GetItem'], Resource: '*' }),
    'all but something': (t) => grant(t, { Effect: 'Allow', NotAction: 'iam:*', Resource: 'arn:x' }),
    'the key for anything': (t) => grant(t, { Effect: 'Allow', Action: 'kms:Decrypt', Resource: 'arn:x' }),
    'a managed policy': (t) =>
      (one(t, 'IAM::Role', /Reader/).Properties.ManagedPolicyArns = ['arn:aws:iam::aws:policy/X']),
    'a policy beside the roles': (t) => {
      t.Resources.Beside = { Type: 'AWS::IAM::Policy', Properties: {} };
    },
  },
};

function grant(template: Template, statement: object): void {
  one(template, 'IAM::Role', /QueryReaderRole/).Properties.Policies[0].PolicyDocument.Statement.push(statement);
}

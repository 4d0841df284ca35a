import type { Guarantee, Statement } from '../guarantee.ts';
import { idOf, listed, one, referred, resourcesOf, type Template, text } from '../template.ts';

/** All that each function may do: one line a statement, with its condition. What is not here it may not. */
const GRANTS: Readonly<Record<'collect' | 'process' | 'query', readonly string[]>> = {
  collect: [
    'Kinesis::Stream kinesis: PutRecords',
    'DynamoDB::Table State dynamodb: PutItem GetItem of witness salt',
    'SecretsManager::Secret WriteKey secretsmanager: GetSecretValue',
    'KMS::Key kms: GenerateDataKey via kinesis',
    'KMS::Key kms: Encrypt Decrypt ReEncryptFrom ReEncryptTo GenerateDataKey DescribeKey via dynamodb',
    'KMS::Key kms: Decrypt via secretsmanager',
  ],
  process: [
    'Kinesis::Stream kinesis: DescribeStream DescribeStreamSummary GetRecords GetShardIterator ListShards',
    'DynamoDB::Table Events dynamodb: GetItem BatchGetItem Query PutItem DeleteItem',
    'DynamoDB::Table State dynamodb: GetItem BatchGetItem Query PutItem BatchWriteItem UpdateItem DeleteItem',
    'DynamoDB::Table Events dynamodb: Scan',
    'S3::Bucket DeadLetters/* s3: PutObject',
    'S3::Bucket DeadLetters/aws/lambda/* s3: GetObject',
    'S3::Bucket DeadLetters s3: ListBucket',
    'KMS::Key kms: Decrypt via kinesis',
    'KMS::Key kms: Encrypt Decrypt ReEncryptFrom ReEncryptTo GenerateDataKey DescribeKey via dynamodb',
    'KMS::Key kms: GenerateDataKey Decrypt via s3',
  ],
  query: [
    'DynamoDB::Table Events dynamodb: BatchGetItem Query Scan',
    'DynamoDB::Table Events/index/by-type dynamodb: Query',
    'DynamoDB::Table State dynamodb: GetItem BatchGetItem Query',
    'SecretsManager::Secret ReadToken secretsmanager: GetSecretValue',
    'Kinesis::Stream kinesis: PutRecords',
    'Kinesis::Stream kinesis: ListShards GetShardIterator GetRecords',
    'DynamoDB::Table State dynamodb: PutItem of dead* bad*',
    'DynamoDB::Table State dynamodb: PutItem of rebuild',
    'DynamoDB::Table State dynamodb: PutItem BatchWriteItem of sealed part?sealed',
    'DynamoDB::Table State dynamodb: DeleteItem of witness row?ledger?1?*',
    'KMS::Key kms: Encrypt Decrypt ReEncryptFrom ReEncryptTo GenerateDataKey DescribeKey via dynamodb',
    'KMS::Key kms: GenerateDataKey Decrypt via kinesis',
    'KMS::Key kms: Decrypt via secretsmanager',
  ],
};

const INTERFACES =
  'CreateNetworkInterface DescribeNetworkInterfaces DescribeSubnets DeleteNetworkInterface AssignPrivateIpAddresses UnassignPrivateIpAddresses';

/** What Lambda itself does in the role of a function in a VPC that logs and traces. */
const GRANTS_OF_ALL = [
  'its log group logs: CreateLogStream PutLogEvents',
  '"*" xray: PutTraceSegments PutTelemetryRecords',
  `"*" ec2: ${INTERFACES}`,
  `never "*" ec2: ${INTERFACES} DetachNetworkInterface by its code`,
];

export const functionsMayOnly: Guarantee = {
  problems: (template) =>
    Object.entries(GRANTS).flatMap(([stage, own]) => {
      const allowed = [...own, ...GRANTS_OF_ALL];
      const made = resourcesOf(template, 'AWS::Lambda::Function').find(([, { Properties }]) =>
        String(Properties.FunctionName).endsWith(`-${stage}`),
      )?.[1].Properties;
      const role = template.Resources[referred(made?.Role) ?? ''];
      const granted = listed<Statement>(role?.Properties.Policies)
        .flatMap(({ PolicyDocument }) => listed<Statement>(PolicyDocument.Statement))
        .map((statement) => grantText(template, statement, made));
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
    'the collector may read the stream, behind a service of little harm': (t) =>
      statementsOf(t, /CollectorRole/).push({
        Effect: 'Allow',
        Action: ['logs:PutLogEvents', 'kinesis:GetRecords'],
        Resource: { 'Fn::GetAtt': [idOf(t, 'Kinesis::Stream'), 'Arn'] },
      }),
    'a service that nobody thought of': (t) =>
      grant(t, { Effect: 'Allow', Action: 'sts:AssumeRole', Resource: 'arn:aws:iam::1:role/other' }),
    'the key for another service': (t) => {
      const statement = statementsOf(t, /CollectorRole/).find(({ Action }) => Action === 'kms:Decrypt');
      statement.Condition.StringEquals['kms:ViaService']['Fn::Join'][1][0] = 's3.us-east-1.';
    },
    'more of the key': (t) => {
      const statement = statementsOf(t, /CollectorRole/).find(({ Action }) => Action === 'kms:Decrypt');
      statement.Action = ['kms:Decrypt', 'kms:CreateGrant'];
    },
    'the collector may write any state': (t) =>
      delete statementsOf(t, /CollectorRole/).find(({ Sid }) => Sid === 'WitnessAndSalts').Condition,
    'query may write any state': (t) =>
      delete statementsOf(t, /ReaderRole/).find(({ Sid }) => Sid === 'NotePutBack').Condition,
    'query may write lanes': (t) =>
      (statementsOf(t, /ReaderRole/).find(({ Sid }) => Sid === 'NotePutBack').Condition = {
        'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['dead*', 'bad*', 'lane'] },
      }),
    'query may put any state in the place of the totals': (t) =>
      delete statementsOf(t, /ReaderRole/).find(({ Sid }) => Sid === 'Seal').Condition,
    'query may delete any state': (t) =>
      delete statementsOf(t, /ReaderRole/).find(({ Sid }) => Sid === 'DropSealed').Condition,
    'query may delete rows of any view': (t) =>
      (statementsOf(t, /ReaderRole/).find(({ Sid }) => Sid === 'DropSealed').Condition = {
        'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['witness', 'row?*'] },
      }),
    'query may put into the stream behind the collector': (t) =>
      (statementsOf(t, /ReaderRole/).find(({ Sid }) => Sid === 'LookAtShards').Action = [
        'kinesis:ListShards',
        'kinesis:GetShardIterator',
        'kinesis:GetRecords',
        'kinesis:PutRecord',
      ]),
    "another function's logs": (t) => {
      const logs = statementsOf(t, /CollectorRole/).find(({ Sid }) => Sid === 'Logs');
      logs.Resource = { 'Fn::GetAtt': [idOf(t, 'Logs::LogGroup', /Reader/), 'Arn'] };
    },
    'its code may make network interfaces': (t) => {
      const statements = statementsOf(t, /CollectorRole/);
      statements.splice(
        statements.findIndex(({ Effect }) => Effect === 'Deny'),
        1,
      );
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

/** Every action, the resource by its name in the stack, and the condition. */
function grantText(template: Template, { Effect, Action, Resource, Condition }: Statement, made: Statement): string {
  const actions = listed<string>(Action).map((action) => action.split(':'));
  const services = [...new Set(actions.map(([service]) => service))];
  const names =
    services.length === 1 ? `${services[0]}: ${actions.map(([, name]) => name).join(' ')}` : listed(Action).join(' ');
  const isOwnLogs = referred(Resource) === referred(made?.LoggingConfig?.LogGroup);
  const resource = isOwnLogs ? 'its log group' : resourceName(template, Resource);
  const never = Effect === 'Deny' ? 'never ' : '';
  return `${never}${resource} ${names}${Condition === undefined ? '' : conditionText(Condition, made)}`;
}

/** In words, of a condition on one key whose value is as it should be; any other as it stands. */
function conditionText(condition: Statement, { FunctionName }: Statement): string {
  const [key, ...more] = Object.entries<object>(condition).flatMap(([operator, keys]) =>
    Object.keys(keys).map((name) => `${operator} ${name}`),
  );
  const value = Object.values(Object.values<object>(condition)[0] ?? {})[0];
  const [, service] =
    /^\{"Fn::Join":\["",\["([a-z0-9]+)\.[a-z0-9-]+\.",\{"Ref":"AWS::URLSuffix"\}\]\]\}$/.exec(text(value)) ?? [];
  if (more.length === 0) {
    if (key === 'StringEquals kms:ViaService' && service !== undefined) return ` via ${service}`;
    if (key === 'ForAllValues:StringLike dynamodb:LeadingKeys') return ` of ${listed(value).join(' ')}`;
    if (key === 'ArnEquals lambda:SourceFunctionArn' && text(value).includes(`:function:${FunctionName}"`))
      return ' by its code';
  }
  return ` if ${text(condition)}`;
}

function resourceName(template: Template, value: unknown): string {
  const id = /"(?:Fn::GetAtt":\["|Ref":")([A-Za-z0-9]+)"/.exec(text(value))?.[1] ?? '';
  const tail = /,"(\/[^"]+)"\]\]\}$/.exec(text(value))?.[1] ?? '';
  const type = template.Resources[id]?.Type.replace('AWS::', '') ?? text(value);
  const which = /(Events|State|WriteKey|ReadToken)[0-9A-F]{8}$|^(DeadLetters|AccessLogs|Archive)Bucket/.exec(id);
  const name = which?.[1] ?? which?.[2];
  return `${type}${name === undefined ? '' : ` ${name}`}${tail}`;
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

function statementsOf(template: Template, role: RegExp): Statement[] {
  return one(template, 'IAM::Role', role).Properties.Policies[0].PolicyDocument.Statement;
}

function grant(template: Template, statement: object): void {
  statementsOf(template, /QueryReaderRole/).push(statement);
}

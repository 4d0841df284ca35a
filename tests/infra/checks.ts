import { METRICS, NEEDED_METRICS } from './metrics.ts';
import { listed, type Resource, referred, resourcesOf, type Template } from './template.ts';

/** A guarantee of the template: says where it does not hold. Pure, so that each is seen to fail on a planted fault. */
export type Check = (template: Template) => readonly string[];

const text = (value: unknown): string => JSON.stringify(value) ?? 'nothing';

// biome-ignore lint/suspicious/noExplicitAny: as in a template
type Statement = any;

export const subnetsArePrivate: Check = (template) => {
  const subnets = resourcesOf(template, 'AWS::EC2::Subnet');
  const associations = resourcesOf(template, 'AWS::EC2::SubnetRouteTableAssociation');
  const routes = resourcesOf(template, 'AWS::EC2::Route');
  const gateways = resourcesOf(template, 'AWS::EC2::InternetGateway', 'AWS::EC2::EgressOnlyInternetGateway');
  const zones = new Set(subnets.map(([, { Properties }]) => text(Properties.AvailabilityZone)));
  return [
    ...(zones.size < 2 ? [`${zones.size} zones`] : []),
    ...subnets.flatMap(([id, { Properties }]) => {
      const found = Properties.MapPublicIpOnLaunch === false ? [] : [`${id} gives out public addresses`];
      const tables = associations
        .filter(([, association]) => referred(association.Properties.SubnetId) === id)
        .map(([, association]) => referred(association.Properties.RouteTableId));
      if (tables.length !== 1) found.push(`${id} has ${tables.length} route tables of its own`);
      const own = routes.filter(([, route]) => tables.includes(referred(route.Properties.RouteTableId)));
      const isThroughNat = own.some(([, route]) => referred(route.Properties.NatGatewayId) !== undefined);
      if (!isThroughNat) found.push(`${id} has no route to the NAT gateway`);
      return found;
    }),
    ...routes
      .filter(([, { Properties }]) =>
        gateways.some(([id]) =>
          [referred(Properties.GatewayId), referred(Properties.EgressOnlyInternetGatewayId)].includes(id),
        ),
      )
      .map(([id]) => `${id} leads to the internet gateway`),
  ];
};

export const natIsRegional: Check = (template) => {
  const gateways = resourcesOf(template, 'AWS::EC2::NatGateway');
  const attachments = resourcesOf(template, 'AWS::EC2::VPCGatewayAttachment').map(([id]) => id);
  return [
    ...(gateways.length === 1 ? [] : [`${gateways.length} NAT gateways`]),
    ...gateways.flatMap(([id, { Properties, DependsOn }]) => [
      ...(Properties.AvailabilityMode === 'regional' && Properties.SubnetId === undefined
        ? []
        : [`${id} is not regional`]),
      ...(listed(DependsOn).some((on) => attachments.includes(on)) ? [] : [`${id} does not wait for the attachment`]),
    ]),
  ];
};

export const vpcHasNames: Check = (template) =>
  resourcesOf(template, 'AWS::EC2::VPC')
    .filter(([, { Properties }]) => !(Properties.EnableDnsSupport && Properties.EnableDnsHostnames))
    .map(([id]) => `${id} has no DNS`);

export const groupsAreClosed: Check = (template) => {
  const anywhere = /^(0\.0\.0\.0\/0|::\/0)$/;
  const groups = resourcesOf(template, 'AWS::EC2::SecurityGroup');
  const rules = [
    ...groups.flatMap(([id, { Properties }]) =>
      [...listed(Properties.SecurityGroupIngress), ...listed(Properties.SecurityGroupEgress)].map(
        (rule) => [id, rule] as const,
      ),
    ),
    ...resourcesOf(template, 'AWS::EC2::SecurityGroupIngress', 'AWS::EC2::SecurityGroupEgress').map(
      ([id, { Properties }]) => [id, Properties] as const,
    ),
  ];
  return [
    ...rules
      .filter(([, rule]) => anywhere.test(rule.CidrIp ?? '') || anywhere.test(rule.CidrIpv6 ?? ''))
      .map(([id]) => `${id} is open to anywhere`),
    ...rules.filter(([, rule]) => (rule.Description ?? '') === '').map(([id]) => `${id} has a rule without a reason`),
    // Without an inline egress rule EC2's own stays, which allows everything.
    ...groups
      .filter(([, { Properties }]) => listed(Properties.SecurityGroupEgress).length === 0)
      .map(([id]) => `${id} has no inline egress rule`),
  ];
};

export const defaultGroupIsEmptied: Check = (template) => {
  const vpcs = resourcesOf(template, 'AWS::EC2::VPC').map(([id]) => id);
  const emptied = resourcesOf(template, 'AWS::CloudFormation::CustomResource').map(
    ([, { Properties }]) => Properties.GroupId,
  );
  return vpcs
    .filter((id) => !emptied.some((group) => text(group) === text({ 'Fn::GetAtt': [id, 'DefaultSecurityGroup'] })))
    .map((id) => `the default group of ${id} keeps its rules`);
};

export const flowsAreLogged: Check = (template) => {
  const logs = resourcesOf(template, 'AWS::EC2::FlowLog');
  return resourcesOf(template, 'AWS::EC2::VPC')
    .filter(
      ([id]) =>
        !logs.some(
          ([, { Properties }]) =>
            referred(Properties.ResourceId) === id &&
            Properties.TrafficType === 'ALL' &&
            template.Resources[referred(Properties.LogGroupName) ?? '']?.Type === 'AWS::Logs::LogGroup',
        ),
    )
    .map(([id]) => `${id} has no flow log of all traffic in a log group of the stack`);
};

const ENDPOINTS: Readonly<Record<string, string>> = {
  dynamodb: 'Gateway',
  s3: 'Gateway',
  'kinesis-streams': 'Interface',
  lambda: 'Interface',
  secretsmanager: 'Interface',
};

export const endpointsAreNarrow: Check = (template) => {
  const endpoints = resourcesOf(template, 'AWS::EC2::VPCEndpoint');
  const serviceOf = ({ Properties }: Resource) =>
    /\.([a-z0-9-]+)"?\]*\}?$/.exec(text(Properties.ServiceName))?.[1] ?? '';
  const found: string[] = [];
  for (const [service, type] of Object.entries(ENDPOINTS)) {
    const [id, endpoint] = endpoints.find(([, resource]) => serviceOf(resource) === service) ?? [];
    if (endpoint === undefined) {
      found.push(`${service} has no endpoint`);
      continue;
    }
    const { VpcEndpointType, PrivateDnsEnabled, PolicyDocument } = endpoint.Properties;
    if (VpcEndpointType !== type) found.push(`${id} is no ${type}`);
    if (type === 'Interface' && PrivateDnsEnabled !== true) found.push(`${id} has no private DNS`);
    const statements: readonly Statement[] = PolicyDocument?.Statement ?? [];
    if (statements.length === 0) found.push(`${id} lets everything pass`);
    for (const { Action, Resource, Condition } of statements) {
      const isNarrow = [...listed(Action), ...listed(Resource)].every(
        (part) => part !== '*' && !/:\*$/.test(String(part)),
      );
      if (!isNarrow) found.push(`${id} is not limited to the stack's own: ${text(Action)} ${text(Resource)}`);
      if (Condition?.StringEquals?.['aws:PrincipalAccount'] === undefined) found.push(`${id} lets other accounts pass`);
    }
  }
  return found;
};

/** Buckets that access logs are delivered to: AWS delivers to S3's own key only. */
function accessLogBuckets(template: Template): ReadonlySet<string | undefined> {
  return new Set(
    resourcesOf(template, 'AWS::ElasticLoadBalancingV2::LoadBalancer').flatMap(([, { Properties }]) =>
      listed<{ Key: string; Value: unknown }>(Properties.LoadBalancerAttributes)
        .filter(({ Key }) => Key === 'access_logs.s3.bucket')
        .map(({ Value }) => referred(Value)),
    ),
  );
}

/** Of each type that holds data, where the key stands. */
const KEY_OF: Readonly<Record<string, (properties: Resource['Properties']) => unknown>> = {
  'AWS::Kinesis::Stream': ({ StreamEncryption }) =>
    StreamEncryption?.EncryptionType === 'KMS' && StreamEncryption.KeyId,
  'AWS::DynamoDB::Table': ({ SSESpecification }) => SSESpecification?.SSEEnabled && SSESpecification.KMSMasterKeyId,
  'AWS::S3::Bucket': ({ BucketEncryption }) =>
    BucketEncryption?.ServerSideEncryptionConfiguration?.[0]?.ServerSideEncryptionByDefault?.KMSMasterKeyID,
  'AWS::SQS::Queue': ({ KmsMasterKeyId }) => KmsMasterKeyId,
  'AWS::SNS::Topic': ({ KmsMasterKeyId }) => KmsMasterKeyId,
  'AWS::Logs::LogGroup': ({ KmsKeyId }) => KmsKeyId,
  'AWS::SecretsManager::Secret': ({ KmsKeyId }) => KmsKeyId,
  'AWS::KinesisFirehose::DeliveryStream': ({ ExtendedS3DestinationConfiguration: destination }) =>
    destination?.EncryptionConfiguration?.KMSEncryptionConfig?.AWSKMSKeyARN,
};

export const dataIsEncrypted: Check = (template) => {
  const keys = resourcesOf(template, 'AWS::KMS::Key').map(([id]) => id);
  const excepted = accessLogBuckets(template);
  return Object.entries(KEY_OF).flatMap(([type, keyOf]) =>
    resourcesOf(template, type)
      .filter(([id]) => !excepted.has(id))
      .filter(([, { Properties }]) => !keys.includes(referred(keyOf(Properties ?? {})) ?? ''))
      .map(([id]) => `${id} is not encrypted with the key of the stack`),
  );
};

export const keyIsGuarded: Check = (template) => {
  const aliased = resourcesOf(template, 'AWS::KMS::Alias').map(([, { Properties }]) =>
    referred(Properties.TargetKeyId),
  );
  return resourcesOf(template, 'AWS::KMS::Key').flatMap(([id, { Properties }]) => [
    ...(Properties.EnableKeyRotation === true ? [] : [`${id} does not rotate`]),
    ...(aliased.includes(id) ? [] : [`${id} has no alias`]),
    ...listed<Statement>(Properties.KeyPolicy.Statement)
      .filter(({ Principal, Condition }) => Principal.Service !== undefined && Condition === undefined)
      .map(({ Sid }) => `${id} lets a service in without a condition: ${Sid}`),
    ...listed<Statement>(Properties.KeyPolicy.Statement)
      .filter(({ Principal }) => Principal === '*' || Principal.AWS === '*')
      .map(({ Sid }) => `${id} lets anybody in: ${Sid}`),
  ]);
};

export const logsForget: Check = (template) => [
  ...resourcesOf(template, 'AWS::Logs::LogGroup')
    .filter(([, { Properties }]) => !(Properties.RetentionInDays > 0))
    .map(([id]) => `${id} never forgets`),
  // A function without one gets a group that nobody encrypts and that never forgets.
  ...resourcesOf(template, 'AWS::Lambda::Function')
    .filter(
      ([, { Properties }]) =>
        template.Resources[referred(Properties.LoggingConfig?.LogGroup) ?? '']?.Type !== 'AWS::Logs::LogGroup',
    )
    .map(([id]) => `${id} has no log group of the stack`),
];

const STATE: Readonly<Record<string, string>> = {
  'AWS::DynamoDB::Table': 'TableName',
  'AWS::Kinesis::Stream': 'Name',
  'AWS::S3::Bucket': 'BucketName',
  'AWS::KMS::Key': 'KeyId',
  'AWS::SecretsManager::Secret': 'Name',
};

export const stateIsRetained: Check = (template) =>
  Object.entries(STATE).flatMap(([type, name]) =>
    resourcesOf(template, type).flatMap(([id, { Properties, DeletionPolicy, UpdateReplacePolicy }]) => [
      ...(DeletionPolicy === 'Retain' && UpdateReplacePolicy === 'Retain' ? [] : [`${id} goes with the stack`]),
      // It stays when the stack goes; the next one could then not be made.
      ...(Properties[name] === undefined ? [] : [`${id} has the name ${text(Properties[name])}`]),
    ]),
  );

export const tablesAreSafe: Check = (template) => {
  const tables = resourcesOf(template, 'AWS::DynamoDB::Table');
  const streams = tables.filter(
    ([, { Properties }]) => Properties.StreamSpecification?.StreamViewType === 'NEW_AND_OLD_IMAGES',
  );
  return [
    ...tables.flatMap(([id, { Properties: table }]) => [
      ...(table.PointInTimeRecoverySpecification?.PointInTimeRecoveryEnabled === true
        ? []
        : [`${id} cannot be brought back`]),
      ...(table.DeletionProtectionEnabled === true ? [] : [`${id} can be deleted`]),
      ...(table.TimeToLiveSpecification?.Enabled && table.TimeToLiveSpecification.AttributeName === 'expiresAt'
        ? []
        : [`${id} never forgets`]),
    ]),
    ...(streams.length > 0 ? [] : ['no table has a change feed']),
  ];
};

/** `table/<id>` and `table/<id>/index/<name>` by what can be scaled. */
export const capacityScales: Check = (template) => {
  const targets = resourcesOf(template, 'AWS::ApplicationAutoScaling::ScalableTarget');
  const policies = resourcesOf(template, 'AWS::ApplicationAutoScaling::ScalingPolicy');
  const tables = resourcesOf(template, 'AWS::DynamoDB::Table');
  const found: string[] = [];
  for (const [id, { Properties: table }] of tables) {
    const isOnDemand = table.BillingMode === 'PAY_PER_REQUEST';
    const indexes = listed<{ IndexName: string }>(table.GlobalSecondaryIndexes).map(({ IndexName }) => IndexName);
    const scalable = [
      ...['Read', 'Write'].map((kind) => ({
        resource: ['table/', { Ref: id }],
        dimension: `table:${kind}CapacityUnits`,
      })),
      ...indexes.flatMap((index) =>
        ['Read', 'Write'].map((kind) => ({
          resource: ['table/', { Ref: id }, `/index/${index}`],
          dimension: `index:${kind}CapacityUnits`,
        })),
      ),
    ];
    const own = targets.filter(([, { Properties }]) => text(Properties.ResourceId).includes(`"${id}"`));
    if (isOnDemand) {
      found.push(...own.map(([target]) => `${target} scales ${id}, which is on demand`));
      continue;
    }
    for (const { resource, dimension } of scalable) {
      const target = own.find(
        ([, { Properties }]) =>
          text(Properties.ResourceId) === text({ 'Fn::Join': ['', resource] }) &&
          Properties.ScalableDimension === `dynamodb:${dimension}`,
      );
      const what = `${id} ${text(resource.slice(2))} ${dimension}`;
      if (target === undefined) {
        found.push(`${what} does not scale`);
        continue;
      }
      const policy = policies.find(([, { Properties }]) => referred(Properties.ScalingTargetId) === target[0]);
      const goal = policy?.[1].Properties.TargetTrackingScalingPolicyConfiguration?.TargetValue;
      if (goal !== 70) found.push(`${what} scales at ${text(goal)} %, not at 70`);
    }
  }
  return found;
};

export const alarmsWork: Check = (template) => {
  const topics = resourcesOf(template, 'AWS::SNS::Topic').map(([id]) => id);
  return resourcesOf(template, 'AWS::CloudWatch::Alarm').flatMap(([id, { Properties: alarm }]) => {
    const metrics: readonly Statement[] =
      alarm.Metrics === undefined
        ? [alarm]
        : alarm.Metrics.flatMap(({ MetricStat }: Statement) => (MetricStat === undefined ? [] : [MetricStat.Metric]));
    return [
      ...(listed(alarm.AlarmActions).some((action) => topics.includes(referred(action) ?? ''))
        ? []
        : [`${id} tells nobody`]),
      ...(/^Runbook: .{40}/.test(alarm.AlarmDescription ?? '') ? [] : [`${id} has no runbook`]),
      ...(['breaching', 'notBreaching'].includes(alarm.TreatMissingData) ? [] : [`${id}: missing data means nothing`]),
      ...(metrics.length > 0 ? [] : [`${id} has no metric`]),
      ...metrics.flatMap((metric) => metricProblems(template, metric).map((problem) => `${id}: ${problem}`)),
    ];
  });
};

function metricProblems(template: Template, { Namespace, MetricName, Dimensions }: Statement): readonly string[] {
  const known = METRICS[`${Namespace} ${MetricName}`];
  if (known === undefined) return [`${Namespace} has no metric ${MetricName}`];
  const names = listed<{ Name: string }>(Dimensions).map(({ Name }) => Name);
  const dimensions = known.find((set) => text([...set].sort()) === text([...names].sort()));
  if (dimensions === undefined) return [`${MetricName} has no dimensions ${names.join(', ')}`];
  return listed<{ Name: string; Value: unknown }>(Dimensions)
    .filter(({ Name, Value }) => !isThere(template, Name, Value))
    .map(({ Name, Value }) => `${Name} ${text(Value)} is nothing of the stack`);
}

const DIMENSION_TYPES: Readonly<Record<string, string>> = {
  StreamName: 'AWS::Kinesis::Stream',
  TableName: 'AWS::DynamoDB::Table',
  QueueName: 'AWS::SQS::Queue',
  LoadBalancer: 'AWS::ElasticLoadBalancingV2::LoadBalancer',
  TargetGroup: 'AWS::ElasticLoadBalancingV2::TargetGroup',
};

function isThere(template: Template, name: string, value: unknown): boolean {
  if (name === 'FunctionName') {
    return resourcesOf(template, 'AWS::Lambda::Function').some(
      ([, { Properties }]) => Properties.FunctionName === value,
    );
  }
  if (name === 'GlobalSecondaryIndexName') {
    return resourcesOf(template, 'AWS::DynamoDB::Table').some(([, { Properties }]) =>
      listed<{ IndexName: string }>(Properties.GlobalSecondaryIndexes).some(({ IndexName }) => IndexName === value),
    );
  }
  return template.Resources[referred(value) ?? '']?.Type === DIMENSION_TYPES[name];
}

export const alarmsCoverAll: Check = (template) => {
  const watched = text(resourcesOf(template, 'AWS::CloudWatch::Alarm').map(([, { Properties }]) => Properties));
  return [
    ...NEEDED_METRICS.filter((name) => !watched.includes(`"${name}"`)).map((name) => `no alarm on ${name}`),
    ...(resourcesOf(template, 'AWS::CloudWatch::Dashboard').length > 0 ? [] : ['no dashboard']),
  ];
};

export const batchesAreSafe: Check = (template) => {
  const mappings = resourcesOf(template, 'AWS::Lambda::EventSourceMapping');
  const streams = resourcesOf(template, 'AWS::Kinesis::Stream');
  return [
    ...(mappings.length === 1 ? [] : [`${mappings.length} event source mappings`]),
    ...mappings.flatMap(([id, { Properties: mapping }]) => {
      const hours = template.Resources[referred(mapping.EventSourceArn) ?? '']?.Properties.RetentionPeriodHours;
      const destination = template.Resources[referred(mapping.DestinationConfig?.OnFailure?.Destination) ?? ''];
      const expected: Readonly<Record<string, boolean>> = {
        'starts at the oldest record': mapping.StartingPosition === 'TRIM_HORIZON',
        'has one batch in flight a shard': mapping.ParallelizationFactor === 1,
        'bisects a batch that fails': mapping.BisectBatchOnFunctionError === true,
        'takes partial answers': text(mapping.FunctionResponseTypes) === text(['ReportBatchItemFailures']),
        'retries without limit': mapping.MaximumRetryAttempts === -1,
        'gives up 2 h before the stream does': mapping.MaximumRecordAgeInSeconds / 3_600 <= hours - 2,
        'has a limit of age': mapping.MaximumRecordAgeInSeconds > 0,
        'fails to a bucket': destination?.Type === 'AWS::S3::Bucket',
        'reads the stream': streams.some(([stream]) => stream === referred(mapping.EventSourceArn)),
      };
      return Object.entries(expected).flatMap(([what, holds]) => (holds ? [] : [`${id}: not so: ${what}`]));
    }),
  ];
};

export const deadLettersAreNoticed: Check = (template) => {
  const policies = resourcesOf(template, 'AWS::SQS::QueuePolicy');
  const failures = resourcesOf(template, 'AWS::Lambda::EventSourceMapping').map(([, { Properties }]) =>
    referred(Properties.DestinationConfig?.OnFailure?.Destination),
  );
  return failures.flatMap((bucket) => {
    const resource = template.Resources[bucket ?? ''];
    const queue = referred(resource?.Properties.NotificationConfiguration?.QueueConfigurations?.[0]?.Queue);
    if (queue === undefined) return [`${bucket} notifies no queue`];
    const own = policies.filter(([, { Properties }]) =>
      listed(Properties.Queues).some((one) => referred(one) === queue),
    );
    const [policy] = own;
    const mayBucket = listed<Statement>(policy?.[1].Properties.PolicyDocument.Statement).some(
      ({ Effect, Principal, Condition }) =>
        Effect === 'Allow' &&
        Principal.Service === 's3.amazonaws.com' &&
        Condition?.StringEquals?.['aws:SourceAccount'] !== undefined,
    );
    return [
      ...(template.Resources[queue]?.Properties.MessageRetentionPeriod === 1_209_600
        ? []
        : [`${queue} forgets before 14 days`]),
      // The second of two would take the place of the first.
      ...(own.length === 1 ? [] : [`${queue} has ${own.length} policies`]),
      ...(mayBucket ? [] : [`${bucket} may not notify ${queue}, or every account may`]),
      ...(listed(resource?.DependsOn).includes(policy?.[0] ?? '')
        ? []
        : [`${bucket} may be made before it may notify`]),
    ];
  });
};

/** Those with a bundle; the one that empties the default group is written into the template. */
export const functionsAreAlike: Check = (template) => {
  const functions = resourcesOf(template, 'AWS::Lambda::Function').filter(
    ([, { Properties }]) => Properties.Code.ZipFile === undefined,
  );
  const subnets = resourcesOf(template, 'AWS::EC2::Subnet').map(([id]) => id);
  const roles = resourcesOf(template, 'AWS::Lambda::Function').map(([, { Properties }]) => referred(Properties.Role));
  return [
    ...(functions.length === 3 ? [] : [`${functions.length} functions`]),
    ...(new Set(roles).size === roles.length ? [] : ['two functions share a role']),
    ...functions.flatMap(([id, { Properties: made }]) => {
      const variables = made.Environment?.Variables ?? {};
      const expected: Readonly<Record<string, boolean>> = {
        'Node 24': made.Runtime === 'nodejs24.x',
        arm64: text(made.Architectures) === text(['arm64']),
        '512 MB': made.MemorySize === 512,
        '60 s': made.Timeout === 60,
        traced: made.TracingConfig?.Mode === 'Active',
        'in the private subnets': text(listed(made.VpcConfig?.SubnetIds).map(referred)) === text(subnets),
        'in a group of the stack':
          template.Resources[referred(made.VpcConfig?.SecurityGroupIds?.[0]) ?? '']?.Type === 'AWS::EC2::SecurityGroup',
        'source maps': variables.NODE_OPTIONS === '--enable-source-maps',
        'knows the stream, the tables and the bucket': [
          'STREAM_NAME',
          'EVENTS_TABLE',
          'STATE_TABLE',
          'DEAD_LETTERS_BUCKET',
        ].every((name) => referred(variables[name]) !== undefined),
      };
      return Object.entries(expected).flatMap(([what, holds]) => (holds ? [] : [`${id}: not so: ${what}`]));
    }),
  ];
};

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

export const rolesAreExact: Check = (template) => [
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
];

/** What each function may do to the stack's own, and nothing else: one line a grant. */
export const GRANTS: Readonly<Record<'collect' | 'process' | 'query', readonly string[]>> = {
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
    'S3::Bucket ListBucket',
  ],
  query: [
    'DynamoDB::Table Events BatchGetItem Query Scan',
    'DynamoDB::Table Events/index/by-type Query',
    'DynamoDB::Table State GetItem BatchGetItem Query',
    'SecretsManager::Secret ReadToken GetSecretValue',
    'Kinesis::Stream PutRecords',
    'DynamoDB::Table State PutItem',
  ],
};

export const functionsMayOnly: Check = (template) =>
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
  });

function resourceName(template: Template, value: unknown): string {
  const id = /"(?:Fn::GetAtt":\["|Ref":")([A-Za-z0-9]+)"/.exec(text(value))?.[1] ?? '';
  const tail = /,"(\/[^"]+)"\]\]\}$/.exec(text(value))?.[1] ?? '';
  const type = template.Resources[id]?.Type.replace('AWS::', '') ?? text(value);
  const which = /(Events|State|WriteKey|ReadToken)[0-9A-F]{8}$/.exec(id)?.[1];
  return `${type}${which === undefined ? '' : ` ${which}`}${tail}`;
}

export const balancerIsInternal: Check = (template) =>
  resourcesOf(template, 'AWS::ElasticLoadBalancingV2::LoadBalancer').flatMap(([id, { Properties: balancer }]) => {
    const attributes = new Map(
      listed<{ Key: string; Value: unknown }>(balancer.LoadBalancerAttributes).map(({ Key, Value }) => [Key, Value]),
    );
    const expected: Readonly<Record<string, boolean>> = {
      internal: balancer.Scheme === 'internal',
      'in two zones': listed(balancer.Subnets).length >= 2,
      'logs what is asked': attributes.get('access_logs.s3.enabled') === 'true',
      'drops invalid headers': attributes.get('routing.http.drop_invalid_header_fields.enabled') === 'true',
      'guards against smuggling': ['defensive', 'strictest'].includes(
        String(attributes.get('routing.http.desync_mitigation_mode')),
      ),
    };
    return Object.entries(expected).flatMap(([what, holds]) => (holds ? [] : [`${id}: not so: ${what}`]));
  });

export const targetsAnswer: Check = (template) => {
  const permissions = resourcesOf(template, 'AWS::Lambda::Permission');
  const groups = resourcesOf(template, 'AWS::ElasticLoadBalancingV2::TargetGroup');
  return [
    ...(groups.length === 2 ? [] : [`${groups.length} target groups`]),
    ...groups.flatMap(([id, { Properties: group, DependsOn }]) => {
      const target = group.Targets?.[0]?.Id;
      const attributes = new Map(
        listed<{ Key: string; Value: string }>(group.TargetGroupAttributes).map(({ Key, Value }) => [Key, Value]),
      );
      const permission = permissions.find(
        ([, { Properties }]) =>
          text(Properties.FunctionName) === text(target) &&
          Properties.Principal === 'elasticloadbalancing.amazonaws.com' &&
          text(Properties.SourceArn).includes(`:targetgroup/${group.Name}/*`) &&
          Properties.SourceAccount !== undefined,
      );
      const expected: Readonly<Record<string, boolean>> = {
        'a function': group.TargetType === 'lambda' && target !== undefined,
        'many values a header': attributes.get('lambda.multi_value_headers.enabled') === 'true',
        'not sticky': attributes.get('stickiness.enabled') !== 'true',
        'asked for /health': group.HealthCheckEnabled === true && group.HealthCheckPath === '/health',
        'may be invoked by this group alone': permission !== undefined,
        'made after the permission': listed(DependsOn).includes(permission?.[0] ?? ''),
        'a name of 32 characters at most': String(group.Name).length <= 32,
      };
      return Object.entries(expected).flatMap(([what, holds]) => (holds ? [] : [`${id}: not so: ${what}`]));
    }),
  ];
};

function valuesOf({ Properties }: Resource): readonly string[] {
  return listed<Statement>(Properties.Conditions).flatMap((condition) => [
    ...listed<string>(condition.PathPatternConfig?.Values),
    ...listed<string>(condition.HttpRequestMethodConfig?.Values),
  ]);
}

export const pathsAreServed: Check = (template) => {
  const rules = resourcesOf(template, 'AWS::ElasticLoadBalancingV2::ListenerRule');
  const listeners = resourcesOf(template, 'AWS::ElasticLoadBalancingV2::Listener');
  const groupOf = (stage: string) =>
    resourcesOf(template, 'AWS::ElasticLoadBalancingV2::TargetGroup').find(([, { Properties }]) =>
      String(Properties.Name).endsWith(`-${stage}`),
    )?.[0];
  const serving = listeners.filter(([, { Properties }]) => Properties.DefaultActions[0].Type === 'forward');
  const paths = ['/api/*', '/', '/openapi.json', '/ready', '/metrics'];
  return [
    ...(serving.length === 1 ? [] : [`${serving.length} listeners serve`]),
    ...rules
      .filter(([, rule]) => valuesOf(rule).length > 5)
      .map(([id, rule]) => `${id} has ${valuesOf(rule).length} values, and a rule takes five`),
    ...serving.flatMap(([id, { Properties }]) => {
      const own = rules.filter(([, rule]) => referred(rule.Properties.ListenerArn) === id);
      const isQuery = (path: string) =>
        own.some(
          ([, rule]) =>
            valuesOf(rule).includes(path) && referred(rule.Properties.Actions[0].TargetGroupArn) === groupOf('query'),
        );
      return [
        ...(referred(Properties.DefaultActions[0].TargetGroupArn) === groupOf('collect')
          ? []
          : [`${id} does not go to the collector`]),
        ...paths.filter((path) => !isQuery(path)).map((path) => `${id}: ${path} does not go to query`),
      ];
    }),
  ];
};

/** Of a stack with a certificate. */
export const plainHttpLosesNothing: Check = (template) => {
  const listeners = resourcesOf(template, 'AWS::ElasticLoadBalancingV2::Listener');
  const rules = resourcesOf(template, 'AWS::ElasticLoadBalancingV2::ListenerRule');
  const secure = listeners.filter(([, { Properties }]) => Properties.Protocol === 'HTTPS');
  return [
    ...(secure.length === 1 ? [] : [`${secure.length} listeners have HTTPS`]),
    ...secure
      .filter(([, { Properties }]) => !(Properties.Certificates?.length > 0 && /TLS13/.test(Properties.SslPolicy)))
      .map(([id]) => `${id} has no certificate, or an old TLS`),
    ...listeners
      .filter(([, { Properties }]) => Properties.Port === 80)
      .flatMap(([id, { Properties }]) => {
        const [action] = Properties.DefaultActions;
        const own = rules.filter(([, rule]) => referred(rule.Properties.ListenerArn) === id);
        const redirects = own.filter(([, rule]) => rule.Properties.Actions[0].Type === 'redirect');
        const { StatusCode = '', MessageBody = '' } = action.FixedResponseConfig ?? {};
        return [
          ...(action.Type === 'fixed-response' && /^4/.test(StatusCode) && MessageBody.includes('https')
            ? []
            : [`${id} does not answer a POST with an error that names https`]),
          ...(redirects.length === 1 ? [] : [`${id} has ${redirects.length} redirects`]),
          ...redirects
            .filter(([, rule]) => text(valuesOf(rule)) !== text(['GET', 'HEAD']))
            .map(([rule]) => `${rule} redirects more than GET and HEAD`),
          ...own
            .filter(([, rule]) => rule.Properties.Actions[0].Type === 'forward')
            .map(([rule]) => `${rule} serves over HTTP`),
        ];
      }),
  ];
};

export const bucketsArePrivate: Check = (template) => {
  const policies = resourcesOf(template, 'AWS::S3::BucketPolicy');
  return resourcesOf(template, 'AWS::S3::Bucket').flatMap(([id, { Properties: bucket }]) => {
    const block = bucket.PublicAccessBlockConfiguration ?? {};
    const isBlocked = ['BlockPublicAcls', 'BlockPublicPolicy', 'IgnorePublicAcls', 'RestrictPublicBuckets'].every(
      (name) => block[name] === true,
    );
    const statements = policies
      .filter(([, { Properties }]) => referred(Properties.Bucket) === id)
      .flatMap(([, { Properties }]) => listed<Statement>(Properties.PolicyDocument.Statement));
    const isTls = statements.some(
      ({ Effect, Condition }) => Effect === 'Deny' && Condition?.Bool?.['aws:SecureTransport'] === 'false',
    );
    return [
      ...(isBlocked ? [] : [`${id} can be made public`]),
      ...(isTls ? [] : [`${id} answers without TLS`]),
      ...(listed<Statement>(bucket.LifecycleConfiguration?.Rules).some(({ ExpirationInDays }) => ExpirationInDays > 0)
        ? []
        : [`${id} never forgets`]),
    ];
  });
};

export const accessLogsArrive: Check = (template) => {
  const policies = resourcesOf(template, 'AWS::S3::BucketPolicy');
  const balancers = resourcesOf(template, 'AWS::ElasticLoadBalancingV2::LoadBalancer');
  return [...accessLogBuckets(template)].flatMap((bucket) => {
    const policy = policies.find(([, { Properties }]) => referred(Properties.Bucket) === bucket);
    const mayDeliver = listed<Statement>(policy?.[1].Properties.PolicyDocument.Statement).some(
      ({ Principal, Action }) =>
        Principal.Service === 'logdelivery.elasticloadbalancing.amazonaws.com' && Action === 's3:PutObject',
    );
    return [
      ...(mayDeliver ? [] : [`nobody may deliver access logs to ${bucket}`]),
      ...balancers
        .filter(([, { DependsOn }]) => !listed(DependsOn).includes(policy?.[0] ?? ''))
        .map(([id]) => `${id} may be made before its logs may be delivered`),
    ];
  });
};

export const streamIsWatched: Check = (template) =>
  resourcesOf(template, 'AWS::Kinesis::Stream')
    .filter(([, { Properties }]) => listed(Properties.DesiredShardLevelMetrics).length === 0)
    .map(([id]) => `${id} has no metrics of shards`);

export const secretsAreMade: Check = (template) => {
  const secrets = resourcesOf(template, 'AWS::SecretsManager::Secret');
  return [
    ...(secrets.length === 2 ? [] : [`${secrets.length} secrets`]),
    ...secrets
      .filter(([, { Properties }]) => {
        const { PasswordLength, ExcludePunctuation, IncludeSpace } = Properties.GenerateSecretString ?? {};
        return !(PasswordLength === 40 && ExcludePunctuation === true && IncludeSpace !== true);
      })
      .map(([id]) => `${id} is not 40 letters and digits`),
  ];
};

/** Types that take no tags: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html */
const UNTAGGED =
  /^AWS::(EC2::(Route|SubnetRouteTableAssociation|VPCGatewayAttachment|SecurityGroupIngress|SecurityGroupEgress)|KMS::Alias|Lambda::Permission|S3::BucketPolicy|SQS::QueuePolicy|SNS::(TopicPolicy|Subscription)|ApplicationAutoScaling::ScalingPolicy|CloudFormation::CustomResource|Logs::LogStream)$/;

export const everythingIsTagged: Check = (template) =>
  Object.entries(template.Resources)
    .filter(([, { Type }]) => !UNTAGGED.test(Type))
    .flatMap(([id, { Properties }]) => {
      const tags = listed<{ Key: string }>(Properties.Tags).map(({ Key }) => Key);
      const missing = ['project', 'environment', 'suffix', 'stack'].filter((key) => !tags.includes(key));
      return missing.length === 0 ? [] : [`${id} has no tag ${missing.join(', ')}`];
    });

export const OUTPUTS = [
  ...['VpcId', 'VpcCidr', 'SubnetIds', 'NatGatewayIds'],
  ...['BalancerGroupId', 'FunctionsGroupId', 'EndpointsGroupId'],
  ...['DynamodbEndpointId', 'S3EndpointId', 'KinesisEndpointId', 'LambdaEndpointId', 'SecretsEndpointId'],
  ...['StreamName', 'StreamArn', 'EventsTableName', 'EventsTableArn', 'EventsTableStreamArn'],
  ...['StateTableName', 'StateTableArn', 'BalancerDns', 'BalancerArn', 'Url'],
  ...['CollectTargetGroupArn', 'QueryTargetGroupArn', 'DeadLetterQueueUrl', 'DeadLetterBucketName'],
  ...['Collect', 'Process', 'Query'].flatMap((stage) => [
    `${stage}FunctionName`,
    `${stage}FunctionArn`,
    `${stage}LogGroup`,
  ]),
  ...['FlowLogGroup', 'WriteKeySecretArn', 'ReadTokenSecretArn', 'AlarmTopicArn', 'KeyArn', 'Region', 'BalancerName'],
];

export const outputsAreThere: Check = (template) => [
  ...OUTPUTS.filter((name) => template.Outputs[name] === undefined).map((name) => `no output ${name}`),
  ...Object.entries(template.Outputs)
    .filter(([, { Description }]) => (Description ?? '') === '')
    .map(([name]) => `output ${name} is not described`),
];

export const processorHasItsShare: Check = (template) =>
  resourcesOf(template, 'AWS::Lambda::Function')
    .filter(([, { Properties }]) => String(Properties.FunctionName).endsWith('-process'))
    .filter(([, { Properties }]) => Properties.ReservedConcurrentExecutions !== 100)
    .map(([id]) => `${id} has no share of 100`);

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as checks from './checks.ts';
import { type Resource, resourcesOf, stackOf, type Template } from './template.ts';

/** A copy of the template, and the fault that a check must find in it. */
type Plant = (template: Template) => void;

const CHECKS: ReadonlyMap<string, checks.Check> = new Map(
  Object.entries(checks).filter((entry): entry is [string, checks.Check] => typeof entry[1] === 'function'),
);

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

/** The one resource of a type, or the one of several whose logical id matches. */
function one(template: Template, type: string, id = /./): Resource {
  const [found, second] = resourcesOf(template, `AWS::${type}`).filter(([name]) => id.test(name));
  if (found === undefined || second !== undefined) throw new Error(`there is not one ${type} ${id}`);
  return found[1];
}

function first(template: Template, type: string, id = /./): Resource {
  const [found] = resourcesOf(template, `AWS::${type}`).filter(([name]) => id.test(name));
  if (found === undefined) throw new Error(`there is no ${type} ${id}`);
  return found[1];
}

function idOf(template: Template, type: string, id = /./): string {
  const [found] = resourcesOf(template, `AWS::${type}`).filter(([name]) => id.test(name));
  if (found === undefined) throw new Error(`there is no ${type} ${id}`);
  return found[0];
}

function remove(template: Template, type: string, id = /./): void {
  delete template.Resources[idOf(template, type, id)];
}

function attribute(resource: Resource, list: string, key: string, value: string): void {
  resource.Properties[list].find(({ Key }: { Key: string }) => Key === key).Value = value;
}

function grant(template: Template, statement: object): void {
  one(template, 'IAM::Role', /QueryReaderRole/).Properties.Policies[0].PolicyDocument.Statement.push(statement);
}

const FUNCTION = 'Lambda::Function';
const ALARM = 'CloudWatch::Alarm';
const KEY = { StringEquals: { 'kms:ViaService': 's3' } };

const GUARANTEES: Readonly<
  Record<Exclude<keyof typeof checks, 'GRANTS' | 'OUTPUTS' | 'plainHttpLosesNothing'>, Record<string, Plant>>
> = {
  subnetsArePrivate: {
    'a route to the internet gateway': (t) => {
      const route = first(t, 'EC2::Route').Properties;
      delete route.NatGatewayId;
      route.GatewayId = { Ref: idOf(t, 'EC2::InternetGateway') };
    },
    'a second route to the internet gateway': (t) => {
      const { RouteTableId } = first(t, 'EC2::Route').Properties;
      t.Resources.Second = {
        Type: 'AWS::EC2::Route',
        Properties: {
          RouteTableId,
          DestinationCidrBlock: '203.0.113.0/24',
          GatewayId: { Ref: idOf(t, 'EC2::InternetGateway') },
        },
      };
    },
    'public addresses': (t) => (first(t, 'EC2::Subnet').Properties.MapPublicIpOnLaunch = true),
    'one zone': (t) => {
      for (const [, subnet] of resourcesOf(t, 'AWS::EC2::Subnet')) subnet.Properties.AvailabilityZone = 'eu-central-1a';
    },
    'a subnet on the main route table': (t) => remove(t, 'EC2::SubnetRouteTableAssociation'),
  },
  natIsRegional: {
    'a NAT gateway of one zone': (t) => delete one(t, 'EC2::NatGateway').Properties.AvailabilityMode,
    'a NAT gateway in a subnet': (t) => (one(t, 'EC2::NatGateway').Properties.SubnetId = 'subnet-1'),
    'it does not wait for the attachment': (t) => delete one(t, 'EC2::NatGateway').DependsOn,
    'there is none': (t) => remove(t, 'EC2::NatGateway'),
  },
  vpcHasNames: { 'no names': (t) => (one(t, 'EC2::VPC').Properties.EnableDnsHostnames = false) },
  groupsAreClosed: {
    'in from anywhere': (t) =>
      (first(t, 'EC2::SecurityGroup', /Balancer/).Properties.SecurityGroupIngress[0].CidrIp = '0.0.0.0/0'),
    'out to anywhere': (t) =>
      first(t, 'EC2::SecurityGroup', /Functions/).Properties.SecurityGroupEgress.push({
        CidrIp: '0.0.0.0/0',
        Description: 'x',
      }),
    'out to anywhere by IPv6': (t) =>
      first(t, 'EC2::SecurityGroup', /Functions/).Properties.SecurityGroupEgress.push({
        CidrIpv6: '::/0',
        Description: 'x',
      }),
    'in from anywhere, by a rule of its own': (t) =>
      Object.assign(first(t, 'EC2::SecurityGroupIngress').Properties, { CidrIp: '0.0.0.0/0' }),
    'no inline egress rule': (t) => delete first(t, 'EC2::SecurityGroup', /Endpoints/).Properties.SecurityGroupEgress,
    'a rule without a reason': (t) =>
      delete first(t, 'EC2::SecurityGroup', /Balancer/).Properties.SecurityGroupIngress[0].Description,
  },
  defaultGroupIsEmptied: {
    'nobody does it': (t) => remove(t, 'CloudFormation::CustomResource'),
    'another group is emptied': (t) => (one(t, 'CloudFormation::CustomResource').Properties.GroupId = 'sg-1'),
  },
  flowsAreLogged: {
    'no flow log': (t) => remove(t, 'EC2::FlowLog'),
    'of rejections alone': (t) => (one(t, 'EC2::FlowLog').Properties.TrafficType = 'REJECT'),
    elsewhere: (t) => (one(t, 'EC2::FlowLog').Properties.LogGroupName = 'flows'),
  },
  endpointsAreNarrow: {
    'none of Kinesis': (t) => remove(t, 'EC2::VPCEndpoint', /Kinesis/),
    'none of DynamoDB': (t) => remove(t, 'EC2::VPCEndpoint', /Dynamodb/),
    'no policy': (t) => delete first(t, 'EC2::VPCEndpoint', /S3/).Properties.PolicyDocument,
    'all actions': (t) => (first(t, 'EC2::VPCEndpoint', /S3/).Properties.PolicyDocument.Statement[0].Action = '*'),
    'all resources': (t) =>
      (first(t, 'EC2::VPCEndpoint', /Lambda/).Properties.PolicyDocument.Statement[0].Resource = '*'),
    'other accounts': (t) =>
      delete first(t, 'EC2::VPCEndpoint', /Lambda/).Properties.PolicyDocument.Statement[0].Condition,
    'public names': (t) => (first(t, 'EC2::VPCEndpoint', /Kinesis/).Properties.PrivateDnsEnabled = false),
    'an interface for DynamoDB': (t) =>
      (first(t, 'EC2::VPCEndpoint', /Dynamodb/).Properties.VpcEndpointType = 'Interface'),
  },
  dataIsEncrypted: {
    'a stream in clear': (t) => delete one(t, 'Kinesis::Stream').Properties.StreamEncryption,
    "a stream with the service's key": (t) =>
      (one(t, 'Kinesis::Stream').Properties.StreamEncryption.KeyId = 'alias/aws/kinesis'),
    "a table with the service's key": (t) =>
      delete first(t, 'DynamoDB::Table').Properties.SSESpecification.KMSMasterKeyId,
    'dead letters with the key of S3': (t) => delete one(t, 'S3::Bucket', /DeadLetters/).Properties.BucketEncryption,
    'notices in clear': (t) => delete one(t, 'SQS::Queue').Properties.KmsMasterKeyId,
    'alarms in clear': (t) => delete one(t, 'SNS::Topic').Properties.KmsMasterKeyId,
    'logs in clear': (t) => delete first(t, 'Logs::LogGroup').Properties.KmsKeyId,
    'a secret with the key of the service': (t) => delete first(t, 'SecretsManager::Secret').Properties.KmsKeyId,
  },
  keyIsGuarded: {
    'it does not rotate': (t) => delete one(t, 'KMS::Key').Properties.EnableKeyRotation,
    'it has no alias': (t) => remove(t, 'KMS::Alias'),
    'a service without a condition': (t) => delete one(t, 'KMS::Key').Properties.KeyPolicy.Statement[1].Condition,
    anybody: (t) => (one(t, 'KMS::Key').Properties.KeyPolicy.Statement[0].Principal = { AWS: '*' }),
  },
  logsForget: {
    'a group that never forgets': (t) => delete first(t, 'Logs::LogGroup', /Flow/).Properties.RetentionInDays,
    'a function that makes its own group': (t) => delete first(t, FUNCTION, /Reader/).Properties.LoggingConfig,
  },
  stateIsRetained: {
    'a table goes with the stack': (t) => (first(t, 'DynamoDB::Table').DeletionPolicy = 'Delete'),
    'a stream that is replaced is lost': (t) => delete one(t, 'Kinesis::Stream').UpdateReplacePolicy,
    'a bucket goes with the stack': (t) => delete one(t, 'S3::Bucket', /DeadLetters/).DeletionPolicy,
    'the key goes with the stack': (t) => delete one(t, 'KMS::Key').DeletionPolicy,
    'a table has a name': (t) => (first(t, 'DynamoDB::Table').Properties.TableName = 'events'),
  },
  tablesAreSafe: {
    'no recovery': (t) => delete first(t, 'DynamoDB::Table').Properties.PointInTimeRecoverySpecification,
    'no protection': (t) => (first(t, 'DynamoDB::Table', /State/).Properties.DeletionProtectionEnabled = false),
    'nothing expires': (t) => delete first(t, 'DynamoDB::Table').Properties.TimeToLiveSpecification,
    'no change feed': (t) => delete first(t, 'DynamoDB::Table', /Events/).Properties.StreamSpecification,
  },
  capacityScales: {
    'an index that does not scale': (t) =>
      remove(t, 'ApplicationAutoScaling::ScalableTarget', /Bytype|bytype|by-?type|Index/i),
    'a table that does not scale': (t) => remove(t, 'ApplicationAutoScaling::ScalableTarget', /State.*Write/),
    'a target without a policy': (t) => remove(t, 'ApplicationAutoScaling::ScalingPolicy'),
    'another goal': (t) =>
      (first(
        t,
        'ApplicationAutoScaling::ScalingPolicy',
      ).Properties.TargetTrackingScalingPolicyConfiguration.TargetValue = 90),
    'a policy on a table on demand': (t) =>
      (first(t, 'DynamoDB::Table', /Events/).Properties.BillingMode = 'PAY_PER_REQUEST'),
  },
  alarmsWork: {
    'nobody is told': (t) => delete first(t, ALARM).Properties.AlarmActions,
    'somebody else is told': (t) => (first(t, ALARM).Properties.AlarmActions = ['arn:aws:sns:eu-west-1:1:other']),
    'no runbook': (t) => (first(t, ALARM).Properties.AlarmDescription = 'errors'),
    'missing data is not thought of': (t) => delete first(t, ALARM).Properties.TreatMissingData,
    'a metric that does not exist': (t) => (first(t, ALARM, /collecterrors/i).Properties.MetricName = 'ErrorCount'),
    'a throttle that is of another service': (t) =>
      (first(t, ALARM, /eventswrite/i).Properties.MetricName = 'Throttles'),
    'dimensions that do not exist': (t) => (first(t, ALARM, /eventswrite/i).Properties.Dimensions[0].Name = 'Table'),
    'a function that is not there': (t) => (first(t, ALARM, /collecterrors/i).Properties.Dimensions[0].Value = 'gone'),
    'a queue that is not there': (t) =>
      (first(t, ALARM, /deadletters/i).Properties.Dimensions[0].Value = { Ref: 'Gone' }),
    'an index that is not there': (t) => {
      for (const dimension of one(t, ALARM, /index/i).Properties.Dimensions) dimension.Value = 'by-time';
    },
    'a part of an expression that does not exist': (t) =>
      (one(t, ALARM, /rejectedputs/i).Properties.Metrics[1].MetricStat.Metric.MetricName = 'PutRecords.Rejected'),
  },
  alarmsCoverAll: {
    'none on iterator age': (t) => remove(t, ALARM, /iteratorage/i),
    'none on the ledger': (t) => remove(t, ALARM, /ledger/i),
    'none on dead letters': (t) => remove(t, ALARM, /deadletters/i),
    'none on rejected puts': (t) => remove(t, ALARM, /rejectedputs/i),
    'no dashboard': (t) => remove(t, 'CloudWatch::Dashboard'),
  },
  batchesAreSafe: {
    'from the newest on': (t) => (one(t, 'Lambda::EventSourceMapping').Properties.StartingPosition = 'LATEST'),
    'ten in flight': (t) => (one(t, 'Lambda::EventSourceMapping').Properties.ParallelizationFactor = 10),
    'whole batches fail': (t) => delete one(t, 'Lambda::EventSourceMapping').Properties.FunctionResponseTypes,
    'no bisecting': (t) => delete one(t, 'Lambda::EventSourceMapping').Properties.BisectBatchOnFunctionError,
    'three tries': (t) => (one(t, 'Lambda::EventSourceMapping').Properties.MaximumRetryAttempts = 3),
    'until the stream has let go': (t) =>
      (one(t, 'Lambda::EventSourceMapping').Properties.MaximumRecordAgeInSeconds = 86_400),
    'without a limit of age': (t) => (one(t, 'Lambda::EventSourceMapping').Properties.MaximumRecordAgeInSeconds = -1),
    'to the queue, without the payload': (t) =>
      (one(t, 'Lambda::EventSourceMapping').Properties.DestinationConfig.OnFailure.Destination = {
        'Fn::GetAtt': [idOf(t, 'SQS::Queue'), 'Arn'],
      }),
    'there is none': (t) => remove(t, 'Lambda::EventSourceMapping'),
  },
  deadLettersAreNoticed: {
    'no notice': (t) => delete one(t, 'S3::Bucket', /DeadLetters/).Properties.NotificationConfiguration,
    'notices go after 4 days': (t) => (one(t, 'SQS::Queue').Properties.MessageRetentionPeriod = 345_600),
    'every account may notify': (t) =>
      delete one(t, 'SQS::QueuePolicy').Properties.PolicyDocument.Statement[0].Condition,
    'a second policy takes the place of the first': (t) => {
      t.Resources.Second = structuredClone(one(t, 'SQS::QueuePolicy'));
    },
    'the bucket is made first': (t) => delete one(t, 'S3::Bucket', /DeadLetters/).DependsOn,
  },
  functionsAreAlike: {
    'Node 20': (t) => (one(t, FUNCTION, /Collector/).Properties.Runtime = 'nodejs20.x'),
    x86: (t) => delete one(t, FUNCTION, /Processor/).Properties.Architectures,
    '128 MB': (t) => (one(t, FUNCTION, /Reader/).Properties.MemorySize = 128),
    '3 s': (t) => delete one(t, FUNCTION, /Reader/).Properties.Timeout,
    'not traced': (t) => delete one(t, FUNCTION, /Reader/).Properties.TracingConfig,
    'outside the VPC': (t) => delete one(t, FUNCTION, /Reader/).Properties.VpcConfig,
    'no source maps': (t) => delete one(t, FUNCTION, /Reader/).Properties.Environment.Variables.NODE_OPTIONS,
    'it does not know a table': (t) => delete one(t, FUNCTION, /Reader/).Properties.Environment.Variables.STATE_TABLE,
    'two share a role': (t) =>
      (one(t, FUNCTION, /Reader/).Properties.Role = one(t, FUNCTION, /Collector/).Properties.Role),
  },
  processorHasItsShare: {
    'none is reserved': (t) => delete one(t, FUNCTION, /Processor/).Properties.ReservedConcurrentExecutions,
  },
  rolesAreExact: {
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
  functionsMayOnly: {
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
    'other objects': (t) =>
      grant(t, { Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::other/*', Condition: KEY }),
  },
  balancerIsInternal: {
    'it faces the internet': (t) =>
      (one(t, 'ElasticLoadBalancingV2::LoadBalancer').Properties.Scheme = 'internet-facing'),
    'one zone': (t) => one(t, 'ElasticLoadBalancingV2::LoadBalancer').Properties.Subnets.splice(1),
    'no access logs': (t) =>
      attribute(
        one(t, 'ElasticLoadBalancingV2::LoadBalancer'),
        'LoadBalancerAttributes',
        'access_logs.s3.enabled',
        'false',
      ),
    'invalid headers pass': (t) =>
      attribute(
        one(t, 'ElasticLoadBalancingV2::LoadBalancer'),
        'LoadBalancerAttributes',
        'routing.http.drop_invalid_header_fields.enabled',
        'false',
      ),
    'requests may be smuggled': (t) =>
      attribute(
        one(t, 'ElasticLoadBalancingV2::LoadBalancer'),
        'LoadBalancerAttributes',
        'routing.http.desync_mitigation_mode',
        'monitor',
      ),
  },
  targetsAnswer: {
    'no target': (t) => delete first(t, 'ElasticLoadBalancingV2::TargetGroup').Properties.Targets,
    'anybody may invoke': (t) => delete one(t, 'Lambda::Permission', /Collect/).Properties.SourceArn,
    'any account may invoke': (t) => delete one(t, 'Lambda::Permission', /Collect/).Properties.SourceAccount,
    'another group may invoke': (t) =>
      (first(t, 'ElasticLoadBalancingV2::TargetGroup').Properties.Name = 'clickstream-other'),
    'the last header wins': (t) =>
      delete first(t, 'ElasticLoadBalancingV2::TargetGroup').Properties.TargetGroupAttributes,
    sticky: (t) =>
      first(t, 'ElasticLoadBalancingV2::TargetGroup').Properties.TargetGroupAttributes.push({
        Key: 'stickiness.enabled',
        Value: 'true',
      }),
    'its health is not asked': (t) =>
      (first(t, 'ElasticLoadBalancingV2::TargetGroup').Properties.HealthCheckEnabled = false),
    'made before the permission': (t) => delete first(t, 'ElasticLoadBalancingV2::TargetGroup').DependsOn,
  },
  pathsAreServed: {
    'a path goes to the collector': (t) =>
      first(t, 'ElasticLoadBalancingV2::ListenerRule', /Query/).Properties.Conditions[0].PathPatternConfig.Values.pop(),
    'six values': (t) =>
      first(t, 'ElasticLoadBalancingV2::ListenerRule', /Query/).Properties.Conditions[0].PathPatternConfig.Values.push(
        '/x',
      ),
    'all goes to query': (t) => {
      const query = { Ref: idOf(t, 'ElasticLoadBalancingV2::TargetGroup', /Query/) };
      one(t, 'ElasticLoadBalancingV2::Listener').Properties.DefaultActions[0].TargetGroupArn = query;
    },
    'nothing goes to query': (t) => remove(t, 'ElasticLoadBalancingV2::ListenerRule'),
  },
  bucketsArePrivate: {
    'it can be made public': (t) =>
      delete one(t, 'S3::Bucket', /DeadLetters/).Properties.PublicAccessBlockConfiguration,
    'it answers without TLS': (t) => remove(t, 'S3::BucketPolicy', /DeadLetters/),
    'it never forgets': (t) => delete one(t, 'S3::Bucket', /AccessLogs/).Properties.LifecycleConfiguration,
  },
  accessLogsArrive: {
    'nobody may deliver': (t) => {
      const { PolicyDocument } = one(t, 'S3::BucketPolicy', /AccessLogs/).Properties;
      PolicyDocument.Statement = PolicyDocument.Statement.filter(
        ({ Sid }: { Sid?: string }) => Sid !== 'LoadBalancerLogs',
      );
    },
    'the balancer is made first': (t) => delete one(t, 'ElasticLoadBalancingV2::LoadBalancer').DependsOn,
  },
  streamIsWatched: {
    'no metrics of shards': (t) => delete one(t, 'Kinesis::Stream').Properties.DesiredShardLevelMetrics,
  },
  secretsAreMade: {
    'short ones': (t) => (first(t, 'SecretsManager::Secret').Properties.GenerateSecretString.PasswordLength = 8),
    'with punctuation': (t) =>
      delete first(t, 'SecretsManager::Secret').Properties.GenerateSecretString.ExcludePunctuation,
    'one for both': (t) => remove(t, 'SecretsManager::Secret', /ReadToken/),
  },
  everythingIsTagged: {
    'a function without tags': (t) => delete first(t, FUNCTION).Properties.Tags,
    'a table without its environment': (t) => first(t, 'DynamoDB::Table').Properties.Tags.shift(),
    'an alarm without tags': (t) => delete first(t, ALARM).Properties.Tags,
  },
  outputsAreThere: {
    'no name of the load balancer': (t) => delete t.Outputs.BalancerDns,
    'no word on what it is': (t) => delete t.Outputs.VpcId?.Description,
  },
};

test.each(Object.entries(TEMPLATES))('the stack %s keeps every guarantee', (variant, template) => {
  for (const name of Object.keys(GUARANTEES)) {
    expect.soft(CHECKS.get(name)?.(template), name).toEqual([]);
  }
  if (variant === 'with everything on') expect(checks.plainHttpLosesNothing(template)).toEqual([]);
});

test('each guarantee has faults, and every check is a guarantee', () => {
  const guarantees = [...Object.keys(GUARANTEES), 'plainHttpLosesNothing'];
  expect([...CHECKS.keys()].sort()).toEqual(guarantees.sort());
});

const FAULTS = Object.entries(GUARANTEES).flatMap(([name, faults]) =>
  Object.entries(faults).map(([fault, plant]) => [name, fault, plant] as const),
);

test.each(FAULTS)('%s finds: %s', (name, _, plant) => {
  const template = structuredClone(TEMPLATES['as it is by default']);
  plant(template);
  expect(CHECKS.get(name)?.(template)).toSatisfy((found: readonly string[]) => found.length > 0);
});

const HTTP_FAULTS = {
  'a POST is redirected': (t) =>
    (one(t, 'ElasticLoadBalancingV2::ListenerRule', /ToHttps/).Properties.Conditions[0].HttpRequestMethodConfig.Values =
      ['GET', 'POST']),
  'everything is redirected': (t) => {
    const { Actions } = one(t, 'ElasticLoadBalancingV2::ListenerRule', /ToHttps/).Properties;
    one(t, 'ElasticLoadBalancingV2::Listener', /EntryHttp(?!s)/).Properties.DefaultActions = Actions;
  },
  'the error does not name https': (t) =>
    (one(
      t,
      'ElasticLoadBalancingV2::Listener',
      /EntryHttp(?!s)/,
    ).Properties.DefaultActions[0].FixedResponseConfig.MessageBody = 'no'),
  'it is answered with 200': (t) =>
    (one(
      t,
      'ElasticLoadBalancingV2::Listener',
      /EntryHttp(?!s)/,
    ).Properties.DefaultActions[0].FixedResponseConfig.StatusCode = '200'),
  'port 80 serves': (t) => {
    const plain = idOf(t, 'ElasticLoadBalancingV2::Listener', /EntryHttp(?!s)/);
    one(t, 'ElasticLoadBalancingV2::ListenerRule', /Query/).Properties.ListenerArn = { Ref: plain };
  },
  'an old TLS': (t) =>
    (one(t, 'ElasticLoadBalancingV2::Listener', /EntryHttps/).Properties.SslPolicy = 'ELBSecurityPolicy-2016-08'),
  'no certificate': (t) => delete one(t, 'ElasticLoadBalancingV2::Listener', /EntryHttps/).Properties.Certificates,
} satisfies Record<string, Plant>;

test.each(Object.entries(HTTP_FAULTS))('plainHttpLosesNothing finds: %s', (_, plant) => {
  const template = structuredClone(TEMPLATES['with everything on']);
  plant(template);
  expect(checks.plainHttpLosesNothing(template)).not.toEqual([]);
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
  });
  const template = synth();
  expect(one(template, 'Kinesis::Stream').Properties).toMatchObject({ ShardCount: 4, RetentionPeriodHours: 48 });
  expect(one(template, 'Lambda::EventSourceMapping').Properties).toMatchObject({
    BatchSize: 500,
    MaximumBatchingWindowInSeconds: 2,
    MaximumRetryAttempts: 10,
    MaximumRecordAgeInSeconds: 144_000,
  });
  expect(one(template, FUNCTION, /Processor/).Properties.ReservedConcurrentExecutions).toBeUndefined();
  expect(first(template, 'EC2::SecurityGroup', /Functions/).Properties.SecurityGroupEgress).toContainEqual(
    expect.objectContaining({ CidrIp: '203.0.113.0/24', FromPort: 443 }),
  );
  expect(first(template, 'EC2::SecurityGroup', /Balancer/).Properties.SecurityGroupIngress).toMatchObject([
    { CidrIp: '10.1.0.0/16' },
  ]);
  expect(one(template, 'EC2::VPC').Properties.CidrBlock).toBe('10.80.0.0/20');
  expect(first(template, 'Logs::LogGroup').Properties.RetentionInDays).toBe(7);
  // With deleteData the data goes with the stack, and nothing protects it.
  expect(checks.stateIsRetained(template).length).toBeGreaterThan(5);
  expect(checks.tablesAreSafe(template).length).toBe(2);
  expect(first(template, 'DynamoDB::Table', /Events/).Properties.ProvisionedThroughput.WriteCapacityUnits).toBe(7);
});

test('no name or password is written into the template', () => {
  for (const template of Object.values(TEMPLATES))
    expect(JSON.stringify(template)).not.toMatch(/SecretString":"|AKIA|password"/i);
});

test('docs/deploy.md says how many there are', () => {
  const faults = FAULTS.length + Object.keys(HTTP_FAULTS).length;
  expect(readFileSync('docs/deploy.md', 'utf8')).toContain(`${CHECKS.size} guarantees, ${faults} faults`);
});

import { PARAMETER_TABLE, PARAMETERS_OF_STACK } from '../../../infra/lib/parameters.ts';
import type { Guarantee } from '../guarantee.ts';
import { first, listed, one, resourcesOf, text } from '../template.ts';

const STATE: Readonly<Record<string, string>> = {
  'AWS::DynamoDB::Table': 'TableName',
  'AWS::Kinesis::Stream': 'Name',
  'AWS::S3::Bucket': 'BucketName',
  'AWS::KMS::Key': 'KeyId',
  'AWS::SecretsManager::Secret': 'Name',
};

/** What was made for a first deployment that then fails is empty, and would only cost on: RetainExceptOnCreate. */
export const stateIsRetained: Guarantee = {
  problems: (template) =>
    Object.entries(STATE).flatMap(([type, name]) =>
      resourcesOf(template, type).flatMap(([id, { Properties, DeletionPolicy, UpdateReplacePolicy }]) => [
        ...(DeletionPolicy?.startsWith('Retain') && UpdateReplacePolicy === 'Retain'
          ? []
          : [`${id} goes with the stack`]),
        ...(DeletionPolicy === 'Retain' ? [`${id} stays when its first deployment fails`] : []),
        // It stays when the stack goes; the next one could then not be made.
        ...(Properties[name] === undefined ? [] : [`${id} has the name ${text(Properties[name])}`]),
      ]),
    ),
  faults: {
    'a table goes with the stack': (t) => (first(t, 'DynamoDB::Table').DeletionPolicy = 'Delete'),
    'a stream that is replaced is lost': (t) => delete one(t, 'Kinesis::Stream').UpdateReplacePolicy,
    'a bucket goes with the stack': (t) => delete one(t, 'S3::Bucket', /DeadLetters/).DeletionPolicy,
    'the key goes with the stack': (t) => delete one(t, 'KMS::Key').DeletionPolicy,
    'a stream stays after a deployment that failed': (t) => (one(t, 'Kinesis::Stream').DeletionPolicy = 'Retain'),
    'a table has a name': (t) => (first(t, 'DynamoDB::Table').Properties.TableName = 'events'),
  },
};

/** Types that take no tags: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html */
const UNTAGGED =
  /^AWS::(EC2::(Route|SubnetRouteTableAssociation|VPCGatewayAttachment|SecurityGroupIngress|SecurityGroupEgress)|KMS::Alias|Lambda::Permission|S3::BucketPolicy|SQS::QueuePolicy|SNS::(TopicPolicy|Subscription)|ApplicationAutoScaling::ScalingPolicy|CloudFormation::CustomResource|Logs::LogStream)$/;

export const everythingIsTagged: Guarantee = {
  problems: (template) =>
    Object.entries(template.Resources)
      .filter(([, { Type }]) => !UNTAGGED.test(Type))
      .flatMap(([id, { Properties }]) => {
        const tags = listed<{ Key: string }>(Properties.Tags).map(({ Key }) => Key);
        const missing = ['project', 'environment', 'suffix', 'stack'].filter((key) => !tags.includes(key));
        return missing.length === 0 ? [] : [`${id} has no tag ${missing.join(', ')}`];
      }),
  faults: {
    'a function without tags': (t) => delete first(t, 'Lambda::Function').Properties.Tags,
    'a table without its environment': (t) => first(t, 'DynamoDB::Table').Properties.Tags.shift(),
    'an alarm without tags': (t) => delete first(t, 'CloudWatch::Alarm').Properties.Tags,
  },
};

const OUTPUTS = [
  ...['VpcId', 'VpcCidr', 'SubnetIds', 'NatGatewayIds'],
  ...['BalancerGroupId', 'FunctionsGroupId', 'EndpointsGroupId'],
  ...['DynamodbEndpointId', 'S3EndpointId', 'KinesisEndpointId', 'LambdaEndpointId', 'SecretsEndpointId'],
  ...['StreamName', 'StreamArn', 'EventsTableName', 'EventsTableArn', 'EventsTableStreamArn'],
  ...['StateTableName', 'StateTableArn', 'BalancerDns', 'BalancerArn', 'Url'],
  ...['CollectTargetGroupArn', 'QueryTargetGroupArn', 'DeadLetterQueueUrl', 'DeadLetterBucketName'],
  ...['Collect', 'Process', 'Query', 'Network'].flatMap((stage) => [
    `${stage}FunctionName`,
    `${stage}FunctionArn`,
    `${stage}LogGroup`,
  ]),
  ...['FlowLogGroup', 'WriteKeySecretArn', 'ReadTokenSecretArn', 'AlarmTopicArn', 'KeyArn', 'Region', 'BalancerName'],
];

export const archiveHasOutputs: Guarantee = {
  onlyOf: 'with everything on',
  problems: (template) =>
    ['ArchiveBucketName', 'ArchiveLogGroup']
      .filter((name) => template.Outputs[name] === undefined)
      .map((name) => `no output ${name}`),
  faults: {
    'nobody knows where its faults are written': (t) => delete t.Outputs.ArchiveLogGroup,
  },
};

/** `npm run destroy -- --delete-data` deploys once more, with exactly these. */
export const parametersAreRecorded: Guarantee = {
  problems: (template) => {
    const recorded = template.Metadata?.[PARAMETERS_OF_STACK] ?? {};
    const missing = PARAMETER_TABLE.map(([name]) => name).filter((name) => recorded[name] === undefined);
    return missing.map((name) => `the template does not say what ${name} is`);
  },
  faults: {
    'none is': (t) => delete t.Metadata?.[PARAMETERS_OF_STACK],
    'one is not': (t) => delete t.Metadata?.[PARAMETERS_OF_STACK]?.shardCount,
  },
};

export const outputsAreThere: Guarantee = {
  problems: (template) => [
    ...OUTPUTS.filter((name) => template.Outputs[name] === undefined).map((name) => `no output ${name}`),
    ...Object.entries(template.Outputs)
      .filter(([, { Description }]) => (Description ?? '') === '')
      .map(([name]) => `output ${name} is not described`),
  ],
  faults: {
    'no name of the load balancer': (t) => delete t.Outputs.BalancerDns,
    'no word on what it is': (t) => delete t.Outputs.VpcId?.Description,
  },
};

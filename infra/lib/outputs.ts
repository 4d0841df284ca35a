import { CfnOutput, Fn, type Stack } from 'aws-cdk-lib';
import type { Alarms } from './alarms.ts';
import type { Archive } from './archive.ts';
import type { AccessLogs } from './buckets.ts';
import type { Entry } from './entry.ts';
import type { Keys } from './keys.ts';
import type { Log } from './log.ts';
import type { Network } from './network.ts';
import type { Parameters } from './parameters.ts';
import type { PipelineFunction } from './pipeline-function.ts';
import type { DeadLetters } from './process.ts';
import type { Secrets } from './secrets.ts';
import type { Store } from './store.ts';

export interface OutputsOf {
  readonly parameters: Parameters;
  readonly network: Network;
  readonly keys: Keys;
  readonly log: Log;
  readonly store: Store;
  readonly secrets: Secrets;
  readonly deadLetters: DeadLetters;
  readonly accessLogs: AccessLogs;
  readonly functions: {
    readonly collect: PipelineFunction;
    readonly process: PipelineFunction;
    readonly query: PipelineFunction;
  };
  readonly entry: Entry;
  readonly alarms: Alarms;
  readonly archive: Archive | undefined;
}

/** What scripts and other stacks need to know, one output each; docs/deploy.md has the table. */
export function writeOutputs(stack: Stack, of: OutputsOf): void {
  const { network, store, functions, entry, deadLetters } = of;
  const joined = (values: readonly string[]) => Fn.join(',', [...values]);
  const scheme = of.parameters.certificateArn === undefined ? 'http' : 'https';
  const outputs: Record<string, readonly [value: string, description: string]> = {
    Region: [of.parameters.region, 'The region'],
    VpcId: [network.vpc.vpcId, 'The VPC'],
    // Not its attribute: the template and the checks see the text.
    VpcCidr: [of.parameters.vpcCidr, 'Its addresses'],
    SubnetIds: [joined(network.subnetIds), 'Private subnets, one a zone'],
    NatGatewayIds: [network.natGatewayId, 'The regional NAT gateway'],
    BalancerGroupId: [network.groups.balancer, 'Security group of the load balancer'],
    FunctionsGroupId: [network.groups.functions, 'Security group of the functions'],
    EndpointsGroupId: [network.groups.endpoints, 'Security group of the interface endpoints'],
    DynamodbEndpointId: [network.endpoints.dynamodb.vpcEndpointId, 'Gateway endpoint of DynamoDB'],
    S3EndpointId: [network.endpoints.s3.vpcEndpointId, 'Gateway endpoint of S3'],
    KinesisEndpointId: [network.endpoints.kinesis.vpcEndpointId, 'Interface endpoint of Kinesis'],
    LambdaEndpointId: [network.endpoints.lambda.vpcEndpointId, 'Interface endpoint of Lambda'],
    SecretsEndpointId: [network.endpoints.secrets.vpcEndpointId, 'Interface endpoint of Secrets Manager'],
    FlowLogGroup: [network.flowLogs.logGroupName, 'Log group of the flow logs'],
    NetworkFunctionName: [network.emptying.function.ref, 'The function that empties the default security group'],
    NetworkFunctionArn: [network.emptying.function.attrArn, 'Its ARN'],
    NetworkLogGroup: [network.emptying.logs.logGroupName, 'Its log group'],
    KeyArn: [of.keys.key.keyArn, 'The key of all data at rest'],
    StreamName: [of.log.stream.streamName, 'The stream'],
    StreamArn: [of.log.stream.streamArn, 'Its ARN'],
    EventsTableName: [store.events.tableName, 'Table of events'],
    EventsTableArn: [store.events.tableArn, 'Its ARN'],
    EventsTableStreamArn: [store.events.tableStreamArn ?? '', 'Its stream: the change feed'],
    StateTableName: [store.state.tableName, 'Table of visitors, rows of views, lanes, events set aside'],
    StateTableArn: [store.state.tableArn, 'Its ARN'],
    BalancerName: [entry.balancer.attrLoadBalancerName, 'The load balancer'],
    BalancerDns: [entry.balancer.attrDnsName, 'Its name in the DNS, which resolves to private addresses'],
    BalancerArn: [entry.balancer.ref, 'Its ARN'],
    Url: [`${scheme}://${entry.balancer.attrDnsName}`, 'What trackers and `clickstream --url` are given'],
    CollectTargetGroupArn: [entry.targetGroups.collect.ref, 'Target group of the collector'],
    QueryTargetGroupArn: [entry.targetGroups.query.ref, 'Target group of the query function'],
    DeadLetterQueueUrl: [deadLetters.queue.queueUrl, 'Queue of notices about dead letters'],
    DeadLetterQueueArn: [deadLetters.queue.queueArn, 'Its ARN'],
    DeadLetterBucketName: [deadLetters.bucket.bucketName, 'Bucket of dead letters'],
    AccessLogBucketName: [of.accessLogs.bucket.bucketName, 'Bucket of access logs'],
    WriteKeySecretArn: [of.secrets.writeKey.secretArn, 'Secret: the write key of trackers'],
    ReadTokenSecretArn: [of.secrets.readToken.secretArn, 'Secret: the read token'],
    AlarmTopicArn: [of.alarms.topic.topicArn, 'Topic of the alarms'],
  };
  for (const [stage, { functionName, functionArn, logs }] of Object.entries(functions)) {
    const prefix = `${stage.charAt(0).toUpperCase()}${stage.slice(1)}`;
    outputs[`${prefix}FunctionName`] = [functionName, `The ${stage} function`];
    outputs[`${prefix}FunctionArn`] = [functionArn, 'Its ARN'];
    outputs[`${prefix}LogGroup`] = [logs.logGroupName, 'Its log group'];
  }
  if (of.archive !== undefined) {
    outputs.ArchiveBucketName = [of.archive.bucket.bucketName, 'Bucket of the archive'];
    outputs.ArchiveLogGroup = [of.archive.logs.logGroupName, 'Log group of what delivers to it'];
  }
  for (const [name, [value, description]] of Object.entries(outputs)) {
    new CfnOutput(stack, name, { value, description });
  }
}

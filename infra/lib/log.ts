import { Duration, type RemovalPolicy } from 'aws-cdk-lib';
import * as kinesis from 'aws-cdk-lib/aws-kinesis';
import type * as kms from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import type { Parameters } from './parameters.ts';

/** The stream: a lane is a shard. */
export class Log extends Construct {
  readonly stream: kinesis.Stream;

  constructor(
    scope: Construct,
    id: string,
    {
      parameters,
      key,
      removalPolicy,
    }: { readonly parameters: Parameters; readonly key: kms.IKey; readonly removalPolicy: RemovalPolicy },
  ) {
    super(scope, id);
    const mode =
      parameters.streamMode === 'provisioned'
        ? { streamMode: kinesis.StreamMode.PROVISIONED, shardCount: parameters.shardCount }
        : { streamMode: kinesis.StreamMode.ON_DEMAND };
    this.stream = new kinesis.Stream(this, 'Stream', {
      ...mode,
      retentionPeriod: Duration.hours(parameters.streamRetentionHours),
      encryption: kinesis.StreamEncryption.KMS,
      encryptionKey: key,
      shardLevelMetrics: [kinesis.ShardLevelMetrics.ALL],
      removalPolicy,
    });
    acknowledge(this.stream, {
      'AwsSolutions-KDS3':
        "The key is the stack's own on purpose: its policy says who may read the stream, and it can be taken away; the service's key can do neither.",
    });
  }
}

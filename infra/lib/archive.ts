import { Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as firehose from 'aws-cdk-lib/aws-kinesisfirehose';
import * as logs from 'aws-cdk-lib/aws-logs';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { type AccessLogs, dataBucket, objectsOf } from './buckets.ts';
import type { Keys } from './keys.ts';
import type { Log } from './log.ts';
import { logGroup } from './logs.ts';
import { serviceRole } from './roles.ts';
import type { StackParts } from './stage.ts';

export interface ArchiveProps extends StackParts {
  readonly keys: Keys;
  readonly log: Log;
  readonly accessLogs: AccessLogs;
}

/**
 * An option: every record of the stream also goes to S3, gzipped, in folders by the hour of arrival. A record is lines of
 * JSON, its header first, and the header says how many follow; a line feed parts one record from the next.
 */
export class Archive extends Construct {
  readonly bucket: s3.Bucket;
  readonly logs: logs.LogGroup;
  readonly delivery: firehose.CfnDeliveryStream;

  constructor(scope: Construct, id: string, { parameters, key, keys, log, removalPolicy, accessLogs }: ArchiveProps) {
    super(scope, id);
    const { account } = Stack.of(this);
    this.bucket = dataBucket(this, 'Bucket', {
      key,
      retentionDays: parameters.archiveRetentionDays,
      coolAfterDays: 30,
      removalPolicy,
      accessLogs,
      prefix: 'archive',
    });
    this.logs = logGroup(this, 'Logs', { key, retentionDays: parameters.logRetentionDays });
    const stream = new logs.CfnLogStream(this, 'LogStream', {
      logGroupName: this.logs.logGroupName,
      logStreamName: 'delivery',
    });
    const role = serviceRole(this, 'Role', {
      service: 'firehose.amazonaws.com',
      conditions: { StringEquals: { 'aws:SourceAccount': account } },
      statements: [
        new iam.PolicyStatement({
          sid: 'Stream',
          actions: ['kinesis:DescribeStream', 'kinesis:GetShardIterator', 'kinesis:GetRecords', 'kinesis:ListShards'],
          resources: [log.stream.streamArn],
        }),
        new iam.PolicyStatement({
          sid: 'Bucket',
          actions: ['s3:GetBucketLocation', 's3:ListBucket', 's3:ListBucketMultipartUploads'],
          resources: [this.bucket.bucketArn],
        }),
        new iam.PolicyStatement({
          sid: 'Objects',
          actions: ['s3:AbortMultipartUpload', 's3:GetObject', 's3:PutObject'],
          resources: [this.bucket.arnForObjects('records/*'), this.bucket.arnForObjects('failed/*')],
        }),
        new iam.PolicyStatement({
          sid: 'Logs',
          actions: ['logs:PutLogEvents'],
          resources: [this.logs.logGroupArn],
        }),
        keys.statement('kinesis', ['Decrypt']),
        keys.statement('s3', ['Decrypt', 'GenerateDataKey']),
      ],
    });
    const hours = 'Firehose names objects by the hour and by an id of its own; both folders are of this bucket alone.';
    acknowledge(role, {
      [objectsOf(this.bucket, 'records/*')]: hours,
      [objectsOf(this.bucket, 'failed/*')]: hours,
    });
    this.delivery = new firehose.CfnDeliveryStream(this, 'Delivery', {
      deliveryStreamType: 'KinesisStreamAsSource',
      kinesisStreamSourceConfiguration: { kinesisStreamArn: log.stream.streamArn, roleArn: role.roleArn },
      extendedS3DestinationConfiguration: {
        bucketArn: this.bucket.bucketArn,
        roleArn: role.roleArn,
        prefix: 'records/!{timestamp:yyyy/MM/dd/HH}/',
        errorOutputPrefix: 'failed/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd/HH}/',
        compressionFormat: 'GZIP',
        bufferingHints: { intervalInSeconds: 300, sizeInMBs: 64 },
        encryptionConfiguration: { kmsEncryptionConfig: { awskmsKeyArn: key.keyArn } },
        processingConfiguration: {
          enabled: true,
          processors: [
            { type: 'AppendDelimiterToRecord', parameters: [{ parameterName: 'Delimiter', parameterValue: '\\n' }] },
          ],
        },
        cloudWatchLoggingOptions: {
          enabled: true,
          logGroupName: this.logs.logGroupName,
          logStreamName: stream.ref,
        },
      },
    });
    acknowledge(this.delivery, {
      'AwsSolutions-KDF1':
        'Firehose refuses encryption of its own when a stream is its source: what it holds is encrypted as the stream is, with our key.',
    });
  }
}

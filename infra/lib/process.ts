import { Duration, Stack } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { type AccessLogs, dataBucket, objectsOf } from './buckets.ts';
import { PipelineFunction } from './pipeline-function.ts';
import { environmentOf, type StackParts, type StageProps, TABLE_KEY_ACTIONS } from './stage.ts';

/** Where records go that cannot be processed: whole into S3, with a notice in a queue. */
export class DeadLetters extends Construct {
  readonly bucket: s3.Bucket;
  readonly queue: sqs.Queue;

  constructor(
    scope: Construct,
    id: string,
    { parameters, key, removalPolicy, accessLogs }: StackParts & { readonly accessLogs: AccessLogs },
  ) {
    super(scope, id);
    this.queue = new sqs.Queue(this, 'Notices', {
      encryption: sqs.QueueEncryption.KMS,
      encryptionMasterKey: key,
      retentionPeriod: Duration.days(14),
      visibilityTimeout: Duration.minutes(5),
    });
    acknowledge(this.queue, {
      'AwsSolutions-SQS3':
        'It is where notices of dead letters end, for people and alarms: nothing consumes them, so nothing can fail on one. The letters themselves are in the bucket.',
    });
    this.bucket = dataBucket(this, 'Bucket', {
      key,
      retentionDays: parameters.deadLetterRetentionDays,
      removalPolicy,
      accessLogs,
      prefix: 'dead-letters',
    });
    // A queue has one policy. The bucket's name is not known before it is made, and it is made only when it may notify the
    // queue: the account is the bound.
    const permission = new sqs.CfnQueuePolicy(this, 'NoticesOfBucket', {
      queues: [this.queue.queueUrl],
      policyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Sid: 'Bucket',
            Effect: 'Allow',
            Principal: { Service: 's3.amazonaws.com' },
            Action: 'sqs:SendMessage',
            Resource: this.queue.queueArn,
            Condition: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
          },
          {
            Sid: 'OnlyTls',
            Effect: 'Deny',
            Principal: '*',
            Action: 'sqs:*',
            Resource: this.queue.queueArn,
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          },
        ],
      },
    });
    const bucket = this.bucket.node.defaultChild as s3.CfnBucket;
    bucket.notificationConfiguration = {
      queueConfigurations: [{ event: 's3:ObjectCreated:*', queue: this.queue.queueArn }],
    };
    bucket.node.addDependency(permission);
  }
}

/** What a schedule sends to the process function: it takes up what Lambda itself gave up. */
const ADOPT_EVENT = { source: 'clickstream.schedule', task: 'adopt' };
/** Another one: it counts what expired, and folds views anew that count otherwise since an upgrade. */
const MAINTENANCE_EVENT = { source: 'clickstream.schedule', task: 'maintain' };
/** One tick has a minute of the function's time, and the next one goes on. */
const MAINTENANCE_EVERY = Duration.minutes(1);
/** What Lambda puts into the bucket itself: https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html */
const GIVEN_UP = 'aws/lambda/*';

/** The stream's records into events, states and rows of views: one batch in flight a shard. */
export class Process extends Construct {
  readonly function: PipelineFunction;
  readonly mapping: lambda.CfnEventSourceMapping;

  constructor(scope: Construct, id: string, props: StageProps) {
    super(scope, id);
    const { log, store, keys, network, parameters, deadLetters } = props;
    const { streamArn } = log.stream;
    const eventsActions = ['GetItem', 'BatchGetItem', 'Query', 'PutItem', 'DeleteItem'].map(
      (action) => `dynamodb:${action}`,
    );
    const stateActions = [
      'GetItem',
      'BatchGetItem',
      'Query',
      'PutItem',
      'BatchWriteItem',
      // The count of tries of a record that is alone in its batch.
      'UpdateItem',
      'DeleteItem',
    ].map((action) => `dynamodb:${action}`);
    const rebuildActions = ['dynamodb:Scan'];
    this.function = new PipelineFunction(this, 'Processor', {
      ...props,
      functionName: `${props.name}-process`,
      description: 'Applies each record of the stream once',
      environment: environmentOf(props),
      reservedConcurrency: parameters.reservedConcurrency,
      acknowledged: {
        [objectsOf(deadLetters, '*')]:
          "An object's key has the shard and the sequence number of its record, which nobody can know before.",
        [objectsOf(deadLetters, GIVEN_UP)]:
          "Lambda's documents are under the mapping, the shard and the time at which it gave up, which nobody can know before.",
      },
      statements: [
        new iam.PolicyStatement({
          sid: 'Stream',
          actions: [
            'kinesis:DescribeStream',
            'kinesis:DescribeStreamSummary',
            'kinesis:GetRecords',
            'kinesis:GetShardIterator',
            'kinesis:ListShards',
          ],
          resources: [streamArn],
        }),
        new iam.PolicyStatement({ sid: 'Events', actions: eventsActions, resources: [store.events.tableArn] }),
        new iam.PolicyStatement({ sid: 'State', actions: stateActions, resources: [store.state.tableArn] }),
        // A view is folded anew out of all events.
        new iam.PolicyStatement({ sid: 'Maintenance', actions: rebuildActions, resources: [store.events.tableArn] }),
        // Lambda itself, on failure, and the function, for what it sets aside; ListBucket is what Lambda checks for, and what the
        // function finds Lambda's documents with.
        // https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
        new iam.PolicyStatement({
          sid: 'DeadLetter',
          actions: ['s3:PutObject'],
          resources: [deadLetters.arnForObjects('*')],
        }),
        new iam.PolicyStatement({
          sid: 'GivenUp',
          actions: ['s3:GetObject'],
          resources: [deadLetters.arnForObjects(GIVEN_UP)],
        }),
        new iam.PolicyStatement({ sid: 'DeadLetters', actions: ['s3:ListBucket'], resources: [deadLetters.bucketArn] }),
        keys.statement('kinesis', ['Decrypt']),
        keys.statement('dynamodb', TABLE_KEY_ACTIONS),
        keys.statement('s3', ['GenerateDataKey', 'Decrypt']),
      ],
    });
    network.allow('dynamodb', [...eventsActions, ...rebuildActions], [store.events.tableArn]);
    network.allow('dynamodb', stateActions, [store.state.tableArn]);
    network.allow('s3', ['s3:PutObject'], [deadLetters.arnForObjects('*')]);
    network.allow('s3', ['s3:GetObject'], [deadLetters.arnForObjects(GIVEN_UP)]);
    network.allow('s3', ['s3:ListBucket'], [deadLetters.bucketArn]);
    network.allow('lambda', ['lambda:InvokeFunction'], [this.function.functionArn]);

    this.mapping = new lambda.CfnEventSourceMapping(this, 'Batches', {
      eventSourceArn: streamArn,
      functionName: this.function.functionArn,
      startingPosition: 'TRIM_HORIZON',
      batchSize: parameters.batchSize,
      maximumBatchingWindowInSeconds: parameters.batchWindowSeconds,
      // The rows and visitors of a lane have one writer (docs/exactly-once.md); more in flight would only wait for each other.
      parallelizationFactor: 1,
      bisectBatchOnFunctionError: parameters.bisect,
      // These two are no parameters: without the one a part that failed counts as done, without the other what is given up is gone.
      functionResponseTypes: ['ReportBatchItemFailures'],
      // -1 is without limit.
      maximumRetryAttempts: parameters.retries ?? -1,
      maximumRecordAgeInSeconds: parameters.maximumAgeHours * 3600,
      destinationConfig: { onFailure: { destination: deadLetters.bucketArn } },
    });

    this.#schedule('Adopt', {
      description: 'Takes up what Lambda itself gave up',
      // Between two audits there is one of these.
      every: Duration.minutes(parameters.auditMinutes),
      event: ADOPT_EVENT,
    });
    this.#schedule('Maintenance', {
      description: 'Counts what expired, and folds views anew',
      every: MAINTENANCE_EVERY,
      event: MAINTENANCE_EVENT,
    });
  }

  #schedule(
    id: string,
    of: { readonly description: string; readonly every: Duration; readonly event: { readonly task: string } },
  ): void {
    const { functionArn } = this.function;
    const rule = new events.CfnRule(this, id, {
      description: of.description,
      scheduleExpression: events.Schedule.rate(of.every).expressionString,
      state: 'ENABLED',
      targets: [
        {
          id: 'process',
          arn: functionArn,
          input: JSON.stringify(of.event),
          // The next one comes soon enough.
          retryPolicy: { maximumRetryAttempts: 0, maximumEventAgeInSeconds: 300 },
        },
      ],
    });
    new lambda.CfnPermission(this, `${id}MayInvoke`, {
      action: 'lambda:InvokeFunction',
      functionName: functionArn,
      principal: 'events.amazonaws.com',
      sourceArn: rule.attrArn,
    });
  }
}

import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as sns from 'aws-cdk-lib/aws-sns';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { BY_TYPE } from '../../src/adapters/aws/tables.ts';
import type { Archive } from './archive.ts';
import type { Entry } from './entry.ts';
import type { Log } from './log.ts';
import type { PipelineFunction } from './pipeline-function.ts';
import { AUDIT_METRIC } from './query.ts';
import { FAULTS_METRIC, type StackParts } from './stage.ts';
import type { Store } from './store.ts';

const MINUTE = Duration.minutes(1);
const FIVE_MINUTES = Duration.minutes(5);
/** Firehose delivers after 5 minutes, and tries again for a day: https://docs.aws.amazon.com/firehose/latest/dev/retry.html */
const ARCHIVE_LATE_SECONDS = 1_800;
const STAGES = ['collect', 'process', 'query'] as const;
/** What a function that Lambda itself calls failed means: one that catches a fault and answers is no error to it. */
const ERRORS: Readonly<Record<(typeof STAGES)[number], string>> = {
  collect:
    'The collect function could not start, ended or ran out of time; clients got 502 and try again. Its log group has the error.',
  process:
    'The process function could not start, was ended or ran out of time: look for that in its log group. Its batches are tried again, in halves, and a record that ends it is set aside. What fails within it is process-faults.',
  query:
    'The query function could not start, ended or ran out of time; readers got 502, and an audit may have failed. Its log group has the error.',
};
const { BREACHING, NOT_BREACHING } = cloudwatch.TreatMissingData;

export interface AlarmsProps extends StackParts {
  readonly functions: {
    readonly collect: PipelineFunction;
    readonly process: PipelineFunction;
    readonly query: PipelineFunction;
  };
  readonly log: Log;
  readonly store: Store;
  readonly entry: Entry;
  readonly deadLetterQueue: sqs.Queue;
  readonly archive: Archive | undefined;
}

interface Alarmed {
  readonly metric: cloudwatch.IMetric;
  readonly threshold: number;
  /** How many of how many minutes must be over it. */
  readonly minutes: readonly [number, number];
  readonly missing: cloudwatch.TreatMissingData;
  /** What it means, and what to do first. */
  readonly runbook: string;
}

/** One topic, an alarm a symptom, and a page to look at. */
export class Alarms extends Construct {
  readonly topic: sns.Topic;
  readonly #name: string;
  readonly #alarms: cloudwatch.Alarm[] = [];

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    this.#name = props.name;
    this.topic = new sns.Topic(this, 'Topic', {
      displayName: `${props.name} alarms`,
      masterKey: props.key,
      enforceSSL: true,
    });
    const { account, partition, region } = this.topic.stack;
    this.topic.addToResourcePolicy(
      new iam.PolicyStatement({
        sid: 'Alarms',
        principals: [new iam.ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [this.topic.topicArn],
        conditions: {
          StringEquals: { 'aws:SourceAccount': account },
          ArnLike: { 'aws:SourceArn': `arn:${partition}:cloudwatch:${region}:${account}:alarm:${props.name}-*` },
        },
      }),
    );
    if (props.parameters.alarmEmail !== undefined) {
      new sns.Subscription(this, 'Email', {
        topic: this.topic,
        protocol: sns.SubscriptionProtocol.EMAIL,
        endpoint: props.parameters.alarmEmail,
      });
    }
    this.#ofFunctions(props);
    this.#ofMapping(props);
    this.#ofStream(props);
    for (const [table, of] of [
      ['events', props.store.events],
      ['state', props.store.state],
    ] as const) {
      this.#ofTable(table, of);
    }
    this.#ofIndex(props.store.events);
    this.#ofEntry(props);
    this.#ofDeadLetters(props);
    this.#add('ledger', {
      metric: new cloudwatch.Metric({
        ...AUDIT_METRIC,
        dimensionsMap: { FunctionName: props.functions.query.functionName },
        statistic: 'Maximum',
        period: Duration.minutes(props.parameters.auditMinutes),
      }),
      threshold: 1,
      minutes: [2, 3],
      // No audit is no proof.
      missing: BREACHING,
      runbook:
        'Acknowledged events are missing from the store, or no audit ran. `clickstream audit` names them, lane by lane and collector by collector; see the log of the query function if it does not answer.',
    });
    this.#ofArchive(props);
    this.#dashboard(props);
  }

  #ofFunctions({ functions }: AlarmsProps): void {
    for (const stage of STAGES) {
      const { functionName } = functions[stage];
      this.#add(`${stage}-errors`, {
        metric: metric('AWS/Lambda', 'Errors', { FunctionName: functionName }),
        threshold: 1,
        minutes: [3, 5],
        missing: NOT_BREACHING,
        runbook: ERRORS[stage],
      });
      this.#add(`${stage}-throttles`, {
        metric: metric('AWS/Lambda', 'Throttles', { FunctionName: functionName }),
        threshold: 1,
        minutes: [3, 5],
        missing: NOT_BREACHING,
        runbook: `The ${stage} function may not run as often as it is asked to. Raise reservedConcurrency (process) or the account's limit of concurrent executions.`,
      });
    }
    this.#add('iterator-age', {
      metric: metric('AWS/Lambda', 'IteratorAge', { FunctionName: functions.process.functionName }, 'Maximum'),
      threshold: 60_000,
      minutes: [5, 5],
      missing: NOT_BREACHING,
      runbook:
        'Processing is more than a minute behind. Look at process-faults, which tells of tries that failed, at process-errors and process-throttles, and at the throttles of the tables; then at a hot shard (IteratorAge by shard), and at shardCount. Records that are maximumAgeHours old go to the dead letters.',
    });
  }

  /** A mapping that does not run says nothing: there is no iterator age, no error and no throttle of what is not called. */
  #ofMapping({ functions, log, parameters }: AlarmsProps): void {
    const { functionName } = functions.process;
    // A record that comes at the end of a period is in a batch of the next; and what is not told yet of the last one is filled.
    const periods = 1 + Math.ceil((parameters.batchWindowSeconds + 5) / FIVE_MINUTES.toSeconds());
    this.#add('mapping-stopped', {
      metric: new cloudwatch.MathExpression({
        expression: 'IF(FILL(records, 0) > 0 AND FILL(batches, 0) == 0, 1, 0)',
        label: 'records come, and no batch goes',
        period: FIVE_MINUTES,
        usingMetrics: {
          records: metric('AWS/Kinesis', 'IncomingRecords', { StreamName: log.stream.streamName }).with({
            period: FIVE_MINUTES,
          }),
          // Not Invocations, for a schedule invokes the function too: only batches of the stream have an age.
          batches: metric('AWS/Lambda', 'IteratorAge', { FunctionName: functionName }, 'SampleCount').with({
            period: FIVE_MINUTES,
          }),
        },
      }),
      threshold: 1,
      minutes: [periods, periods],
      missing: NOT_BREACHING,
      runbook:
        'Records come in and none is processed: the event source mapping is disabled, was deleted, or may not read the stream. `aws lambda list-event-source-mappings --function-name` with the process function shows its state and last result; enable it, or mend its role or the key. Records wait until streamRetentionHours are over.',
    });
    this.#add('process-faults', {
      metric: new cloudwatch.Metric({
        ...FAULTS_METRIC,
        dimensionsMap: { FunctionName: functionName },
        statistic: 'Sum',
        period: MINUTE,
      }),
      threshold: 1,
      minutes: [3, 5],
      missing: NOT_BREACHING,
      runbook:
        'Tries to process records fail, and the process function caught why: its log group has each. Nothing is lost, the records are sent again, and those after them wait: look at the throttles of the tables, and for what changed last. A record that fails by itself is set aside soon (dead-letters).',
    });
  }

  #ofStream({ log }: AlarmsProps): void {
    const StreamName = log.stream.streamName;
    this.#add('rejected-puts', {
      metric: new cloudwatch.MathExpression({
        expression: 'FILL(throttled, 0) + FILL(failed, 0)',
        label: 'records that PutRecords did not take',
        period: MINUTE,
        usingMetrics: {
          throttled: metric('AWS/Kinesis', 'PutRecords.ThrottledRecords', { StreamName }),
          failed: metric('AWS/Kinesis', 'PutRecords.FailedRecords', { StreamName }),
        },
      }),
      threshold: 1,
      minutes: [3, 5],
      missing: NOT_BREACHING,
      runbook:
        'The stream refuses records; the collector tries again and answers 503 when it cannot. Raise shardCount, or look for one visitor that sends most (hot shard).',
    });
    this.#add('stream-write-throttles', {
      metric: metric('AWS/Kinesis', 'WriteProvisionedThroughputExceeded', { StreamName }),
      threshold: 1,
      minutes: [3, 5],
      missing: NOT_BREACHING,
      runbook:
        'A shard gets more than 1 MB or 1,000 records a second. Raise shardCount, or choose streamMode on-demand.',
    });
    this.#add('stream-read-throttles', {
      metric: metric('AWS/Kinesis', 'ReadProvisionedThroughputExceeded', { StreamName }),
      threshold: 1,
      minutes: [5, 10],
      missing: NOT_BREACHING,
      runbook: 'More readers than a shard bears (5 reads and 2 MB a second). Find who else reads the stream.',
    });
  }

  #ofTable(name: string, { tableName }: dynamodb.Table): void {
    for (const [kind, metricName] of [
      ['read', 'ReadThrottleEvents'],
      ['write', 'WriteThrottleEvents'],
    ] as const) {
      this.#add(`${name}-${kind}-throttles`, {
        metric: metric('AWS/DynamoDB', metricName, { TableName: tableName }),
        threshold: 1,
        minutes: [5, 10],
        missing: NOT_BREACHING,
        runbook: `The table of ${name} refuses ${kind}s; batches wait and are tried again. Raise the from of ${name === 'events' ? 'events' : 'state'}${kind === 'read' ? 'Read' : 'Write'}, or choose tableMode on-demand; if one key is hot, capacity does not help.`,
      });
    }
  }

  #ofIndex({ tableName }: dynamodb.Table): void {
    for (const [kind, metricName, consequence, parameter] of [
      ['read', 'ReadThrottleEvents', 'lists by type come slowly or end in 503', 'indexRead'],
      ['write', 'WriteThrottleEvents', 'so does its table', 'indexWrite'],
    ] as const) {
      this.#add(`index-${kind}-throttles`, {
        metric: metric('AWS/DynamoDB', metricName, { TableName: tableName, GlobalSecondaryIndexName: BY_TYPE }),
        threshold: 1,
        minutes: [5, 10],
        missing: NOT_BREACHING,
        runbook: `The index by type refuses ${kind}s, and ${consequence}. Raise the from of ${parameter}, or choose tableMode on-demand.`,
      });
    }
  }

  #ofDeadLetters({ functions, deadLetterQueue }: AlarmsProps): void {
    const { queueName: QueueName } = deadLetterQueue;
    // What waits is there for days: that more come in is seen by what is sent.
    this.#add('dead-letters', {
      metric: metric('AWS/SQS', 'NumberOfMessagesSent', { QueueName }),
      threshold: 1,
      minutes: [1, 1],
      missing: NOT_BREACHING,
      runbook:
        'Records could not be processed just now; they lie whole in S3. `clickstream redrive list` shows them with their reasons: mend the fault, then `clickstream redrive put` puts them back. The same alarm comes again with the next ones.',
    });
    this.#add('dead-letters-waiting', {
      metric: metric('AWS/SQS', 'ApproximateNumberOfMessagesVisible', { QueueName }, 'Maximum'),
      threshold: 1,
      minutes: [1, 1],
      missing: NOT_BREACHING,
      runbook:
        'There are notices of dead letters that nobody has done with. Once `clickstream redrive` has put back what can be, take the notices away: `aws sqs purge-queue --queue-url` with the output DeadLetterQueueUrl. The letters themselves stay in the bucket. Notices go by themselves after 14 days.',
    });
    this.#add('dead-letters-lost', {
      metric: metric('AWS/Lambda', 'DestinationDeliveryFailures', { FunctionName: functions.process.functionName }),
      threshold: 1,
      minutes: [1, 1],
      missing: NOT_BREACHING,
      runbook:
        'Lambda gave up a batch and could not write it into the bucket of dead letters: it is in the stream alone, until streamRetentionHours are over. Mend the bucket, its key or the role of the process function; `clickstream audit` names what is missing, and the archive has it if it is on. Else read it from the stream: `aws kinesis get-shard-iterator` with the time of the alarm less maximumAgeHours.',
    });
  }

  #ofArchive({ archive }: AlarmsProps): void {
    if (archive === undefined) return;
    this.#add('archive-late', {
      metric: metric(
        'AWS/Firehose',
        'DeliveryToS3.DataFreshness',
        { DeliveryStreamName: archive.delivery.ref },
        'Maximum',
      ),
      threshold: ARCHIVE_LATE_SECONDS,
      minutes: [5, 5],
      missing: NOT_BREACHING,
      runbook:
        'The archive is half an hour late: Firehose cannot write, and gives up after a day. The log group ArchiveLogGroup of the outputs says why: the bucket, the key, or its role.',
    });
  }

  #ofEntry({ entry }: AlarmsProps): void {
    const LoadBalancer = entry.balancer.attrLoadBalancerFullName;
    this.#add('balancer-5xx', {
      metric: metric('AWS/ApplicationELB', 'HTTPCode_ELB_5XX_Count', { LoadBalancer }),
      threshold: 1,
      minutes: [3, 5],
      missing: NOT_BREACHING,
      runbook:
        'The load balancer got no good answer from a function (502: it failed or answered wrongly; 504: too slow). Look at collect-errors and query-errors, and at the access logs.',
    });
    for (const [stage, group] of Object.entries(entry.targetGroups)) {
      this.#add(`${stage}-5xx`, {
        metric: metric('AWS/ApplicationELB', 'HTTPCode_Target_5XX_Count', {
          LoadBalancer,
          TargetGroup: group.attrTargetGroupFullName,
        }),
        threshold: 1,
        minutes: [3, 5],
        missing: NOT_BREACHING,
        runbook: `The ${stage} function answers 5xx: 503 means it cannot take or read now (rejected-puts, throttles), 500 is a fault of the program (its log group).`,
      });
    }
  }

  #add(id: string, { metric: of, threshold, minutes, missing, runbook }: Alarmed): void {
    const [datapointsToAlarm, evaluationPeriods] = minutes;
    const alarm = new cloudwatch.Alarm(this, id, {
      alarmName: `${this.#name}-${id}`,
      alarmDescription: `Runbook: ${runbook}`,
      metric: of,
      threshold,
      datapointsToAlarm,
      evaluationPeriods,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: missing,
    });
    alarm.addAlarmAction(new SnsAction(this.topic));
    alarm.addOkAction(new SnsAction(this.topic));
    this.#alarms.push(alarm);
  }

  #dashboard({ functions, log, store, entry, deadLetterQueue, parameters }: AlarmsProps): void {
    const StreamName = log.stream.streamName;
    const LoadBalancer = entry.balancer.attrLoadBalancerFullName;
    const graph = (title: string, left: readonly cloudwatch.IMetric[]) =>
      new cloudwatch.GraphWidget({ title, left: [...left], width: 8, height: 6 });
    const ofFunctions = (metricName: string, statistic = 'Sum') =>
      Object.entries(functions).map(([label, { functionName }]) =>
        metric('AWS/Lambda', metricName, { FunctionName: functionName }, statistic, label),
      );
    const ofTables = (metricName: string) =>
      [store.events, store.state].map(({ tableName }) => metric('AWS/DynamoDB', metricName, { TableName: tableName }));
    new cloudwatch.Dashboard(this, 'Dashboard', {
      dashboardName: this.#name,
      widgets: [
        [new cloudwatch.AlarmStatusWidget({ title: 'Alarms', alarms: this.#alarms, width: 24, height: 4 })],
        [
          graph('Requests', [metric('AWS/ApplicationELB', 'RequestCount', { LoadBalancer })]),
          graph('5xx', [
            metric('AWS/ApplicationELB', 'HTTPCode_ELB_5XX_Count', { LoadBalancer }),
            metric('AWS/ApplicationELB', 'HTTPCode_Target_5XX_Count', { LoadBalancer }),
          ]),
          graph('Milliseconds to an answer, p99', [
            metric('AWS/ApplicationELB', 'TargetResponseTime', { LoadBalancer }, 'p99'),
          ]),
        ],
        [
          graph('Stream: records in', [metric('AWS/Kinesis', 'IncomingRecords', { StreamName })]),
          graph('Behind, milliseconds', [
            metric('AWS/Lambda', 'IteratorAge', { FunctionName: functions.process.functionName }, 'Maximum'),
          ]),
          graph('Dead letters waiting', [
            metric(
              'AWS/SQS',
              'ApproximateNumberOfMessagesVisible',
              { QueueName: deadLetterQueue.queueName },
              'Maximum',
            ),
          ]),
        ],
        [
          graph('Functions: duration, p99', ofFunctions('Duration', 'p99')),
          graph('Functions: errors and throttles', [...ofFunctions('Errors'), ...ofFunctions('Throttles')]),
          graph('Functions: at once', ofFunctions('ConcurrentExecutions', 'Maximum')),
        ],
        [
          graph('Tables: units written', ofTables('ConsumedWriteCapacityUnits')),
          graph('Tables: units read', ofTables('ConsumedReadCapacityUnits')),
          graph('Tables: throttles', [...ofTables('WriteThrottleEvents'), ...ofTables('ReadThrottleEvents')]),
        ],
        [
          graph('Ledger out of balance', [
            new cloudwatch.Metric({
              ...AUDIT_METRIC,
              dimensionsMap: { FunctionName: functions.query.functionName },
              statistic: 'Maximum',
              period: Duration.minutes(parameters.auditMinutes),
            }),
          ]),
        ],
      ],
    });
  }
}

function metric(
  namespace: string,
  metricName: string,
  dimensionsMap: Record<string, string>,
  statistic = 'Sum',
  label?: string,
): cloudwatch.Metric {
  return new cloudwatch.Metric({
    namespace,
    metricName,
    dimensionsMap,
    statistic,
    period: MINUTE,
    ...(label !== undefined && { label }),
  });
}

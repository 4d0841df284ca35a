import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as sns from 'aws-cdk-lib/aws-sns';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { BY_TYPE } from '../../src/adapters/aws/tables.ts';
import type { Entry } from './entry.ts';
import type { Log } from './log.ts';
import type { PipelineFunction } from './pipeline-function.ts';
import { AUDIT_METRIC } from './query.ts';
import type { StackParts } from './stage.ts';
import type { Store } from './store.ts';

const MINUTE = Duration.minutes(1);
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
    this.#ofStream(props);
    for (const [table, of] of [
      ['events', props.store.events],
      ['state', props.store.state],
    ] as const) {
      this.#ofTable(table, of);
    }
    this.#ofIndex(props.store.events);
    this.#ofEntry(props);
    this.#add('dead-letters', {
      metric: metric(
        'AWS/SQS',
        'ApproximateNumberOfMessagesVisible',
        { QueueName: props.deadLetterQueue.queueName },
        'Maximum',
      ),
      threshold: 1,
      minutes: [1, 1],
      missing: NOT_BREACHING,
      runbook:
        'Records could not be processed; they lie whole in S3. `clickstream redrive` lists them with their reasons: mend the fault, then put them back.',
    });
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
    this.#dashboard(props);
  }

  #ofFunctions({ functions }: AlarmsProps): void {
    for (const [stage, { functionName }] of Object.entries(functions)) {
      this.#add(`${stage}-errors`, {
        metric: metric('AWS/Lambda', 'Errors', { FunctionName: functionName }),
        threshold: 1,
        minutes: [3, 5],
        missing: NOT_BREACHING,
        runbook: `The ${stage} function throws or runs out of time; nothing is lost, batches and clients try again. Its log group has the error.`,
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
        'Processing is more than a minute behind. Look at process-errors and the throttles of the tables first; then at a hot shard (IteratorAge by shard), and at shardCount. Records expire after streamRetentionHours.',
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
    this.#add('index-write-throttles', {
      metric: metric('AWS/DynamoDB', 'WriteThrottleEvents', {
        TableName: tableName,
        GlobalSecondaryIndexName: BY_TYPE,
      }),
      threshold: 1,
      minutes: [5, 10],
      missing: NOT_BREACHING,
      runbook: 'The index by type refuses writes, and so does its table. Raise the from of indexWrite.',
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

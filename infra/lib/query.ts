import { Duration } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { badPk } from '../../src/adapters/aws/bad-items.ts';
import { deadPk, partsOf, REBUILD_PK, rowPk, SEALED_KEY, WITNESS_PK } from '../../src/adapters/aws/items.ts';
import { partPk } from '../../src/adapters/aws/large-values.ts';
import { LEDGER } from '../../src/process/views/ledger.ts';
import { PipelineFunction } from './pipeline-function.ts';
import { environmentOf, partitions, type StageProps, TABLE_KEY_ACTIONS } from './stage.ts';

/** What a schedule sends to the query function: it audits the ledger, and writes what it finds as a metric. */
export const AUDIT_EVENT = { source: 'clickstream.schedule', task: 'audit' };
/** The function writes this in CloudWatch's embedded metric format: 0 or 1, with the dimension FunctionName. */
export const AUDIT_METRIC = { namespace: 'Clickstream', metricName: 'LedgerOutOfBalance' };

/** Dead records are in a partition a lane, whose name begins with this. */
const [DEAD] = partsOf(deadPk('')) as [string];
const [BAD] = partsOf(badPk('')) as [string];

/** What sealing puts and replaces: the totals, in one item or in parts. */
export const SEALED_PARTITIONS = [SEALED_KEY.pk, partPk(SEALED_KEY.pk)].map(like);
/** What it makes superfluous: rows of the ledger, and witnesses. */
export const SUPERFLUOUS_PARTITIONS = [
  WITNESS_PK,
  rowPk({ view: LEDGER.name, version: LEDGER.version, source: '*' }),
].map(like);

/** Policies hold no NUL, which joins the parts of a key: `?` is any one character. */
function like(pk: string): string {
  return pk.replaceAll('\0', '?');
}

/** Reads for the API, the dashboard and the commands, puts dead letters back into the stream, notes which views are to be folded anew, seals and audits the ledger by a schedule. */
export class Query extends Construct {
  readonly function: PipelineFunction;

  constructor(scope: Construct, id: string, props: StageProps) {
    super(scope, id);
    const { log, store, secrets, keys, network, parameters } = props;
    // A deep audit counts all events, by scanning them.
    const eventsActions = ['BatchGetItem', 'Query', 'Scan'].map((action) => `dynamodb:${action}`);
    const stateActions = ['GetItem', 'BatchGetItem', 'Query'].map((action) => `dynamodb:${action}`);
    const redrive = { put: ['kinesis:PutRecords'], note: ['dynamodb:PutItem'] };
    // Sealing puts totals in the place of the ledger's rows; an audit looks whether anything is left in a shard.
    const seal = { put: ['dynamodb:PutItem', 'dynamodb:BatchWriteItem'], drop: ['dynamodb:DeleteItem'] };
    const look = ['kinesis:ListShards', 'kinesis:GetShardIterator', 'kinesis:GetRecords'];
    const { streamArn } = log.stream;
    this.function = new PipelineFunction(this, 'Reader', {
      ...props,
      functionName: `${props.name}-query`,
      description: 'Answers the API and the dashboard, and puts dead letters back',
      environment: { ...environmentOf(props), READ_TOKEN_SECRET_ARN: secrets.readToken.secretArn },
      statements: [
        new iam.PolicyStatement({ sid: 'Events', actions: eventsActions, resources: [store.events.tableArn] }),
        new iam.PolicyStatement({ sid: 'ByType', actions: ['dynamodb:Query'], resources: [store.byTypeArn] }),
        new iam.PolicyStatement({ sid: 'State', actions: stateActions, resources: [store.state.tableArn] }),
        new iam.PolicyStatement({ sid: 'PutBack', actions: redrive.put, resources: [streamArn] }),
        new iam.PolicyStatement({
          sid: 'NotePutBack',
          actions: redrive.note,
          resources: [store.state.tableArn],
          conditions: partitions(`${DEAD}*`, `${BAD}*`),
        }),
        // Which views are to be folded anew; the process function does it.
        new iam.PolicyStatement({
          sid: 'AskRebuild',
          actions: ['dynamodb:PutItem'],
          resources: [store.state.tableArn],
          conditions: partitions(REBUILD_PK),
        }),
        new iam.PolicyStatement({
          sid: 'Seal',
          actions: seal.put,
          resources: [store.state.tableArn],
          conditions: partitions(...SEALED_PARTITIONS),
        }),
        new iam.PolicyStatement({
          sid: 'DropSealed',
          actions: seal.drop,
          resources: [store.state.tableArn],
          conditions: partitions(...SUPERFLUOUS_PARTITIONS),
        }),
        new iam.PolicyStatement({ sid: 'LookAtShards', actions: look, resources: [streamArn] }),
        new iam.PolicyStatement({
          sid: 'ReadToken',
          actions: ['secretsmanager:GetSecretValue'],
          resources: [secrets.readToken.secretArn],
        }),
        keys.statement('dynamodb', TABLE_KEY_ACTIONS),
        keys.statement('kinesis', ['GenerateDataKey', 'Decrypt']),
        keys.statement('secretsmanager', ['Decrypt']),
      ],
    });
    network.allow('dynamodb', eventsActions, [store.events.tableArn]);
    network.allow('dynamodb', ['dynamodb:Query'], [store.byTypeArn]);
    network.allow('dynamodb', [...stateActions, ...seal.put, ...seal.drop], [store.state.tableArn]);
    network.allow('kinesis', [...redrive.put, ...look], [streamArn]);
    network.allow('secrets', ['secretsmanager:GetSecretValue'], [secrets.readToken.secretArn]);
    network.allow('lambda', ['lambda:InvokeFunction'], [this.function.functionArn]);

    const schedule = new events.CfnRule(this, 'Audit', {
      description: 'Audits the ledger',
      scheduleExpression: events.Schedule.rate(Duration.minutes(parameters.auditMinutes)).expressionString,
      state: 'ENABLED',
      targets: [
        {
          id: 'query',
          arn: this.function.functionArn,
          input: JSON.stringify(AUDIT_EVENT),
          // The next one comes soon enough.
          retryPolicy: { maximumRetryAttempts: 0, maximumEventAgeInSeconds: 300 },
        },
      ],
    });
    new lambda.CfnPermission(this, 'AuditMayInvoke', {
      action: 'lambda:InvokeFunction',
      functionName: this.function.functionArn,
      principal: 'events.amazonaws.com',
      sourceArn: schedule.attrArn,
    });
  }
}

import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { SALT_PK, WITNESS_PK } from '../../src/adapters/aws/items.ts';
import { PipelineFunction } from './pipeline-function.ts';
import { environmentOf, partitions, type StageProps, TABLE_KEY_ACTIONS } from './stage.ts';

/** Bytes of any protocol into the stream. */
export class Collect extends Construct {
  readonly function: PipelineFunction;

  constructor(scope: Construct, id: string, props: StageProps) {
    super(scope, id);
    const { log, store, secrets, keys, network, parameters } = props;
    const items = ['dynamodb:PutItem', 'dynamodb:GetItem'];
    this.function = new PipelineFunction(this, 'Collector', {
      ...props,
      functionName: `${props.name}-collect`,
      description: 'Takes events in: 2xx once the stream has them',
      // With one event a request the lines of those that went well cost as much as collecting does (docs/cost.md).
      systemLogLevel: 'WARN',
      environment: {
        ...environmentOf(props),
        WRITE_KEY_SECRET_ARN: secrets.writeKey.secretArn,
        PROXIES: String(parameters.proxies),
      },
      statements: [
        new iam.PolicyStatement({
          sid: 'Append',
          actions: ['kinesis:PutRecords'],
          resources: [log.stream.streamArn],
        }),
        // A put that is refused reads what is there.
        new iam.PolicyStatement({
          sid: 'WitnessAndSalts',
          actions: items,
          resources: [store.state.tableArn],
          conditions: partitions(WITNESS_PK, SALT_PK),
        }),
        new iam.PolicyStatement({
          sid: 'WriteKey',
          actions: ['secretsmanager:GetSecretValue'],
          resources: [secrets.writeKey.secretArn],
        }),
        keys.statement('kinesis', ['GenerateDataKey']),
        keys.statement('dynamodb', TABLE_KEY_ACTIONS),
        keys.statement('secretsmanager', ['Decrypt']),
      ],
    });
    network.allow('kinesis', ['kinesis:PutRecords'], [log.stream.streamArn]);
    network.allow('dynamodb', items, [store.state.tableArn]);
    network.allow('secrets', ['secretsmanager:GetSecretValue'], [secrets.writeKey.secretArn]);
    network.allow('lambda', ['lambda:InvokeFunction'], [this.function.functionArn]);
  }
}

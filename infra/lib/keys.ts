import { Aws, Duration, type RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';

/** The one key of all data at rest. Services use it under conditions of their own, roles through one service each. */
export class Keys extends Construct {
  readonly key: kms.Key;

  constructor(
    scope: Construct,
    id: string,
    { name, removalPolicy }: { readonly name: string; readonly removalPolicy: RemovalPolicy },
  ) {
    super(scope, id);
    const { region, account, partition, stackName } = Stack.of(this);
    const statement = (sid: string, service: string, actions: string[], conditions: object): iam.PolicyStatement =>
      new iam.PolicyStatement({
        sid,
        principals: [new iam.ServicePrincipal(service)],
        actions: actions.map((action) => `kms:${action}`),
        // In a key's policy this is the key itself.
        resources: ['*'],
        conditions: conditions as Record<string, object>,
      });

    this.key = new kms.Key(this, 'Key', {
      description: `${name}: events, states, stream, secrets, logs`,
      enableKeyRotation: true,
      rotationPeriod: Duration.days(365),
      pendingWindow: Duration.days(30),
      removalPolicy,
      policy: new iam.PolicyDocument({
        statements: [
          // Without this nobody could ever change the key again; it also lets policies of roles count.
          new iam.PolicyStatement({
            sid: 'Account',
            principals: [new iam.AccountRootPrincipal()],
            actions: ['kms:*'],
            resources: ['*'],
          }),
          statement(
            'Logs',
            `logs.${region}.${Aws.URL_SUFFIX}`,
            ['Encrypt', 'Decrypt', 'ReEncryptFrom', 'ReEncryptTo', 'GenerateDataKey', 'DescribeKey'],
            {
              ArnLike: {
                'kms:EncryptionContext:aws:logs:arn': `arn:${partition}:logs:${region}:${account}:log-group:${stackName}-*`,
              },
            },
          ),
          statement('Alarms', 'cloudwatch.amazonaws.com', ['Decrypt', 'GenerateDataKey'], {
            StringEquals: { 'aws:SourceAccount': account },
            ArnLike: { 'aws:SourceArn': `arn:${partition}:cloudwatch:${region}:${account}:alarm:${name}-*` },
          }),
          // S3 sends into the stack's queue, whose own policy says from which account. SQS tells KMS which queue it is:
          // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
          statement('DeadLetterNotices', 's3.amazonaws.com', ['Decrypt', 'GenerateDataKey'], {
            ArnLike: {
              'kms:EncryptionContext:aws:sqs:arn': `arn:${partition}:sqs:${region}:${account}:${stackName}-*`,
            },
          }),
        ],
      }),
    });
    new kms.Alias(this, 'Alias', { aliasName: `alias/${name}`, targetKey: this.key });
  }

  /** A role may use the key for what one service holds, and for nothing else. */
  statement(service: string, actions: readonly string[]): iam.PolicyStatement {
    return new iam.PolicyStatement({
      actions: actions.map((action) => `kms:${action}`),
      resources: [this.key.keyArn],
      conditions: { StringEquals: { 'kms:ViaService': `${service}.${Stack.of(this).region}.${Aws.URL_SUFFIX}` } },
    });
  }
}

import { Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import type * as logs from 'aws-cdk-lib/aws-logs';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { logGroup } from './logs.ts';
import type { Network } from './network.ts';
import { serviceRole } from './roles.ts';

export interface PipelineFunctionProps {
  /** The function's name, which its role's policy and its alarms need before it is made. */
  readonly functionName: string;
  readonly description: string;
  /** The folder that the bundle lies in. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly statements: readonly iam.PolicyStatement[];
  readonly network: Network;
  readonly key: kms.IKey;
  readonly parameters: { readonly logRetentionDays: number };
  /** What the static checks say of `statements`, and why it is right. */
  readonly acknowledged?: Readonly<Record<string, string>>;
  readonly reservedConcurrency?: number | undefined;
  /**
   * What Lambda itself writes: with INFO two lines for each invocation, with WARN only of those that fail
   * (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html).
   *
   * @default INFO
   */
  readonly systemLogLevel?: 'WARN';
}

/** Functions hold only what is theirs: a role of its own, with exact actions on exact resources. */
export class PipelineFunction extends Construct {
  readonly functionName: string;
  readonly functionArn: string;
  readonly resource: lambda.CfnFunction;
  readonly logs: logs.LogGroup;

  constructor(scope: Construct, id: string, props: PipelineFunctionProps) {
    super(scope, id);
    const { region, account, partition } = Stack.of(this);
    this.functionName = props.functionName;
    this.logs = logGroup(this, 'Logs', { key: props.key, retentionDays: props.parameters.logRetentionDays });
    const code = new Asset(this, 'Code', { path: props.folder });

    const interfaces = [
      'ec2:CreateNetworkInterface',
      'ec2:DescribeNetworkInterfaces',
      'ec2:DescribeSubnets',
      'ec2:DeleteNetworkInterface',
      'ec2:AssignPrivateIpAddresses',
      'ec2:UnassignPrivateIpAddresses',
    ];
    const role = serviceRole(this, 'Role', {
      service: 'lambda.amazonaws.com',
      statements: [
        new iam.PolicyStatement({
          sid: 'Logs',
          actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
          resources: [this.logs.logGroupArn],
        }),
        // The two have no resources to name: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
        new iam.PolicyStatement({
          sid: 'Traces',
          actions: ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'],
          resources: ['*'],
        }),
        // Lambda makes the network interfaces with this role and checks for exactly these; what they are cannot be known before.
        // https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
        new iam.PolicyStatement({ sid: 'Interfaces', actions: interfaces, resources: ['*'] }),
        // The function's own code may not: the page above shows this statement.
        new iam.PolicyStatement({
          sid: 'InterfacesNotByCode',
          effect: iam.Effect.DENY,
          actions: [...interfaces, 'ec2:DetachNetworkInterface'],
          resources: ['*'],
          conditions: {
            ArnEquals: {
              'lambda:SourceFunctionArn': `arn:${partition}:lambda:${region}:${account}:function:${props.functionName}`,
            },
          },
        }),
        ...props.statements,
      ],
    });
    acknowledge(role, {
      'AwsSolutions-IAM5[Resource::*]':
        'X-Ray takes traces without a resource, and Lambda makes network interfaces whose ids nobody can know before; code in the function is denied the latter.',
      CKV_AWS_111:
        'Only for the network interfaces that Lambda makes: their ids cannot be known before, and code in the function is denied these actions.',
      ...props.acknowledged,
    });

    this.resource = new lambda.CfnFunction(this, 'Function', {
      functionName: props.functionName,
      description: props.description,
      runtime: lambda.Runtime.NODEJS_24_X.name,
      architectures: ['arm64'],
      handler: 'index.handler',
      code: { s3Bucket: code.s3BucketName, s3Key: code.s3ObjectKey },
      role: role.roleArn,
      memorySize: 512,
      timeout: 60,
      ...(props.reservedConcurrency !== undefined && { reservedConcurrentExecutions: props.reservedConcurrency }),
      environment: { variables: { NODE_OPTIONS: '--enable-source-maps', ...props.environment } },
      vpcConfig: { subnetIds: [...props.network.subnetIds], securityGroupIds: [props.network.groups.functions] },
      tracingConfig: { mode: 'Active' },
      loggingConfig: {
        ...{ logGroup: this.logs.logGroupName, logFormat: 'JSON' },
        systemLogLevel: props.systemLogLevel ?? 'INFO',
        // Metrics are lines of this level (src/main/lambda-log.ts).
        applicationLogLevel: 'INFO',
      },
    });
    acknowledge(this.resource, {
      CKV_AWS_116:
        'Who invokes it waits for the answer (load balancer), or keeps what failed (event source mapping, to S3); an audit that fails is an alarm.',
      CKV_AWS_173: 'Names and ARNs alone: the secrets themselves are in Secrets Manager, under the key of the stack.',
      ...(props.reservedConcurrency === undefined && {
        CKV_AWS_115:
          "Its load is that of the clients; a share of the account's limit is reserved where a backlog could take it all, for the processor.",
      }),
    });
    this.functionArn = this.resource.attrArn;
    code.addResourceMetadata(this.resource, 'Code');
  }
}

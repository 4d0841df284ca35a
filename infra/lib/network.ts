import { readFileSync } from 'node:fs';
import { Aws, CfnCustomResource, Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import type * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { logGroup } from './logs.ts';
import type { Parameters } from './parameters.ts';
import { serviceRole } from './roles.ts';

const HTTPS = { ipProtocol: 'tcp', fromPort: 443, toPort: 443 };
/** No address is there: the one rule that takes EC2's own, which allows everything, away (the type's page in CloudFormation's reference). */
const NO_EGRESS = {
  ipProtocol: '-1',
  cidrIp: '127.0.0.1/32',
  description: 'nothing: takes the place of the default rule',
};

export interface NetworkProps {
  readonly name: string;
  readonly parameters: Parameters;
  readonly key: kms.IKey;
}

/** Private subnets alone, one NAT gateway for the whole region, endpoints, groups, flow logs. */
export class Network extends Construct {
  readonly vpc: ec2.Vpc;
  readonly subnetIds: readonly string[];
  readonly natGatewayId: string;
  readonly groups: { readonly balancer: string; readonly functions: string; readonly endpoints: string };
  readonly endpoints: {
    readonly dynamodb: ec2.GatewayVpcEndpoint;
    readonly s3: ec2.GatewayVpcEndpoint;
    readonly kinesis: ec2.InterfaceVpcEndpoint;
    readonly lambda: ec2.InterfaceVpcEndpoint;
    readonly secrets: ec2.InterfaceVpcEndpoint;
  };
  readonly flowLogs: logs.LogGroup;
  /** What empties the default security group. */
  readonly emptying: { readonly function: lambda.CfnFunction; readonly logs: logs.LogGroup };

  constructor(scope: Construct, id: string, { name, parameters, key }: NetworkProps) {
    super(scope, id);
    const bits = Number(parameters.vpcCidr.split('/')[1]);
    this.vpc = new ec2.Vpc(this, 'Vpc', {
      ipAddresses: ec2.IpAddresses.cidr(parameters.vpcCidr),
      enableDnsHostnames: true,
      enableDnsSupport: true,
      maxAzs: parameters.availabilityZones.length || 2,
      natGatewayProvider: ec2.NatProvider.regionalGateway(),
      // A quarter of the VPC each, however many zones there are, so that one more zone moves no subnet.
      subnetConfiguration: [{ name: 'private', subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS, cidrMask: bits + 2 }],
    });
    acknowledge(this.vpc, {
      'PCI.DSS.321-VPCDefaultSecurityGroupClosed':
        'CloudFormation cannot take the rules of the default group away; the resource EmptyDefaultGroup below does.',
    });
    for (const { node } of parameters.availabilityZones.length > 0 ? this.vpc.privateSubnets : []) {
      acknowledge(node.findChild('Subnet'), {
        'CloudFormation-Validate::W3010': 'The parameter availabilityZones names the zones on purpose.',
      });
    }
    this.subnetIds = this.vpc.privateSubnets.map(({ subnetId }) => subnetId);
    const nat = this.vpc.node.findChild('RegionalNatGateway') as ec2.CfnNatGateway;
    // CDK makes it wait for the internet gateway, but not for its attachment to the VPC.
    nat.node.addDependency(this.vpc.node.findChild('VPCGW'));
    this.natGatewayId = nat.attrNatGatewayId;

    this.groups = this.#groups(parameters);
    this.endpoints = this.#endpoints();
    this.flowLogs = this.#logFlows(key, parameters.logRetentionDays);
    this.emptying = this.#emptyDefaultGroup(name, key, parameters.logRetentionDays);
  }

  /** All rules are inline but the one that would close a circle: a group without an inline egress rule keeps EC2's allow-all. */
  #groups({ vpcCidr, clientCidrs, clientPrefixLists, egressCidrs, prefixLists, certificateArn }: Parameters) {
    const cidrs = clientCidrs.length + clientPrefixLists.length > 0 ? clientCidrs : [vpcCidr];
    const ports = certificateArn === undefined ? [80] : [80, 443];
    const client = (port: number) => ({
      ipProtocol: 'tcp',
      fromPort: port,
      toPort: port,
      description: `clients, port ${port}`,
    });
    const balancer = new ec2.CfnSecurityGroup(this, 'BalancerGroup', {
      vpcId: this.vpc.vpcId,
      groupDescription: 'Load balancer: clients in, and nothing out, for functions are invoked and not connected to',
      securityGroupIngress: [
        ...ports.flatMap((port) => cidrs.map((cidrIp) => ({ ...client(port), cidrIp }))),
        // One port alone: that of CloudFront counts as 55 rules of the 60 that a group may have.
        ...clientPrefixLists.map((sourcePrefixListId) => ({ ...client(ports.at(-1) ?? 80), sourcePrefixListId })),
      ],
      securityGroupEgress: [NO_EGRESS],
    });
    const endpoints = new ec2.CfnSecurityGroup(this, 'EndpointsGroup', {
      vpcId: this.vpc.vpcId,
      groupDescription: 'Interface endpoints: functions in, nothing out',
      securityGroupEgress: [NO_EGRESS],
    });
    const functions = new ec2.CfnSecurityGroup(this, 'FunctionsGroup', {
      vpcId: this.vpc.vpcId,
      groupDescription: 'Functions: out to the endpoints and to what egressCidrs names, nothing in',
      securityGroupEgress: [
        {
          ...HTTPS,
          destinationSecurityGroupId: endpoints.attrGroupId,
          description: 'Kinesis, Lambda, Secrets Manager',
        },
        { ...HTTPS, destinationPrefixListId: prefixLists.dynamodb, description: 'DynamoDB' },
        { ...HTTPS, destinationPrefixListId: prefixLists.s3, description: 'S3' },
        ...egressCidrs.map((cidrIp) => ({ ...HTTPS, cidrIp, description: 'egressCidrs, through the NAT gateway' })),
      ],
    });
    new ec2.CfnSecurityGroupIngress(this, 'EndpointsFromFunctions', {
      ...HTTPS,
      groupId: endpoints.attrGroupId,
      sourceSecurityGroupId: functions.attrGroupId,
      description: 'functions',
    });
    return { balancer: balancer.attrGroupId, functions: functions.attrGroupId, endpoints: endpoints.attrGroupId };
  }

  /** What may pass an endpoint is added by the stages: `allow`. */
  #endpoints(): Network['endpoints'] {
    const group = ec2.SecurityGroup.fromSecurityGroupId(this, 'Endpoints', this.groups.endpoints, { mutable: false });
    // CDK's own types do not agree with each other under exactOptionalPropertyTypes.
    const vpc = this.vpc as ec2.IVpc;
    const gateway = (id: string, service: ec2.GatewayVpcEndpointAwsService) =>
      new ec2.GatewayVpcEndpoint(this, id, { vpc, service });
    const face = (id: string, service: ec2.InterfaceVpcEndpointAwsService) =>
      new ec2.InterfaceVpcEndpoint(this, id, {
        vpc,
        service,
        privateDnsEnabled: true,
        open: false,
        securityGroups: [group],
      });
    return {
      dynamodb: gateway('DynamodbEndpoint', ec2.GatewayVpcEndpointAwsService.DYNAMODB),
      s3: gateway('S3Endpoint', ec2.GatewayVpcEndpointAwsService.S3),
      kinesis: face('KinesisEndpoint', ec2.InterfaceVpcEndpointAwsService.KINESIS_STREAMS),
      lambda: face('LambdaEndpoint', ec2.InterfaceVpcEndpointAwsService.LAMBDA),
      secrets: face('SecretsEndpoint', ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER),
    };
  }

  /** Lets the account's own principals do this through an endpoint. What is allowed nowhere cannot leave by it. */
  allow(endpoint: keyof Network['endpoints'], actions: readonly string[], resources: readonly string[]): void {
    this.endpoints[endpoint].addToPolicy(
      new iam.PolicyStatement({
        principals: [new iam.AnyPrincipal()],
        actions: [...actions],
        resources: [...resources],
        conditions: { StringEquals: { 'aws:PrincipalAccount': Stack.of(this).account } },
      }),
    );
  }

  #logFlows(key: kms.IKey, retentionDays: number): logs.LogGroup {
    const group = logGroup(this, 'FlowLogGroup', { key, retentionDays });
    const { account, partition, region } = Stack.of(this);
    const role = serviceRole(this, 'FlowLogRole', {
      service: 'vpc-flow-logs.amazonaws.com',
      conditions: {
        StringEquals: { 'aws:SourceAccount': account },
        ArnLike: { 'aws:SourceArn': `arn:${partition}:ec2:${region}:${account}:vpc-flow-log/*` },
      },
      statements: [
        new iam.PolicyStatement({
          actions: ['logs:CreateLogStream', 'logs:PutLogEvents', 'logs:DescribeLogStreams'],
          resources: [group.logGroupArn],
        }),
      ],
    });
    new ec2.CfnFlowLog(this, 'FlowLog', {
      resourceId: this.vpc.vpcId,
      resourceType: 'VPC',
      trafficType: 'ALL',
      logDestinationType: 'cloud-watch-logs',
      logGroupName: group.logGroupName,
      deliverLogsPermissionArn: role.roleArn,
      maxAggregationInterval: 600,
    });
    return group;
  }

  /** A function of its own, once a deployment that changes it; it calls EC2 alone and lives outside the VPC, which has no way there. */
  #emptyDefaultGroup(name: string, key: kms.IKey, retentionDays: number): Network['emptying'] {
    const { region, account, partition } = Stack.of(this);
    const defaultGroup = this.vpc.vpcDefaultSecurityGroup;
    const group = logGroup(this, 'EmptyDefaultGroupLogs', { key, retentionDays });
    const role = serviceRole(this, 'EmptyDefaultGroupRole', {
      service: 'lambda.amazonaws.com',
      statements: [
        new iam.PolicyStatement({
          actions: ['ec2:RevokeSecurityGroupIngress', 'ec2:RevokeSecurityGroupEgress'],
          resources: [`arn:${partition}:ec2:${region}:${account}:security-group/${defaultGroup}`],
        }),
        new iam.PolicyStatement({
          actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
          resources: [group.logGroupArn],
        }),
      ],
    });
    const empty = new lambda.CfnFunction(this, 'EmptyDefaultGroupFunction', {
      functionName: `${name}-network`,
      description: 'Takes the rules of the default security group away',
      runtime: lambda.Runtime.NODEJS_24_X.name,
      architectures: ['arm64'],
      handler: 'index.handler',
      code: { zipFile: readFileSync(new URL('empty-default-group.cjs', import.meta.url), 'utf8') },
      role: role.roleArn,
      timeout: 60,
      memorySize: 128,
      environment: { variables: { EC2_HOST: `ec2.${region}.${Aws.URL_SUFFIX}` } },
      loggingConfig: { logGroup: group.logGroupName, logFormat: 'JSON' },
      tracingConfig: { mode: 'PassThrough' },
    });
    acknowledge(empty, {
      'PCI.DSS.321-LambdaInsideVPC':
        'Runs once a deployment, holds no data, and calls EC2 alone. Inside the VPC it would need a way to EC2 that nothing else needs.',
      CKV_AWS_117:
        'Runs once a deployment, holds no data, and calls EC2 alone. Inside the VPC it would need a way to EC2 that nothing else needs.',
      CKV_AWS_116: 'CloudFormation waits for its answer and fails the deployment without one: nothing is lost unseen.',
      CKV_AWS_115: 'CloudFormation invokes it once a deployment; a reserved share would be taken from the pipeline.',
      CKV_AWS_173: 'Its environment holds the public name of EC2, and no secret.',
    });
    const emptied = new CfnCustomResource(this, 'EmptyDefaultGroup', {
      serviceToken: empty.attrArn,
      serviceTimeout: 120,
    });
    emptied.addPropertyOverride('GroupId', defaultGroup);
    return { function: empty, logs: group };
  }
}

import { PARAMETERS_OF_STACK } from '../../../infra/lib/parameters.ts';
import { PREFIX_LISTS } from '../../../infra/lib/prefix-lists.ts';
import type { Guarantee, Statement } from '../guarantee.ts';
import {
  first,
  idOf,
  listed,
  one,
  type Resource,
  referred,
  remove,
  resourcesOf,
  type Template,
  text,
} from '../template.ts';

export const subnetsArePrivate: Guarantee = {
  problems: (template) => {
    const subnets = resourcesOf(template, 'AWS::EC2::Subnet');
    const associations = resourcesOf(template, 'AWS::EC2::SubnetRouteTableAssociation');
    const routes = resourcesOf(template, 'AWS::EC2::Route');
    const gateways = resourcesOf(template, 'AWS::EC2::InternetGateway', 'AWS::EC2::EgressOnlyInternetGateway');
    const zones = new Set(subnets.map(([, { Properties }]) => text(Properties.AvailabilityZone)));
    return [
      ...(zones.size < 2 ? [`${zones.size} zones`] : []),
      ...subnets.flatMap(([id, { Properties }]) => {
        const found = Properties.MapPublicIpOnLaunch === false ? [] : [`${id} gives out public addresses`];
        const tables = associations
          .filter(([, association]) => referred(association.Properties.SubnetId) === id)
          .map(([, association]) => referred(association.Properties.RouteTableId));
        if (tables.length !== 1) found.push(`${id} has ${tables.length} route tables of its own`);
        const own = routes.filter(([, route]) => tables.includes(referred(route.Properties.RouteTableId)));
        const isThroughNat = own.some(([, route]) => referred(route.Properties.NatGatewayId) !== undefined);
        if (!isThroughNat) found.push(`${id} has no route to the NAT gateway`);
        return found;
      }),
      ...routes
        .filter(([, { Properties }]) =>
          gateways.some(([id]) =>
            [referred(Properties.GatewayId), referred(Properties.EgressOnlyInternetGatewayId)].includes(id),
          ),
        )
        .map(([id]) => `${id} leads to the internet gateway`),
    ];
  },
  faults: {
    'a route to the internet gateway': (t) => {
      const route = first(t, 'EC2::Route').Properties;
      delete route.NatGatewayId;
      route.GatewayId = { Ref: idOf(t, 'EC2::InternetGateway') };
    },
    'a second route to the internet gateway': (t) => {
      const { RouteTableId } = first(t, 'EC2::Route').Properties;
      t.Resources.Second = {
        Type: 'AWS::EC2::Route',
        Properties: {
          RouteTableId,
          DestinationCidrBlock: '203.0.113.0/24',
          GatewayId: { Ref: idOf(t, 'EC2::InternetGateway') },
        },
      };
    },
    'public addresses': (t) => (first(t, 'EC2::Subnet').Properties.MapPublicIpOnLaunch = true),
    'one zone': (t) => {
      for (const [, subnet] of resourcesOf(t, 'AWS::EC2::Subnet')) subnet.Properties.AvailabilityZone = 'eu-central-1a';
    },
    'a subnet on the main route table': (t) => remove(t, 'EC2::SubnetRouteTableAssociation'),
  },
};

export const natIsRegional: Guarantee = {
  problems: (template) => {
    const gateways = resourcesOf(template, 'AWS::EC2::NatGateway');
    const attachments = resourcesOf(template, 'AWS::EC2::VPCGatewayAttachment').map(([id]) => id);
    return [
      ...(gateways.length === 1 ? [] : [`${gateways.length} NAT gateways`]),
      ...gateways.flatMap(([id, { Properties, DependsOn }]) => [
        ...(Properties.AvailabilityMode === 'regional' && Properties.SubnetId === undefined
          ? []
          : [`${id} is not regional`]),
        ...(listed(DependsOn).some((on) => attachments.includes(on)) ? [] : [`${id} does not wait for the attachment`]),
      ]),
    ];
  },
  faults: {
    'a NAT gateway of one zone': (t) => delete one(t, 'EC2::NatGateway').Properties.AvailabilityMode,
    'a NAT gateway in a subnet': (t) => (one(t, 'EC2::NatGateway').Properties.SubnetId = 'subnet-1'),
    'it does not wait for the attachment': (t) => delete one(t, 'EC2::NatGateway').DependsOn,
    'there is none': (t) => remove(t, 'EC2::NatGateway'),
  },
};

export const vpcHasNames: Guarantee = {
  problems: (template) =>
    resourcesOf(template, 'AWS::EC2::VPC')
      .filter(([, { Properties }]) => !(Properties.EnableDnsSupport && Properties.EnableDnsHostnames))
      .map(([id]) => `${id} has no DNS`),
  faults: {
    'no names': (t) => (one(t, 'EC2::VPC').Properties.EnableDnsHostnames = false),
  },
};

export const groupsAreClosed: Guarantee = {
  problems: (template) => {
    const anywhere = /^(0\.0\.0\.0\/0|::\/0)$/;
    const groups = resourcesOf(template, 'AWS::EC2::SecurityGroup');
    const rules = [
      ...groups.flatMap(([id, { Properties }]) =>
        [...listed(Properties.SecurityGroupIngress), ...listed(Properties.SecurityGroupEgress)].map(
          (rule) => [id, rule] as const,
        ),
      ),
      ...resourcesOf(template, 'AWS::EC2::SecurityGroupIngress', 'AWS::EC2::SecurityGroupEgress').map(
        ([id, { Properties }]) => [id, Properties] as const,
      ),
    ];
    return [
      ...rules
        .filter(([, rule]) => anywhere.test(rule.CidrIp ?? '') || anywhere.test(rule.CidrIpv6 ?? ''))
        .map(([id]) => `${id} is open to anywhere`),
      ...rules.filter(([, rule]) => (rule.Description ?? '') === '').map(([id]) => `${id} has a rule without a reason`),
      // Without an inline egress rule EC2's own stays, which allows everything.
      ...groups
        .filter(([, { Properties }]) => listed(Properties.SecurityGroupEgress).length === 0)
        .map(([id]) => `${id} has no inline egress rule`),
    ];
  },
  faults: {
    'in from anywhere': (t) =>
      (first(t, 'EC2::SecurityGroup', /Balancer/).Properties.SecurityGroupIngress[0].CidrIp = '0.0.0.0/0'),
    'out to anywhere': (t) =>
      first(t, 'EC2::SecurityGroup', /Functions/).Properties.SecurityGroupEgress.push({
        CidrIp: '0.0.0.0/0',
        Description: 'x',
      }),
    'out to anywhere by IPv6': (t) =>
      first(t, 'EC2::SecurityGroup', /Functions/).Properties.SecurityGroupEgress.push({
        CidrIpv6: '::/0',
        Description: 'x',
      }),
    'in from anywhere, by a rule of its own': (t) =>
      Object.assign(first(t, 'EC2::SecurityGroupIngress').Properties, { CidrIp: '0.0.0.0/0' }),
    'no inline egress rule': (t) => delete first(t, 'EC2::SecurityGroup', /Endpoints/).Properties.SecurityGroupEgress,
    'a rule without a reason': (t) =>
      delete first(t, 'EC2::SecurityGroup', /Balancer/).Properties.SecurityGroupIngress[0].Description,
  },
};

const NOWHERE = 'out to 127.0.0.1/32, all';

/** All rules of each group, as they are in each of the three stacks that are tested. */
const RULES: Readonly<Record<string, (template: Template) => readonly string[]>> = {
  BalancerGroup: (template) => [
    ...portsOf(template).flatMap((port) => clientsOf(template, port).map((client) => `in from ${client}, tcp ${port}`)),
    NOWHERE,
  ],
  EndpointsGroup: () => ['in from FunctionsGroup, tcp 443', NOWHERE],
  FunctionsGroup: (template) => [
    'out to EndpointsGroup, tcp 443',
    ...['dynamodb', 's3'].map((service) => `out to ${prefixListOf(template, service)}, tcp 443`),
    ...parameterOf(template, 'egressCidrs').map((cidr) => `out to ${cidr}, tcp 443`),
  ],
};

export const groupsAreExact: Guarantee = {
  problems: (template) => {
    const groups = resourcesOf(template, 'AWS::EC2::SecurityGroup');
    const alone = resourcesOf(template, 'AWS::EC2::SecurityGroupIngress', 'AWS::EC2::SecurityGroupEgress');
    const nameOf = (id: string | undefined) =>
      /(\w+Group)[0-9A-F]{8}$/.exec(id ?? '')?.[1]?.replace(/^Network/, '') ?? `${id}`;
    const ruleOf = (way: 'in' | 'out', rule: Statement) => {
      const group = rule.SourceSecurityGroupId ?? rule.DestinationSecurityGroupId;
      const list = rule.SourcePrefixListId ?? rule.DestinationPrefixListId;
      const peer = rule.CidrIp ?? rule.CidrIpv6 ?? list ?? nameOf(referred(group));
      const ports = rule.FromPort === rule.ToPort ? rule.FromPort : `${rule.FromPort} to ${rule.ToPort}`;
      return `${way === 'in' ? 'in from' : 'out to'} ${peer}, ${rule.IpProtocol === '-1' ? 'all' : `${rule.IpProtocol} ${ports}`}`;
    };
    return groups.flatMap(([id, { Properties }]) => {
      const found = [
        ...listed<Statement>(Properties.SecurityGroupIngress).map((rule) => ruleOf('in', rule)),
        ...listed<Statement>(Properties.SecurityGroupEgress).map((rule) => ruleOf('out', rule)),
        ...alone
          .filter(([, rule]) => referred(rule.Properties.GroupId) === id)
          .map(([, rule]) => ruleOf(rule.Type.endsWith('Ingress') ? 'in' : 'out', rule.Properties)),
      ];
      const wanted = RULES[nameOf(id)]?.(template) ?? [];
      return [
        ...found.filter((rule) => !wanted.includes(rule)).map((rule) => `${id}: ${rule}`),
        ...wanted.filter((rule) => !found.includes(rule)).map((rule) => `${id}: not ${rule}`),
      ];
    });
  },
  faults: {
    'functions out to all of 10.0.0.0/8': (t) =>
      first(t, 'EC2::SecurityGroup', /Functions/).Properties.SecurityGroupEgress.push({
        IpProtocol: '-1',
        CidrIp: '10.0.0.0/8',
        Description: 'x',
      }),
    'functions out to the endpoints on all ports': (t) =>
      Object.assign(first(t, 'EC2::SecurityGroup', /Functions/).Properties.SecurityGroupEgress[0], {
        FromPort: 0,
        ToPort: 65_535,
      }),
    'functions in from the balancer': (t) => {
      t.Resources.More = {
        Type: 'AWS::EC2::SecurityGroupIngress',
        Properties: {
          GroupId: { 'Fn::GetAtt': [idOf(t, 'EC2::SecurityGroup', /Functions/), 'GroupId'] },
          SourceSecurityGroupId: { 'Fn::GetAtt': [idOf(t, 'EC2::SecurityGroup', /Balancer/), 'GroupId'] },
          IpProtocol: 'tcp',
          FromPort: 443,
          ToPort: 443,
          Description: 'x',
        },
      };
    },
    'functions not out to DynamoDB': (t) =>
      first(t, 'EC2::SecurityGroup', /Functions/).Properties.SecurityGroupEgress.splice(1, 1),
    'endpoints in from the VPC': (t) =>
      (first(t, 'EC2::SecurityGroup', /Endpoints/).Properties.SecurityGroupIngress = [
        { IpProtocol: 'tcp', FromPort: 443, ToPort: 443, CidrIp: '10.40.0.0/16', Description: 'x' },
      ]),
    'endpoints out to the VPC': (t) =>
      (first(t, 'EC2::SecurityGroup', /Endpoints/).Properties.SecurityGroupEgress[0].CidrIp = '10.40.0.0/16'),
    'balancer in on all ports': (t) =>
      Object.assign(first(t, 'EC2::SecurityGroup', /Balancer/).Properties.SecurityGroupIngress[0], {
        IpProtocol: '-1',
        FromPort: undefined,
        ToPort: undefined,
      }),
    'balancer out to the functions': (t) =>
      first(t, 'EC2::SecurityGroup', /Balancer/).Properties.SecurityGroupEgress.push({
        IpProtocol: 'tcp',
        FromPort: 443,
        ToPort: 443,
        DestinationSecurityGroupId: { 'Fn::GetAtt': [idOf(t, 'EC2::SecurityGroup', /Functions/), 'GroupId'] },
        Description: 'x',
      }),
    'one more group': (t) => {
      t.Resources.MoreGroup12345678 = {
        Type: 'AWS::EC2::SecurityGroup',
        Properties: { SecurityGroupEgress: [{ IpProtocol: '-1', CidrIp: '10.0.0.0/8', Description: 'x' }] },
      };
    },
  },
};

function parameterOf(template: Template, name: string): readonly string[] {
  const value = template.Metadata?.[PARAMETERS_OF_STACK]?.[name] ?? '';
  return value === '' ? [] : value.split(',');
}

function portsOf(template: Template): readonly number[] {
  return resourcesOf(template, 'AWS::ElasticLoadBalancingV2::Listener').map(([, { Properties }]) => Properties.Port);
}

/** Prefix lists get in by the last port alone. */
function clientsOf(template: Template, port: number): readonly string[] {
  const lists = parameterOf(template, 'clientPrefixLists');
  const cidrs = parameterOf(template, 'clientCidrs');
  const alone = lists.length + cidrs.length === 0 ? parameterOf(template, 'vpcCidr') : cidrs;
  return [...alone, ...(port === Math.max(...portsOf(template)) ? lists : [])];
}

function prefixListOf(template: Template, service: string): string | undefined {
  const [region = ''] = parameterOf(template, 'region');
  return PREFIX_LISTS[region]?.[service as 'dynamodb' | 's3'];
}

export const defaultGroupIsEmptied: Guarantee = {
  problems: (template) => {
    const vpcs = resourcesOf(template, 'AWS::EC2::VPC').map(([id]) => id);
    const emptied = resourcesOf(template, 'AWS::CloudFormation::CustomResource').map(
      ([, { Properties }]) => Properties.GroupId,
    );
    return vpcs
      .filter((id) => !emptied.some((group) => text(group) === text({ 'Fn::GetAtt': [id, 'DefaultSecurityGroup'] })))
      .map((id) => `the default group of ${id} keeps its rules`);
  },
  faults: {
    'nobody does it': (t) => remove(t, 'CloudFormation::CustomResource'),
    'another group is emptied': (t) => (one(t, 'CloudFormation::CustomResource').Properties.GroupId = 'sg-1'),
  },
};

export const flowsAreLogged: Guarantee = {
  problems: (template) => {
    const logs = resourcesOf(template, 'AWS::EC2::FlowLog');
    return resourcesOf(template, 'AWS::EC2::VPC')
      .filter(
        ([id]) =>
          !logs.some(
            ([, { Properties }]) =>
              referred(Properties.ResourceId) === id &&
              Properties.TrafficType === 'ALL' &&
              template.Resources[referred(Properties.LogGroupName) ?? '']?.Type === 'AWS::Logs::LogGroup',
          ),
      )
      .map(([id]) => `${id} has no flow log of all traffic in a log group of the stack`);
  },
  faults: {
    'no flow log': (t) => remove(t, 'EC2::FlowLog'),
    'of rejections alone': (t) => (one(t, 'EC2::FlowLog').Properties.TrafficType = 'REJECT'),
    elsewhere: (t) => (one(t, 'EC2::FlowLog').Properties.LogGroupName = 'flows'),
  },
};

const ENDPOINTS: Readonly<Record<string, string>> = {
  dynamodb: 'Gateway',
  s3: 'Gateway',
  'kinesis-streams': 'Interface',
  lambda: 'Interface',
  secretsmanager: 'Interface',
};

export const endpointsAreNarrow: Guarantee = {
  problems: (template) => {
    const endpoints = resourcesOf(template, 'AWS::EC2::VPCEndpoint');
    const serviceOf = ({ Properties }: Resource) =>
      /\.([a-z0-9-]+)"?\]*\}?$/.exec(text(Properties.ServiceName))?.[1] ?? '';
    const found: string[] = [];
    for (const [service, type] of Object.entries(ENDPOINTS)) {
      const [id, endpoint] = endpoints.find(([, resource]) => serviceOf(resource) === service) ?? [];
      if (endpoint === undefined) {
        found.push(`${service} has no endpoint`);
        continue;
      }
      const { VpcEndpointType, PrivateDnsEnabled, PolicyDocument } = endpoint.Properties;
      if (VpcEndpointType !== type) found.push(`${id} is no ${type}`);
      if (type === 'Interface' && PrivateDnsEnabled !== true) found.push(`${id} has no private DNS`);
      const statements: readonly Statement[] = PolicyDocument?.Statement ?? [];
      if (statements.length === 0) found.push(`${id} lets everything pass`);
      for (const { Action, Resource, Condition } of statements) {
        const isNarrow = [...listed(Action), ...listed(Resource)].every(
          (part) => part !== '*' && !/:\*$/.test(String(part)),
        );
        if (!isNarrow) found.push(`${id} is not limited to the stack's own: ${text(Action)} ${text(Resource)}`);
        if (Condition?.StringEquals?.['aws:PrincipalAccount'] === undefined)
          found.push(`${id} lets other accounts pass`);
      }
    }
    return found;
  },
  faults: {
    'none of Kinesis': (t) => remove(t, 'EC2::VPCEndpoint', /Kinesis/),
    'none of DynamoDB': (t) => remove(t, 'EC2::VPCEndpoint', /Dynamodb/),
    'no policy': (t) => delete first(t, 'EC2::VPCEndpoint', /S3/).Properties.PolicyDocument,
    'all actions': (t) => (first(t, 'EC2::VPCEndpoint', /S3/).Properties.PolicyDocument.Statement[0].Action = '*'),
    'all resources': (t) =>
      (first(t, 'EC2::VPCEndpoint', /Lambda/).Properties.PolicyDocument.Statement[0].Resource = '*'),
    'other accounts': (t) =>
      delete first(t, 'EC2::VPCEndpoint', /Lambda/).Properties.PolicyDocument.Statement[0].Condition,
    'public names': (t) => (first(t, 'EC2::VPCEndpoint', /Kinesis/).Properties.PrivateDnsEnabled = false),
    'an interface for DynamoDB': (t) =>
      (first(t, 'EC2::VPCEndpoint', /Dynamodb/).Properties.VpcEndpointType = 'Interface'),
  },
};

import { Stack } from 'aws-cdk-lib';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import type { AccessLogs } from './buckets.ts';
import type { Network } from './network.ts';
import type { PipelineFunction } from './pipeline-function.ts';
import type { StackParts } from './stage.ts';

/** What is for readers, by rule, for one takes five values in all; all else is for trackers, the script of our own too. */
export const QUERY_PATHS = {
  Query: ['/api/*', '/', '/openapi.json', '/ready', '/metrics'],
  Assets: ['/assets/*'],
};

/** What port 80 answers to a POST once there is a certificate: a redirect would turn it into a GET, and lose the event. */
const NOT_OVER_HTTP = {
  type: 'about:blank',
  title: 'This address takes events and calls over https only. Send the same again to https://',
  status: 403,
  code: 'https_required',
};

export interface EntryProps extends StackParts {
  readonly network: Network;
  readonly collect: PipelineFunction;
  readonly query: PipelineFunction;
  readonly accessLogs: AccessLogs;
}

/** The internal load balancer: one name and port for trackers and readers. */
export class Entry extends Construct {
  readonly balancer: elb.CfnLoadBalancer;
  readonly targetGroups: { readonly collect: elb.CfnTargetGroup; readonly query: elb.CfnTargetGroup };

  constructor(scope: Construct, id: string, props: EntryProps) {
    super(scope, id);
    const { network, accessLogs, parameters } = props;
    const attributes: Record<string, string> = {
      'access_logs.s3.enabled': 'true',
      'access_logs.s3.bucket': accessLogs.bucket.bucketName,
      'access_logs.s3.prefix': accessLogs.balancerPrefix,
      'routing.http.drop_invalid_header_fields.enabled': 'true',
      'routing.http.desync_mitigation_mode': 'defensive',
      'idle_timeout.timeout_seconds': '60',
      // It holds nothing, and `npm run destroy` must be able to take it away.
      'deletion_protection.enabled': 'false',
    };
    this.balancer = new elb.CfnLoadBalancer(this, 'Balancer', {
      type: 'application',
      scheme: 'internal',
      ipAddressType: 'ipv4',
      subnets: [...network.subnetIds],
      securityGroups: [network.groups.balancer],
      loadBalancerAttributes: Object.entries(attributes).map(([key, value]) => ({ key, value })),
    });
    // Its first log is delivered as it is made, and refused without the bucket's policy.
    this.balancer.node.addDependency(accessLogs.bucket.policy ?? accessLogs.bucket);
    acknowledge(this.balancer, {
      'PCI.DSS.321-ALBWAFEnabled':
        'Internal: reachable from the VPC and from what clientCidrs and clientPrefixLists name, and every call needs a key. A public edge in front brings its own firewall.',
    });

    this.targetGroups = {
      collect: this.#targetGroup('Collect', `${props.name}-collect`, props.collect),
      query: this.#targetGroup('Query', `${props.name}-query`, props.query),
    };
    const { certificateArn } = parameters;
    const plain = new elb.CfnListener(this, 'Http', {
      loadBalancerArn: this.balancer.ref,
      port: 80,
      protocol: 'HTTP',
      defaultActions: [certificateArn === undefined ? this.#toCollect() : httpsRequired()],
    });
    if (certificateArn === undefined) {
      this.#toQuery('OverHttp', plain);
      acknowledge(plain, {
        'PCI.DSS.321-ALBHttpToHttpsRedirection':
          'Without certificateArn there is no HTTPS to redirect to: traffic stays in the VPC. Give the parameter for production.',
        'PCI.DSS.321-ELBv2ACMCertificateRequired':
          'Without certificateArn there is no certificate: traffic stays in the VPC. Give the parameter for production.',
        CKV_AWS_2:
          'Without certificateArn there is no certificate: traffic stays in the VPC. Give the parameter for production.',
        CKV_AWS_103:
          'Without certificateArn there is no TLS to choose a version of: traffic stays in the VPC. Give the parameter for production.',
      });
      return;
    }
    new elb.CfnListenerRule(this, 'ToHttps', {
      listenerArn: plain.ref,
      priority: 1,
      conditions: [{ field: 'http-request-method', httpRequestMethodConfig: { values: ['GET', 'HEAD'] } }],
      actions: [
        {
          type: 'redirect',
          redirectConfig: { protocol: 'HTTPS', port: '443', statusCode: 'HTTP_301' },
        },
      ],
    });
    acknowledge(plain, {
      'PCI.DSS.321-ALBHttpToHttpsRedirection':
        'GET and HEAD are redirected by its rule; anything else is answered with an error that names https, for a redirect turns a POST into a GET and loses the event.',
      'PCI.DSS.321-ELBv2ACMCertificateRequired':
        'Port 80 passes nothing on to a function: it redirects GET and HEAD, and refuses the rest. Port 443 has the certificate.',
      CKV_AWS_2: 'Port 80 passes nothing on to a function: it redirects GET and HEAD, and refuses the rest.',
      CKV_AWS_103: 'Port 80 passes nothing on to a function; the listener on port 443 has TLS 1.2 and 1.3 alone.',
    });
    const secure = new elb.CfnListener(this, 'Https', {
      loadBalancerArn: this.balancer.ref,
      port: 443,
      protocol: 'HTTPS',
      sslPolicy: elb.SslPolicy.TLS13_RES,
      certificates: [{ certificateArn }],
      defaultActions: [this.#toCollect()],
    });
    this.#toQuery('OverHttps', secure);
  }

  #toCollect(): elb.CfnListener.ActionProperty {
    return { type: 'forward', targetGroupArn: this.targetGroups.collect.ref };
  }

  #toQuery(over: string, listener: elb.CfnListener): void {
    for (const [place, [name, values]] of Object.entries(QUERY_PATHS).entries()) {
      new elb.CfnListenerRule(this, `${name}${over}`, {
        listenerArn: listener.ref,
        priority: place + 1,
        conditions: [{ field: 'path-pattern', pathPatternConfig: { values } }],
        actions: [{ type: 'forward', targetGroupArn: this.targetGroups.query.ref }],
      });
    }
  }

  /** Its name is chosen, so that the permission to invoke can name it before it is there. */
  #targetGroup(id: string, name: string, target: PipelineFunction): elb.CfnTargetGroup {
    const { partition, region, account } = Stack.of(this);
    const permission = new lambda.CfnPermission(this, `${id}MayBeInvoked`, {
      action: 'lambda:InvokeFunction',
      functionName: target.functionArn,
      principal: 'elasticloadbalancing.amazonaws.com',
      sourceAccount: account,
      sourceArn: `arn:${partition}:elasticloadbalancing:${region}:${account}:targetgroup/${name}/*`,
    });
    const group = new elb.CfnTargetGroup(this, `${id}Targets`, {
      name,
      targetType: 'lambda',
      targets: [{ id: target.functionArn }],
      targetGroupAttributes: [{ key: 'lambda.multi_value_headers.enabled', value: 'true' }],
      healthCheckEnabled: true,
      healthCheckPath: '/health',
      healthCheckIntervalSeconds: 60,
      healthCheckTimeoutSeconds: 10,
      healthyThresholdCount: 2,
      unhealthyThresholdCount: 3,
      matcher: { httpCode: '200' },
    });
    group.node.addDependency(permission);
    return group;
  }
}

function httpsRequired(): elb.CfnListener.ActionProperty {
  return {
    type: 'fixed-response',
    fixedResponseConfig: {
      statusCode: String(NOT_OVER_HTTP.status),
      contentType: 'application/json',
      messageBody: JSON.stringify(NOT_OVER_HTTP),
    },
  };
}

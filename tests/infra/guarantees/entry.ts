import type { Guarantee, Statement } from '../guarantee.ts';
import { first, idOf, listed, one, type Resource, referred, remove, resourcesOf, text } from '../template.ts';

export const balancerIsInternal: Guarantee = {
  problems: (template) =>
    resourcesOf(template, 'AWS::ElasticLoadBalancingV2::LoadBalancer').flatMap(([id, { Properties: balancer }]) => {
      const attributes = new Map(
        listed<{ Key: string; Value: unknown }>(balancer.LoadBalancerAttributes).map(({ Key, Value }) => [Key, Value]),
      );
      const expected: Readonly<Record<string, boolean>> = {
        internal: balancer.Scheme === 'internal',
        'in two zones': listed(balancer.Subnets).length >= 2,
        'logs what is asked': attributes.get('access_logs.s3.enabled') === 'true',
        'drops invalid headers': attributes.get('routing.http.drop_invalid_header_fields.enabled') === 'true',
        'guards against smuggling': ['defensive', 'strictest'].includes(
          String(attributes.get('routing.http.desync_mitigation_mode')),
        ),
      };
      return Object.entries(expected).flatMap(([what, holds]) => (holds ? [] : [`${id}: not so: ${what}`]));
    }),
  faults: {
    'it faces the internet': (t) =>
      (one(t, 'ElasticLoadBalancingV2::LoadBalancer').Properties.Scheme = 'internet-facing'),
    'one zone': (t) => one(t, 'ElasticLoadBalancingV2::LoadBalancer').Properties.Subnets.splice(1),
    'no access logs': (t) =>
      attribute(
        one(t, 'ElasticLoadBalancingV2::LoadBalancer'),
        'LoadBalancerAttributes',
        'access_logs.s3.enabled',
        'false',
      ),
    'invalid headers pass': (t) =>
      attribute(
        one(t, 'ElasticLoadBalancingV2::LoadBalancer'),
        'LoadBalancerAttributes',
        'routing.http.drop_invalid_header_fields.enabled',
        'false',
      ),
    'requests may be smuggled': (t) =>
      attribute(
        one(t, 'ElasticLoadBalancingV2::LoadBalancer'),
        'LoadBalancerAttributes',
        'routing.http.desync_mitigation_mode',
        'monitor',
      ),
  },
};

export const targetsAnswer: Guarantee = {
  problems: (template) => {
    const permissions = resourcesOf(template, 'AWS::Lambda::Permission');
    const groups = resourcesOf(template, 'AWS::ElasticLoadBalancingV2::TargetGroup');
    return [
      ...(groups.length === 2 ? [] : [`${groups.length} target groups`]),
      ...groups.flatMap(([id, { Properties: group, DependsOn }]) => {
        const target = group.Targets?.[0]?.Id;
        const attributes = new Map(
          listed<{ Key: string; Value: string }>(group.TargetGroupAttributes).map(({ Key, Value }) => [Key, Value]),
        );
        const permission = permissions.find(
          ([, { Properties }]) =>
            text(Properties.FunctionName) === text(target) &&
            Properties.Principal === 'elasticloadbalancing.amazonaws.com' &&
            text(Properties.SourceArn).includes(`:targetgroup/${group.Name}/*`) &&
            Properties.SourceAccount !== undefined,
        );
        const expected: Readonly<Record<string, boolean>> = {
          'a function': group.TargetType === 'lambda' && target !== undefined,
          'many values a header': attributes.get('lambda.multi_value_headers.enabled') === 'true',
          'not sticky': attributes.get('stickiness.enabled') !== 'true',
          'asked for /health': group.HealthCheckEnabled === true && group.HealthCheckPath === '/health',
          'may be invoked by this group alone': permission !== undefined,
          'made after the permission': listed(DependsOn).includes(permission?.[0] ?? ''),
          'a name of 32 characters at most': String(group.Name).length <= 32,
        };
        return Object.entries(expected).flatMap(([what, holds]) => (holds ? [] : [`${id}: not so: ${what}`]));
      }),
    ];
  },
  faults: {
    'no target': (t) => delete first(t, 'ElasticLoadBalancingV2::TargetGroup').Properties.Targets,
    'anybody may invoke': (t) => delete one(t, 'Lambda::Permission', /Collect/).Properties.SourceArn,
    'any account may invoke': (t) => delete one(t, 'Lambda::Permission', /Collect/).Properties.SourceAccount,
    'another group may invoke': (t) =>
      (first(t, 'ElasticLoadBalancingV2::TargetGroup').Properties.Name = 'clickstream-other'),
    'the last header wins': (t) =>
      delete first(t, 'ElasticLoadBalancingV2::TargetGroup').Properties.TargetGroupAttributes,
    sticky: (t) =>
      first(t, 'ElasticLoadBalancingV2::TargetGroup').Properties.TargetGroupAttributes.push({
        Key: 'stickiness.enabled',
        Value: 'true',
      }),
    'its health is not asked': (t) =>
      (first(t, 'ElasticLoadBalancingV2::TargetGroup').Properties.HealthCheckEnabled = false),
    'made before the permission': (t) => delete first(t, 'ElasticLoadBalancingV2::TargetGroup').DependsOn,
  },
};

function attribute(resource: Resource, list: string, key: string, value: string): void {
  resource.Properties[list].find(({ Key }: { Key: string }) => Key === key).Value = value;
}

function valuesOf({ Properties }: Resource): readonly string[] {
  return listed<Statement>(Properties.Conditions).flatMap((condition) => [
    ...listed<string>(condition.PathPatternConfig?.Values),
    ...listed<string>(condition.HttpRequestMethodConfig?.Values),
  ]);
}

export const pathsAreServed: Guarantee = {
  problems: (template) => {
    const rules = resourcesOf(template, 'AWS::ElasticLoadBalancingV2::ListenerRule');
    const listeners = resourcesOf(template, 'AWS::ElasticLoadBalancingV2::Listener');
    const groupOf = (stage: string) =>
      resourcesOf(template, 'AWS::ElasticLoadBalancingV2::TargetGroup').find(([, { Properties }]) =>
        String(Properties.Name).endsWith(`-${stage}`),
      )?.[0];
    const serving = listeners.filter(([, { Properties }]) => Properties.DefaultActions[0].Type === 'forward');
    const paths = ['/api/*', '/', '/assets/*', '/openapi.json', '/ready', '/metrics'];
    return [
      ...(serving.length === 1 ? [] : [`${serving.length} listeners serve`]),
      ...rules
        .filter(([, rule]) => valuesOf(rule).length > 5)
        .map(([id, rule]) => `${id} has ${valuesOf(rule).length} values, and a rule takes five`),
      ...serving.flatMap(([id, { Properties }]) => {
        const own = rules.filter(([, rule]) => referred(rule.Properties.ListenerArn) === id);
        const isQuery = (path: string) =>
          own.some(
            ([, rule]) =>
              valuesOf(rule).includes(path) && referred(rule.Properties.Actions[0].TargetGroupArn) === groupOf('query'),
          );
        return [
          ...(referred(Properties.DefaultActions[0].TargetGroupArn) === groupOf('collect')
            ? []
            : [`${id} does not go to the collector`]),
          ...paths.filter((path) => !isQuery(path)).map((path) => `${id}: ${path} does not go to query`),
        ];
      }),
    ];
  },
  faults: {
    'a path goes to the collector': (t) =>
      first(t, 'ElasticLoadBalancingV2::ListenerRule', /Query/).Properties.Conditions[0].PathPatternConfig.Values.pop(),
    'six values': (t) =>
      first(t, 'ElasticLoadBalancingV2::ListenerRule', /Query/).Properties.Conditions[0].PathPatternConfig.Values.push(
        '/x',
      ),
    'all goes to query': (t) => {
      const query = { Ref: idOf(t, 'ElasticLoadBalancingV2::TargetGroup', /Query/) };
      one(t, 'ElasticLoadBalancingV2::Listener').Properties.DefaultActions[0].TargetGroupArn = query;
    },
    'nothing goes to query': (t) => remove(t, 'ElasticLoadBalancingV2::ListenerRule'),
  },
};

export const plainHttpLosesNothing: Guarantee = {
  onlyOf: 'with everything on',
  problems: (template) => {
    const listeners = resourcesOf(template, 'AWS::ElasticLoadBalancingV2::Listener');
    const rules = resourcesOf(template, 'AWS::ElasticLoadBalancingV2::ListenerRule');
    const secure = listeners.filter(([, { Properties }]) => Properties.Protocol === 'HTTPS');
    return [
      ...(secure.length === 1 ? [] : [`${secure.length} listeners have HTTPS`]),
      ...secure
        .filter(([, { Properties }]) => !(Properties.Certificates?.length > 0 && /TLS13/.test(Properties.SslPolicy)))
        .map(([id]) => `${id} has no certificate, or an old TLS`),
      ...listeners
        .filter(([, { Properties }]) => Properties.Port === 80)
        .flatMap(([id, { Properties }]) => {
          const [action] = Properties.DefaultActions;
          const own = rules.filter(([, rule]) => referred(rule.Properties.ListenerArn) === id);
          const redirects = own.filter(([, rule]) => rule.Properties.Actions[0].Type === 'redirect');
          const { StatusCode = '', MessageBody = '' } = action.FixedResponseConfig ?? {};
          return [
            ...(action.Type === 'fixed-response' && /^4/.test(StatusCode) && MessageBody.includes('https')
              ? []
              : [`${id} does not answer a POST with an error that names https`]),
            ...(redirects.length === 1 ? [] : [`${id} has ${redirects.length} redirects`]),
            ...redirects
              .filter(([, rule]) => text(valuesOf(rule)) !== text(['GET', 'HEAD']))
              .map(([rule]) => `${rule} redirects more than GET and HEAD`),
            ...own
              .filter(([, rule]) => rule.Properties.Actions[0].Type === 'forward')
              .map(([rule]) => `${rule} serves over HTTP`),
          ];
        }),
    ];
  },
  faults: {
    'a POST is redirected': (t) =>
      (one(
        t,
        'ElasticLoadBalancingV2::ListenerRule',
        /ToHttps/,
      ).Properties.Conditions[0].HttpRequestMethodConfig.Values = ['GET', 'POST']),
    'everything is redirected': (t) => {
      const { Actions } = one(t, 'ElasticLoadBalancingV2::ListenerRule', /ToHttps/).Properties;
      one(t, 'ElasticLoadBalancingV2::Listener', /EntryHttp(?!s)/).Properties.DefaultActions = Actions;
    },
    'the error does not name https': (t) =>
      (one(
        t,
        'ElasticLoadBalancingV2::Listener',
        /EntryHttp(?!s)/,
      ).Properties.DefaultActions[0].FixedResponseConfig.MessageBody = 'no'),
    'it is answered with 200': (t) =>
      (one(
        t,
        'ElasticLoadBalancingV2::Listener',
        /EntryHttp(?!s)/,
      ).Properties.DefaultActions[0].FixedResponseConfig.StatusCode = '200'),
    'port 80 serves': (t) => {
      const plain = idOf(t, 'ElasticLoadBalancingV2::Listener', /EntryHttp(?!s)/);
      one(t, 'ElasticLoadBalancingV2::ListenerRule', /Query/).Properties.ListenerArn = { Ref: plain };
    },
    'an old TLS': (t) =>
      (one(t, 'ElasticLoadBalancingV2::Listener', /EntryHttps/).Properties.SslPolicy = 'ELBSecurityPolicy-2016-08'),
    'no certificate': (t) => delete one(t, 'ElasticLoadBalancingV2::Listener', /EntryHttps/).Properties.Certificates,
  },
};

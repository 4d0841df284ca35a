import type { Guarantee, Statement } from '../guarantee.ts';
import { accessLogBuckets, listed, one, referred, remove, resourcesOf, text } from '../template.ts';

export const bucketsArePrivate: Guarantee = {
  problems: (template) => {
    const policies = resourcesOf(template, 'AWS::S3::BucketPolicy');
    return resourcesOf(template, 'AWS::S3::Bucket').flatMap(([id, { Properties: bucket }]) => {
      const block = bucket.PublicAccessBlockConfiguration ?? {};
      const isBlocked = ['BlockPublicAcls', 'BlockPublicPolicy', 'IgnorePublicAcls', 'RestrictPublicBuckets'].every(
        (name) => block[name] === true,
      );
      const statements = policies
        .filter(([, { Properties }]) => referred(Properties.Bucket) === id)
        .flatMap(([, { Properties }]) => listed<Statement>(Properties.PolicyDocument.Statement));
      const isTls = statements.some(
        ({ Effect, Condition }) => Effect === 'Deny' && Condition?.Bool?.['aws:SecureTransport'] === 'false',
      );
      return [
        ...(isBlocked ? [] : [`${id} can be made public`]),
        ...(isTls ? [] : [`${id} answers without TLS`]),
        ...(listed<Statement>(bucket.LifecycleConfiguration?.Rules).some(({ ExpirationInDays }) => ExpirationInDays > 0)
          ? []
          : [`${id} never forgets`]),
      ];
    });
  },
  faults: {
    'it can be made public': (t) =>
      delete one(t, 'S3::Bucket', /DeadLetters/).Properties.PublicAccessBlockConfiguration,
    'it answers without TLS': (t) => remove(t, 'S3::BucketPolicy', /DeadLetters/),
    'it never forgets': (t) => delete one(t, 'S3::Bucket', /AccessLogs/).Properties.LifecycleConfiguration,
  },
};

export const accessLogsArrive: Guarantee = {
  problems: (template) => {
    const policies = resourcesOf(template, 'AWS::S3::BucketPolicy');
    const balancers = resourcesOf(template, 'AWS::ElasticLoadBalancingV2::LoadBalancer');
    return [...accessLogBuckets(template)].flatMap((bucket) => {
      const policy = policies.find(([, { Properties }]) => referred(Properties.Bucket) === bucket);
      const delivering = listed<Statement>(policy?.[1].Properties.PolicyDocument.Statement).filter(
        ({ Principal, Action }) =>
          Principal.Service === 'logdelivery.elasticloadbalancing.amazonaws.com' && Action === 's3:PutObject',
      );
      return [
        ...(delivering.length > 0 ? [] : [`nobody may deliver access logs to ${bucket}`]),
        // The load balancer writes below the account that it is of, and sends nothing else to tell that by.
        ...delivering
          .filter(
            ({ Resource }) => !text(Resource).endsWith(',"/load-balancer/AWSLogs/",{"Ref":"AWS::AccountId"},"/*"]]}'),
          )
          .map(() => `load balancers of any account may deliver access logs to ${bucket}`),
        ...balancers
          .filter(([, { DependsOn }]) => !listed(DependsOn).includes(policy?.[0] ?? ''))
          .map(([id]) => `${id} may be made before its logs may be delivered`),
      ];
    });
  },
  faults: {
    'nobody may deliver': (t) => {
      const { PolicyDocument } = one(t, 'S3::BucketPolicy', /AccessLogs/).Properties;
      PolicyDocument.Statement = PolicyDocument.Statement.filter(
        ({ Sid }: { Sid?: string }) => Sid !== 'LoadBalancerLogs',
      );
    },
    'those of any account may deliver': (t) => {
      const { Statement: statements } = one(t, 'S3::BucketPolicy', /AccessLogs/).Properties.PolicyDocument;
      const delivery = statements.find(({ Sid }: { Sid?: string }) => Sid === 'LoadBalancerLogs');
      delivery.Resource['Fn::Join'][1].splice(-2, 2, '*');
    },
    'the balancer is made first': (t) => delete one(t, 'ElasticLoadBalancingV2::LoadBalancer').DependsOn,
  },
};

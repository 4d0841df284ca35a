import type { Guarantee, Statement } from '../guarantee.ts';
import { METRICS, NEEDED_METRICS } from '../metrics.ts';
import { first, listed, one, referred, remove, resourcesOf, type Template, text } from '../template.ts';

export const alarmsWork: Guarantee = {
  problems: (template) => {
    const topics = resourcesOf(template, 'AWS::SNS::Topic').map(([id]) => id);
    return resourcesOf(template, 'AWS::CloudWatch::Alarm').flatMap(([id, { Properties: alarm }]) => {
      const metrics: readonly Statement[] =
        alarm.Metrics === undefined
          ? [alarm]
          : alarm.Metrics.flatMap(({ MetricStat }: Statement) => (MetricStat === undefined ? [] : [MetricStat.Metric]));
      return [
        ...(listed(alarm.AlarmActions).some((action) => topics.includes(referred(action) ?? ''))
          ? []
          : [`${id} tells nobody`]),
        ...(/^Runbook: .{40}/.test(alarm.AlarmDescription ?? '') ? [] : [`${id} has no runbook`]),
        ...(['breaching', 'notBreaching'].includes(alarm.TreatMissingData)
          ? []
          : [`${id}: missing data means nothing`]),
        ...(metrics.length > 0 ? [] : [`${id} has no metric`]),
        ...metrics.flatMap((metric) => metricProblems(template, metric).map((problem) => `${id}: ${problem}`)),
      ];
    });
  },
  faults: {
    'nobody is told': (t) => delete first(t, 'CloudWatch::Alarm').Properties.AlarmActions,
    'somebody else is told': (t) =>
      (first(t, 'CloudWatch::Alarm').Properties.AlarmActions = ['arn:aws:sns:eu-west-1:1:other']),
    'no runbook': (t) => (first(t, 'CloudWatch::Alarm').Properties.AlarmDescription = 'errors'),
    'missing data is not thought of': (t) => delete first(t, 'CloudWatch::Alarm').Properties.TreatMissingData,
    'a metric that does not exist': (t) =>
      (first(t, 'CloudWatch::Alarm', /collecterrors/i).Properties.MetricName = 'ErrorCount'),
    'a throttle that is of another service': (t) =>
      (first(t, 'CloudWatch::Alarm', /eventswrite/i).Properties.MetricName = 'Throttles'),
    'dimensions that do not exist': (t) =>
      (first(t, 'CloudWatch::Alarm', /eventswrite/i).Properties.Dimensions[0].Name = 'Table'),
    'a function that is not there': (t) =>
      (first(t, 'CloudWatch::Alarm', /collecterrors/i).Properties.Dimensions[0].Value = 'gone'),
    'a queue that is not there': (t) =>
      (first(t, 'CloudWatch::Alarm', /deadletters/i).Properties.Dimensions[0].Value = { Ref: 'Gone' }),
    'an index that is not there': (t) => {
      for (const dimension of one(t, 'CloudWatch::Alarm', /index/i).Properties.Dimensions) dimension.Value = 'by-time';
    },
    'a part of an expression that does not exist': (t) =>
      (one(t, 'CloudWatch::Alarm', /rejectedputs/i).Properties.Metrics[1].MetricStat.Metric.MetricName =
        'PutRecords.Rejected'),
  },
};

function metricProblems(template: Template, { Namespace, MetricName, Dimensions }: Statement): readonly string[] {
  const known = METRICS[`${Namespace} ${MetricName}`];
  if (known === undefined) return [`${Namespace} has no metric ${MetricName}`];
  const names = listed<{ Name: string }>(Dimensions).map(({ Name }) => Name);
  const dimensions = known.find((set) => text([...set].sort()) === text([...names].sort()));
  if (dimensions === undefined) return [`${MetricName} has no dimensions ${names.join(', ')}`];
  return listed<{ Name: string; Value: unknown }>(Dimensions)
    .filter(({ Name, Value }) => !isThere(template, Name, Value))
    .map(({ Name, Value }) => `${Name} ${text(Value)} is nothing of the stack`);
}

const DIMENSION_TYPES: Readonly<Record<string, string>> = {
  StreamName: 'AWS::Kinesis::Stream',
  TableName: 'AWS::DynamoDB::Table',
  QueueName: 'AWS::SQS::Queue',
  LoadBalancer: 'AWS::ElasticLoadBalancingV2::LoadBalancer',
  TargetGroup: 'AWS::ElasticLoadBalancingV2::TargetGroup',
};

function isThere(template: Template, name: string, value: unknown): boolean {
  if (name === 'FunctionName') {
    return resourcesOf(template, 'AWS::Lambda::Function').some(
      ([, { Properties }]) => Properties.FunctionName === value,
    );
  }
  if (name === 'GlobalSecondaryIndexName') {
    return resourcesOf(template, 'AWS::DynamoDB::Table').some(([, { Properties }]) =>
      listed<{ IndexName: string }>(Properties.GlobalSecondaryIndexes).some(({ IndexName }) => IndexName === value),
    );
  }
  return template.Resources[referred(value) ?? '']?.Type === DIMENSION_TYPES[name];
}

export const alarmsCoverAll: Guarantee = {
  problems: (template) => {
    const watched = text(resourcesOf(template, 'AWS::CloudWatch::Alarm').map(([, { Properties }]) => Properties));
    return [
      ...NEEDED_METRICS.filter((name) => !watched.includes(`"${name}"`)).map((name) => `no alarm on ${name}`),
      ...(resourcesOf(template, 'AWS::CloudWatch::Dashboard').length > 0 ? [] : ['no dashboard']),
    ];
  },
  faults: {
    'none on iterator age': (t) => remove(t, 'CloudWatch::Alarm', /iteratorage/i),
    'none on the ledger': (t) => remove(t, 'CloudWatch::Alarm', /ledger/i),
    'none on dead letters': (t) => remove(t, 'CloudWatch::Alarm', /deadletters/i),
    'none on rejected puts': (t) => remove(t, 'CloudWatch::Alarm', /rejectedputs/i),
    'no dashboard': (t) => remove(t, 'CloudWatch::Dashboard'),
  },
};

import type { Guarantee, Statement } from '../guarantee.ts';
import { METRICS, NEEDED_METRICS } from '../metrics.ts';
import { first, listed, one, referred, remove, resourcesOf, type Template, text } from '../template.ts';

export const alarmsWork: Guarantee = {
  problems: (template) => {
    const topics = resourcesOf(template, 'AWS::SNS::Topic').map(([id]) => id);
    return resourcesOf(template, 'AWS::CloudWatch::Alarm').flatMap(([id, { Properties: alarm }]) => {
      const metrics = metricsOf(alarm);
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
      for (const dimension of one(t, 'CloudWatch::Alarm', /indexwrite/).Properties.Dimensions)
        dimension.Value = 'by-time';
    },
    'a part of an expression that does not exist': (t) =>
      (one(t, 'CloudWatch::Alarm', /rejectedputs/i).Properties.Metrics[1].MetricStat.Metric.MetricName =
        'PutRecords.Rejected'),
  },
};

function metricsOf(alarm: Statement): readonly Statement[] {
  if (alarm.Metrics === undefined) return [alarm];
  return alarm.Metrics.flatMap(({ MetricStat }: Statement) => (MetricStat === undefined ? [] : [MetricStat.Metric]));
}

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
  DeliveryStreamName: 'AWS::KinesisFirehose::DeliveryStream',
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

/** Of an alarm on one metric, also the function, the table or the index that it is of. */
function namesOf(alarm: Statement): readonly string[] {
  return metricsOf(alarm).flatMap(({ MetricName, Dimensions }) => {
    if (alarm.Metrics !== undefined) return [MetricName];
    const [stage] = /(collect|process|query)"/.exec(text(Dimensions))?.slice(1) ?? [];
    const [index] = /"(by-type)"/.exec(text(Dimensions))?.slice(1) ?? [];
    const [table] = /(Events|State)[0-9A-F]{8}"/.exec(text(Dimensions))?.slice(1) ?? [];
    const of = index ?? table ?? stage;
    return [MetricName, ...(of === undefined ? [] : [`${MetricName} of ${of}`])];
  });
}

export const alarmsCoverAll: Guarantee = {
  problems: (template) => {
    const watched = resourcesOf(template, 'AWS::CloudWatch::Alarm').flatMap(([, { Properties }]) =>
      namesOf(Properties),
    );
    return [
      ...NEEDED_METRICS.filter((name) => !watched.includes(name)).map((name) => `no alarm on ${name}`),
      ...(resourcesOf(template, 'AWS::CloudWatch::Dashboard').length > 0 ? [] : ['no dashboard']),
    ];
  },
  faults: {
    'none on iterator age': (t) => remove(t, 'CloudWatch::Alarm', /iteratorage/i),
    'none on the ledger': (t) => remove(t, 'CloudWatch::Alarm', /ledger/i),
    'none on new dead letters': (t) => remove(t, 'CloudWatch::Alarm', /deadletters[0-9A-F]{8}$/),
    'none on dead letters that wait': (t) => remove(t, 'CloudWatch::Alarm', /deadletterswaiting/),
    'none on dead letters that S3 refuses': (t) => remove(t, 'CloudWatch::Alarm', /deadletterslost/),
    'none on rejected puts': (t) => remove(t, 'CloudWatch::Alarm', /rejectedputs/i),
    'none on a mapping that stopped': (t) => remove(t, 'CloudWatch::Alarm', /mappingstopped/),
    'none on tries that failed': (t) => remove(t, 'CloudWatch::Alarm', /processfaults/),
    'none on reads of the index': (t) => remove(t, 'CloudWatch::Alarm', /indexread/),
    'none on reads of a table': (t) => remove(t, 'CloudWatch::Alarm', /stateread/),
    'none on errors of one function': (t) => remove(t, 'CloudWatch::Alarm', /processerrors/),
    'no dashboard': (t) => remove(t, 'CloudWatch::Dashboard'),
  },
};

/** A mapping that does not run makes no metric at all: only records that come in while no batch goes tell. */
export const stoppedMappingIsSeen: Guarantee = {
  problems: (template) => {
    const [found] = resourcesOf(template, 'AWS::CloudWatch::Alarm').filter(([, { Properties }]) =>
      namesOf(Properties).includes('IncomingRecords'),
    );
    if (found === undefined) return ['no alarm compares what comes in with what goes'];
    const [id, { Properties: alarm }] = found;
    const stats: readonly Statement[] = alarm.Metrics.flatMap(({ MetricStat }: Statement) => MetricStat ?? []);
    const batches = stats.find(({ Metric }) => Metric.MetricName === 'IteratorAge');
    const expected: Readonly<Record<string, boolean>> = {
      'counts batches of the stream':
        batches?.Stat === 'SampleCount' && /-process"/.test(text(batches.Metric.Dimensions)),
      'takes no data for no batch': alarm.Metrics.some(({ Expression }: Statement) =>
        String(Expression).includes('FILL(batches, 0)'),
      ),
      'within five minutes': stats.every(({ Period }) => Period === 300),
      'a record at the end of a period has the next for its batch': alarm.EvaluationPeriods === 2,
      'all of them': alarm.DatapointsToAlarm === alarm.EvaluationPeriods,
    };
    return Object.entries(expected).flatMap(([what, holds]) => (holds ? [] : [`${id}: not so: ${what}`]));
  },
  faults: {
    'there is none': (t) => remove(t, 'CloudWatch::Alarm', /mappingstopped/),
    'a schedule counts as a batch': (t) => {
      for (const { MetricStat } of one(t, 'CloudWatch::Alarm', /mappingstopped/).Properties.Metrics) {
        if (MetricStat?.Metric.MetricName === 'IteratorAge') MetricStat.Metric.MetricName = 'Invocations';
      }
    },
    'its age is taken for a count': (t) => {
      for (const { MetricStat } of one(t, 'CloudWatch::Alarm', /mappingstopped/).Properties.Metrics) {
        if (MetricStat?.Metric.MetricName === 'IteratorAge') MetricStat.Stat = 'Maximum';
      }
    },
    'no data is no answer': (t) => {
      for (const part of one(t, 'CloudWatch::Alarm', /mappingstopped/).Properties.Metrics) {
        if (part.Expression !== undefined) part.Expression = 'IF(records > 0 AND batches == 0, 1, 0)';
      }
    },
    'a record at the end of a period wakes somebody': (t) =>
      Object.assign(one(t, 'CloudWatch::Alarm', /mappingstopped/).Properties, {
        EvaluationPeriods: 1,
        DatapointsToAlarm: 1,
      }),
  },
};

/** What waits hides what comes: an alarm that is on already tells nobody. */
export const newDeadLettersAreSeen: Guarantee = {
  problems: (template) => {
    const [found] = resourcesOf(template, 'AWS::CloudWatch::Alarm').filter(([, { Properties }]) =>
      String(Properties.AlarmName).endsWith('-dead-letters'),
    );
    const { MetricName, Statistic, Period, EvaluationPeriods } = found?.[1].Properties ?? {};
    const isOfNew = MetricName === 'NumberOfMessagesSent' && Statistic === 'Sum';
    return [
      ...(isOfNew ? [] : [`dead letters are seen by ${MetricName}, and not as they come`]),
      ...(Period * EvaluationPeriods === 60 ? [] : ['dead letters hide those of the next minutes']),
    ];
  },
  faults: {
    'what waits is looked at': (t) =>
      (first(t, 'CloudWatch::Alarm', /deadletters[0-9A-F]{8}$/).Properties.MetricName =
        'ApproximateNumberOfMessagesVisible'),
    'an hour of them is one': (t) =>
      (first(t, 'CloudWatch::Alarm', /deadletters[0-9A-F]{8}$/).Properties.Period = 3_600),
  },
};

export const archiveIsWatched: Guarantee = {
  onlyOf: 'with everything on',
  problems: (template) => {
    const streams = resourcesOf(template, 'AWS::KinesisFirehose::DeliveryStream').map(([id]) => id);
    const watched = resourcesOf(template, 'AWS::CloudWatch::Alarm')
      .flatMap(([, { Properties }]) => metricsOf(Properties))
      .filter(({ MetricName }) => MetricName === 'DeliveryToS3.DataFreshness')
      .map(({ Dimensions }) => referred(Dimensions[0].Value));
    return [
      ...(streams.length === 1 ? [] : [`${streams.length} streams deliver to the archive`]),
      ...streams.filter((id) => !watched.includes(id)).map((id) => `nobody sees that ${id} does not deliver`),
    ];
  },
  faults: {
    'nobody sees that it is late': (t) => remove(t, 'CloudWatch::Alarm', /archivelate/),
    'another stream is watched': (t) =>
      (one(t, 'CloudWatch::Alarm', /archivelate/).Properties.Dimensions[0].Value = 'other'),
  },
};

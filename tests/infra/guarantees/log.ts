import type { Guarantee, Statement } from '../guarantee.ts';
import { idOf, listed, one, referred, remove, resourcesOf, text } from '../template.ts';

export const streamIsWatched: Guarantee = {
  problems: (template) =>
    resourcesOf(template, 'AWS::Kinesis::Stream')
      .filter(([, { Properties }]) => listed(Properties.DesiredShardLevelMetrics).length === 0)
      .map(([id]) => `${id} has no metrics of shards`),
  faults: {
    'no metrics of shards': (t) => delete one(t, 'Kinesis::Stream').Properties.DesiredShardLevelMetrics,
  },
};

export const batchesAreSafe: Guarantee = {
  problems: (template) => {
    const mappings = resourcesOf(template, 'AWS::Lambda::EventSourceMapping');
    const streams = resourcesOf(template, 'AWS::Kinesis::Stream');
    return [
      ...(mappings.length === 1 ? [] : [`${mappings.length} event source mappings`]),
      ...mappings.flatMap(([id, { Properties: mapping }]) => {
        const hours = template.Resources[referred(mapping.EventSourceArn) ?? '']?.Properties.RetentionPeriodHours;
        const destination = template.Resources[referred(mapping.DestinationConfig?.OnFailure?.Destination) ?? ''];
        const expected: Readonly<Record<string, boolean>> = {
          'starts at the oldest record': mapping.StartingPosition === 'TRIM_HORIZON',
          'has one batch in flight a shard': mapping.ParallelizationFactor === 1,
          'bisects a batch that fails': mapping.BisectBatchOnFunctionError === true,
          'takes partial answers': text(mapping.FunctionResponseTypes) === text(['ReportBatchItemFailures']),
          'retries without limit': mapping.MaximumRetryAttempts === -1,
          'gives up 2 h before the stream does': mapping.MaximumRecordAgeInSeconds / 3_600 <= hours - 2,
          'has a limit of age': mapping.MaximumRecordAgeInSeconds > 0,
          'fails to a bucket': destination?.Type === 'AWS::S3::Bucket',
          'reads the stream': streams.some(([stream]) => stream === referred(mapping.EventSourceArn)),
        };
        return Object.entries(expected).flatMap(([what, holds]) => (holds ? [] : [`${id}: not so: ${what}`]));
      }),
    ];
  },
  faults: {
    'from the newest on': (t) => (one(t, 'Lambda::EventSourceMapping').Properties.StartingPosition = 'LATEST'),
    'ten in flight': (t) => (one(t, 'Lambda::EventSourceMapping').Properties.ParallelizationFactor = 10),
    'whole batches fail': (t) => delete one(t, 'Lambda::EventSourceMapping').Properties.FunctionResponseTypes,
    'no bisecting': (t) => delete one(t, 'Lambda::EventSourceMapping').Properties.BisectBatchOnFunctionError,
    'three tries': (t) => (one(t, 'Lambda::EventSourceMapping').Properties.MaximumRetryAttempts = 3),
    'until the stream has let go': (t) =>
      (one(t, 'Lambda::EventSourceMapping').Properties.MaximumRecordAgeInSeconds = 86_400),
    'without a limit of age': (t) => (one(t, 'Lambda::EventSourceMapping').Properties.MaximumRecordAgeInSeconds = -1),
    'to the queue, without the payload': (t) =>
      (one(t, 'Lambda::EventSourceMapping').Properties.DestinationConfig.OnFailure.Destination = {
        'Fn::GetAtt': [idOf(t, 'SQS::Queue'), 'Arn'],
      }),
    'there is none': (t) => remove(t, 'Lambda::EventSourceMapping'),
  },
};

export const deadLettersAreNoticed: Guarantee = {
  problems: (template) => {
    const policies = resourcesOf(template, 'AWS::SQS::QueuePolicy');
    const failures = resourcesOf(template, 'AWS::Lambda::EventSourceMapping').map(([, { Properties }]) =>
      referred(Properties.DestinationConfig?.OnFailure?.Destination),
    );
    return failures.flatMap((bucket) => {
      const resource = template.Resources[bucket ?? ''];
      const queue = referred(resource?.Properties.NotificationConfiguration?.QueueConfigurations?.[0]?.Queue);
      if (queue === undefined) return [`${bucket} notifies no queue`];
      const own = policies.filter(([, { Properties }]) =>
        listed(Properties.Queues).some((one) => referred(one) === queue),
      );
      const [policy] = own;
      const mayBucket = listed<Statement>(policy?.[1].Properties.PolicyDocument.Statement).some(
        ({ Effect, Principal, Condition }) =>
          Effect === 'Allow' &&
          Principal.Service === 's3.amazonaws.com' &&
          Condition?.StringEquals?.['aws:SourceAccount'] !== undefined,
      );
      return [
        ...(template.Resources[queue]?.Properties.MessageRetentionPeriod === 1_209_600
          ? []
          : [`${queue} forgets before 14 days`]),
        // The second of two would take the place of the first.
        ...(own.length === 1 ? [] : [`${queue} has ${own.length} policies`]),
        ...(mayBucket ? [] : [`${bucket} may not notify ${queue}, or every account may`]),
        ...(listed(resource?.DependsOn).includes(policy?.[0] ?? '')
          ? []
          : [`${bucket} may be made before it may notify`]),
      ];
    });
  },
  faults: {
    'no notice': (t) => delete one(t, 'S3::Bucket', /DeadLetters/).Properties.NotificationConfiguration,
    'notices go after 4 days': (t) => (one(t, 'SQS::Queue').Properties.MessageRetentionPeriod = 345_600),
    'every account may notify': (t) =>
      delete one(t, 'SQS::QueuePolicy').Properties.PolicyDocument.Statement[0].Condition,
    'a second policy takes the place of the first': (t) => {
      t.Resources.Second = structuredClone(one(t, 'SQS::QueuePolicy'));
    },
    'the bucket is made first': (t) => delete one(t, 'S3::Bucket', /DeadLetters/).DependsOn,
  },
};

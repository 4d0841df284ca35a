import type { Guarantee } from '../guarantee.ts';
import { first, listed, referred, remove, resourcesOf, text } from '../template.ts';

export const tablesAreSafe: Guarantee = {
  problems: (template) => {
    const tables = resourcesOf(template, 'AWS::DynamoDB::Table');
    const streams = tables.filter(
      ([, { Properties }]) => Properties.StreamSpecification?.StreamViewType === 'NEW_AND_OLD_IMAGES',
    );
    return [
      ...tables.flatMap(([id, { Properties: table }]) => [
        ...(table.PointInTimeRecoverySpecification?.PointInTimeRecoveryEnabled === true
          ? []
          : [`${id} cannot be brought back`]),
        ...(table.DeletionProtectionEnabled === true ? [] : [`${id} can be deleted`]),
        ...(table.TimeToLiveSpecification?.Enabled && table.TimeToLiveSpecification.AttributeName === 'expiresAt'
          ? []
          : [`${id} never forgets`]),
      ]),
      ...(streams.length > 0 ? [] : ['no table has a change feed']),
    ];
  },
  faults: {
    'no recovery': (t) => delete first(t, 'DynamoDB::Table').Properties.PointInTimeRecoverySpecification,
    'no protection': (t) => (first(t, 'DynamoDB::Table', /State/).Properties.DeletionProtectionEnabled = false),
    'nothing expires': (t) => delete first(t, 'DynamoDB::Table').Properties.TimeToLiveSpecification,
    'no change feed': (t) => delete first(t, 'DynamoDB::Table', /Events/).Properties.StreamSpecification,
  },
};

/** `table/<id>` and `table/<id>/index/<name>` by what can be scaled. */
export const capacityScales: Guarantee = {
  problems: (template) => {
    const targets = resourcesOf(template, 'AWS::ApplicationAutoScaling::ScalableTarget');
    const policies = resourcesOf(template, 'AWS::ApplicationAutoScaling::ScalingPolicy');
    const tables = resourcesOf(template, 'AWS::DynamoDB::Table');
    const found: string[] = [];
    for (const [id, { Properties: table }] of tables) {
      const isOnDemand = table.BillingMode === 'PAY_PER_REQUEST';
      const indexes = listed<{ IndexName: string }>(table.GlobalSecondaryIndexes).map(({ IndexName }) => IndexName);
      const scalable = [
        ...['Read', 'Write'].map((kind) => ({
          resource: ['table/', { Ref: id }],
          dimension: `table:${kind}CapacityUnits`,
        })),
        ...indexes.flatMap((index) =>
          ['Read', 'Write'].map((kind) => ({
            resource: ['table/', { Ref: id }, `/index/${index}`],
            dimension: `index:${kind}CapacityUnits`,
          })),
        ),
      ];
      const own = targets.filter(([, { Properties }]) => text(Properties.ResourceId).includes(`"${id}"`));
      if (isOnDemand) {
        found.push(...own.map(([target]) => `${target} scales ${id}, which is on demand`));
        continue;
      }
      for (const { resource, dimension } of scalable) {
        const target = own.find(
          ([, { Properties }]) =>
            text(Properties.ResourceId) === text({ 'Fn::Join': ['', resource] }) &&
            Properties.ScalableDimension === `dynamodb:${dimension}`,
        );
        const what = `${id} ${text(resource.slice(2))} ${dimension}`;
        if (target === undefined) {
          found.push(`${what} does not scale`);
          continue;
        }
        const policy = policies.find(([, { Properties }]) => referred(Properties.ScalingTargetId) === target[0]);
        const goal = policy?.[1].Properties.TargetTrackingScalingPolicyConfiguration?.TargetValue;
        if (goal !== 70) found.push(`${what} scales at ${text(goal)} %, not at 70`);
      }
    }
    return found;
  },
  faults: {
    'an index that does not scale': (t) =>
      remove(t, 'ApplicationAutoScaling::ScalableTarget', /Bytype|bytype|by-?type|Index/i),
    'a table that does not scale': (t) => remove(t, 'ApplicationAutoScaling::ScalableTarget', /State.*Write/),
    'a target without a policy': (t) => remove(t, 'ApplicationAutoScaling::ScalingPolicy'),
    'another goal': (t) =>
      (first(
        t,
        'ApplicationAutoScaling::ScalingPolicy',
      ).Properties.TargetTrackingScalingPolicyConfiguration.TargetValue = 90),
    'a policy on a table on demand': (t) =>
      (first(t, 'DynamoDB::Table', /Events/).Properties.BillingMode = 'PAY_PER_REQUEST'),
  },
};

import type { FunctionKind, Stage } from './stage.ts';

/** The stack's own schedule of a function's task, and what it does, now. That throws when the function fails. */
export async function scheduleOf(
  { emulator, functions }: Stage,
  kind: FunctionKind,
  task: 'adopt' | 'maintain' | 'audit',
) {
  const { Rules } = await emulator.call<{
    readonly Rules: readonly { readonly Name: string; readonly ScheduleExpression?: string }[];
  }>('events', 'list_rules');
  for (const { Name, ScheduleExpression } of Rules) {
    if (ScheduleExpression === undefined) continue;
    const { Targets } = await emulator.call<{ readonly Targets: readonly { Arn: string; Input?: string }[] }>(
      'events',
      'list_targets_by_rule',
      { Rule: Name },
    );
    const target = Targets.find(
      ({ Arn, Input = '{}' }) => Arn.endsWith(`:${functions[kind]}`) && JSON.parse(Input).task === task,
    );
    if (target === undefined) continue;
    // As EventBridge does it, and with what the template says.
    const invoke = async () => {
      const { FunctionError } = await emulator.call<{ readonly FunctionError?: string }>('lambda', 'invoke', {
        FunctionName: target.Arn,
        Payload: target.Input,
      });
      if (FunctionError !== undefined) throw new Error(`the function failed: ${FunctionError}`);
    };
    return { rule: Name, invoke };
  }
  throw new Error(`no schedule has ${kind} ${task}`);
}

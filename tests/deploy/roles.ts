/** Takes each statement of each function's role away, and looks for what then fails. */
import { setTimeout as sleep } from 'node:timers/promises';
import { scheduleOf } from './schedules.ts';
import { notSealed } from './sealing.ts';
import { actionsOf, type FunctionKind, policiesOf, type Stage, type Statement, without } from './stage.ts';
import { events } from './tracker.ts';

/** Statements of which the emulator enforces nothing. */
const NOT_ENFORCED = new Set(['Logs', 'Traces', 'Interfaces', 'InterfacesNotByCode']);

export interface Removal {
  readonly function: FunctionKind;
  readonly statement: string;
  readonly outcome: 'noticed' | 'not noticed' | 'not enforced';
  readonly seen: string;
}

/** Ids of dead records that can still be put back, for the query function's right to do so. */
export type SpareDead = string[];

export async function removeEach(stage: Stage, spareDead: SpareDead): Promise<readonly Removal[]> {
  const removals: Removal[] = [];
  for (const kind of ['collect', 'query', 'process'] as const) {
    const functionName = stage.functions[kind];
    for (const policy of await policiesOf(stage, functionName)) {
      for (const statement of policy.statements) {
        const name = statement.Sid ?? nameOf(statement);
        if (NOT_ENFORCED.has(name)) {
          removals.push({ function: kind, statement: name, outcome: 'not enforced', seen: '' });
          continue;
        }
        const failed = await without(stage, { policy, statement }, async () => {
          // A new process has no secret in its memory.
          await stage.emulator.restart(functionName);
          return (RARE[name] ?? PROBES[kind])(stage, spareDead);
        });
        const outcome = failed === undefined ? 'not noticed' : 'noticed';
        removals.push({ function: kind, statement: name, outcome, seen: failed ?? '' });
        await stage.emulator.restart(functionName);
        await stage.emulator.drained();
      }
    }
  }
  return removals;
}

/** Statements about the key have no names: the action, how many more there are, and for which service. */
function nameOf(statement: Statement): string {
  const [first, ...more] = actionsOf(statement);
  const via = JSON.stringify(statement.Condition ?? '').match(/[a-z0-9]+(?=\.[a-z0-9-]+\.amazonaws)/)?.[0] ?? '';
  return `${first}${more.length > 0 ? `+${more.length}` : ''} ${via}`;
}

type Probe = (stage: Stage, spareDead: SpareDead) => Promise<string | undefined>;

/** Each uses all that its function may do, and says what failed first. */
const PROBES: Readonly<Record<FunctionKind, Probe>> = {
  collect: async (stage) => {
    const since = Date.now();
    const { status } = await stage.tracker.post(events(1, { scene: 'probe' }));
    if (status !== 200) return `answered ${status}`;
    return faultReported(stage, { logGroup: stage.output('CollectLogGroup'), since });
  },
  query: async (stage, spareDead) => {
    const { tracker } = stage;
    const reads = ['/api/v1/events?type=probe&limit=5', '/api/v1/users/ada/events', '/api/v1/dead', '/api/v1/bad'];
    try {
      for (const path of reads) await tracker.get(path);
      const id = spareDead.at(-1);
      if (id === undefined) throw new Error('no dead record is left to put back');
      await tracker.postApi(`/api/v1/dead/${encodeURIComponent(id)}/redrive`);
      spareDead.pop();
    } catch (thrown) {
      return thrown instanceof Error ? thrown.message.slice(0, 90) : String(thrown);
    }
    return undefined;
  },
  process: async (stage) => {
    const { emulator, output } = stage;
    const data = { StreamName: output('StreamName'), PartitionKey: `${Math.random()}`, Data: 'no record of ours' };
    await emulator.call('kinesis', 'put_record', data);
    await stage.tracker.post(events(1, { scene: 'probe' }));
    try {
      await emulator.drained({ withinMs: 8_000 });
    } catch {
      return 'records wait';
    }
    return (await discarded(stage)) ?? (await notAdopted(stage));
  },
};

/** Statements that are needed now and then only. */
const RARE: Readonly<Record<string, Probe>> = {
  AskRebuild: notAsked,
  Maintenance: notRebuilt,
  Seal: notSealed,
  DropSealed: notSealed,
  LookAtShards: notSealed,
};

/** A view that was asked for is folded anew from the stored events, by the schedule. */
async function notRebuilt(stage: Stage): Promise<string | undefined> {
  await askRebuild(stage);
  const since = Date.now();
  await (await scheduleOf(stage, 'process', 'maintain')).invoke();
  return faultReported(stage, { logGroup: stage.output('ProcessLogGroup'), since });
}

async function notAsked(stage: Stage): Promise<string | undefined> {
  try {
    await askRebuild(stage);
    return undefined;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message.slice(0, 90) : String(thrown);
  }
}

async function askRebuild({ tracker }: Stage): Promise<void> {
  await tracker.postApi('/api/v1/rebuilds', { view: 'traffic' });
}

/** What Lambda gave up is taken up by the stack's schedule. */
async function notAdopted(stage: Stage): Promise<string | undefined> {
  const { invoke } = await scheduleOf(stage, 'process', 'adopt');
  try {
    await invoke();
    return undefined;
  } catch (thrown) {
    return String(thrown);
  }
}

/** Lambda's own way of setting a batch aside, for which the processor's role must allow it to. */
async function discarded({ emulator, functions, output, tracker }: Stage): Promise<string | undefined> {
  const { EventSourceMappings } = await emulator.call<{ readonly EventSourceMappings: readonly { UUID: string }[] }>(
    'lambda',
    'list_event_source_mappings',
    { FunctionName: functions.process },
  );
  const UUID = EventSourceMappings[0]?.UUID ?? '';
  const retries = (MaximumRetryAttempts: number) =>
    emulator.call('lambda', 'update_event_source_mapping', { UUID, MaximumRetryAttempts });
  await retries(0);
  await emulator.forgetReport();
  await emulator.faults([{ kind: 'kill', function: functions.process, calls: 1, times: 1 }]);
  try {
    await tracker.post(events(1, { scene: 'given-up' }));
    await emulator.drained();
    const { notes } = await emulator.report();
    if (notes.some(({ kind }) => kind === 'destination refused')) return 'the failure destination refused';
    const { Contents = [] } = await emulator.call<{ readonly Contents?: readonly object[] }>('s3', 'list_objects_v2', {
      Bucket: output('DeadLetterBucketName'),
      Prefix: 'aws/lambda/',
    });
    return Contents.length > 0 ? undefined : 'nothing was set aside';
  } finally {
    await emulator.faults([]);
    await retries(-1);
  }
}

/** The first fault that a function wrote into its log. */
async function faultReported(
  { emulator }: Stage,
  { logGroup, since }: { readonly logGroup: string; readonly since: number },
): Promise<string | undefined> {
  await sleep(500);
  const { events: lines } = await emulator.call<{ readonly events: readonly { readonly message: string }[] }>(
    'logs',
    'filter_log_events',
    { logGroupName: logGroup, startTime: since },
  );
  return lines.find(({ message }) => message.includes('"level":"error"'))?.message.slice(0, 90);
}

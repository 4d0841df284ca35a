/** What is shown on the deployed stack, in the order in which it is played. Each throws when it is not so. */
import assert from 'node:assert/strict';
import { Analytics } from '@segment/analytics-node';
import { BOTH_HOMES } from './both-homes.ts';
import { COMMAND_SCENES } from './commands.ts';
import { GIVEN_UP_SCENES } from './given-up.ts';
import { RESHARDING } from './resharding.ts';
import { removeEach } from './roles.ts';
import { SEALING } from './sealing.ts';
import { actionsOf, policiesOf, type Stage, without } from './stage.ts';
import { type Audit, events } from './tracker.ts';

export interface Scene {
  readonly title: string;
  /** Returns what was seen. */
  readonly play: (stage: Stage) => Promise<string>;
}

interface DeadRecord {
  readonly id: string;
  readonly reason: string;
  readonly redriven?: unknown;
}

const CRASHING = 'crashing-visitor';
/** Dead records left for the last scene. */
const spareDead: string[] = [];

export const SCENES: readonly Scene[] = [
  {
    title: 'health is answered; without a key or with a wrong one 401, also for what is only read',
    play: async ({ access, tracker }) => {
      assert.equal((await fetch(`${access.url}/health`)).status, 200);
      const [event] = events(1, { scene: 'refused' });
      assert.equal((await tracker.post([event as object], {})).status, 401);
      assert.equal((await tracker.post([event as object], { Authorization: 'Bearer wrong' })).status, 401);
      for (const path of ['/api/v1/events', '/api/v1/audit', '/metrics']) {
        assert.equal((await fetch(`${access.url}${path}`)).status, 401, path);
        const asTracker = { Authorization: `Bearer ${access.writeKey}` };
        assert.equal((await fetch(`${access.url}${path}`, { headers: asTracker })).status, 401, path);
      }
      return '200, and 401 nine times';
    },
  },
  {
    title: "Segment's Node SDK sends; timeline and stats come back right",
    play: async ({ access, tracker, emulator }) => {
      const failures: unknown[] = [];
      const analytics = new Analytics({ writeKey: access.writeKey, host: access.url, flushAt: 20, flushInterval: 50 });
      analytics.on('error', (error) => failures.push(error));
      const day = new Date(Date.now() - 3 * 3_600_000);
      const at = (minute: number) => new Date(day.getTime() + minute * 60_000);
      const anonymousId = 'ada-laptop';
      analytics.page({ anonymousId, name: 'Home', properties: { path: '/' }, timestamp: at(0) });
      analytics.page({ anonymousId, properties: { path: '/pricing' }, timestamp: at(2) });
      analytics.page({ anonymousId, properties: { path: '/' }, timestamp: at(62) });
      analytics.identify({ anonymousId, userId: 'ada', traits: { plan: 'free' }, timestamp: at(63) });
      const properties = { plan: 'free', text: 'äöü € 中' };
      analytics.track({ anonymousId, userId: 'ada', event: 'Signed Up', properties, timestamp: at(64) });
      analytics.track({ userId: 'bo', event: 'Signed Up', properties: { plan: 'team' }, timestamp: at(70) });
      await analytics.closeAndFlush();
      assert.deepEqual(failures, []);
      await emulator.drained();
      const timeline = await tracker.get<{
        readonly events: readonly { eventType: string; facts: { session: number } }[];
      }>('/api/v1/users/ada/events?order=asc');
      assert.deepEqual(
        timeline.events.map(({ eventType, facts }) => [eventType, facts.session]),
        [
          ['page', 1],
          ['page', 1],
          ['page', 2],
          ['identify', 2],
          ['Signed Up', 2],
        ],
      );
      const range = `from=${new Date(day.getTime() - 3_600_000).toISOString()}&to=${new Date().toISOString()}`;
      const total = async (measure: string, by = '') => {
        const { rows } = await tracker.get<{
          readonly rows: readonly { readonly key?: string; readonly value: number }[];
        }>(`/api/v1/stats?measure=${measure}&interval=hour&${range}${by}`);
        return rows.reduce((sum, { value }) => sum + value, 0);
      };
      assert.equal(await total('events'), 6);
      assert.equal(await total('pageviews'), 3);
      assert.equal(await total('sessions'), 3);
      assert.equal(await total('bounces'), 1);
      return '6 events, 5 in one timeline, 3 sessions, 1 bounce';
    },
  },
  ...COMMAND_SCENES,
  BOTH_HOMES,
  {
    title: 'many visitors over all shards: each event once',
    play: async ({ tracker, emulator }) => {
      for (let round = 0; round < 10; round += 1) await tracker.send(events(50, { scene: 'plain' }));
      await emulator.drained();
      const stored = await tracker.everyOnce('plain');
      const { batches } = await emulator.report();
      return `${stored} events in ${new Set(batches.map(({ shard }) => shard)).size} shards`;
    },
  },
  {
    title: 'a request sent twice is stored once',
    play: async ({ tracker, emulator }) => {
      const batch = events(20, { scene: 'twice' });
      await tracker.send(batch);
      await tracker.send(batch);
      await emulator.drained();
      return `${await tracker.everyOnce('twice')} events`;
    },
  },
  {
    title: 'kinesis:PutRecords taken away: 503, and nothing lost once it is back',
    play: async (stage) => {
      const { tracker, emulator, functions } = stage;
      const { policy, statement } = await statementOf(stage, functions.collect, 'kinesis:PutRecords');
      const batch = events(30, { scene: 'no-puts' });
      const refused = await without(stage, { policy, statement }, async () => {
        const response = await tracker.post(batch);
        // A write key is in web pages: who has one learns no name of the account.
        assert.doesNotMatch(await response.text(), /arn:|assumed-role|kinesis:/);
        return { status: response.status, retryAfter: response.headers.get('retry-after') };
      });
      assert.equal(refused.status, 503);
      await tracker.send(batch);
      await emulator.drained();
      return `${refused.status}, Retry-After ${refused.retryAfter}; then ${await tracker.everyOnce('no-puts')} events`;
    },
  },
  {
    title: 'a throttled stream: each second record of PutRecords refused, four times over',
    play: async ({ tracker, emulator }) => {
      await emulator.faults([{ kind: 'throttle stream', every: 2, times: 100 }]);
      const statuses = await tracker.send(events(40, { scene: 'slow-stream' }));
      await emulator.faults([]);
      await emulator.drained();
      return `answered ${statuses}; ${await tracker.everyOnce('slow-stream')} events`;
    },
  },
  {
    title: 'throttled tables: each third call to both refused',
    play: async ({ tracker, emulator, output }) => {
      await emulator.forgetReport();
      await emulator.faults([
        { kind: 'throttle table', table: output('EventsTableName'), every: 3, times: 300 },
        { kind: 'throttle table', table: output('StateTableName'), every: 3, times: 300 },
      ]);
      for (let round = 0; round < 4; round += 1) await tracker.send(events(50, { scene: 'slow-table' }));
      await emulator.drained({ withinMs: 120_000 });
      const { calls } = await emulator.report();
      await emulator.faults([]);
      assert.ok((calls.throttled ?? 0) > 10);
      return `${calls.throttled} calls throttled; ${await tracker.everyOnce('slow-table')} events`;
    },
  },
  {
    title: 'batches delivered twice',
    play: async ({ tracker, emulator, functions }) => {
      await emulator.forgetReport();
      await emulator.faults([{ kind: 'deliver again', function: functions.process, times: 4 }]);
      for (let round = 0; round < 4; round += 1) await tracker.send(events(25, { scene: 'delivered-twice' }));
      await emulator.drained();
      const { notes } = await emulator.report();
      await emulator.faults([]);
      const again = notes.filter(({ kind }) => kind === 'deliver again').length;
      assert.ok(again > 0);
      return `${again} batches again; ${await tracker.everyOnce('delivered-twice')} events`;
    },
  },
  {
    title: 'the processor killed half way through a batch, at several places, and the batch bisected',
    play: async ({ tracker, emulator, functions }) => {
      await emulator.forgetReport();
      for (const calls of [1, 3, 6, 12, 20, 35]) {
        await emulator.faults([{ kind: 'kill', function: functions.process, calls, times: 1 }]);
        await tracker.send(events(40, { scene: 'killed' }));
        await emulator.drained();
      }
      const { notes, batches } = await emulator.report();
      await emulator.faults([]);
      const killed = notes.filter(({ kind }) => kind === 'killed').length;
      const failed = batches.filter(({ outcome }) => outcome === 'Failed');
      const halves = batches.filter(({ first }, index) => batches.findIndex((each) => each.first === first) < index);
      assert.ok(killed >= 4 && failed.length >= 4 && halves.length >= 4);
      return `${killed} times, ${halves.length} batches bisected; ${await tracker.everyOnce('killed')} events`;
    },
  },
  {
    title: 'a poison record among good ones: set aside whole, told of in SQS, the good ones stored',
    play: async ({ tracker, emulator, output }) => {
      const before = await letters(output('DeadLetterBucketName'), emulator);
      const poison = 'no record of ours, ä';
      await tracker.send(events(10, { scene: 'beside-poison' }));
      await emulator.call('kinesis', 'put_record', {
        StreamName: output('StreamName'),
        PartitionKey: 'poison',
        Data: poison,
      });
      await tracker.send(events(10, { scene: 'beside-poison' }));
      await emulator.drained();
      const stored = await tracker.everyOnce('beside-poison');
      const after = await letters(output('DeadLetterBucketName'), emulator);
      const fresh = after.filter((key) => !before.includes(key));
      assert.equal(fresh.length, 1);
      const { Messages = [] } = await emulator.call<{ readonly Messages?: readonly { readonly Body: string }[] }>(
        'sqs',
        'receive_message',
        { QueueUrl: output('DeadLetterQueueUrl'), MaxNumberOfMessages: 10, WaitTimeSeconds: 2 },
      );
      const told = Messages.some(
        ({ Body }) => Body.includes(encodeURIComponent(fresh[0] ?? '')) || Body.includes(fresh[0] ?? ''),
      );
      assert.ok(told, 'the queue does not tell of it');
      const dead = await deadList(tracker);
      const { payload } = await tracker.get<{ readonly payload: string }>(
        `/api/v1/dead/${encodeURIComponent(dead[0]?.id ?? '')}`,
      );
      assert.equal(Buffer.from(payload, 'base64').toString(), poison);
      return `${stored} good events; 1 object, 1 notice, all its bytes`;
    },
  },
  {
    title:
      'records that end the function: isolated by bisecting, set aside untried after 5 tries; redriven once the fault is gone',
    play: async ({ tracker, emulator, functions }) => {
      await emulator.forgetReport();
      await emulator.faults([{ kind: 'crash', function: functions.process, marker: CRASHING }]);
      const started = Date.now();
      await tracker.send(events(8, { scene: 'beside-crash', visitor: 'one-visitor-of-the-lane' }));
      for (const [scene, number] of [
        ['crash', 1],
        ['later', 2],
        ['later', 3],
      ] as const) {
        await tracker.send(events(2, { scene, visitor: `${CRASHING}-${number}` }));
      }
      await tracker.send(events(30, { scene: 'beside-crash' }));
      await emulator.drained({ withinMs: 180_000 });
      const seconds = Math.round((Date.now() - started) / 1_000);
      const good = await tracker.everyOnce('beside-crash');
      assert.equal((await tracker.stored('crash')).length, 0);
      const killed = (await emulator.report()).notes.filter(({ kind }) => kind === 'killed').length;
      await emulator.faults([]);
      const dead = await deadList(tracker);
      const mine = dead.filter(({ reason }) => reason.includes('ended the function'));
      assert.equal(mine.length, 3);
      for (const { id } of mine) {
        const { text } = await tracker.get<{ readonly text: string }>(`/api/v1/dead/${encodeURIComponent(id)}`);
        if (!text.includes(`${CRASHING}-1`)) spareDead.push(id);
        else await tracker.postApi(`/api/v1/dead/${encodeURIComponent(id)}/redrive`);
      }
      await emulator.drained();
      const back = await tracker.everyOnce('crash');
      return `3 records, killed ${killed} times in ${seconds} s; ${good} good events; ${back} events redriven`;
    },
  },
  ...GIVEN_UP_SCENES,
  SEALING,
  RESHARDING,
  {
    title: 'the audit balances, and the stats are those of a recount',
    play: async ({ tracker, emulator }) => {
      await emulator.drained();
      const audit = await tracker.get<Audit>('/api/v1/audit?deep=true');
      assert.deepEqual(audit.problems, []);
      assert.equal(audit.balanced, true);
      const { lost, unresolved, accepted, stored, duplicate, bad, dead } = audit;
      assert.equal(lost, 0);
      const sent = new Map<string, number>();
      for (const { event } of tracker.acknowledged.values()) sent.set(event, (sent.get(event) ?? 0) + 1);
      const from = new Date(Date.now() - 3_600_000).toISOString();
      const { rows } = await tracker.get<{
        readonly rows: readonly { readonly key: string; readonly value: number }[];
      }>(`/api/v1/stats?measure=events&by=eventType&interval=day&from=${from}`);
      const counted = new Map<string, number>();
      for (const { key, value } of rows) counted.set(key, (counted.get(key) ?? 0) + value);
      for (const [type, count] of sent) if (type !== 'later') assert.equal(counted.get(type), count, type);
      return `accepted ${accepted} = stored ${stored} + duplicate ${duplicate} + bad ${bad} + dead ${dead}; lost ${lost}, unresolved ${unresolved}; ${sent.size} counters`;
    },
  },
];

/** Played last, for it leaves an event that Lambda itself gave up, which the ledger rightly misses. */
export const REMOVALS: Scene = {
  title: "each statement of each function's role taken away: something fails",
  play: async (stage) => {
    const removals = await removeEach(stage, spareDead);
    for (const { function: kind, statement, outcome, seen } of removals) {
      console.log(`${' '.repeat(17)}${kind.padEnd(8)}${statement.padEnd(34)}${outcome}${seen && `: ${seen}`}`);
    }
    const count = (of: string) => removals.filter(({ outcome }) => outcome === of).length;
    assert.equal(count('not noticed'), 0, 'statements that nothing needed');
    return `${count('noticed')} noticed; ${count('not enforced')} the emulator does not enforce`;
  },
};

async function statementOf(stage: Stage, functionName: string, action: string) {
  for (const policy of await policiesOf(stage, functionName)) {
    const statement = policy.statements.find((each) => actionsOf(each).includes(action));
    if (statement !== undefined) return { policy, statement };
  }
  throw new Error(`${functionName} has no statement with ${action}`);
}

async function deadList(tracker: Stage['tracker']): Promise<readonly DeadRecord[]> {
  const { dead } = await tracker.get<{ readonly dead: readonly DeadRecord[] }>('/api/v1/dead?limit=100');
  return dead;
}

async function letters(bucket: string, emulator: Stage['emulator']): Promise<readonly string[]> {
  const { Contents = [] } = await emulator.call<{ readonly Contents?: readonly { readonly Key: string }[] }>(
    's3',
    'list_objects_v2',
    { Bucket: bucket },
  );
  return Contents.map(({ Key }) => Key);
}

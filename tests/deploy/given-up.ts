/** What Lambda itself gives up, of which the processor never hears: whole in S3 with a notice, and on the way back from there. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { clickstream } from '../end-to-end/command.ts';
import { REGION } from './emulator.ts';
import { scheduleOf } from './schedules.ts';
import { actionsOf, policiesOf, type Stage, without } from './stage.ts';
import { type Audit, events, type SentEvent } from './tracker.ts';

const GIVEN_UP = 'given-up-by-age';
/** AWS takes no less: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html, MaximumRecordAgeInSeconds. */
const AGE_SECONDS = 60;

interface Letter {
  readonly key: string;
  readonly condition: string;
  readonly shard: string;
  /** Of each record: its sequence number, and its bytes. */
  readonly records: ReadonlyMap<string, Buffer>;
}

interface Dead {
  readonly id: string;
  readonly lane: string;
  readonly sequence: string;
  readonly reason: string;
  readonly redriven: object | null;
}

export const GIVEN_UP_SCENES = [
  {
    title:
      'records that fail until they are too old: given up by Lambda, whole in S3, listed, shown and put back by redrive',
    play: (stage: Stage) => onDemand(stage, (adopt) => tooOld(stage, adopt)),
  },
  {
    title:
      'given up by Lambda wherever the processor was killed: what it had done is left, what it had begun is done anew',
    play: (stage: Stage) => onDemand(stage, (adopt) => halfDone(stage, adopt)),
  },
];

/** The schedule stands still meanwhile, so that what is there before it can be seen. */
async function onDemand(stage: Stage, play: (adopt: () => Promise<void>) => Promise<string>): Promise<string> {
  const { rule, invoke } = await scheduleOf(stage, 'process', 'adopt');
  await stage.emulator.call('events', 'disable_rule', { Name: rule });
  try {
    return await play(invoke);
  } finally {
    await stage.emulator.call('events', 'enable_rule', { Name: rule });
  }
}

async function tooOld(stage: Stage, adopt: () => Promise<void>): Promise<string> {
  const { emulator, tracker } = stage;
  const before = await auditOf(stage);
  const known = new Set((await lettersOf(stage)).map(({ key }) => key));

  const sent = events(8, { scene: GIVEN_UP });
  const seconds = await failUntilTooOld(stage, sent);
  const { discarded } = await emulator.report();
  assert.equal(
    discarded.reduce((sum, { records }) => sum + records, 0),
    sent.length,
  );
  assert.deepEqual(new Set(discarded.map(({ condition }) => condition)), new Set(['RecordAgeExceeded']));
  // The lanes go on, and a later record of the same collector tells that those before it were acknowledged.
  await tracker.send(events(30, { scene: 'after-given-up' }));
  await emulator.drained();
  await tracker.everyOnce('after-given-up');
  assert.equal((await tracker.stored(GIVEN_UP)).length, 0);

  const letters = (await lettersOf(stage)).filter(({ key }) => !known.has(key));
  assertWhole(letters, sent);
  await untilTold(stage, letters);

  // Not yet taken up: the audit misses them, and says so.
  const gap = await auditOf(stage);
  assert.ok(gap.lost + gap.unresolved >= before.lost + before.unresolved + sent.length, JSON.stringify(gap));

  await adopt();
  const counted = await auditOf(stage);
  assert.equal(counted.dead, before.dead + sent.length);
  assert.equal(counted.lost + counted.unresolved, before.lost + before.unresolved);
  assert.equal(counted.balanced, before.balanced);
  const ids = await listedAndShown(stage, letters);
  await redrive(stage, 'put', ...ids);
  await emulator.drained();
  const stored = await tracker.everyOnce(GIVEN_UP);
  // Once more, as every few minutes: nothing changes.
  await adopt();
  const after = await auditOf(stage);
  assert.deepEqual(after.problems, before.problems);
  assert.equal(after.stored - counted.stored, sent.length);
  assert.equal(after.dead, counted.dead);
  const waiting = (await listed(stage)).filter(({ id, redriven }) => ids.includes(id) && redriven === null);
  assert.deepEqual(waiting, []);
  return (
    `${sent.length} records too old after ${seconds} s; ${letters.length} documents, each told of, all their bytes; ` +
    `missed by the audit: ${gap.lost} lost, ${gap.unresolved} unresolved; then dead ${before.dead} → ${counted.dead}; ` +
    `${stored} put back and stored once, ledger balanced: ${after.balanced}`
  );
}

/** A record is tried once, and the processor is killed at its first call, at its second, and so on, until it comes to its end. */
async function halfDone(stage: Stage, adopt: () => Promise<void>): Promise<string> {
  const { emulator, tracker, functions } = stage;
  const scene = 'given-up-half-done';
  const before = await auditOf(stage);
  const known = new Set((await lettersOf(stage)).map(({ key }) => key));
  const killed = await withMapping(stage, { MaximumRetryAttempts: 0 }, async () => {
    for (let calls = 1; ; calls += 1) {
      await emulator.forgetReport();
      await emulator.faults([{ kind: 'kill', function: functions.process, calls, times: 1 }]);
      await tracker.send(events(1, { scene, visitor: `${scene}-${calls}` }));
      await emulator.drained();
      const { discarded } = await emulator.report();
      await emulator.faults([]);
      if (discarded.length === 0) return calls - 1;
    }
  });
  await tracker.send(events(30, { scene: 'after-half-done' }));
  await emulator.drained();
  const letters = (await lettersOf(stage)).filter(({ key }) => !known.has(key));
  assert.equal(letters.length, killed);
  await adopt();
  const letterKeys = letters.map(({ key }) => key);
  const dead = (await listed(stage)).filter(({ reason }) => letterKeys.some((key) => reason.includes(key)));
  // The last call is the one that counts it all: a record given up after that was done.
  assert.ok(dead.length > 0 && dead.length < killed, `${dead.length} of ${killed}`);
  assert.equal((await tracker.stored(scene)).length, killed + 1 - dead.length);
  await redrive(stage, 'put', ...dead.map(({ id }) => id));
  await emulator.drained();
  const stored = await tracker.everyOnce(scene);
  const after = await auditOf(stage);
  assert.deepEqual(after.problems, before.problems);
  assert.equal(after.stored - before.stored, stored + 30);
  assert.equal(after.duplicate, before.duplicate);
  return (
    `killed at ${killed} calls, ${killed} documents: ${killed - dead.length} of a record that was done, ` +
    `${dead.length} put back; ${stored} stored once, none a duplicate, ledger balanced: ${after.balanced}`
  );
}

/** The processor may not look at the table of states, so each batch fails for a reason outside its records. */
async function failUntilTooOld(stage: Stage, sent: readonly SentEvent[]): Promise<number> {
  const { emulator, tracker, functions } = stage;
  const [policy] = await policiesOf(stage, functions.process);
  const statement = policy?.statements.find(
    ({ Sid, ...each }) => Sid === 'State' && actionsOf(each).includes('dynamodb:GetItem'),
  );
  assert.ok(policy !== undefined && statement !== undefined);
  await emulator.forgetReport();
  const started = Date.now();
  await withMapping(stage, { MaximumRecordAgeInSeconds: AGE_SECONDS }, () =>
    without(stage, { policy, statement }, async () => {
      await tracker.send(sent);
      await emulator.drained({ withinMs: (AGE_SECONDS + 60) * 1_000 });
    }),
  );
  return Math.round((Date.now() - started) / 1_000);
}

/** With other limits of the processor's event source mapping while something is done. */
async function withMapping<T>(
  { emulator, functions }: Stage,
  limits: { readonly MaximumRecordAgeInSeconds?: number; readonly MaximumRetryAttempts?: number },
  act: () => Promise<T>,
): Promise<T> {
  const { EventSourceMappings } = await emulator.call<{
    readonly EventSourceMappings: readonly (Required<typeof limits> & { readonly UUID: string })[];
  }>('lambda', 'list_event_source_mappings', { FunctionName: functions.process });
  const [mapping] = EventSourceMappings;
  assert.ok(mapping !== undefined);
  const { UUID, MaximumRecordAgeInSeconds, MaximumRetryAttempts } = mapping;
  await emulator.call('lambda', 'update_event_source_mapping', { UUID, ...limits });
  try {
    return await act();
  } finally {
    const usual = { UUID, MaximumRecordAgeInSeconds, MaximumRetryAttempts };
    await emulator.call('lambda', 'update_event_source_mapping', usual);
  }
}

/** What Lambda put into the bucket. */
async function lettersOf({ emulator, output }: Stage): Promise<readonly Letter[]> {
  const Bucket = output('DeadLetterBucketName');
  const s3 = new S3Client({
    endpoint: emulator.endpoint,
    region: REGION,
    forcePathStyle: true,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'aws/lambda/' }));
  return Promise.all(
    Contents.map(async ({ Key = '' }) => {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
      const { requestContext, KinesisBatchInfo, payload } = JSON.parse((await Body?.transformToString()) ?? '');
      const { Records } = JSON.parse(payload) as {
        readonly Records: readonly { readonly kinesis: { readonly sequenceNumber: string; readonly data: string } }[];
      };
      assert.equal(KinesisBatchInfo.batchSize, Records.length);
      const records = Records.map(
        ({ kinesis }) => [kinesis.sequenceNumber, Buffer.from(kinesis.data, 'base64')] as const,
      );
      return {
        ...{ key: Key, condition: requestContext.condition, shard: KinesisBatchInfo.shardId },
        records: new Map(records),
      };
    }),
  );
}

/** Each event that was sent is in one record of one document, as it was sent. */
function assertWhole(letters: readonly Letter[], sent: readonly SentEvent[]): void {
  const lines = letters.flatMap(({ records }) =>
    [...records.values()].flatMap((bytes) => bytes.toString().split('\n').slice(1)),
  );
  const found = lines.map((line) => JSON.parse(line));
  const told = found.map(({ eventId, eventType, anonymousId, properties }) => ({
    ...{ messageId: eventId, event: eventType, anonymousId, properties },
  }));
  const wanted = sent.map(({ messageId, event, anonymousId, properties }) => ({
    ...{ messageId, event, anonymousId, properties },
  }));
  const byId = (a: { readonly messageId: string }, b: { readonly messageId: string }) =>
    a.messageId.localeCompare(b.messageId);
  assert.deepEqual(told.sort(byId), wanted.sort(byId));
}

/** The queue has a notice of each. */
async function untilTold({ emulator, output }: Stage, letters: readonly Letter[]): Promise<void> {
  const waiting = new Set(letters.map(({ key }) => key));
  for (let tries = 0; waiting.size > 0 && tries < 20; tries += 1) {
    const { Messages = [] } = await emulator.call<{ readonly Messages?: readonly { readonly Body: string }[] }>(
      'sqs',
      'receive_message',
      { QueueUrl: output('DeadLetterQueueUrl'), MaxNumberOfMessages: 10, WaitTimeSeconds: 1 },
    );
    for (const { Body } of Messages) {
      // S3 writes keys into notices as forms do: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
      const { Records = [] } = JSON.parse(Body) as {
        readonly Records?: readonly { readonly s3: { readonly object: { readonly key: string } } }[];
      };
      for (const { s3 } of Records) waiting.delete(decodeURIComponent(s3.object.key.replaceAll('+', ' ')));
    }
    await sleep(100);
  }
  assert.deepEqual([...waiting], [], 'the queue does not tell of them');
}

/** The real command, as its user calls it, against the load balancer. */
async function redrive({ access }: Stage, ...words: readonly string[]): Promise<string> {
  const server = ['--url', access.url, '--token', access.readToken];
  const { code, output, errors } = await clickstream(['redrive', ...words, ...server]);
  assert.equal(code, 0, errors);
  return output;
}

async function listed(stage: Stage): Promise<readonly Dead[]> {
  return JSON.parse(await redrive(stage, 'list', '--json', '--limit', '500')).dead as readonly Dead[];
}

/** Each record of each document is listed with why, and its bytes are those of the document. Returns their ids, oldest first. */
async function listedAndShown(stage: Stage, letters: readonly Letter[]): Promise<readonly string[]> {
  const dead = await listed(stage);
  const ids: string[] = [];
  for (const { key, shard, condition, records } of letters) {
    for (const [sequence, bytes] of records) {
      const found = dead.find((each) => each.lane === shard && each.sequence === sequence);
      assert.ok(found !== undefined, `${shard} ${sequence} is not listed`);
      assert.ok(found.reason.startsWith('given_up: ') && found.reason.includes(condition), found.reason);
      assert.ok(found.reason.includes(key), found.reason);
      assert.equal(await redrive(stage, 'show', found.id), bytes.toString());
      ids.push(found.id);
    }
  }
  return ids;
}

function auditOf({ tracker }: Stage): Promise<Audit> {
  return tracker.get<Audit>('/api/v1/audit?deep=true');
}

import { GetObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { FakeLog } from '../../tests/collector.ts';
import { type DynamoEmulator, startDynamo } from '../../tests/emulators/dynamo.ts';
import { eventWith, lineOf, recordOf, recordOfLines } from '../../tests/events.ts';
import { DynamoEventReader } from '../adapters/aws/dynamo-event-reader.ts';
import { DynamoEventStore } from '../adapters/aws/dynamo-event-store.ts';
import { GivenUp } from '../adapters/aws/given-up.ts';
import { GivenUpLetters } from '../adapters/aws/given-up-letters.ts';
import { HalfPut } from '../adapters/aws/half-put.ts';
import type { TableNames } from '../adapters/aws/tables.ts';
import { Numbering } from '../collect/numbering.ts';
import { Redriver } from '../collect/redrive.ts';
import type { LaneRecord } from '../log/event-log.ts';
import { answer, processBatch, seal } from '../pipeline.ts';
import { LEDGER, ledgerRows } from '../process/views/ledger.ts';
import { VIEWS } from '../process/views/registry.ts';
import type { AuditResult } from '../query/audit.ts';
import { createRedrive } from '../query/dead.ts';
import { eventsIn, RECORD_READING } from './given-up-records.ts';

const LANE = 'shardId-000000000001';
const NOW_MS = Date.parse('2026-11-23T11:00:00.000Z');
const FOLDER = `aws/lambda/9f6b8a4e/${LANE}/`;
/** The emulator's items are real; S3 is as much of it as is asked: listing in pages, by prefix, delimiter and key, and reading. */
class FakeBucket {
  readonly objects = new Map<string, { readonly body: string; readonly atMs: number }>();
  readonly read: string[] = [];
  fault: Error | undefined;
  pageKeys = 2;

  readonly client = { send: (command: unknown) => this.#send(command) } as unknown as Pick<S3Client, 'send'>;

  async #send(command: unknown): Promise<unknown> {
    if (this.fault !== undefined) throw this.fault;
    if (command instanceof ListObjectsV2Command) return this.#list(command.input);
    if (command instanceof GetObjectCommand) {
      const { body } = this.objects.get(command.input.Key ?? '') ?? {};
      if (body === undefined) throw new Error('NoSuchKey');
      this.read.push(command.input.Key ?? '');
      return { ContentLength: body.length, Body: { transformToString: async () => body } };
    }
    throw new Error('the adopter asks for nothing else');
  }

  #list({ Prefix = '', Delimiter, StartAfter = '', ContinuationToken = '' }: ListObjectsV2Command['input']) {
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(Prefix)).sort();
    const names = new Set(
      keys.map((key) => {
        const end = Delimiter === undefined ? -1 : key.indexOf(Delimiter, Prefix.length);
        return end < 0 ? key : key.slice(0, end + 1);
      }),
    );
    const rest = [...names].filter((name) => name > StartAfter && name > ContinuationToken);
    const page = rest.slice(0, this.pageKeys);
    return {
      CommonPrefixes: page.filter((name) => !this.objects.has(name)).map((name) => ({ Prefix: name })),
      Contents: page.flatMap((name) => {
        const found = this.objects.get(name);
        return found === undefined ? [] : [{ Key: name, LastModified: new Date(found.atMs) }];
      }),
      ...(rest.length > page.length && { NextContinuationToken: page.at(-1) }),
    };
  }
}

let emulator: DynamoEmulator;
let tables: TableNames;
let store: DynamoEventStore;
let reader: DynamoEventReader;
let bucket: FakeBucket;
let reports: unknown[];
let nowMs: number;
beforeAll(async () => {
  emulator = await startDynamo();
});
afterAll(() => emulator.close());
beforeEach(async () => {
  tables = await emulator.newTables();
  store = new DynamoEventStore({ client: emulator.client, tables, folds: [...VIEWS, { ...LEDGER, ...ledgerRows }] });
  reader = new DynamoEventReader({ client: emulator.client, tables });
  bucket = new FakeBucket();
  reports = [];
  nowMs = NOW_MS;
});

function adopter(client: Pick<typeof emulator.client, 'send'> = emulator.client) {
  return new GivenUp({
    ...{ client, table: tables.state, reader, reading: RECORD_READING },
    halfPut: new HalfPut({ client, tables, eventsIn }),
    letters: new GivenUpLetters({ client: bucket.client, bucket: 'dead' }),
    clock: () => nowMs,
    report: (fault) => reports.push(fault),
  });
}

/** What Lambda writes: https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html */
function letter(records: readonly LaneRecord[], at: { readonly name: string; readonly atMs?: number }, lane = LANE) {
  const payload = {
    Records: records.map(({ sequence, data }) => ({
      kinesis: { partitionKey: 'any', sequenceNumber: `${sequence}`, data: Buffer.from(data).toString('base64') },
      eventID: `${lane}:${sequence}`,
      eventSourceARN: 'arn:aws:kinesis:us-east-1:123456789012:stream/events',
    })),
  };
  const document = {
    requestContext: { condition: 'RetryAttemptsExhausted', approximateInvokeCount: 3 },
    KinesisBatchInfo: { shardId: lane, batchSize: records.length },
    payload: JSON.stringify(payload),
  };
  const key = `aws/lambda/9f6b8a4e/${lane}/${at.name}`;
  bucket.objects.set(key, { body: JSON.stringify(document), atMs: at.atMs ?? nowMs });
  return key;
}

/** Number `number` of collector c1, with two events. */
function record(number: number, visitor = `a${number}`): LaneRecord {
  const events = [1, 2].map((each) => eventWith({ eventId: `e${number}.${each}`, anonymousId: visitor }));
  return { sequence: BigInt(number) + 100n, data: recordOf(events, { number, ackedThrough: number - 1 }) };
}

async function process(records: readonly LaneRecord[], lane = LANE): Promise<void> {
  await processBatch({ lane, records }, store);
}

async function ask<T>(path: string, parameters: Record<string, string> = {}): Promise<T> {
  const { status, body } = await answer({ path, parameters }, { reader, clock: () => nowMs, report: () => {} });
  expect(status, body).toBe(200);
  return JSON.parse(body) as T;
}
const audit = () => ask<AuditResult>('/api/v1/audit', { deep: 'true' });

/** Puts all back and processes them from sequence 200 on. */
async function redriveAll(): Promise<void> {
  const log = new FakeLog();
  const redriver = new Redriver({ log, numbering: new Numbering('again'), clock: () => nowMs });
  const redrive = createRedrive({
    find: (place) => reader.snapshot((reads) => reads.deadAt(place)),
    append: (bytes) => redriver.append(bytes),
    mark: (lane, sequence, position) => store.markRedriven(lane, sequence, position),
  });
  for (const { id } of await deadList()) expect(await redrive(id)).toMatchObject({ appended: true });
  const entries = log.appends.flat();
  await process(entries.map(({ data }, place) => ({ sequence: 200n + BigInt(place), data: Buffer.from(data) })));
}

interface Dead {
  readonly id: string;
  readonly sequence: string;
  readonly reason: string;
}
const deadList = async () => (await ask<{ readonly dead: readonly Dead[] }>('/api/v1/dead')).dead;

test('what Lambda gave up is listed, shown and put back, and the ledger says so before and after', async () => {
  const [first, second, third, fourth] = [record(0), record(1), record(2), record(3)];
  await process([first]);
  const key = letter([second, third], { name: '2026/11/23/2026-11-23T10.59.58-x' });
  await process([fourth]);
  // Until it is adopted: records 1 and 2 were acknowledged, and are nowhere.
  expect(await audit()).toMatchObject({ balanced: false, lost: 2, dead: 0 });

  expect(await adopter().adopt()).toBe(2);
  expect(await audit()).toMatchObject({ balanced: true, lost: 0, accepted: 8, stored: 4, dead: 4, problems: [] });
  const dead = await deadList();
  expect(dead.map(({ sequence }) => sequence)).toEqual(['102', '101']);
  expect(dead[0]?.reason).toBe(`given_up: Lambda gave the record up (RetryAttemptsExhausted); its document is ${key}`);
  const { payload } = await ask<{ readonly payload: string }>(`/api/v1/dead/${dead[1]?.id}`);
  expect(Buffer.from(payload, 'base64')).toEqual(Buffer.from(second.data));

  await redriveAll();
  expect(await audit()).toMatchObject({
    ...{ balanced: true, lost: 0, problems: [] },
    ...{ accepted: 12, stored: 8, dead: 4, duplicate: 0, redelivered: 0 },
  });
  expect((await deadList()).length).toBe(2);
});

test('of a batch that is given up, what was processed after all is not dead, though the lane went on', async () => {
  const records = [record(0), record(1), record(2)];
  await process(records.slice(0, 2));
  await process([record(3)]);
  letter(records, { name: '2026/11/23/a' });
  expect(await adopter().adopt()).toBe(1);
  expect((await deadList()).map(({ sequence }) => sequence)).toEqual(['102']);
  expect(await audit()).toMatchObject({ balanced: true, lost: 0, accepted: 8, stored: 6, dead: 2, redelivered: 0 });
});

test('one that is processed only after it was adopted comes back as duplicates, and nothing counts twice', async () => {
  const late = record(0);
  letter([late], { name: '2026/11/23/a' });
  await adopter().adopt();
  await process([late]);
  await process([{ sequence: 300n, data: recordOf(eventsOf(0), { collector: 'again', number: 0 }) }]);
  expect(await audit()).toMatchObject({ balanced: true, problems: [], stored: 2, dead: 2, duplicate: 2 });
});

function eventsOf(number: number) {
  return [1, 2].map((each) => eventWith({ eventId: `e${number}.${each}`, anonymousId: `a${number}` }));
}

test('of a shard that nothing was ever processed of, too', async () => {
  letter([record(0)], { name: '2026/11/23/a' });
  await adopter().adopt();
  expect((await deadList()).map(({ sequence }) => sequence)).toEqual(['100']);
  expect(await audit()).toMatchObject({ balanced: true, accepted: 2, dead: 2, lost: 0 });
  expect(await ask('/api/v1/sources')).toMatchObject({ sources: ['default'] });
});

test('looking again changes nothing, nor do two at once, nor a record that is too long for one item', async () => {
  const random = Array.from({ length: 120_000 }, (_, place) => ((place * 2_654_435_761) % 4_294_967_296).toString(36));
  const long = recordOf([eventWith({ properties: { text: random.join('') } })], { number: 1, ackedThrough: 0 });
  letter([record(0), { sequence: 101n, data: long }], { name: '2026/11/23/a' });
  await Promise.all([adopter().adopt(), adopter().adopt()]);
  const before = await emulator.itemsOf(tables.state);
  expect(before.filter((item) => item.pk?.S?.startsWith('part')).length).toBeGreaterThan(1);
  expect(await adopter().adopt()).toBe(0);
  expect(await emulator.itemsOf(tables.state)).toEqual(before);
  expect(await audit()).toMatchObject({ balanced: true, accepted: 3, dead: 3 });
  const [newest] = await deadList();
  const { payload } = await ask<{ readonly payload: string }>(`/api/v1/dead/${newest?.id}`);
  expect(Buffer.from(payload, 'base64').equals(long)).toBe(true);
});

test('an adopter that ends half way leaves nothing that the next one does not complete', async () => {
  const records = [record(0), record(1)];
  letter(records, { name: '2026/11/23/a' });
  for (let calls = 1; ; calls += 1) {
    let left = calls;
    const send = (command: never) => {
      left -= 1;
      return left < 0 ? Promise.reject(new Error('ended')) : emulator.client.send(command);
    };
    const ended = await adopter({ send } as never)
      .adopt()
      .then(
        () => false,
        () => true,
      );
    // What is counted as dead lies there.
    const { dead } = await audit();
    expect((await deadList()).length * 2).toBeGreaterThanOrEqual(dead);
    if (!ended) break;
  }
  expect(await audit()).toMatchObject({ balanced: true, accepted: 4, dead: 4 });
});

test('damaged records: dead and listed, in the ledger when a header can be read, and never twice', async () => {
  const damaged = record(0).data.slice();
  damaged[damaged.length - 3] = 1;
  const processed = { sequence: 90n, data: Buffer.from('set aside by the processor') };
  await process([processed]);
  const records = [processed, { sequence: 100n, data: damaged }, { sequence: 101n, data: Buffer.from('no record') }];
  letter(records, { name: '2026/11/23/a' });
  expect(await adopter().adopt()).toBe(2);
  expect(await adopter().adopt()).toBe(0);
  const dead = await deadList();
  expect(dead.map(({ sequence }) => sequence)).toEqual(['101', '100', '90']);
  expect(dead[2]?.reason).not.toContain('given_up');
  expect(await audit()).toMatchObject({ balanced: true, accepted: 2, dead: 2 });
  const totals = await reader.snapshot((reads) => reads.totals());
  expect(totals.dead).toBe(3);
});

test('documents older than an hour are passed for good; one that comes late with an earlier key is not missed', async () => {
  const old = letter([record(0)], { name: '2026/11/23/2026-11-23T08.00.00-m', atMs: NOW_MS - 3 * 3_600_000 });
  letter([record(1)], { name: '2026/11/23/2026-11-23T10.59.59-m' });
  letter([record(2)], { name: '2026/11/23/a' }, 'shardId-000000000002');
  await adopter().adopt();
  expect(bucket.read).toHaveLength(3);
  bucket.read.length = 0;
  letter([record(3)], { name: '2026/11/23/2026-11-23T10.59.59-a' });
  expect(await adopter().adopt()).toBe(1);
  expect(bucket.read).not.toContain(old);
  nowMs += 2 * 3_600_000;
  await adopter().adopt();
  bucket.read.length = 0;
  expect(await adopter().adopt()).toBe(0);
  expect(bucket.read).toEqual([]);
});

test('a document that cannot be read is told of, and does not hold up those after it', async () => {
  bucket.objects.set(`${FOLDER}2026/11/23/a`, { body: '{"requestContext":{}}', atMs: nowMs });
  letter([record(0)], { name: '2026/11/23/b' });
  expect(await adopter().adopt()).toBe(1);
  expect(String(reports)).toContain(`${FOLDER}2026/11/23/a`);
  // The bucket itself is another thing.
  bucket.fault = new Error('SlowDown');
  await expect(adopter().adopt()).rejects.toThrow('SlowDown');
});

test('what the processor set aside itself is not looked at', async () => {
  bucket.objects.set(`${LANE}/101.json`, { body: '{}', atMs: nowMs });
  expect(await adopter().adopt()).toBe(0);
  expect(bucket.read).toEqual([]);
});

/** A processor that is ended with so many calls to DynamoDB, the last of them done there. */
function endedAfter(calls: number): DynamoEventStore {
  let made = 0;
  const send = async (command: never) => {
    made += 1;
    if (made > calls) throw new Error('ended');
    const answer = await emulator.client.send(command);
    if (made >= calls) throw new Error('ended');
    return answer;
  };
  const folds = [...VIEWS, { ...LEDGER, ...ledgerRows }];
  return new DynamoEventStore({ client: { send } as never, tables, folds });
}

test('wherever the processor was ended before Lambda gave up: each event once, and counted once, when it is put back', async () => {
  const adoptions: number[] = [];
  for (let calls = 1; ; calls += 1) {
    tables = await emulator.newTables();
    store = new DynamoEventStore({ client: emulator.client, tables, folds: [...VIEWS, { ...LEDGER, ...ledgerRows }] });
    reader = new DynamoEventReader({ client: emulator.client, tables });
    bucket = new FakeBucket();
    await process([record(0)]);
    const lines = [...eventsOf(3).map(lineOf), '{"eventId":"bad"}'];
    const withBad = { sequence: 103n, data: recordOfLines(lines, { visitor: 'a3', number: 3, ackedThrough: 2 }) };
    const records = [record(1, 'one'), record(2, 'one'), withBad];
    const ended = await processBatch({ lane: LANE, records }, endedAfter(calls)).then(
      () => false,
      () => true,
    );
    if (!ended) break;
    letter(records, { name: '2026/11/23/a' });
    await process([record(4)]);
    const adopted = await adopter().adopt();
    expect(await audit()).toMatchObject({ balanced: true, problems: [], accepted: 11, dead: adopted === 0 ? 0 : 7 });
    await redriveAll();
    expect(await audit()).toMatchObject({ balanced: true, problems: [], stored: 10, bad: 1, duplicate: 0 });
    expect((await ask<{ readonly bad: readonly object[] }>('/api/v1/bad')).bad).toHaveLength(1);
    const { events } = await ask<{ readonly events: readonly object[] }>('/api/v1/events', { limit: '100' });
    expect(events).toHaveLength(10);
    expect(await counted()).toBe(10);
    adoptions.push(adopted);
  }
  // With its last call the lane's item says that they are done.
  expect(adoptions.length).toBeGreaterThan(10);
  expect(adoptions).toEqual([...adoptions.slice(1).map(() => 3), 0]);
});

/** Events as the statistics have them. */
async function counted(): Promise<number> {
  const range = { measure: 'events', interval: 'day', from: '2026-11-22T00:00:00Z', to: '2026-11-25T00:00:00Z' };
  const { rows } = await ask<{ readonly rows: readonly { readonly value: number }[] }>('/api/v1/stats', range);
  return rows.reduce((sum, { value }) => sum + value, 0);
}

test('a try that goes on after its record was adopted changes nothing any more', async () => {
  await process([record(0)]);
  const late = record(1);
  let goOn: (() => void) | undefined;
  const waits = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let puts = 0;
  const send = async (command: { readonly input: { readonly Item?: { readonly pk?: { readonly S?: string } } } }) => {
    // It stands still before the lane's item, the last that it writes.
    if (command.input.Item?.pk?.S === 'lane') {
      puts += 1;
      await waits;
    }
    return emulator.client.send(command as never);
  };
  const frozen = new DynamoEventStore({
    client: { send } as never,
    ...{ tables, folds: [...VIEWS, { ...LEDGER, ...ledgerRows }] },
  });
  const applied = processBatch({ lane: LANE, records: [late] }, frozen);
  while (puts === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  letter([late], { name: '2026/11/23/a' });
  expect(await adopter().adopt()).toBe(1);
  goOn?.();
  await expect(applied).rejects.toThrow('no longer as it was loaded');
  await redriveAll();
  expect(await audit()).toMatchObject({ balanced: true, problems: [], stored: 4, dead: 2, duplicate: 0 });
  expect(await counted()).toBe(4);
});

test('what the processor sets aside after tries that it did not survive comes back once, too', async () => {
  const { client } = emulator;
  const folds = [...VIEWS, { ...LEDGER, ...ledgerRows }];
  const processor = new DynamoEventStore({ client, tables, folds, halfPut: new HalfPut({ client, tables, eventsIn }) });
  await process([record(0)]);
  const lines = [...eventsOf(1).map(lineOf), '{"eventId":"bad"}'];
  const poison = { sequence: 101n, data: recordOfLines(lines, { visitor: 'a1', number: 1, ackedThrough: 0 }) };
  await expect(processBatch({ lane: LANE, records: [poison] }, endedAfter(12))).rejects.toThrow('ended');
  // As the processor does it: untried, with a checksum that is wrong, and all its bytes with the dead record.
  const untried = poison.data.slice();
  untried[untried.length - 1] = 0;
  await processBatch(
    { lane: LANE, records: [{ ...poison, data: untried }] },
    {
      load: (lane, keys) => processor.load(lane, keys),
      erasedUntil: (ids) => processor.erasedUntil(ids),
      apply: (decision) =>
        processor.apply({ ...decision, dead: decision.dead.map((dead) => ({ ...dead, payload: poison.data })) }),
    },
  );
  expect(await audit()).toMatchObject({ balanced: true, problems: [], stored: 2, dead: 3, bad: 0 });
  await redriveAll();
  expect(await audit()).toMatchObject({ balanced: true, problems: [], stored: 4, dead: 3, bad: 1, duplicate: 0 });
  expect(await counted()).toBe(4);
});

test('what is sealed already is not taken up, and what was sealed as lost is dead once it is taken up', async () => {
  const folds = [...VIEWS, { ...LEDGER, ...ledgerRows }];
  store = new DynamoEventStore({ client: emulator.client, tables, folds, journalItemsMax: 0 });
  await process([record(0), record(1), record(3)]);
  // Its collector is over by then, and all its rows go.
  nowMs += 3 * 86_400_000;
  const sealed = () => seal({ reader, store, nowMs });
  expect(await sealed()).toBe(1);
  expect(await audit()).toMatchObject({ balanced: false, lost: 1, accepted: 6 });
  letter([record(1), record(2)], { name: '2026/11/23/a' });
  expect(await adopter().adopt()).toBe(1);
  expect(await adopter().adopt()).toBe(0);
  const well = { balanced: true, problems: [], lost: 0, accepted: 8, stored: 6, dead: 2, redelivered: 0 };
  expect(await audit()).toMatchObject(well);
  expect(await sealed()).toBe(0);
  expect(await audit()).toMatchObject(well);
});

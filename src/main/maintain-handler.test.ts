import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DynamoEmulator, startDynamo } from '../../tests/emulators/dynamo.ts';
import { eventWith, recordOf } from '../../tests/events.ts';
import { seededRandom } from '../../tests/random.ts';
import { DynamoEventReader } from '../adapters/aws/dynamo-event-reader.ts';
import { DynamoEventStore } from '../adapters/aws/dynamo-event-store.ts';
import type { TableNames } from '../adapters/aws/tables.ts';
import { ClickstreamError } from '../core/errors.ts';
import type { Event } from '../core/event.ts';
import { LIMITS } from '../core/limits.ts';
import type { View } from '../core/view.ts';
import { answer } from '../pipeline.ts';
import { LEDGER, ledgerRows } from '../process/views/ledger.ts';
import { VIEWS } from '../process/views/registry.ts';
import type { EventReader, PassOver } from '../store/event-store.ts';
import { createMaintainHandler, tasksOf } from './maintain-handler.ts';
import { createProcessHandler, type ProcessEvent } from './process-handler.ts';

const START = Date.parse('2026-11-24T09:00:00.000Z');
const LANES = ['shardId-000000000000', 'shardId-000000000001'] as const;

let emulator: DynamoEmulator;
beforeAll(async () => {
  emulator = await startDynamo();
});
afterAll(() => emulator.close());

/** As if a later version of the program counted each event twice. */
const RAISED = VIEWS.map((view): View => {
  if (view.name !== 'traffic') return view;
  const twice: View['fold'] = (state, event, facts, order) =>
    view.fold(view.fold(state, event, facts, order), event, facts, order);
  return { ...view, version: view.version + 1, fold: twice };
});

/** A visitor's events lie in one lane. */
function eventAt(number: number, lane: string = LANES[0]): Event {
  const time = new Date(START + number * 7_000).toISOString();
  const who = { anonymousId: `${lane}-a${number % 5}`, eventId: `e${number}` };
  return eventWith({ ...who, createdAt: time, timestamp: time, receivedAt: time, eventType: 'page' });
}

function batchOf(lane: string, events: readonly Event[], from: number): ProcessEvent {
  return {
    Records: events.map((event, place) => ({
      eventID: `${lane}:${from + place}`,
      eventSourceARN: 'arn:aws:kinesis:us-east-1:123456789012:stream/events',
      kinesis: {
        sequenceNumber: String(from + place),
        partitionKey: `default/${event.anonymousId}`,
        data: Buffer.from(recordOf([event], { number: from + place, collector: lane })).toString('base64'),
        approximateArrivalTimestamp: Date.now() / 1_000,
      },
    })),
  };
}

/** One version of the program on the two tables: its two handlers, and what its readers see. */
function programOn(
  tables: TableNames,
  views: readonly View[],
  { client = emulator.client, clock }: { readonly client?: Pick<DynamoDBClient, 'send'>; readonly clock: () => number },
) {
  const faults: unknown[] = [];
  const report = (_: string, fault: unknown) => faults.push(fault);
  const folds = [...views, { ...LEDGER, ...ledgerRows }];
  const newStore = () => new DynamoEventStore({ client, tables, folds, journalItemsMax: 2, clock });
  const processed = createProcessHandler({
    ...{ newStore, views, clock, report },
    attempts: { begin: async () => 1, clear: async () => undefined },
    deadLetters: { put: () => Promise.reject(new Error('nothing is to be set aside')) },
  });
  const process = (event: ProcessEvent) => processed(event, { getRemainingTimeInMillis: () => 60_000 });
  const maintained = createMaintainHandler({
    newTasks: () => {
      const store = newStore();
      // Of pages so small that a rebuild takes several ticks.
      const inPieces = {
        ...{
          expire: store.expire.bind(store),
          rebuild: (view: View, _: number, passOver?: PassOver) => store.rebuild(view, 25, passOver),
        },
        ...{ eraseBytes: store.eraseBytes.bind(store), noteErased: store.noteErased.bind(store) },
        deleteHidden: () => store.deleteHidden(),
      };
      const reader = new DynamoEventReader({ client: emulator.client, tables });
      return tasksOf({ store: inPieces, reader, views, clock, report });
    },
    report,
  });
  /** Has time for so many pieces. */
  const tick = (pieces: number) => {
    let left = pieces;
    return maintained({
      getRemainingTimeInMillis: () => {
        left -= 1;
        return left < 0 ? LIMITS.lambdaMsLeftMin : 60_000;
      },
    });
  };
  return { process, tick, faults };
}

async function pageviewsOf(tables: TableNames, clock: () => number): Promise<unknown> {
  const parameters = { measure: 'events', interval: 'minute', from: String(START), to: String(START + 86_400_000) };
  const reader = new DynamoEventReader({ client: emulator.client, tables });
  const report = (fault: unknown) => {
    throw fault;
  };
  const { status, body } = await answer({ path: '/api/v1/stats', parameters }, { reader, clock, report });
  if (status !== 200) throw new Error(body);
  const { rows } = JSON.parse(body) as { readonly rows: readonly { readonly time: string; readonly value: number }[] };
  return Object.fromEntries(rows.flatMap(({ time, value }) => (value === 0 ? [] : [[time.slice(0, 16), value]])));
}

/** Counted again from the list of what was sent. */
function recount(events: readonly Event[], times: number): unknown {
  const counts: Record<string, number> = {};
  for (const { timestamp } of events) {
    const minute = timestamp.slice(0, 16);
    counts[minute] = (counts[minute] ?? 0) + times;
  }
  return counts;
}

/** Some of its calls fail, before or after they took place. */
function troubled(client: DynamoDBClient, random: () => number): Pick<DynamoDBClient, 'send'> {
  const fail = () => {
    if (random() < 0.01) throw Object.assign(new Error('planted'), { name: 'TimeoutError', $metadata: {} });
  };
  const send = async (command: Parameters<DynamoDBClient['send']>[0]) => {
    fail();
    const answered = await client.send(command);
    fail();
    return answered;
  };
  return { send } as unknown as Pick<DynamoDBClient, 'send'>;
}

test('a new version of a view is folded beside live batches, by two at once, with faults; the old one is read until then', async () => {
  const tables = await emulator.newTables();
  let nowMs = START + 86_400_000;
  const clock = () => nowMs;
  const [busy, idle] = LANES;
  const before = Array.from({ length: 220 }, (_, number) => eventAt(number, number < 120 ? busy : idle));
  const old = programOn(tables, VIEWS, { clock });
  await old.process(batchOf(busy, before.slice(0, 120), 1_000));
  await old.process(batchOf(idle, before.slice(120), 5_000));
  expect(await pageviewsOf(tables, clock)).toEqual(recount(before, 1));
  await old.tick(20);
  expect(old.faults).toEqual([]);

  const random = seededRandom(3);
  const [one, two] = [0, 1].map(() => programOn(tables, RAISED, { client: troubled(emulator.client, random), clock }));
  const live = programOn(tables, RAISED, { clock });
  const sent = [...before];
  let ticks = 0;
  const isWhole = async () => JSON.stringify(await pageviewsOf(tables, clock)) === JSON.stringify(recount(sent, 2));
  for (; ticks < 100 && !(ticks > 0 && (await isWhole())); ticks += 1) {
    if (ticks > 0 && ticks < 5) expect(await pageviewsOf(tables, clock)).toEqual(recount(before, 1));
    const more = Array.from({ length: 3 }, (_, place) => eventAt(300 + ticks * 3 + place));
    const batch = batchOf(busy, more, 2_000 + ticks * 3);
    sent.push(...more);
    // A lane that the rebuild takes up at this moment is another one than its batch has loaded; then Lambda sends the batch again.
    const applied = async () => {
      for (let tries = 0; tries < 9; tries += 1) {
        const failed = await live.process(batch).then(
          ({ batchItemFailures }) => batchItemFailures.length > 0,
          () => true,
        );
        if (!failed) return;
      }
      throw new Error('a live batch is held up');
    };
    await Promise.all([one?.tick(4), two?.tick(4), applied()]);
  }
  expect(ticks).toBeGreaterThan(5);
  expect(ticks).toBeLessThan(100);
  expect(await pageviewsOf(tables, clock)).toEqual(recount(sent, 2));

  // What readers of the old version may still be reading goes only later.
  const name = VIEWS.find((view) => view.name === 'traffic');
  const oldRows = async () =>
    (await emulator.itemsOf(tables.state)).filter(({ pk }) => pk?.S?.startsWith(`row\0traffic\0${name?.version}\0`))
      .length;
  await live.tick(100);
  expect(await oldRows()).toBeGreaterThan(0);
  nowMs += 2 * LIMITS.queryMsMax;
  await live.tick(100);
  expect(await oldRows()).toBe(0);
  await live.tick(100);
  expect(await pageviewsOf(tables, clock)).toEqual(recount(sent, 2));
  const journals = (await emulator.itemsOf(tables.state)).filter(({ pk }) => pk?.S === 'journal\0rebuild');
  expect(journals.length).toBeLessThan(5);
}, 120_000);

test('going back is refused with an error that names the cure, sets nothing aside, and the newer program goes on', async () => {
  const tables = await emulator.newTables();
  const clock = () => START + 86_400_000;
  const events = Array.from({ length: 8 }, (_, number) => eventAt(number));
  const [newer, older] = [RAISED, VIEWS].map((views) => programOn(tables, views, { clock }));
  await newer?.process(batchOf(LANES[0], events.slice(0, 4), 1));
  await expect(older?.process(batchOf(LANES[0], events.slice(4), 5))).rejects.toThrow('nothing of 4 records was done');
  await older?.tick(20);
  expect(older?.faults.every((fault) => fault instanceof ClickstreamError && fault.code === 'views_newer')).toBe(true);
  await newer?.process(batchOf(LANES[0], events.slice(4), 5));
  expect(await pageviewsOf(tables, clock)).toEqual(recount(events, 2));
});

test('what a rebuild passes over is told of', async () => {
  const faults: string[] = [];
  const tasks = tasksOf({
    store: {
      rebuild: async (_, limit, passOver) => {
        expect(limit).toBe(LIMITS.rebuildEventsMax);
        passOver?.([{ what: 'event shard-1:7:0', fault: new Error('no JSON') }]);
        return true;
      },
    } as Parameters<typeof tasksOf>[0]['store'],
    ...{ reader: {} as EventReader, views: VIEWS.slice(0, 1), clock: Date.now },
    report: (what, fault) => faults.push(`${what}: ${fault}`),
  });
  await tasks.find(({ name }) => name.startsWith('rebuild'))?.step();
  expect(faults).toEqual([
    expect.stringMatching(/^maintain: rebuild of traffic@\d+: Error: passed over.*\(no JSON\): event shard-1:7:0$/),
  ]);
});

test('a task that fails is told of, and keeps no other from its work; nothing is begun without time for it', async () => {
  const done: string[] = [];
  const faults: string[] = [];
  const steps = { left: 3 };
  const handler = createMaintainHandler({
    newTasks: () => [
      { name: 'broken', step: () => Promise.reject(new Error('planted')) },
      {
        name: 'long',
        step: async () => {
          done.push('long');
          steps.left -= 1;
          return steps.left === 0;
        },
      },
      {
        name: 'short',
        step: async () => {
          done.push('short');
          return true;
        },
      },
    ],
    report: (what, fault) => faults.push(`${what}: ${fault}`),
  });
  await handler({ getRemainingTimeInMillis: () => 60_000 });
  expect(done).toEqual(['long', 'short', 'long', 'long']);
  expect(faults).toEqual(['maintain: broken: Error: planted']);
  await handler({ getRemainingTimeInMillis: () => LIMITS.lambdaMsLeftMin });
  expect(done).toHaveLength(4);
});

import { hash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DynamoEventReader } from '../../src/adapters/aws/dynamo-event-reader.ts';
import { DynamoEventStore } from '../../src/adapters/aws/dynamo-event-store.ts';
import { KinesisEventLog } from '../../src/adapters/aws/kinesis-event-log.ts';
import { openEventReader } from '../../src/adapters/embedded/event-reader.ts';
import { openEventStore } from '../../src/adapters/embedded/event-store.ts';
import { newCounters } from '../../src/collect/http.ts';
import { WriteKeys } from '../../src/collect/keys.ts';
import { Numbering } from '../../src/collect/numbering.ts';
import type { EventLog, LaneRecord } from '../../src/log/event-log.ts';
import { answer, collect, processBatch } from '../../src/pipeline.ts';
import { VIEWS } from '../../src/process/views/registry.ts';
import type { EventReader, EventStore } from '../../src/store/event-store.ts';
import { MemoryEventLog } from '../contracts/memory-event-log.ts';
import { startDynamo } from '../emulators/dynamo.ts';
import { startKinesis } from '../emulators/kinesis.ts';
import { FOLDS } from '../simulation/dynamo-protocol.ts';
import { type Ask, before, compare, type Home, PARTS } from './comparison.ts';
import { type Answered, type PlayedInput, play, type RecordedRequest, recordedInput } from './recorded-input.ts';

const START = Date.UTC(2026, 10, 4, 9);
const NOW = START + 20 * 86_400_000;
const WRITE_KEY = 'the write key';
const STREAM = 'recorded';
const INPUT = recordedInput({ startMs: START, nowMs: NOW });

interface Played {
  readonly home: Home;
  readonly answers: readonly Answered[];
}
type Clock = () => number;

/** Plays requests to a collector of its own in front of a log. */
async function collectAll(
  requests: readonly RecordedRequest[],
  { log, clock }: { readonly log: EventLog; readonly clock: Clock },
): Promise<PlayedInput> {
  const keys = new WriteKeys([{ source: 'default', sha256: hash('sha256', WRITE_KEY, 'hex') }]);
  const report = (fault: Error) => {
    throw fault;
  };
  const collector = collect({ log, keys, clock, numbering: new Numbering('homes'), counters: newCounters(), report });
  const server = createServer((request, response) => collector.handle(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return await play(requests, { url, writeKey: WRITE_KEY });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function process(store: EventStore, lane: string, records: readonly LaneRecord[]): Promise<void> {
  for (let start = 0; start < records.length; start += 37) {
    await processBatch({ lane, records: records.slice(start, start + 37) }, store);
  }
}

function asking(reader: EventReader, clock: Clock): Ask {
  return async (path, parameters = {}) => {
    const { status, body } = await answer(
      { path: `/api/v1/${path}`, parameters },
      {
        reader,
        clock,
        log: async () => ({ records: [], findings: [] }),
        report: (fault) => {
          throw fault;
        },
      },
    );
    if (status !== 200) throw new Error(body);
    return JSON.parse(body) as unknown;
  };
}

const closers: (() => unknown)[] = [];

async function playEmbedded(requests: readonly RecordedRequest[]): Promise<Played> {
  const folder = mkdtempSync(join(tmpdir(), 'both-homes-'));
  const store = openEventStore({ folder, lateness: { views: VIEWS, msMax: 0 } });
  const reader = openEventReader({ folder });
  closers.push(
    () => reader.close(),
    () => store.close(),
    () => rmSync(folder, { recursive: true }),
  );
  const clock = () => NOW;
  const ask = asking(reader, clock);
  const standing = await before(ask);
  const log = new MemoryEventLog();
  const { answers, receipts } = await collectAll(requests, { log, clock });
  for (const [lane, records] of log.lanes) await process(store, lane, records);
  return { answers, home: { ask, before: standing, receipts, arrived: { from: NOW, to: NOW } } };
}

/** Three lanes, and a clock that is ahead: neither may make a difference. */
async function playAws(requests: readonly RecordedRequest[]): Promise<Played> {
  const [dynamo, kinesis] = await Promise.all([startDynamo(), startKinesis()]);
  closers.push(
    () => dynamo.close(),
    () => kinesis.stop(),
  );
  const { client, tables } = dynamo;
  const arrivedMs = NOW + 90_000;
  const clock = () => arrivedMs;
  const ask = asking(new DynamoEventReader({ client, tables }), clock);
  const standing = await before(ask);
  await kinesis.makeStream({ stream: STREAM, shardCount: 3 });
  const log = new KinesisEventLog({ client: kinesis.client, stream: STREAM });
  const { answers, receipts } = await collectAll(requests, { log, clock });
  const store = new DynamoEventStore({ client, tables, folds: FOLDS, journalItemsMax: 2 });
  for (const [lane, records] of await kinesis.readStream(STREAM)) await process(store, lane, records);
  return { answers, home: { ask, before: standing, receipts, arrived: { from: arrivedMs, to: arrivedMs } } };
}

let embedded: Played;
let aws: Played;
let broken: Played;

beforeAll(async () => {
  embedded = await playEmbedded(INPUT.requests);
  aws = await playAws(INPUT.requests);
  broken = await playEmbedded(INPUT.requests.filter((request, place) => place !== 0 && !isLost(request)));
}, 120_000);

/** A visit of one page and an event that is set aside, each alone in its request. */
function isLost({ sent: [first, ...others] }: RecordedRequest): boolean {
  if (first === undefined || others.length > 0) return false;
  return first.outcome === 'too_deep' || JSON.stringify(first.event).includes('home again');
}

afterAll(async () => {
  for (const close of closers) await close();
});

describe('one recorded input, through the embedded pipeline and through that of AWS', () => {
  test('is answered the same, request by request', () => {
    expect(aws.answers).toEqual(embedded.answers);
  });

  test.each(Object.keys(PARTS))(
    'gives the same %s',
    async (part) => {
      const { differences, answers } = await compare(part, { input: INPUT, homes: [embedded.home, aws.home] });
      expect(differences).toEqual([]);
      expect(answers).toBeGreaterThan(part === 'timelines' ? INPUT.counted.stored : 5);
    },
    120_000,
  );

  test.each(Object.keys(PARTS))('differs in %s when two visits and a bad event are lost', async (part) => {
    const { differences } = await compare(part, { input: INPUT, homes: [embedded.home, broken.home] });
    expect(differences).not.toEqual([]);
  });
});

describe('the recorded input', () => {
  test('has all that pipelines trip over', async () => {
    const { counted, reasons, who, requests } = INPUT;
    expect(counted.accepted).toBe(counted.stored + counted.duplicate + counted.bad);
    expect(counted.stored).toBeGreaterThan(400);
    expect(counted.duplicate).toBeGreaterThan(20);
    expect(Object.keys(reasons).sort()).toEqual([
      ...['field_invalid', 'id_invalid', 'id_missing', 'not_an_object', 'time_invalid', 'too_deep', 'too_large'],
      ...['type_invalid', 'type_missing'],
    ]);
    expect(new Set(requests.map(({ headers }) => headers['Content-Encoding']))).toEqual(
      new Set([undefined, 'gzip', 'br', 'deflate', 'zstd', 'compress']),
    );
    const listed = await embedded.home.ask('events', { ...INPUT.range, limit: '1000' });
    const { events } = listed as {
      readonly events: readonly {
        readonly eventType: string;
        readonly userId?: string;
        readonly anonymousId?: string;
        readonly facts: {
          readonly late: boolean;
          readonly session: number;
          readonly enriched: { readonly bot?: true };
        };
      }[];
    };
    const devices = Map.groupBy(
      events.filter(({ userId }) => userId !== undefined),
      ({ userId }) => userId,
    );
    const onTwo = [...devices.values()].filter((own) => new Set(own.map(({ anonymousId }) => anonymousId)).size > 1);
    expect(onTwo.length).toBeGreaterThanOrEqual(5);
    expect(who.length).toBeGreaterThan(60);
    const count = (fits: (event: (typeof events)[number]) => boolean) => events.filter(fits).length;
    expect(count(({ facts }) => facts.late)).toBeGreaterThan(5);
    expect(count(({ facts }) => facts.session > 1)).toBeGreaterThan(20);
    expect(count(({ facts }) => facts.enriched.bot === true)).toBeGreaterThan(0);
    expect(count(({ eventType }) => eventType === 'page')).toBeGreaterThan(200);
    expect(count(({ eventType }) => eventType === 'Order Completed')).toBeGreaterThanOrEqual(10);
    expect(count(({ anonymousId }) => anonymousId === undefined)).toBeGreaterThan(5);
  });
});

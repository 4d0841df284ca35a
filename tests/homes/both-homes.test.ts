import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DynamoEventReader } from '../../src/adapters/aws/dynamo-event-reader.ts';
import { DynamoEventStore } from '../../src/adapters/aws/dynamo-event-store.ts';
import { KinesisEventLog } from '../../src/adapters/aws/kinesis-event-log.ts';
import { openEventReader } from '../../src/adapters/embedded/event-reader.ts';
import { openEventStore } from '../../src/adapters/embedded/event-store.ts';
import { Accept } from '../../src/collect/accept.ts';
import { Numbering } from '../../src/collect/numbering.ts';
import { segment } from '../../src/collect/protocols/segment.ts';
import type { EventLog, LaneRecord } from '../../src/log/event-log.ts';
import { Visits } from '../../src/main/load/visits.ts';
import { answer, MEASURES, processBatch } from '../../src/pipeline.ts';
import { VIEWS } from '../../src/process/views/registry.ts';
import type { EventReader, EventStore } from '../../src/store/event-store.ts';
import { MemoryEventLog } from '../contracts/memory-event-log.ts';
import { type DynamoEmulator, startDynamo } from '../emulators/dynamo.ts';
import { type KinesisEmulator, startKinesis } from '../emulators/kinesis.ts';
import { FOLDS } from '../simulation/dynamo-protocol.ts';

const START = Date.UTC(2026, 10, 24, 9);
const EVENTS = 400;
const STREAM = 'recorded';

/** A recorded input: visits, with late and repeated events among them, and some that are no events. */
const REQUESTS = recorded();

function recorded(): readonly { readonly atMs: number; readonly batch: readonly unknown[] }[] {
  const visits = new Visits({ seed: 7, people: 60, run: 'homes' });
  const all = Array.from({ length: EVENTS }, (_, index) => {
    const atMs = START + index * 20_000;
    const planned = visits.next(atMs);
    return { atMs, event: JSON.parse(`${planned.openBody},"type":"${planned.path}"}`) as unknown };
  });
  const requests: { atMs: number; batch: unknown[] }[] = [];
  for (let index = 0; index < EVENTS; index += 5) {
    const own = all.slice(index, index + 5);
    const broken = index % 50 === 0 ? [{ type: 'track', userId: 'u' }, 'no event'] : [];
    requests.push({ atMs: own.at(-1)?.atMs ?? START, batch: [...own.map(({ event }) => event), ...broken] });
  }
  return requests;
}

async function collect(log: EventLog): Promise<void> {
  const accept = new Accept({ log, numbering: new Numbering('homes') });
  for (const { atMs, batch } of REQUESTS) {
    const body = Buffer.from(JSON.stringify({ batch }));
    const mapped = segment.map({ method: 'POST', path: '/v1/batch', query: '', headers: {}, body, receivedAt: atMs });
    if (mapped.kind !== 'events') throw new Error(`a request was ${mapped.kind}`);
    await accept.accept(mapped, { source: 'default', receivedAt: atMs });
  }
}

async function process(store: EventStore, lane: string, records: readonly LaneRecord[]): Promise<void> {
  for (let start = 0; start < records.length; start += 37) {
    await processBatch({ lane, records: records.slice(start, start + 37) }, store);
  }
}

type Ask = (path: string, parameters?: Record<string, string>) => Promise<unknown>;

/** What differs by home is left out: where an event lies, and ids made of that. */
function asking(reader: EventReader): Ask {
  return async (path, parameters = {}) => {
    const { status, body } = await answer(
      { path: `/api/v1/${path}`, parameters },
      {
        reader,
        clock: () => START + EVENTS * 20_000,
        log: async () => ({ records: [], findings: [] }),
        report: (fault) => {
          throw fault;
        },
      },
    );
    if (status !== 200) throw new Error(body);
    return JSON.parse(body, (name, value) =>
      ['position', 'cursor', 'id', 'lanes'].includes(name) ? undefined : value,
    ) as unknown;
  };
}

let embedded: Ask;
let aws: Ask;
let dynamo: DynamoEmulator;
let kinesis: KinesisEmulator;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'both-homes-'));
  const log = new MemoryEventLog();
  await collect(log);
  const store = openEventStore({ folder, lateness: { views: VIEWS, msMax: 0 } });
  for (const [lane, records] of log.lanes) await process(store, lane, records);
  const reader = openEventReader({ folder });
  embedded = asking(reader);
  closers.push(
    () => reader.close(),
    () => store.close(),
    () => rmSync(folder, { recursive: true }),
  );

  [dynamo, kinesis] = await Promise.all([startDynamo(), startKinesis()]);
  await kinesis.makeStream({ stream: STREAM, shardCount: 3 });
  await collect(new KinesisEventLog({ client: kinesis.client, stream: STREAM }));
  const shards = await kinesis.readStream(STREAM);
  const { client, tables } = dynamo;
  const onDynamo = new DynamoEventStore({ client, tables, folds: FOLDS, journalItemsMax: 2 });
  for (const [lane, records] of shards) await process(onDynamo, lane, records);
  aws = asking(new DynamoEventReader({ client, tables }));
  closers.push(
    () => dynamo.close(),
    () => kinesis.stop(),
  );
}, 120_000);

afterAll(async () => {
  for (const close of closers) await close();
});

describe('one recorded input, through the embedded pipeline and through that of AWS', () => {
  const range = { from: String(START - 86_400_000 * 2), to: String(START + 86_400_000) };

  test.each(Object.keys(MEASURES))(
    'gives the same %s, in all and by each dimension',
    async (measure) => {
      const dimensions = [undefined, ...Object.keys(MEASURES[measure]?.by ?? {})];
      for (const by of dimensions) {
        const parameters = { measure, interval: 'hour', bots: 'include', ...range, ...(by !== undefined && { by }) };
        const expected = (await embedded('stats', parameters)) as { readonly rows: readonly unknown[] };
        expect(await aws('stats', parameters), `by ${by}`).toEqual(expected);
        if (by === undefined) expect(expected.rows.length).toBeGreaterThan(0);
      }
    },
    60_000,
  );

  test('gives the same timelines', async () => {
    const { events } = (await embedded('events', { limit: '1000', ...range })) as {
      readonly events: readonly { readonly userId?: string; readonly anonymousId?: string }[];
    };
    const who = new Set(
      events.flatMap(({ userId, anonymousId }) => [userId, anonymousId].filter((id) => id !== undefined)),
    );
    expect(who.size).toBeGreaterThan(40);
    for (const id of who) {
      const path = `users/${encodeURIComponent(id)}/events`;
      expect(await aws(path, { limit: '1000' }), id).toEqual(await embedded(path, { limit: '1000' }));
    }
  }, 120_000);

  test('gives the same list of events, by type and in all', async () => {
    for (const parameters of [{}, { type: 'page' }, { type: 'Product Viewed', order: 'desc' }]) {
      const asked = { limit: '1000', ...range, ...parameters };
      const sorted = (listed: unknown) =>
        [...(listed as { readonly events: readonly unknown[] }).events].map((event) => JSON.stringify(event)).sort();
      expect(sorted(await aws('events', asked))).toEqual(sorted(await embedded('events', asked)));
    }
  });

  test('sets the same events aside', async () => {
    const reasons = (listed: unknown) => {
      const { bad } = listed as { readonly bad: readonly { readonly code: string; readonly payload: string }[] };
      return bad.map(({ code, payload }) => `${code} ${payload}`).sort();
    };
    const expected = reasons(await embedded('bad'));
    expect(expected).toHaveLength(16);
    expect(reasons(await aws('bad'))).toEqual(expected);
  });

  test('balances the same ledger', async () => {
    const numbers = async (ask: Ask) => {
      const { balanced, accepted, stored, duplicate, bad, dead, pending, lost, unresolved } = (await ask('audit', {
        deep: 'true',
      })) as Record<string, unknown>;
      return { balanced, accepted, stored, duplicate, bad, dead, pending, lost, unresolved };
    };
    const expected = await numbers(embedded);
    expect(expected).toMatchObject({ balanced: true, accepted: EVENTS + 16, bad: 16, lost: 0 });
    expect(await numbers(aws)).toEqual(expected);
  });
});

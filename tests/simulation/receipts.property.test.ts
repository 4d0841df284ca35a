import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DynamoEventReader } from '../../src/adapters/aws/dynamo-event-reader.ts';
import { DynamoEventStore } from '../../src/adapters/aws/dynamo-event-store.ts';
import { openEventReader } from '../../src/adapters/embedded/event-reader.ts';
import { openEventStore } from '../../src/adapters/embedded/event-store.ts';
import { Accept } from '../../src/collect/accept.ts';
import { Numbering } from '../../src/collect/numbering.ts';
import { segment } from '../../src/collect/protocols/segment.ts';
import { decodeReceipt } from '../../src/log/receipt.ts';
import { answer, processBatch, seal } from '../../src/pipeline.ts';
import type { EventReader, EventStore } from '../../src/store/event-store.ts';
import { MemoryEventLog } from '../contracts/memory-event-log.ts';
import { type DynamoEmulator, startDynamo } from '../emulators/dynamo.ts';
import { FOLDS } from './dynamo-protocol.ts';

/** Receipts against a count by hand of what was sent, on both stores, whatever a batch holds and however often it comes. */

interface Home {
  readonly store: EventStore;
  readonly reader: EventReader;
  readonly close: () => Promise<void>;
}

let emulator: DynamoEmulator;
beforeAll(async () => {
  emulator = await startDynamo();
});
afterAll(() => emulator.close());

async function oneMachine(): Promise<Home> {
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-receipts-'));
  const [store, reader] = [openEventStore({ folder }), openEventReader({ folder })];
  const close = async () => {
    await reader.close();
    await store.close();
    rmSync(folder, { recursive: true });
  };
  return { store, reader, close };
}

async function onAws(): Promise<Home> {
  const [tables, { client }] = [await emulator.newTables(), emulator];
  const store = new DynamoEventStore({ client, tables, folds: FOLDS });
  return { store, reader: new DynamoEventReader({ client, tables }), close: async () => undefined };
}

const NOW_MS = Date.parse('2026-11-25T10:00:00.000Z');
const LANE = 'lane-0';

interface Sent {
  readonly id: string;
  readonly anonymousId: string;
  readonly isBad: boolean;
}

const event: fc.Arbitrary<Sent> = fc.record({
  id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
  anonymousId: fc.constantFrom('d1', 'd2', 'd3'),
  isBad: fc.integer({ max: 3, min: 0 }).map((number) => number === 0),
});
const history = fc.record({
  requests: fc.array(fc.array(event, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 8 }),
  /** How many records each batch takes, and how many of those done come once more. */
  batches: fc.array(fc.record({ takes: fc.integer({ min: 1, max: 4 }), again: fc.nat(2) }), { maxLength: 6 }),
  sealAt: fc.nat(6),
});

const batchOf = (sent: readonly Sent[]) =>
  sent.map(({ id, anonymousId, isBad }) => ({
    ...{ messageId: id, anonymousId, type: isBad ? 'wrong' : 'page', timestamp: '2026-11-25T09:00:00Z' },
  }));

interface Outcome {
  readonly state: string;
  readonly events: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly bad: number;
  readonly dead: number;
  readonly lost: number;
  readonly pending: number;
  readonly notStored: readonly { readonly outcome: string; readonly id?: string; readonly code?: string }[];
}

async function play(
  { requests, batches, sealAt }: typeof history extends fc.Arbitrary<infer H> ? H : never,
  home: Home,
) {
  const { store, reader } = home;
  const log = new MemoryEventLog();
  const accept = new Accept({ log, numbering: new Numbering('collector') });
  const receipts: string[] = [];
  for (const sent of requests) {
    const body = Buffer.from(JSON.stringify({ batch: batchOf(sent) }));
    const request = { method: 'POST', path: '/v1/batch', query: '', headers: {}, body, receivedAt: NOW_MS };
    const mapped = segment.map(request);
    if (mapped.kind !== 'events') throw new Error(mapped.kind);
    receipts.push((await accept.accept(mapped, { source: 'shop', receivedAt: NOW_MS })).receipt ?? '');
  }
  const records = log.lanes.get(LANE) ?? [];
  const ask = async (path: string): Promise<unknown> => {
    const report = (fault: unknown) => {
      throw fault;
    };
    const ends = new Map([[LANE, BigInt(records.length - 1)]]);
    const from = { reader, clock: () => NOW_MS, logEnds: () => ends, report };
    const { status, body } = await answer({ path, parameters: {} }, from);
    if (status !== 200) throw new Error(body);
    return JSON.parse(body);
  };
  const check = async (done: number) => {
    const all: Outcome[] = [];
    for (const [index, id] of receipts.entries()) {
      const told = (await ask(`/api/v1/receipts/${encodeURIComponent(id)}`)) as Outcome;
      const { stored, duplicate, bad, pending } = told;
      const { positions = [], counts = [] } = decodeReceipt(id) ?? {};
      const waits = positions.reduce((sum, { sequence }, at) => sum + (sequence < done ? 0 : (counts[at] ?? 0)), 0);
      expect(told).toMatchObject({ state: waits > 0 ? 'pending' : 'done', events: requests[index]?.length });
      expect([told.dead, told.lost, pending]).toEqual([0, 0, waits]);
      expect(stored + duplicate + bad + pending).toBe(told.events);
      const bads = told.notStored.filter(({ outcome }) => outcome === 'bad');
      expect([bads.length, told.notStored.length]).toEqual([bad, bad + duplicate]);
      for (const { id: badId, code } of bads) expect(await ask(`/api/v1/bad/${badId}`)).toMatchObject({ code });
      all.push(told);
    }
    return all;
  };
  let done = 0;
  for (const [turn, { takes, again }] of [...batches, { takes: records.length, again: 0 }].entries()) {
    const batch = records.slice(Math.max(0, done - again), done + takes);
    if (batch.length > 0) await processBatch({ lane: LANE, records: batch }, store);
    done = Math.min(records.length, done + takes);
    if (turn === sealAt) await seal({ reader, store, nowMs: NOW_MS + 3 * 86_400_000 });
    await check(done);
  }
  await seal({ reader, store, nowMs: NOW_MS + 3 * 86_400_000 });
  const told = await check(done);
  const sum = (name: 'stored' | 'duplicate' | 'bad') => told.reduce((all, outcome) => all + outcome[name], 0);
  // The count by hand: an event is stored once, whatever is sent again.
  const sent = requests.flat();
  const good = sent.filter(({ isBad }) => !isBad);
  const stored = new Set(good.map(({ id, anonymousId }) => `${id} ${anonymousId}`)).size;
  const expected = { stored, duplicate: good.length - stored, bad: sent.length - good.length };
  expect({ stored: sum('stored'), duplicate: sum('duplicate'), bad: sum('bad') }).toEqual(expected);
}

const HOMES = [
  ['one machine', oneMachine, 60],
  ['AWS', onAws, 12],
] as const;
test.each(HOMES)(
  'the sums of all receipts are what was sent: on %s',
  { timeout: 120_000 },
  async (_, open, numRuns) => {
    await fc.assert(
      fc.asyncProperty(history, async (given) => {
        const home = await open();
        try {
          await play(given, home);
        } finally {
          await home.close();
        }
      }),
      { numRuns },
    );
  },
);

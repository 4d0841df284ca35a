import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { expect, test } from 'vitest';
import { type AlbRequest, albAnswer, albEvent, HEALTH_CHECK } from '../../tests/alb.ts';
import { FakeLog } from '../../tests/collector.ts';
import { MemoryEventStore } from '../../tests/contracts/memory-event-store.ts';
import { eventWith, recordOf } from '../../tests/events.ts';
import { DynamoEventReader } from '../adapters/aws/dynamo-event-reader.ts';
import { isObject } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import { encodeReceipt } from '../log/receipt.ts';
import { processBatch } from '../pipeline.ts';
import type { EventReader } from '../store/event-store.ts';
import { createQueryHandler, type Metric } from './query-handler.ts';

const TOKEN = 't'.repeat(40);
const NOW_MS = Date.parse('2026-11-23T11:00:00.000Z');
const LANE = 'shardId-000000000001';
const SCRIPT = Buffer.from('console.log(1);'.repeat(100));

async function queries(
  options: { readonly token?: string | undefined; readonly reader?: EventReader } = { token: TOKEN },
) {
  const store = new MemoryEventStore();
  const log = new FakeLog();
  const faults: unknown[] = [];
  const metrics: Metric[] = [];
  const secret = {
    text: options.token,
    looks: 0,
    look: async () => {
      secret.looks += 1;
    },
    settled: async () => undefined,
  };
  const handler = createQueryHandler({
    reader: options.reader ?? store,
    store,
    log,
    // The stream's shards are done as far as the store says.
    shards: async (dones) => new Map([...dones.keys()].map((lane) => [lane, NOW_MS])),
    secret,
    page: new Map([
      ['/', { type: 'text/html; charset=utf-8', body: Buffer.from('<!doctype html></html>') }],
      ['/assets/main.js', { type: 'text/javascript; charset=utf-8', body: SCRIPT }],
    ]),
    clock: () => NOW_MS,
    metric: (metric) => {
      metrics.push(metric);
    },
    report: (_, fault) => faults.push(fault),
  });
  const ask = async (request: AlbRequest | string, token: string | undefined = TOKEN) => {
    const asked = typeof request === 'string' ? { url: request } : request;
    const headers = { ...asked.headers, ...(token !== '' && { authorization: `Bearer ${token}` }) };
    return albAnswer(await handler(albEvent({ ...asked, headers })));
  };
  return { handler, ask, store, log, secret, faults, metrics };
}

test('the API answers from the store, with parameters that came undecoded', async () => {
  const { ask, store } = await queries();
  const data = recordOf([eventWith({ eventId: 'e1', eventType: 'Order Completed' })]);
  await processBatch({ lane: LANE, records: [{ sequence: 7n, data }] }, store);
  const found = await ask('/api/v1/events?type=Order%20Completed&from=2026-11-23T11:00:00%2B01:00');
  expect(found.status).toBe(200);
  expect(JSON.parse(found.body)).toMatchObject({ events: [{ eventId: 'e1', eventType: 'Order Completed' }] });
  const timeline = await ask('/api/v1/users/a1/events');
  expect(JSON.parse(timeline.body)).toMatchObject({ events: [{ eventId: 'e1' }] });
});

test('a receipt is waited for within its time, and answered once its lane is past it', async () => {
  const { ask, store } = await queries();
  const receipt = {
    number: 0,
    receivedAtSeconds: NOW_MS / 1_000,
    counts: [1],
    positions: [{ lane: LANE, sequence: 7n }],
  };
  const url = `/api/v1/receipts/${encodeReceipt({ ...receipt, collector: 'c1' })}`;
  const began = performance.now();
  expect(JSON.parse((await ask(`${url}?wait=1`)).body)).toMatchObject({ state: 'pending', pending: 1 });
  expect(performance.now() - began).toBeGreaterThan(900);
  const data = recordOf([eventWith()], { collector: 'c1', number: 0 });
  const processed = sleep(100).then(() => processBatch({ lane: LANE, records: [{ sequence: 7n, data }] }, store));
  const { status, body } = await ask(`${url}?wait=20`);
  expect([status, JSON.parse(body)]).toMatchObject([200, { state: 'done', stored: 1, notStored: [] }]);
  await processed;
  expect((await ask(`${url}x`)).status).toBe(404);
});

test('an event that was set aside goes back into the stream, once', async () => {
  const { ask, store, log } = await queries();
  const check = () => ({ code: 'schema_invalid' as const, detail: 'no price' });
  const data = recordOf([eventWith({ eventId: 'e1' })]);
  await processBatch({ lane: LANE, records: [{ sequence: 7n, data }], steps: { check } }, store);
  const id = Buffer.from(`${LANE}:7:0`).toString('base64url');
  const replay = (body: string) =>
    ask({ url: `/api/v1/bad/${id}/replay`, method: 'POST', headers: { 'content-type': 'application/json' }, body });
  const first = await replay(
    '{"event":{"eventType":"page","anonymousId":"a1","eventId":"e1","properties":{"price":1}}}',
  );
  expect([first.status, JSON.parse(first.body)]).toMatchObject([200, { id, appended: true }]);
  const second = JSON.parse((await replay('{}')).body);
  expect(second).toEqual({ ...JSON.parse(first.body), appended: false });
  const [record, ...more] = log.appends.flat();
  expect(more).toEqual([]);
  if (record === undefined) throw new Error('nothing was appended');
  await processBatch({ lane: LANE, records: [{ sequence: 8n, data: Buffer.from(record.data) }] }, store);
  const found = JSON.parse((await ask('/api/v1/events')).body);
  expect(found).toMatchObject({ events: [{ eventId: 'e1', properties: { price: 1 }, replayOf: id }] });
  expect(JSON.parse((await ask('/api/v1/audit?deep=true')).body)).toMatchObject({ accepted: 2, stored: 1, bad: 1 });
});

test.each(['/api/v1/events', '/api/v1/stats', '/api/v1/audit', '/api/v1/system', '/metrics'])(
  'without the token %s is 401',
  async (url) => {
    const { ask } = await queries();
    const missing = await ask(url, '');
    expect(missing.status).toBe(401);
    expect(JSON.parse(missing.body)).toMatchObject({ code: 'read_token_missing' });
    const wrong = await ask(url, `${TOKEN}x`);
    expect(wrong.status).toBe(401);
    expect(JSON.parse(wrong.body)).toMatchObject({ code: 'read_token_wrong' });
  },
);

test('while the secret is unknown nobody reads, and may try again', async () => {
  const { ask, faults } = await queries({ token: undefined });
  const answer = await ask('/api/v1/events');
  expect(answer.status).toBe(503);
  expect(answer.headers['retry-after']).toBe('1');
  expect(JSON.parse(answer.body)).toMatchObject({ code: 'keys_unavailable' });
  expect((await ask('/api/v1/events', '')).status).toBe(401);
  expect(faults).toEqual([]);
});

test('the health check is answered without a look at the secret', async () => {
  const { handler, secret } = await queries({ token: undefined });
  expect(albAnswer(await handler(HEALTH_CHECK))).toMatchObject({ status: 200, body: '{"status":"ok"}' });
  expect(secret.looks).toBe(0);
});

test('of how it runs it says its lanes, and not what one function environment cannot know', async () => {
  const { ask, store } = await queries();
  const arrivedAtMs = NOW_MS - 500;
  await processBatch({ lane: LANE, records: [{ sequence: 7n, data: recordOf([eventWith()]), arrivedAtMs }] }, store);
  const { status, body } = await ask('/api/v1/system');
  expect([status, JSON.parse(body)]).toMatchObject([
    200,
    {
      ...{ home: 'AWS', startedAt: null, ready: { ready: true, reasons: [] } },
      ...{ freshness: null, collect: null, log: null, store: null, disk: null },
      lanes: [{ lane: LANE, done: '7', arrivedAt: new Date(arrivedAtMs).toISOString() }],
    },
  ]);
});

test('the page and the document come through, whole', async () => {
  const { ask, handler } = await queries();
  const page = await ask('/', '');
  expect(page.status).toBe(200);
  expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
  expect(page.body).toBe('<!doctype html></html>');
  const headers = { 'accept-encoding': 'gzip' };
  const packed = await handler(albEvent({ url: '/assets/main.js', headers }));
  expect(packed.multiValueHeaders).toMatchObject({ 'Content-Encoding': ['gzip'] });
  expect(gunzipSync(Buffer.from(packed.body, 'base64'))).toEqual(SCRIPT);
  const document = await ask('/openapi.json', '');
  expect(JSON.parse(document.body)).toMatchObject({ openapi: '3.1.0' });
  expect((await ask('/nothing')).status).toBe(404);
});

test('a page of events too large for the load balancer is a problem, and comes compressed or in smaller pages', async () => {
  const { ask, store } = await queries();
  const properties = { text: 'some words, '.repeat(100) };
  const records = Array.from({ length: 1_000 }, (_, index) => ({
    sequence: BigInt(index),
    data: recordOf([eventWith({ eventId: `e${index}`, properties })], { number: index }),
  }));
  await processBatch({ lane: LANE, records }, store);
  const url = '/api/v1/events?limit=1000';
  const plain = await ask(url);
  expect(plain.status).toBe(400);
  const problem: unknown = JSON.parse(plain.body);
  expect(isObject(problem) && problem.code).toBe('answer_too_large');
  expect((await ask('/api/v1/events?limit=100')).status).toBe(200);
  const compressed = await ask({ url, headers: { 'accept-encoding': 'gzip' } });
  expect(compressed).toMatchObject({ status: 200, headers: { 'content-encoding': 'gzip' } });
  expect(LIMITS.pageEventsMax).toBe(1_000);
});

test('while the tables are too slow, the answer says so in time, and nothing is left running', async () => {
  let running = 0;
  const client = {
    send: async (_: unknown, { abortSignal }: { readonly abortSignal: AbortSignal }) => {
      running += 1;
      await once(abortSignal, 'abort');
      running -= 1;
      abortSignal.throwIfAborted();
    },
  } as unknown as DynamoDBClient;
  const tables = { events: 'events', state: 'state' };
  const reader = new DynamoEventReader({ client, tables, snapshotMsMax: 20 });
  const { ask, handler, metrics } = await queries({ token: TOKEN, reader });
  for (const url of ['/api/v1/events', '/api/v1/users/u/events', '/api/v1/live', '/api/v1/audit', '/api/v1/system']) {
    const answer = await ask(url);
    expect(answer.status, url).toBe(503);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'query_unavailable' });
    expect(answer.headers['retry-after']).toBe('1');
    expect(running).toBe(0);
  }
  // No audit is no proof: the alarm is told of nothing, and that is what it waits for.
  await expect(handler({ task: 'audit' })).rejects.toThrow('20 ms');
  expect(metrics).toEqual([]);
});

test('a dead record is put back into the log', async () => {
  const { ask, store, log } = await queries();
  const good = recordOf([eventWith()]);
  const dead = { lane: LANE, sequence: 7n, detail: 'planted', payload: good };
  const nothing = { events: [], visitors: [], links: [], rows: [], bad: [], notes: [], erase: [], forgotten: [] };
  const becomes = { done: 7n, registry: {}, cuts: {} };
  const counts = { stored: 0, newVisitors: 0 };
  const latestReceivedAt = undefined;
  await store.apply({ ...nothing, lane: LANE, loaded: undefined, becomes, counts, latestReceivedAt, dead: [dead] });
  const { dead: list } = JSON.parse((await ask('/api/v1/dead')).body) as { readonly dead: readonly { id: string }[] };
  const url = `/api/v1/dead/${encodeURIComponent(list[0]?.id ?? '')}/redrive`;
  const headers = { 'content-type': 'application/json' };
  const answer = await ask({ method: 'POST', url, headers, body: '{}' });
  expect(answer.status).toBe(200);
  expect(log.events()).toMatchObject([{ eventId: 'e1' }]);
  expect((await ask({ method: 'POST', url, headers, body: '{}' }, '')).status).toBe(401);
});

test('records of an archive are put into the log', async () => {
  const { ask, log } = await queries();
  const archive = gzipSync(Buffer.concat([recordOf([eventWith({ eventId: 'archived' })]), Buffer.from('\n')]));
  const headers = { 'content-type': 'application/x-ndjson' };
  const asked = { method: 'POST', url: '/api/v1/replay', headers, body: archive };
  const answer = await ask(asked);
  expect(answer.status).toBe(200);
  expect(JSON.parse(answer.body)).toEqual({ records: 1, events: 1, refused: [] });
  expect(log.events()).toMatchObject([{ eventId: 'archived' }]);
  expect((await ask(asked, '')).status).toBe(401);
  expect(log.appends).toHaveLength(1);
});

test('the schedule has the ledger audited, and told as a metric', async () => {
  const { handler, store, metrics } = await queries();
  const data = recordOf([eventWith({ eventId: 'e1' })], { number: 0, ackedThrough: -1 });
  await processBatch({ lane: LANE, records: [{ sequence: 7n, data }] }, store);
  expect(await handler({ task: 'audit' })).toBeUndefined();
  // Number 1 was acknowledged, every lane has passed where the log ended then, and nobody has seen it.
  const later = recordOf([eventWith({ eventId: 'e2' })], { number: 2, ackedThrough: 1 });
  await processBatch({ lane: LANE, records: [{ sequence: 9n, data: later }] }, store);
  await handler({ task: 'audit' });
  const name = 'LedgerOutOfBalance';
  expect(metrics).toEqual([
    { name, value: 0, atMs: NOW_MS },
    { name, value: 1, atMs: NOW_MS },
  ]);
});

test('what is in the stream and not yet processed is not called lost', async () => {
  const { handler, store, metrics } = await queries();
  const data = recordOf([eventWith({ eventId: 'e1' })], { number: 0, ackedThrough: -1 });
  await processBatch({ lane: LANE, records: [{ sequence: 7n, data }] }, store);
  await store.witness({ collector: 'c1', number: 5, lane: 'another', sequence: 40n });
  await handler({ task: 'audit' });
  expect(metrics.map(({ value }) => value)).toEqual([0]);
});

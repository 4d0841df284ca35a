import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { PROTOCOLS } from '../../src/collect/protocols.ts';
import { encodeReceipt } from '../../src/log/receipt.ts';
import { createQueries, type QueriesOptions } from '../../src/query/http.ts';
import { plantRecord } from '../end-to-end/planted-record.ts';
import { killServers, type RunningServer, settledAudit, startServer } from '../end-to-end/running-server.ts';
import { eventWith, recordOf } from '../events.ts';
import { ApiDocument, type OpenApiDocument, type SeenAnswer } from './api-document.ts';
import { send, variedEvents } from './varied-events.ts';

const data = mkdtempSync(join(tmpdir(), 'clickstream-api-'));
const now = Date.now();
const STRANGE = Buffer.from(recordOf([eventWith()], { visitor: 'other' })).toString();
let server: RunningServer;
let document: OpenApiDocument;
let api: ApiDocument;

beforeAll(async () => {
  await (await startServer({ data })).stop();
  // Two dead records: one that says it is of another visitor than its event, and one that is no record.
  for (const record of [STRANGE, 'no record']) await plantRecord(data, record);
  server = await startServer({ data });
  await send(server, variedEvents(now));
  await settledAudit(server);
  document = (await (await fetch(`${server.url}/openapi.json`)).json()) as OpenApiDocument;
  api = new ApiDocument(document);
}, 60_000);
afterAll(async () => {
  await server.stop();
  killServers();
  rmSync(data, { recursive: true });
});

/** Of another installation. */
const RECEIPT = {
  ...{ collector: 'elsewhere', number: 0, receivedAtSeconds: Math.floor(now / 1_000) },
  ...{ counts: [1], positions: [{ lane: 'local', sequence: 0n }] },
};

interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** Over plain sockets, for `fetch` would mend what is wrong with a path or a header. */
function ask(url: string, target: string, { method = 'GET', headers = {}, body }: Asking = {}): Promise<SeenAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const call = httpRequest({ hostname, port, path: target, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
      response.on('end', () =>
        resolve({
          method,
          path: target.split('?')[0] ?? '',
          status: response.statusCode ?? 0,
          contentType: response.headers['content-type'] ?? null,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    call.on('error', reject).end(body);
  });
}

/** Asks, and holds the answer against the document. */
async function checked(target: string, asking?: Asking): Promise<SeenAnswer> {
  const answer = await ask(server.url, target, asking);
  expect(api.problemsOf(answer), `${answer.method} ${target}`).toEqual([]);
  return answer;
}

const minutesAgo = (minutes: number) => new Date(now - minutes * 60_000).toISOString();
const RANGE = `from=${minutesAgo(100)}&to=${now}`;
const LISTS = [
  '/api/v1/events',
  '/api/v1/users/ada/events',
  '/api/v1/users/a%2Fb%20%C3%A9/events',
  '/api/v1/users/nobody/events',
];
const LIST_PARAMETERS = [
  '',
  'limit=1',
  'order=asc',
  'order=desc&type=page',
  'type=Signed+Up&limit=1000',
  'source=default',
  'source=none',
  RANGE,
  `${RANGE}&order=asc&limit=2`,
  'from=1999-01-01T00:00:00%2B02:00',
  'to=2000-01-01',
];
const BOTS = ['', 'bots=exclude', 'bots=include', 'bots=only', 'source=default', 'source=none&bots=include'];

describe('every answer is as documented', () => {
  test.each(LISTS.flatMap((path) => LIST_PARAMETERS.map((parameters) => `${path}?${parameters}`)))(
    '%s',
    async (target) => {
      expect((await checked(target)).status).toBe(200);
    },
  );

  test('stats of every measure by every dimension, or a refusal that says why', async () => {
    const { paths } = document as unknown as {
      paths: { '/api/v1/stats': { get: { parameters: { name: string; schema: { enum?: string[] } }[] } } };
    };
    const valuesOf = (wanted: string) =>
      paths['/api/v1/stats'].get.parameters.find(({ name }) => name === wanted)?.schema.enum ?? [];
    const measures = valuesOf('measure');
    expect(measures).toContain('events');
    let answered = 0;
    for (const measure of measures) {
      for (const by of [undefined, ...valuesOf('by')]) {
        const split = by === undefined ? '' : `&by=${by}`;
        const { status } = await checked(`/api/v1/stats?measure=${measure}${split}&${RANGE}`);
        expect([200, 400]).toContain(status);
        if (status === 200) answered += 1;
        if (by === undefined) expect(status).toBe(200);
      }
    }
    expect(answered).toBeGreaterThan(measures.length);
  });

  test.each([
    ...BOTS.map((parameters) => `/api/v1/stats?${parameters}`),
    ...BOTS.map((parameters) => `/api/v1/live?${parameters}`),
    ...['minute', 'hour', 'day', 'total'].map(
      (interval) => `/api/v1/stats?interval=${interval}&${RANGE}&zone=Asia/Kolkata`,
    ),
    ...['limit=1', 'limit=1000', 'key=page', 'key=%0anone'].flatMap((rest) =>
      ['hour', 'total'].map((interval) => `/api/v1/stats?by=eventType&interval=${interval}&${rest}&${RANGE}`),
    ),
    ...['', 'limit=2', 'code=type_invalid', 'code=none', 'source=none', 'source=default&code=id_missing'].map(
      (parameters) => `/api/v1/bad?${parameters}`,
    ),
    ...[`type=page&${RANGE}`, 'replayed=exclude', 'replayed=only&limit=1'].map((rest) => `/api/v1/bad?${rest}`),
    ...['', 'source=default', 'code=type_invalid&type=none'].map((rest) => `/api/v1/bad/reasons?${rest}`),
    ...['', 'limit=1', 'limit=1000'].map((parameters) => `/api/v1/dead?${parameters}`),
    ...[
      '/api/v1/sources',
      '/api/v1/schemas',
      `/api/v1/schemas?${RANGE}`,
      '/api/v1/schemas?source=none',
      '/api/v1/schemas?type=page',
      '/api/v1/audit',
      '/api/v1/audit?deep=true',
      '/api/v1/audit?deep=false',
    ],
    ...['/', '/health', '/ready', '/metrics', '/openapi.json'],
  ])('%s', async (target) => {
    expect((await checked(target)).status).toBe(200);
  });

  test('/assets/{file}', async () => {
    const [script = ''] = /\/assets\/[^"]+\.js/.exec((await checked('/')).body) ?? [];
    expect(await checked(script)).toMatchObject({ status: 200, contentType: 'text/javascript; charset=utf-8' });
    expect((await checked('/assets/other.js')).status).toBe(404);
  });

  test('/api/v1/bad/{id}', async () => {
    const { bad } = JSON.parse((await checked('/api/v1/bad')).body) as { readonly bad: { readonly id: string }[] };
    const one = await checked(`/api/v1/bad/${bad[0]?.id}`);
    expect([one.status, JSON.parse(one.body)]).toEqual([200, bad[0]]);
  });

  test('/api/v1/system', async () => {
    const { status, body } = await checked('/api/v1/system');
    expect(status).toBe(200);
    const system = JSON.parse(body);
    expect(system).toMatchObject({
      ...{ home: 'one machine', version: '0.1.0', ready: { ready: true, reasons: [] } },
      freshness: { seconds: 60, records: expect.any(Number) },
      collect: { events: expect.any(Number), requests: { 200: expect.any(Number) } },
      log: { unprocessedBytes: 0, writable: true },
      store: { writable: true },
      lanes: [{ lane: 'local', done: expect.stringMatching(/^[1-9]\d*$/), arrivedAt: null }],
    });
    expect(Math.abs(Date.parse(system.startedAt) - now)).toBeLessThan(60_000);
    expect(system.collect.events).toBeGreaterThan(0);
    expect(system.freshness.records).toBeGreaterThan(0);
    expect(system.freshness.p50Ms).toBeLessThanOrEqual(system.freshness.p99Ms);
    for (const bytes of [system.log.bytes, system.store.bytes, system.disk.freeBytes]) expect(bytes).toBeGreaterThan(0);
    const { body: metrics } = await checked('/metrics');
    expect(metrics).toMatch(/^clickstream_freshness_seconds\{quantile="0.5"\} \d/m);
  });

  test('/api/v1/receipts/{id}', async () => {
    const event = { anonymousId: 'receipts', messageId: 'r1', type: 'page', timestamp: new Date(now).toISOString() };
    const body = JSON.stringify({ batch: [event, { ...event, type: 'wrong' }, event] });
    const sent = await fetch(`${server.url}/v1/batch`, { method: 'POST', body });
    const { receipt } = (await sent.json()) as { readonly receipt: string };
    await checked(`/api/v1/receipts/${receipt}`);
    const told = JSON.parse((await checked(`/api/v1/receipts/${receipt}?wait=20`)).body);
    expect(told).toMatchObject({ id: receipt, state: 'done', events: 3, stored: 1, duplicate: 1, bad: 1, lost: 0 });
    expect(told.notStored).toMatchObject([
      { outcome: 'duplicate', index: 1 },
      { outcome: 'bad', code: 'type_invalid' },
    ]);
    expect((await checked(`/api/v1/bad/${told.notStored[1].id}`)).status).toBe(200);
  });

  test('/api/v1/bad/{id}/replay, and those of a kind', async () => {
    const { bad } = JSON.parse((await checked('/api/v1/bad')).body) as { readonly bad: { readonly id: string }[] };
    const post = async (path: string, body: string) => {
      const headers = { 'content-type': 'application/json' };
      const answer = await checked(path, { method: 'POST', headers, body });
      return { status: answer.status, body: JSON.parse(answer.body) as object };
    };
    const one = `/api/v1/bad/${bad[0]?.id}/replay`;
    expect(await post(one, '{}')).toMatchObject({ status: 409, body: { code: 'still_bad' } });
    const event = { eventType: 'Mended', anonymousId: 'ada' };
    expect(await post(one, JSON.stringify({ event }))).toMatchObject({ status: 200, body: { appended: true } });
    expect(await post(one, '')).toMatchObject({ status: 200, body: { appended: false } });
    expect((await checked(`/api/v1/bad/${bad[0]?.id}`)).body).toContain('"replay":{"at":"');
    for (const [path, body, code] of [
      [one, '[]', 'body_not_object'],
      [one, '{', 'body_not_json'],
      [one, '{"event":1}', 'body_not_object'],
      [one, '{"events":{}}', 'parameter_invalid'],
      [`${one}?dryRun=true`, '', 'parameter_invalid'],
      ['/api/v1/bad/none/replay', '', 'not_found'],
      ['/api/v1/bad/replay', '{"limit":501}', 'parameter_invalid'],
      ['/api/v1/bad/replay', '{"code":null}', 'parameter_invalid'],
      ['/api/v1/bad/replay', '{"cursor":"W10"}', 'cursor_invalid'],
      [one, JSON.stringify({ event: { text: 'x'.repeat(256_000) } }), 'body_too_large'],
    ] as const) {
      expect((await post(path, body)).body, body.slice(0, 40)).toMatchObject({ code });
    }
    const some = await post('/api/v1/bad/replay', JSON.stringify({ limit: 2, source: 'default', dryRun: true }));
    expect(some).toMatchObject({ status: 200, body: { found: 2, replayed: 0, stopped: null } });
  });

  test('/api/v1/dead/{id}, and put back', async () => {
    const list = async (target: string) =>
      JSON.parse((await checked(target)).body) as { readonly dead: { readonly id: string }[]; readonly cursor: string };
    const newest = await list('/api/v1/dead?limit=1');
    const next = await list(`/api/v1/dead?limit=1&cursor=${newest.cursor}`);
    const [unreadable, strange] = [...newest.dead, ...next.dead].map(({ id }) => id);
    for (const [id, text] of [
      [unreadable, 'no record'],
      [strange, STRANGE],
    ]) {
      const { status, body } = await checked(`/api/v1/dead/${id}`);
      expect([status, JSON.parse(body)]).toMatchObject([200, { id, text }]);
    }
    const asking = { method: 'POST', headers: { 'content-type': 'application/json' } };
    const answers = [];
    for (let turn = 0; turn < 2; turn += 1) answers.push(await checked(`/api/v1/dead/${strange}/redrive`, asking));
    const [first, second] = answers.map(({ status, body }) => ({ status, body: JSON.parse(body) }));
    expect(first).toMatchObject({ status: 200, body: { id: strange, appended: true } });
    expect(second).toEqual({ status: 200, body: { ...first?.body, appended: false } });
    expect((await checked(`/api/v1/dead/${strange}`)).body).toContain(JSON.stringify(first?.body.redriven));
    const refused = await checked(`/api/v1/dead/${unreadable}/redrive`, { ...asking, body: '{}' });
    expect([refused.status, JSON.parse(refused.body).code]).toEqual([409, 'dead_unreadable']);
  });

  test('/api/v1/rebuilds', async () => {
    const asking = (body: string) => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body });
    const states = async () => {
      const { rebuilds } = JSON.parse((await checked('/api/v1/rebuilds')).body) as {
        readonly rebuilds: readonly { readonly view: string; readonly state: string }[];
      };
      return Object.fromEntries(rebuilds.map(({ view, state }) => [view, state]));
    };
    expect(await states()).toEqual({ traffic: 'never', sessions: 'never', 'properties-seen': 'never' });
    const asked = await checked('/api/v1/rebuilds', asking('{"view":"sessions"}'));
    expect([asked.status, JSON.parse(asked.body)]).toEqual([200, { view: 'sessions' }]);
    await vi.waitFor(
      async () => expect(await states()).toMatchObject({ sessions: 'finished', traffic: 'never' }),
      10_000,
    );
    for (const [body, status, code] of [
      ['{"view":"none"}', 404, 'view_unknown'],
      ['{"view":1}', 400, 'parameter_invalid'],
      ['', 400, 'parameter_invalid'],
      ['{"view":"traffic","now":true}', 400, 'parameter_invalid'],
      ['[]', 400, 'body_not_object'],
      ['{', 400, 'body_not_json'],
      [' '.repeat(2_000), 413, 'body_too_large'],
    ] as const) {
      const refused = await checked('/api/v1/rebuilds', asking(body));
      expect([refused.status, JSON.parse(refused.body).code], body.slice(0, 40)).toEqual([status, code]);
    }
    expect((await checked('/api/v1/rebuilds', { method: 'POST', body: '{"view":"traffic"}' })).status).toBe(415);
    expect((await checked('/api/v1/rebuilds?view=traffic')).status).toBe(400);
  });

  test('of a person: export, erasure and certificate', async () => {
    const id = 'erased person';
    const path = `/api/v1/users/${encodeURIComponent(id)}`;
    const body = JSON.stringify({ event: 'Seen', anonymousId: id, timestamp: '2026-11-23T10:00:00Z' });
    expect((await checked('/v1/track', { method: 'POST', body })).status).toBe(200);
    const found: { readonly kind: string; readonly kept?: object }[] = [];
    await vi.waitFor(async () => {
      found.length = 0;
      for (let cursor = ''; ; ) {
        const { status, body: page } = await checked(`${path}/export?limit=1${cursor}`);
        expect(status).toBe(200);
        const { lines, cursor: next } = JSON.parse(page) as {
          readonly lines: typeof found;
          readonly cursor: string | null;
        };
        found.push(...lines);
        if (next === null) break;
        cursor = `&cursor=${encodeURIComponent(next)}`;
      }
      expect(found.map(({ kind }) => kind)).toEqual(['visitor', 'event']);
    }, 10_000);
    const kept = { session: 1, last: '2026-11-23T10:00:00.000Z', newVisitor: true, opening: { eventType: 'Seen' } };
    expect(found[0]).toMatchObject({ source: 'default', visitor: id, kept });
    expect((await checked(`${path}/export?cursor=none`)).status).toBe(400);
    expect(JSON.parse((await checked(`${path}/visitors`)).body).visitors).toContainEqual({
      ...{ source: 'default', visitor: id },
    });
    const asked = await checked(path, { method: 'DELETE' });
    expect(asked.status).toBe(202);
    const { id: erasure } = JSON.parse(asked.body) as { readonly id: string };
    await vi.waitFor(async () => {
      const certificate = await checked(`/api/v1/erasures/${erasure}`);
      expect(certificate.status).toBe(200);
      expect(JSON.parse(certificate.body)).toMatchObject({ state: 'done' });
    }, 20_000);
    const events = await checked(`${path}/events`);
    expect(JSON.parse(events.body)).toMatchObject({ events: [] });
    for (const unknown of ['none', `${erasure.slice(0, 36)}.1.1700000000`]) {
      const refused = await checked(`/api/v1/erasures/${unknown}`);
      expect([refused.status, JSON.parse(refused.body).code]).toEqual([404, 'erasure_unknown']);
    }
    expect((await checked(`${path}?force=true`, { method: 'DELETE' })).status).toBe(400);
    expect((await ask(server.url, path)).status).toBe(405);
  });

  test('/api/v1/replay', async () => {
    const headers = { 'content-type': 'application/x-ndjson' };
    const record = Buffer.from(recordOf([eventWith({ anonymousId: 'archived' })])).toString();
    const answers = [];
    for (const body of ['', `${record}\n`, gzipSync(`no record\n${record}\n`)]) {
      const { status, body: text } = await checked('/api/v1/replay', { method: 'POST', headers, body });
      answers.push([status, JSON.parse(text)]);
    }
    const refused = [{ place: 1, code: 'record_unreadable', detail: 'at byte 0: no header' }];
    expect(answers).toEqual([
      [200, { records: 0, events: 0, refused: [] }],
      [200, { records: 1, events: 1, refused: [] }],
      [200, { records: 1, events: 1, refused }],
    ]);
    for (const [type, status] of [
      ['text/plain', 415],
      ['application/x-ndjson', 413],
    ] as const) {
      const asking = { method: 'POST', headers: { 'content-type': type }, body: gzipSync(Buffer.alloc(5_000_000)) };
      expect((await checked('/api/v1/replay', asking)).status).toBe(status);
    }
  });

  const EVENT = { anonymousId: 'd9', event: 'Clicked' };
  const collectPaths = PROTOCOLS.flatMap(({ routes }) =>
    routes.flatMap(({ path, methods }) => methods.map((method) => ({ path: path.replace('*', '{key}'), method }))),
  );
  test('of every collect path', async () => {
    for (const { path, method } of collectPaths) {
      const body = JSON.stringify({ ...EVENT, batch: [{ ...EVENT, type: 'track' }, { type: 'wrong' }] });
      const asking = method === 'GET' ? {} : { method, body };
      expect((await checked(path.replace('{key}', 'any'), asking)).status).toBe(200);
    }
  });
  test("of the tracker's script", async () => {
    expect((await checked('/t.js')).status).toBe(200);
  });
  test('the document has the collect paths that are served, and no others', () => {
    const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
      path.startsWith('/v1/') ? Object.keys(operations).map((method) => ({ path, method: method.toUpperCase() })) : [],
    );
    const sorted = (list: typeof documented) => list.map(({ path, method }) => `${method} ${path}`).sort();
    expect(sorted(documented)).toEqual(sorted(collectPaths));
  });

  test('every operation was asked', () => {
    expect([...api.seen].sort()).toEqual([...api.operations].sort());
  });
});

describe('what is wrong is a problem document with a stable code', () => {
  test.each([
    ['/api/v1/events?limit=0', 400, 'parameter_invalid'],
    ['/api/v1/events?limit=01', 400, 'parameter_invalid'],
    ['/api/v1/events?order=up', 400, 'parameter_invalid'],
    ['/api/v1/events?types=page', 400, 'parameter_invalid'],
    ['/api/v1/events?type=a&type=b', 400, 'parameter_invalid'],
    ['/api/v1/events?from=soon', 400, 'parameter_invalid'],
    ['/api/v1/events?source=', 400, 'parameter_invalid'],
    ['/api/v1/events?cursor=x', 400, 'cursor_invalid'],
    ['/api/v1/users/%00/events', 400, 'parameter_invalid'],
    ['/api/v1/users/%ff/events', 400, 'parameter_invalid'],
    ['/api/v1/users/ada/events?cursor=bm9uZQ', 400, 'cursor_invalid'],
    ['/api/v1/stats?measure=none', 400, 'parameter_invalid'],
    ['/api/v1/stats?by=__proto__', 400, 'parameter_invalid'],
    ['/api/v1/stats?bots=some', 400, 'parameter_invalid'],
    ['/api/v1/stats?limit=5', 400, 'parameter_invalid'],
    ['/api/v1/stats?by=page&limit=1001', 400, 'parameter_invalid'],
    ['/api/v1/stats?key=/', 400, 'parameter_invalid'],
    ['/api/v1/stats?by=page&key=', 400, 'parameter_invalid'],
    ['/api/v1/stats?by=page&key=%00', 400, 'parameter_invalid'],
    ['/api/v1/stats?by=page&key=/&limit=5', 400, 'parameter_invalid'],
    ['/api/v1/stats?zone=Mars/Olympus', 400, 'parameter_invalid'],
    [`/api/v1/stats?from=${now}&to=${now}`, 400, 'parameter_invalid'],
    ['/api/v1/live?limit=5', 400, 'parameter_invalid'],
    ['/api/v1/live?bots=', 400, 'parameter_invalid'],
    ['/api/v1/bad?cursor=W10', 400, 'cursor_invalid'],
    ['/api/v1/bad?reason=x', 400, 'parameter_invalid'],
    ['/api/v1/bad/bG9jYWw6OTk5OTk5OjA', 404, 'not_found'],
    ['/api/v1/bad/%20', 404, 'not_found'],
    ['/api/v1/dead?cursor=W10', 400, 'cursor_invalid'],
    ['/api/v1/dead?code=x', 400, 'parameter_invalid'],
    ['/api/v1/dead?limit=0', 400, 'parameter_invalid'],
    ['/api/v1/dead/bG9jYWw6OTk5OTk5OjA', 404, 'not_found'],
    [`/api/v1/dead/${Buffer.from(`local:${'9'.repeat(100)}:0`).toString('base64url')}`, 404, 'not_found'],
    ['/api/v1/dead/%20', 404, 'not_found'],
    ['/api/v1/receipts/none', 404, 'receipt_unknown'],
    ['/api/v1/receipts/none?wait=5', 404, 'receipt_unknown'],
    ['/api/v1/receipts/none?wait=21', 400, 'parameter_invalid'],
    ['/api/v1/receipts/none?wait=5s', 400, 'parameter_invalid'],
    [`/api/v1/receipts/${encodeReceipt({ ...RECEIPT, receivedAtSeconds: 0 })}`, 410, 'receipt_expired'],
    [`/api/v1/receipts/${encodeReceipt(RECEIPT)}`, 404, 'receipt_unknown'],
    ['/api/v1/schemas?from=0&to=1767225600000', 400, 'parameter_invalid'],
    ['/api/v1/sources?source=default', 400, 'parameter_invalid'],
    ['/api/v1/audit?deep=1', 400, 'parameter_invalid'],
    ['/api/v1/system?source=default', 400, 'parameter_invalid'],
    ['/api/v1/audit?source=default', 400, 'parameter_invalid'],
  ])('%s', async (target, status, code) => {
    const answer = await checked(target);
    expect({ ...answer, body: JSON.parse(answer.body) }).toMatchObject({
      status,
      contentType: 'application/problem+json',
      body: { code, status, type: `urn:clickstream:error:${code}` },
    });
  });

  test.each([
    ['', {}, 415, 'content_type_unsupported'],
    ['', { 'content-type': 'text/plain' }, 415, 'content_type_unsupported'],
    ['?as=text', { 'content-type': 'application/json' }, 400, 'parameter_invalid'],
    ['', { 'content-type': 'application/json' }, 404, 'not_found'],
  ])('POST /api/v1/dead/none/redrive%s with %j', async (query, headers, status, code) => {
    const answer = await checked(`/api/v1/dead/none/redrive${query}`, { method: 'POST', headers });
    expect({ ...answer, body: JSON.parse(answer.body) }).toMatchObject({ status, body: { code, status } });
  });

  test('another host is refused', async () => {
    const answer = await checked('/api/v1/live', { headers: { host: 'evil.example' } });
    expect(answer).toMatchObject({ status: 403, contentType: 'application/problem+json' });
  });

  test.each([
    ['/v1/track', { body: '{' }, 400, 'body_not_json'],
    ['/v1/track', { body: '[]' }, 400, 'body_not_object'],
    ['/v1/batch', { body: '{"batch":1}' }, 400, 'batch_missing'],
    ['/v1/batch', { body: '{"batch":[{}],"context":1}' }, 400, 'batch_context_invalid'],
    ['/v1/batch', { body: JSON.stringify({ batch: Array(2_001).fill(0) }) }, 400, 'batch_too_long'],
    ['/v1/page', { body: '{}', headers: { 'content-encoding': 'zip' } }, 415, 'body_encoding_unsupported'],
    ['/v1/page', { body: '{}', headers: { 'content-encoding': 'gzip' } }, 400, 'body_encoding_broken'],
    ['/v1/page', { body: `"${'x'.repeat(1_000_001)}"` }, 413, 'body_too_large'],
    ['/v1/page', { body: '{}', headers: { 'x-large': 'x'.repeat(17_000) } }, 431, 'headers_too_large'],
  ])('POST %s %#', async (path, asking, status, code) => {
    const answer = await checked(path, { method: 'POST', ...asking });
    expect({ ...answer, body: JSON.parse(answer.body) }).toMatchObject({ status, body: { success: false, code } });
  });
});

describe('of a server with read tokens, or one that is not well', () => {
  async function answersOf(part: Partial<QueriesOptions>, asked: readonly (readonly [string, Asking])[]) {
    const queries = createQueries({
      ask: () => Promise.reject(new Error('gone')),
      redrive: () => Promise.reject(new Error('gone')),
      replayBad: { one: () => Promise.reject(new Error('gone')), some: () => Promise.reject(new Error('gone')) },
      replay: () => Promise.reject(new Error('gone')),
      erase: () => Promise.reject(new Error('gone')),
      rebuilder: { views: ['traffic'], ask: () => Promise.reject(new Error('gone')) },
      access: { kind: 'token', authorize: (token) => token === 'right' },
      ready: () => ({ ready: false, reasons: ['the log cannot be written'] }),
      page: new Map(),
      system: () => Promise.reject(new Error('gone')),
      metrics: () => '',
      report: () => undefined,
      ...part,
    });
    const unwell = createServer((request, response) => queries.handle(request, response)).listen(0, '127.0.0.1');
    await new Promise((resolve) => unwell.once('listening', resolve));
    const url = `http://127.0.0.1:${(unwell.address() as AddressInfo).port}`;
    const answers = await Promise.all(asked.map(([path, asking]) => ask(url, path, asking)));
    unwell.close();
    unwell.closeAllConnections();
    return answers;
  }

  test('answers are as documented', async () => {
    const right = { headers: { authorization: 'Bearer right' } };
    const wrong = { headers: { authorization: 'Bearer wrong' } };
    const paths = [
      '/api/v1/events',
      '/api/v1/users/ada/events',
      '/api/v1/stats',
      '/api/v1/live',
      '/api/v1/bad',
      '/api/v1/bad/none',
      '/api/v1/bad/reasons',
      '/api/v1/dead',
      '/api/v1/dead/none',
      '/api/v1/receipts/none?wait=5',
      '/api/v1/schemas',
      '/api/v1/sources',
      '/api/v1/audit',
      '/api/v1/rebuilds',
      '/api/v1/system',
    ];
    const asked = paths.flatMap((path) => [right, wrong, {}].map((asking) => [path, asking] as const));
    const post = { method: 'POST', headers: { 'content-type': 'application/json', ...right.headers } };
    const redrive = ['/api/v1/dead/none/redrive', post] as const;
    const archive = { method: 'POST', headers: { 'content-type': 'application/x-ndjson', ...right.headers } };
    const replay = ['/api/v1/replay', archive] as const;
    const bads = ['/api/v1/bad/none/replay', '/api/v1/bad/replay'].map((path) => [path, post] as const);
    const rebuild = ['/api/v1/rebuilds', { ...post, body: '{"view":"traffic"}' }] as const;
    const others = [
      ['/ready', {}],
      ['/metrics', {}],
      ['/openapi.json', {}],
      redrive,
      replay,
      ...bads,
      rebuild,
    ] as const;
    const answers = await answersOf({}, [...asked, ...others]);
    for (const answer of answers) expect(api.problemsOf(answer), answer.path).toEqual([]);
    const statuses = answers.map(({ status }) => status);
    expect(statuses).toEqual([...paths.flatMap(() => [503, 401, 401]), 503, 401, 503, 503, 503, 503, 503, 503]);
  });
});

describe('a document that is wrong is caught', () => {
  const planted = async (target: string, plant: (text: string) => string) => {
    const wrong = JSON.parse(plant(JSON.stringify(document))) as OpenApiDocument;
    return new ApiDocument(wrong).problemsOf(await ask(server.url, target));
  };
  test.each([
    ['a member is renamed', '/api/v1/events', (text: string) => text.replaceAll('"eventId"', '"eventID"')],
    ['a member is left out', '/api/v1/events', (text: string) => text.replaceAll('"anonymousId":{', '"anonymousID":{')],
    [
      'a type is another',
      '/api/v1/live',
      (text: string) => text.replaceAll('"visitorsNow":{"type":"number"', '"visitorsNow":{"type":"string"'),
    ],
    ['a status is missing', '/api/v1/bad?limit=0', (text: string) => text.replaceAll('"400":', '"418":')],
    [
      'a type of content is another',
      '/api/v1/audit?deep=1',
      (text: string) => text.replaceAll('application/problem+json', 'application/problem'),
    ],
    ['a path is missing', '/api/v1/sources', (text: string) => text.replaceAll('/api/v1/sources', '/api/v1/origins')],
  ])('%s', async (_, target, plant) => {
    expect(plant(JSON.stringify(document))).not.toBe(JSON.stringify(document));
    expect(await planted(target, plant)).not.toEqual([]);
    expect(await planted(target, (text) => text)).toEqual([]);
  });
});

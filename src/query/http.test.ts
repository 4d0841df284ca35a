import { createServer, request as httpRequest, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { ClickstreamError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { createQueries, type QueriesOptions } from './http.ts';
import { PAGE_POLICY } from './page.ts';
import type { System } from './system.ts';

const SCRIPT = Buffer.from('console.log("kept");'.repeat(20));
const PAGE = new Map([
  ['/', { type: 'text/html; charset=utf-8', body: Buffer.from('<!doctype html>') }],
  ['/assets/main-1.js', { type: 'text/javascript; charset=utf-8', body: SCRIPT }],
]);
const SYSTEM: System = {
  home: 'one machine',
  ...{ version: '1.2.3', startedAt: '2026-11-23T10:00:00.000Z' },
  freshness: { seconds: 60, records: 7, p50Ms: 12, p99Ms: 40 },
  collect: { events: 9, setAside: 1, requests: { 200: 8, 400: 1 }, rejected: { body_not_json: 1 } },
  log: { bytes: 1_000, segments: 1, unprocessedBytes: 0, writable: true },
  store: { bytes: 2_000, writable: false },
  disk: { freeBytes: 3_000 },
  lanes: new Map([
    ['one', { done: 12n ** 30n, registry: {}, cuts: {}, arrivedAtMs: Date.parse('2026-11-23T10:00:01.500Z') }],
    ['two', { done: -1n, registry: {}, cuts: {} }],
  ]),
};

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

interface Reply {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}
type Ask = (
  path: string,
  asked?: {
    readonly method?: string;
    readonly headers?: Record<string, string>;
    readonly body?: string;
    /** @default utf8 */
    readonly encoding?: 'latin1';
    readonly signal?: AbortSignal;
  },
) => Promise<Reply>;

async function serve(part: Partial<QueriesOptions> = {}): Promise<Ask> {
  const queries = createQueries({
    ask: async (question) => ({ status: 200, body: JSON.stringify(question) }),
    redrive: async (id) => ({ id, redriven: { lane: 'local', sequence: 7n }, appended: true }),
    replayBad: { one: () => Promise.reject(new Error('gone')), some: () => Promise.reject(new Error('gone')) },
    replay: async () => ({ records: 0, events: 0, refused: [] }),
    erase: async (id) => ({ id: `erasure of ${id}`, visitors: 2, more: false }),
    rebuilder: { views: ['traffic'], ask: async () => undefined },
    access: { kind: 'loopback' },
    ready: () => ({ ready: true, reasons: [] }),
    page: PAGE,
    system: async () => SYSTEM,
    metrics: () => 'up 1\n',
    report: (fault) => {
      throw fault;
    },
    ...part,
  });
  const server = createServer((request, response) => {
    queries.handle(request, response);
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  return (path, { method = 'GET', headers = {}, body, encoding, signal } = {}) =>
    new Promise((resolve, reject) => {
      const request = httpRequest(
        { port, host: '127.0.0.1', path, method, headers, ...(signal && { signal }) },
        (response) => {
          let text = '';
          response.setEncoding(encoding ?? 'utf8').on('data', (chunk: string) => {
            text += chunk;
          });
          response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
        },
      );
      request.on('error', reject).end(body);
    });
}

const codeOf = ({ status, headers, text }: Reply) => ({
  status,
  type: headers['content-type'],
  code: JSON.parse(text).code,
});
const problem = (status: number, code: string) => ({ status, type: 'application/problem+json', code });

describe('a question of the API', () => {
  test('goes to the worker with its path as it came and its parameters decoded', async () => {
    const ask = await serve();
    const { status, headers, text } = await ask('/api/v1/users/a%2Fb/events?type=Signed+Up&__proto__=x');
    expect({ status, type: headers['content-type'] }).toEqual({ status: 200, type: 'application/json' });
    expect(text).toBe('{"path":"/api/v1/users/a%2Fb/events","parameters":{"type":"Signed Up","__proto__":"x"}}');
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    });
  });
  test('has a problem of its own answered as one', async () => {
    const ask = await serve({ ask: async () => ({ status: 400, body: '{"code":"cursor_invalid"}' }) });
    expect(codeOf(await ask('/api/v1/events'))).toEqual(problem(400, 'cursor_invalid'));
  });
  test('is refused with a parameter given twice', async () => {
    const ask = await serve();
    expect(codeOf(await ask('/api/v1/events?type=a&type=b'))).toEqual(problem(400, 'parameter_invalid'));
  });
  test('of a receipt waits, within its time, until nothing is pending or its asker is gone', async () => {
    let asked = 0;
    let isPending = true;
    const ask = await serve({
      ask: async () => {
        asked += 1;
        return { status: 200, body: JSON.stringify({ state: isPending ? 'pending' : 'done' }) };
      },
    });
    expect((await ask('/api/v1/receipts/id')).text).toBe('{"state":"pending"}');
    expect(asked).toBe(1);
    const done = ask('/api/v1/receipts/id?wait=20');
    setTimeout(() => {
      isPending = false;
    }, 100);
    expect((await done).text).toBe('{"state":"done"}');
    expect(asked).toBeGreaterThan(3);
    isPending = true;
    await expect(ask('/api/v1/receipts/id?wait=20', { signal: AbortSignal.timeout(100) })).rejects.toThrow('abort');
    await new Promise((resolve) => setTimeout(resolve, LIMITS.receiptLookMsMax));
    const before = asked;
    await new Promise((resolve) => setTimeout(resolve, LIMITS.receiptLookMsMax));
    expect(asked).toBe(before);
  });

  test('may be a HEAD, which has no body', async () => {
    const ask = await serve();
    const { status, headers, text } = await ask('/api/v1/live', { method: 'HEAD' });
    expect({ status, length: headers['content-length'], text }).toEqual({ status: 200, length: '39', text: '' });
  });
  test('is refused with another method', async () => {
    const ask = await serve();
    const reply = await ask('/api/v1/live', { method: 'POST' });
    expect(codeOf(reply)).toEqual(problem(405, 'method_not_allowed'));
    expect(reply.headers.allow).toBe('GET, HEAD');
  });
  test('that takes too long is given up', async () => {
    const ask = await serve({ ask: () => new Promise(() => undefined), queryMsMax: 20 });
    const reply = await ask('/api/v1/live');
    expect(codeOf(reply)).toEqual(problem(503, 'query_unavailable'));
    expect(reply.headers['retry-after']).toBe('1');
  });
  test('is refused while too many wait, given up or not, and taken again once they are answered', async () => {
    const waiting: (() => void)[] = [];
    const ask = await serve({
      ask: () => new Promise((resolve) => waiting.push(() => resolve({ status: 200, body: '{}' }))),
      queryMsMax: 20,
    });
    await Promise.all(Array.from({ length: LIMITS.queriesWaitingMax }, () => ask('/api/v1/live')));
    expect(waiting).toHaveLength(LIMITS.queriesWaitingMax);
    expect(codeOf(await ask('/api/v1/live'))).toEqual(problem(503, 'query_unavailable'));
    expect(waiting).toHaveLength(LIMITS.queriesWaitingMax);
    for (const answer of waiting.splice(0)) answer();
    await ask('/api/v1/live');
    expect(waiting).toHaveLength(1);
  });
  test('for a deep audit has its time, is asked once at a time, and holds up no other', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout');
    onTestFinished(() => timers.mockRestore());
    const waiting: (() => void)[] = [];
    const ask = await serve({
      ask: ({ parameters }) =>
        new Promise((resolve) => {
          const reply = () => resolve({ status: 200, body: '{}' });
          if (parameters.deep === 'true') waiting.push(reply);
          else reply();
        }),
      queryMsMax: 20,
    });
    const deep = ask('/api/v1/audit?deep=true');
    await vi.waitFor(() => expect(waiting).toHaveLength(1));
    expect(codeOf(await ask('/api/v1/audit?deep=true'))).toEqual(problem(503, 'query_unavailable'));
    expect((await ask('/api/v1/audit')).status).toBe(200);
    await sleep(50);
    waiting[0]?.();
    expect((await deep).status).toBe(200);
    expect(waiting).toHaveLength(1);
    const set = timers.mock.calls.findIndex(([, milliseconds]) => milliseconds === LIMITS.deepAuditMsMax);
    expect(timers.mock.results[set]?.value.hasRef(), 'a server that stops does not wait for it').toBe(false);
  });
  test('whose worker is gone is a 503, and reported', async () => {
    const reported: ClickstreamError[] = [];
    const ask = await serve({
      ask: () => Promise.reject(new Error('worker gone')),
      report: (fault) => reported.push(fault),
    });
    expect(codeOf(await ask('/api/v1/live'))).toEqual(problem(503, 'query_unavailable'));
    expect(reported.map(({ message }) => message)).toEqual(['worker gone']);
  });
});

describe('a rebuild', () => {
  const PATH = '/api/v1/rebuilds';
  const json = { 'content-type': 'application/json' };
  const listening = async (part: Partial<QueriesOptions> = {}) => {
    const asked: string[] = [];
    const rebuilder = {
      views: ['traffic'],
      ask: async (view: string) => {
        asked.push(view);
      },
    };
    return { asked, ask: await serve({ rebuilder, ...part }) };
  };
  const body = '{"view":"traffic"}';

  test('is asked for by a POST, and told of by a GET', async () => {
    const { asked, ask } = await listening();
    expect((await ask(PATH, { method: 'POST', headers: json, body })).text).toBe(body);
    expect(JSON.parse((await ask(PATH)).text)).toEqual({ path: PATH, parameters: {} });
    expect(asked).toEqual(['traffic']);
  });

  test('is not by a form of another site, without the token, by another host or method', async () => {
    const { asked, ask } = await listening();
    const form = { method: 'POST', headers: { 'content-type': 'text/plain' }, body };
    expect(codeOf(await ask(PATH, form))).toEqual(problem(415, 'content_type_unsupported'));
    const evil = { method: 'POST', headers: { ...json, host: 'evil.example' }, body };
    expect(codeOf(await ask(PATH, evil))).toEqual(problem(403, 'host_refused'));
    const put = await ask(PATH, { method: 'PUT', headers: json, body });
    expect([put.status, put.headers.allow]).toEqual([405, 'GET, HEAD, POST']);
    expect(asked).toEqual([]);
    const token = await listening({ access: { kind: 'token', authorize: (text) => text === 'right' } });
    const wrong = { method: 'POST', headers: { ...json, authorization: 'Bearer wrong' }, body };
    expect(codeOf(await token.ask(PATH, wrong))).toEqual(problem(401, 'read_token_wrong'));
    expect(token.asked).toEqual([]);
  });
});

describe('a dead record', () => {
  const PATH = '/api/v1/dead/bG9jYWw6MTow/redrive';
  const json = { 'content-type': 'application/json' };
  const listening = async (part: Partial<QueriesOptions> = {}) => {
    const redriven: string[] = [];
    const redrive: QueriesOptions['redrive'] = async (id) => {
      redriven.push(id);
      return { id, redriven: { lane: 'local', sequence: 7n }, appended: true };
    };
    return { redriven, ask: await serve({ redrive, ...part }) };
  };

  test.each([
    [json, undefined],
    [json, '{}'],
    [{ 'content-type': 'Application/JSON; charset=utf-8', 'content-length': '0' }, undefined],
  ])('is put back by a POST with %j and the body %j', async (headers, body) => {
    const { redriven, ask } = await listening();
    const { status, text, headers: answered } = await ask(PATH, { method: 'POST', headers, ...(body && { body }) });
    expect([status, answered['content-type']]).toEqual([200, 'application/json']);
    expect(text).toBe('{"id":"bG9jYWw6MTow","redriven":{"lane":"local","sequence":"7"},"appended":true}');
    expect(redriven).toEqual(['bG9jYWw6MTow']);
  });

  test.each([
    {},
    { 'content-type': 'text/plain' },
    { 'content-type': 'application/x-www-form-urlencoded' },
    { 'content-type': 'multipart/form-data; boundary=application/json' },
    { 'content-type': 'text/plain, application/json' },
    { 'content-type': 'application/jsonp' },
  ])('is not, by what a form of another site can send: %j', async (headers) => {
    const { redriven, ask } = await listening();
    const reply = await ask(PATH, { method: 'POST', headers, body: '{}' });
    expect(codeOf(reply)).toEqual(problem(415, 'content_type_unsupported'));
    expect(redriven).toEqual([]);
  });

  test('is not by another method, and no preflight allows it', async () => {
    const { redriven, ask } = await listening();
    for (const method of ['GET', 'HEAD', 'PUT', 'OPTIONS']) {
      const reply = await ask(PATH, { method, headers: { origin: 'https://evil.example', ...json } });
      expect([reply.status, reply.headers.allow]).toEqual([405, 'POST']);
      expect(Object.keys(reply.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
    expect(redriven).toEqual([]);
  });

  test('is not without the read token, nor by another host name', async () => {
    const token = await listening({ access: { kind: 'token', authorize: (text) => text === 'right' } });
    const asked = { method: 'POST', headers: json };
    expect(codeOf(await token.ask(PATH, asked))).toEqual(problem(401, 'read_token_missing'));
    const wrong = { ...asked, headers: { ...json, authorization: 'Bearer wrong' } };
    expect(codeOf(await token.ask(PATH, wrong))).toEqual(problem(401, 'read_token_wrong'));
    expect(token.redriven).toEqual([]);
    const right = { ...asked, headers: { ...json, authorization: 'Bearer right' } };
    expect((await token.ask(PATH, right)).status).toBe(200);
    const host = await listening();
    const evil = { ...asked, headers: { ...json, host: 'evil.example' } };
    expect(codeOf(await host.ask(PATH, evil))).toEqual(problem(403, 'host_refused'));
    expect(host.redriven).toEqual([]);
  });

  test.each([
    ['{"as":"text"}', 400, 'parameter_invalid'],
    ['nothing', 400, 'body_not_json'],
    [' '.repeat(LIMITS.apiBodyBytesMax + 1), 413, 'body_too_large'],
  ])('is not with a body of its own: %.20j', async (body, status, code) => {
    const { redriven, ask } = await listening();
    expect(codeOf(await ask(PATH, { method: 'POST', headers: json, body }))).toEqual(problem(status, code));
    expect(redriven).toEqual([]);
  });

  test('that the log does not take now is a 503, to be tried again', async () => {
    const redrive = () => Promise.reject(new ClickstreamError('log_unavailable'));
    const reply = await (await serve({ redrive }))(PATH, { method: 'POST', headers: json });
    expect(codeOf(reply)).toEqual(problem(503, 'log_unavailable'));
    expect(reply.headers['retry-after']).toBe('1');
  });
});

describe('an archive', () => {
  const PATH = '/api/v1/replay';
  const type = { 'content-type': 'application/x-ndjson' };
  const listening = async (part: Partial<QueriesOptions> = {}) => {
    const bodies: string[] = [];
    const replay: QueriesOptions['replay'] = async (archive) => {
      bodies.push(Buffer.from(archive).toString());
      return { records: 1, events: 2, refused: [{ place: 2, code: 'record_unreadable', detail: 'at byte 9' }] };
    };
    return { bodies, ask: await serve({ replay, ...part }) };
  };

  test('is replayed by a POST, its bytes as they came', async () => {
    const { bodies, ask } = await listening();
    const headers = { 'content-type': 'Application/X-NDJSON; charset=utf-8' };
    const { status, text } = await ask(PATH, { method: 'POST', headers, body: '{"v":1}\n{}\n' });
    expect([status, JSON.parse(text)]).toEqual([
      200,
      { records: 1, events: 2, refused: [{ place: 2, code: 'record_unreadable', detail: 'at byte 9' }] },
    ]);
    expect(bodies).toEqual(['{"v":1}\n{}\n']);
  });

  test.each([{}, { 'content-type': 'text/plain' }, { 'content-type': 'application/json' }])(
    'is not, with %j',
    async (headers) => {
      const { bodies, ask } = await listening();
      const reply = await ask(PATH, { method: 'POST', headers, body: '{}' });
      expect(codeOf(reply)).toEqual(problem(415, 'content_type_unsupported'));
      expect(bodies).toEqual([]);
    },
  );

  test('is not by another method, with parameters, without the token, by another host, or too large', async () => {
    const { bodies, ask } = await listening();
    expect((await ask(PATH)).headers.allow).toBe('POST');
    const asked = { method: 'POST', headers: type };
    expect(codeOf(await ask(`${PATH}?from=1`, asked))).toEqual(problem(400, 'parameter_invalid'));
    const evil = { ...asked, headers: { ...type, host: 'evil.example' } };
    expect(codeOf(await ask(PATH, evil))).toEqual(problem(403, 'host_refused'));
    const large = { ...asked, body: ' '.repeat(LIMITS.bodyBytesMax + 1) };
    expect(codeOf(await ask(PATH, large))).toEqual(problem(413, 'body_too_large'));
    const token = await listening({ access: { kind: 'token', authorize: (text) => text === 'right' } });
    expect(codeOf(await token.ask(PATH, asked))).toEqual(problem(401, 'read_token_missing'));
    expect([...bodies, ...token.bodies]).toEqual([]);
  });

  test('that the log does not take now is a 503', async () => {
    const { ask } = await listening({ replay: () => Promise.reject(new ClickstreamError('overloaded')) });
    const reply = await ask(PATH, { method: 'POST', headers: type });
    expect(codeOf(reply)).toEqual(problem(503, 'overloaded'));
    expect(reply.headers['retry-after']).toBe('1');
  });
});

describe('without a read token', () => {
  test.each(['localhost', 'LocalHost:8080', '127.0.0.1:1', '[::1]:8080'])('%s is this machine', async (host) => {
    const ask = await serve();
    expect((await ask('/api/v1/live', { headers: { host } })).status).toBe(200);
  });
  test.each(['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:8080', 'evil.example@localhost'])(
    '%s is refused',
    async (host) => {
      const ask = await serve();
      for (const path of ['/api/v1/live', '/api/v1/system', '/', '/metrics']) {
        expect(codeOf(await ask(path, { headers: { host } }))).toEqual(problem(403, 'host_refused'));
      }
      expect((await ask('/health', { headers: { host } })).status).toBe(200);
    },
  );
});

describe('with read tokens', () => {
  const access = { kind: 'token', authorize: (token: string) => token === 'right' } as const;
  test.each([
    [undefined, 'read_token_missing', 'Bearer realm="clickstream"'],
    ['Bearer wrong', 'read_token_wrong', 'Bearer realm="clickstream", error="invalid_token"'],
    ['Basic cmlnaHQ6', 'read_token_wrong', 'Bearer realm="clickstream", error="invalid_token"'],
    ['Bearer right right', 'read_token_wrong', 'Bearer realm="clickstream", error="invalid_token"'],
  ])('%s is a 401', async (authorization, code, challenge) => {
    const ask = await serve({ access });
    for (const path of ['/api/v1/live', '/api/v1/system', '/metrics', '/api/nothing']) {
      const reply = await ask(path, { headers: authorization === undefined ? {} : { authorization } });
      expect(codeOf(reply)).toEqual(problem(401, code));
      expect(reply.headers['www-authenticate']).toBe(challenge);
    }
  });
  test('the right one reads, by any host name; page and health need none', async () => {
    const ask = await serve({ access });
    const headers = { authorization: 'bearer right', host: 'analytics.example' };
    expect((await ask('/api/v1/live', { headers })).status).toBe(200);
    expect((await ask('/', { headers: { host: 'analytics.example' } })).status).toBe(200);
    expect((await ask('/health')).text).toBe('{"status":"ok"}');
  });
});

describe('the rest of the surface', () => {
  test('says whether it is ready, and why not', async () => {
    expect((await (await serve())('/ready')).status).toBe(200);
    const ask = await serve({ ready: () => ({ ready: false, reasons: ['the log cannot be written'] }) });
    const { status, text } = await ask('/ready');
    expect({ status, text }).toEqual({ status: 503, text: '{"ready":false,"reasons":["the log cannot be written"]}' });
  });
  test('says how it runs, with what is not known as null', async () => {
    const ready = { ready: false, reasons: ['the store cannot be written: full'] };
    const ask = await serve({ ready: () => ready });
    const { lanes: _, ...told } = SYSTEM;
    expect(JSON.parse((await ask('/api/v1/system')).text)).toEqual({
      ...told,
      ready,
      lanes: [
        { lane: 'one', done: (12n ** 30n).toString(), arrivedAt: '2026-11-23T10:00:01.500Z' },
        { lane: 'two', done: '-1', arrivedAt: null },
      ],
    });
    expect(codeOf(await ask('/api/v1/system?deep=true'))).toEqual(problem(400, 'parameter_invalid'));
    expect(codeOf(await ask('/api/v1/system', { method: 'POST' }))).toEqual(problem(405, 'method_not_allowed'));
    const gone = await serve({ system: () => new Promise(() => undefined), queryMsMax: 20 });
    expect(codeOf(await gone('/api/v1/system'))).toEqual(problem(503, 'query_unavailable'));
  });
  test('has metrics', async () => {
    const { headers, text } = await (await serve())('/metrics');
    expect({ type: headers['content-type'], text }).toEqual({
      type: 'text/plain; version=0.0.4; charset=utf-8',
      text: 'up 1\n',
    });
  });
  test('has its document open to all, and asks the worker for it once it was had', async () => {
    const asked: string[] = [];
    const ask = await serve({
      access: { kind: 'token', authorize: () => false },
      ask: async ({ path }) => {
        asked.push(path);
        return asked.length === 1 ? { status: 500, body: '{}' } : { status: 200, body: '{"openapi":"3.1.0"}' };
      },
    });
    const replies = [];
    for (let turn = 0; turn < 4; turn += 1) replies.push(await ask('/openapi.json'));
    expect(replies.map(({ status }) => status)).toEqual([500, 200, 200, 200]);
    expect(replies[3]).toMatchObject({ text: '{"openapi":"3.1.0"}', headers: { 'content-type': 'application/json' } });
    expect(asked).toEqual(['/openapi.json', '/openapi.json']);
  });
  test('answers every other path with 404, headers and all', async () => {
    const ask = await serve();
    for (const path of ['/apis', '/index.html', '//api/v1/live']) {
      const reply = await ask(path, { method: 'POST' });
      expect(codeOf(reply)).toMatchObject({ status: 404, code: 'not_found' });
      expect(reply.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
    }
  });
});

describe('the page', () => {
  test('is served with a policy that lets its own files alone run, and makes nothing markup', async () => {
    const { status, headers, text } = await (await serve())('/');
    expect({ status, text }).toEqual({ status: 200, text: '<!doctype html>' });
    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'cross-origin-opener-policy': 'same-origin',
      'content-security-policy': PAGE_POLICY,
    });
    expect(PAGE_POLICY).toMatch(
      /^default-src 'none'; script-src 'self'; style-src 'self';.*require-trusted-types-for 'script'$/,
    );
    expect(PAGE_POLICY).not.toMatch(/unsafe|data:|https?:/);
  });
  test('its files are kept by browsers, and compressed for whoever takes that', async () => {
    const ask = await serve();
    const plain = await ask('/assets/main-1.js');
    expect(plain).toMatchObject({
      status: 200,
      text: SCRIPT.toString(),
      headers: {
        'content-type': 'text/javascript; charset=utf-8',
        'cache-control': 'public, max-age=31536000, immutable',
        vary: 'Accept-Encoding',
      },
    });
    expect(plain.headers).not.toHaveProperty('content-encoding');
    const headers = { 'Accept-Encoding': 'br, gzip' };
    const packed = await ask('/assets/main-1.js', { headers, encoding: 'latin1' });
    expect(packed.headers).toMatchObject({ 'content-encoding': 'gzip', 'content-type': plain.headers['content-type'] });
    expect(gunzipSync(Buffer.from(packed.text, 'latin1'))).toEqual(SCRIPT);
    const head = await ask('/assets/main-1.js', { headers, method: 'HEAD' });
    expect(head.headers['content-length']).toBe(packed.headers['content-length']);
  });
  test('a file that it does not have is a 404, and nothing outside it is one', async () => {
    const ask = await serve();
    for (const path of ['/assets/', '/assets/main-2.js', '/assets/../etc/passwd', '/assets/%2e%2e/index.html']) {
      expect(codeOf(await ask(path)), path).toEqual(problem(404, 'not_found'));
    }
  });
  test('is for the right host alone, and for that without a token', async () => {
    const local = await serve();
    const other = { headers: { Host: 'rebound.example' } };
    for (const path of PAGE.keys()) {
      expect(codeOf(await local(path, other))).toEqual(problem(403, 'host_refused'));
      const open = await serve({ access: { kind: 'token', authorize: () => false } });
      expect((await open(path, other)).status).toBe(200);
    }
  });
  test('that was not built says what to run', async () => {
    const { status, headers, text } = await (await serve({ page: new Map() }))('/');
    expect({ status, type: headers['content-type'] }).toEqual({ status: 503, type: 'text/html; charset=utf-8' });
    expect(text).toContain('npm run build:browser');
  });
});

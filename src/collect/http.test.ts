import { hash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeLog, startCollector, type TestCollector } from '../../tests/collector.ts';
import { ClickstreamError, ERRORS } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { decodeReceipt } from '../log/receipt.ts';
import { createCollector, newCounters } from './http.ts';
import { WriteKeys } from './keys.ts';
import { Numbering } from './numbering.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const basic = (key: string) => ({ authorization: `Basic ${Buffer.from(`${key}:`).toString('base64')}` });
const track = (messageId: string) => ({ event: 'Bought', messageId, userId: 'u', anonymousId: 'a' });

/** What @segment/analytics-node 3 sends. */
const NODE_BATCH = {
  batch: [
    {
      userId: 'u',
      event: 'Order Completed',
      type: 'track',
      properties: { total: 12.5 },
      context: { library: { name: '@segment/analytics-node', version: '3.1.0' } },
      timestamp: '2026-11-23T03:59:58.000Z',
      messageId: 'node-next-1763870398000-1',
      integrations: {},
      _metadata: { nodeVersion: '24.21.0', jsRuntime: 'node' },
    },
    { type: 'identify', userId: 'u', traits: { plan: 'pro' }, messageId: 'node-next-1763870398000-2' },
  ],
  writeKey: 'KEY',
  sentAt: '2026-11-23T03:59:59.000Z',
};

let it: TestCollector;
beforeEach(async () => {
  it = await startCollector();
});
afterEach(async () => {
  await it.close();
  expect(it.faults).toEqual([]);
});

async function expectError(response: Response, code: keyof typeof ERRORS): Promise<void> {
  expect([response.status, await response.json()]).toEqual([
    ERRORS[code].status,
    { success: false, code, message: expect.any(String), cure: ERRORS[code].cure },
  ]);
  expect(it.counters.rejected[code]).toBe(1);
}

describe('what is taken', () => {
  test.each<[string, string, unknown, Record<string, string>]>([
    ['a batch of analytics-node', '/v1/batch', NODE_BATCH, { ...JSON_TYPE, ...basic('KEY') }],
    ['an older server SDK', '/v1/import/', NODE_BATCH, JSON_TYPE],
    ['a browser', '/v1/track', track('m'), { 'content-type': 'text/plain' }],
    ['no content type', '/v1/track', track('m'), {}],
    ['a trailing slash', '/v1/page/', track('m'), JSON_TYPE],
    ['a query', '/v1/screen?x=/v1/page', track('m'), JSON_TYPE],
    ['identity', '/v1/group', track('m'), { 'content-encoding': 'identity' }],
    ['an empty batch', '/v1/batch', { batch: [] }, JSON_TYPE],
  ])('%s', async (_, path, body, headers) => {
    const response = await it.post(path, JSON.stringify(body), headers);
    const receipt = response.headers.get('clickstream-receipt') ?? undefined;
    expect([response.status, await response.json()]).toEqual([200, { success: true, receipt }]);
    expect(response.headers.get('content-type')).toBe('application/json');
    const sent = body as { batch?: unknown[] };
    const count = sent.batch?.length ?? 1;
    expect(receipt && decodeReceipt(receipt)?.counts.reduce((sum, events) => sum + events)).toBe(count || undefined);
    expect(it.log.events()).toHaveLength(count);
    expect(it.counters).toEqual({ requests: { 200: 1 }, rejected: {}, events: count, setAside: 0 });
  });

  test.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['GZIP', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
  ])('a body in %s', async (encoding, compress) => {
    const response = await it.post('/v1/batch', compress(JSON.stringify(NODE_BATCH)), { 'content-encoding': encoding });
    expect(response.status).toBe(200);
    expect(it.log.events()).toHaveLength(2);
  });

  test('a body in chunks, after 100 Continue', async () => {
    const body = JSON.stringify(track('m'));
    const head = 'POST /v1/track HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n';
    const chunks = `${(9).toString(16)}\r\n${body.slice(0, 9)}\r\n${(body.length - 9).toString(16)}\r\n${body.slice(9)}\r\n0\r\n\r\n`;
    const answer = await it.raw(`${head}Transfer-Encoding: chunked\r\n\r\n${chunks}`);
    expect(answer).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n/);
    expect(it.log.events()).toHaveLength(1);
  });

  test('the good events of a batch, the others set aside with the bytes they came as', async () => {
    const bad = '{ "type":"track","event":"e","big":12345678901234567890 }';
    const body = `{"batch":[${JSON.stringify({ ...track('1'), type: 'track' })}, 7 ,${bad},{"type":"page","userId":"v"}]}`;
    expect((await it.post('/v1/batch', body)).status).toBe(200);
    expect(it.log.setAside()).toEqual([
      { code: 'not_an_object', raw: '7' },
      { code: 'id_missing', raw: bad },
    ]);
    expect(it.log.events()).toMatchObject([{ eventId: '1' }, { eventType: 'page', userId: 'v' }]);
    expect(it.counters).toMatchObject({ events: 4, setAside: 2 });
  });

  test('deep and large events, set aside', async () => {
    const deep = `{"userId":"u","properties":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    const large = JSON.stringify({ userId: 'u', properties: { p: 'x'.repeat(500_000) } });
    expect((await it.post('/v1/page', deep)).status).toBe(200);
    expect((await it.post('/v1/page', large)).status).toBe(200);
    expect(it.log.setAside()).toEqual([
      { code: 'too_deep', raw: deep },
      { code: 'too_large', raw: large },
    ]);
  });
});

describe('what is refused', () => {
  test.each<[string, string | Buffer, Record<string, string>, keyof typeof ERRORS]>([
    ['no JSON', 'event=x', {}, 'body_not_json'],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), JSON_TYPE, 'body_not_json'],
    ['nothing', '', {}, 'body_not_json'],
    ['no object', '[]', JSON_TYPE, 'body_not_object'],
    ['an unknown encoding', '{}', { 'content-encoding': 'lz4' }, 'body_encoding_unsupported'],
    ['two encodings', '{}', { 'content-encoding': 'gzip, br' }, 'body_encoding_unsupported'],
    ['not gzip', '{}', { 'content-encoding': 'gzip' }, 'body_encoding_broken'],
    ['not deflate', '{}', { 'content-encoding': 'deflate' }, 'body_encoding_broken'],
    ['not brotli', '{}', { 'content-encoding': 'br' }, 'body_encoding_broken'],
    ['not zstd', '{}', { 'content-encoding': 'zstd' }, 'body_encoding_broken'],
    [
      'half a gzip',
      gzipSync(JSON.stringify(track('m'))).subarray(0, 40),
      { 'content-encoding': 'gzip' },
      'body_encoding_broken',
    ],
    [
      'half a brotli',
      brotliCompressSync(JSON.stringify(track('m'))).subarray(0, 40),
      { 'content-encoding': 'br' },
      'body_encoding_broken',
    ],
    ['a large body', ' '.repeat(LIMITS.bodyBytesMax + 1), JSON_TYPE, 'body_too_large'],
  ])('%s', async (_, body, headers, code) => {
    await expectError(await it.post('/v1/track', body, headers), code);
    expect(it.log.appends).toEqual([]);
  });

  test('half a zstd', async () => {
    const half = zstdCompressSync(JSON.stringify(track('m'))).subarray(0, 40);
    const response = await it.post('/v1/track', half, { 'content-encoding': 'zstd' });
    expect(response.status).toBe(400);
    expect(it.log.appends).toEqual([]);
  });

  const zeros = Buffer.alloc(50_000_000);
  test.each([
    ['gzip', gzipSync(zeros)],
    ['deflate', deflateSync(zeros)],
    ['br', brotliCompressSync(zeros)],
    ['zstd', zstdCompressSync(zeros)],
  ])('a bomb in %s', async (encoding, bomb) => {
    expect(bomb.length).toBeLessThan(LIMITS.bodyBytesMax);
    await expectError(await it.post('/v1/track', bomb, { 'content-encoding': encoding }), 'body_too_large');
  });

  test('what expands by more than its ratio, though it is not large', async () => {
    const body = gzipSync(`"${'x'.repeat(1_000_000)}"`);
    await expectError(await it.post('/v1/track', body, { 'content-encoding': 'gzip' }), 'body_too_large');
  });

  test('an announced length that is too large, before the body comes', async () => {
    const head = `POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: ${LIMITS.bodyBytesMax + 1}\r\n\r\n`;
    const answer = await it.raw(head, { end: true });
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer).toContain('Connection: close');
    expect(answer.match(/HTTP\/1.1/g)).toHaveLength(1);
  });

  test('chunks without end', async () => {
    const chunk = `${(100_000).toString(16)}\r\n${'x'.repeat(100_000)}\r\n`;
    const head = 'POST /v1/track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';
    expect(await it.raw(head + chunk.repeat(60))).toMatch(/^HTTP\/1.1 413 /);
    expect(it.log.appends).toEqual([]);
  });

  test('another method, and says which are allowed', async () => {
    const response = await fetch(`${it.url}/v1/track`);
    expect(response.headers.get('allow')).toBe('POST, OPTIONS');
    await expectError(response, 'method_not_allowed');
  });

  test('other paths are not the collector’s', async () => {
    for (const path of ['/', '/v1', '/v1/', '/v1/other', '/v1/track/x', '/v1/track//', '/V1/track', '//']) {
      expect((await it.post(path, '{}')).status).toBe(404);
    }
    expect(it.counters.requests).toEqual({});
  });

  test('new events while stopping, so that senders keep them', async () => {
    it.collector.stop();
    const response = await it.post('/v1/track', JSON.stringify(track('m')));
    expect(response.headers.get('retry-after')).toBe('1');
    expect(response.headers.get('connection')).toBe('close');
    await expectError(response, 'shutting_down');
  });
});

describe('the log', () => {
  test('200 comes only when the append has resolved', async () => {
    const gate = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    it.log.behave = () => {
      reached.resolve();
      return gate.promise;
    };
    let isAnswered = false;
    const response = it.post('/v1/track', JSON.stringify(track('m'))).then((answer) => {
      isAnswered = true;
      return answer;
    });
    await reached.promise;
    // Another exchange on the same server is over: had the first one been answered, that would have come first.
    await it.post('/v1/track', 'no JSON');
    expect(isAnswered).toBe(false);
    gate.resolve();
    expect((await response).status).toBe(200);
  });

  test.each(['log_unavailable', 'overloaded'] as const)('%s is 503 with Retry-After', async (code) => {
    it.log.behave = () => Promise.reject(new ClickstreamError(code));
    const response = await it.post('/v1/batch', JSON.stringify(NODE_BATCH));
    expect(response.headers.get('retry-after')).toBe('1');
    await expectError(response, code);
    expect(it.counters.events).toBe(0);
  });

  test('a fault is 500 and is reported', async () => {
    it.log.behave = () => Promise.reject(new TypeError('a fault'));
    await expectError(await it.post('/v1/batch', JSON.stringify(NODE_BATCH)), 'internal');
    expect((it.faults as Error[]).splice(0)).toMatchObject([{ code: 'internal', message: 'a fault' }]);
  });
});

describe('keys', () => {
  test.each<[string, Record<string, string>, object, number | string]>([
    ['Basic', basic('one'), {}, 'web'],
    ['Bearer', { authorization: 'Bearer two' }, {}, 'shop'],
    ['in the body', {}, { writeKey: 'one' }, 'web'],
    ['none', {}, {}, 401],
    ['a wrong one', basic('three'), {}, 401],
    ['a wrong one in the header, a right one in the body', basic('three'), { writeKey: 'one' }, 401],
  ])('%s', async (_, headers, body, expected) => {
    const keys = new WriteKeys([
      { source: 'web', sha256: hash('sha256', 'one') },
      { source: 'shop', sha256: hash('sha256', 'two') },
    ]);
    const guarded = await startCollector({ keys });
    const response = await guarded.post('/v1/track', JSON.stringify({ ...track('m'), ...body }), headers);
    const [record] = guarded.log.records();
    expect(response.status === 200 ? record?.header.source : response.status).toBe(expected);
    expect(response.headers.has('www-authenticate')).toBe(response.status === 401);
    await guarded.close();
  });
});

describe('a browser', () => {
  const page = JSON.stringify(track('m'));

  test('tells its address, truncated, and its user agent, where the event does not; a server does not', async () => {
    const headers = { 'user-agent': 'Browser/1', 'x-forwarded-for': '203.0.113.7' };
    for (const path of ['/v1/t', '/v1/track']) await it.post(path, page, headers);
    const own = { ip: '198.51.100.9', userAgent: 'Own/1' };
    await it.post('/v1/t', JSON.stringify({ ...track('m'), context: own }), headers);
    expect(it.log.events().map(({ context }) => context)).toEqual([
      { ip: '127.0.0.0', userAgent: 'Browser/1' },
      {},
      { ip: '198.51.100.0', userAgent: 'Own/1' },
    ]);
  });

  test('tells it also where a request of the same form would be a hot one', async () => {
    const head = `POST /v1/t HTTP/1.1\r\nHost: x\r\nUser-Agent: Browser/1\r\nContent-Length: ${page.length}\r\n\r\n`;
    await it.raw(head + page, { end: true });
    expect(it.log.events()).toMatchObject([{ context: { ip: '127.0.0.0', userAgent: 'Browser/1' } }]);
  });

  test('is known behind as many proxies as are configured', async () => {
    const log = new FakeLog();
    const shared = {
      log,
      keys: new WriteKeys([]),
      clock: Date.now,
      numbering: new Numbering(),
      counters: newCounters(),
    };
    const collector = createCollector({ ...shared, proxies: 1, report: () => undefined });
    const server = createServer((request, response) => collector.handle(request, response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const headers = { 'x-forwarded-for': '203.0.113.7, 198.51.100.9' };
    await fetch(`http://127.0.0.1:${port}/v1/t`, { method: 'POST', body: page, headers });
    expect(log.events()).toMatchObject([{ context: { ip: '198.51.100.0' } }]);
    server.close();
    server.closeAllConnections();
  });

  test('has its tracker’s metrics taken, and kept nowhere', async () => {
    const response = await it.post('/v1/m', '{"series":[]}', { origin: 'https://shop.example' });
    expect([response.status, await response.text()]).toEqual([200, '{"success":true}']);
    expect(it.log.appends).toEqual([]);
    expect(it.counters).toEqual({ requests: { 200: 1 }, rejected: {}, events: 0, setAside: 0 });
  });

  test('gets settings for a key that is known, and keeps them for its origin', async () => {
    const guarded = await startCollector({ keys: new WriteKeys([{ source: 'web', sha256: hash('sha256', 'one') }]) });
    const ask = (key: string) =>
      fetch(`${guarded.url}/v1/projects/${key}/settings`, { headers: { origin: 'https://shop.example' } });
    const good = await ask('one');
    expect(good.status).toBe(200);
    expect(await good.json()).toMatchObject({ integrations: { 'Segment.io': { apiKey: 'one' } } });
    expect(Object.fromEntries(good.headers)).toMatchObject({
      'access-control-allow-origin': 'https://shop.example',
      'cache-control': `private, max-age=${LIMITS.trackerSettingsSeconds}`,
      vary: 'Origin',
    });
    const wrong = await ask('two');
    expect([wrong.status, wrong.headers.get('cache-control')]).toEqual([401, null]);
    // A challenge of Basic would make a browser ask its user for a password.
    expect(wrong.headers.get('www-authenticate')).not.toMatch(/basic/i);
    await guarded.close();
  });

  test('finds settings at that path alone, and only by GET', async () => {
    for (const path of ['/v1/projects//settings', '/v1/projects/a/b/settings', '/v1/projects/a', '/v1/projects/*']) {
      expect((await fetch(it.url + path)).status).toBe(404);
    }
    const response = await it.post('/v1/projects/a/settings', '{}');
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, OPTIONS']);
  });
});

describe('CORS', () => {
  const origin = 'https://shop.example';

  test('a preflight allows the origin, its credentials, and every header it asks for', async () => {
    const asked = 'authorization,content-type,x-retry-count,rsa-retry-attempt';
    const response = await fetch(`${it.url}/v1/batch`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': asked },
    });
    expect(response.status).toBe(204);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-allow-headers': asked,
      'access-control-allow-methods': 'POST',
      'access-control-max-age': String(LIMITS.preflightSeconds),
      vary: 'Origin, Access-Control-Request-Headers',
    });
  });

  test.each([
    ['success', JSON.stringify(track('m'))],
    ['error', 'no JSON'],
  ])('the answer may be read by its page: %s', async (_, body) => {
    const response = await it.post('/v1/track', body, { origin });
    expect(response.headers.get('access-control-allow-origin')).toBe(origin);
    expect(response.headers.get('access-control-allow-credentials')).toBe('true');
    expect(response.headers.get('access-control-expose-headers')).toBe('Retry-After, Clickstream-Receipt');
    expect(response.headers.get('vary')).toBe('Origin');
  });

  test('without an origin there is nothing to allow', async () => {
    const response = await it.post('/v1/track', JSON.stringify(track('m')));
    expect(response.headers.has('access-control-allow-origin')).toBe(false);
  });
});

describe('clients that are not well', () => {
  const fast = { headersTimeout: 100, requestTimeout: 200, connectionsCheckingInterval: 20 };
  const head = 'POST /v1/track HTTP/1.1\r\nHost: x\r\n';

  test.each([
    ['says nothing', ''],
    ['never ends its headers', head],
    ['never ends its body', `${head}Content-Length: 100\r\n\r\n{"event":`],
    ['never ends its chunks', `${head}Transfer-Encoding: chunked\r\n\r\n5\r\n{"eve\r\n`],
  ])('one that %s is cut with 408', async (_, bytes) => {
    const impatient = await startCollector({ server: fast });
    expect(await impatient.raw(bytes)).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n[\s\S]*"code":"request_timeout"/);
    expect(impatient.counters).toMatchObject({ requests: { 408: 1 }, rejected: { request_timeout: 1 } });
    await impatient.close();
  });

  test('one that was refused and goes on slowly is cut with no second answer', async () => {
    const impatient = await startCollector({ server: fast });
    const answer = await impatient.raw(`${head}Content-Length: ${LIMITS.bodyBytesMax + 1}\r\n\r\nx`);
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer.match(/HTTP\/1.1/g)).toHaveLength(1);
    await impatient.close();
  });

  test.each([
    ['announces more than it sends', `${head}Content-Length: 100\r\n\r\n{}`, '400', 'body_incomplete'],
    ['ends amid a chunk', `${head}Transfer-Encoding: chunked\r\n\r\n5\r\n{"e`, '400', 'body_incomplete'],
    ['sends a chunk of no size', `${head}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`, '400', 'request_malformed'],
    ['speaks another protocol', '\x16\x03\x01\x02\x00', '400', 'request_malformed'],
    ['sends two lengths', `${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`, '400', 'request_malformed'],
    ['sends huge headers', `${head}X: ${'x'.repeat(LIMITS.headerBytesMax)}\r\n\r\n`, '431', 'headers_too_large'],
  ])('one that %s is told so', async (_, bytes, status, code) => {
    const answer = await it.raw(bytes, { end: true });
    expect(answer.slice(0, 'HTTP/1.1 400'.length)).toBe(`HTTP/1.1 ${status}`);
    expect(answer).toContain(`"code":"${code}"`);
    expect(it.counters.requests).toEqual({ [status]: 1 });
    expect(it.log.appends).toEqual([]);
  });

  test('what follows a length that is too short is not taken for part of the event', async () => {
    const body = JSON.stringify(track('m'));
    const answer = await it.raw(`${head}Content-Length: ${body.length}\r\n\r\n${body}GARBAGE\r\n\r\n`, { end: true });
    expect(answer).toContain('"code":"request_malformed"');
    expect(it.log.events()).toHaveLength(1);
  });
});

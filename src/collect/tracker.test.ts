import { request as ask } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { startCollector, type TestCollector } from '../../tests/collector.ts';
import { LIMITS } from '../core/limits.ts';
import { TRACKER_PATHS, Tracker } from './tracker.ts';

const BUILT = `(()=>{send(origin+"/v1/b",'${'é'.repeat(200)}')})();\n`;

let it: TestCollector;
afterEach(() => it.close());

async function start(paths: Partial<typeof TRACKER_PATHS> = {}, built: string | undefined = BUILT): Promise<void> {
  it = await startCollector({ tracker: new Tracker({ built, paths: { ...TRACKER_PATHS, ...paths } }) });
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

/** Over plain sockets, for `fetch` decompresses. */
function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = ask(`${it.url}${path}`, { method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    asking.on('error', reject).end();
  });
}

test('the script is there for any page, for an hour', async () => {
  await start();
  const { status, headers, body } = await get('/t.js', { origin: 'https://shop.example' });
  expect([status, body.toString()]).toEqual([200, BUILT]);
  expect(headers).toMatchObject({
    'content-type': 'text/javascript; charset=utf-8',
    'content-length': String(Buffer.byteLength(BUILT)),
    'access-control-allow-origin': '*',
    'cross-origin-resource-policy': 'cross-origin',
    'cache-control': `public, max-age=${LIMITS.trackerScriptSeconds}`,
    'x-content-type-options': 'nosniff',
    vary: 'Accept-Encoding',
  });
  expect(headers['set-cookie']).toBeUndefined();
  expect((await get('/t.js?v=2')).status).toBe(200);
  expect((await get('/t.jsx')).status).toBe(404);
});

test.each<[string, string | undefined]>([
  ['', undefined],
  ['identity', undefined],
  ['gzip, deflate, br, zstd', 'br'],
  ['gzip, deflate', 'gzip'],
  ['GZIP', 'gzip'],
  ['br;q=0, gzip;q=0.5', 'gzip'],
  ['br; q=0.000, gzip;q=0', undefined],
  ['brotli', undefined],
])('to who accepts %j it comes in %s', async (accepted, coding) => {
  await start();
  const { headers, body } = await get('/t.js', accepted === '' ? {} : { 'accept-encoding': accepted });
  expect(headers['content-encoding']).toBe(coding);
  const unpack = { br: brotliDecompressSync, gzip: gunzipSync }[String(coding)];
  expect((unpack?.(body) ?? body).toString()).toBe(BUILT);
  expect(headers['content-length']).toBe(String(body.length));
});

test('who has it already is told so, in the coding that it has', async () => {
  await start();
  const codings = ['identity', 'gzip', 'br'];
  const tags: string[] = [];
  for (const coding of codings) {
    const { headers } = await get('/t.js', { 'accept-encoding': coding });
    const tag = String(headers.etag);
    for (const known of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
      const again = await get('/t.js', { 'accept-encoding': coding, 'if-none-match': known });
      expect([again.status, again.body.length, again.headers.etag]).toEqual([304, 0, tag]);
      expect(again.headers['cache-control']).toBe(headers['cache-control']);
    }
    expect((await get('/t.js', { 'accept-encoding': coding, 'if-none-match': tag.slice(1) })).status).toBe(200);
    tags.push(tag);
  }
  expect(new Set(tags).size).toBe(codings.length);
  await it.close();
  await start({}, BUILT.replace('send', 'post'));
  expect(tags).not.toContain(String((await get('/t.js')).headers.etag));
});

test('HEAD has its headers alone, and other methods are refused', async () => {
  await start();
  const [whole, head] = [await get('/t.js'), await get('/t.js', {}, 'HEAD')];
  expect([head.status, head.body.length]).toEqual([200, 0]);
  expect({ ...head.headers, date: '' }).toEqual({ ...whole.headers, date: '' });
  for (const method of ['POST', 'DELETE', 'OPTIONS']) {
    const { status, headers, body } = await get('/t.js', {}, method);
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
    expect(JSON.parse(body.toString())).toMatchObject({ success: false, code: 'method_not_allowed' });
  }
});

test('at other paths it is there alone, and is told where to send', async () => {
  await start({ script: '/js/s.js', collect: '/take' });
  expect((await get('/js/s.js')).body.toString()).toBe(BUILT.replace('/v1/b', '/take'));
  expect((await get('/t.js')).status).toBe(404);
});

test('the path it sends to is taken like the one it stands for, with its query, and that one still is', async () => {
  await start({ collect: '/take' });
  const headers = { 'content-type': 'text/plain', origin: 'https://shop.example', 'user-agent': 'Browser/1' };
  const batch = (messageId: string) =>
    JSON.stringify({ batch: [{ type: 'page', anonymousId: 'a', messageId }], sentAt: '2026-11-23T03:59:59.000Z' });
  for (const path of ['/take', '/take/', '/take?a=1', '/v1/b']) {
    const answer = await it.post(path, batch(path), headers);
    expect(answer.status, path).toBe(200);
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://shop.example');
    expect(answer.headers.get('clickstream-receipt')).not.toBeNull();
  }
  expect(it.log.events()).toMatchObject(
    ['/take', '/take/', '/take?a=1', '/v1/b'].map((eventId) => ({
      ...{ eventId, eventType: 'page', context: { ip: '127.0.0.0', userAgent: 'Browser/1' } },
    })),
  );
  const preflight = await fetch(`${it.url}/take`, { method: 'OPTIONS', headers: { origin: 'https://shop.example' } });
  expect([preflight.status, preflight.headers.get('access-control-allow-methods')]).toEqual([204, 'POST']);
  expect((await get('/take')).status).toBe(405);
  expect((await it.post('/take', '{}')).status).toBe(400);
});

test('what has the shape of a hot request is taken there too', async () => {
  await start({ collect: '/take' });
  const body = JSON.stringify({ batch: [{ type: 'page', anonymousId: 'a', messageId: 'm' }] });
  const head = `POST /take HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`;
  expect(await it.raw(head + body, { end: true })).toMatch(/^HTTP\/1.1 200 OK/);
  expect(it.log.events()).toMatchObject([{ eventId: 'm' }]);
});

test('where it is not built nothing is there, and its path is taken all the same', async () => {
  it = await startCollector({
    tracker: new Tracker({ built: undefined, paths: { script: '/s.js', collect: '/take' } }),
  });
  expect((await get('/s.js')).status).toBe(404);
  expect((await it.post('/take', '{"batch":[]}')).status).toBe(200);
});

test('a build that does not name its path is none', async () => {
  await start();
  expect(() => new Tracker({ built: 'send("/v1/batch")', paths: TRACKER_PATHS })).toThrow(/does not name \/v1\/b/);
});

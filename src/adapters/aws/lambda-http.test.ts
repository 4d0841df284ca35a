import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ClickstreamError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import { type AlbEvent, type AlbResult, answerAlb, type HandleRequest } from './lambda-http.ts';

function eventWith(part: Partial<AlbEvent> = {}): AlbEvent {
  return { httpMethod: 'GET', path: '/', multiValueHeaders: {}, body: '', isBase64Encoded: false, ...part };
}

async function ask(event: AlbEvent, handle: HandleRequest) {
  const faults: ClickstreamError[] = [];
  const result = await answerAlb(event, handle, (fault) => faults.push(fault));
  return { result, faults };
}

/** What a handler sees of a request. */
async function seen(event: AlbEvent): Promise<{ readonly request: IncomingMessage; readonly body: string }> {
  const { promise, resolve } = Promise.withResolvers<{ request: IncomingMessage; body: string }>();
  await ask(event, async (request, response) => {
    resolve({ request, body: await text(request) });
    response.end();
  });
  return promise;
}

test('the URL is as it was sent: names and values come undecoded, and stay so', async () => {
  const { request } = await seen(
    eventWith({
      path: '/api/v1/users/a%2Fb/events',
      multiValueQueryStringParameters: { 'p%20q': ['a%26b', 'c%3Dd'], from: ['2026-11-24T10:00:00%2B01:00'], e: [''] },
    }),
  );
  expect(request.url).toBe('/api/v1/users/a%2Fb/events?p%20q=a%26b&p%20q=c%3Dd&from=2026-11-24T10:00:00%2B01:00&e=');
});

test('headers with several values are joined as node:http joins them', async () => {
  const { request } = await seen(
    eventWith({
      multiValueHeaders: {
        'x-forwarded-for': ['203.0.113.7', '198.51.100.9, 192.0.2.1'],
        cookie: ['a=1', 'b=2'],
        'user-agent': ['one', 'two'],
        'Content-Type': ['text/plain'],
      },
    }),
  );
  expect(request.headers).toEqual({
    'x-forwarded-for': '203.0.113.7, 198.51.100.9, 192.0.2.1',
    cookie: 'a=1; b=2',
    'user-agent': 'one',
    'content-type': 'text/plain',
  });
});

test('a body comes whole, as text or as base64', async () => {
  expect((await seen(eventWith({ body: '{"ä":"€"}' }))).body).toBe('{"ä":"€"}');
  const encoded = Buffer.from('{"ä":"€"}').toString('base64');
  expect((await seen(eventWith({ body: encoded, isBase64Encoded: true }))).body).toBe('{"ä":"€"}');
  expect((await seen(eventWith({ body: null }))).body).toBe('');
});

test('bytes that are no text come back as base64', async () => {
  const { result } = await ask(eventWith(), (_, response) => response.end(Buffer.from([0xff, 0x00, 0xfe])));
  expect(result).toMatchObject({ statusCode: 200, isBase64Encoded: true, body: '/wD+' });
});

test('an answer in several pieces has them all, and none of the connection', async () => {
  const { result } = await ask(eventWith(), (_, response) => {
    response.writeHead(201, { 'Set-Cookie': ['a=1', 'b=2'], 'X-Name': 'v: w' });
    response.write('one ');
    setTimeout(() => response.end('two'), 5);
  });
  expect(result).toEqual({
    statusCode: 201,
    multiValueHeaders: { 'Set-Cookie': ['a=1', 'b=2'], 'X-Name': ['v: w'] },
    body: 'one two',
    isBase64Encoded: false,
  });
});

/** What the load balancer would send a client. */
function shownToClient({ statusCode, multiValueHeaders, body, isBase64Encoded }: AlbResult) {
  const headers = Object.entries(multiValueHeaders).map(([name, values]) => [name.toLowerCase(), values.join(', ')]);
  return {
    status: statusCode,
    headers: Object.fromEntries(headers.filter(([name]) => name !== 'content-length')),
    body: Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8').toString(),
  };
}

/** As `fetch` sends it. */
function encoded(value: string): string {
  return encodeURIComponent(value).replaceAll("'", '%27');
}

const OF_THE_CONNECTION = new Set(['connection', 'date', 'keep-alive', 'transfer-encoding', 'content-length']);

test('a handler answers behind the load balancer as it does on a server of its own', async () => {
  const echo = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await text(request);
    response.setHeader('X-Url', request.url ?? '');
    response.writeHead(body.length % 2 === 0 ? 200 : 400, ['Content-Type', 'text/plain', 'X-Agent', 'b']);
    response.end(`${request.method} ${request.headers['content-type'] ?? '-'} ${body}`);
  };
  const server = createServer((request, response) => void echo(request, response));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const requests = fc.record({
    method: fc.constantFrom('POST', 'GET', 'HEAD', 'OPTIONS'),
    query: fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.array(fc.string(), { minLength: 1, maxLength: 2 })),
    body: fc.string({ unit: 'grapheme' }),
    isBase64Encoded: fc.boolean(),
  });
  try {
    await fc.assert(
      fc.asyncProperty(requests, async ({ method, query, body: sent, isBase64Encoded }) => {
        const body = method === 'POST' ? sent : '';
        const pairs = Object.entries(query).map(([name, values]) => [name, values.map(encoded)] as const);
        const search = pairs.flatMap(([name, values]) => values.map((value) => `${name}=${value}`)).join('&');
        const direct = await fetch(`${url}/a${search === '' ? '' : `?${search}`}`, {
          method,
          headers: { 'content-type': 'text/plain' },
          ...(method === 'POST' && { body }),
        });
        const headers = [...direct.headers].filter(([name]) => !OF_THE_CONNECTION.has(name));
        const event = eventWith({
          httpMethod: method,
          path: '/a',
          multiValueQueryStringParameters: Object.fromEntries(pairs),
          multiValueHeaders: { 'content-type': ['text/plain'] },
          body: isBase64Encoded ? Buffer.from(body).toString('base64') : body,
          isBase64Encoded,
        });
        const { result } = await ask(event, echo);
        const expected = { status: direct.status, headers: Object.fromEntries(headers), body: await direct.text() };
        expect(shownToClient(result)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

const LARGE = JSON.stringify(Array.from({ length: 100_000 }, (_, index) => ({ event: index % 100 })));

test('an answer that the load balancer would not pass on is a problem that says so', async () => {
  const { result, faults } = await ask(eventWith(), (_, response) => response.end(LARGE));
  expect(result.statusCode).toBe(400);
  expect(JSON.parse(result.body)).toMatchObject({ code: 'answer_too_large', status: 400 });
  expect(faults).toEqual([]);
});

test('the limit is on the answer as JSON, with its quotes escaped', async () => {
  const body = '"'.repeat(LIMITS.albAnswerBytesMax / 2 + 1);
  const { result } = await ask(eventWith(), (_, response) => response.end(body));
  expect(JSON.parse(result.body)).toMatchObject({ code: 'answer_too_large' });
  const { result: fitting } = await ask(eventWith(), (_, response) => response.end(body.slice(0, 480_000)));
  expect(fitting.statusCode).toBe(200);
  expect(JSON.stringify(fitting).length).toBeLessThanOrEqual(LIMITS.albAnswerBytesMax);
});

test('one that is too large goes compressed to who takes that', async () => {
  const accepting = { 'accept-encoding': ['deflate, gzip;q=0.8'] };
  const { result } = await ask(eventWith({ multiValueHeaders: accepting }), (_, response) => response.end(LARGE));
  expect(result).toMatchObject({ statusCode: 200, isBase64Encoded: true });
  expect(result.multiValueHeaders['Content-Encoding']).toEqual(['gzip']);
  const bytes = Buffer.from(result.body, 'base64');
  expect(result.multiValueHeaders['Content-Length']).toEqual([String(bytes.length)]);
  expect(gunzipSync(bytes).toString()).toBe(LARGE);
  const refusing = { 'accept-encoding': ['gzip;q=0, identity'] };
  const refused = await ask(eventWith({ multiValueHeaders: refusing }), (_, response) => response.end(LARGE));
  expect(refused.result.statusCode).toBe(400);
});

test('a compressed answer of the handler itself stays as it is', async () => {
  const { result } = await ask(eventWith(), (_, response) => {
    response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync('hello'));
  });
  expect(gunzipSync(Buffer.from(result.body, 'base64')).toString()).toBe('hello');
});

test.each<[string, HandleRequest]>([
  [
    'throws',
    () => {
      throw new Error('planted');
    },
  ],
  ['rejects', () => Promise.reject(new Error('planted'))],
  ['closes the connection', (request) => request.socket.destroy(new Error('planted'))],
])('a handler that %s is answered with 500 and told', async (_, handle) => {
  const { result, faults } = await ask(eventWith(), handle);
  expect(result.statusCode).toBe(500);
  expect(JSON.parse(result.body)).toMatchObject({ code: 'internal' });
  expect(faults).toHaveLength(1);
});

test('a target group without multi-value headers is told so, rather than refused for a missing key', async () => {
  const { multiValueHeaders: _, ...event } = eventWith();
  const { result } = await ask(event, (__, response) => response.end());
  expect(result.statusCode).toBe(500);
  expect(result.body).toMatch(/multi-value headers are off/);
});

import { brotliDecompressSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { type AlbRequest, albAnswer, albEvent, HEALTH_CHECK } from '../../tests/alb.ts';
import { FakeLog } from '../../tests/collector.ts';
import { TRACKER_PATHS, Tracker } from '../collect/tracker.ts';
import { ClickstreamError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { decodeReceipt } from '../log/receipt.ts';
import type { Witness } from '../store/event-store.ts';
import { createCollectHandler } from './collect-handler.ts';

const KEY = 'k'.repeat(40);
const BUILT = `send("/v1/b",'${'é'.repeat(100)}')`;

function collector(options: { readonly key?: string | undefined } = { key: KEY }) {
  const log = new FakeLog();
  const witnesses: Witness[] = [];
  const faults: string[] = [];
  const time = { nowMs: Date.parse('2026-11-25T08:00:00.000Z') };
  const store = {
    behave: () => Promise.resolve(),
    witness: async (witness: Witness) => {
      witnesses.push(witness);
      await store.behave();
    },
  };
  const secret = {
    text: options.key,
    looks: 0,
    look: async () => {
      secret.looks += 1;
    },
    settled: async () => undefined,
  };
  const salts = {
    isAway: false,
    of: async (day: string) => {
      if (salts.isAway) throw new ClickstreamError('salt_unavailable');
      return Buffer.from(day);
    },
  };
  const handler = createCollectHandler({
    log,
    store,
    secret,
    salts,
    tracker: new Tracker({ built: BUILT, paths: TRACKER_PATHS }),
    proxies: 1,
    clock: () => time.nowMs,
    report: (what, fault) => faults.push(`${what}: ${String(fault)}`),
  });
  const ask = async (request: AlbRequest) => albAnswer(await handler(albEvent(request)));
  return { handler, ask, log, witnesses, faults, time, store, secret, salts };
}

function track(part: Partial<AlbRequest> = {}): AlbRequest {
  const authorization = `Basic ${Buffer.from(`${KEY}:`).toString('base64')}`;
  return {
    method: 'POST',
    url: '/v1/track',
    body: JSON.stringify({ event: 'Bought', userId: 'u1', messageId: 'm1' }),
    ...part,
    headers: { 'content-type': 'application/json', authorization, ...part.headers },
  };
}

test('with the key an event is in the log before it is acknowledged', async () => {
  const { ask, log } = collector();
  const held = Promise.withResolvers<void>();
  log.behave = () => held.promise;
  let isAnswered = false;
  const asking = ask(track()).then((answer) => {
    isAnswered = true;
    return answer;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(isAnswered).toBe(false);
  held.resolve();
  const { status, headers, body } = await asking;
  const receipt = headers['clickstream-receipt'];
  expect([status, JSON.parse(body)]).toEqual([200, { success: true, receipt }]);
  expect(decodeReceipt(receipt ?? '')?.counts).toEqual([1]);
  expect(log.events()).toMatchObject([{ eventId: 'm1', userId: 'u1' }]);
});

test('a compressed body arrives as base64, and is read', async () => {
  const { ask, log } = collector();
  const body = gzipSync(JSON.stringify({ batch: [{ type: 'track', event: 'Bought', userId: 'u1', messageId: 'm1' }] }));
  const request = track({ url: '/v1/batch', body, headers: { 'content-encoding': 'gzip' } });
  expect((await ask(request)).status).toBe(200);
  expect(log.events()).toHaveLength(1);
});

test.each([
  ['no key', { authorization: '' }, 'write_key_missing'],
  ['another key', { authorization: `Bearer ${KEY}x` }, 'write_key_wrong'],
])('with %s it is 401, and nothing is in the log', async (_, headers, code) => {
  const { ask, log } = collector();
  const answer = await ask(track({ headers }));
  expect(answer.status).toBe(401);
  expect(JSON.parse(answer.body)).toMatchObject({ code });
  expect(log.appends).toEqual([]);
});

test('while the secret is unknown the right key is asked to come again, and none is 401', async () => {
  const { ask, log, secret } = collector({ key: undefined });
  const answer = await ask(track({ headers: { origin: 'https://shop.test' } }));
  expect(answer.status).toBe(503);
  expect(answer.headers).toMatchObject({ 'retry-after': '1', 'access-control-allow-origin': 'https://shop.test' });
  expect(JSON.parse(answer.body)).toMatchObject({ code: 'keys_unavailable' });
  expect((await ask(track({ headers: { authorization: '' } }))).status).toBe(401);
  expect(log.appends).toEqual([]);
  secret.text = KEY;
  expect((await ask(track())).status).toBe(200);
});

test('a new key is taken, and the old one no more, once the secret has it', async () => {
  const { ask, secret } = collector();
  expect((await ask(track())).status).toBe(200);
  secret.text = 'n'.repeat(40);
  expect((await ask(track())).status).toBe(401);
  expect((await ask(track({ headers: { authorization: `Bearer ${secret.text}` } }))).status).toBe(200);
});

test('the health check is answered whatever the secret is, without a look at it', async () => {
  const { handler, secret } = collector({ key: undefined });
  expect(albAnswer(await handler(HEALTH_CHECK))).toMatchObject({ status: 200, body: '{"status":"ok"}' });
  expect(secret.looks).toBe(0);
});

test('a path of nobody is a problem, and a log that cannot is 503', async () => {
  const { ask, log, faults } = collector();
  const nobody = await ask({ url: '/nobody' });
  expect(nobody.status).toBe(404);
  expect(JSON.parse(nobody.body)).toMatchObject({ code: 'not_found' });
  log.behave = () => Promise.reject(new ClickstreamError('log_unavailable'));
  const away = await ask(track());
  expect(away.status).toBe(503);
  expect(away.headers['retry-after']).toBe('1');
  expect(faults).toEqual([]);
});

test("the visitor's address is the one that the load balancer saw, truncated", async () => {
  const { ask, log } = collector();
  const { status } = await ask({
    method: 'POST',
    url: '/v1/p',
    headers: { 'content-type': 'text/plain', 'x-forwarded-for': '198.51.100.1', 'user-agent': 'Firefox' },
    body: JSON.stringify({ writeKey: KEY, anonymousId: 'a1', type: 'page', messageId: 'm1' }),
  });
  expect(status).toBe(200);
  expect(log.events()).toMatchObject([{ context: { ip: '203.0.113.0', userAgent: 'Firefox' } }]);
});

test('a browser without any id gets one of the address that the load balancer saw, and is asked to come again without a salt', async () => {
  const { ask, log, salts, faults } = collector();
  const send = (forwarded: string, key = KEY) =>
    ask({
      method: 'POST',
      url: '/v1/b',
      headers: { 'content-type': 'text/plain', 'x-forwarded-for': forwarded },
      body: JSON.stringify({
        writeKey: key,
        batch: [{ type: 'page', messageId: 'm1', context: { cookieless: true } }],
      }),
    });
  expect((await send('198.51.100.1')).status).toBe(200);
  expect((await send('198.51.100.2')).status).toBe(200);
  const [first, second] = log.events().map(({ anonymousId }) => anonymousId);
  expect(first).toMatch(/^[\w-]{16}$/);
  expect(second).toBe(first);
  salts.isAway = true;
  const refused = await send('198.51.100.1');
  expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1']);
  expect(JSON.parse(refused.body)).toMatchObject({ code: 'salt_unavailable' });
  expect((await ask(track())).status).toBe(200);
  expect(faults).toEqual([]);
});

test('the tracker is for all, compressed or not, and without a look at the log', async () => {
  const { handler, ask, log } = collector({ key: undefined });
  const plain = await ask({ url: '/t.js' });
  expect([plain.status, plain.body]).toEqual([200, BUILT]);
  expect(plain.headers).toMatchObject({ 'access-control-allow-origin': '*', 'cache-control': 'public, max-age=3600' });
  const packed = await handler(albEvent({ url: '/t.js', headers: { 'accept-encoding': 'br, gzip' } }));
  expect(packed).toMatchObject({ statusCode: 200, isBase64Encoded: true });
  expect(packed.multiValueHeaders['Content-Encoding']).toEqual(['br']);
  expect(brotliDecompressSync(Buffer.from(packed.body, 'base64')).toString()).toBe(BUILT);
  const known = { 'if-none-match': plain.headers.etag ?? '' };
  expect(await ask({ url: '/t.js', headers: known })).toMatchObject({ status: 304, body: '' });
  expect(await ask({ method: 'HEAD', url: '/t.js' })).toMatchObject({ status: 200, body: '' });
  expect(log.appends).toEqual([]);
});

test('what was acknowledged is witnessed with the request, at most once in witnessMs', async () => {
  const { ask, witnesses, time } = collector();
  await ask(track());
  expect(witnesses).toMatchObject([{ number: 0, lane: '0', sequence: 0n }]);
  await ask(track());
  expect(witnesses).toHaveLength(1);
  time.nowMs += LIMITS.witnessMs;
  await ask(HEALTH);
  expect(witnesses.map(({ number }) => number)).toEqual([0, 1]);
  time.nowMs += LIMITS.witnessMs;
  await ask(HEALTH);
  expect(witnesses).toHaveLength(2);
});

const HEALTH: AlbRequest = { url: '/health' };

test('a witness that fails is told, and fails no request', async () => {
  const { ask, faults, store, time, witnesses } = collector();
  store.behave = () => Promise.reject(new Error('planted'));
  expect((await ask(track())).status).toBe(200);
  expect(faults).toEqual(['collect: the witness: Error: planted']);
  time.nowMs += LIMITS.witnessMs;
  store.behave = () => Promise.resolve();
  await ask(HEALTH);
  expect(witnesses.map(({ number }) => number)).toEqual([0, 0]);
});

test('a store that does not come back holds no answer for ever, and is not asked twice at once', async () => {
  const { ask, store, time, witnesses } = collector();
  store.behave = () => new Promise(() => undefined);
  const startedAtMs = performance.now();
  expect((await ask(track())).status).toBe(200);
  expect(performance.now() - startedAtMs).toBeLessThan(LIMITS.witnessMs + 1_000);
  time.nowMs += LIMITS.witnessMs;
  expect((await ask(track())).status).toBe(200);
  expect(witnesses).toHaveLength(1);
});

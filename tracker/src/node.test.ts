import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { init } from './node.ts';

interface Body {
  readonly batch: readonly { readonly event?: string; readonly context?: { readonly dropped?: number } }[];
  readonly writeKey: string;
  readonly sentAt: number;
}

let server: Server;
let endpoint: string;
const bodies: Body[] = [];
const paths: (string | undefined)[] = [];
/** Statuses of the next answers; after them it is 200. */
let answers: (number | 'none')[];

async function take(request: IncomingMessage): Promise<void> {
  paths.push(request.url);
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  bodies.push(JSON.parse(Buffer.concat(chunks).toString()) as Body);
}

beforeEach(async () => {
  answers = [];
  bodies.length = 0;
  paths.length = 0;
  server = createServer((request, response) => {
    void take(request).then(() => {
      const status = answers.shift() ?? 200;
      if (status === 'none') request.socket.destroy();
      else response.writeHead(status, { 'Content-Type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.close();
  server.closeAllConnections();
  vi.restoreAllMocks();
});

const events = () => bodies.flatMap(({ batch }) => batch.map(({ event }) => event));

test('sends what was called, in one request, as the server reads it', async () => {
  const tracker = init({ endpoint: `${endpoint}/`, key: 'KEY' });
  tracker.page({ path: '/pricing' }, { anonymousId: 'd1', context: { locale: 'de' } });
  tracker.identify('ada', { plan: 'pro' }, { anonymousId: 'd1' });
  tracker.track('Signed Up', { plan: 'pro' }, { userId: 'ada', timestamp: new Date('2026-11-26T10:00:00.000Z') });
  await tracker.flush();
  const made = { messageId: expect.stringMatching(/^[0-9a-f-]{36}$/), timestamp: expect.stringMatching(/Z$/) };
  expect(bodies).toEqual([
    {
      writeKey: 'KEY',
      sentAt: expect.any(Number),
      batch: [
        { ...made, type: 'page', properties: { path: '/pricing' }, anonymousId: 'd1', context: { locale: 'de' } },
        { ...made, type: 'identify', traits: { plan: 'pro' }, userId: 'ada', anonymousId: 'd1', context: {} },
        {
          ...{ ...made, timestamp: '2026-11-26T10:00:00.000Z' },
          ...{ type: 'track', event: 'Signed Up', properties: { plan: 'pro' }, userId: 'ada', context: {} },
        },
      ],
    },
  ]);
  expect(paths).toEqual(['/v1/batch']);
  expect(await tracker.close()).toEqual({ unsent: 0 });
});

test('sends by itself, soon', async () => {
  const tracker = init({ endpoint });
  tracker.track('a', {}, { userId: 'ada' });
  await expect.poll(events, { timeout: 5_000 }).toEqual(['a']);
  await tracker.close();
});

test('sends by itself also what is called while it sends', async () => {
  const tracker = init({ endpoint });
  tracker.track('a', {}, { userId: 'ada' });
  const flushed = tracker.flush();
  tracker.track('b', {}, { userId: 'ada' });
  await flushed;
  await expect.poll(events, { timeout: 5_000 }).toEqual(['a', 'b']);
  await tracker.close();
});

test('many events are several batches, in order', async () => {
  const tracker = init({ endpoint });
  const names = Array.from({ length: 1_500 }, (_, index) => `e${index}`);
  for (const name of names) tracker.track(name, {}, { userId: 'ada' });
  await tracker.flush();
  expect(bodies.length).toBe(2);
  expect(events()).toEqual(names);
  await tracker.close();
});

describe('a server that is away or refuses', () => {
  test('is asked again until it answers, with the same events', async () => {
    answers = [503, 'none'];
    const tracker = init({ endpoint });
    tracker.track('a', {}, { userId: 'ada' });
    await tracker.flush();
    expect(events()).toEqual(['a', 'a', 'a']);
    expect(new Set(bodies.map(({ batch }) => JSON.stringify(batch))).size).toBe(1);
    await tracker.close();
  });

  test('for good is not asked again', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    answers = [401];
    const tracker = init({ endpoint });
    tracker.track('a', {}, { userId: 'ada' });
    await tracker.flush();
    tracker.track('b', {}, { userId: 'ada' });
    await tracker.flush();
    expect(events()).toEqual(['a', 'b']);
    expect(warn.mock.calls).toEqual([['clickstream: 401, 1 events dropped']]);
    await tracker.close();
  });

  test('does not keep close from its end, which says what is unsent', async () => {
    answers = Array.from({ length: 100 }, () => 503);
    const tracker = init({ endpoint });
    tracker.track('a', {}, { userId: 'ada' });
    tracker.track('b', {}, { userId: 'ada' });
    const started = performance.now();
    expect(await tracker.close({ timeoutMs: 300 })).toEqual({ unsent: 2 });
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  test('makes it keep the newest five million characters, and say how many events are gone', async () => {
    const text = 'x'.repeat(10_000);
    answers = [503];
    const tracker = init({ endpoint });
    for (let place = 0; place < 520; place += 1) tracker.track(`e${place}`, { text }, { userId: 'ada' });
    tracker.track('last', {}, { userId: 'ada' });
    await tracker.flush();
    const arrived = [...new Set(events())];
    expect(arrived.length).toBeGreaterThan(480);
    expect(arrived).toEqual([
      ...Array.from({ length: arrived.length - 1 }, (_, index) => `e${521 - arrived.length + index}`),
      'last',
    ]);
    expect(bodies.at(-1)?.batch.at(-1)?.context?.dropped).toBe(521 - arrived.length);
    await tracker.close();
  });
});

test('a time that is none, and nobody’s event, are for the server to set aside, and throw nothing', async () => {
  const tracker = init({ endpoint });
  tracker.track('a', {}, { userId: 'ada', timestamp: new Date('soon') });
  tracker.track('b', {}, undefined as never);
  tracker.identify('ada', {}, undefined);
  await tracker.close();
  expect(bodies[0]?.batch).toMatchObject([{ event: 'a', timestamp: null }, { event: 'b' }, { userId: 'ada' }]);
});

test('an event that no request may hold is said and lost, and no other', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const tracker = init({ endpoint });
  tracker.track('a', {}, { userId: 'ada' });
  tracker.track('large', { text: 'x'.repeat(1_000_000) }, { userId: 'ada' });
  expect(await tracker.close()).toEqual({ unsent: 0 });
  expect(events()).toEqual(['a']);
  expect(warn).toHaveBeenCalledTimes(1);
});

test('what cannot be JSON, and what comes after the end, is said and lost, and throws nothing', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const tracker = init({ endpoint });
  tracker.track('a', { big: 1n }, { userId: 'ada' });
  await tracker.close();
  tracker.track('b', {}, { userId: 'ada' });
  expect(events()).toEqual([]);
  expect(warn).toHaveBeenCalledTimes(2);
});

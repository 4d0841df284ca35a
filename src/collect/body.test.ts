import { createServer, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ClickstreamError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { type BodyMemory, readBody } from './body.ts';

let memory: BodyMemory;
let received: PromiseWithResolvers<void>;
let closed: PromiseWithResolvers<void>;
const bodies: (Buffer | ClickstreamError)[] = [];
const server = createServer((request, response) => {
  readBody(request, memory, (body) => {
    bodies.push(body);
    response.end();
  });
  request.once('data', () => received.resolve());
  request.once('close', () => closed.resolve());
});

beforeEach(async () => {
  memory = { bytes: 0 };
  bodies.length = 0;
  received = Promise.withResolvers();
  closed = Promise.withResolvers();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
});
afterEach(async () => {
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
});

function start(body: string) {
  const { port } = server.address() as AddressInfo;
  const outgoing = send({ port, host: '127.0.0.1', method: 'POST', headers: { 'content-length': 10 } });
  // A client that is cut off, or cuts itself off, is what these tests are about.
  outgoing.on('error', () => outgoing.destroy());
  outgoing.write(body);
  return outgoing;
}

test('a client that goes away leaves nothing behind', async () => {
  const outgoing = start('12345');
  await received.promise;
  expect(memory.bytes).toBe(5);
  outgoing.destroy();
  await closed.promise;
  expect(memory.bytes).toBe(0);
  expect(bodies).toEqual([]);
});

test('a body that was read holds nothing', async () => {
  start('1234567890').end();
  await closed.promise;
  expect(bodies.map(String)).toEqual(['1234567890']);
  expect(memory.bytes).toBe(0);
});

test('when all bodies together hold too much, one more is refused', async () => {
  memory.bytes = LIMITS.bodiesBytesMax;
  start('1234567890').end();
  await closed.promise;
  expect(bodies).toMatchObject([{ code: 'overloaded' }]);
  expect(memory.bytes).toBe(LIMITS.bodiesBytesMax);
});

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type Answer, Connection, parseAnswer } from './connection.ts';

const WHOLE =
  'HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nRetry-After: 2\r\nContent-Length: 5\r\n\r\nhällo'.replace(
    'hällo',
    'häll',
  );

describe('an answer', () => {
  test('is incomplete until its last byte', () => {
    const bytes = Buffer.from(WHOLE);
    for (let end = 0; end < bytes.length; end += 1) expect(parseAnswer(bytes.subarray(0, end))).toBe('incomplete');
    expect(parseAnswer(bytes)).toEqual({ status: 503, retryAfterSeconds: 2, body: 'häll', keepAlive: true });
  });

  test.each([
    ['no length', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['closing', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'],
    ['more than it says', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nx'],
    ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'],
  ])('counts, and its connection is not used again: %s', (_, text) => {
    expect(parseAnswer(Buffer.from(text))).toMatchObject({ status: 200, keepAlive: false });
  });

  test.each(['HTTP/1.0 200 OK\r\n\r\n', 'HTTP/1.1 100 Continue\r\n\r\n', 'nonsense\r\n\r\n', 'x'.repeat(20_000)])(
    'is refused when it is not plain HTTP/1.1: %#',
    (text) => expect(parseAnswer(Buffer.from(text))).toBe('invalid'),
  );
});

let server: Server | undefined;
afterEach(() => void server?.close());

async function connectionTo(serve: (socket: Socket, request: string) => void): Promise<Connection> {
  server = createServer((socket) => {
    socket.on('error', () => {}).on('data', (bytes) => serve(socket, bytes.toString()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return new Connection(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
}

function sent(connection: Connection, request: string): Promise<Answer | undefined> {
  return new Promise((resolve) => connection.send(request, resolve));
}

describe('a connection', () => {
  test('is used again for the next request, and made anew after a cut', async () => {
    const sockets = new Set<Socket>();
    const connection = await connectionTo((socket, request) => {
      sockets.add(socket);
      if (request === 'cut') socket.destroy();
      else socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${request.length}\r\n\r\n${request}`);
    });
    expect(await sent(connection, 'one')).toMatchObject({ status: 200, body: 'one' });
    expect(await sent(connection, 'two')).toMatchObject({ body: 'two' });
    expect(sockets.size).toBe(1);
    expect(await sent(connection, 'cut')).toBeUndefined();
    expect(await sent(connection, 'three')).toMatchObject({ body: 'three' });
    expect(sockets.size).toBe(2);
    connection.close();
  });

  test('takes half an answer for none', async () => {
    const connection = await connectionTo((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf'));
    expect(await sent(connection, 'x')).toBeUndefined();
  });

  test('says that nobody listens', async () => {
    const connection = await connectionTo(() => {});
    server?.close();
    expect(await sent(connection, 'x')).toBeUndefined();
  });
});

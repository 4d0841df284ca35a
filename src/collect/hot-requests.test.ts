import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { type HotRequest, type Reply, serveHotRequests } from './hot-requests.ts';

const OK = { status: 200, contentType: 'text/plain', body: 'hot' };
let server: Server;
let closeHot: () => void;
let taken: { readonly request: HotRequest; readonly reply: Reply }[];

/** A server that answers "hot" to what is taken as such, and "http" to what came to node:http; sends bytes, and returns all that came back. */
async function serve({ answering = true } = {}): Promise<(pieces: readonly string[]) => Promise<string>> {
  taken = [];
  server = createServer((request, response) => {
    request.resume().on('end', () => response.end('http'));
  });
  closeHot = serveHotRequests(server, (request, reply) => {
    if (request.path !== '/v1/track') return false;
    taken.push({ request, reply });
    if (answering) setImmediate(() => reply({ ...OK, body: `hot ${taken.length}` }, {}));
    return true;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (pieces) =>
    new Promise((resolve) => {
      let answer = '';
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
      socket.on('data', (chunk) => {
        answer += chunk.toString('latin1');
      });
      socket.on('close', () => resolve(answer));
      void (async () => {
        for (const piece of pieces) {
          socket.write(piece);
          await sleep(30);
        }
        socket.end();
      })();
    });
}

afterEach(() => {
  server.close();
  closeHot();
  server.closeAllConnections();
});

const request = (body: string, headers = '') =>
  `POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`;

describe('the hot shape', () => {
  test('is answered with its own receipt, and the length of its own body', async () => {
    const send = await serve({ answering: false });
    const answering = send([request('1'), request('2')]);
    for (const [index, [receipt, body]] of [
      ['a.0.0.1.local:0.x', 'ä'],
      [undefined, 'none'],
    ].entries()) {
      while (taken[index] === undefined) await sleep(5);
      taken[index].reply({ ...OK, body: body ?? '', receipt }, {});
    }
    const answer = Buffer.from(await answering, 'latin1').toString();
    expect(answer).toMatch(/Clickstream-Receipt: a\.0\.0\.1\.local:0\.x\r\nContent-Length: 2\r\n\r\näHTTP/);
    expect(answer.match(/Clickstream-Receipt/g)).toHaveLength(1);
    expect(answer).toMatch(/Content-Length: 4\r\n\r\nnone$/);
  });
  test('is answered without node:http, request after request', async () => {
    const answer = await (await serve())([request('{"a":1}'), request('{"b":2}', 'Authorization: Bearer k\r\n')]);
    expect(answer.match(/HTTP\/1.1 200 OK/g)).toHaveLength(2);
    expect(answer).toContain('hot 2');
    expect(answer).toMatch(/\r\nDate: .* GMT\r\n.*Connection: keep-alive\r\n/s);
    expect(taken.map(({ request: { body, authorization } }) => [String(body), authorization])).toEqual([
      ['{"a":1}', undefined],
      ['{"b":2}', 'Bearer k'],
    ]);
  });
  test('that comes before the last answer waits for it', async () => {
    const send = await serve({ answering: false });
    const answer = send([request('1'), request('2')]);
    await expect.poll(() => taken.length).toBe(1);
    await sleep(60);
    expect(taken).toHaveLength(1);
    taken[0]?.reply({ ...OK, body: 'first' }, {});
    await expect.poll(() => taken.length).toBe(2);
    taken[1]?.reply({ ...OK, body: 'second' }, {});
    expect(await answer).toMatch(/first.*second$/s);
  });
  test('is the last on its connection when the server closes it', async () => {
    const send = await serve({ answering: false });
    const answer = send([request('1')]);
    await expect.poll(() => taken.length).toBe(1);
    closeHot();
    taken[0]?.reply(OK, {});
    expect(await answer).toMatch(/Connection: close\r\n/);
  });
});

describe('anything else goes to node:http with its bytes, and stays there', () => {
  test.each([
    ['another path', ['POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1']],
    ['another method', ['GET /v1/track HTTP/1.1\r\nHost: x\r\n\r\n']],
    ['a header that changes the answer', [request('1', 'Origin: https://shop.test\r\n')]],
    ['an encoding', [request('1', 'Content-Encoding: identity\r\n')]],
    ['a body in pieces', [request('123').slice(0, -2), '23']],
    ['a head in pieces', [request('123').slice(0, 20), request('123').slice(20)]],
    ['chunks', ['POST /v1/track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n']],
  ])('%s', async (_, pieces) => {
    const send = await serve();
    expect(await send([...pieces, request('4')])).toMatch(/^HTTP\/1.1 200 OK.*http.*HTTP\/1.1 200 OK.*http$/s);
    expect(taken).toEqual([]);
  });
  test.each([
    ['two lengths', request('1', 'Content-Length: 2\r\n')],
    ['a length and chunks', request('1', 'Transfer-Encoding: chunked\r\n')],
    ['no host', 'POST /v1/track HTTP/1.1\r\nContent-Length: 1\r\n\r\n1'],
    ['a folded header', request('1', 'Accept: a\r\n b\r\n')],
    ['a space before the colon', request('1', 'Accept : a\r\n')],
    ['a bare line feed', `POST /v1/track HTTP/1.1\r\nHost: x\nContent-Length: 1\r\n\r\n1`],
  ])('%s, which node:http refuses or reads by its own rules', async (_, bytes) => {
    await (await serve())([bytes]);
    expect(taken).toEqual([]);
  });
  test('two requests at once, of which both are answered', async () => {
    const answer = await (await serve())([request('1') + request('2')]);
    expect(answer.match(/HTTP\/1.1 200 OK/g)).toHaveLength(2);
  });
});

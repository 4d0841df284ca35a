import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { afterEach, describe, expect, test } from 'vitest';
import { ClickstreamError } from '../../core/errors.ts';
import { createKinesisClient } from './kinesis-client.ts';
import { KinesisEventLog } from './kinesis-event-log.ts';

const ONE = [{ partitionKey: 'a', data: '1' }];
const TAKEN = JSON.stringify({
  FailedRecordCount: 0,
  Records: [{ ShardId: 'shardId-000000000000', SequenceNumber: '7' }],
});

describe('over the network', () => {
  const opened: { close(): void }[] = [];
  afterEach(() => {
    for (const one of opened.splice(0)) one.close();
  });

  test('the client does not try again', async () => {
    const { client, requests } = await openOn((_request, response) => response.writeHead(503).end());
    const put = client.send(new PutRecordsCommand({ StreamName: 'events', Records: [] }));
    await expect(put).rejects.toThrow();
    expect(requests.count).toBe(1);
  });

  test('the log does', async () => {
    const answers = [503, 500, 200];
    const { log, requests } = await openOn((_request, response) => {
      const status = answers[requests.count - 1] ?? 200;
      response.writeHead(status).end(status === 200 ? TAKEN : '<html>Service Unavailable</html>');
    });
    expect(await log.append(ONE)).toEqual([{ lane: 'shardId-000000000000', sequence: 7n }]);
    expect(requests.count).toBe(3);
  });

  test('one connection serves one call after the other', async () => {
    const { log, server, requests } = await openOn((_request, response) => response.end(TAKEN));
    let connections = 0;
    server.on('connection', () => {
      connections += 1;
    });
    for (let number = 0; number < 5; number++) await log.append(ONE);
    expect(requests.count).toBe(5);
    expect(connections).toBe(1);
  });

  test.each<[string, RequestListener]>([
    ['never answered', () => undefined],
    [
      'kept waiting',
      (_request, response) => {
        const timer = setInterval(() => response.writeProcessing(), 20);
        response.on('close', () => clearInterval(timer));
      },
    ],
    ['answered by half', (_request, response) => response.writeHead(200, { 'content-length': 500 }).write('{')],
    ['cut off', (request) => request.socket.destroy()],
    ['answered with 503', (_request, response) => response.writeHead(503).end('<html>')],
    ['answered with what is not JSON', (_request, response) => response.end('<html>')],
  ])('a call that is %s is tried again, and given up at the deadline', async (_how, answer) => {
    const { log, requests } = await openOn(answer);
    const startMs = performance.now();
    const error = await log.append(ONE).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ClickstreamError);
    expect(error).toMatchObject({ code: 'log_unavailable', cause: expect.any(Error) });
    expect(requests.count).toBeGreaterThan(1);
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });

  test('a server that is not there is tried again too', async () => {
    const { log, server } = await openOn(() => undefined);
    server.close();
    await once(server, 'close');
    const error = await log.append(ONE).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'log_unavailable', message: expect.stringMatching(/tried \d+ times/) });
  });

  test.each(['AccessDeniedException', 'ResourceNotFoundException'])('%s rejects at once', async (name) => {
    const { log, requests } = await openOn((_request, response) => {
      response.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify({ __type: name }));
    });
    const error = await log.append(ONE).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'log_unavailable', cause: { name } });
    expect(requests.count).toBe(1);
  });

  test('a throttle of the whole call is an overload', async () => {
    const { log, requests } = await openOn((_request, response) => {
      const body = JSON.stringify({ __type: 'ProvisionedThroughputExceededException' });
      response.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' }).end(body);
    });
    expect(await log.append(ONE).catch((thrown: unknown) => thrown)).toMatchObject({ code: 'overloaded' });
    expect(requests.count).toBeGreaterThan(1);
  });

  async function openOn(answer: RequestListener): Promise<{
    readonly client: KinesisClient;
    readonly log: KinesisEventLog;
    readonly server: Server;
    readonly requests: { count: number };
  }> {
    const requests = { count: 0 };
    const server = createServer((request, response) => {
      request.resume();
      request.on('end', () => {
        requests.count += 1;
        answer(request, response);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const credentials = { accessKeyId: 'any', secretAccessKey: 'any' };
    const limits = { kinesisRequestMsMax: 100, kinesisDeadlineMsMax: 500, kinesisBackoffMsMin: 10 };
    const client = createKinesisClient({ endpoint, region: 'us-east-1', credentials, limits });
    opened.push({
      close() {
        client.destroy();
        server.closeAllConnections();
        server.close();
      },
    });
    return { client, log: new KinesisEventLog({ client, stream: 'events', limits }), server, requests };
  }
});

import { PutRecordCommand } from '@aws-sdk/client-kinesis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildScript } from '../../tracker/build.ts';
import { type Lambdas, startLambdas } from './lambda.ts';

let lambdas: Lambdas;

beforeAll(async () => {
  lambdas = await startLambdas();
}, 60_000);

afterAll(async () => {
  await lambdas.stop();
});

async function send(calls: readonly object[], key = lambdas.writeKey) {
  return lambdas.collect({
    method: 'POST',
    url: '/v1/batch',
    headers: {
      'content-type': 'application/json',
      authorization: `Basic ${Buffer.from(`${key}:`).toString('base64')}`,
    },
    body: JSON.stringify({ batch: calls }),
  });
}

async function read(url: string): Promise<unknown> {
  const answer = await lambdas.query({ url, headers: { authorization: `Bearer ${lambdas.readToken}` } });
  if (answer.status !== 200) throw new Error(answer.body);
  return JSON.parse(answer.body);
}

function callsOf(count: number, prefix: string) {
  return Array.from({ length: count }, (_, index) => ({
    type: 'track',
    event: 'Bought',
    anonymousId: `${prefix}-${index % 7}`,
    messageId: `${prefix}-${index}`,
    timestamp: new Date().toISOString(),
  }));
}

test('what the collector acknowledged is counted and found once, whatever is sent or delivered twice', async () => {
  const calls = callsOf(150, 'a');
  expect((await send(calls)).status).toBe(200);
  expect((await send(calls)).status).toBe(200);
  expect(await lambdas.pump({ batchRecordsMax: 3 })).toBeGreaterThan(7);
  expect(await read('/api/v1/audit')).toMatchObject({ balanced: true, accepted: 300, stored: 150, duplicate: 150 });
  const { events } = (await read('/api/v1/users/a-3/events?limit=1000')) as { events: readonly { eventId: string }[] };
  const expected = calls.filter(({ anonymousId }) => anonymousId === 'a-3').map(({ messageId }) => messageId);
  expect(events.map(({ eventId }) => eventId).sort()).toEqual([...expected].sort());
  const from = new Date(Date.now() - 3_600_000).toISOString();
  const to = new Date(Date.now() + 60_000).toISOString();
  const { rows } = (await read(`/api/v1/stats?measure=events&from=${from}&to=${to}&interval=hour`)) as {
    readonly rows: readonly { readonly value: number }[];
  };
  expect(rows.reduce((sum, { value }) => sum + value, 0)).toBe(150);
});

test('without the key nothing comes into the stream, and without the token nothing out of the store', async () => {
  expect((await send(callsOf(1, 'x'), 'another')).status).toBe(401);
  expect(await lambdas.pump()).toBe(0);
  expect((await lambdas.query({ url: '/api/v1/events' })).status).toBe(401);
});

test('a record that cannot be read goes whole to the bucket, and the good ones around it are stored', async () => {
  expect((await send(callsOf(20, 'b'))).status).toBe(200);
  const broken = Buffer.from([0xff, 0x00, 0x01, 0xfe]);
  await lambdas.kinesis.client.send(
    new PutRecordCommand({ StreamName: lambdas.stream, PartitionKey: 'default/b-1', Data: broken }),
  );
  expect((await send(callsOf(20, 'c'))).status).toBe(200);
  await lambdas.pump();
  expect(await read('/api/v1/audit')).toMatchObject({ balanced: true, stored: 190 });
  const [[key, letter] = ['', '{}']] = lambdas.aws.objects;
  expect(key).toMatch(/^dead-letters\/shardId-\d+\/\d+\.json$/);
  const { payload, KinesisBatchInfo } = JSON.parse(letter) as {
    readonly payload: string;
    readonly KinesisBatchInfo: object;
  };
  expect(KinesisBatchInfo).toMatchObject({ batchSize: 1 });
  const { Records } = JSON.parse(payload) as { readonly Records: readonly { readonly kinesis: { data: string } }[] };
  expect(Records.map(({ kinesis }) => kinesis.data)).toEqual([broken.toString('base64')]);
});

test('the page, the document and the health of both functions answer through the load balancer', async () => {
  expect((await lambdas.query({ url: '/' })).body).toContain('<html');
  expect((await lambdas.query({ url: '/openapi.json' })).status).toBe(200);
  expect((await lambdas.query({ url: '/health' })).status).toBe(200);
  expect((await lambdas.collect({ url: '/health' })).status).toBe(200);
});

test('the collector serves the tracker that was bundled beside it', async () => {
  const { status, headers, body } = await lambdas.collect({ url: '/t.js' });
  expect([status, headers['content-type']]).toEqual([200, 'text/javascript; charset=utf-8']);
  expect(body).toBe(await buildScript());
});

test('what is open to all, and what is refused, names nothing of what the functions use', async () => {
  const names = ['EVENTS_TABLE', 'STATE_TABLE', 'WRITE_KEY_SECRET_ARN', 'READ_TOKEN_SECRET_ARN', 'AWS_REGION'].map(
    (name) => process.env[name] ?? name,
  );
  lambdas.kinesis.breakDown();
  const body = JSON.stringify({ userId: 'ada', event: 'Bought', writeKey: lambdas.writeKey });
  const answers = [
    ...(await Promise.all(
      ['/', '/ready', '/openapi.json', '/health', '/api/v1/audit'].map((url) => lambdas.query({ url })),
    )),
    ...(await Promise.all(['/health', '/elsewhere'].map((url) => lambdas.collect({ url })))),
    await lambdas.collect({ method: 'POST', url: '/v1/track', headers: { 'content-type': 'application/json' }, body }),
  ];
  lambdas.kinesis.mend();
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 401, 200, 404, 503]);
  expect(answers[1]?.body).toBe('{"ready":true,"reasons":[]}');
  for (const name of [...names, 'arn:aws', lambdas.readToken]) expect(JSON.stringify(answers)).not.toContain(name);
});

test('a stream that is away is 503, and what is sent again once it is back is stored once', async () => {
  const calls = callsOf(5, 'd');
  lambdas.kinesis.breakDown();
  const refused = await send(calls);
  expect(refused.status).toBe(503);
  expect(refused.headers['retry-after']).toBe('1');
  lambdas.kinesis.mend();
  expect((await send(calls)).status).toBe(200);
  await lambdas.pump();
  expect(await read('/api/v1/audit')).toMatchObject({ balanced: true, stored: 195 });
});

test('a browser without any id is one visitor of the day, by a salt in the table of states alone', async () => {
  const send = (address: string) =>
    lambdas.collect({
      method: 'POST',
      url: '/v1/b',
      headers: { 'content-type': 'text/plain', 'user-agent': 'Browser/1', 'x-forwarded-for': address },
      body: JSON.stringify({
        writeKey: lambdas.writeKey,
        batch: [{ type: 'page', timestamp: new Date().toISOString(), context: { cookieless: true } }],
      }),
    });
  expect([(await send('a')).status, (await send('b')).status]).toEqual([200, 200]);
  await lambdas.pump();
  const { events } = (await read('/api/v1/events?type=page&limit=10')) as {
    readonly events: readonly { readonly anonymousId: string }[];
  };
  const [first, second] = events.map(({ anonymousId }) => anonymousId);
  expect(first).toMatch(/^[\w-]{16}$/);
  expect(second).toBe(first);
  const { tables, itemsOf } = lambdas.dynamo;
  const salts = (await itemsOf(tables.state)).filter(({ pk }) => pk?.S === 'salt');
  expect(salts.map(({ salt }) => salt?.B?.length)).toEqual([32]);
  expect((await itemsOf(tables.events)).filter(({ pk }) => pk?.S === 'salt')).toEqual([]);
});

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import code from '../../infra/lib/empty-default-group.cjs';

interface Asked {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const asked: Asked[] = [];
/** What EC2 answers next; 200 when there is nothing. */
const answers: { readonly status: number; readonly body: string }[] = [];

const server = createServer(async (request, response) => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const { method, url, headers } = request;
  asked.push({ method, url, headers, body: Buffer.concat(parts).toString() });
  const answer = method === 'POST' ? answers.shift() : undefined;
  response.writeHead(answer?.status ?? 200).end(answer?.body ?? '<ok/>');
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

afterEach(() => {
  asked.length = 0;
  answers.length = 0;
  vi.unstubAllEnvs();
});

/** What CloudFormation is told in the end. */
async function emptied(event: object): Promise<Record<string, unknown>> {
  for (const [name, value] of Object.entries({
    AWS_REGION: 'eu-west-1',
    AWS_ENDPOINT_URL: address,
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'secret',
    AWS_SESSION_TOKEN: 'token',
  })) {
    vi.stubEnv(name, value);
  }
  await code.handler({
    RequestType: 'Create',
    ResponseURL: `${address}/answer?signature=x`,
    StackId: 'stack',
    RequestId: 'request',
    LogicalResourceId: 'EmptyDefaultGroup',
    ResourceProperties: { GroupId: 'sg-1' },
    ...event,
  });
  const last = asked.at(-1);
  expect(last).toMatchObject({ method: 'PUT', url: '/answer?signature=x' });
  // The address is signed without a content type.
  expect(last?.headers['content-type'] ?? '').toBe('');
  return JSON.parse(last?.body ?? '');
}

test('a request is signed as in the example of AWS', () => {
  // "get-vanilla" of AWS's test suite for signature version 4.
  const headers = code.sign({
    method: 'GET',
    host: 'example.amazonaws.com',
    path: '/',
    headers: {},
    body: '',
    service: 'service',
    region: 'us-east-1',
    now: new Date('2015-08-30T12:36:00Z'),
    keys: { id: 'AKIDEXAMPLE', secret: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', token: undefined },
  });
  expect(headers.authorization).toBe(
    'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, ' +
      'Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
  );
});

test('both rules are taken away, and CloudFormation is told', async () => {
  expect(await emptied({})).toMatchObject({
    Status: 'SUCCESS',
    PhysicalResourceId: 'emptied-sg-1',
    StackId: 'stack',
    RequestId: 'request',
    LogicalResourceId: 'EmptyDefaultGroup',
  });
  const calls = asked.slice(0, -1).map(({ body }) => Object.fromEntries(new URLSearchParams(body)));
  expect(calls).toEqual([
    {
      Action: 'RevokeSecurityGroupIngress',
      Version: '2016-11-15',
      GroupId: 'sg-1',
      'IpPermissions.1.IpProtocol': '-1',
      'IpPermissions.1.Groups.1.GroupId': 'sg-1',
    },
    {
      Action: 'RevokeSecurityGroupEgress',
      Version: '2016-11-15',
      GroupId: 'sg-1',
      'IpPermissions.1.IpProtocol': '-1',
      'IpPermissions.1.IpRanges.1.CidrIp': '0.0.0.0/0',
    },
  ]);
  expect(asked[0]?.headers).toMatchObject({ 'x-amz-security-token': 'token', host: new URL(address).host });
});

test('rules that are gone already are as good', async () => {
  const gone = { status: 400, body: '<Code>InvalidPermission.NotFound</Code>' };
  answers.push(gone, gone);
  expect(await emptied({})).toMatchObject({ Status: 'SUCCESS' });
});

test('a refusal fails the deployment, with its reason', async () => {
  vi.spyOn(console, 'error').mockImplementation(() => {});
  answers.push({ status: 403, body: '<Code>UnauthorizedOperation</Code>' });
  expect(await emptied({})).toMatchObject({
    Status: 'FAILED',
    Reason: expect.stringContaining('UnauthorizedOperation'),
  });
});

test('when the stack goes there is nothing to do', async () => {
  const answer = await emptied({ RequestType: 'Delete', PhysicalResourceId: 'emptied-sg-1' });
  expect(answer).toMatchObject({ Status: 'SUCCESS', PhysicalResourceId: 'emptied-sg-1' });
  expect(asked).toHaveLength(1);
});

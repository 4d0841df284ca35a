import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DeleteTableCommand, type DynamoDBClient, UpdateTableCommand } from '@aws-sdk/client-dynamodb';
import { DeleteBucketCommand, ListObjectVersionsCommand, type S3Client } from '@aws-sdk/client-s3';
import { afterEach, expect, test } from 'vitest';
import { CloudFormation } from '../../infra/cloudformation.ts';
import { discardHalfMade } from '../../infra/half-made.ts';
import { PARAMETERS_OF_STACK } from '../../infra/lib/parameters.ts';

const asked: { readonly body: URLSearchParams; readonly authorization: string | undefined }[] = [];
/** By action, in order. */
const answers: Record<string, { readonly status: number; readonly body: string }[]> = {};

const server = createServer(async (request, response) => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const body = new URLSearchParams(Buffer.concat(parts).toString());
  asked.push({ body, authorization: request.headers.authorization });
  const answer = answers[body.get('Action') ?? '']?.shift();
  response.writeHead(answer?.status ?? 500).end(answer?.body ?? 'no answer');
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

afterEach(() => {
  asked.length = 0;
  for (const action of Object.keys(answers)) delete answers[action];
});

const cloudFormation = new CloudFormation({
  region: 'eu-west-1',
  credentials: async () => ({ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', sessionToken: 'token' }),
  endpoint,
});

/** As AWS's pages of the two calls show answers. */
const DESCRIBED = `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>
  <StackName>TapStack-clickstream-prod</StackName><StackStatus>UPDATE_COMPLETE</StackStatus><StackStatusReason>x</StackStatusReason>
  <Outputs>
    <member><OutputKey>Region</OutputKey><OutputValue>eu-west-1</OutputValue><Description>The region</Description></member>
    <member><OutputKey>Url</OutputKey><OutputValue>http://a/?b=1&amp;c=&#x32;&lt;</OutputValue></member>
  </Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`;

function templateOf(template: object): string {
  const body = JSON.stringify(template).replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
  return `<GetTemplateResponse><GetTemplateResult><TemplateBody>${body}</TemplateBody></GetTemplateResult></GetTemplateResponse>`;
}

test('a stack is told with its outputs, and with the parameters in its template', async () => {
  const parameters = { environment: 'prod', alarmEmail: 'a&b<c>"@shop.example' };
  answers.DescribeStacks = [{ status: 200, body: DESCRIBED }];
  const Resources = {
    Events: { DeletionPolicy: 'RetainExceptOnCreate' },
    Key: { DeletionPolicy: 'Retain' },
    Vpc: {},
    Logs: { DeletionPolicy: 'Delete' },
  };
  const template = { Metadata: { [PARAMETERS_OF_STACK]: parameters }, Resources };
  answers.GetTemplate = [{ status: 200, body: templateOf(template) }];
  expect(await cloudFormation.stack('TapStack-clickstream-prod')).toEqual({
    status: 'UPDATE_COMPLETE',
    outputs: { Region: 'eu-west-1', Url: 'http://a/?b=1&c=2<' },
    parameters,
    retained: new Set(['Events', 'Key']),
  });
  expect(asked[0]?.body.get('StackName')).toBe('TapStack-clickstream-prod');
  expect(asked[0]?.authorization).toMatch(/AKIDEXAMPLE\/\d{8}\/eu-west-1\/cloudformation\/aws4_request/);
});

test('a template that does not say is no fault', async () => {
  answers.DescribeStacks = [{ status: 200, body: DESCRIBED }];
  answers.GetTemplate = [{ status: 200, body: templateOf({ Resources: {} }) }];
  expect((await cloudFormation.stack('TapStack-clickstream-prod'))?.parameters).toBeUndefined();
});

test('no stack is no fault; anything else that is refused is', async () => {
  const refused = (message: string) => ({
    status: 400,
    body: `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>${message}</Message></Error></ErrorResponse>`,
  });
  answers.DescribeStacks = [refused('Stack with id x does not exist'), refused('The security token is invalid')];
  expect(await cloudFormation.stack('x')).toBeUndefined();
  await expect(cloudFormation.stack('x')).rejects.toThrow('DescribeStacks: 400 The security token is invalid');
});

test('resources are read page by page', async () => {
  const page = (id: string, more: string) =>
    `<ListStackResourcesResponse><ListStackResourcesResult>${more}<StackResourceSummaries><member><ResourceStatus>DELETE_FAILED</ResourceStatus>
     <LogicalResourceId>Events</LogicalResourceId><PhysicalResourceId>${id}</PhysicalResourceId><ResourceType>AWS::DynamoDB::Table</ResourceType></member>
     <member><ResourceStatus>CREATE_FAILED</ResourceStatus><ResourceType>AWS::Lambda::Function</ResourceType></member>
     </StackResourceSummaries></ListStackResourcesResult></ListStackResourcesResponse>`;
  answers.ListStackResources = [
    { status: 200, body: page('events', '<NextToken>more</NextToken>') },
    { status: 200, body: page('state', '') },
  ];
  const resources = await cloudFormation.resources('x');
  expect(resources.map(({ physicalId }) => physicalId)).toEqual(['events', '', 'state', '']);
  const first = { logicalId: 'Events', type: 'AWS::DynamoDB::Table', physicalId: 'events', status: 'DELETE_FAILED' };
  expect(resources[0]).toEqual(first);
  expect(asked[1]?.body.get('NextToken')).toBe('more');
});

test('of a half-made stack the tables go, protected and busy ones too, and the buckets', async () => {
  const done: string[] = [];
  let busy = 2;
  const dynamodb = {
    send: async (command: unknown) => {
      if (command instanceof UpdateTableCommand) {
        const { TableName, DeletionProtectionEnabled } = command.input;
        if (TableName === 'gone') throw Object.assign(new Error('gone'), { name: 'ResourceNotFoundException' });
        done.push(`${TableName} ${DeletionProtectionEnabled ? 'protected' : 'free'}`);
      } else if (command instanceof DeleteTableCommand) {
        busy -= 1;
        if (busy >= 0) throw Object.assign(new Error('busy'), { name: 'ResourceInUseException' });
        done.push(`${command.input.TableName} deleted`);
      }
    },
  } as unknown as Pick<DynamoDBClient, 'send'>;
  const s3 = {
    send: async (command: unknown) => {
      if (command instanceof DeleteBucketCommand) done.push(`${command.input.Bucket} deleted`);
      return command instanceof ListObjectVersionsCommand ? { Versions: [] } : {};
    },
  } as unknown as Pick<S3Client, 'send'>;
  const sleep = async (ms: number) => done.push(`${ms} ms`);
  const resources = [
    { logicalId: 'Any', type: 'AWS::DynamoDB::Table', physicalId: 'events', status: 'DELETE_FAILED' },
    { logicalId: 'Any', type: 'AWS::DynamoDB::Table', physicalId: 'gone', status: 'DELETE_FAILED' },
    { logicalId: 'Any', type: 'AWS::DynamoDB::Table', physicalId: 'state', status: 'DELETE_COMPLETE' },
    { logicalId: 'Any', type: 'AWS::DynamoDB::Table', physicalId: '', status: 'CREATE_FAILED' },
    { logicalId: 'Any', type: 'AWS::S3::Bucket', physicalId: 'logs', status: 'DELETE_FAILED' },
    { logicalId: 'Any', type: 'AWS::EC2::VPC', physicalId: 'vpc-1', status: 'CREATE_COMPLETE' },
  ];
  expect(await discardHalfMade(resources, { dynamodb, s3, sleep })).toEqual(['events', 'logs']);
  expect(done).toEqual(['events free', '5000 ms', '5000 ms', 'events deleted', 'logs deleted']);
});

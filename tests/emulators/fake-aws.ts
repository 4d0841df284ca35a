import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/**
 * As much of Secrets Manager and S3 as the functions ask: GetSecretValue by ARN
 * (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html: ResourceNotFoundException with 400 for
 * one that is not there), and PutObject (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html: the whole object or
 * nothing, under its key, percent-encoded in the path). Anything else is 501.
 */
export interface FakeAws {
  readonly endpoint: string;
  /** Texts by ARN. */
  readonly secrets: Map<string, string>;
  /** Texts by bucket and key: `bucket/key`. */
  readonly objects: Map<string, string>;
  stop(): Promise<void>;
}

export async function startFakeAws(): Promise<FakeAws> {
  const secrets = new Map<string, string>();
  const objects = new Map<string, string>();
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await text(request);
    if (request.headers['x-amz-target'] === 'secretsmanager.GetSecretValue') {
      const { SecretId } = JSON.parse(body) as { readonly SecretId: string };
      const found = secrets.get(SecretId);
      response.writeHead(found === undefined ? 400 : 200, { 'Content-Type': 'application/x-amz-json-1.1' });
      response.end(
        JSON.stringify(found === undefined ? { __type: 'ResourceNotFoundException' } : { SecretString: found }),
      );
      return;
    }
    if (request.method === 'PUT') {
      const [path = ''] = (request.url ?? '').slice(1).split('?');
      objects.set(decodeURIComponent(path), body);
      response.writeHead(200).end();
      return;
    }
    response.writeHead(501).end();
  };
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    secrets,
    objects,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Analytics } from '@segment/analytics-node';

/** A request as a tracker sent it. */
export interface RealRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** What unmodified trackers send: the server's as it sends now, the browser's as it was recorded (record-browser.ts). */
export async function realTraffic(): Promise<readonly RealRequest[]> {
  const recorded = JSON.parse(readFileSync('tests/fuzz/browser-requests.json', 'utf8')) as readonly (Omit<
    RealRequest,
    'body'
  > & { readonly body: string })[];
  return [...recorded.map((request) => ({ ...request, body: Buffer.from(request.body) })), ...(await ofServers())];
}

async function ofServers(): Promise<readonly RealRequest[]> {
  const requests: RealRequest[] = [];
  const server = createServer((request, response) => {
    const { method = '', url: path = '', headers } = request;
    const { 'content-type': type = '', authorization = '' } = headers;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      requests.push({ method, path, headers: { 'content-type': type, authorization }, body: Buffer.concat(chunks) });
      response.end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const analytics = new Analytics({ writeKey: 'any', host, flushAt: 4, flushInterval: 50 });
  const timestamp = new Date();
  analytics.page({ anonymousId: 'ada-laptop', name: 'Home', properties: { path: '/' }, timestamp });
  analytics.identify({ anonymousId: 'ada-laptop', userId: 'ada', traits: { plan: 'free' }, timestamp });
  analytics.track({
    userId: 'ada',
    event: 'Order Completed',
    properties: { revenue: 12.5, text: 'ünï 😀' },
    timestamp,
  });
  analytics.group({ userId: 'ada', groupId: 'acme', traits: { seats: 3 } });
  analytics.alias({ userId: 'ada', previousId: 'ada-old' });
  analytics.screen({ anonymousId: 'phone', name: 'Inbox', context: { ip: '203.0.113.7', locale: 'de-DE' } });
  await analytics.closeAndFlush();
  server.close();
  server.closeAllConnections();
  return requests;
}

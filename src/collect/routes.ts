import type { Protocol, Route } from './protocol.ts';
import { PROTOCOLS } from './protocols.ts';

/** A path that a protocol is spoken at. */
export interface Endpoint {
  readonly protocol: Protocol;
  readonly route: Route;
}

const ENDPOINTS: readonly Endpoint[] = PROTOCOLS.flatMap((protocol) =>
  protocol.routes.map((route) => ({ protocol, route })),
);
const EXACT: ReadonlyMap<string, Endpoint> = new Map(ENDPOINTS.map((endpoint) => [endpoint.route.path, endpoint]));
const WITH_SEGMENTS = ENDPOINTS.filter(({ route }) => route.path.includes('*')).map((endpoint) => ({
  endpoint,
  segments: endpoint.route.path.split('/'),
}));

/** Where a browser's tracker sends several events, of one protocol or another: what the tracker of our own sends to. */
export const BROWSER_BATCH_PATH = '/v1/b';

/** What is asked for: a URL's path without a slash at its end, its query, and the endpoint there if there is one. */
export function routeOf(url: string): {
  readonly path: string;
  readonly query: string;
  readonly endpoint: Endpoint | undefined;
} {
  const mark = url.indexOf('?');
  const sent = mark < 0 ? url : url.slice(0, mark);
  const path = sent.endsWith('/') ? sent.slice(0, -1) : sent;
  return { path, query: mark < 0 ? '' : url.slice(mark + 1), endpoint: EXACT.get(path) ?? withSegments(path) };
}

function withSegments(path: string): Endpoint | undefined {
  const sent = path.split('/');
  return WITH_SEGMENTS.find(
    ({ segments }) =>
      segments.length === sent.length &&
      segments.every((segment, index) => (segment === '*' ? sent[index] !== '' : segment === sent[index])),
  )?.endpoint;
}

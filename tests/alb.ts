import type { AlbEvent, AlbResult } from '../src/adapters/aws/lambda-http.ts';

/** What a client asks through the load balancer. */
export interface AlbRequest {
  readonly method?: string;
  /** With its query. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/**
 * The event that an Application Load Balancer makes of a request, with multi-value headers on
 * (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html): names in lower case, the
 * query undecoded, the client's address to the right of X-Forwarded-For, and a body that is encoded, or no text, in base64.
 */
export function albEvent({ method = 'GET', url, headers = {}, body = '' }: AlbRequest): AlbEvent {
  const [path = '/', query = ''] = url.split('?');
  const sent = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const parameters: Record<string, string[]> = {};
  for (const pair of query.split('&').filter((part) => part !== '')) {
    const [name = '', value = ''] = pair.split('=');
    parameters[name] = [...(parameters[name] ?? []), value];
  }
  const forwarded = sent.get('x-forwarded-for');
  sent.set('x-forwarded-for', forwarded === undefined ? '203.0.113.77' : `${forwarded}, 203.0.113.77`);
  sent.set('x-forwarded-proto', 'http');
  sent.set('x-forwarded-port', '80');
  sent.set('host', sent.get('host') ?? 'internal-clickstream.elb.test');
  const bytes = Buffer.from(body);
  if (bytes.length > 0) sent.set('content-length', String(bytes.length));
  const isText =
    !sent.has('content-encoding') &&
    /^(?:text\/|application\/(?:json|javascript|xml))/.test(sent.get('content-type') ?? '');
  return {
    httpMethod: method,
    path,
    multiValueQueryStringParameters: parameters,
    multiValueHeaders: Object.fromEntries([...sent].map(([name, value]) => [name, [value]])),
    body: bytes.toString(isText ? 'utf8' : 'base64'),
    isBase64Encoded: !isText && bytes.length > 0,
  };
}

/** The target group's own question. */
export const HEALTH_CHECK: AlbEvent = {
  httpMethod: 'GET',
  path: '/health',
  multiValueQueryStringParameters: {},
  multiValueHeaders: { 'user-agent': ['ELB-HealthChecker/2.0'] },
  body: '',
  isBase64Encoded: false,
};

/** What the load balancer makes of an answer. */
export function albAnswer({ statusCode, multiValueHeaders, body, isBase64Encoded }: AlbResult) {
  const headers = Object.entries(multiValueHeaders).map(([name, values]) => [name.toLowerCase(), values.join(', ')]);
  return {
    status: statusCode,
    headers: Object.fromEntries(headers) as Readonly<Record<string, string>>,
    body: Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8').toString(),
  };
}

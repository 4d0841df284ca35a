import { type IncomingMessage, type Server, type ServerOptions, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { asClickstreamError, ClickstreamError, type ErrorCode } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { Salts } from '../core/salts.ts';
import type { Clock } from '../core/time.ts';
import type { EventLog } from '../log/event-log.ts';
import { Accept, type RequestArrival } from './accept.ts';
import { type BodyMemory, discardBody, readBody } from './body.ts';
import { type Client, clientOf } from './client.ts';
import type { HotRequest, Reply, TakeHot } from './hot-requests.ts';
import type { WriteKeys } from './keys.ts';
import type { Numbering } from './numbering.ts';
import { type Answer, type CollectRequest, type MappedRequest, RECEIPT_HEADER, type Route } from './protocol.ts';
import { BROWSER_BATCH_PATH, type Endpoint, routeOf } from './routes.ts';
import type { Tracker } from './tracker.ts';

/** What the collector did since it started, for /metrics. */
export interface CollectCounters {
  /** Answers by HTTP status. */
  readonly requests: Record<number, number>;
  /** Answers that were errors, by code. */
  readonly rejected: { [Code in ErrorCode]?: number };
  /** Events that a 2xx acknowledged. */
  events: number;
  /** How many of those were set aside. */
  setAside: number;
}

export function newCounters(): CollectCounters {
  return { requests: {}, rejected: {}, events: 0, setAside: 0 };
}

export interface CollectorOptions {
  readonly log: EventLog;
  readonly keys: WriteKeys;
  readonly clock: Clock;
  readonly numbering: Numbering;
  readonly counters: CollectCounters;
  /** Reverse proxies before the server that add to X-Forwarded-For; by default none, and the header is not believed. */
  readonly proxies?: number;
  /** For the ids of browsers that keep none; by default none, and their events are refused with `salt_unavailable`. */
  readonly salts?: Salts;
  /** By default it is not served. */
  readonly tracker?: Tracker;
  /** Told of every fault of the program (`internal`), which its sender only sees as a 500. */
  readonly report: (error: ClickstreamError) => void;
}

export interface Collector {
  /** True if the path is one of a protocol's, or of the tracker's script; the request is then answered. */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  /** The same for what did not come through node:http. */
  readonly handleHot: TakeHot;
  /** From now on every request is answered 503, so that its sender keeps its events and tries again. */
  stop(): void;
}

export function createCollector(options: CollectorOptions): Collector {
  const handler = new CollectHandler(options);
  return {
    handle: (request, response) => handler.handle(request, response),
    handleHot: (request, reply) => handler.handleHot(request, reply),
    stop: () => handler.stop(),
  };
}

/** One request of a protocol, and how it is answered. */
interface Exchange {
  readonly endpoint: Endpoint;
  readonly request: Omit<CollectRequest, 'body' | 'receivedAt'>;
  readonly client: Client | undefined;
  readonly reply: Reply;
}

class CollectHandler {
  readonly #options: CollectorOptions;
  readonly #accept: Accept;
  readonly #memory: BodyMemory = { bytes: 0 };
  #isStopping = false;

  constructor(options: CollectorOptions) {
    this.#options = options;
    this.#accept = new Accept(options);
  }

  stop(): void {
    this.#isStopping = true;
  }

  handle(request: IncomingMessage, response: ServerResponse): boolean {
    const { tracker } = this.#options;
    const asked = routeOf(request.url ?? '/');
    const { path, query, endpoint } =
      asked.path === tracker?.paths.collect ? { ...routeOf(BROWSER_BATCH_PATH), query: asked.query } : asked;
    if (endpoint === undefined) return tracker?.handle(request, response, path) ?? false;
    const method = request.method ?? '';
    if (method === 'OPTIONS') {
      this.#preflight(endpoint.route, request, response);
      return true;
    }
    const { proxies = 0 } = this.#options;
    const client = endpoint.route.sender === 'browser' ? clientOf(request, proxies) : undefined;
    const reply: Reply = (answer, headers) => sendAnswer(request, response, answer, headers);
    const exchange = { endpoint, request: { method, path, query, headers: request.headers }, client, reply };
    if (this.#isAllowed(exchange)) readBody(request, this.#memory, (body) => this.#take(exchange, body));
    return true;
  }

  handleHot({ path: sent, authorization, body }: HotRequest, reply: Reply): boolean {
    const { path, query, endpoint } = routeOf(sent);
    // A hot request has no headers but this one, and a browser's others tell of its visitor.
    if (endpoint?.route.sender !== 'server') return false;
    const request = { method: 'POST', path, query, headers: { authorization } };
    const exchange = { endpoint, request, client: undefined, reply };
    if (this.#isAllowed(exchange)) this.#take(exchange, body);
    return true;
  }

  #isAllowed(exchange: Exchange): boolean {
    const { endpoint, request } = exchange;
    const { methods } = endpoint.route;
    if (!methods.includes(request.method)) {
      const headers = { Allow: [...methods, 'OPTIONS'].join(', ') };
      this.#fail(
        exchange,
        new ClickstreamError('method_not_allowed', `${request.method} is not allowed here`),
        headers,
      );
      return false;
    }
    if (this.#isStopping) this.#fail(exchange, new ClickstreamError('shutting_down'));
    return !this.#isStopping;
  }

  #take(exchange: Exchange, body: Buffer | ClickstreamError): void {
    if (body instanceof ClickstreamError) {
      this.#fail(exchange, body);
      return;
    }
    const { endpoint, request, client } = exchange;
    const { clock, keys } = this.#options;
    const receivedAt = clock();
    try {
      const mapped = endpoint.protocol.map({ ...request, body, receivedAt });
      if (mapped.kind === 'rejected') {
        this.#fail(exchange, mapped.error);
        return;
      }
      if (mapped.kind === 'answered' && mapped.writeKey === undefined) {
        this.#answer(exchange, mapped.answer, {});
        return;
      }
      const source = keys.sourceOf(mapped.writeKey);
      if (source instanceof ClickstreamError) this.#fail(exchange, source);
      else if (mapped.kind === 'answered') this.#answer(exchange, mapped.answer, {});
      else this.#append(exchange, mapped, { source, receivedAt, client });
    } catch (error) {
      this.#fail(exchange, asClickstreamError(error));
    }
  }

  #append(exchange: Exchange, mapped: MappedRequest, arrival: RequestArrival): void {
    this.#accept.accept(mapped, arrival).then(
      ({ events, setAside, receipt }) => {
        const { counters } = this.#options;
        counters.events += events;
        counters.setAside += setAside;
        const answer = mapped.success(receipt);
        this.#answer(exchange, receipt === undefined ? answer : { ...answer, receipt }, {});
      },
      (error: unknown) => this.#fail(exchange, asClickstreamError(error)),
    );
  }

  #fail(exchange: Exchange, error: ClickstreamError, headers: Readonly<Record<string, string>> = {}): void {
    const { counters, report } = this.#options;
    counters.rejected[error.code] = (counters.rejected[error.code] ?? 0) + 1;
    if (error.code === 'internal') report(error);
    this.#answer(exchange, exchange.endpoint.protocol.failure(error), {
      ...headers,
      ...(error.status === 503 && { 'Retry-After': String(LIMITS.retryAfterSeconds) }),
      ...(error.code === 'shutting_down' && { Connection: 'close' }),
      // Not Basic, though it is taken: a browser would ask the visitor for a name and a password.
      ...(error.status === 401 && { 'WWW-Authenticate': 'Bearer realm="write key"' }),
    });
  }

  #answer({ reply }: Exchange, answer: Answer, headers: Readonly<Record<string, string>>): void {
    const { requests } = this.#options.counters;
    requests[answer.status] = (requests[answer.status] ?? 0) + 1;
    reply(answer, answer.headers === undefined ? headers : { ...answer.headers, ...headers });
  }

  /** Trackers lose every event when one header they send is not allowed, or when credentials meet a `*` (docs/protocols.md). */
  #preflight(route: Route, request: IncomingMessage, response: ServerResponse): void {
    const { requests } = this.#options.counters;
    requests[204] = (requests[204] ?? 0) + 1;
    allowOrigin(request, response);
    const asked = request.headers['access-control-request-headers'];
    if (asked !== undefined) response.setHeader('Access-Control-Allow-Headers', asked);
    response.setHeader('Vary', 'Origin, Access-Control-Request-Headers');
    response.setHeader('Access-Control-Allow-Methods', route.methods.join(', '));
    response.setHeader('Access-Control-Max-Age', LIMITS.preflightSeconds);
    response.writeHead(204).end();
  }
}

function sendAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  { status, contentType, body, receipt }: Answer,
  more: Readonly<Record<string, string>>,
): void {
  allowOrigin(request, response);
  if (receipt !== undefined) response.setHeader(RECEIPT_HEADER, receipt);
  for (const [name, value] of Object.entries(more)) response.setHeader(name, value);
  const headers = ['Content-Type', contentType, 'Content-Length', String(Buffer.byteLength(body))];
  if (request.complete) {
    response.writeHead(status, headers).end(body);
    return;
  }
  // The client is still sending: it gets its whole answer now, and the connection ends when it has stopped.
  response.writeHead(status, [...headers, 'Connection', 'close']).write(body);
  answeredEarly.add(request.socket);
  discardBody(request, () => response.end());
}

function allowOrigin(request: IncomingMessage, response: ServerResponse): void {
  const { origin } = request.headers;
  if (origin === undefined) return;
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Access-Control-Allow-Credentials', 'true');
  response.setHeader('Access-Control-Expose-Headers', `Retry-After, ${RECEIPT_HEADER}`);
  response.setHeader('Vary', 'Origin');
}

/** For `http.createServer`: what cuts off clients that are slow, half-open, or send endless headers. */
export const serverOptions = {
  headersTimeout: LIMITS.headersMsMax,
  requestTimeout: LIMITS.requestMsMax,
  keepAliveTimeout: LIMITS.keepAliveMs,
  connectionsCheckingInterval: LIMITS.connectionCheckMs,
  maxHeaderSize: LIMITS.headerBytesMax,
} as const satisfies ServerOptions;

/** Connections that have their last answer already, while their client is still sending. */
const answeredEarly = new WeakSet<Duplex>();

/** What Node calls the ways a request can fail to be one. */
const CLIENT_ERRORS: ReadonlyMap<string | undefined, ErrorCode> = new Map([
  ['HPE_HEADER_OVERFLOW', 'headers_too_large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 'request_timeout'],
  ['HPE_INVALID_EOF_STATE', 'body_incomplete'],
]);

/** What `serverOptions` cannot say: more limits, and answers to what never became a request. Counted like the others. */
export function guardServer(server: Server, counters: CollectCounters): void {
  server.maxHeadersCount = LIMITS.headersMax;
  server.maxConnections = LIMITS.connectionsMax;
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    // A reset has nobody to answer; what was answered already must not be followed by a second answer.
    if (error.code === 'ECONNRESET' || !socket.writable || answeredEarly.has(socket)) {
      socket.destroy();
      return;
    }
    const { code, status, message, cure } = new ClickstreamError(CLIENT_ERRORS.get(error.code) ?? 'request_malformed');
    counters.requests[status] = (counters.requests[status] ?? 0) + 1;
    counters.rejected[code] = (counters.rejected[code] ?? 0) + 1;
    const body = JSON.stringify({ success: false, code, message, cure });
    const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: application/json`;
    socket.end(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`, () => socket.destroy());
  });
}

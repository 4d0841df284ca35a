import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { asClickstreamError, ClickstreamError, problemOf } from '../core/errors.ts';
import { shown } from '../core/event.ts';
import { LIMITS } from '../core/limits.ts';
import { answerBadReplay, type BadReplay, isBadReplayPath, REPLAY_BAD } from './bad-replay.ts';
import { answerRedrive, isRedrivePath, REDRIVE, type Redrive } from './dead.ts';
import { answerErase, ERASE, type Erase, isErasePath } from './erasures.ts';
import { METRICS_TYPE } from './metrics.ts';
import type { Operation } from './openapi.ts';
import { SERVED } from './openapi-served.ts';
import { type Page, servePage } from './page.ts';
import { type Answer, isDeepAudit, type Question } from './queries.ts';
import { answerRebuild, REBUILD, type Rebuilder } from './rebuilds.ts';
import { receiptWaits } from './receipt-wait.ts';
import { answerReplay, REPLAY, REPLAY_TYPE, type Replay } from './replay.ts';
import { answerSystem, SYSTEM, type System } from './system.ts';

/**
 * Who may read. With read tokens configured, who has one: `authorize` compares in constant time. Without, only this
 * machine is listened to, and only requests for it by its own names are answered.
 */
export type Access =
  | { readonly kind: 'token'; readonly authorize: (token: string) => boolean }
  | { readonly kind: 'loopback' };

export interface Readiness {
  readonly ready: boolean;
  /** Why it is not, in words. */
  readonly reasons: readonly string[];
}

type Ask = (question: Question, isGone?: () => boolean) => Promise<Answer>;

export interface QueriesOptions {
  /** Hands a question to the query worker. It rejects when the worker is gone; it may when `isGone` says that nobody waits any more. */
  readonly ask: Ask;
  /** Puts a dead record back into the log, which is not the query worker's. */
  readonly redrive: Redrive;
  /** Puts events that were set aside back into the log. */
  readonly replayBad: BadReplay;
  /** Puts records of an archive into the log. */
  readonly replay: Replay;
  /** Erases a person. */
  readonly erase: Erase;
  /** Has views folded anew. */
  readonly rebuilder: Rebuilder;
  readonly access: Access;
  /** Able to take events and to process them. */
  readonly ready: () => Readiness;
  /** The dashboard. */
  readonly page: Page;
  /** How the program runs. */
  readonly system: () => Promise<System>;
  /** What `formatMetrics` makes. */
  readonly metrics: () => string;
  /** Told of faults of the program; the asker is told too. */
  readonly report: (fault: ClickstreamError) => void;
  /** @default LIMITS.queryMsMax */
  readonly queryMsMax?: number;
}

export interface Queries {
  /** Answers what readers ask for: the paths of `SERVED`, and `/api/`; any other path with `not_found`. */
  handle(request: IncomingMessage, response: ServerResponse): void;
}

interface Reply {
  readonly status: number;
  readonly body: string | Buffer;
  readonly type: string;
  readonly headers?: OutgoingHttpHeaders;
}

type ReplyTo = (question: Question, request: IncomingMessage, isGone: () => boolean) => Reply | Promise<Reply>;

interface Route {
  readonly open: Operation['open'];
  /** As in the Allow header. */
  readonly allow: 'GET, HEAD' | 'POST' | 'GET, HEAD, POST' | 'DELETE';
  readonly reply: ReplyTo;
}

const JSON_TYPE = 'application/json';
const PROBLEM_TYPE = 'application/problem+json';

/** RFC 6750, section 2.1. */
const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

const HEADERS: OutgoingHttpHeaders = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

const ASSETS = '/assets/';

/** The readers' side of the HTTP server. It never blocks: questions are answered by the worker behind `ask`. */
export function createQueries(options: QueriesOptions): Queries {
  const { access, report } = options;
  const askBounded = boundedByQuestion(options);
  const routes = routesOf(options, askBounded);
  const askWaiting = receiptWaits(askBounded);
  const api: Route = {
    ...{ open: 'to readers', allow: 'GET, HEAD' },
    reply: async (question, _, isGone) => jsonReply(await askWaiting(question, isGone)),
  };
  const redriveBounded = bounded(options.redrive, options);
  const redrive: Route = {
    ...{ open: REDRIVE.open, allow: 'POST' },
    reply: async (question, request) => {
      checkContentType(request, JSON_TYPE);
      const body = await readBody(request, LIMITS.apiBodyBytesMax);
      return jsonReply({ status: 200, body: await answerRedrive(redriveBounded, { ...question, body }) });
    },
  };

  // Bodies are large: there are no more of them in memory than are waited for.
  const replayBounded = bounded(async ({ parameters, request }: Question & { readonly request: IncomingMessage }) => {
    const body = await readBody(request, LIMITS.bodyBytesMax);
    return answerReplay(options.replay, { parameters, body });
  }, options);
  const replay: Route = {
    ...{ open: REPLAY.open, allow: 'POST' },
    reply: async (question, request) => {
      checkContentType(request, REPLAY_TYPE);
      return jsonReply({ status: 200, body: await replayBounded({ ...question, request }) });
    },
  };
  const { replayBad: unbounded } = options;
  const replayBadBounded = bounded(
    (asked: Parameters<typeof answerBadReplay>[1]) => answerBadReplay(unbounded, asked),
    options,
  );
  const replayBad: Route = {
    ...{ open: REPLAY_BAD.open, allow: 'POST' },
    reply: async (question, request) => {
      checkContentType(request, JSON_TYPE);
      const body = await readBody(request, LIMITS.badEditBytesMax);
      return jsonReply({ status: 200, body: await replayBadBounded({ ...question, body }) });
    },
  };
  const { views } = options.rebuilder;
  const rebuildBounded = bounded(options.rebuilder.ask, options);
  const rebuild: Route = {
    ...{ open: REBUILD.open, allow: 'GET, HEAD, POST' },
    reply: async (question, request, isGone) => {
      if (request.method !== 'POST') return api.reply(question, request, isGone);
      checkContentType(request, JSON_TYPE);
      const body = await readBody(request, LIMITS.apiBodyBytesMax);
      return jsonReply({
        status: 200,
        body: await answerRebuild({ views, ask: rebuildBounded }, { ...question, body }),
      });
    },
  };
  const eraseBounded = bounded((asked: Question) => answerErase(options.erase, asked), options);
  const erase: Route = {
    // A page of another site would have to ask first before it sends a DELETE, and nobody answers it.
    ...{ open: ERASE.open, allow: 'DELETE' },
    reply: async (question) => jsonReply({ status: 202, body: await eraseBounded(question) }),
  };
  const systemParts = { system: bounded(options.system, options), ready: options.ready };
  const system: Route = {
    ...{ open: SYSTEM.open, allow: 'GET, HEAD' },
    reply: async ({ parameters }) => jsonReply({ status: 200, body: await answerSystem(systemParts, parameters) }),
  };
  const apiRouteOf = (path: string): Route => {
    if (isErasePath(path)) return erase;
    if (path === SYSTEM.path) return system;
    if (path === REPLAY.path) return replay;
    if (isBadReplayPath(path)) return replayBad;
    if (path === REBUILD.path) return rebuild;
    return isRedrivePath(path) ? redrive : api;
  };

  const reply = async (
    { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
    route: Route | undefined,
    target: Target,
  ): Promise<Reply> => {
    try {
      if (route === undefined) throw new ClickstreamError('not_found', `nothing is served at ${target.path}`);
      checkAccess(request, access, route.open);
      const { allow } = route;
      if (!allow.split(', ').includes(request.method ?? '')) {
        throw new ClickstreamError('method_not_allowed', `${request.method} is not served here; allowed: ${allow}`);
      }
      const question = { path: target.path, parameters: parametersOf(target.query) };
      return await route.reply(question, request, () => response.destroyed);
    } catch (thrown) {
      const error = asClickstreamError(thrown);
      if (error.code === 'internal') report(error);
      return problemReply(error, route?.allow);
    }
  };

  return {
    handle(request, response) {
      const target = targetOf(request.url ?? '');
      const { path } = target;
      const route = path.startsWith('/api/')
        ? apiRouteOf(path)
        : routes.get(path.startsWith(ASSETS) ? `${ASSETS}{file}` : path);
      void reply({ request, response }, route, target).then((answer) => send(response, answer));
    },
  };
}

/** What is served, as `SERVED` declares it. */
function routesOf(options: QueriesOptions, ask: QueriesOptions['ask']): ReadonlyMap<string, Route> {
  const replies = repliesOf(options, ask);
  return new Map(SERVED.map(({ path, open }) => [path, { open, allow: 'GET, HEAD', reply: replies[path] }]));
}

function repliesOf(
  { page, ready, metrics }: QueriesOptions,
  ask: QueriesOptions['ask'],
): Readonly<Record<(typeof SERVED)[number]['path'], ReplyTo>> {
  const served = servePage(page);
  // Anyone may have the document, and it stays as it is: the worker is asked for it once.
  let document: Reply | undefined;
  return {
    '/': () => served.page(),
    '/assets/{file}': ({ path }, { headers }) => served.asset(path, headers['accept-encoding']?.toString()),
    '/health': () => jsonReply({ status: 200, body: '{"status":"ok"}' }),
    '/ready': () => {
      const readiness = ready();
      return { status: readiness.ready ? 200 : 503, body: JSON.stringify(readiness), type: JSON_TYPE };
    },
    '/metrics': () => ({ status: 200, body: metrics(), type: METRICS_TYPE }),
    '/openapi.json': async ({ path }) => {
      if (document !== undefined) return document;
      const answer = await ask({ path, parameters: {} });
      const reply = jsonReply(answer);
      if (answer.status === 200) document = reply;
      return reply;
    },
  };
}

interface Target {
  readonly path: string;
  readonly query: string;
}

function targetOf(url: string): Target {
  const at = url.indexOf('?');
  return at < 0 ? { path: url, query: '' } : { path: url.slice(0, at), query: url.slice(at + 1) };
}

/** Throws `parameter_invalid` for a parameter given twice, for either might be the one that is meant. */
function parametersOf(query: string): Readonly<Record<string, string>> {
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (parameters.has(name)) {
      throw new ClickstreamError('parameter_invalid', `${shown(name)} is given more than once; allowed: once`);
    }
    parameters.set(name, value);
  }
  return Object.fromEntries(parameters);
}

function checkAccess(request: IncomingMessage, access: Access, open: Route['open']): void {
  if (open === 'to all') return;
  if (access.kind === 'loopback') {
    // Without a token, a page of another site that rebinds its name to 127.0.0.1 is told apart by the name alone.
    if (isLoopbackHost(request.headers.host)) return;
    throw new ClickstreamError(
      'host_refused',
      `the host ${shown(request.headers.host)} is not this machine; allowed: localhost, 127.0.0.1, [::1]`,
    );
  }
  if (open === 'to the right host') return;
  const { authorization } = request.headers;
  if (authorization === undefined) throw new ClickstreamError('read_token_missing');
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined || !access.authorize(token)) throw new ClickstreamError('read_token_wrong');
}

function isLoopbackHost(host: string | undefined): boolean {
  return host !== undefined && /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i.test(host);
}

/**
 * A page of another site can have a browser send forms and plain text here, with no more ado than a link; to send a type
 * such as this it would have to ask first, and nobody answers it. Throws `content_type_unsupported`.
 */
function checkContentType({ headers }: IncomingMessage, allowed: string): void {
  const contentType = headers['content-type'];
  if (contentType?.split(';', 1)[0]?.trim().toLowerCase() === allowed) return;
  const detail = `the Content-Type is ${shown(contentType)}; allowed: ${allowed}`;
  throw new ClickstreamError('content_type_unsupported', detail);
}

/** The body of a POST, whole. Throws `body_too_large` and `body_incomplete`. */
async function readBody(request: IncomingMessage, bytesMax: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // What is over the limit is read all the same, within bounds, so that its client sees the answer.
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes <= bytesMax) chunks.push(chunk);
      else if (bytes > LIMITS.discardedBytesMax) break;
    }
  } catch (cause) {
    throw new ClickstreamError('body_incomplete', undefined, { cause });
  }
  if (bytes <= bytesMax) return Buffer.concat(chunks);
  throw new ClickstreamError('body_too_large', `the body may have ${bytesMax} bytes`);
}

/** What takes long is asked one at a time, and has its time. */
function boundedByQuestion(options: QueriesOptions): Ask {
  const ask = bounded(options.ask, options);
  const askDeep = bounded(options.ask, { ...options, queryMsMax: LIMITS.deepAuditMsMax, waitingMax: 1 });
  return (question, isGone) => (isDeepAudit(question) ? askDeep : ask)(question, isGone);
}

/** Asks with at most `waitingMax` questions waiting, each for at most `queryMsMax`. */
function bounded<Asked extends readonly unknown[], Answered>(
  ask: (...asked: Asked) => Promise<Answered>,
  {
    report,
    queryMsMax = LIMITS.queryMsMax,
    waitingMax = LIMITS.queriesWaitingMax,
  }: QueriesOptions & { readonly waitingMax?: number },
): (...asked: Asked) => Promise<Answered> {
  let waiting = 0;
  return async (...question) => {
    if (waiting >= waitingMax) {
      const such = waiting === 1 ? '1 such query is' : `${waiting} queries are`;
      throw new ClickstreamError('query_unavailable', `${such} being answered; allowed: ${waitingMax}`);
    }
    waiting += 1;
    // One that timed out goes on waiting until the worker has answered it: it still costs the worker's time.
    const asked = (async () => ask(...question))().finally(() => {
      waiting -= 1;
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new ClickstreamError('query_unavailable', `the query took longer than ${queryMsMax} ms`));
      }, queryMsMax);
      // A server that stops does not wait for it.
      timer.unref();
    });
    try {
      return await Promise.race([asked, late]);
    } catch (thrown) {
      if (thrown instanceof ClickstreamError) throw thrown;
      report(asClickstreamError(thrown));
      throw new ClickstreamError('query_unavailable', undefined, { cause: thrown });
    } finally {
      clearTimeout(timer);
    }
  };
}

function jsonReply({ status, body }: Answer): Reply {
  if (status < 400) return { status, body, type: JSON_TYPE };
  const retry = status === 503 && { headers: { 'Retry-After': LIMITS.retryAfterSeconds } };
  return { status, body, type: PROBLEM_TYPE, ...retry };
}

function problemReply(error: ClickstreamError, allow: Route['allow'] | undefined): Reply {
  const body = JSON.stringify(problemOf(error));
  return { status: error.status, body, type: PROBLEM_TYPE, headers: problemHeaders(error, allow) };
}

function problemHeaders(error: ClickstreamError, allow: Route['allow'] | undefined): OutgoingHttpHeaders {
  if (error.status === 405) return { Allow: allow };
  if (error.status === 503) return { 'Retry-After': LIMITS.retryAfterSeconds };
  if (error.code === 'read_token_missing') return { 'WWW-Authenticate': 'Bearer realm="clickstream"' };
  // RFC 6750, section 3.1.
  if (error.code === 'read_token_wrong') {
    return { 'WWW-Authenticate': 'Bearer realm="clickstream", error="invalid_token"' };
  }
  return {};
}

/** Node leaves the body out when the method was HEAD, and keeps its length in the header. */
function send(response: ServerResponse, { status, body, type, headers }: Reply): void {
  response.writeHead(status, {
    ...HEADERS,
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}

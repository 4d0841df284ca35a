import { Agent as PlainAgent, type RequestOptions, request as requestPlain } from 'node:http';
import { request as requestSecure, Agent as SecureAgent } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { ClickstreamError, ERRORS } from '../../core/errors.ts';
import { shown } from '../../core/event.ts';
import { isObject, type Json, type JsonObject } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { readJson } from '../../core/read-json.ts';

/** What the server's problem document said (RFC 9457), or that there is no server. */
export class ApiError extends Error {
  /** Of docs/errors.md, of this version or of the server's. */
  readonly code: string;
  readonly status: number;
  readonly cure: string;

  constructor(problem: {
    readonly code: string;
    readonly status: number;
    readonly detail: string;
    readonly cure: string;
  }) {
    super(problem.detail);
    this.name = 'ApiError';
    this.code = problem.code;
    this.status = problem.status;
    this.cure = problem.cure;
  }

  /** The same question may be answered later: the server is away, restarting or overloaded. */
  get passing(): boolean {
    return this.status >= 500;
  }
}

export interface ClientOptions {
  /** Where the server is, as `parseUrl` made it. */
  readonly url: URL;
  readonly token?: string | undefined;
}

type Parameters = Readonly<Record<string, string | number | undefined>>;

/** What a POST brings. */
interface Body {
  readonly type: string;
  readonly bytes: Uint8Array;
}

interface Asking {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly parameters: Parameters;
  /** Of a POST. @default nothing to say, as JSON */
  readonly body?: Body | undefined;
  /** @default LIMITS.clientMsMax */
  readonly answerMsMax?: number;
}

const NOTHING: Body = { type: 'application/json', bytes: new Uint8Array() };

/** A client of the HTTP API over kept-alive connections. */
export class ApiClient {
  readonly #url: URL;
  readonly #token: string | undefined;
  readonly #agent: PlainAgent;
  /** How far the server's clock was ahead of ours at its last answer, to about a second. Milliseconds. */
  clockAheadMs = 0;

  constructor({ url, token }: ClientOptions) {
    this.#url = url;
    // As "$TOKEN" is in a shell where it is not set.
    this.#token = token === '' ? undefined : token;
    const options = { keepAlive: true, maxSockets: LIMITS.loadSamplesWaitingMax + 4 };
    this.#agent = url.protocol === 'https:' ? new SecureAgent(options) : new PlainAgent(options);
  }

  /**
   * GETs a path such as `/api/v1/events` and returns the JSON object it answers. Parameters that are undefined are left
   * out. Throws ApiError: the server's problem, or `server_unreachable` when none of clickstream answers. Passing
   * problems are asked again until `patienceMs` are over. Each answer is waited for up to `answerMsMax`.
   */
  async get(
    path: string,
    parameters: Parameters = {},
    {
      patienceMs = 0,
      answerMsMax = LIMITS.clientMsMax,
    }: { readonly patienceMs?: number; readonly answerMsMax?: number } = {},
  ): Promise<JsonObject> {
    const end = performance.now() + patienceMs;
    for (;;) {
      try {
        return await this.#ask({ method: 'GET', path, parameters, answerMsMax });
      } catch (error) {
        if (!(error instanceof ApiError && error.passing) || performance.now() >= end) throw error;
        await sleep(LIMITS.clientRetryMs);
      }
    }
  }

  /** POSTs to a path, with nothing to say or with a body, and returns the JSON object it answers. Throws ApiError, as `get`. */
  post(path: string, body?: Body): Promise<JsonObject> {
    return this.#ask({ method: 'POST', path, parameters: {}, body });
  }

  /** Throws ApiError, as `get`. */
  delete(path: string): Promise<JsonObject> {
    return this.#ask({ method: 'DELETE', path, parameters: {} });
  }

  close(): void {
    this.#agent.destroy();
  }

  async #ask({
    method,
    path,
    parameters,
    body = NOTHING,
    answerMsMax = LIMITS.clientMsMax,
  }: Asking): Promise<JsonObject> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, String(value));
    const search = query.size === 0 ? '' : `?${query}`;
    const target = this.#url.pathname.replace(/\/$/, '') + path + search;
    const { status, date, text } = await this.#fetch({ method, path: target, body, answerMsMax });
    const serverMs = Date.parse(date ?? '');
    if (!Number.isNaN(serverMs)) this.clockAheadMs = serverMs - Date.now();
    const answered = parsed(text);
    if ((status === 200 || status === 202) && isObject(answered)) return answered;
    throw problemFrom(answered, { status, origin: this.#url.origin, text });
  }

  #fetch({ method, path, body, answerMsMax }: Required<Omit<Asking, 'parameters'>> & { readonly body: Body }): Promise<{
    status: number;
    date: string | undefined;
    text: string;
  }> {
    const { protocol, origin } = this.#url;
    const options: RequestOptions = {
      method,
      agent: this.#agent,
      headers: {
        // On AWS an answer of more than 1 MB passes the load balancer only so.
        'accept-encoding': 'gzip',
        ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
        ...(method === 'POST' && { 'content-type': body.type, 'content-length': body.bytes.length }),
      },
      signal: AbortSignal.timeout(answerMsMax),
    };
    return new Promise((resolve, reject) => {
      const fail = (cause: Error) => reject(unreachable(origin, `did not answer: ${cause.message || cause.name}`));
      const send = protocol === 'https:' ? requestSecure : requestPlain;
      const call = send(new URL(path, origin), options, (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > LIMITS.clientAnswerBytesMax) call.destroy(new Error('the answer is too long'));
          else chunks.push(chunk);
        });
        response.on('error', fail).on('end', () => {
          const { date, 'content-encoding': encoding } = response.headers;
          try {
            resolve({ status: response.statusCode ?? 0, date, text: decoded(Buffer.concat(chunks), encoding) });
          } catch (cause) {
            fail(cause as Error);
          }
        });
      });
      call.on('error', fail).end(method === 'POST' ? body.bytes : undefined);
    });
  }
}

function decoded(bytes: Buffer, encoding: string | undefined): string {
  const isCompressed = encoding === 'gzip';
  const plain = isCompressed ? gunzipSync(bytes, { maxOutputLength: LIMITS.clientAnswerBytesMax }) : bytes;
  return plain.toString('utf8');
}

function parsed(text: string): Json | undefined {
  try {
    return readJson(text) as Json;
  } catch {
    // What is no JSON is not of clickstream, and the caller says so with the text.
    return undefined;
  }
}

function problemFrom(
  body: Json | undefined,
  answer: { readonly status: number; readonly origin: string; readonly text: string },
): ApiError {
  const { status, origin, text } = answer;
  if (!isObject(body) || typeof body.code !== 'string') {
    return unreachable(origin, `answered ${status} with what is not of clickstream: ${shown(text)}`);
  }
  const { code, detail, cure } = body;
  return new ApiError({
    code,
    status,
    detail: typeof detail === 'string' ? detail : code,
    cure: typeof cure === 'string' ? cure : 'See docs/errors.md of the version of the server.',
  });
}

function unreachable(origin: string, what: string): ApiError {
  const { status, cure } = ERRORS.server_unreachable;
  return new ApiError({ code: 'server_unreachable', status, detail: `${origin} ${what}`, cure });
}

/** What the API lists as events, checked as far as the command line uses it. */
export interface ApiEvent {
  readonly eventId: string;
  readonly eventType: string;
  /** `userId ?? anonymousId`. */
  readonly user: string;
  readonly timestamp: string;
  readonly page: string | undefined;
  /** Lane, sequence and index: no two events share it. */
  readonly position: string;
  /** All that the server said of it. */
  readonly raw: JsonObject;
}

export interface EventPage {
  readonly events: readonly ApiEvent[];
  /** Undefined on the last page. */
  readonly cursor: string | undefined;
}

/** Reads a page of a list of events. Throws `internal` when the answer is not one: server and client differ in version. */
export function eventPageOf(body: JsonObject): EventPage {
  const { events, cursor } = body;
  if (!Array.isArray(events)) throw strange('a list of events', body);
  return { events: events.map(apiEventOf), cursor: typeof cursor === 'string' ? cursor : undefined };
}

function apiEventOf(raw: unknown): ApiEvent {
  if (!isObject(raw)) throw strange('an event', raw);
  const { eventId, eventType, userId, anonymousId, timestamp, position, properties, context } = raw;
  const user = userId ?? anonymousId;
  if (
    typeof eventId !== 'string' ||
    typeof eventType !== 'string' ||
    typeof user !== 'string' ||
    typeof timestamp !== 'string' ||
    !isObject(position)
  ) {
    throw strange('an event', raw);
  }
  const within = isObject(context) && isObject(context.page) ? context.page : {};
  const path = (isObject(properties) ? properties.path : undefined) ?? within.path;
  return {
    ...{ eventId, eventType, user, timestamp, raw },
    page: typeof path === 'string' ? path : undefined,
    position: `${String(position.lane)}/${String(position.sequence)}/${String(position.index)}`,
  };
}

export function strange(expected: string, got: unknown): ClickstreamError {
  return new ClickstreamError('internal', `the server answered what is not ${expected}: ${shown(got)}`);
}

import { isUtf8 } from 'node:buffer';
import { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { acceptsCoding } from '../../core/accept-encoding.ts';
import { asClickstreamError, ClickstreamError, problemOf } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';

type MultiValues = Readonly<Record<string, readonly string[]>>;

/**
 * What is read of a request that an Application Load Balancer hands to a function, from a target group whose
 * multi-value headers are on. Query names and values are as they were sent, not decoded.
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
 */
export interface AlbEvent {
  readonly httpMethod: string;
  readonly path: string;
  readonly multiValueQueryStringParameters?: MultiValues | null;
  /** By names in lower case. */
  readonly multiValueHeaders?: MultiValues | null;
  readonly body?: string | null;
  readonly isBase64Encoded?: boolean;
}

/** What the load balancer makes a response of. */
export interface AlbResult {
  readonly statusCode: number;
  readonly multiValueHeaders: Readonly<Record<string, string[]>>;
  readonly body: string;
  readonly isBase64Encoded: boolean;
}

/** Handles a request of node:http and answers it, at once or later. What it throws is answered with 500. */
export type HandleRequest = (request: IncomingMessage, response: ServerResponse) => unknown;

/**
 * Answers a load balancer's request by a handler that was made for a server of node:http. Never rejects: what goes
 * wrong is an answer, and told to `report` when it is a fault of the program.
 */
export async function answerAlb(
  event: AlbEvent,
  handle: HandleRequest,
  report: (fault: ClickstreamError) => void,
): Promise<AlbResult> {
  try {
    const headers = event.multiValueHeaders;
    if (headers === undefined || headers === null) {
      throw new ClickstreamError('internal', "the target group's multi-value headers are off; they must be on");
    }
    const request = requestOf(event, headers);
    const answered = await answeredBy(request, handle);
    return fitting(request, answered);
  } catch (thrown) {
    const error = asClickstreamError(thrown);
    if (error.code === 'internal') report(error);
    return problemResult(error);
  }
}

/** A request whose whole body has arrived. */
function requestOf(event: AlbEvent, headers: MultiValues): IncomingMessage {
  const request = new IncomingMessage(new AnswerSocket() as unknown as Socket);
  request.method = event.httpMethod;
  request.url = urlOf(event);
  // To a request of HTTP/1.0 Node answers without chunks, and ends there: the bytes after the head are the body.
  request.httpVersion = '1.0';
  request.httpVersionMajor = 1;
  request.httpVersionMinor = 0;
  request.headers = headersOf(headers);
  request.rawHeaders = Object.entries(headers).flatMap(([name, values]) => values.flatMap((value) => [name, value]));
  const { body, isBase64Encoded = false } = event;
  request.complete = true;
  if (body !== undefined && body !== null && body !== '') {
    request.push(Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8'));
  }
  request.push(null);
  return request;
}

function urlOf({ path, multiValueQueryStringParameters: query }: AlbEvent): string {
  const pairs = Object.entries(query ?? {}).flatMap(([name, values]) => values.map((value) => `${name}=${value}`));
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`;
}

/** Of these the first counts, as for Node (https://nodejs.org/api/http.html#messageheaders). */
const SINGLE_HEADERS: ReadonlySet<string> = new Set([
  'authorization',
  'content-length',
  'content-type',
  'host',
  'referer',
  'user-agent',
]);

function headersOf(headers: MultiValues): IncomingMessage['headers'] {
  const joined: IncomingMessage['headers'] = {};
  for (const [sent, values] of Object.entries(headers)) {
    const name = sent.toLowerCase();
    joined[name] = SINGLE_HEADERS.has(name) ? values[0] : values.join(name === 'cookie' ? '; ' : ', ');
  }
  return joined;
}

/** Stands where the connection to a client would be, and keeps what is written to it. */
class AnswerSocket extends Duplex {
  readonly #chunks: Buffer[] = [];

  override _read(): void {
    // Nothing comes but the request, which is whole.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }

  get written(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

interface Answered {
  readonly status: number;
  readonly headers: Record<string, string[]>;
  readonly body: Buffer;
}

async function answeredBy(request: IncomingMessage, handle: HandleRequest): Promise<Answered> {
  const socket = request.socket as unknown as AnswerSocket;
  const response = new ServerResponse(request);
  response.assignSocket(request.socket);
  const ended = new Promise<void>((resolve, reject) => {
    response.on('finish', resolve);
    response.on('error', reject);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the connection was closed without an answer')));
  });
  // It may reject while the handler is still waited for.
  ended.catch(() => undefined);
  await handle(request, response);
  await ended;
  return parseAnswer(socket.written);
}

/** Of the load balancer's own connections. */
const HOP_HEADERS: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding', 'date']);

/** The head that Node writes is well-formed, and in Latin-1. */
function parseAnswer(bytes: Buffer): Answered {
  const end = bytes.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const headers: Record<string, string[]> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    if (HOP_HEADERS.has(name.toLowerCase())) continue;
    headers[name] = [...(headers[name] ?? []), line.slice(colon + 1).trim()];
  }
  return { status: Number(statusLine.split(' ')[1]), headers, body: bytes.subarray(end + 4) };
}

/** The answer as the load balancer takes it: compressed, where the client takes that, when it is too large otherwise. */
function fitting({ headers, method }: IncomingMessage, answered: Answered): AlbResult {
  const plain = resultOf(answered);
  if (fits(plain)) return plain;
  if (
    answered.headers['Content-Encoding'] === undefined &&
    acceptsCoding(headers['accept-encoding']?.toString(), 'gzip')
  ) {
    const body = gzipSync(answered.body);
    const compressed = resultOf({
      ...answered,
      headers: {
        ...answered.headers,
        'Content-Encoding': ['gzip'],
        'Content-Length': [String(body.length)],
        Vary: ['Accept-Encoding'],
      },
      body,
    });
    if (fits(compressed)) return compressed;
  }
  throw new ClickstreamError(
    'answer_too_large',
    `the answer to this ${method} has ${answered.body.length} bytes; the load balancer passes on ${LIMITS.albAnswerBytesMax}, as JSON`,
  );
}

function resultOf({ status, headers, body }: Answered): AlbResult {
  const isText = headers['Content-Encoding'] === undefined && isUtf8(body);
  return {
    statusCode: status,
    multiValueHeaders: headers,
    body: body.toString(isText ? 'utf8' : 'base64'),
    isBase64Encoded: !isText,
  };
}

/** The limit is on the JSON that the function returns, in which a body of JSON has its quotes escaped. */
function fits(result: AlbResult): boolean {
  // No character takes more than six bytes in JSON.
  if (result.body.length * 6 < LIMITS.albAnswerBytesMax / 2) return true;
  return Buffer.byteLength(JSON.stringify(result)) <= LIMITS.albAnswerBytesMax;
}

function problemResult(error: ClickstreamError): AlbResult {
  return {
    statusCode: error.status,
    multiValueHeaders: {
      'Content-Type': ['application/problem+json'],
      'Cache-Control': ['no-store'],
      'X-Content-Type-Options': ['nosniff'],
      ...(error.status === 503 && { 'Retry-After': [String(LIMITS.retryAfterSeconds)] }),
    },
    body: JSON.stringify(problemOf(error)),
    isBase64Encoded: false,
  };
}

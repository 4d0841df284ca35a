import { type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { LIMITS } from '../core/limits.ts';
import { type Answer, RECEIPT_HEADER } from './protocol.ts';

/** A request of the hot shape, whole. */
export interface HotRequest {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: Buffer;
}

export type Reply = (answer: Answer, headers: Readonly<Record<string, string>>) => void;

/** Takes a request of a collect path and replies once; false, and nothing happens, for any other path. */
export type TakeHot = (request: HotRequest, reply: Reply) => boolean;

/** What this needs of a net.Socket. */
interface Connection extends Duplex {
  readonly timeout?: number;
  setTimeout(ms: number): unknown;
}

interface Head {
  readonly text: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly bodyBytes: number;
}

/** Headers that change nothing in how such a request is answered. Any other hands the connection to node:http. */
const PLAIN_HEADERS: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'content-type',
  'host',
  'sec-fetch-mode',
  'user-agent',
]);
const HEAD_BYTES_MAX = 2_048;
const HEAD_END = '\r\n\r\n';
const REQUEST_LINE = /^POST (\/[!-~]*) HTTP\/1\.1$/;
/** RFC 9110, section 5.5: what a field may hold. A line that begins with a space (a fold) does not match. */
const HEADER_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*)$/;

/**
 * Answers the one shape of request that nearly all events come in, a plain POST that arrives in one piece, without
 * node:http, whose requests and responses cost as much as all the rest (docs/decisions/0008-hot-requests.md). A
 * connection whose next bytes are anything else, be it ever so slightly, is handed to node:http with those bytes, and stays there.
 * Returns how to close those that wait for a next request.
 */
export function serveHotRequests(server: Server, take: TakeHot): () => void {
  const [toHttp, ...others] = server.listeners('connection');
  if (toHttp === undefined || others.length > 0)
    throw new Error('a server of node:http has one listener for connections');
  server.removeAllListeners('connection');
  const connections = new Set<HotConnection>();
  const answers = new Answers();
  server.on('connection', (socket: Connection) => {
    const leave = () => connections.delete(connection);
    const handOver = () => toHttp.call(server, socket);
    const refuse = () => server.emit('clientError', SILENT, socket);
    const { headersTimeout: firstMs, keepAliveTimeout: nextMs } = server;
    const connection = new HotConnection(socket, { take, answers, handOver, leave, refuse, firstMs, nextMs });
    connections.add(connection);
  });
  return () => {
    for (const connection of connections) connection.close();
  };
}

/** What node:http says of a connection on which no request comes. */
const SILENT = Object.assign(new Error('no request came in time'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });

interface Surroundings {
  readonly take: TakeHot;
  readonly answers: Answers;
  /** To node:http, for good. */
  readonly handOver: () => void;
  readonly leave: () => void;
  /** Tells a connection that says nothing that it is cut. */
  readonly refuse: () => void;
  /** How long it may take to a first request, and to a next one. */
  readonly firstMs: number;
  readonly nextMs: number;
}

class HotConnection {
  readonly #socket: Connection;
  readonly #to: Surroundings;
  #head: Head | undefined;
  #isAnswering = false;
  #isClosing = false;

  constructor(socket: Connection, to: Surroundings) {
    this.#socket = socket;
    this.#to = to;
    socket.setTimeout(to.firstMs);
    socket.on('data', this.#onData).on('end', this.#onEnd).on('close', to.leave);
    socket.on('error', this.#onError).on('timeout', this.#onTimeout);
  }

  /** Ends the connection, after the answer that is under way. */
  close(): void {
    this.#isClosing = true;
    if (!this.#isAnswering) this.#socket.end();
  }

  readonly #onData = (chunk: Buffer): void => {
    // A next request before the answer: it waits in the socket until then.
    if (this.#isAnswering) {
      this.#socket.pause();
      this.#socket.unshift(chunk);
      return;
    }
    const request = this.#read(chunk);
    this.#isAnswering = true;
    if (request !== undefined && this.#to.take(request, this.#reply)) return;
    this.#isAnswering = false;
    this.#release();
    this.#socket.unshift(chunk);
    this.#to.handOver();
    this.#socket.resume();
  };

  readonly #onEnd = (): void => {
    this.close();
  };

  readonly #onError = (): void => {
    this.#socket.destroy();
  };

  readonly #onTimeout = (): void => {
    if (this.#isAnswering) return;
    if (this.#head === undefined) this.#to.refuse();
    else this.#socket.destroy();
  };

  #release(): void {
    const socket = this.#socket;
    socket.pause();
    socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#to.leave);
    socket.off('error', this.#onError).off('timeout', this.#onTimeout);
    socket.setTimeout(0);
    this.#to.leave();
  }

  #read(chunk: Buffer): HotRequest | undefined {
    const end = chunk.indexOf(HEAD_END);
    if (end < 0 || end > HEAD_BYTES_MAX) return undefined;
    const text = chunk.toString('latin1', 0, end);
    // The heads of one client are mostly the same to the letter.
    if (this.#head?.text !== text) this.#head = parseHead(text);
    if (this.#head === undefined) return undefined;
    const { path, authorization, bodyBytes } = this.#head;
    const start = end + HEAD_END.length;
    if (chunk.length - start !== bodyBytes) return undefined;
    return { path, authorization, body: chunk.subarray(start) };
  }

  readonly #reply: Reply = (answer, headers): void => {
    const socket = this.#socket;
    if (socket.destroyed) return;
    const isLast = this.#isClosing || headers.Connection === 'close';
    socket.write(this.#to.answers.textOf(answer, isLast ? { ...headers, Connection: 'close' } : headers));
    this.#isAnswering = false;
    if (isLast) {
      socket.end();
      return;
    }
    // Each read and write starts it anew.
    if (socket.timeout !== this.#to.nextMs) socket.setTimeout(this.#to.nextMs);
    if (socket.isPaused()) socket.resume();
  };
}

/** Answers as they are sent. But for the receipt nearly all are the same to the letter for a second, so what begins them is kept. */
class Answers {
  #second = 0;
  #date = '';
  #start: (Pick<Answer, 'status' | 'contentType'> & { readonly text: string }) | undefined;

  textOf(answer: Answer, headers: Readonly<Record<string, string>>): string {
    const second = Math.floor(Date.now() / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      // RFC 9110, section 5.6.7.
      this.#date = new Date(second * 1_000).toUTCString();
      this.#start = undefined;
    }
    const { status, contentType, body, receipt } = answer;
    let start: string | undefined;
    for (const _name in headers) start ??= this.#startOf(answer, headers);
    if (start === undefined) {
      if (this.#start?.status !== status || this.#start.contentType !== contentType) {
        this.#start = { status, contentType, text: this.#startOf(answer, {}) };
      }
      start = this.#start.text;
    }
    const named = receipt === undefined ? '' : `${RECEIPT_HEADER}: ${receipt}\r\n`;
    return `${start}${named}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  }

  #startOf(
    { status, contentType }: Pick<Answer, 'status' | 'contentType'>,
    headers: Readonly<Record<string, string>>,
  ): string {
    const connection = headers.Connection === undefined ? KEEP_ALIVE : {};
    const lines = Object.entries({ ...connection, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: ${contentType}\r\nDate: ${this.#date}\r\n${lines.join('')}`;
  }
}

const KEEP_ALIVE = { Connection: 'keep-alive', 'Keep-Alive': `timeout=${Math.floor(LIMITS.keepAliveMs / 1_000)}` };

function parseHead(text: string): Head | undefined {
  const [requestLine = '', ...lines] = text.split('\r\n');
  const path = REQUEST_LINE.exec(requestLine)?.[1];
  if (path === undefined) return undefined;
  let authorization: string | undefined;
  let bodyBytes: number | undefined;
  let hasHost = false;
  for (const line of lines) {
    const [, name, value = ''] = HEADER_LINE.exec(line) ?? [];
    const lower = name?.toLowerCase();
    if (lower === 'content-length' && bodyBytes === undefined && /^\d{1,7}$/.test(value)) bodyBytes = Number(value);
    else if (lower === 'authorization' && authorization === undefined) authorization = value;
    else if (lower === 'host' && !hasHost) hasHost = true;
    else if (lower === 'connection' && value.toLowerCase() === 'keep-alive') continue;
    else if (lower === undefined || lower === 'host' || !PLAIN_HEADERS.has(lower)) return undefined;
  }
  if (bodyBytes === undefined || bodyBytes > LIMITS.bodyBytesMax || !hasHost) return undefined;
  return { text, path, authorization, bodyBytes };
}

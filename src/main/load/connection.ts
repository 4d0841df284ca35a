import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectSecure } from 'node:tls';
import { LIMITS } from '../../core/limits.ts';

/** What a server answered, as far as a sender needs it. */
export interface Answer {
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;
  readonly body: string;
}

/**
 * One connection of a sender, with one request on it at a time (HTTP/1.1, RFC 9112; no pipelining). Far cheaper than
 * `node:http`, for the sender shares the machine with the server that it measures; and strict: an answer that is not plain
 * HTTP/1.1 counts as a cut connection. It connects when something is to be sent, and again after the server closed it.
 */
export class Connection {
  readonly #target: URL;
  #socket: Socket | undefined;
  #received: Buffer | undefined;
  #settle: ((answer: Answer | undefined) => void) | undefined;

  constructor(target: URL) {
    this.#target = target;
  }

  /** Sends a whole request; `settle` gets the answer, or undefined when the connection ended without one. */
  send(request: string, settle: (answer: Answer | undefined) => void): void {
    if (this.#settle !== undefined) throw new Error('a connection carries one request at a time');
    this.#settle = settle;
    this.#socket ??= this.#connect();
    this.#socket.write(request);
  }

  close(): void {
    this.#drop();
  }

  #connect(): Socket {
    const { protocol, hostname, port } = this.#target;
    // A URL writes an IPv6 address in brackets, a socket wants none.
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    const socket =
      protocol === 'https:'
        ? connectSecure({ host, port: Number(port || 443), servername: host })
        : connectPlain({ host, port: Number(port || 80) });
    socket.setNoDelay(true);
    socket.setTimeout(LIMITS.clientMsMax);
    const ended = () => {
      if (this.#socket === socket) this.#drop();
    };
    socket.on('data', (bytes: Buffer) => {
      if (this.#socket === socket) this.#take(bytes);
    });
    // An error is followed by close, and all that matters of it is that no answer came.
    socket.on('error', ended).on('timeout', ended).on('end', ended).on('close', ended);
    return socket;
  }

  #take(bytes: Buffer): void {
    const received = this.#received === undefined ? bytes : Buffer.concat([this.#received, bytes]);
    const parsed = this.#settle === undefined ? 'invalid' : parseAnswer(received);
    if (parsed === 'incomplete') {
      this.#received = received;
      return;
    }
    this.#received = undefined;
    if (parsed === 'invalid') {
      this.#drop();
      return;
    }
    if (!parsed.keepAlive) {
      this.#socket?.destroy();
      this.#socket = undefined;
    }
    this.#finish(parsed);
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#received = undefined;
    socket?.destroy();
    this.#finish(undefined);
  }

  #finish(answer: Answer | undefined): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.(answer);
  }
}

const STATUS_LINE = /^HTTP\/1\.1 ([2-5]\d\d)(?: [^\r\n]*)?\r\n/;
const CONTENT_LENGTH = /\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r\n/i;
const CONNECTION_CLOSE = /\r\nconnection:[ \t]*close[ \t]*\r\n/i;
const RETRY_AFTER = /\r\nretry-after:[ \t]*(\d{1,4})[ \t]*\r\n/i;

/**
 * Reads an answer. One without Content-Length is complete with its head: the status is all that counts, and its connection
 * is not used again.
 */
export function parseAnswer(received: Buffer): (Answer & { readonly keepAlive: boolean }) | 'incomplete' | 'invalid' {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd < 0) return received.length > LIMITS.headerBytesMax ? 'invalid' : 'incomplete';
  const head = received.toString('latin1', 0, headEnd + 2);
  const status = STATUS_LINE.exec(head)?.[1];
  if (status === undefined) return 'invalid';
  const length = CONTENT_LENGTH.exec(head)?.[1];
  const bodyStart = headEnd + 4;
  const bodyEnd = bodyStart + Number(length ?? 0);
  if (bodyEnd - bodyStart > LIMITS.bodyBytesMax) return 'invalid';
  if (received.length < bodyEnd) return 'incomplete';
  const retryAfter = RETRY_AFTER.exec(head)?.[1];
  return {
    status: Number(status),
    retryAfterSeconds: retryAfter === undefined ? undefined : Number(retryAfter),
    body: received.toString('utf8', bodyStart, bodyEnd),
    keepAlive: length !== undefined && received.length === bodyEnd && !CONNECTION_CLOSE.test(head),
  };
}

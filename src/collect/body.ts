import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { brotliDecompress, constants, gunzip, inflate, zstdDecompress } from 'node:zlib';
import { ClickstreamError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import { readJson } from '../core/read-json.ts';

type Decompressed = (error: Error | null, body: Buffer) => void;
type Decompress = (body: Buffer, bytesMax: number, done: Decompressed) => void;

/** RFC 8878 asks decoders for windows of 8 MB; zlib's default lets a few bytes claim 128 MB of memory. */
const ZSTD_WINDOW = { [constants.ZSTD_d_windowLogMax]: 23 };

const ENCODINGS: ReadonlyMap<string, Decompress> = new Map<string, Decompress>([
  ['gzip', (body, maxOutputLength, done) => gunzip(body, { maxOutputLength }, done)],
  ['x-gzip', (body, maxOutputLength, done) => gunzip(body, { maxOutputLength }, done)],
  ['deflate', (body, maxOutputLength, done) => inflate(body, { maxOutputLength }, done)],
  ['br', (body, maxOutputLength, done) => brotliDecompress(body, { maxOutputLength }, done)],
  ['zstd', (body, maxOutputLength, done) => zstdDecompress(body, { maxOutputLength, params: ZSTD_WINDOW }, done)],
]);

/** What bodies not yet whole hold in memory, all connections of one server together. */
export interface BodyMemory {
  bytes: number;
}

/**
 * Reads a request's body whole and decompressed, within the limits, and calls `done` once: with the body or with why there is
 * none. It is not called when the client goes away first. Callbacks, for this is on the way of every event.
 */
export function readBody(
  request: IncomingMessage,
  memory: BodyMemory,
  done: (body: Buffer | ClickstreamError) => void,
): void {
  const { 'content-length': announced, 'content-encoding': encoding } = request.headers;
  if (announced !== undefined && Number(announced) > LIMITS.bodyBytesMax) {
    done(bodyTooLarge(`${announced} bytes`));
    return;
  }
  let chunks: Buffer[] = [];
  let bytes = 0;
  const release = () => {
    memory.bytes -= bytes;
    bytes = 0;
    chunks = [];
  };
  const refuse = (error: ClickstreamError) => {
    request.removeAllListeners('data').removeAllListeners('end');
    release();
    done(error);
  };
  request.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
    memory.bytes += chunk.length;
    if (bytes > LIMITS.bodyBytesMax) refuse(bodyTooLarge(`more than ${LIMITS.bodyBytesMax} bytes`));
    else if (memory.bytes > LIMITS.bodiesBytesMax) {
      refuse(new ClickstreamError('overloaded', 'too many bodies are arriving at once'));
    }
  });
  request.on('end', () => {
    const [only] = chunks;
    const body = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes);
    release();
    if (encoding === undefined || encoding === 'identity' || encoding === '') done(body);
    else decompress(body, encoding, done);
  });
  request.on('close', release);
}

function decompress(body: Buffer, encoding: string, done: (body: Buffer | ClickstreamError) => void): void {
  const method = ENCODINGS.get(encoding.trim().toLowerCase());
  if (method === undefined) {
    done(new ClickstreamError('body_encoding_unsupported', `Content-Encoding "${encoding}" is not supported`));
    return;
  }
  const ratioBytes = Math.max(LIMITS.decompressionRatioFromBytes, body.length * LIMITS.decompressionRatioMax);
  const bytesMax = Math.min(LIMITS.decompressedBytesMax, ratioBytes);
  method(body, bytesMax, (error, decompressed) => {
    if (error === null) done(decompressed);
    else if ('code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') {
      done(bodyTooLarge(`${body.length} bytes that decompress to more than ${bytesMax}`));
    } else {
      done(new ClickstreamError('body_encoding_broken', `not ${encoding}: ${error.message}`, { cause: error }));
    }
  });
}

function bodyTooLarge(got: string): ClickstreamError {
  return new ClickstreamError('body_too_large', `the body is ${got}; at most ${LIMITS.bodyBytesMax} are taken`);
}

/**
 * Lets the rest of a body pass by, and then calls `done` once. A connection closed while its client still sends is
 * reset, and the client may never see the answer; so some is read on, but not for ever.
 */
export function discardBody(request: IncomingMessage, done: () => void): void {
  let bytes = 0;
  let isDone = false;
  const finish = () => {
    if (isDone) return;
    isDone = true;
    request.pause();
    done();
  };
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > LIMITS.discardedBytesMax) finish();
  });
  request.on('end', finish);
  request.on('close', finish);
}

/** A body as text and as the JSON in it, whatever its Content-Type says; or `body_not_json`. A byte order mark is skipped. */
export function parseJson(body: Buffer): { readonly text: string; readonly value: Json } | ClickstreamError {
  const decoded = body.toString('utf8');
  // What is not UTF-8 decodes to the replacement character, which may also have been sent: only then is it worth a look.
  if (decoded.includes('\ufffd') && !isUtf8(body))
    return new ClickstreamError('body_not_json', 'the body is not UTF-8');
  const text = decoded.charCodeAt(0) === 0xfeff ? decoded.slice(1) : decoded;
  try {
    return { text, value: readJson(text) as Json };
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    return new ClickstreamError('body_not_json', `the body is not JSON: ${message}`, { cause });
  }
}

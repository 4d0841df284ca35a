import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { acceptsCoding } from '../core/accept-encoding.ts';
import { ClickstreamError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { BROWSER_BATCH_PATH } from './routes.ts';

/** Where the tracker of our own is served and sends to. An owner may choose others, which lists of filters do not know. */
export interface TrackerPaths {
  /** Where a page loads the script from. */
  readonly script: string;
  /** Where the script sends to, on the host that it came from; taken like `BROWSER_BATCH_PATH`. */
  readonly collect: string;
}

export const TRACKER_PATHS: TrackerPaths = { script: '/t.js', collect: BROWSER_BATCH_PATH };

/** Where the built script names the path it sends to: it has no other text like it. */
const BUILT_PATH = new RegExp(`${TRACKER_PATHS.collect}(?![A-Za-z0-9/._-])`, 'g');

const HEADERS = {
  'Access-Control-Allow-Origin': '*',
  'Cache-Control': `public, max-age=${LIMITS.trackerScriptSeconds}`,
  'Cross-Origin-Resource-Policy': 'cross-origin',
  Vary: 'Accept-Encoding',
  'X-Content-Type-Options': 'nosniff',
};

/** The script as it is sent, in one coding. */
interface Representation {
  readonly coding: 'br' | 'gzip' | undefined;
  readonly body: Buffer;
  /** RFC 9110, section 8.8.3: another one in each coding. */
  readonly tag: string;
}

/** The browser's tracker of our own: its script for any page that asks, and where it sends to. */
export class Tracker {
  readonly paths: TrackerPaths;
  /** The best first. */
  readonly #representations: readonly Representation[];

  /** `built` is the text of tracker/dist/t.js; without it nothing is served. */
  constructor({ built, paths }: { readonly built: string | undefined; readonly paths: TrackerPaths }) {
    this.paths = paths;
    this.#representations = built === undefined ? [] : representationsOf(built, paths);
  }

  /** Answers a request for the script. False, and nothing happens, for any other path; `path` is the request's, as of `routeOf`. */
  handle(request: IncomingMessage, response: ServerResponse, path: string): boolean {
    const { method = '', headers } = request;
    const best = this.#representations.find(
      ({ coding }) => coding === undefined || acceptsCoding(headers['accept-encoding']?.toString(), coding),
    );
    if (best === undefined || path !== this.paths.script) return false;
    if (method !== 'GET' && method !== 'HEAD') {
      refuse(response, new ClickstreamError('method_not_allowed', `${method} is not allowed here`));
      return true;
    }
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    response.setHeader('ETag', best.tag);
    if (isKnown(headers['if-none-match'], best.tag)) {
      response.writeHead(304).end();
      return true;
    }
    if (best.coding !== undefined) response.setHeader('Content-Encoding', best.coding);
    response.writeHead(200, { 'Content-Type': 'text/javascript; charset=utf-8', 'Content-Length': best.body.length });
    response.end(method === 'HEAD' ? undefined : best.body);
    return true;
  }
}

function representationsOf(built: string, { collect }: TrackerPaths): readonly Representation[] {
  if (built.search(BUILT_PATH) < 0) throw new Error(`the built tracker does not name ${TRACKER_PATHS.collect}`);
  const body = Buffer.from(built.replace(BUILT_PATH, collect));
  const digest = hash('sha256', body, 'base64url').slice(0, 22);
  return [
    { coding: 'br', body: brotliCompressSync(body), tag: `"${digest}-br"` },
    { coding: 'gzip', body: gzipSync(body, { level: 9 }), tag: `"${digest}-gzip"` },
    { coding: undefined, body, tag: `"${digest}"` },
  ];
}

/** RFC 9110, section 13.1.2: compared weakly, for a proxy that compresses may have weakened it. */
function isKnown(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  const known = header.split(',').map((one) => one.trim().replace(/^W\//, ''));
  return known.includes(tag) || known.includes('*');
}

function refuse(response: ServerResponse, { code, status, message, cure }: ClickstreamError): void {
  response.writeHead(status, { Allow: 'GET, HEAD', 'Content-Type': 'application/json' });
  response.end(JSON.stringify({ success: false, code, message, cure }));
}

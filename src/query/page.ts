import type { OutgoingHttpHeaders } from 'node:http';
import { gzipSync } from 'node:zlib';
import { acceptsCoding } from '../core/accept-encoding.ts';
import { ClickstreamError } from '../core/errors.ts';

export interface PageFile {
  /** Of its Content-Type. */
  readonly type: string;
  readonly body: Buffer;
}

/** The dashboard's files, as `web/build.ts` made them, by path: `/`, and those under `/assets/`. Empty where it was not built. */
export type Page = ReadonlyMap<string, PageFile>;

export interface PageReply {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
  readonly headers: OutgoingHttpHeaders;
}

/**
 * Nothing runs but its own script and style, nobody else is asked, and no text can become markup:
 * https://www.w3.org/TR/trusted-types/#require-trusted-types-for-csp-directive
 */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

const HTML_TYPE = 'text/html; charset=utf-8';

const PAGE_HEADERS: OutgoingHttpHeaders = {
  'Content-Security-Policy': PAGE_POLICY,
  'Cross-Origin-Opener-Policy': 'same-origin',
};

const NOT_BUILT = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>clickstream</title></head>
<body><p>The dashboard is not built here. Run <code>npm run build:browser</code>, and start the server anew.</p></body>
</html>
`;

export interface PageServer {
  /** What `/` is. */
  page(): PageReply;
  /** A file under `/assets/`. Throws `not_found`. */
  asset(path: string, acceptEncoding: string | undefined): PageReply;
}

export function servePage(files: Page): PageServer {
  // Once each: they stay as they are.
  const gzipped = new Map<string, Buffer>();
  return {
    page: () => {
      const page = files.get('/');
      if (page === undefined) return { status: 503, type: HTML_TYPE, body: NOT_BUILT, headers: PAGE_HEADERS };
      return { status: 200, ...page, headers: PAGE_HEADERS };
    },
    asset: (path, acceptEncoding) => {
      const file = files.get(path);
      if (file === undefined) throw new ClickstreamError('not_found', `the page has no file ${path}`);
      // The name has a digest of the bytes, so what a browser has under it is never old.
      const headers = { 'Cache-Control': 'public, max-age=31536000, immutable', Vary: 'Accept-Encoding' };
      if (!acceptsCoding(acceptEncoding, 'gzip')) return { status: 200, ...file, headers };
      const body = gzipped.get(path) ?? gzipSync(file.body, { level: 9 });
      gzipped.set(path, body);
      return { status: 200, type: file.type, body, headers: { ...headers, 'Content-Encoding': 'gzip' } };
    },
  };
}

import { LIMITS } from '../../core/limits.ts';

/** Scheme, and what may stand before the host. A backslash ends a host as a slash does (WHATWG URL, 4.4). */
const AUTHORITY = /^\s*(?:https?|android-app|ios-app):[/\\]{2}(?:[^/?#\\]*@)?(\[[\da-f:.]+\]|[^/?#\\:@]+)/i;
const HOST = /^(?:[\p{L}\p{M}\p{N}_-]+\.)*[\p{L}\p{M}\p{N}_-]+$|^\[[\da-f:.]+\]$/u;

/**
 * The host of an absolute URL, in lower case, without `www.`, port and final dot. It is read by hand, since every event
 * has two of them, and a whole URL parser takes more time than all the rest of enrichment.
 */
export function hostOf(url: string): string | undefined {
  const authority = AUTHORITY.exec(url.length > LIMITS.urlCharsMax ? url.slice(0, LIMITS.urlCharsMax) : url);
  let host = authority?.[1]?.trimEnd().toLowerCase();
  if (host === undefined) return undefined;
  if (host.endsWith('.')) host = host.slice(0, -1);
  host = withoutWww(host);
  return host.length <= LIMITS.hostCharsMax && HOST.test(host) ? host : undefined;
}

function withoutWww(host: string): string {
  return host.startsWith('www.') && host.indexOf('.', 4) > 0 ? host.slice(4) : host;
}

/** The query of a URL, without its question mark and fragment; empty when it has none. */
export function queryOf(url: string): string {
  const start = url.indexOf('?');
  if (start < 0) return '';
  const end = url.indexOf('#');
  if (end >= 0 && end < start) return '';
  return url.slice(start + 1, end < 0 ? LIMITS.urlCharsMax : Math.min(end, LIMITS.urlCharsMax));
}

/** A value of a query as text: plus signs are spaces. What is not percent-encoded as it should be stays as it is. */
export function decodedValue(value: string): string {
  const spaced = value.replaceAll('+', ' ');
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}

/** Whether the host, which has no `www.`, is the domain, or one under it. Both in lower case. */
export function isUnder(host: string, configured: string): boolean {
  const domain = withoutWww(configured);
  return host.endsWith(domain) && (host.length === domain.length || host[host.length - domain.length - 1] === '.');
}

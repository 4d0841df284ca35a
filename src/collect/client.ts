import type { IncomingMessage } from 'node:http';
import { truncateAddress } from '../core/address.ts';
import { isObject } from '../core/json.ts';

/** What a browser's request itself tells of its visitor, as it may be stored. */
export interface StoredClient {
  /** Truncated. */
  readonly ip: string | undefined;
  readonly userAgent: string | undefined;
}

export interface Client extends StoredClient {
  /** Whole, as it was seen. It is a person's, and only for the id that is made of it: never to be stored or shown. */
  readonly address: string | undefined;
}

/**
 * `proxies` is how many reverse proxies stand before the server. Each adds the address that it saw to the right of
 * X-Forwarded-For, so the entry of the outermost is that many from the right; what is left of it, a client may have made up.
 */
export function clientOf(request: Pick<IncomingMessage, 'headers' | 'socket'>, proxies: number): Client {
  const { 'x-forwarded-for': forwarded, 'user-agent': userAgent } = request.headers;
  const seen = proxies === 0 || forwarded === undefined ? [] : String(forwarded).split(',');
  // Fewer entries than proxies: the request came in behind some of them, and the first entry is all there is.
  const address = seen.at(-proxies) ?? seen[0] ?? request.socket.remoteAddress;
  return { address, ip: address === undefined ? undefined : truncateAddress(address), userAgent };
}

/**
 * An event's context as it may be stored: its `ip` truncated, and gone if it is no address. What the event leaves open
 * is filled from the browser that sent it, where a browser did.
 */
export function withClient(context: unknown, client: StoredClient | undefined): unknown {
  if (!isObject(context) || (client === undefined && context.ip === undefined)) return context;
  const { ip: sent, userAgent } = context;
  // An ip that is there and is no address, such as null, may be a wish that none is known: it is not filled.
  const own = typeof sent === 'string' ? truncateAddress(sent) : undefined;
  // What is undefined is no member of the JSON that the event becomes.
  return {
    ...context,
    ip: sent === undefined ? client?.ip : own,
    userAgent: userAgent === undefined ? client?.userAgent : userAgent,
  };
}

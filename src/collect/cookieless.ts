import { createHmac } from 'node:crypto';
import { wholeAddress } from '../core/address.ts';
import { isObject } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import { type Salts, saltDays } from '../core/salts.ts';
import { canonicalTime } from '../core/time.ts';
import type { Client } from './client.ts';
import type { Candidate, Mapped } from './protocol.ts';

/** What one browser is told from another by, on one day. */
export interface Trace {
  readonly source: string;
  /** Whole, in the form of `wholeAddress`. */
  readonly address: string;
  readonly userAgent: string;
}

/**
 * The anonymousId of a browser that keeps none: 16 characters of base64url. The same for one browser, source and salt; once
 * the salt is gone nobody can tell whose it was, or try addresses until one fits.
 */
export function cookielessId(salt: Uint8Array, { source, address, userAgent }: Trace): string {
  // Neither a source nor an address has a NUL in it, so no two traces are one text.
  const digest = createHmac('sha256', salt).update(`${source}\0${address}\0${userAgent}`).digest();
  return digest.subarray(0, LIMITS.cookielessIdBytes).toString('base64url');
}

interface Arrived {
  readonly salts: Salts;
  readonly source: string;
  readonly client: Client;
  readonly receivedAtMs: number;
}

/**
 * The events of a browser's request, those that want it with an anonymousId made for them. Where the browser's address is
 * not known none is made, for it would be that of many. Rejects with `salt_unavailable`.
 */
export async function withCookielessIds(events: readonly Mapped[], arrived: Arrived): Promise<readonly Mapped[]> {
  const { salts, source, client, receivedAtMs } = arrived;
  if (!events.some(wantsId)) return events;
  const address = client.address === undefined ? undefined : wholeAddress(client.address);
  if (address === undefined) return events;
  const trace = { source, address, userAgent: client.userAgent ?? '' };
  const ids = new Map<string, string>();
  const identified: Mapped[] = [];
  for (const event of events) {
    if (!wantsId(event)) {
      identified.push(event);
      continue;
    }
    const day = saltDayOf(event.createdAt, receivedAtMs);
    const anonymousId = ids.get(day) ?? cookielessId(await salts.of(day), trace);
    ids.set(day, anonymousId);
    identified.push({ ...event, anonymousId });
  }
  return identified;
}

function wantsId(event: Mapped): event is Candidate {
  if (event.kind === 'unmappable' || event.anonymousId !== undefined || event.userId !== undefined) return false;
  return isObject(event.context) && event.context.cookieless === true;
}

/**
 * The day whose salt an event's id is made with: that of its own time, by the tracker's clock and so the same on each retry,
 * if that is today or yesterday; else today.
 */
export function saltDayOf(createdAt: unknown, receivedAtMs: number): string {
  const { today, yesterday } = saltDays(receivedAtMs);
  return canonicalTime(createdAt)?.startsWith(yesterday) === true ? yesterday : today;
}

/**
 * The browser's queue. An event leaves it when the server has answered for it, so it may be sent twice: what is under way when a
 * page is left, nobody hears the answer of. The server knows it by its id and time, and stores it once.
 *
 * Each page stores its queue under a name of its own, with a lease; so tabs do not overwrite each other's, and what a page
 * left behind is taken over by whichever sends next.
 */
import { isRetriable, retryDelayMs } from './backoff.ts';
import {
  BATCH_MS,
  BROWSER_BATCH_CHARS_MAX,
  BROWSER_EVENT_CHARS_MAX,
  BROWSER_QUEUE_CHARS_MAX,
  KEEPALIVE_CHARS_MAX,
  LEASE_MS,
} from './limits.ts';
import { bodyOf, dropOldest, encodeQueue, orphans, takeBatch } from './queue.ts';
import { settings } from './settings.ts';
import { load, names, randomId, save } from './storage.ts';

/** How names of queues with this page's write key begin: with another key events would go to another source. */
let beginning: string;
let own: string;
/** All that is not answered for, in order; and what of it is under way. */
let queue: string[];
let flying: string[];
let failures = 0;
let leaseUntil = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** How many events this page had to drop, for there were too many, or one was too large. */
export let dropped = 0;

/** Takes an event as JSON, to be sent soon. */
export function deliver(line: string): void {
  if (line.length > BROWSER_EVENT_CHARS_MAX) dropped += 1;
  else queue.push(line);
  wake();
}

/** Sends soon what waits, here or where another page left it. */
export function wake(): void {
  if (timer) keep();
  else sendIn(BATCH_MS);
}

/** Sends what waits: one request at a time and in order, or all at once where the page is being left. */
export function send(isLeaving?: boolean): void {
  clearTimeout(timer);
  timer = undefined;
  if (!isLeaving) takeOver();
  for (const waiting = without(queue, flying); waiting[0] && (isLeaving || !flying[0]); )
    post(takeBatch(waiting, BROWSER_BATCH_CHARS_MAX), isLeaving);
}

/** The page may be gone for good: what is not known to have arrived is left to the next one. */
export function handOver(): void {
  leaseUntil = 0;
  if (keep()) forgetQueue();
}

/** Nothing that waits will be sent by this page. It must be called before anything is. */
export function forgetQueue(): void {
  clearTimeout(timer);
  timer = undefined;
  beginning = `clickstream.queue.${settings.key}.`;
  own = beginning + Date.now() + randomId();
  queue = [];
  flying = [];
}

function sendIn(delayMs: number): void {
  clearTimeout(timer);
  timer = setTimeout(send, delayMs);
  leaseUntil = Date.now() + delayMs + LEASE_MS;
  keep();
}

/** Whether all that waits is stored. */
function keep(): boolean | undefined {
  dropped += dropOldest(queue, BROWSER_QUEUE_CHARS_MAX);
  return save(own, queue[0] && encodeQueue(queue, leaseUntil));
}

function takeOver(): void {
  // Names begin with their page's time: the newest is put before what is here, and the older before it.
  for (const name of names(beginning).sort().reverse()) {
    const lines = name === own ? [] : orphans(load(name), Date.now());
    if (!lines[0]) continue;
    queue.unshift(...lines);
    // Stored here before it is removed there: who is cut off in between leaves it twice, and not never.
    keep();
    save(name);
  }
}

function post(batch: readonly string[], isLeaving?: boolean): void {
  const page = own;
  const url = `${settings.endpoint}/v1/b`;
  const body = bodyOf(batch, settings.key);
  flying.push(...batch);
  const settle = (status: number, retryAfter?: string | null) => {
    // It was handed over meanwhile, or forgotten.
    if (page !== own) return;
    flying = without(flying, batch);
    failures = isRetriable(status) ? failures + 1 : 0;
    if (!failures) {
      queue = without(queue, batch);
      if (status > 399) console.warn('clickstream:', status, 'dropped');
    }
    sendIn(failures && retryDelayMs(failures, Math.random(), retryAfter));
  };
  const sent: Promise<Response> =
    isLeaving && !('keepalive' in Request.prototype)
      ? // Whether it arrives nobody will say, so it is kept.
        Promise.reject(navigator.sendBeacon(url, body))
      : fetch(url, { method: 'POST', body, keepalive: body.length < KEEPALIVE_CHARS_MAX });
  sent.then(
    (answer) => settle(answer.status, answer.headers.get('Retry-After')),
    () => settle(0),
  );
}

/** No two lines are the same: each event has an id of its own. */
function without(lines: readonly string[], others: readonly string[]): string[] {
  return lines.filter((line) => !others.includes(line));
}

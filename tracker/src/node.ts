import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRetriable, retryDelayMs } from './backoff.ts';
import {
  BATCH_MS,
  CLOSE_MS_MAX,
  NODE_BATCH_CHARS_MAX,
  NODE_EVENT_CHARS_MAX,
  NODE_QUEUE_CHARS_MAX,
  REQUEST_MS_MAX,
} from './limits.ts';
import { bodyOf, dropOldest, takeBatch } from './queue.ts';
import type { Properties } from './tracker-api.ts';

export type { Properties } from './tracker-api.ts';

export interface NodeTrackerOptions {
  /** Where the server is, `https://events.example.com`. */
  readonly endpoint: string;
  /** The write key of a source. */
  readonly key?: string;
}

interface Details {
  /** When it happened. @default now */
  readonly timestamp?: Date;
  /** What else is known: `page` (`url`, `referrer`), `locale`, `userAgent`, `ip`. */
  readonly context?: Properties;
}

/** Whose event it is, a user's, a device's, or both, which links them; and what else is known. */
export type Who = Details &
  (
    | { readonly userId: string; readonly anonymousId?: string | undefined }
    | { readonly userId?: string | undefined; readonly anonymousId: string }
  );

export interface NodeTracker {
  page(properties: Properties, who: Who): void;
  track(name: string, properties: Properties, who: Who): void;
  identify(userId: string, traits?: Properties, device?: Details & { readonly anonymousId?: string }): void;
  /** Resolves when the server has answered for all that was called before. While the server is away it waits. */
  flush(): Promise<void>;
  /**
   * Takes no more calls, and flushes for at most `timeoutMs` (10,000 by default). What is unsent then is lost, and counted. Call it
   * before the process ends: events wait in memory alone, and `process.exit` waits for nothing.
   */
  close(options?: { readonly timeoutMs?: number }): Promise<{ readonly unsent: number }>;
}

/** Starts a tracker of its own queue. No call waits or throws; the oldest events are dropped when too many wait. */
export function init({ endpoint, key }: NodeTrackerOptions): NodeTracker {
  const delivery = new NodeDelivery(`${endpoint.replace(/\/$/, '')}/v1/batch`, key);
  const record = (call: object, { timestamp = new Date(), context, ...ids }: Partial<Who> = {}) =>
    delivery.add({ messageId: randomUUID(), timestamp, ...call, ...ids }, context);
  return {
    page: (properties, who) => record({ type: 'page', properties }, who),
    track: (event, properties, who) => record({ type: 'track', event, properties }, who),
    identify: (userId, traits, device = {}) => record({ type: 'identify', traits }, { ...device, userId }),
    flush: () => delivery.flush(),
    close: ({ timeoutMs = CLOSE_MS_MAX } = {}) => delivery.close(timeoutMs),
  };
}

/** One request at a time, so that events arrive in order. */
class NodeDelivery {
  readonly #url: string;
  readonly #key: string | undefined;
  readonly #closing = new AbortController();
  readonly #queue: string[] = [];
  /** Events ever taken, and those of them that were answered for or dropped. */
  #taken = 0;
  #settled = 0;
  #dropped = 0;
  #failures = 0;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #step: Promise<void> | undefined;

  constructor(url: string, key: string | undefined) {
    this.#url = url;
    this.#key = key;
  }

  add(event: object, context: Properties | undefined): void {
    if (this.#isClosed) {
      console.warn('clickstream: the tracker is closed, and the event is lost');
      return;
    }
    const dropped = this.#dropped > 0 ? { dropped: this.#dropped } : {};
    let line: string;
    try {
      line = JSON.stringify({ ...event, context: { ...context, ...dropped } });
    } catch (error) {
      console.warn('clickstream: an event cannot be written as JSON:', error);
      return;
    }
    if (line.length > NODE_EVENT_CHARS_MAX) {
      console.warn(`clickstream: an event of ${line.length} characters is too large, and lost`);
      return;
    }
    this.#queue.push(line);
    this.#taken += 1;
    this.#bound();
    if (this.#step === undefined) this.#drainSoon();
  }

  async flush(): Promise<void> {
    const until = this.#taken;
    // Waits between tries do not keep a process alive; somebody who waits for them does.
    const alive = setInterval(() => {}, REQUEST_MS_MAX);
    while (this.#settled < until && !this.#closing.signal.aborted) await this.#next();
    clearInterval(alive);
  }

  async close(timeoutMs: number): Promise<{ readonly unsent: number }> {
    this.#isClosed = true;
    const timer = setTimeout(() => this.#closing.abort(), timeoutMs);
    await this.flush();
    clearTimeout(timer);
    clearTimeout(this.#timer);
    return { unsent: this.#taken - this.#settled };
  }

  #drainSoon(): void {
    this.#timer ??= setTimeout(() => void this.#drain(), BATCH_MS);
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0 && !this.#closing.signal.aborted) await this.#next();
  }

  /** The next request, or the one that is under way, with the wait after it where it failed. */
  #next(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#step ??= this.#send().finally(() => {
      this.#step = undefined;
      // Of what was called meanwhile. Whoever goes on sending takes the time away again.
      if (this.#queue.length > 0 && !this.#closing.signal.aborted) this.#drainSoon();
    });
    return this.#step;
  }

  async #send(): Promise<void> {
    const batch = takeBatch(this.#queue, NODE_BATCH_CHARS_MAX);
    const { status, retryAfter } = await this.#post(batch);
    if (isRetriable(status)) {
      this.#queue.unshift(...batch);
      this.#bound();
      this.#failures += 1;
      const delayMs = retryDelayMs(this.#failures, Math.random(), retryAfter);
      const { signal } = this.#closing;
      await sleep(delayMs, undefined, { signal, ref: false }).catch(() => {});
      return;
    }
    this.#failures = 0;
    this.#settled += batch.length;
    if (status > 399) console.warn(`clickstream: ${status}, ${batch.length} events dropped`);
  }

  async #post(batch: readonly string[]): Promise<{ readonly status: number; readonly retryAfter?: string | null }> {
    try {
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(REQUEST_MS_MAX)]);
      const headers = { 'Content-Type': 'application/json' };
      const response = await fetch(this.#url, { method: 'POST', headers, body: bodyOf(batch, this.#key), signal });
      // A connection whose answer is not read is not used again.
      await response.arrayBuffer();
      return { status: response.status, retryAfter: response.headers.get('Retry-After') };
    } catch {
      return { status: 0 };
    }
  }

  #bound(): void {
    const dropped = dropOldest(this.#queue, NODE_QUEUE_CHARS_MAX);
    this.#dropped += dropped;
    this.#settled += dropped;
  }
}

import { LIMITS } from '../../core/limits.ts';
import { type Answer, Connection } from './connection.ts';
import type { Outcome } from './ledger.ts';
import type { PlannedEvent } from './visits.ts';

/** Events that travel together: one to its own path, several to /v1/batch. */
export interface Shipment {
  readonly events: readonly [PlannedEvent, ...PlannedEvent[]];
  /** When it should go out, by `performance.now()`; latencies count from here, so that waiting in the sender shows. */
  readonly dueMs: number;
}

/** What a shipment ended with, after all its attempts; `answer` is the last one seen. */
export type Settled = (shipment: Shipment, outcome: Outcome, answer: Answer | undefined) => void;

export interface SenderCounters {
  /** Attempts that were answered 503 or another status that asks to come back. */
  busy: number;
  /** Attempts whose connection ended without an answer, or could not be made. */
  cut: number;
}

interface Attempt {
  readonly shipment: Shipment;
  readonly firstMs: number;
  count: number;
  /** An attempt before may have been stored without our being told. */
  doubted: boolean;
}

/**
 * Sends shipments to the Segment HTTP API over a fixed number of kept-alive connections. What is answered 408, 429 or 5xx, and
 * what is cut, goes again with the same ids after a growing pause, as trackers do, until `loadRetryMsMax`; it holds no
 * connection meanwhile. `sentAt` is the time of each attempt.
 */
export class Sender {
  readonly #heads: ReadonlyMap<string, string>;
  readonly #batched: boolean;
  readonly #settled: Settled;
  readonly #connections: readonly Connection[];
  readonly #idle: Connection[];
  #queue: Attempt[] = [];
  #next = 0;
  #givenUp = false;
  /** Events handed over and not settled. */
  waitingEvents = 0;
  readonly counters: SenderCounters = { busy: 0, cut: 0 };

  constructor(options: {
    readonly url: URL;
    readonly writeKey: string;
    readonly connections: number;
    readonly batched: boolean;
    readonly settled: Settled;
  }) {
    this.#batched = options.batched;
    this.#settled = options.settled;
    this.#heads = new Map(['track', 'page', 'identify', 'batch'].map((path) => [path, headOf(path, options)] as const));
    this.#connections = Array.from({ length: options.connections }, () => new Connection(options.url));
    this.#idle = [...this.#connections];
  }

  send(shipment: Shipment): void {
    this.waitingEvents += shipment.events.length;
    this.#start({ shipment, firstMs: performance.now(), count: 0, doubted: false });
  }

  /** From now on nothing is tried again: what gets no answer is unknown. */
  giveUp(): void {
    this.#givenUp = true;
  }

  /** Closes the connections; to be called when nothing waits any more. */
  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  #start(attempt: Attempt): void {
    const connection = this.#idle.pop();
    if (connection === undefined) this.#queue.push(attempt);
    else this.#sendOn(connection, attempt);
  }

  #sendOn(connection: Connection, attempt: Attempt): void {
    attempt.count += 1;
    connection.send(this.#textOf(attempt.shipment), (answer) => {
      this.#judge(attempt, answer);
      const next = this.#nextQueued();
      if (next === undefined) this.#idle.push(connection);
      else this.#sendOn(connection, next);
    });
  }

  /** What waited for a connection beyond all patience is given up, so that a server that hangs cannot hold the end up. */
  #nextQueued(): Attempt | undefined {
    for (;;) {
      const next = this.#takeQueued();
      if (next === undefined || performance.now() - next.firstMs <= LIMITS.loadRetryMsMax) return next;
      this.#end(next, 'unknown', undefined);
    }
  }

  /** The queue is an array with a moving start: shift() on a long one would copy it each time. */
  #takeQueued(): Attempt | undefined {
    const next = this.#queue[this.#next];
    if (next === undefined) return undefined;
    this.#next += 1;
    if (this.#next === this.#queue.length || this.#next >= LIMITS.loadWaitingEventsMax) {
      this.#queue = this.#queue.slice(this.#next);
      this.#next = 0;
    }
    return next;
  }

  #judge(attempt: Attempt, answer: Answer | undefined): void {
    const status = answer?.status;
    if (status !== undefined && status < 300) {
      this.#end(attempt, 'acknowledged', answer);
      return;
    }
    if (status !== undefined && status < 500 && status !== 408 && status !== 429) {
      this.#end(attempt, attempt.doubted ? 'unknown' : 'refused', answer);
      return;
    }
    attempt.doubted = true;
    this.counters[status === undefined ? 'cut' : 'busy'] += 1;
    const growing = LIMITS.loadBackoffMsMin * 2 ** Math.min(attempt.count - 1, 10);
    const asked = (answer?.retryAfterSeconds ?? 0) * 1_000;
    const least = Math.max(Math.min(growing, LIMITS.loadBackoffMsMax), asked);
    // Spread, so that all that was cut at once does not come back at once.
    const pauseMs = least * (1 + Math.random() / 2);
    if (this.#givenUp || performance.now() + pauseMs - attempt.firstMs > LIMITS.loadRetryMsMax) {
      this.#end(attempt, 'unknown', answer);
      return;
    }
    setTimeout(() => this.#start(attempt), pauseMs);
  }

  #end({ shipment }: Attempt, outcome: Outcome, answer: Answer | undefined): void {
    this.waitingEvents -= shipment.events.length;
    this.#settled(shipment, outcome, answer);
  }

  #textOf({ events }: Shipment): string {
    const [event] = events;
    const sentAt = new Date().toISOString();
    const body = this.#batched
      ? `{"batch":[${events.map(({ openBody }) => `${openBody}}`).join(',')}],"sentAt":"${sentAt}"}`
      : `${event.openBody},"sentAt":"${sentAt}"}`;
    const head = this.#heads.get(this.#batched ? 'batch' : event.path);
    return `${head}${Buffer.byteLength(body)}\r\n\r\n${body}`;
  }
}

function headOf(path: string, { url, writeKey }: { readonly url: URL; readonly writeKey: string }): string {
  const folder = url.pathname.replace(/\/$/, '');
  return (
    `POST ${folder}/v1/${path} HTTP/1.1\r\nHost: ${url.host}\r\nUser-Agent: clickstream-load\r\n` +
    `Authorization: Basic ${Buffer.from(`${writeKey}:`).toString('base64')}\r\n` +
    'Content-Type: application/json\r\nContent-Length: '
  );
}

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { gunzipSync, gzipSync } from 'node:zlib';

/** What a fake server does with one request to collect: `storeAndCut` is the answer that got lost. */
export type Fate = 'store' | 'storeAndCut' | 'cut' | 'busy' | 'refuse';

export interface FakeEvent {
  eventId: string;
  eventType: string;
  userId?: string | undefined;
  anonymousId: string;
  timestamp: string;
  properties: { readonly path?: string };
  position: { lane: string; sequence: string; index: number };
}

export interface FakeBadEvent {
  readonly id: string;
  readonly source: string;
  readonly receivedAt: string;
  readonly code: string;
  readonly detail: string;
  readonly payload: string;
}

export interface FakeDeadRecord {
  readonly id: string;
  readonly lane: string;
  readonly sequence: string;
  readonly reason: string;
  readonly bytes: number;
  readonly receivedAt: string | null;
  redriven: { readonly lane: string; readonly sequence: string } | null;
}

export type FakeReplay =
  | { readonly status: number; readonly code: string }
  | { readonly refused: readonly { readonly place: number; readonly code: string; readonly detail: string }[] };

/**
 * A small server with the surface that the command line uses, for tests of the command line alone. It keeps what it
 * stored in an array, which a test may spoil.
 */
export class FakeServer {
  readonly stored: FakeEvent[] = [];
  /** Problems that its audit names. */
  readonly problems: { readonly kind: string; readonly detail: string }[] = [];
  /** Events set aside, the newest first. */
  readonly bad: FakeBadEvent[] = [];
  /** Dead records, the newest first. */
  readonly dead: FakeDeadRecord[] = [];
  /** The ids of those that were put back, in order. */
  readonly redriven: string[] = [];
  /** The visitors of the records that were replayed, a list for each request. */
  readonly replayed: string[][] = [];
  /** What becomes of each request to replay, numbered from 0: a status with its code, or some refused of those that came. */
  replay: (request: number, visitors: readonly string[]) => FakeReplay = () => ({ refused: [] });
  replays = 0;
  /** The problem in place of the next record put back, by id. */
  readonly refusals = new Map<string, { readonly status: number; readonly code: string }>();
  /** Decides on each request to collect, numbered from 0. */
  fate: (request: number) => Fate = () => 'store';
  token: string | undefined;
  /** Answers as a load balancer's function does with what is large. */
  compresses = false;
  requests = 0;
  duplicates = 0;
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });

  async start(): Promise<URL> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`);
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://fake');
    const redriven = /^\/api\/v1\/dead\/([^/]+)\/redrive$/.exec(url.pathname)?.[1];
    const isReplay = url.pathname === '/api/v1/replay';
    if (request.method === 'POST' && redriven === undefined && !isReplay) {
      this.#collect(await text(request), response);
    } else if (this.token !== undefined && request.headers.authorization !== `Bearer ${this.token}`) {
      send(response, 401, { code: 'read_token_missing', detail: 'a token is wanted', cure: 'send it' });
    } else if (isReplay && request.method === 'POST') {
      this.#replay(gunzipSync(await buffer(request)).toString(), response);
    } else if (redriven !== undefined && request.method === 'POST') {
      this.#redrive(redriven, response);
    } else {
      const found = this.#read(url);
      if (found === undefined) send(response, 404, { code: 'not_found', detail: 'nothing there', cure: 'none' });
      else if (this.compresses) sendCompressed(response, found);
      else send(response, 200, found);
    }
  }

  #collect(body: string, response: ServerResponse): void {
    const fate = this.fate(this.requests);
    this.requests += 1;
    if (fate === 'refuse' || fate === 'busy') {
      const problem = { code: fate === 'busy' ? 'overloaded' : 'body_not_json', message: fate, cure: 'none' };
      send(response, fate === 'busy' ? 503 : 400, problem);
      return;
    }
    if (fate === 'cut') {
      response.destroy();
      return;
    }
    const parsed = JSON.parse(body);
    for (const event of parsed.batch ?? [parsed]) this.#store(event);
    if (fate === 'storeAndCut') response.destroy();
    else send(response, 200, { success: true });
  }

  #store(event: { [field: string]: string } & { properties: FakeEvent['properties'] }): void {
    const { messageId = '', type = '', event: name, userId, anonymousId = '', timestamp = '', properties } = event;
    if (this.stored.some(({ eventId }) => eventId === messageId)) {
      this.duplicates += 1;
      return;
    }
    const position = { lane: 'fake', sequence: String(this.stored.length), index: 0 };
    this.stored.push({
      eventId: messageId,
      eventType: name ?? type,
      userId,
      anonymousId,
      timestamp,
      properties,
      position,
    });
  }

  /** Takes records of one event each. */
  #replay(text: string, response: ServerResponse): void {
    const lines = text.split('\n').filter((_, index) => index % 2 === 0);
    const visitors = lines.filter((line) => line !== '').map((line) => JSON.parse(line).visitor as string);
    const fate = this.replay(this.replays, visitors);
    this.replays += 1;
    if ('status' in fate) {
      send(response, fate.status, { code: fate.code, detail: 'not now', cure: 'none' });
      return;
    }
    const { refused } = fate;
    // After one that is passing, nothing was taken.
    const end = Math.min(
      ...refused.flatMap(({ place, code }) => (code === 'overloaded' ? [place - 1] : [])),
      visitors.length,
    );
    const taken = visitors.slice(0, end).filter((_, index) => !refused.some(({ place }) => place === index + 1));
    this.replayed.push(taken);
    send(response, 200, { records: taken.length, events: taken.length, refused });
  }

  #redrive(id: string, response: ServerResponse): void {
    const refusal = this.refusals.get(id);
    const record = this.dead.find((dead) => dead.id === id);
    if (refusal !== undefined) {
      send(response, refusal.status, { code: refusal.code, detail: `refused: ${id}`, cure: 'none' });
    } else if (record === undefined) {
      send(response, 404, { code: 'not_found', detail: 'nothing there', cure: 'none' });
    } else {
      const appended = record.redriven === null;
      record.redriven ??= { lane: 'fake', sequence: String(1_000 + this.redriven.push(id)) };
      send(response, 200, { id, redriven: record.redriven, appended });
    }
  }

  #read(url: URL): object | undefined {
    const user = /^\/api\/v1\/users\/([^/]+)\/events$/.exec(url.pathname)?.[1];
    if (url.pathname === '/api/v1/events') return this.#list(url.searchParams, () => true);
    if (user !== undefined)
      return this.#list(url.searchParams, (event) => (event.userId ?? event.anonymousId) === user);
    if (url.pathname === '/api/v1/sources') return { sources: [] };
    if (url.pathname === '/api/v1/audit') return this.#audit();
    if (url.pathname === '/api/v1/bad') return this.#listBad(url.searchParams);
    const bad = /^\/api\/v1\/bad\/([^/]+)$/.exec(url.pathname)?.[1];
    if (bad !== undefined) return this.bad.find(({ id }) => id === bad);
    if (url.pathname === '/api/v1/dead') return this.#listDead(url.searchParams);
    const dead = /^\/api\/v1\/dead\/([^/]+)$/.exec(url.pathname)?.[1];
    if (dead !== undefined) {
      const record = this.dead.find(({ id }) => id === dead);
      const bytes = Buffer.from([0, 255, 10]);
      return record && { ...record, payload: bytes.toString('base64'), text: null };
    }
    if (url.pathname === '/api/v1/stats') {
      return {
        measure: url.searchParams.get('measure'),
        asked: Object.fromEntries(url.searchParams),
        rows: [{ time: '2026-01-01T00:00:00.000Z', value: 3, key: 'a\u001b[2J' }],
      };
    }
    throw new Error(`nothing at ${url.pathname}`);
  }

  #list(query: URLSearchParams, wanted: (event: FakeEvent) => boolean): object {
    const { from = '', to = '\uffff', order = 'desc', limit = '100', cursor = '0', type } = Object.fromEntries(query);
    const events = this.stored
      .filter((event) => wanted(event) && event.timestamp >= from && event.timestamp < to)
      .filter(({ eventType }) => type === undefined || type === eventType)
      .sort((a, b) => (a.timestamp < b.timestamp ? -1 : a.timestamp > b.timestamp ? 1 : 0));
    if (order === 'desc') events.reverse();
    const end = Number(cursor) + Number(limit);
    return { events: events.slice(Number(cursor), end), cursor: end < events.length ? String(end) : null };
  }

  /** Looks at two of them a page, so that a filter finds none on some. */
  #listBad(query: URLSearchParams): object {
    const { cursor = '0', code, source } = Object.fromEntries(query);
    const end = Number(cursor) + 2;
    const page = this.bad
      .slice(Number(cursor), end)
      .filter((event) => (code ?? event.code) === event.code && (source ?? event.source) === event.source);
    const reasons = Object.entries(Object.groupBy(this.bad, (event) => event.code));
    return {
      bad: page,
      cursor: end < this.bad.length ? String(end) : null,
      reasons: reasons.map(([code, events = []]) => ({ code, count: events.length })),
      counted: this.bad.length,
      complete: true,
    };
  }

  /** Two a page at the most. */
  #listDead(query: URLSearchParams): object {
    const { cursor = '0', limit = '100' } = Object.fromEntries(query);
    const end = Number(cursor) + Math.min(2, Number(limit));
    return { dead: this.dead.slice(Number(cursor), end), cursor: end < this.dead.length ? String(end) : null };
  }

  #audit(): object {
    const { duplicates, problems, stored } = this;
    const none = {
      bad: 0,
      dead: 0,
      forgotten: 0,
      pending: 0,
      redelivered: 0,
      lost: 0,
      unresolved: 0,
      unwitnessed: 0,
      expired: 0,
      erased: 0,
    };
    const counts = { accepted: stored.length + duplicates, stored: stored.length, duplicate: duplicates, ...none };
    return {
      balanced: problems.length === 0,
      ...counts,
      waiting: [],
      problems,
      problemCount: problems.length,
      notes: [],
    };
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.statusCode = status;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(body));
}

/** For clients that take it. */
function sendCompressed(response: ServerResponse, body: object): void {
  if (response.req.headers['accept-encoding'] !== 'gzip') {
    send(response, 400, { code: 'answer_too_large', detail: 'too large', cure: 'none' });
    return;
  }
  response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
  response.end(gzipSync(JSON.stringify(body)));
}

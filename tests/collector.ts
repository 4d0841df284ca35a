import { createServer, type Server, type ServerOptions } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { serveHotRequests } from '../src/collect/hot-requests.ts';
import {
  type CollectCounters,
  type Collector,
  createCollector,
  guardServer,
  newCounters,
  serverOptions,
} from '../src/collect/http.ts';
import { WriteKeys } from '../src/collect/keys.ts';
import { Numbering } from '../src/collect/numbering.ts';
import type { Tracker } from '../src/collect/tracker.ts';
import type { ClickstreamError } from '../src/core/errors.ts';
import { isObject, type JsonObject } from '../src/core/json.ts';
import { readJson } from '../src/core/read-json.ts';
import type { Salts } from '../src/core/salts.ts';
import type { EventLog, LogRecord, RecordPosition } from '../src/log/event-log.ts';
import { decodeRecord, type RecordHeader } from '../src/log/record.ts';

/** A log for tests: keeps what was appended, and can be told to fail or to wait. */
export class FakeLog implements EventLog {
  readonly appends: (readonly LogRecord[])[] = [];
  /** What an append does once its records are taken. */
  behave: () => Promise<void> = () => Promise.resolve();
  refusal: () => ClickstreamError | undefined = () => undefined;

  async append(records: readonly LogRecord[]): Promise<readonly RecordPosition[]> {
    await this.behave();
    this.appends.push(records);
    return records.map((_, index) => ({ lane: '0', sequence: BigInt(index) }));
  }

  records(): readonly { readonly header: RecordHeader; readonly items: readonly JsonObject[] }[] {
    return this.appends.flat().map(({ data }) => {
      const { header, lines } = decodeRecord(Buffer.from(data));
      return { header, items: lines.map((line) => readJson(line) as JsonObject) };
    });
  }

  items(): readonly JsonObject[] {
    return this.records().flatMap(({ items }) => items);
  }

  events(): readonly JsonObject[] {
    return this.items().filter((item) => item.setAside === undefined);
  }

  setAside(): readonly { readonly code: unknown; readonly raw: unknown }[] {
    return this.items().flatMap(({ setAside, raw }) => (isObject(setAside) ? [{ code: setAside.code, raw }] : []));
  }
}

export interface TestCollector {
  readonly url: string;
  readonly log: FakeLog;
  readonly counters: CollectCounters;
  readonly collector: Collector;
  readonly faults: readonly Error[];
  post(path: string, body: string | Buffer, headers?: Record<string, string>): Promise<Response>;
  /** Sends bytes as they are, and resolves with all that came back once the connection is closed. */
  raw(bytes: string | Buffer, options?: { readonly end?: boolean }): Promise<string>;
  close(): Promise<void>;
}

/** A collector behind a real server on a port of its own. */
export async function startCollector(
  options: {
    readonly keys?: WriteKeys;
    readonly server?: ServerOptions;
    readonly now?: number;
    readonly tracker?: Tracker;
    readonly salts?: Salts;
  } = {},
): Promise<TestCollector> {
  const log = new FakeLog();
  const counters = newCounters();
  const faults: Error[] = [];
  const collector = createCollector({
    log,
    keys: options.keys ?? new WriteKeys([]),
    clock: () => options.now ?? Date.parse('2026-11-23T04:00:00.000Z'),
    numbering: new Numbering('collector'),
    counters,
    ...(options.tracker && { tracker: options.tracker }),
    ...(options.salts && { salts: options.salts }),
    report: (error) => faults.push(error),
  });
  const server = createServer({ ...serverOptions, ...options.server }, (request, response) => {
    if (!collector.handle(request, response)) response.writeHead(404).end();
  });
  guardServer(server, counters);
  const closeHot = serveHotRequests(server, collector.handleHot);
  const port = await listen(server);
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    log,
    counters,
    collector,
    faults,
    post: (path, body, headers = {}) =>
      fetch(url + path, { method: 'POST', body: new Uint8Array(Buffer.from(body)), headers }),
    raw: (bytes, { end = false } = {}) =>
      new Promise((resolve) => {
        let answer = '';
        const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
        socket.on('data', (chunk: Buffer) => {
          answer += chunk.toString('latin1');
        });
        // A reset is one of the ways in which the server may cut a client off; what came before it is the answer.
        socket.on('error', () => socket.destroy());
        socket.on('end', () => socket.destroy());
        socket.on('close', () => resolve(answer));
        socket.write(bytes);
        if (end) socket.end();
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        closeHot();
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

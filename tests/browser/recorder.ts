import { createServer, type IncomingHttpHeaders } from 'node:http';
import { createCollector, newCounters } from '../../src/collect/http.ts';
import type { WriteKeys } from '../../src/collect/keys.ts';
import { Numbering } from '../../src/collect/numbering.ts';
import { FakeLog } from '../collector.ts';
import { listen, portOf } from './shop.ts';

/** What a browser asked for. */
interface Asked {
  readonly method: string;
  readonly path: string;
  /** Of a preflight: the headers that the request to come will have. */
  readonly announces: string | undefined;
  readonly retry: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Of its body, as far as it has come. */
  readonly chunks: readonly Buffer[];
}

export interface Recorder {
  readonly url: string;
  readonly log: FakeLog;
  readonly asked: Asked[];
  /** While it is, whoever connects is cut off. */
  isAway: boolean;
  /** Requests of a path, preflights left out. */
  posts(path: string): readonly Asked[];
  close(): void;
}

/** The collector over a log that can be told to fail or to wait, on a site of its own, keeping what it was asked for. */
export async function startRecorder(keys: WriteKeys): Promise<Recorder> {
  const log = new FakeLog();
  const asked: Asked[] = [];
  const collector = createCollector({
    log,
    keys,
    clock: Date.now,
    numbering: new Numbering(),
    counters: newCounters(),
    salts: { of: () => Promise.resolve(new Uint8Array(32)) },
    report: (fault) => {
      throw fault;
    },
  });
  const server = createServer((request, response) => {
    if (recorder.isAway) {
      request.socket.destroy();
      return;
    }
    const { method = '', url: path = '', headers } = request;
    const retry = headers['x-retry-count'];
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    asked.push({
      headers,
      chunks,
      method,
      path,
      announces: headers['access-control-request-headers'],
      retry: retry === undefined ? undefined : String(retry),
    });
    // What is no path of the collector's is answered as by a server that knows nothing of CORS.
    if (!collector.handle(request, response)) response.end('{}');
  });
  await listen(server);
  const recorder: Recorder = {
    isAway: false,
    url: `http://events.test:${portOf(server)}`,
    log,
    asked,
    posts: (path) => asked.filter((request) => request.path === path && request.method === 'POST'),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return recorder;
}

/**
 * The servers that a round compares, each in a process of its own: `node bench/servers.ts bare|collect FOLDER`.
 * `bare` is node:http that reads the body and answers: what no server on it can exceed. `collect` is the collector and
 * the log with nothing behind them: what an acknowledgement costs.
 */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openEventLog } from '../src/adapters/embedded/event-log.ts';
import { LogProgress } from '../src/adapters/embedded/log-progress.ts';
import { serveHotRequests } from '../src/collect/hot-requests.ts';
import { newCounters, serverOptions } from '../src/collect/http.ts';
import { WriteKeys } from '../src/collect/keys.ts';
import { Numbering } from '../src/collect/numbering.ts';
import { collect } from '../src/pipeline.ts';

const bare: RequestListener = (request, response) => {
  const body = '{"success":true}';
  // Of a batch the JSON is parsed too, for that is what it costs at least.
  const chunks: Buffer[] = [];
  if (request.url === '/v1/batch') request.on('data', (chunk: Buffer) => chunks.push(chunk));
  else request.resume();
  request.on('end', () => {
    if (chunks.length > 0) JSON.parse(Buffer.concat(chunks).toString());
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length });
    response.end(body);
  });
};

async function collectOnly(folder: string): Promise<Server> {
  const progress = new LogProgress();
  // Nobody processes here: all that is durable counts as processed, so that the gate stays open.
  setInterval(() => progress.processed(progress.durableSequence, progress.durableBytes), 1).unref();
  const log = await openEventLog({ folder, clock: Date.now, atLeast: -1n, progress, onFinding: () => undefined });
  const collector = collect({
    log,
    keys: new WriteKeys([]),
    clock: Date.now,
    numbering: new Numbering(),
    counters: newCounters(),
    report: (fault) => process.stderr.write(`${fault.stack}\n`),
  });
  const server = createServer(serverOptions, (request, response) => {
    collector.handle(request, response);
  });
  serveHotRequests(server, collector.handleHot);
  return server;
}

process.once('SIGTERM', () => process.exit());
const [kind, folder = ''] = process.argv.slice(2);
const server = kind === 'bare' ? createServer(serverOptions, bare) : await collectOnly(folder);
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })}\n`);
});

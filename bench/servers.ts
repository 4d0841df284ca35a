/**
 * The servers that a round compares, each in a process of its own: `node bench/servers.ts bare|collect FOLDER`.
 * `bare` is node:http that reads the body and answers: what no server on it can exceed. `collect` is the collector and
 * the log with nothing behind them: what an acknowledgement costs.
 */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openEventLog } from '../src/adapters/embedded/event-log.ts';
import { LogProgress } from '../src/adapters/embedded/log-progress.ts';
import { newCounters, serverOptions } from '../src/collect/http.ts';
import { WriteKeys } from '../src/collect/keys.ts';
import { Numbering } from '../src/collect/numbering.ts';
import { collect } from '../src/pipeline.ts';

const bare: RequestListener = (request, response) => {
  const body = '{"success":true}';
  request.resume();
  request.on('end', () => {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length });
    response.end(body);
  });
};

async function collectOnly(folder: string): Promise<RequestListener> {
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
  return (request, response) => {
    collector.handle(request, response);
  };
}

const [kind, folder = ''] = process.argv.slice(2);
const server = createServer(serverOptions, kind === 'bare' ? bare : await collectOnly(folder));
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })}\n`);
});

import { extname } from 'node:path';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';

/** Starts a worker of this folder, with a port of its own. A worker that fails ends the process: its data is safe, it is not. */
export function startWorker<Data extends { readonly port: MessagePort }>(
  name: 'process-worker' | 'query-worker',
  data: Omit<Data, 'port'>,
): { readonly port: MessagePort; readonly worker: Worker } {
  const { port1, port2 } = new MessageChannel();
  // The same file is TypeScript on a checkout and JavaScript in the package.
  const file = new URL(`./${name}${extname(import.meta.url)}`, import.meta.url);
  // What a batch makes lives until it is applied: in a small young generation it would be copied again and again.
  const resourceLimits = { maxYoungGenerationSizeMb: 128 };
  const worker = new Worker(file, { workerData: { ...data, port: port2 }, transferList: [port2], resourceLimits });
  worker.on('error', (error) => {
    process.stderr.write(`the ${name} failed: ${error.stack ?? error.message}\n`);
    process.exit(70);
  });
  return { port: port1, worker };
}

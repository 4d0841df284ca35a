/** Loaded into a server before its own code: each of its threads tells once a second how much of its heap is in use. */
import { writeSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
import { TELLING_DESCRIPTOR } from '../src/main/prove/server-process.ts';

export interface HeapTold {
  readonly threadId: number;
  readonly heapBytes: number;
}

setInterval(() => {
  const told: HeapTold = { threadId, heapBytes: process.memoryUsage().heapUsed };
  writeSync(TELLING_DESCRIPTOR, `${JSON.stringify(told)}\n`);
}, 1_000).unref();

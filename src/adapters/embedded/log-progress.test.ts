import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { LogProgress } from './log-progress.ts';

test('begins with nothing', () => {
  const progress = new LogProgress();
  expect(progress.durable).toEqual({ segment: 0, endBytes: 0 });
  expect(progress.durableSequence).toBe(-1n);
  expect(progress.processedSequence).toBe(-1n);
  expect(progress.durableBytes).toBe(0);
  expect(progress.processedBytes).toBe(0);
});

test('both sides see what the other says', () => {
  const log = new LogProgress();
  const processor = new LogProgress(log.buffer);
  log.publish({ segment: 4_000_000_000 / 2, endBytes: 2 ** 32 - 1, sequence: 7n, bytes: 2 ** 40 });
  expect(processor.durable).toEqual({ segment: 2_000_000_000, endBytes: 2 ** 32 - 1 });
  expect(processor.durableSequence).toBe(7n);
  expect(processor.durableBytes).toBe(2 ** 40);
  processor.processed(6n, 2 ** 39);
  expect(log.processedSequence).toBe(6n);
  expect(log.processedBytes).toBe(2 ** 39);
});

test('knows how many records took how long; what was processed before the start is none of them', () => {
  const log = new LogProgress();
  log.processed(99n, 0);
  const processor = new LogProgress(log.buffer);
  // As the log tells at its start: two records were left.
  log.publish({ segment: 1, endBytes: 64, sequence: 101n, bytes: 1_000 });
  expect(log.freshness.summary()).toBeUndefined();
  processor.processed(101n, 1_000);
  expect(log.freshness.summary()).toMatchObject({ records: 2 });
  log.publish({ segment: 2, endBytes: 64, sequence: 101n, bytes: 1_000 });
  log.publish({ segment: 2, endBytes: 100, sequence: 104n, bytes: 1_036 });
  processor.processed(104n, 1_036);
  expect(log.freshness.summary()).toMatchObject({ records: 5, p99Ms: expect.any(Number) });
});

test('waits only when nothing came since it last looked', () => {
  const log = new LogProgress();
  const processor = new LogProgress(log.buffer);
  void processor.durable;
  expect(processor.waitForMore(1)).toBe(false);
  log.publish({ segment: 1, endBytes: 64, sequence: -1n, bytes: 0 });
  expect(processor.waitForMore(60_000)).toBe(true);
  void processor.durable;
  expect(processor.waitForMore(1)).toBe(false);
});

test('a worker that waits is woken by what becomes durable', async () => {
  const log = new LogProgress();
  const worker = new Worker(
    `import { parentPort, workerData } from 'node:worker_threads';
     const { LogProgress } = await import(workerData.module);
     const progress = new LogProgress(workerData.buffer);
     progress.durable;
     parentPort.postMessage('waiting');
     parentPort.postMessage(progress.waitForMore(60_000));`,
    { eval: true, workerData: { buffer: log.buffer, module: new URL('./log-progress.ts', import.meta.url).href } },
  );
  const messages: unknown[] = [];
  await new Promise<void>((resolve, reject) => {
    worker.on('message', (message) => {
      messages.push(message);
      if (message === 'waiting') log.publish({ segment: 1, endBytes: 100, sequence: 0n, bytes: 36 });
      else resolve();
    });
    worker.on('error', reject);
  });
  expect(messages).toEqual(['waiting', true]);
  await worker.terminate();
});

import { MessageChannel } from 'node:worker_threads';
import { afterEach, expect, test } from 'vitest';
import { type AskedWorker, askedWorker } from './asked-worker.ts';
import type { FromQuery, ToQuery } from './query-worker.ts';

const channels: MessageChannel[] = [];
afterEach(() => {
  for (const { port1 } of channels.splice(0)) port1.close();
});

/** A worker that answers when it is told to. */
function started(): { readonly worker: AskedWorker; readonly got: string[]; readonly answer: () => void } {
  const channel = new MessageChannel();
  channels.push(channel);
  const got: string[] = [];
  const ids: number[] = [];
  channel.port2.on('message', (message: ToQuery) => {
    if (message.kind !== 'ask') return;
    got.push(message.question.path);
    ids.push(message.id);
  });
  const answer = () => {
    const told: FromQuery = { kind: 'answer', id: ids.shift() ?? -1, status: 200, body: '' };
    channel.port2.postMessage(told);
  };
  return { worker: askedWorker({ port: channel.port1 }), got, answer };
}

const question = (path: string) => ({ path, parameters: {} });

test('a question that nobody waits for when its turn comes is not answered, and those behind it come sooner', async () => {
  const { worker, got, answer } = started();
  let isGone = false;
  const [first, second] = ['/1', '/2'].map((path) => worker.ask(question(path)));
  const gone = worker.ask(question('/gone'), () => isGone);
  const last = worker.ask(question('/last'), () => false);
  await expect.poll(() => got).toEqual(['/1', '/2']);
  isGone = true;
  answer();
  expect(await first).toEqual({ status: 200, body: '' });
  await expect(gone).rejects.toMatchObject({ code: 'query_unavailable' });
  await expect.poll(() => got).toEqual(['/1', '/2', '/last']);
  answer();
  answer();
  expect(await Promise.all([second, last])).toHaveLength(2);
});

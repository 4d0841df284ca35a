import type { MessagePort } from 'node:worker_threads';
import type { Answer, Question } from '../query/queries.ts';
import type { FromQuery, ToQuery } from './query-worker.ts';

/** The query worker, as a function that answers questions. */
export interface AskedWorker {
  ask(question: Question): Promise<Answer>;
  stop(): void;
}

export function askedWorker({ port }: { readonly port: MessagePort }): AskedWorker {
  const waiting = new Map<number, (answer: Answer) => void>();
  let next = 0;
  const send = (message: ToQuery) => port.postMessage(message);
  port.on('message', ({ id, status, body }: FromQuery) => {
    waiting.get(id)?.({ status, body });
    waiting.delete(id);
  });
  return {
    ask(question) {
      const id = next;
      next += 1;
      return new Promise((resolve) => {
        waiting.set(id, resolve);
        send({ id, question });
      });
    },
    stop: () => send({ id: next, question: undefined }),
  };
}

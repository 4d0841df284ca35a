import type { MessagePort } from 'node:worker_threads';
import type { LogFinding } from '../adapters/embedded/log-finding.ts';
import type { Answer, Question } from '../query/queries.ts';
import type { FromQuery, ToQuery } from './query-worker.ts';

/** The query worker, as a function that answers questions. */
export interface AskedWorker {
  ask(question: Question): Promise<Answer>;
  /** Has the audit report it too. */
  tell(finding: LogFinding): void;
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
        send({ kind: 'ask', id, question });
      });
    },
    tell: (finding) => send({ kind: 'finding', finding }),
    stop: () => send({ kind: 'stop' }),
  };
}

import type { MessagePort } from 'node:worker_threads';
import type { LogFinding } from '../adapters/embedded/log-finding.ts';
import type { RecordPosition } from '../log/event-log.ts';
import type { BadAsked, BadPiece } from '../query/bad-replay.ts';
import type { Answer, Question } from '../query/queries.ts';
import type { DeadRecord } from '../store/event-store.ts';
import type { FromQuery, StoreLook, ToQuery } from './query-worker.ts';

/** The query worker, as a function that answers questions. */
export interface AskedWorker {
  ask(question: Question): Promise<Answer>;
  /** `EventReads.deadAt`. */
  deadAt(place: RecordPosition): Promise<DeadRecord | undefined>;
  /** What of the events set aside is to be put back. */
  badPiece(asked: BadAsked): Promise<BadPiece>;
  look(): Promise<StoreLook>;
  /** Has the audit report it too. */
  tell(finding: LogFinding): void;
  stop(): void;
}

export function askedWorker({ port }: { readonly port: MessagePort }): AskedWorker {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let next = 0;
  const send = (message: ToQuery) => port.postMessage(message);
  /** The worker answers what it is asked as `FromQuery` says. */
  const asked = <Answered>(message: (id: number) => ToQuery): Promise<Answered> => {
    const id = next;
    next += 1;
    const answered = Promise.withResolvers<unknown>();
    waiting.set(id, answered);
    send(message(id));
    return answered.promise as Promise<Answered>;
  };
  port.on('message', (message: FromQuery) => {
    const answered = waiting.get(message.id);
    waiting.delete(message.id);
    switch (message.kind) {
      case 'answer':
        answered?.resolve({ status: message.status, body: message.body } satisfies Answer);
        break;
      case 'dead':
        answered?.resolve(message.record);
        break;
      case 'badPiece':
        answered?.resolve(message.piece);
        break;
      case 'look':
        answered?.resolve(message.look);
        break;
      case 'failed':
        answered?.reject(new Error(message.detail));
        break;
    }
  });
  return {
    ask: (question) => asked<Answer>((id) => ({ kind: 'ask', id, question })),
    deadAt: (place) => asked<DeadRecord | undefined>((id) => ({ kind: 'deadAt', id, place })),
    badPiece: (wanted) => asked<BadPiece>((id) => ({ kind: 'badPiece', id, asked: wanted })),
    look: () => asked<StoreLook>((id) => ({ kind: 'look', id })),
    tell: (finding) => send({ kind: 'finding', finding }),
    stop: () => send({ kind: 'stop' }),
  };
}

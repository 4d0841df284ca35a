import type { MessagePort } from 'node:worker_threads';
import type { LogFinding } from '../adapters/embedded/log-finding.ts';
import { ClickstreamError } from '../core/errors.ts';
import type { RecordPosition } from '../log/event-log.ts';
import type { BadAsked, BadPiece } from '../query/bad-replay.ts';
import type { Answer, Question } from '../query/queries.ts';
import type { DeadRecord } from '../store/event-store.ts';
import type { FromQuery, StoreLook, ToQuery } from './query-worker.ts';

/** The query worker, as a function that answers questions. */
export interface AskedWorker {
  /** One whose turn comes when nobody waits for it any more (`isGone`) is not answered: it rejects with `query_unavailable`. */
  ask(question: Question, isGone?: () => boolean): Promise<Answer>;
  /** `EventReads.deadAt`. */
  deadAt(place: RecordPosition): Promise<DeadRecord | undefined>;
  /** What of the events set aside is to be put back. */
  badPiece(asked: BadAsked): Promise<BadPiece>;
  look(): Promise<StoreLook>;
  /** Has the audit report it too. */
  tell(finding: LogFinding): void;
  stop(): void;
}

/** It answers one after the other. One more is there already, so that it never waits for this thread. */
const AT_WORKER_MAX = 2;

interface Queued {
  readonly message: ToQuery & { readonly id: number };
  readonly answered: PromiseWithResolvers<unknown>;
  readonly isGone: () => boolean;
}

export function askedWorker({ port }: { readonly port: MessagePort }): AskedWorker {
  const queue: Queued[] = [];
  const atWorker = new Map<number, PromiseWithResolvers<unknown>>();
  let next = 0;
  const send = (message: ToQuery) => port.postMessage(message);
  const sendNext = () => {
    while (atWorker.size < AT_WORKER_MAX) {
      const first = queue.shift();
      if (first === undefined) return;
      const { message, answered, isGone } = first;
      if (isGone()) {
        answered.reject(new ClickstreamError('query_unavailable', 'nobody waits for the answer'));
        continue;
      }
      atWorker.set(message.id, answered);
      send(message);
    }
  };
  /** The worker answers what it is asked as `FromQuery` says. */
  const asked = <Answered>(message: (id: number) => Queued['message'], isGone = () => false): Promise<Answered> => {
    const answered = Promise.withResolvers<unknown>();
    queue.push({ message: message(next), answered, isGone });
    next += 1;
    sendNext();
    return answered.promise as Promise<Answered>;
  };
  port.on('message', (message: FromQuery) => {
    const answered = atWorker.get(message.id);
    atWorker.delete(message.id);
    sendNext();
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
    ask: (question, isGone) => asked<Answer>((id) => ({ kind: 'ask', id, question }), isGone),
    deadAt: (place) => asked<DeadRecord | undefined>((id) => ({ kind: 'deadAt', id, place })),
    badPiece: (wanted) => asked<BadPiece>((id) => ({ kind: 'badPiece', id, asked: wanted })),
    look: () => asked<StoreLook>((id) => ({ kind: 'look', id })),
    tell: (finding) => send({ kind: 'finding', finding }),
    stop: () => send({ kind: 'stop' }),
  };
}

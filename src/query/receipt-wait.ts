import { setTimeout as sleep } from 'node:timers/promises';
import { ClickstreamError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { readJson } from '../core/read-json.ts';
import type { Answer, Question } from './queries.ts';
import { receipt, WAIT } from './receipts.ts';

/** Asks, and asks again as long as the asker waits. */
export type AskWaiting = (question: Question, isGone: () => boolean) => Promise<Answer>;

/** What a wait goes by. */
interface WaitTime {
  /** Never goes back. */
  readonly nowMs: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
}

const REAL_TIME: WaitTime = { nowMs: () => performance.now(), sleep };

/**
 * Answers of receipts come when nothing of them is pending any more, or when the time is over that `wait` says. Between its looks a
 * wait holds nothing of those who answer questions. It ends when `isGone`, for then nobody reads the answer. Rejects with
 * `query_unavailable` when too many wait.
 */
export function receiptWaits(ask: AskWaiting, time: WaitTime = REAL_TIME): AskWaiting {
  let waiting = 0;
  return async (question, isGone) => {
    const end = time.nowMs() + waitMsOf(question);
    let answer = await ask(question, isGone);
    if (time.nowMs() >= end || !isPending(answer)) return answer;
    if (waiting >= LIMITS.receiptWaitsMax) {
      throw new ClickstreamError('query_unavailable', `${waiting} receipts are waited for; allowed: fewer`);
    }
    waiting += 1;
    try {
      let lookMs: number = LIMITS.receiptLookMsMin;
      for (let leftMs = end - time.nowMs(); leftMs > 0 && !isGone(); leftMs = end - time.nowMs()) {
        await time.sleep(Math.min(lookMs, leftMs));
        answer = await ask(question, isGone);
        if (!isPending(answer)) break;
        lookMs = Math.min(2 * lookMs, LIMITS.receiptLookMsMax);
      }
      return answer;
    } finally {
      waiting -= 1;
    }
  };
}

const PREFIX = receipt.path.slice(0, receipt.path.indexOf('{'));

/** 0 for what is no question of a receipt, or one that is answered with what is wrong with its parameters. */
function waitMsOf({ path, parameters }: Question): number {
  const seconds = path.startsWith(PREFIX) ? WAIT.read(parameters.wait ?? '0') : 0;
  return (seconds ?? 0) * 1_000;
}

function isPending({ status, body }: Answer): boolean {
  return status === 200 && (readJson(body) as { readonly state?: unknown }).state === 'pending';
}

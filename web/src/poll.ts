import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ask, onTokenNeeded, Refusal, wordsOf } from './api.ts';

export interface Polled<Answer> {
  /** The newest answer, also of the question before while this one is not answered yet. */
  readonly answer: Answer | undefined;
  /** Why there is no newer answer; the next question may mend it. */
  readonly trouble: string | undefined;
  /** When the answer came, in epoch milliseconds. */
  readonly at: number | undefined;
  /** The answer is not of the present question, or newer questions failed. */
  readonly isStale: boolean;
  /** Asks now. */
  readonly again: () => void;
}

/** Whoever asks slow things asks them seldom: what a question takes is at most a twentieth of the server's time. */
const SHARE = 20;
const WAIT_MS_MAX = 60_000;

/**
 * Asks again and again while the page is looked at: `everyMs` after the question before, or later where that took long. Zero
 * asks once. Undefined for a path asks nothing. One question is under way at a time; one that is not of interest any more is given up.
 */
export function usePoll<Answer>(path: string | undefined, { everyMs }: { readonly everyMs: number }): Polled<Answer> {
  const [state, setState] = useState<{
    readonly path: string | undefined;
    readonly answer: Answer | undefined;
    readonly at: number | undefined;
    readonly trouble: string | undefined;
  }>({ path: undefined, answer: undefined, at: undefined, trouble: undefined });
  const askNow = useRef<() => void>(() => undefined);

  useEffect(() => {
    if (path === undefined) return undefined;
    let isOver = false;
    let timer: number | undefined;
    let underWay: AbortController | undefined;
    const next = (waitMs: number) => {
      window.clearTimeout(timer);
      timer = window.setTimeout(poll, waitMs);
    };
    const poll = async () => {
      window.clearTimeout(timer);
      if (isOver || document.hidden || underWay !== undefined) return;
      const started = performance.now();
      underWay = new AbortController();
      let isTokenMissing = false;
      try {
        const answer = await ask<Answer>(path, { signal: underWay.signal });
        if (!isOver) setState({ path, answer, at: Date.now(), trouble: undefined });
      } catch (error) {
        isTokenMissing = error instanceof Refusal && error.status === 401;
        if (!isOver) setState((before) => ({ ...before, trouble: wordsOf(error) }));
      }
      underWay = undefined;
      const tookMs = performance.now() - started;
      if (everyMs > 0 && !isTokenMissing) next(Math.min(WAIT_MS_MAX, Math.max(everyMs - tookMs, (SHARE - 1) * tookMs, 0)));
    };
    askNow.current = poll;
    const look = () => {
      if (!document.hidden) void poll();
    };
    document.addEventListener('visibilitychange', look);
    const unlisten = onTokenNeeded((isNeeded) => {
      if (!isNeeded) void poll();
    });
    void poll();
    return () => {
      isOver = true;
      underWay?.abort();
      window.clearTimeout(timer);
      document.removeEventListener('visibilitychange', look);
      unlisten();
    };
  }, [path, everyMs]);

  const again = useCallback(() => askNow.current(), []);
  return {
    answer: state.answer,
    trouble: state.trouble,
    at: state.at,
    isStale: state.answer !== undefined && (state.path !== path || state.trouble !== undefined),
    again,
  };
}

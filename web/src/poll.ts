import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ask, onTokenNeed, Refusal, wordsOf } from './api.ts';

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

export interface Pace {
  /** How long after a question the next one is asked at the earliest; 0 asks once, and again only where that failed. */
  readonly everyMs: number;
  /** Of the server's time, how much the question may take: what is slow is asked seldom. @default 0.05 */
  readonly share?: number | undefined;
}

const WAIT_MS_MAX = 300_000;
const RETRY_MS = 2_000;
const REFUSED_MS = 60_000;

/** Asks for a path again and again while the page is looked at; undefined asks nothing. */
export function usePoll<Answer>(
  path: string | undefined,
  { patienceMs, ...pace }: Pace & { readonly patienceMs?: number },
): Polled<Answer> {
  const patience = patienceMs === undefined ? {} : { patienceMs };
  return usePolling(path, (signal) => ask<Answer>(path ?? '', { signal, ...patience }), pace);
}

/**
 * Asks a question of one or more paths again and again while the page is looked at. It is another question when its key is
 * another; then the one under way is given up. One is under way at a time. Undefined for a key asks nothing.
 */
export function usePolling<Answer>(
  key: string | undefined,
  question: (signal: AbortSignal) => Promise<Answer>,
  { everyMs, share }: Pace,
): Polled<Answer> {
  const [state, setState] = useState<{
    readonly key: string | undefined;
    readonly answer: Answer | undefined;
    readonly at: number | undefined;
    readonly trouble: string | undefined;
  }>({ key: undefined, answer: undefined, at: undefined, trouble: undefined });
  const newest = useRef(question);
  newest.current = question;
  const askNow = useRef<() => void>(() => undefined);

  useEffect(() => {
    if (key === undefined) return undefined;
    const polling = startPolling<Answer>({
      ...{ everyMs, share },
      question: (signal) => newest.current(signal),
      onAnswer: (answer) => setState({ key, answer, at: Date.now(), trouble: undefined }),
      onTrouble: (trouble) => setState((before) => ({ ...before, trouble })),
    });
    askNow.current = polling.again;
    return polling.stop;
  }, [key, everyMs, share]);

  const again = useCallback(() => askNow.current(), []);
  return {
    answer: state.answer,
    trouble: state.trouble,
    at: state.at,
    isStale: state.answer !== undefined && (state.key !== key || state.trouble !== undefined),
    again,
  };
}

function startPolling<Answer>({
  everyMs,
  share,
  question,
  onAnswer,
  onTrouble,
}: Pace & {
  readonly question: (signal: AbortSignal) => Promise<Answer>;
  readonly onAnswer: (answer: Answer) => void;
  readonly onTrouble: (words: string) => void;
}): { readonly again: () => void; readonly stop: () => void } {
  const over = new AbortController();
  let timer = 0;
  let dueAt = 0;
  let isAsking = false;
  let isWanted = false;
  const wait = () => {
    clearTimeout(timer);
    if (Number.isFinite(dueAt)) timer = window.setTimeout(poll, Math.max(0, dueAt - performance.now()));
  };
  const poll = async () => {
    if (over.signal.aborted || isAsking || document.hidden) return;
    [isAsking, isWanted] = [true, false];
    const started = performance.now();
    let failure: unknown;
    try {
      const answer = await question(over.signal);
      if (!over.signal.aborted) onAnswer(answer);
    } catch (error) {
      failure = error;
      if (!over.signal.aborted) onTrouble(wordsOf(error));
    }
    isAsking = false;
    if (over.signal.aborted) return;
    const now = performance.now();
    dueAt = isWanted ? 0 : now + waitMs({ everyMs, share, tookMs: now - started, failure });
    wait();
  };
  const again = () => {
    [isWanted, dueAt] = [true, 0];
    if (!isAsking) wait();
  };
  const look = () => {
    if (!document.hidden && !isAsking) wait();
  };
  document.addEventListener('visibilitychange', look);
  const unlisten = onTokenNeed((need) => {
    if (need === 'none') again();
  });
  void poll();
  return {
    again,
    stop: () => {
      over.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', look);
      unlisten();
    },
  };
}

/** How long from an answer, or none, to the next question; for ever where only something else can help. */
export function waitMs({
  everyMs,
  share = 0.05,
  tookMs,
  failure,
}: Pace & {
  readonly tookMs: number;
  /** What was thrown in place of an answer. */
  readonly failure?: unknown;
}): number {
  const { status } = failure instanceof Refusal ? failure : { status: undefined };
  if (status === 401) return Number.POSITIVE_INFINITY;
  // What is refused for what it is will be so again.
  if (status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 429)
    return everyMs === 0 ? Number.POSITIVE_INFINITY : Math.max(everyMs, REFUSED_MS);
  // Nobody answered: that costs a server nothing, and who waits for it wants to know soon.
  if (status === 0) return Math.max(everyMs - tookMs, tookMs, RETRY_MS);
  if (everyMs === 0 && failure === undefined) return Number.POSITIVE_INFINITY;
  return Math.min(WAIT_MS_MAX, Math.max((everyMs || RETRY_MS) - tookMs, tookMs / share - tookMs, 0));
}

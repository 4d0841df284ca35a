import { BACKOFF_MS_MAX, BACKOFF_MS_MIN } from './limits.ts';

/** Whether the same request may succeed later: what failed on its way (0), was too slow or too much, or is the server's fault. */
export function isRetriable(status: number): boolean {
  return !status || status === 408 || status === 429 || status > 499;
}

/**
 * How long to wait after so many failures in a row, in milliseconds: at least what the server asked for (`retryAfter`, in seconds; a date, which RFC
 * 9110 allows too, is passed over). `random`, from 0 to 1, spreads those that failed together over as long again.
 */
export function retryDelayMs(failures: number, random: number, retryAfter?: string | null): number {
  // Multiplying makes a number of the text; of what is none, or is not there, NaN or 0.
  const askedMs = (retryAfter as unknown as number) * 1_000 || 0;
  return Math.min(BACKOFF_MS_MAX, Math.max((BACKOFF_MS_MIN / 2) * 2 ** failures, askedMs)) * (1 + random);
}

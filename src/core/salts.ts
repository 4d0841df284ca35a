/**
 * Salts of cookieless ids (docs/decisions/0030-cookieless.md): random, one a day of UTC, kept for that day and the next one, and
 * then gone for good.
 */
export interface Salts {
  /**
   * The `saltBytes` of a day, today or yesterday, as `2026-11-25`. Made when it is first asked for, and durable before it is
   * given: from then on everyone who asks for that day gets the same, also after a restart. Rejects with ClickstreamError
   * `salt_unavailable` when it cannot be had now, and of any other day.
   */
  of(day: string): Promise<Uint8Array>;
}

/**
 * By a clock in epoch milliseconds: the days that have a salt, and the one that has none yet but where another clock is ahead. A salt of
 * a later day is of a clock that was wrong.
 */
export function saltDays(nowMs: number): {
  readonly yesterday: string;
  readonly today: string;
  readonly tomorrow: string;
} {
  return { yesterday: dayOf(nowMs - 86_400_000), today: dayOf(nowMs), tomorrow: dayOf(nowMs + 86_400_000) };
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

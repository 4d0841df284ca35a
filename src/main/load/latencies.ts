const GROWTH = 1.01;
const LEAST_MS = 0.01;

/** Durations in milliseconds, counted in classes 1 % wide, so that millions take a few KB. */
export class Latencies {
  readonly #classes: number[] = [];
  count = 0;
  max = 0;

  add(ms: number): void {
    const place = ms <= LEAST_MS ? 0 : Math.ceil(Math.log(ms / LEAST_MS) / Math.log(GROWTH));
    this.#classes[place] = (this.#classes[place] ?? 0) + 1;
    this.count += 1;
    if (ms > this.max) this.max = ms;
  }

  /** The least duration that this share of all does not exceed; at most 1 % too high, 0 when there are none. */
  quantile(share: number): number {
    let left = Math.ceil(share * this.count);
    for (const [place, count = 0] of this.#classes.entries()) {
      left -= count;
      if (left <= 0) return Math.min(LEAST_MS * GROWTH ** place, this.max);
    }
    return this.max;
  }

  summary(): LatencySummary {
    const rounded = (ms: number) => Math.round(ms * 100) / 100;
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => rounded(this.quantile(share)));
    return { count: this.count, p50: p50 ?? 0, p95: p95 ?? 0, p99: p99 ?? 0, max: rounded(this.max) };
  }
}

/** Milliseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

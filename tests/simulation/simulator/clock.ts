/** The years of a history are as far from today as those of any other: nothing may depend on the day on which it is played. */
export const START_MS = Date.parse('2030-01-07T09:00:00.000Z');

/** No history lasts so long, but one in which somebody waits for ever while others look at the clock. */
const LASTS_MS_MAX = 7 * 86_400_000;

interface Waiting {
  readonly dueMs: number;
  readonly resume: () => void;
  isCancelled: boolean;
}

/** Once every promise is settled that can be. A turn of the event loop costs five times as much. */
export const promisesSettled = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

/** Once that is so, and whoever waited for a turn of the event loop had it, as the embedded log does to gather a group. */
export const eventLoopTurned = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/**
 * The one clock and the one scheduler of a history. Whoever waits, for a call, for a time or for its turn, waits here; of all whose
 * time has come one is drawn to go on, and everything that follows from it is done before the next is drawn. So a seed is a history, to
 * the byte. Time passes only when nobody has anything to do, and a little with each turn.
 */
export class Scheduler {
  readonly random: () => number;
  /** Draws what was added later, so that a history in which nothing of it happens is as it was. */
  readonly apart: () => number;
  readonly trace: string[] = [];
  #nowMs = START_MS;
  #waiting: Waiting[] = [];

  constructor({ random, apart }: { readonly random: () => number; readonly apart: () => number }) {
    this.random = random;
    this.apart = apart;
  }

  readonly now = (): number => this.#nowMs;

  below(bound: number): number {
    return Math.floor(this.random() * bound);
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  note(text: string): void {
    this.trace.push(`${((this.#nowMs - START_MS) / 1_000).toFixed(3)} ${text}`);
  }

  readonly turn = (): Promise<void> => this.sleep(0);

  readonly sleep = (ms: number): Promise<void> => new Promise((resolve) => void this.timer(ms, resolve));

  /** Returns what cancels it. */
  readonly timer = (ms: number, resume: () => void): (() => void) => {
    const waiting = { dueMs: this.#nowMs + Math.max(0, Math.ceil(ms)), resume, isCancelled: false };
    this.#waiting.push(waiting);
    return () => {
      waiting.isCancelled = true;
    };
  };

  /**
   * Plays the work to its end; before each is drawn it waits for `settled`. Throws when the work waits for something that nobody will
   * bring.
   */
  async play<T>(work: () => Promise<T>, settled: () => Promise<void>): Promise<T> {
    const { setTimeout: realSetTimeout, clearTimeout: realClearTimeout } = globalThis;
    // The product's own time-outs are of the simulated clock.
    const simulated = (run: () => void, ms = 0) => this.timer(ms, run);
    globalThis.setTimeout = simulated as unknown as typeof setTimeout;
    globalThis.clearTimeout = ((cancel: (() => void) | undefined) => cancel?.()) as unknown as typeof clearTimeout;
    try {
      let isOver = false;
      const all = work().finally(() => {
        isOver = true;
      });
      all.catch(() => undefined);
      for (let idle = 0; idle < 20; ) {
        await settled();
        if (isOver) return await all;
        idle = this.#step() ? 0 : idle + 1;
      }
      throw new Error('the history stands still: everybody waits, and nobody will go on');
    } finally {
      globalThis.setTimeout = realSetTimeout;
      globalThis.clearTimeout = realClearTimeout;
    }
  }

  /** Lets one go on; false when nobody waits. */
  #step(): boolean {
    this.#waiting = this.#waiting.filter(({ isCancelled }) => !isCancelled);
    if (this.#waiting.length === 0) return false;
    const soonest = this.#waiting.reduce((least, { dueMs }) => Math.min(least, dueMs), Number.POSITIVE_INFINITY);
    this.#nowMs = Math.max(this.#nowMs + this.below(12), soonest);
    if (this.#nowMs - START_MS > LASTS_MS_MAX) throw new Error('the history does not end: somebody waits for ever');
    const due = this.#waiting.filter(({ dueMs }) => dueMs <= this.#nowMs);
    const next = due[this.below(due.length)];
    if (next === undefined) throw new Error('of those who are due one is next');
    this.#waiting.splice(this.#waiting.indexOf(next), 1);
    next.resume();
    return true;
  }
}

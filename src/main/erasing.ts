import { EMBEDDED_LANE } from '../adapters/embedded/event-log.ts';
import type { SqliteEventReader } from '../adapters/embedded/event-reader.ts';
import type { SqliteEventStore } from '../adapters/embedded/event-store.ts';
import type { ErasedId, Erasing as Erasure } from '../core/erasures.ts';
import { LIMITS } from '../core/limits.ts';
import { eraseBytes } from '../pipeline.ts';

interface ErasingParts {
  readonly store: SqliteEventStore;
  readonly reader: SqliteEventReader;
  /** Has the log overwrite these, up to this sequence; answered by `scrubbed`, if ever. */
  readonly scrub: (asked: { readonly ids: readonly ErasedId[]; readonly through: bigint }) => void;
}

/** What became of a scrub: how many records of each id, and the last sequence that was looked at. */
export interface Scrubbed {
  readonly counts: readonly number[];
  readonly through: bigint;
}

/**
 * Brings erasures to their end once they are applied, step by step: first what was set aside, then the log, then the bytes of the
 * store's file that belong to nothing. All that it must know is in the store, so after a crash it begins a step anew. What was only
 * forgotten waits while it rests from the last pass: a tracker that goes on sending such events costs a small part of the time.
 */
export class Erasing {
  readonly #parts: ErasingParts;
  /** Something may be left from before. */
  #isDue = true;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #scrubbing: readonly Erasure[] = [];
  /** When the pass began that is not ended. */
  #passAtMs: number | undefined;
  #restUntilMs = Number.NEGATIVE_INFINITY;

  constructor(parts: ErasingParts) {
    this.#parts = parts;
  }

  /** An erasure was applied. */
  begin(): void {
    this.#isDue = true;
    this.#triedAtMs = Number.NEGATIVE_INFINITY;
  }

  /** The next step, when there is one and the last try is long enough ago. */
  async bringOn(): Promise<void> {
    const nowMs = performance.now();
    if (!this.#isDue || nowMs - this.#triedAtMs < LIMITS.erasureRetryMs) return;
    this.#triedAtMs = nowMs;
    const { store, reader, scrub } = this.#parts;
    const waiting = await reader.snapshot((reads) => reads.erasing(LIMITS.erasuresAtOnce));
    const isAsked = waiting.some(({ place = 0 }) => place === 0);
    if (waiting.length === 0 || (!isAsked && nowMs < this.#restUntilMs)) {
      if (!(await store.rewrite())) return;
      this.#isDue = waiting.length > 0;
      this.#rest();
      this.#passAtMs = undefined;
      return;
    }
    this.#passAtMs ??= nowMs;
    await eraseBytes(waiting, { reader, store });
    // The log may lose only what no loss of power can take back from the store.
    const through = (await store.sync()).get(EMBEDDED_LANE) ?? -1n;
    this.#scrubbing = waiting;
    scrub({ ids: waiting.map(({ source, visitor }) => ({ source, visitor })), through });
  }

  async scrubbed({ counts, through }: Scrubbed): Promise<void> {
    const erasures = this.#scrubbing;
    this.#scrubbing = [];
    for (const [place, erasure] of erasures.entries()) {
      if (erasure.sequence <= through) await this.#parts.store.noteErased(erasure, counts[place] ?? 0);
    }
    this.#rest();
    this.#triedAtMs = Number.NEGATIVE_INFINITY;
  }

  #rest(): void {
    if (this.#passAtMs === undefined) return;
    const nowMs = performance.now();
    const tookMs = nowMs - this.#passAtMs;
    this.#restUntilMs = nowMs + Math.max(LIMITS.forgottenRestMs, LIMITS.forgottenRestTimes * tookMs);
  }
}

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
 * store's file that belong to nothing. All that it must know is in the store, so after a crash it begins a step anew.
 */
export class Erasing {
  readonly #parts: ErasingParts;
  /** Something may be left from before. */
  #isDue = true;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #scrubbing: readonly Erasure[] = [];

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
    if (!this.#isDue || performance.now() - this.#triedAtMs < LIMITS.erasureRetryMs) return;
    this.#triedAtMs = performance.now();
    const { store, reader, scrub } = this.#parts;
    const erasures = await reader.snapshot((reads) => reads.erasing(LIMITS.erasuresAtOnce));
    if (erasures.length === 0) {
      this.#isDue = !(await store.rewrite());
      return;
    }
    await eraseBytes(erasures, { reader, store });
    // The log may lose only what no loss of power can take back from the store.
    const through = (await store.sync()).get(EMBEDDED_LANE) ?? -1n;
    this.#scrubbing = erasures;
    scrub({ ids: erasures.map(({ source, visitor }) => ({ source, visitor })), through });
  }

  async scrubbed({ counts, through }: Scrubbed): Promise<void> {
    const erasures = this.#scrubbing;
    this.#scrubbing = [];
    for (const [place, erasure] of erasures.entries()) {
      if (erasure.sequence <= through) await this.#parts.store.noteErased(erasure, counts[place] ?? 0);
    }
    this.#triedAtMs = Number.NEGATIVE_INFINITY;
  }
}

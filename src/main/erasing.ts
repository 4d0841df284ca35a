import { EMBEDDED_LANE } from '../adapters/embedded/event-log.ts';
import type { SqliteEventReader } from '../adapters/embedded/event-reader.ts';
import type { SqliteEventStore } from '../adapters/embedded/event-store.ts';
import type { ErasedUntil, Erasing as Erasure } from '../core/erasures.ts';
import { LIMITS } from '../core/limits.ts';
import { BytesEraser } from '../pipeline.ts';

interface ErasingParts {
  readonly store: SqliteEventStore;
  readonly reader: SqliteEventReader;
  /** Has the log overwrite these, up to this sequence; always answered by `scrubbed`. */
  readonly scrub: (asked: { readonly ids: readonly ErasedUntil[]; readonly through: bigint }) => void;
  /** Something for who runs the server. */
  readonly tell: (text: string) => void;
}

/** What became of a scrub: how many records of each id, and the last sequence that was looked at. */
export interface Scrubbed {
  readonly counts: readonly number[];
  readonly through: bigint;
}

/** What was set aside holds it no more; it waits for the log, however often that must be asked. */
interface Searched {
  readonly erasure: Erasure;
  /** Records of the log, over all tries. */
  log: number;
}

/** Nothing was looked at. */
export const NOTHING_SCRUBBED: Scrubbed = { counts: [], through: -1n };

/**
 * Brings erasures to their end once they are applied, step by step: first what was set aside, a piece at a time, then the log, then
 * the bytes of the store's file that belong to nothing. What is done of that is kept in memory alone: after a crash a step begins
 * anew. What was only forgotten waits while it rests from the last pass: a tracker that goes on sending such events costs a small
 * part of the time.
 */
export class Erasing {
  readonly #parts: ErasingParts;
  /** Something may be left from before. */
  #isDue = true;
  #nextAtMs = Number.NEGATIVE_INFINITY;
  /** What was set aside is being looked through for these. */
  #search: { readonly erasures: readonly Erasure[]; readonly eraser: BytesEraser } | undefined;
  #searched: readonly Searched[] = [];
  /** What the log is asked for and has not answered. */
  #scrubbing: readonly Searched[] | undefined;
  /** When the pass began that is not ended. */
  #passAtMs: number | undefined;
  #restUntilMs = Number.NEGATIVE_INFINITY;
  /** When the store may be written anew again, after it could not be. */
  #rewriteAtMs = Number.NEGATIVE_INFINITY;
  #isRoomTold = false;

  constructor(parts: ErasingParts) {
    this.#parts = parts;
  }

  /** An erasure was applied. */
  begin(): void {
    this.#isDue = true;
    // A log that is asked again waits all the same: each time ends a segment, and reads all of them.
    if (this.#searched.length === 0) this.#nextAtMs = Number.NEGATIVE_INFINITY;
  }

  /** The next piece, when there is one and the last try is long enough ago. True when another one is waiting. */
  async bringOn(): Promise<boolean> {
    const nowMs = performance.now();
    if (!this.#isDue || this.#scrubbing !== undefined || nowMs < this.#nextAtMs) return false;
    this.#nextAtMs = nowMs + LIMITS.erasureRetryMs;
    if (this.#search === undefined && (await this.#take(nowMs)) === 'nothing') {
      if (nowMs >= this.#rewriteAtMs) await this.#rewrite(nowMs);
      return false;
    }
    if (this.#search !== undefined) {
      const { erasures, eraser } = this.#search;
      while (!(await eraser.step())) {
        if (performance.now() - nowMs < LIMITS.erasurePieceMs) continue;
        this.#nextAtMs = Number.NEGATIVE_INFINITY;
        return true;
      }
      this.#search = undefined;
      this.#searched = [...this.#searched, ...erasures.map((erasure) => ({ erasure, log: 0 }))];
    }
    await this.#scrub();
    return false;
  }

  async scrubbed({ counts, through }: Scrubbed): Promise<void> {
    const asked = this.#scrubbing ?? [];
    this.#scrubbing = undefined;
    for (const [place, searched] of asked.entries()) searched.log += counts[place] ?? 0;
    for (const searched of asked) {
      if (searched.erasure.sequence > through) continue;
      await this.#parts.store.noteErased(searched.erasure, searched.log);
      this.#searched = this.#searched.filter((other) => other !== searched);
    }
    if (this.#searched.length > 0) return;
    this.#rest();
    this.#nextAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Begins to look for what is new; what was forgotten since waits for the next pass, or a pass could be without end. */
  async #take(nowMs: number): Promise<'something' | 'nothing'> {
    const { reader, store } = this.#parts;
    const waiting = await reader.snapshot((reads) => reads.erasing(LIMITS.erasuresAtOnce));
    const fresh = waiting.filter((erasure) => !this.#searched.some((searched) => isSame(searched.erasure, erasure)));
    const isAsked = fresh.some(({ place = 0 }) => place === 0);
    if (!isAsked && this.#searched.length > 0) return 'something';
    if (!isAsked && (fresh.length === 0 || nowMs < this.#restUntilMs)) return 'nothing';
    this.#passAtMs ??= nowMs;
    this.#search = { erasures: fresh, eraser: new BytesEraser(fresh, { reader, store }) };
    return 'something';
  }

  async #scrub(): Promise<void> {
    // The log may lose only what no loss of power can take back from the store.
    const through = (await this.#parts.store.sync()).get(EMBEDDED_LANE) ?? -1n;
    this.#scrubbing = this.#searched;
    this.#parts.scrub({
      ids: this.#searched.map(({ erasure: { source, visitor, until } }) => ({ source, visitor, until })),
      through,
    });
  }

  async #rewrite(nowMs: number): Promise<void> {
    const { reader, store, tell } = this.#parts;
    this.#rewriteAtMs = nowMs + LIMITS.rewriteRetryMs;
    const rewritten = await store.rewrite();
    if (rewritten.kind === 'noRoom') {
      if (!this.#isRoomTold) tell(roomText(rewritten.lacking));
      this.#isRoomTold = true;
      return;
    }
    this.#rewriteAtMs = Number.NEGATIVE_INFINITY;
    if (rewritten.kind === 'read') return;
    this.#isRoomTold = false;
    const waiting = await reader.snapshot((reads) => reads.erasing(1));
    this.#isDue = waiting.length > 0;
    this.#rest();
    this.#passAtMs = undefined;
  }

  #rest(): void {
    if (this.#passAtMs === undefined) return;
    const nowMs = performance.now();
    const tookMs = nowMs - this.#passAtMs;
    this.#restUntilMs = nowMs + Math.max(LIMITS.forgottenRestMs, LIMITS.forgottenRestTimes * tookMs);
  }
}

function roomText(lacking: string): string {
  return `erasures: no room to write store.sqlite anew, which their certificates wait for: it takes ${lacking}; it will be tried again`;
}

function isSame(one: Erasure, other: Erasure): boolean {
  return one.lane === other.lane && one.sequence === other.sequence && one.place === other.place;
}

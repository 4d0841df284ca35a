import type { Forgotten } from '../core/erasures.ts';
import { epochMsOf } from '../core/time.ts';
import { type Loaded, type VisitorKey, visitorText } from '../store/event-store.ts';

type Erased = Pick<Forgotten, 'ids' | 'until'>;

/**
 * The one rule by which nothing that was erased comes back: what happened, by the collector's clock, at or before an erasure of
 * its visitor or its user is not taken in, however it comes: replayed, redriven, or tried again by a tracker late. It costs one
 * comparison with the time of the latest erasure of all; only what is before that is asked of its ids.
 */
export class Erasures {
  readonly #untilMs: number;
  readonly #known: ReadonlyMap<string, string>;
  /** Ids of which it is not known yet whether anything of them was erased, by `visitorText`. */
  readonly asked = new Map<string, VisitorKey>();

  constructor({ erasedUntil, erased = new Map() }: Pick<Loaded, 'erasedUntil' | 'erased'>) {
    this.#untilMs = erasedUntil === undefined ? Number.NEGATIVE_INFINITY : Date.parse(erasedUntil);
    this.#known = erased;
  }

  /** By which erasures it is one of those; undefined when it is none. */
  hasErased({
    source,
    timestamp,
    visitor,
    userId,
  }: VisitorKey & { readonly timestamp: string; readonly userId: string | undefined }): Erased | undefined {
    if (this.#untilMs === Number.NEGATIVE_INFINITY) return undefined;
    const timeMs = epochMsOf(timestamp);
    if (timeMs > this.#untilMs) return undefined;
    const ids = userId === undefined || userId === visitor ? [visitor] : [visitor, userId];
    return this.#erasedOf(
      ids.map((id) => ({ source, visitor: id })),
      timeMs,
    );
  }

  /** The same of what is no event, by its arrival: its visitor, where one is known, and whoever else its bytes may be of. */
  hasErasedBytes({
    source,
    receivedAt,
    visitor,
    idsIn,
  }: VisitorKey & {
    readonly receivedAt: string;
    /** Asked only where an erasure came after it. As many as its bytes hold: a batch of many small ones has no fewer. */
    readonly idsIn: () => Iterable<string>;
  }): Erased | undefined {
    if (this.#untilMs === Number.NEGATIVE_INFINITY) return undefined;
    const timeMs = Date.parse(receivedAt);
    if (!(timeMs <= this.#untilMs)) return undefined;
    const ids = new Set([...(visitor === '' ? [] : [visitor]), ...idsIn()]);
    return this.#erasedOf(
      [...ids].map((id) => ({ source, visitor: id })),
      timeMs,
    );
  }

  /** All are asked for at once. */
  #erasedOf(keys: readonly VisitorKey[], timeMs: number): Erased | undefined {
    const ids = keys.filter((key) => this.#isErased(key, timeMs));
    const untils = ids.map((key) => this.#known.get(visitorText(key)) ?? '').sort();
    const until = untils.at(-1);
    return until === undefined ? undefined : { ids, until };
  }

  #isErased(key: VisitorKey, timeMs: number): boolean {
    const text = visitorText(key);
    const until = this.#known.get(text);
    if (until === undefined) this.asked.set(text, key);
    return until !== undefined && until !== '' && timeMs <= Date.parse(until);
  }
}

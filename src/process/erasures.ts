import { idsIn } from '../core/ids-in.ts';
import { epochMsOf } from '../core/time.ts';
import { type Loaded, type VisitorKey, visitorText } from '../store/event-store.ts';

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

  /** Whether this event is one of those. */
  hasErased({
    source,
    timestamp,
    visitor,
    userId,
  }: VisitorKey & { readonly timestamp: string; readonly userId: string | undefined }): boolean {
    if (this.#untilMs === Number.NEGATIVE_INFINITY) return false;
    const timeMs = epochMsOf(timestamp);
    if (timeMs > this.#untilMs) return false;
    const ofVisitor = this.#isErased({ source, visitor }, timeMs);
    const ofUser = userId !== undefined && userId !== visitor && this.#isErased({ source, visitor: userId }, timeMs);
    return ofVisitor || ofUser;
  }

  /** The same of what is no event, by its arrival: its visitor, where one is known, or any id in its bytes. */
  hasErasedBytes({
    source,
    receivedAt,
    visitor,
    payload,
  }: VisitorKey & { readonly receivedAt: string; readonly payload: string }): boolean {
    if (this.#untilMs === Number.NEGATIVE_INFINITY) return false;
    const timeMs = Date.parse(receivedAt);
    if (!(timeMs <= this.#untilMs)) return false;
    if (visitor !== '') return this.#isErased({ source, visitor }, timeMs);
    // All are asked for at once.
    return [...idsIn(payload)].map((id) => this.#isErased({ source, visitor: id }, timeMs)).includes(true);
  }

  #isErased(key: VisitorKey, timeMs: number): boolean {
    const text = visitorText(key);
    const until = this.#known.get(text);
    if (until === undefined) this.asked.set(text, key);
    return until !== undefined && until !== '' && timeMs <= Date.parse(until);
  }
}

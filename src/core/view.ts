import type { Event } from './event.ts';

/** What stitching found out about an event; small, and stored with it. */
export interface Facts {
  /** The visitor's sessions are numbered from 1. */
  readonly session: number;
  /** ISO 8601: the timestamp of the session's first event. */
  readonly sessionStart: string;
  /** The session's first event. */
  readonly first: boolean;
  /** The visitor's first event of all. */
  readonly newVisitor: boolean;
  /** It came after an event of the same visitor with a later timestamp, and joined the session it found. */
  readonly late: boolean;
}

/** How a row's state becomes text and back. `decode(encode(x))` equals x, and equal states encode equally. */
export interface RowCodec<State = unknown> {
  empty(): State;
  encode(state: State): string;
  decode(text: string): State;
}

/**
 * A view is a monoid over events: `merge` is associative and commutative with `empty()` as its identity, and folding
 * a list of events equals merging the folds of its parts, as long as no cap is met.
 */
export interface View<State = unknown> extends RowCodec<State> {
  readonly name: string;
  /** Raised with every change of meaning; the stored events are then folded anew (docs/operate.md). */
  readonly version: number;
  /** The buckets that the event counts in; none when it does not count. */
  keys(event: Event, facts: Facts): readonly string[];
  /** The state with the event in it; may change and return its argument. The row's one writer caps it here. */
  fold(state: State, event: Event, facts: Facts): State;
  /** A new state; never caps. */
  merge(a: State, b: State): State;
}

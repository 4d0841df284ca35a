import type { Event } from './event.ts';

/** What enrichment found out about an event; each is absent when it is not known. Texts of at most `rowKeyCharsMax`. */
export interface Enriched {
  /** Path of the page it happened on. */
  readonly page?: string;
  readonly browser?: string;
  readonly os?: string;
  readonly device?: string;
  readonly bot?: true;
  readonly language?: string;
  readonly country?: string;
  /** Host of the page that led here, unless it is one of the site's own. */
  readonly referrer?: string;
  /** The class of what led here: search, social, mail, paid, internal, referral or direct. */
  readonly channel?: string;
  readonly source?: string;
  readonly medium?: string;
  readonly campaign?: string;
}

/** What an event is counted by. */
export interface Values extends Enriched {
  readonly eventType: string;
}

/** How a session stands. */
export interface SessionStanding {
  /** From its first to its latest event, whole seconds. */
  readonly seconds: number;
  /** It has at most one page, screen or track event. */
  readonly bounced: boolean;
  /** The page of its latest event that says one. */
  readonly exitPage?: string;
}

/** What enrichment and stitching found out about an event; stored with it, so that it counts the same whenever it is counted again. */
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
  readonly enriched: Enriched;
  /** Values of the session's first event, as far as they are others than this event's; null where it has none. */
  readonly opening?: { readonly [Name in keyof Values]?: Values[Name] | null };
  /** The session is a new visitor's first. */
  readonly newVisitorSession?: true;
  /** The session before this event, and after it; neither when the event changes nothing, no `before` when it opens it. */
  readonly before?: SessionStanding;
  readonly after?: SessionStanding;
}

/** How a row's state becomes text and back. `decode(encode(x))` equals x, and equal states encode equally. */
export interface RowCodec<State = unknown> {
  empty(): State;
  encode(state: State): string;
  decode(text: string): State;
}

/** A row of a view: what a batch brings is absorbed into it by its one writer. */
export interface RowFold<State = unknown> extends RowCodec<State> {
  /**
   * The row with the deltas in it; may change and return its first argument, never a delta, for several rows share one. Caps what
   * has many values, in the order in which the values came.
   */
  absorb(row: State, deltas: readonly State[], bucket: string): State;
}

/**
 * A view is a monoid over events: `merge` is associative and commutative with `empty()` as its identity, and folding a
 * list of events equals merging, or absorbing, the folds of its parts, as long as no cap is met.
 */
export interface View<State = unknown> extends RowFold<State> {
  readonly name: string;
  /** Raised with every change of meaning; the stored events are then folded anew (docs/operate.md). */
  readonly version: number;
  /** What the event is folded with: a minute of UTC, such as `2026-11-23T10:04`, or `bots/` and one; undefined when it does not count. */
  at(event: Event, facts: Facts): string | undefined;
  /**
   * The state with the event in it; may change and return its argument. Not capped: it is a part of a batch. `order` is
   * the event's place in the batch, for what must know which value came first.
   */
  fold(state: State, event: Event, facts: Facts, order: number): State;
  /** The buckets of the rows that count what was folded there. */
  buckets(at: string): readonly string[];
  /** A new state; never caps. */
  merge(a: State, b: State): State;
}

import type { Erase, ErasedPlaces, Erasing, ErasureCounts, Forgotten } from '../core/erasures.ts';
import type { Event, Identity } from '../core/event.ts';
import type { Generations, ViewRebuild } from '../core/generations.ts';
import type { Facts, RowFold, View } from '../core/view.ts';
import type { RecordPosition } from '../log/event-log.ts';

/** Where an event lies. Sequences are compared ignoring the lane. */
export interface EventPosition {
  readonly lane: string;
  readonly sequence: bigint;
  /** The event's place in its record. */
  readonly index: number;
}

/** A visitor: a device within a source. */
export interface VisitorKey {
  readonly source: string;
  readonly visitor: string;
}

/** A row of a view: one source, time bucket and lane; it holds many values, as text that only the view can read. */
export interface RowKey {
  readonly view: string;
  readonly version: number;
  readonly source: string;
  /** Orders as text: `minute/2026-11-23T10:04Z`, `hour/2026-11-23T10:00Z`; the ledger has buckets of its own. */
  readonly bucket: string;
  readonly lane: string;
}

/** Versions of the views that a lane's rows are folded by. */
export type Registry = Readonly<Record<string, number>>;

export interface LaneState {
  /** The last sequence done; every record at or below it is applied. -1n when none is. */
  readonly done: bigint;
  readonly registry: Registry;
  /** By `view@version`: the lane folds into that view only what comes after this sequence. */
  readonly cuts: Readonly<Record<string, bigint>>;
  /** When the newest record done arrived in the log, in epoch milliseconds; absent where the log does not say. */
  readonly arrivedAtMs?: number | undefined;
}

export interface VisitorState {
  /** The last record that this state holds. */
  readonly sequence: bigint;
  readonly state: string;
}

/** An event found under an identity: where it lies, and the facts that were stored with it. */
export interface KnownEvent {
  readonly position: EventPosition;
  readonly facts: string;
}

export interface EventPut {
  readonly identity: Identity;
  readonly position: EventPosition;
  readonly visitor: VisitorKey;
  readonly eventType: string;
  readonly timestamp: string;
  readonly receivedAt: string;
  /** JSON. */
  readonly facts: string;
  /** The event as JSON, without source and receivedAt. */
  readonly body: string;
}

export interface VisitorPut extends VisitorKey, VisitorState {
  /** The sequence of the state that was loaded; undefined when there was none. */
  readonly loaded: bigint | undefined;
}

/** A user id seen with a visitor. Put if absent. */
export interface Link extends VisitorKey {
  readonly userId: string;
}

export interface RowUpdate {
  readonly key: RowKey;
  readonly row: RowFold;
  /** What the batch brings: states to be absorbed into the row; at least one. */
  readonly deltas: readonly unknown[];
}

/** What a rebuild goes past: which event or row of a view, and why. */
export interface PassedOver {
  readonly what: string;
  readonly fault: unknown;
}

export type PassOver = (passed: readonly PassedOver[]) => void;

/** An event set aside: the reason, and its full bytes. */
export interface BadEvent {
  readonly position: EventPosition;
  readonly source: string;
  /** ISO 8601. */
  readonly receivedAt: string;
  readonly code: string;
  readonly detail: string;
  /** Where that much of it could be read. */
  readonly eventType?: string | undefined;
  readonly payload: string;
  /** Of one that was put back and set aside again: where it was set aside before. */
  readonly cameFrom?: EventPosition | undefined;
  readonly replay?: Replay | undefined;
}

/** An event set aside, without its bytes. */
export interface BadReason extends Omit<BadEvent, 'payload' | 'replay'> {
  /** It was put back, and is known to lie in the log. */
  readonly isReplayed: boolean;
}

/** What was decided to be put into the log in the place of an event that was set aside. */
export interface Replay {
  /** When, in ISO 8601. */
  readonly at: string;
  /** SHA-256 of what came in its place, in hexadecimal; undefined when it is put back as it was. */
  readonly edit: string | undefined;
  readonly visitor: string;
  /** Its line of the record; gone once it is known where that lies. */
  readonly line: string | undefined;
  readonly position: RecordPosition | undefined;
}

export interface ReplayClaim {
  /** Of the event that was set aside. */
  readonly of: EventPosition;
  readonly replay: Replay;
}

/** A claim's line lies in the log. */
export interface ReplayNote {
  readonly of: EventPosition;
  readonly position: RecordPosition;
}

/** A record that could not be processed at all: the reason, and its full bytes. */
export interface DeadRecord {
  readonly lane: string;
  readonly sequence: bigint;
  readonly detail: string;
  readonly payload: Uint8Array;
  /** Where its payload lies in the log anew, once it was put back. It stays dead at its own place. */
  readonly redriven?: RecordPosition;
}

/** Which events of a record were not stored, by their places in it. Of a record that was wholly stored, or is dead, there is none. */
export interface RecordNote {
  readonly sequence: bigint;
  /** Of the record, ISO 8601. A store may forget it `receiptDays` later. */
  readonly receivedAt: string;
  readonly duplicates: readonly number[];
  readonly bad: readonly number[];
  /** They happened before an erasure of their person. Absent where there are none. */
  readonly forgotten?: readonly number[] | undefined;
}

/** All that a batch changes. What is put if absent stays as it is when present. */
export interface Decision {
  readonly lane: string;
  /** What the lane's state was when loaded, for the compare-and-set. */
  readonly loaded: LaneState | undefined;
  readonly becomes: LaneState;
  readonly events: readonly EventPut[];
  /** What the batch adds to totals, whatever of it an earlier try has put already. */
  readonly counts: { readonly stored: number; readonly newVisitors: number };
  /** Of the batch's records, as their collectors said; undefined when none of them says it. */
  readonly latestReceivedAt: string | undefined;
  readonly visitors: readonly VisitorPut[];
  readonly links: readonly Link[];
  readonly rows: readonly RowUpdate[];
  readonly bad: readonly BadEvent[];
  readonly dead: readonly DeadRecord[];
  readonly notes: readonly RecordNote[];
  readonly erase: readonly Erase[];
  readonly forgotten: readonly Forgotten[];
}

export interface Loaded {
  readonly lane: LaneState | undefined;
  /** By `visitorText`. */
  readonly visitors: ReadonlyMap<string, VisitorState>;
  /** By `identityKey`: those of the identities asked for that the store already holds, as far as it looked. */
  readonly known: ReadonlyMap<string, KnownEvent>;
  /** Never older than what the lane has taken up. */
  readonly generations: Generations;
  /** The latest `until` of all that was ever erased, whoever it was of; absent when nothing was. */
  readonly erasedUntil?: string | undefined;
  /** By `visitorText`, of those asked for with `erasedUntil`: until when it was erased; empty when it never was. */
  readonly erased?: ReadonlyMap<string, string> | undefined;
}

/** `contradicted`: nothing was applied, for these identities were already there; decide again knowing them. */
export type Applied =
  | { readonly kind: 'applied' }
  | { readonly kind: 'contradicted'; readonly known: ReadonlyMap<string, KnownEvent> };

/** An event as it is read back. */
export interface StoredEvent extends Event {
  readonly position: EventPosition;
  readonly visitor: string;
  readonly facts: Facts;
}

/** A place in a list of events: the time it is ordered by, and the position to tell equals apart. */
export interface EventMark {
  readonly time: string;
  readonly lane: string;
  readonly sequence: bigint;
  readonly index: number;
}

export interface EventRange {
  /** Inclusive, canonical ISO 8601. */
  readonly from?: string | undefined;
  /** Exclusive. */
  readonly to?: string | undefined;
  readonly eventType?: string | undefined;
  readonly source?: string | undefined;
  readonly order: 'asc' | 'desc';
  readonly limit: number;
  /** Only what comes after this place, in `order`. */
  readonly after?: EventMark | undefined;
}

export interface BadRange {
  readonly limit: number;
  /** Only what comes after this place: older ones. */
  readonly after?: EventPosition | undefined;
}

export interface Row {
  readonly key: RowKey;
  readonly text: string;
  /** Tells this state of a row from any other of it; absent when it is no row yet, but what will be added to one. */
  readonly mark?: string;
  /** It stands by itself and stays: what it says is in no lane's batch, and so neither before nor after what a lane has done. */
  readonly isApart?: true;
}

/** What a collector said of itself, apart from its records. */
export interface Witness {
  readonly collector: string;
  /** Every number at or below it was acknowledged, or is void and told so in a record, when the log ended at `sequence`. */
  readonly number: number;
  readonly lane: string;
  readonly sequence: bigint;
  /** When it said so, by its clock, in epoch milliseconds; absent in what older versions wrote. */
  readonly atMs?: number | undefined;
  /** What was acknowledged under these numbers, by the collector's own count; absent in what older versions wrote. */
  readonly counted?: { readonly events: number; readonly identities: number } | undefined;
}

/** Events that arrived in one hour of UTC: `2026-11-23T10`; empty where the store does not know the hour. */
interface HourOfSource {
  readonly source: string;
  readonly hour: string;
}

export interface StoredHour extends HourOfSource {
  readonly lane: string;
  readonly events: number;
  /** The sum of their checksums (`identityChecksum`); undefined where some are gone of which it was not kept. */
  readonly identities: number | undefined;
}

export interface StoredCount extends StoredHour {
  readonly sequence: bigint;
}

/** What lies in the store, counted from the events themselves, those that erasure took added back. */
export interface StoredCounts {
  /** By record, of those asked for. */
  readonly records: readonly StoredCount[];
  /** All of it. */
  readonly hours: readonly StoredHour[];
}

/** The ledger of what is long settled, as text that only `src/query/sealed.ts` can read. */
export interface SealedText {
  /** Grows with every writing. */
  readonly revision: number;
  readonly text: string;
}

/** Puts the sealed ledger in the place of the one read, and then takes away what it makes superfluous. */
export interface Sealing {
  /** Of what it was made of; 0 when there was none. */
  readonly from: number;
  readonly text: string;
  /** Rows of the ledger that it holds wholly; one that has another mark by now stays. */
  readonly rows: readonly Required<Pick<Row, 'key' | 'mark'>>[];
  /** One that says another number by now stays. */
  readonly witnesses: readonly Witness[];
}

/**
 * PORT. Events, visitors, rows of views, events set aside.
 *
 * **Writing.** `load`, let the pure core decide, `apply`: after any retry, split, repetition or crash the state is that
 * of each record applied once, in order (shared protocol: docs/exactly-once.md). `apply` is all or nothing where the
 * adapter has transactions; where it has none, a repetition of the same batch completes it. It throws when the lane or
 * a visitor is no longer as loaded: the batch is then sent again. Only one caller writes a lane.
 * **Reading** sees whole batches, each at one moment, but for rows of views, which may follow within a second; lists come in
 * the order asked, by time and then position.
 * **Errors.** Throws what the storage throws; every one is retriable by sending the batch again.
 */
export interface EventStore {
  load(
    lane: string,
    keys: {
      /** By `visitorText`. */
      readonly visitors: ReadonlyMap<string, VisitorKey>;
      /** Reads them out of the records: only asked for by a store that looks for them before it puts them. */
      readonly identities: () => readonly Identity[];
    },
  ): Promise<Loaded>;
  apply(decision: Decision): Promise<Applied>;
  /** Until when these ids were erased: visitors, or users in the place of one. Those that never were are left out. */
  erasedUntil(ids: readonly VisitorKey[]): Promise<ReadonlyMap<string, string>>;

  /** Keeps the latest of each collector. */
  witness(witness: Witness): Promise<void>;
  /**
   * Notes where a dead record was put back to. The first note stands, and is what is returned. Throws when there is no
   * such dead record.
   */
  markRedriven(lane: string, sequence: bigint, position: RecordPosition): Promise<RecordPosition>;
  /**
   * Notes with each event set aside what is put back for it, durably once it resolves, also where `apply` is not. The first claim of an
   * event stands: those that stand are returned, in the order given. Of one whose bytes were erased nothing is noted any more: what is
   * returned then has neither line nor position. Throws when there is no such event.
   */
  claimReplays(claims: readonly ReplayClaim[]): Promise<readonly Replay[]>;
  /** Notes where claimed lines lie. The first note of each event stands: those that stand are returned, in the order given. */
  noteReplays(notes: readonly ReplayNote[]): Promise<readonly RecordPosition[]>;

  /**
   * Takes the bytes of these, found to be of an erasure, and counts them there. Place and code stay, for the ledger counts them too;
   * what is not there, or has no bytes any more, is passed over.
   */
  eraseBytes(erasing: Erasing, of: ErasedPlaces): Promise<void>;
  /** The search for it is over: its id goes as well. `log`: see `ErasureCounts`. Done again, it changes nothing. */
  noteErased(erasing: Erasing, log?: number): Promise<void>;

  // Maintenance. Each does a bounded piece and says whether there is more.
  /**
   * Takes events received before this time out of everything but the rows of views, and events set aside with what is noted of
   * them, oldest arrivals first; returns how many. At most `limit` of either, or by the whole hour where the store need not touch
   * each event; one that came among younger ones, as what is replayed does, may stay as long as they.
   */
  expire(before: { readonly receivedAt: string; readonly limit: number }): Promise<number>;
  /**
   * A view (or version) that a lane took up with a cut lacks the events at or before that cut. Folds the next `limit`
   * of them, as they lie in the store with their facts, into rows of the lane `rebuild`. Until all are folded, readers see
   * the view's version before; then the rows of older versions go. True when nothing is left to do.
   *
   * Of a version that was asked for with `askRebuild`, readers until then see what came since as well, and rows of times that may
   * count expired events are taken over as they are, for nothing could fold them anew.
   *
   * An event that cannot be read or folded, and a row to be taken over that cannot be read, keep nothing else from being folded: they
   * are passed over, and `passOver` is told of those of this piece, perhaps more than once.
   */
  rebuild(view: View, limit: number, passOver?: PassOver): Promise<boolean>;
  /**
   * Asks for a view to be folded anew, by `rebuild`, into rows of a version of their own. While the view is being folded anew
   * already, that is what was asked for, and nothing changes. Throws ClickstreamError `views_newer`.
   */
  askRebuild(view: View): Promise<void>;
  /** False, and nothing happened, when the sealed ledger is no longer the one that this was made of. */
  seal(sealing: Sealing): Promise<boolean>;
  /** Makes everything applied so far durable, and returns the lanes' `done` that now are. */
  sync(): Promise<ReadonlyMap<string, bigint>>;
  close(): Promise<void>;
}

/**
 * PORT, its reading half. Within one `snapshot`, all reads see one moment where the adapter has transactions.
 */
export interface EventReader {
  snapshot<T>(read: (reads: EventReads) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface EventReads {
  /** Events of one visitor, of all sources or one, in `createdAt` order. */
  eventsOf(visitor: string, range: EventRange): Promise<readonly StoredEvent[]>;
  /** Events in `timestamp` order: of one type or of all, of one source or of all. */
  events(range: EventRange): Promise<readonly StoredEvent[]>;
  /** At most `limit`, in the order they were linked. Of a user with more than `linksPerUserMax` an adapter may look at any so many. */
  visitorsOf(userId: string, limit: number): Promise<readonly VisitorKey[]>;
  /** By `visitorText`; those of which nothing is kept are left out. */
  visitorStates(keys: readonly VisitorKey[]): Promise<ReadonlyMap<string, VisitorState>>;
  /**
   * Rows whose bucket is in [from, to), of the view's newest version that is ready to read; all lanes, and all sources or one. One
   * of a lane may come in several, of which some are deltas that are not absorbed yet: they are merged like those of lanes.
   */
  rows(range: {
    readonly view: string;
    readonly source?: string | undefined;
    readonly from: string;
    readonly to: string;
  }): Promise<readonly Row[]>;
  /** The sources that a view has rows of, in order. */
  sources(view: string): Promise<readonly string[]>;
  /** Events set aside, the newest first, without their bytes, which are most of what reading them costs. */
  badReasons(range: BadRange): Promise<readonly BadReason[]>;
  /** The events set aside at these positions, in their order; a position where there is none is left out. */
  badAt(positions: readonly EventPosition[]): Promise<readonly BadEvent[]>;
  /** Newest first; with `after`, only what comes after this place: older ones. */
  dead(limit: number, after?: RecordPosition): Promise<readonly DeadRecord[]>;
  deadAt(place: RecordPosition): Promise<DeadRecord | undefined>;
  /** Of these records, those that have one, in any order. */
  notesAt(places: readonly RecordPosition[]): Promise<readonly (RecordNote & RecordPosition)[]>;
  /** Some of those that are left, the oldest first. */
  erasing(limit: number): Promise<readonly Erasing[]>;
  /** Undefined while nothing of it is applied. */
  erasure(erasure: string): Promise<ErasureCounts | undefined>;
  lanes(): Promise<ReadonlyMap<string, LaneState>>;
  witnesses(): Promise<readonly Witness[]>;
  totals(): Promise<StoreTotals>;
  /** How the latest folding anew of each view stands, by view in order; those never folded anew are left out. */
  rebuilds(): Promise<readonly ViewRebuild[]>;
  /** Not remembered within a snapshot: where that is not of one moment, it tells whether the ledger was sealed meanwhile. */
  sealed(): Promise<SealedText | undefined>;
  /**
   * Of records at or before `through` of their lane. Slow; for the audit. It may be counted in pieces that are not of one moment, and
   * gives up that of its snapshot: what `totals` say afterwards to be expired or erased since may be counted twice, or not at all.
   */
  storedCounts(asked: {
    readonly through: ReadonlyMap<string, bigint>;
    /** Whether a record is to be counted by itself. */
    readonly isDetailed: (record: RecordPosition) => boolean;
  }): Promise<StoredCounts>;
  /** Identities that lie in the store twice, which no way through `apply` can make. Slow; for the audit. */
  doubled(limit: number): Promise<readonly DoubledEvent[]>;
}

export interface DoubledEvent {
  readonly identity: Identity;
  readonly positions: readonly EventPosition[];
}

export interface StoreTotals {
  readonly events: number;
  readonly bad: number;
  /** Events set aside that retention took. */
  readonly badExpired: number;
  readonly dead: number;
  readonly visitors: number;
  /** Events that retention took: all those of records at or before `expiredThrough` of their lane, by arrival. */
  readonly expired: number;
  readonly erased: number;
  readonly expiredThrough: ReadonlyMap<string, bigint>;
  /** Retention took nothing that arrived at or after this; absent when it took nothing. ISO 8601. */
  readonly expiredBefore?: string | undefined;
}

export function visitorText({ source, visitor }: VisitorKey): string {
  return `${source}\0${visitor}`;
}

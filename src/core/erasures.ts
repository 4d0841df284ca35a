import type { Identity } from './event.ts';

/** An id that is erased: of a visitor of a source, or of a user in the place of one. */
export interface ErasedId {
  readonly source: string;
  readonly visitor: string;
}

/** What of an id goes: what happened up to this time, ISO 8601. */
export interface ErasedUntil extends ErasedId {
  readonly until: string;
}

interface RecordPlace {
  readonly lane: string;
  readonly sequence: bigint;
}

interface EventPlace extends RecordPlace {
  readonly index: number;
}

/** A visitor of which everything before this place goes, for good: the store remembers until when (`Loaded.erased`). */
export interface Erase extends ErasedUntil {
  readonly sequence: bigint;
  /** The erasure that it belongs to, whose certificate counts it; absent where nobody asks for one. */
  readonly erasure?: string | undefined;
}

/** What is not taken in, for it happened before an erasure: the log has its bytes once more. */
export interface Forgotten {
  /** Where an earlier try of the same batch may have put it: it goes from there. */
  readonly put:
    | { readonly as: 'event'; readonly identity: Identity; readonly position: EventPlace }
    | { readonly as: 'bad'; readonly position: EventPlace }
    | { readonly as: 'dead'; readonly position: RecordPlace };
  /** Whose erasures those were. */
  readonly ids: readonly ErasedId[];
  readonly until: string;
}

/** An erasure of one visitor that is applied, and whose id is still to be looked for where nothing is sorted by it. */
export interface Erasing extends Erase {
  readonly lane: string;
  /** Tells several of one sequence apart: 0 is that of the erasure's own record. @default 0 */
  readonly place?: number | undefined;
}

export interface ErasedPlaces {
  readonly bad: readonly EventPlace[];
  readonly dead: readonly RecordPlace[];
}

/** What an erasure took, its visitors together. */
export interface ErasureCounts {
  /** How many of its records are applied: one is a visitor of one source. */
  readonly applied: number;
  readonly events: number;
  readonly visitors: number;
  readonly links: number;
  readonly bad: number;
  readonly dead: number;
  /** Records of the log whose bytes were overwritten; absent where the log cannot be written but at its end. */
  readonly log?: number | undefined;
  /** How many of them are still to be looked for: see `Erasing`. */
  readonly searching: number;
  /** Of how many the store's file is still to be written anew; absent where there is no such file. */
  readonly rewriting?: number | undefined;
  /** What is erased is hidden until then, and then deleted. ISO 8601; absent once nothing is only hidden. */
  readonly hiddenUntil?: string | undefined;
}

/** What stands in the place of the details of an event set aside, or of a dead record, whose bytes were erased. */
export const ERASED_DETAIL = 'erased';

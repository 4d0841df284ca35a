import { addOutcomeIdentities, NO_IDENTITIES, noIdentities, type OutcomeIdentities } from '../core/identities.ts';
import { readJson } from '../core/read-json.ts';

/** What became of the events of one copy of a record. */
export interface LedgerCopy {
  readonly sequence: bigint;
  /** Of its arrival: `2026-11-23T10`. Empty where that is not known. */
  readonly hour: string;
  readonly count: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly bad: number;
  readonly dead: number;
  readonly forgotten?: number | undefined;
  /** Sums of the checksums of the same events; undefined where their collector did not say what came in. */
  readonly identities?: Readonly<OutcomeIdentities> | undefined;
}

/** Events, and the sum of their checksums. */
export interface Counted {
  readonly events: number;
  readonly identities: number;
}

/** The events of records, and what became of them. */
export interface Outcomes {
  /** Events of the records that were promised and are known: processed or pending, each record once. */
  accepted: number;
  stored: number;
  duplicate: number;
  bad: number;
  dead: number;
  /** Not taken in, for it happened before an erasure of its person. */
  forgotten: number;
  pending: number;
  /** Events of further copies of a record, which a log may hold after a retry of its own. */
  redelivered: number;
}

/** What one lane processed of one source, of what arrived in one hour. */
export interface Cell extends Outcomes {
  /** Copies of records. */
  copies: number;
  deadRecords: number;
  /** Copies of which the checksums are known; the sums say something of the cell only if that is all. */
  knownCopies: number;
  readonly identities: OutcomeIdentities;
}

/** Numbers, from the first to the last. */
export type NumberRange = readonly [first: number, last: number];

/** What is left of a collector's numbers once they are sealed. */
export interface SealedCollector {
  /** What is at or below it is sealed: it was seen or void, or is in one of the two lists. */
  readonly through: number;
  /** Its latest sign of life, in epoch milliseconds. */
  readonly lastAtMs: number;
  /** Acknowledged, and nowhere. */
  readonly lost: readonly NumberRange[];
  /** Nowhere, and not known to have been acknowledged; of collectors that are dead. */
  readonly unresolved: readonly NumberRange[];
  /**
   * What is known to have been acknowledged under the numbers at or below `through`, each record once; undefined where of some it
   * is not known.
   */
  readonly counted?: Counted | undefined;
}

/**
 * The ledger of what is settled: totals in the place of rows. A copy of a record is counted in them exactly if its number is at
 * or below its collector's `through`, and not in the collector's two lists, and its sequence at or below its lane's in `lanes`. So it does not matter whether its row
 * is deleted already, or was put once more by who came too late.
 */
export interface Sealed {
  readonly lanes: ReadonlyMap<string, bigint>;
  readonly collectors: ReadonlyMap<string, SealedCollector>;
  /** The last hour that became one with older ones: so is in the cells all through it. Empty where none did, or it is not known. */
  readonly olderThrough: string;
  readonly cells: Cells;
}

export function nothingSealed(): Sealed {
  return { lanes: new Map(), collectors: new Map(), olderThrough: '', cells: new Cells() };
}

/** The hours before those that are kept apart, together. */
export const OLDER = 'older';

/** Totals by lane, source and hour. */
export class Cells {
  readonly #lanes = new Map<string, Map<string, Map<string, Cell>>>();

  of({ lane, source, hour }: { readonly lane: string; readonly source: string; readonly hour: string }): Cell {
    const sources = entryOf(this.#lanes, lane, () => new Map<string, Map<string, Cell>>());
    const hours = entryOf(sources, source, () => new Map<string, Cell>());
    return entryOf(hours, hour, emptyCell);
  }

  *all(): Generator<CellPlace & { readonly cell: Cell }> {
    for (const [lane, sources] of this.#lanes) {
      for (const [source, hours] of sources) {
        for (const [hour, cell] of hours) yield { lane, source, hour, cell };
      }
    }
  }

  copy(): Cells {
    const copied = new Cells();
    for (const { cell, ...place } of this.all()) addTo(copied.of(place), cell);
    return copied;
  }

  /** Hours through this one become one. What has no hour stays apart: nothing can be said of its time. */
  mergeOlder(through: string): Cells {
    const merged = new Cells();
    for (const { cell, ...place } of this.all()) {
      const isOld = place.hour !== '' && (place.hour === OLDER || place.hour <= through);
      addTo(merged.of(isOld ? { ...place, hour: OLDER } : place), cell);
    }
    return merged;
  }
}

export interface CellPlace {
  readonly lane: string;
  readonly source: string;
  readonly hour: string;
}

function emptyCell(): Cell {
  return { ...noOutcomes(), copies: 0, deadRecords: 0, knownCopies: 0, identities: noIdentities() };
}

export function noOutcomes(): Outcomes {
  return { accepted: 0, stored: 0, duplicate: 0, bad: 0, dead: 0, forgotten: 0, pending: 0, redelivered: 0 };
}

export function addTo(to: Cell, cell: Cell): void {
  addOutcomes(to, cell);
  to.copies += cell.copies;
  to.deadRecords += cell.deadRecords;
  to.knownCopies += cell.knownCopies;
  addOutcomeIdentities(to.identities, cell.identities);
}

export function addOutcomes(to: Outcomes, outcomes: Outcomes): void {
  to.accepted += outcomes.accepted;
  to.stored += outcomes.stored;
  to.duplicate += outcomes.duplicate;
  to.bad += outcomes.bad;
  to.dead += outcomes.dead;
  to.forgotten += outcomes.forgotten;
  to.pending += outcomes.pending;
  to.redelivered += outcomes.redelivered;
}

/** One copy of a record; `isFirst` when no other copy of it was counted before. */
export function countCopy(to: Cell, copy: LedgerCopy, { isFirst }: { readonly isFirst: boolean }): void {
  to[isFirst ? 'accepted' : 'redelivered'] += copy.count;
  to.stored += copy.stored;
  to.duplicate += copy.duplicate;
  to.bad += copy.bad;
  to.dead += copy.dead;
  to.forgotten += copy.forgotten ?? 0;
  to.copies += 1;
  if (copy.dead > 0) to.deadRecords += 1;
  if (copy.identities === undefined) return;
  to.knownCopies += 1;
  addOutcomeIdentities(to.identities, copy.identities);
}

/** Whether the sums of a cell are those of all that it counts. */
export function hasIdentities({ knownCopies, copies }: Cell): boolean {
  return knownCopies === copies;
}

/** Whether the totals hold this copy. */
export function isSealed(
  { lanes, collectors }: Sealed,
  {
    collector,
    number,
    lane,
    sequence,
  }: Readonly<Record<'collector' | 'lane', string>> & {
    readonly number: number;
    readonly sequence: bigint;
  },
): boolean {
  const known = collectors.get(collector);
  if (known === undefined || number > known.through || sequence > (lanes.get(lane) ?? -1n)) return false;
  // Of a number that was nowhere no copy is in them: one that Lambda gave up may be put into the ledger behind its lane's `done`.
  return !isWithin(known.lost, number) && !isWithin(known.unresolved, number);
}

export function isWithin(ranges: readonly NumberRange[], number: number): boolean {
  return ranges.some(([first, last]) => first <= number && number <= last);
}

/** What is left of ranges without these numbers. */
export function without(ranges: readonly NumberRange[], numbers: ReadonlySet<number>): readonly NumberRange[] {
  return [...numbers].reduce(
    (left, number) =>
      left.flatMap((range): readonly NumberRange[] => {
        const [first, last] = range;
        if (number < first || number > last) return [range];
        const parts: readonly NumberRange[] = [
          [first, number - 1],
          [number + 1, last],
        ];
        return parts.filter(([from, to]) => from <= to);
      }),
    ranges,
  );
}

/**
 * Raised when older programs could not read what is written. A cell or a collector may get more at its end without that: older
 * programs drop it, and then it is not known.
 */
const FORMAT = 1;
const CELL_NUMBERS = [
  'copies',
  'accepted',
  'stored',
  'duplicate',
  'bad',
  'dead',
  'redelivered',
  'deadRecords',
  'knownCopies',
] as const;
const CELL_SUMS = ['came', 'stored', 'duplicate', 'bad', 'dead'] as const;
/** What came after both: the events forgotten, and then their sum. */
const FORGOTTEN_AT = CELL_NUMBERS.length + CELL_SUMS.length;

type EncodedCollector = [
  through: number,
  lastAtMs: number,
  lost?: readonly NumberRange[],
  unresolved?: readonly NumberRange[],
  counted?: readonly [events: number, identities: number],
];

interface Encoded {
  readonly format: number;
  readonly lanes: Readonly<Record<string, string>>;
  readonly collectors: Readonly<Record<string, EncodedCollector>>;
  readonly olderThrough?: string;
  readonly cells: readonly (readonly [lane: string, source: string, hour: string, ...numbers: number[]])[];
}

export function encodeSealed({ lanes, collectors, olderThrough, cells }: Sealed): string {
  const encoded: Encoded = {
    format: FORMAT,
    lanes: Object.fromEntries([...lanes].map(([lane, sequence]) => [lane, String(sequence)])),
    collectors: Object.fromEntries(
      [...collectors].map(([collector, { through, lastAtMs, lost, unresolved, counted }]) => {
        if (counted !== undefined) {
          return [collector, [through, lastAtMs, lost, unresolved, [counted.events, counted.identities]]];
        }
        const hasHoles = lost.length + unresolved.length > 0;
        return [collector, hasHoles ? [through, lastAtMs, lost, unresolved] : [through, lastAtMs]];
      }),
    ),
    olderThrough,
    cells: [...cells.all()].map(({ lane, source, hour, cell }) => [
      lane,
      source,
      hour,
      ...CELL_NUMBERS.map((name) => cell[name]),
      ...CELL_SUMS.map((name) => cell.identities[name]),
      ...(cell.forgotten > 0 ? [cell.forgotten, cell.identities.forgotten] : []),
    ]),
  };
  return JSON.stringify(encoded);
}

/** Throws for a format that this program does not know. */
export function decodeSealed(text: string): Sealed {
  const { format, lanes, collectors, olderThrough = '', cells } = readJson(text) as Encoded;
  if (format !== FORMAT) throw new Error(`the sealed ledger has format ${format}; this program knows ${FORMAT}`);
  const decoded = new Cells();
  for (const [lane, source, hour, ...numbers] of cells) {
    const cell = decoded.of({ lane, source, hour });
    for (const [place, name] of CELL_NUMBERS.entries()) cell[name] = numbers[place] ?? 0;
    for (const [place, name] of CELL_SUMS.entries()) {
      cell.identities[name] = numbers[CELL_NUMBERS.length + place] ?? NO_IDENTITIES;
    }
    cell.forgotten = numbers[FORGOTTEN_AT] ?? 0;
    cell.identities.forgotten = numbers[FORGOTTEN_AT + 1] ?? NO_IDENTITIES;
  }
  return {
    lanes: new Map(Object.entries(lanes).map(([lane, sequence]) => [lane, BigInt(sequence)])),
    collectors: new Map(
      Object.entries(collectors).map(([collector, [through, lastAtMs, lost = [], unresolved = [], counted]]) => {
        const [events = 0, identities = NO_IDENTITIES] = counted ?? [];
        return [
          collector,
          { through, lastAtMs, lost, unresolved, ...(counted && { counted: { events, identities } }) },
        ];
      }),
    ),
    olderThrough,
    cells: decoded,
  };
}

function entryOf<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}

import { noIdentities, type OutcomeIdentities } from '../../core/identities.ts';
import { LIMITS } from '../../core/limits.ts';
import { readJson } from '../../core/read-json.ts';
import type { RowFold } from '../../core/view.ts';
import type { RecordHeader } from '../../log/record.ts';

/**
 * The view's name and version in the store; its rows fold records, where the other views fold events. What nothing can fold
 * anew keeps its version: a row says itself in which format it is.
 */
export const LEDGER = { name: 'ledger', version: 1 } as const;

/** What became of the events of one copy of a record. */
export interface LedgerEntry {
  readonly sequence: bigint;
  /** Of its arrival at the collector, in UTC: `2026-11-23T10`. Empty where a row does not say it, as those of format 1. */
  readonly hour: string;
  readonly count: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly bad: number;
  readonly dead: number;
  /** Not taken in, for it happened before an erasure of its person; absent where there are none. */
  readonly forgotten?: number | undefined;
  /** Sums of the same events; undefined where their collector did not say what came in. */
  readonly identities?: Readonly<OutcomeIdentities> | undefined;
}

/** What became of the events of a record. */
export type LedgerOutcome = Omit<LedgerEntry, 'sequence' | 'hour' | 'count'>;

/** A block of one collector's numbers: every copy of each record, and what the collector knew when it sent them. */
export interface LedgerState {
  /** A log may hold a record twice (a retry inside an SDK), so a number has a list of entries. */
  readonly entries: Map<number, LedgerEntry[]>;
  ackedThrough: number;
  readonly voids: Set<number>;
  /** When the newest of these records arrived in the log, in epoch milliseconds; 0 where the log does not say. */
  arrivedAtMs: number;
}

/**
 * Format 1 had no hours, no arrival, and no number of its own in front. In format 2 an hour may have a third part, which older
 * programs pass over: the sums of its entries, in their order. What is forgotten stands at the end of either, where there is any.
 */
const FORMAT = 2;
type EncodedEntry = [number: number, sequence: string, count: number, ...outcomes: number[]];
/** null where they are not known; one number where all that came in was stored; else all of them. */
type EncodedIdentities =
  | null
  | number
  | readonly [came: number, stored: number, duplicate: number, bad: number, dead: number, forgotten?: number];
type Encoded1 = [ackedThrough: number, voids: number[], entries: EncodedEntry[]];
type Encoded2 = [
  format: number,
  ackedThrough: number,
  voids: number[],
  arrivedAtMs: number,
  hours: [hour: string, entries: EncodedEntry[], identities?: EncodedIdentities[]][],
];

export const ledgerRows: RowFold<LedgerState> = {
  empty: () => ({ entries: new Map(), ackedThrough: -1, voids: new Set(), arrivedAtMs: 0 }),
  encode({ entries, ackedThrough, voids, arrivedAtMs }) {
    const hours = new Map<string, HourTexts>();
    for (const [number, copies] of [...entries].sort(([a], [b]) => a - b)) {
      // Copies are a set: merged in any order they must encode to the same text.
      const inOrder = copies.length === 1 ? copies : [...copies].sort(byEntry);
      for (const entry of inOrder) {
        const texts = hours.get(entry.hour) ?? { entries: [], identities: [], isKnown: false };
        if (texts.entries.length === 0) hours.set(entry.hour, texts);
        texts.entries.push(encodeEntry(number, entry));
        texts.identities.push(encodeIdentities(entry));
        if (entry.identities !== undefined) texts.isKnown = true;
      }
    }
    const inOrder = [...hours].sort(([a], [b]) => (a < b ? -1 : 1));
    const rows = inOrder.map(([hour, { entries: texts, identities, isKnown }]) => {
      const sums = isKnown ? `,[${identities.join()}]` : '';
      return `[${JSON.stringify(hour)},[${texts.join()}]${sums}]`;
    });
    const sorted = JSON.stringify([...voids].sort((a, b) => a - b));
    return `[${FORMAT},${ackedThrough},${sorted},${arrivedAtMs},[${rows.join()}]]`;
  },
  decode(text) {
    const decoded = readJson(text) as Encoded1 | Encoded2;
    const [ackedThrough, voids, arrivedAtMs, hours] = isFormat1(decoded)
      ? ([decoded[0], decoded[1], 0, [['', decoded[2]]]] as const)
      : ([decoded[1], decoded[2], decoded[3], decoded[4]] as const);
    const entries = new Map<number, LedgerEntry[]>();
    for (const [hour, rows, sums] of hours) {
      for (const [
        place,
        [number, sequence, count, stored = count, duplicate = 0, bad = 0, dead = 0, forgotten = 0],
      ] of rows.entries()) {
        const identities = decodeIdentities(sums?.[place] ?? null);
        addEntry(entries, number, {
          sequence: BigInt(sequence),
          hour,
          count,
          stored,
          duplicate,
          bad,
          dead,
          ...(forgotten > 0 && { forgotten }),
          ...identities,
        });
      }
    }
    return { entries, ackedThrough, voids: new Set(voids), arrivedAtMs };
  },
  absorb: (row, deltas) => deltas.reduce(absorbLedger, row),
};

function isFormat1(decoded: Encoded1 | Encoded2): decoded is Encoded1 {
  return decoded.length === 3;
}

/** Nearly every record was stored whole: that is written without the outcomes. */
function encodeEntry(number: number, entry: LedgerEntry): string {
  const { sequence, count, stored, duplicate, bad, dead, forgotten = 0 } = entry;
  const short = stored === count && duplicate === 0 && bad === 0 && dead === 0 && forgotten === 0;
  const outcomes = short ? '' : `,${stored},${duplicate},${bad},${dead}${forgotten === 0 ? '' : `,${forgotten}`}`;
  return `[${number},"${sequence}",${count}${outcomes}]`;
}

/** Of one hour, in the same order. */
interface HourTexts {
  readonly entries: string[];
  readonly identities: string[];
  isKnown: boolean;
}

function encodeIdentities({ identities }: LedgerEntry): string {
  if (identities === undefined) return 'null';
  const { came, stored, duplicate, bad, dead, forgotten } = identities;
  const isWhole = came === stored && duplicate === 0 && bad === 0 && dead === 0 && forgotten === 0;
  return isWhole
    ? `${came}`
    : `[${came},${stored},${duplicate},${bad},${dead}${forgotten === 0 ? '' : `,${forgotten}`}]`;
}

function decodeIdentities(encoded: EncodedIdentities): Pick<LedgerEntry, 'identities'> {
  if (encoded === null) return {};
  if (typeof encoded === 'number') return { identities: { ...noIdentities(), came: encoded, stored: encoded } };
  const [came, stored, duplicate, bad, dead, forgotten = 0] = encoded;
  return { identities: { came, stored, duplicate, bad, dead, forgotten } };
}

function byEntry(a: LedgerEntry, b: LedgerEntry): number {
  return orderText(a) < orderText(b) ? -1 : 1;
}

function orderText(entry: LedgerEntry): string {
  return `${encodeEntry(0, entry)}${encodeIdentities(entry)}`;
}

const HOUR = /^\d{4}-\d\d-\d\dT\d\d/;

/** The hour of a time as headers have it; empty for what is none, which a record put in by hand could have. */
export function hourOf(receivedAt: string): string {
  return HOUR.exec(receivedAt)?.[0] ?? '';
}

/** The bucket of the ledger that a record is folded into: its collector, and its block of numbers. */
export function ledgerBucket({ collector, number }: Pick<RecordHeader, 'collector' | 'number'>): string {
  const block = Math.floor(number / LIMITS.ledgerBlockNumbers);
  return `${collector}/${String(block).padStart(12, '0')}`;
}

/** What a record that nobody could process comes to: whatever it held is dead. */
export function deadOutcome(header: Pick<RecordHeader, 'count' | 'identities'>): LedgerOutcome {
  return wholeOutcome(header, 'dead');
}

/** Where all of a record came to the same. */
export function wholeOutcome(
  { count, identities }: Pick<RecordHeader, 'count' | 'identities'>,
  outcome: 'dead' | 'forgotten',
): LedgerOutcome {
  const sums = identities === undefined ? undefined : { ...noIdentities(), came: identities, [outcome]: identities };
  return { ...NO_OUTCOME, [outcome]: count, identities: sums };
}

export const NO_OUTCOME = { stored: 0, duplicate: 0, bad: 0, dead: 0 } as const;

/** The entry of a record, whose header says what came in. */
export function entryFor(
  { sequence, header }: { readonly sequence: bigint; readonly header: RecordHeader },
  outcome: LedgerOutcome,
): LedgerEntry {
  const { receivedAt, count, identities: came } = header;
  const identities =
    came === undefined || outcome.identities === undefined ? undefined : { ...outcome.identities, came };
  return { ...outcome, sequence, hour: hourOf(receivedAt), count, identities };
}

export function foldLedger(
  state: LedgerState,
  { header, arrivedAtMs = 0 }: LedgerRecord,
  entry: LedgerEntry,
): LedgerState {
  addEntry(state.entries, header.number, entry);
  if (header.ackedThrough > state.ackedThrough) state.ackedThrough = header.ackedThrough;
  for (const number of header.voids) state.voids.add(number);
  if (arrivedAtMs > state.arrivedAtMs) state.arrivedAtMs = arrivedAtMs;
  return state;
}

/** What of a record the ledger goes by, beside what became of it. */
interface LedgerRecord {
  readonly header: Pick<RecordHeader, 'number' | 'ackedThrough' | 'voids'>;
  readonly arrivedAtMs?: number | undefined;
}

export function mergeLedger(a: LedgerState, b: LedgerState): LedgerState {
  return absorbLedger(absorbLedger(ledgerRows.empty(), a), b);
}

function absorbLedger(row: LedgerState, delta: LedgerState): LedgerState {
  for (const [number, copies] of delta.entries) for (const entry of copies) addEntry(row.entries, number, entry);
  if (delta.ackedThrough > row.ackedThrough) row.ackedThrough = delta.ackedThrough;
  for (const number of delta.voids) row.voids.add(number);
  if (delta.arrivedAtMs > row.arrivedAtMs) row.arrivedAtMs = delta.arrivedAtMs;
  return row;
}

function addEntry(entries: Map<number, LedgerEntry[]>, number: number, entry: LedgerEntry): void {
  const copies = entries.get(number);
  if (copies === undefined) entries.set(number, [entry]);
  else copies.push(entry);
}

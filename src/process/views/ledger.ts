import { LIMITS } from '../../core/limits.ts';
import type { RowFold } from '../../core/view.ts';
import type { RecordHeader } from '../../log/record.ts';

/** The view's name and version in the store; its rows fold records, where the other views fold events. */
export const LEDGER = { name: 'ledger', version: 1 } as const;

/** What became of the events of one copy of a record. */
export interface LedgerEntry {
  readonly sequence: bigint;
  readonly count: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly bad: number;
  readonly dead: number;
}

/** A block of one collector's numbers: every copy of each record, and what the collector knew when it sent them. */
export interface LedgerState {
  /** A log may hold a record twice (a retry inside an SDK), so a number has a list of entries. */
  readonly entries: Map<number, LedgerEntry[]>;
  ackedThrough: number;
  readonly voids: Set<number>;
}

export const ledgerRows: RowFold<LedgerState> = {
  empty: () => ({ entries: new Map(), ackedThrough: -1, voids: new Set() }),
  encode({ entries, ackedThrough, voids }) {
    const rows: string[] = [];
    for (const [number, copies] of [...entries].sort(([a], [b]) => a - b)) {
      // Copies are a set: merged in any order they must encode to the same text.
      rows.push(...copies.map((entry) => encodeEntry(number, entry)).sort());
    }
    return `[${ackedThrough},${JSON.stringify([...voids].sort((a, b) => a - b))},[${rows.join()}]]`;
  },
  decode(text) {
    const [ackedThrough, voids, rows] = JSON.parse(text) as [number, number[], [number, string, number, ...number[]][]];
    const entries = new Map<number, LedgerEntry[]>();
    for (const [number, sequence, count, stored = count, duplicate = 0, bad = 0, dead = 0] of rows) {
      addEntry(entries, number, { sequence: BigInt(sequence), count, stored, duplicate, bad, dead });
    }
    return { entries, ackedThrough, voids: new Set(voids) };
  },
  absorb: (row, deltas) => deltas.reduce(absorbLedger, row),
};

/** Nearly every record was stored whole: that is written without the outcomes. */
function encodeEntry(number: number, { sequence, count, stored, duplicate, bad, dead }: LedgerEntry): string {
  const short = stored === count && duplicate === 0 && bad === 0 && dead === 0;
  return `[${number},"${sequence}",${count}${short ? '' : `,${stored},${duplicate},${bad},${dead}`}]`;
}

/** The bucket of the ledger that a record is folded into: its collector, and its block of numbers. */
export function ledgerBucket({ collector, number }: Pick<RecordHeader, 'collector' | 'number'>): string {
  const block = Math.floor(number / LIMITS.ledgerBlockNumbers);
  return `${collector}/${String(block).padStart(12, '0')}`;
}

export function foldLedger(
  state: LedgerState,
  header: Pick<RecordHeader, 'number' | 'ackedThrough' | 'voids'>,
  entry: LedgerEntry,
): LedgerState {
  addEntry(state.entries, header.number, entry);
  if (header.ackedThrough > state.ackedThrough) state.ackedThrough = header.ackedThrough;
  for (const number of header.voids) state.voids.add(number);
  return state;
}

export function mergeLedger(a: LedgerState, b: LedgerState): LedgerState {
  const entries = new Map<number, LedgerEntry[]>();
  for (const side of [a, b]) {
    for (const [number, copies] of side.entries) for (const entry of copies) addEntry(entries, number, entry);
  }
  return { entries, ackedThrough: Math.max(a.ackedThrough, b.ackedThrough), voids: new Set([...a.voids, ...b.voids]) };
}

function absorbLedger(row: LedgerState, delta: LedgerState): LedgerState {
  for (const [number, copies] of delta.entries) for (const entry of copies) addEntry(row.entries, number, entry);
  if (delta.ackedThrough > row.ackedThrough) row.ackedThrough = delta.ackedThrough;
  for (const number of delta.voids) row.voids.add(number);
  return row;
}

function addEntry(entries: Map<number, LedgerEntry[]>, number: number, entry: LedgerEntry): void {
  const copies = entries.get(number);
  if (copies === undefined) entries.set(number, [entry]);
  else copies.push(entry);
}

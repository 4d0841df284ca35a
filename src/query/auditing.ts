import { ClickstreamError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { EventReader, EventReads, Row } from '../store/event-store.ts';
import { type AuditInput, type AuditResult, audit } from './audit.ts';
import type { LedgerBlock, LogView } from './ledger-reading.ts';
import { decodeSealed, isSealed, nothingSealed, type Sealed } from './sealed.ts';
import { blockOf, type LedgerRows } from './sealing.ts';

/** Reads what an audit looks at, in the order that it asks for, and judges it. */
export async function auditOf({
  reader,
  parts: { log, ledger },
  deep,
}: {
  readonly reader: EventReader;
  readonly parts: { readonly log?: (() => Promise<LogView>) | undefined; readonly ledger: LedgerRows };
  readonly deep: boolean;
}): Promise<AuditResult> {
  const witnesses = await reader.snapshot((reads) => reads.witnesses());
  const view = await log?.();
  for (let tries = 0; tries < LIMITS.auditTriesMax; tries += 1) {
    const result = await reader.snapshot(async (reads) => {
      const before = await reads.sealed();
      const sealed = before === undefined ? nothingSealed() : decodeSealed(before.text);
      const lanes = await reads.lanes();
      const rows = await reads.rows({ view: ledger.name, from: '', to: '\uffff' });
      const totals = await reads.totals();
      // Where a snapshot is not of one moment, rows that were read after a sealing no longer have what it took.
      if ((await reads.sealed())?.revision !== before?.revision) return undefined;
      const counted = deep ? await readDeep(reads, { lanes, sealed, rows, ledger }) : undefined;
      // What was erased while the events were counted may be counted twice, or not at all. What expired is not looked at.
      if (counted !== undefined && counted.totals.erased !== totals.erased) return undefined;
      return audit({ witnesses, log: view, sealed, ledger: blocksOf(rows, ledger), lanes, totals, deep: counted });
    });
    if (result !== undefined) return result;
  }
  throw new ClickstreamError(
    'query_unavailable',
    'the ledger was sealed, or events were erased, each time it was read',
  );
}

function* blocksOf(rows: readonly Row[], ledger: LedgerRows): Generator<LedgerBlock> {
  for (const row of rows) yield blockOf(row, ledger.decode);
}

/** Records of which the ledger has more than totals are counted one by one, and those that it should know of and may not. */
async function readDeep(
  reads: EventReads,
  of: Pick<AuditInput, 'lanes'> & {
    readonly sealed: Sealed;
    readonly rows: readonly Row[];
    readonly ledger: LedgerRows;
  },
): Promise<AuditInput['deep']> {
  const listed = new Map<string, Set<bigint>>();
  for (const { collector, lane, entries } of blocksOf(of.rows, of.ledger)) {
    const sequences = listed.get(lane) ?? new Set();
    listed.set(lane, sequences);
    for (const [number, copies] of entries) {
      for (const { sequence } of copies) {
        if (!isSealed(of.sealed, { collector, number, lane, sequence })) sequences.add(sequence);
      }
    }
  }
  const counts = await reads.storedCounts({
    through: new Map([...of.lanes].map(([lane, { done }]) => [lane, done])),
    isDetailed: ({ lane, sequence }) =>
      sequence > (of.sealed.lanes.get(lane) ?? -1n) || listed.get(lane)?.has(sequence) === true,
  });
  return { counts, totals: await reads.totals(), doubled: await reads.doubled(LIMITS.auditProblemsMax) };
}

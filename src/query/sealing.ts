import { LIMITS } from '../core/limits.ts';
import type { EventReader, EventStore, LaneState, Row, Sealing, Witness } from '../store/event-store.ts';
import {
  type CollectorNumbers,
  isUnexplained,
  type LedgerPart,
  LedgerReading,
  type LogView,
  type OpenCopy,
  Progress,
} from './ledger-reading.ts';
import {
  type CellPlace,
  type Cells,
  countCopy,
  decodeSealed,
  encodeSealed,
  isSealed,
  nothingSealed,
  type Sealed,
  type SealedCollector,
} from './sealed.ts';

/** How rows of the ledger are found and read. */
export interface LedgerRows {
  readonly name: string;
  readonly decode: (text: string) => LedgerPart;
  /** The bucket of a row that holds this number of this collector. */
  readonly bucketOf: (place: { readonly collector: string; readonly number: number }) => string;
}

export interface SealingInput {
  readonly sealed: Sealed;
  /** Every row of the ledger, read after `lanes`. */
  readonly rows: readonly Row[];
  readonly decode: LedgerRows['decode'];
  readonly witnesses: readonly Witness[];
  readonly lanes: ReadonlyMap<string, LaneState>;
  /** Looked at before the rest; what it lists is not asked for. */
  readonly log?: Pick<LogView, 'lanes' | 'findings'> | undefined;
  /** Epoch milliseconds. */
  readonly nowMs: number;
  /**
   * How long after its last sign of life a collector that has nothing open is forgotten: no collector of this home lives that
   * long. @default never
   */
  readonly collectorMsMax?: number | undefined;
  /** Of a collector that lives, this many numbers are sealed together. @default ledgerBlockNumbers, a row's */
  readonly blockNumbers?: number | undefined;
}

/** What is sealed next, and what that makes superfluous. */
export interface Sealable {
  readonly sealed: Sealed;
  readonly rows: Sealing['rows'];
  readonly witnesses: readonly Witness[];
}

/**
 * Adds to the totals what is settled for good (docs/exactly-once.md): of a collector that lives, whole blocks of numbers of which
 * each is known or lost by now; of one that is dead, all. Undefined when that changes nothing.
 */
export function sealNext(input: SealingInput): Sealable | undefined {
  const { sealed, lanes, nowMs } = input;
  const { collectorMsMax = Number.POSITIVE_INFINITY, blockNumbers = LIMITS.ledgerBlockNumbers } = input;
  const progress = new Progress(input);
  const reading = new LedgerReading({ sealed, progress });
  const cells = sealed.cells.copy();
  const collectors = new Map<string, SealedCollector>();
  const rowsOf = Map.groupBy(input.rows, collectorOf);
  const witnesses = new Map(input.witnesses.map((witness) => [witness.collector, witness]));
  const next: Sealed = { ...sealed, lanes: new Map([...sealed.lanes, ...donesOf(lanes)]), collectors };
  const rows: Sealable['rows'][number][] = [];
  const superfluous: Witness[] = [];
  let isChanged = false;
  for (const collector of new Set([...sealed.collectors.keys(), ...rowsOf.keys(), ...witnesses.keys()])) {
    const before = sealed.collectors.get(collector);
    const own = rowsOf.get(collector) ?? [];
    const open: OpenCopy[] = [];
    // One collector's after the other, for what is decoded takes ten times as much memory as its text.
    const blocks = own.map((row) => ({ row, block: blockOf(row, input.decode) }));
    for (const { block } of blocks) {
      // What stays apart is counted from there; to the totals its numbers are nowhere, which readers of both put right.
      if (!block.isApart) open.push(...reading.take(block));
    }
    const witness = witnesses.get(collector);
    if (witness !== undefined) reading.hear(witness, { isLogListed: false });
    const numbers = reading.of(collector);
    const isDead = isDeadNow(numbers, { witness, progress, nowMs });
    const isDisputed = isDead && isUnexplained(numbers);
    const through = isDead && !isDisputed ? numbers.highest : wholeBlocks(numbers, { witness, blockNumbers });
    const { lost, unresolved } = numbers.gapsThrough(through);
    const counted = numbers.countedThrough(through);
    const after = { through, lastAtMs: numbers.lastAtMs, lost, unresolved, ...(counted && { counted }) };
    const isSilent = nowMs - numbers.lastAtMs > collectorMsMax && own.length === 0 && witness === undefined;
    if (before !== undefined && isSilent && lost.length + unresolved.length === 0) {
      isChanged = true;
      continue;
    }
    if (through >= 0) collectors.set(collector, after);
    for (const { block, number, copy, isFirst } of open) {
      if (number > through) continue;
      isChanged = true;
      countCopy(cells.of({ ...block, hour: copy.hour }), copy, { isFirst });
    }
    if (through > (before?.through ?? -1)) isChanged = true;
    for (const { row, block } of blocks) {
      if (row.mark !== undefined && isWhollyIn(next, block)) rows.push({ key: row.key, mark: row.mark });
    }
    // One that says something else than the rest stays, and so the difference goes on being told.
    if (isDead && !isDisputed && witness !== undefined) superfluous.push(witness);
  }
  if (!isChanged && rows.length === 0 && superfluous.length === 0) return undefined;
  const olderThrough = lastOlderHour(cells, input);
  return {
    sealed: { ...next, olderThrough, cells: cells.mergeOlder(olderThrough) },
    rows,
    witnesses: superfluous,
  };
}

/** Nothing was heard of it for so long that it is over, and everything that it may have sent is done. */
function isDeadNow(
  numbers: CollectorNumbers,
  {
    witness,
    progress,
    nowMs,
  }: { readonly witness: Witness | undefined; readonly progress: Progress; readonly nowMs: number },
): boolean {
  if (nowMs - numbers.lastAtMs <= LIMITS.collectorSilentHours * HOUR_MS) return false;
  const isHeard =
    witness === undefined || progress.hasPassedWitness({ ...witness, atMs: witness.atMs ?? numbers.lastAtMs });
  return isHeard && progress.hasPassedRecords({ arrivedAtMs: numbers.lastAtMs });
}

/**
 * The last number of the last block of which everything is settled. Not beyond what the collector's witness counted: what is
 * known of its numbers could not be held against that any more.
 */
function wholeBlocks(
  { settledThrough, sealed }: CollectorNumbers,
  { witness, blockNumbers }: { readonly witness: Witness | undefined; readonly blockNumbers: number },
): number {
  const countedThrough = witness?.counted === undefined ? Number.POSITIVE_INFINITY : witness.number;
  const blocks = Math.floor((Math.min(settledThrough, countedThrough) + 1) / blockNumbers);
  return Math.max(sealed.through, blocks * blockNumbers - 1);
}

function isWhollyIn(
  sealed: Sealed,
  { collector, lane, entries }: LedgerPart & { readonly collector: string; readonly lane: string },
) {
  return [...entries].every(([number, copies]) =>
    copies.every(({ sequence }) => isSealed(sealed, { collector, number, lane, sequence })),
  );
}

function donesOf(lanes: SealingInput['lanes']): ReadonlyMap<string, bigint> {
  return new Map([...lanes].map(([lane, { done }]) => [lane, done]));
}

const HOUR_MS = 3_600_000;

/** Whatever the clock says, what became one with older hours is never apart again. */
function lastOlderHour(cells: Cells, { sealed, nowMs }: Pick<SealingInput, 'sealed' | 'nowMs'>): string {
  const firstKept = new Date(nowMs - LIMITS.ledgerHoursKept * HOUR_MS).toISOString().slice(0, 13);
  const last = (latest: string, { hour }: CellPlace) => (hour < firstKept && hour > latest ? hour : latest);
  return [...cells.all()].reduce(last, sealed.olderThrough);
}

export function collectorOf({ key: { bucket } }: Pick<Row, 'key'>): string {
  return bucket.slice(0, bucket.lastIndexOf('/'));
}

export function blockOf(row: Row, decode: LedgerRows['decode']) {
  const { lane, source } = row.key;
  return { collector: collectorOf(row), lane, source, isApart: row.isApart === true, ...decode(row.text) };
}

/**
 * One pass: reads every row of the ledger that is left, seals what can be, and takes it away. Returns how many rows went. It
 * may be called by whomever and at any time, also twice at once: the second then does nothing.
 */
export async function sealLedger(parts: {
  readonly reader: EventReader;
  readonly store: Pick<EventStore, 'seal'>;
  readonly ledger: Pick<LedgerRows, 'name' | 'decode'>;
  readonly nowMs: number;
  /** @default the lanes' own arrivals tell how far they are */
  readonly log?: SealingInput['log'];
  readonly collectorMsMax?: SealingInput['collectorMsMax'];
  readonly blockNumbers?: SealingInput['blockNumbers'];
}): Promise<number> {
  const { reader, store, ledger, log, nowMs, collectorMsMax, blockNumbers } = parts;
  const { from, next } = await reader.snapshot(async (reads) => {
    const before = await reads.sealed();
    const lanes = await reads.lanes();
    const next = sealNext({
      sealed: before === undefined ? nothingSealed() : decodeSealed(before.text),
      lanes,
      rows: await reads.rows({ view: ledger.name, from: '', to: '\uffff' }),
      witnesses: await reads.witnesses(),
      decode: ledger.decode,
      ...{ log, nowMs, collectorMsMax, blockNumbers },
    });
    return { from: before?.revision ?? 0, next };
  });
  if (next === undefined) return 0;
  const { sealed, rows, witnesses } = next;
  return (await store.seal({ from, text: encodeSealed(sealed), rows, witnesses })) ? rows.length : 0;
}

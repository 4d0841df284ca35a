import { areIdentitiesWhole } from '../core/identities.ts';
import { LIMITS } from '../core/limits.ts';
import type { DoubledEvent, LaneState, StoredCounts, StoreTotals, Witness } from '../store/event-store.ts';
import { DeepAudit } from './audit-deep.ts';
import { type Problem, ProblemList } from './audit-problems.ts';
import {
  type CollectorNumbers,
  isUnexplained,
  type LedgerBlock,
  LedgerReading,
  type LogFinding,
  type LogView,
  type OpenCopy,
  type PendingRecord,
  Progress,
} from './ledger-reading.ts';
import {
  addOutcomes,
  type CellPlace,
  type Cells,
  countCopy,
  hasIdentities,
  type NumberRange,
  noOutcomes,
  nothingSealed,
  type Outcomes,
  type Sealed,
} from './sealed.ts';

/**
 * What an audit looks at, read in this order, so that nothing in between is taken for lost: the witnesses, the log, and
 * then the rest at one moment, which `lanes` tells: what the rest says of later records is passed over.
 */
export interface AuditInput {
  readonly witnesses: readonly Witness[];
  /** Absent where the log cannot be looked into. */
  readonly log?: LogView | undefined;
  /** Totals of what is settled long ago. @default nothing is */
  readonly sealed?: Sealed | undefined;
  /** Every row. Gone through once, so it may decode as it goes. */
  readonly ledger: Iterable<LedgerBlock>;
  readonly lanes: ReadonlyMap<string, LaneState>;
  readonly totals: StoreTotals;
  /** What a full scan of the stored events found, and the totals at its end: by then more may have expired. */
  readonly deep?:
    | { readonly counts: StoredCounts; readonly totals: StoreTotals; readonly doubled: readonly DoubledEvent[] }
    | undefined;
}

export interface AuditResult extends Readonly<Outcomes> {
  /** No problem was found. What is pending, unresolved or torn is none. */
  readonly balanced: boolean;
  /** Whether the stored events themselves were counted, which alone shows a single event gone or doubled. */
  readonly deep: boolean;
  /** Records that were acknowledged and are nowhere. How many events they held is not known. */
  readonly lost: number;
  /** Records that are nowhere, and of which it is not known whether they were acknowledged. */
  readonly unresolved: number;
  readonly expired: number;
  /** Events set aside that retention took. */
  readonly badExpired: number;
  readonly erased: number;
  /** Records that are known and of which their collector's last word of itself does not speak: a loss behind them could not be seen yet. */
  readonly unwitnessed: number;
  /** Lanes in which the log holds records that are not processed yet, as far as it could be looked into. */
  readonly waiting: readonly string[];
  readonly lanes: readonly (Readonly<Outcomes> & { readonly lane: string; readonly done: bigint })[];
  readonly sources: readonly (Readonly<Outcomes> & { readonly source: string })[];
  /** The newest `auditHoursMax` of all that there are, newest first. */
  readonly hours: readonly (Readonly<Outcomes> & CellPlace)[];
  /** How many there are; `problems` spells out the first `auditProblemsMax`. */
  readonly problemCount: number;
  readonly problems: readonly Problem[];
  /** What is worth knowing and no fault: unresolved gaps, torn writes. The first `auditProblemsMax`. */
  readonly notes: readonly Problem[];
}

/**
 * Whether everything acknowledged is accounted for: accepted + redelivered = stored + duplicate + bad + dead + forgotten + pending,
 * in events; and no record is lost. The rules are those of the ledger in docs/exactly-once.md: a number is lost when it is neither
 * seen nor void nor pending, and a record of which all lanes have passed the arrival says that it was settled, or a witness says
 * that a number at or past it was acknowledged. A gap above that is unresolved.
 */
export function audit(input: AuditInput): AuditResult {
  const { totals, log, sealed = nothingSealed() } = input;
  const problems = new ProblemList();
  const notes = new ProblemList();
  const progress = new Progress(input);
  const reading = new LedgerReading({ sealed, progress });
  const cells = sealed.cells.copy();
  checkCells(cells, problems);
  const { olderThrough } = sealed;
  const deep = input.deep && new DeepAudit({ ...input.deep, begun: totals, olderThrough, problems });
  for (const block of input.ledger) {
    for (const open of reading.take(block)) {
      countCopy(cells.of({ ...block, hour: open.copy.hour }), open.copy, open);
      checkCopy(open, problems);
      deep?.checkCopy(open);
    }
  }
  deep?.checkRest(cells);
  const waiting = new Set(
    [...(log?.lanes ?? [])].flatMap(([lane, doneAtMs]) => (doneAtMs === undefined ? [lane] : [])),
  );
  for (const record of log?.records ?? []) {
    // What the log listed may have been processed while the rest was read.
    if (progress.isDone(record)) continue;
    waiting.add(record.lane);
    addPending(record, { numbers: reading.of(record.collector), outcomes: cells.of(record) });
  }
  const witnessed = new Map(input.witnesses.map(({ collector, number }) => [collector, number]));
  for (const witness of input.witnesses) reading.hear(witness, { isLogListed: log?.records !== undefined });
  let lost = 0;
  let unresolved = 0;
  let unwitnessed = 0;
  for (const [collector, numbers] of [...reading.collectors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const gaps = numbers.gapsThrough(numbers.highest);
    for (const range of gaps.lost) problems.add(gapProblem('records_lost', { collector, numbers }, range));
    for (const range of gaps.unresolved) notes.add(gapProblem('records_unresolved', { collector, numbers }, range));
    if (isUnexplained(numbers)) addDifference({ collector, numbers }, problems);
    lost += sizeOf(gaps.lost);
    unresolved += sizeOf(gaps.unresolved);
    unwitnessed += numbers.seenAbove(witnessed.get(collector) ?? -1);
  }
  const { all, deadRecords, ...sums } = sumsOf(cells);
  checkTotals({ totals, all, deadRecords }, problems);
  for (const finding of log?.findings ?? []) addFinding(finding, finding.kind === 'torn_tail_cut' ? notes : problems);
  for (const found of input.deep?.doubled ?? []) addDoubled(found, problems);
  return {
    balanced: problems.count === 0,
    deep: input.deep !== undefined,
    ...all,
    lost,
    unresolved,
    unwitnessed,
    expired: totals.expired,
    badExpired: totals.badExpired,
    erased: totals.erased,
    waiting: [...waiting].sort(),
    lanes: lanesOf(input, sums.lanes),
    sources: [...sums.sources]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([source, outcomes]) => ({ source, ...outcomes })),
    hours: newestHours(cells),
    problemCount: problems.count,
    problems: problems.first,
    notes: notes.first,
  };
}

function addPending(
  record: PendingRecord,
  { numbers, outcomes }: { readonly numbers: CollectorNumbers; readonly outcomes: Outcomes },
): void {
  const held = { events: record.count, identities: record.identities };
  outcomes[numbers.see(record.number, held) ? 'accepted' : 'redelivered'] += record.count;
  numbers.addVoids(record.voids);
  outcomes.pending += record.count;
}

function sizeOf(ranges: readonly NumberRange[]): number {
  return ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
}

function gapProblem(
  kind: 'records_lost' | 'records_unresolved',
  { collector, numbers: { difference } }: { readonly collector: string; readonly numbers: CollectorNumbers },
  [first, last]: NumberRange,
): Problem {
  const numbers = first === last ? `number ${first}` : `numbers ${first} to ${last}`;
  const fate = kind === 'records_lost' ? 'acknowledged, and nowhere' : 'nowhere; not known to have been acknowledged';
  const more = difference === undefined ? 0 : difference.said.events - difference.known.events;
  const events = kind === 'records_lost' && more > 0 ? `; of all that it acknowledged, ${more} events are missing` : '';
  return { kind, collector, number: first, detail: `${numbers} of collector ${collector}: ${fate}${events}` };
}

/** No number is missing, and yet it is not what the collector counted. */
function addDifference(
  { collector, numbers: { difference } }: { readonly collector: string; readonly numbers: CollectorNumbers },
  problems: ProblemList,
): void {
  if (difference === undefined) return;
  const { said, known, through } = difference;
  const what =
    said.events === known.events
      ? `as many events as the ledger has of them, ${said.events}, but not the same ones`
      : `${said.events} events, the ledger has ${known.events} of them`;
  const detail = `collector ${collector} counted, under its numbers up to ${through}, ${what}`;
  problems.add({ kind: 'collector_differs', collector, detail });
}

function checkCopy({ block, number, copy }: OpenCopy, problems: ProblemList): void {
  const { collector, lane, source } = block;
  const where = { collector, number, lane, sequence: copy.sequence, source, hour: copy.hour };
  const outcomes = copy.stored + copy.duplicate + copy.bad + copy.dead + (copy.forgotten ?? 0);
  if (outcomes !== copy.count) {
    const detail = `a record of ${copy.count} events has ${outcomes} outcomes`;
    problems.add({ kind: 'record_unbalanced', ...where, detail });
  } else if (copy.identities !== undefined && !areIdentitiesWhole(copy.identities)) {
    const detail = `the ${copy.count} events that came out of this record are not those that its collector put in`;
    problems.add({ kind: 'identities_differ', ...where, detail });
  }
}

/** Of what is sealed, single records are not known any more. */
function checkCells(cells: Cells, problems: ProblemList): void {
  for (const { cell, ...place } of cells.all()) {
    const came = cell.accepted + cell.redelivered;
    const outcomes = cell.stored + cell.duplicate + cell.bad + cell.dead + cell.forgotten;
    if (came !== outcomes) {
      const detail = `records of ${came} events have ${outcomes} outcomes`;
      problems.add({ kind: 'hour_unbalanced', ...place, detail });
    } else if (hasIdentities(cell) && !areIdentitiesWhole(cell.identities)) {
      const detail = `the ${came} events that came out of these records are not those that their collectors put in`;
      problems.add({ kind: 'identities_differ', ...place, detail });
    }
  }
}

function sumsOf(cells: Cells) {
  const all = noOutcomes();
  const sources = new Map<string, Outcomes>();
  const lanes = new Map<string, Outcomes>();
  let deadRecords = 0;
  const sumOf = (sums: Map<string, Outcomes>, name: string): Outcomes => {
    const sum = sums.get(name) ?? noOutcomes();
    sums.set(name, sum);
    return sum;
  };
  for (const { lane, source, cell } of cells.all()) {
    for (const sum of [all, sumOf(sources, source), sumOf(lanes, lane)]) addOutcomes(sum, cell);
    deadRecords += cell.deadRecords;
  }
  return { all, sources, lanes, deadRecords };
}

function newestHours(cells: Cells): AuditResult['hours'] {
  const hours = [...cells.all()].map(({ cell, ...place }) => {
    const { copies, deadRecords, knownCopies, identities, ...outcomes } = cell;
    return { ...place, ...outcomes };
  });
  const byPlace = (a: CellPlace, b: CellPlace) => (`${a.lane}\0${a.source}` < `${b.lane}\0${b.source}` ? -1 : 1);
  // "older" and the hour that is not known come last.
  const order = ({ hour }: CellPlace) => (/^\d/.test(hour) ? hour : '');
  hours.sort((a, b) => (order(a) === order(b) ? byPlace(a, b) : order(a) > order(b) ? -1 : 1));
  return hours.slice(0, LIMITS.auditHoursMax);
}

function checkTotals(
  found: { readonly totals: StoreTotals; readonly all: Outcomes; readonly deadRecords: number },
  problems: ProblemList,
): void {
  const { totals, all, deadRecords } = found;
  const kept = totals.events + totals.expired + totals.erased;
  if (kept !== all.stored) {
    const parts = `${totals.events} in the store, ${totals.expired} expired, ${totals.erased} erased`;
    problems.add({
      kind: 'totals_differ',
      detail: `the ledger has ${all.stored} events stored; there are ${kept}: ${parts}`,
    });
  }
  if (totals.bad + totals.badExpired !== all.bad) {
    const expired = totals.badExpired === 0 ? '' : `, and ${totals.badExpired} expired`;
    problems.add({
      kind: 'totals_differ',
      detail: `the ledger has ${all.bad} bad events; the store holds ${totals.bad}${expired}`,
    });
  }
  // A record whose header cannot be read has no place in the ledger: more dead records than it knows of are no contradiction.
  if (totals.dead < deadRecords) {
    const detail = `the ledger has ${deadRecords} dead records; the store holds ${totals.dead}`;
    problems.add({ kind: 'totals_differ', detail });
  }
}

function addFinding({ kind, detail, lane, sequence }: LogFinding, to: ProblemList): void {
  to.add({
    kind: `log_${kind}`,
    detail,
    ...(lane === undefined ? {} : { lane }),
    ...(sequence === undefined ? {} : { sequence }),
  });
}

function addDoubled({ identity, positions }: DoubledEvent, problems: ProblemList): void {
  const [first] = positions;
  const places = positions.map(({ lane, sequence, index }) => `${lane}:${sequence}:${index}`).join(', ');
  problems.add({
    kind: 'event_doubled',
    eventId: identity.eventId,
    detail: `an event of ${identity.visitor} lies in the store ${positions.length} times: ${places}`,
    ...(first === undefined ? {} : { lane: first.lane, sequence: first.sequence }),
  });
}

function lanesOf({ lanes }: AuditInput, sums: ReadonlyMap<string, Outcomes>): AuditResult['lanes'] {
  return [...new Set([...lanes.keys(), ...sums.keys()])].map((lane) => ({
    lane,
    done: lanes.get(lane)?.done ?? -1n,
    ...(sums.get(lane) ?? noOutcomes()),
  }));
}

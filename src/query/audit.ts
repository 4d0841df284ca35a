import { LIMITS } from '../core/limits.ts';
import type { DoubledEvent, LaneState, StoredCount, StoreTotals, Witness } from '../store/event-store.ts';

/** What became of the events of one copy of a record. */
export interface LedgerCopy {
  readonly sequence: bigint;
  readonly count: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly bad: number;
  readonly dead: number;
}

/** What a row of the ledger holds, once decoded. */
export interface LedgerPart {
  readonly entries: ReadonlyMap<number, readonly LedgerCopy[]>;
  readonly ackedThrough: number;
  readonly voids: ReadonlySet<number>;
}

/** A row of the ledger: what one lane processed of one source and one block of a collector's numbers. */
export interface LedgerBlock extends LedgerPart {
  readonly collector: string;
  readonly lane: string;
  readonly source: string;
}

/** A record that lies in the log and is not processed yet. */
export interface PendingRecord {
  readonly lane: string;
  readonly sequence: bigint;
  readonly collector: string;
  readonly number: number;
  readonly count: number;
  readonly source: string;
}

/** What opening and reading the log found. A torn write at its end was never acknowledged, and is no fault. */
export interface LogFinding {
  readonly kind:
    | 'torn_tail_cut'
    | 'corruption'
    | 'records_missing'
    | 'tail_missing'
    | 'header_corrupt'
    | 'segment_unreadable';
  readonly detail: string;
  readonly lane?: string | undefined;
  readonly sequence?: bigint | undefined;
}

export interface LogView {
  /** All records after each lane's `done`, as the store had it at some moment before. */
  readonly records: readonly PendingRecord[];
  readonly findings: readonly LogFinding[];
}

/**
 * What an audit looks at, read in this order, so that nothing in between is taken for lost: the witnesses, the log, and
 * then the rest at one moment.
 */
export interface AuditInput {
  readonly witnesses: readonly Witness[];
  /** Absent where the log cannot be looked into. */
  readonly log?: LogView | undefined;
  /** Every row. Gone through once, so it may decode as it goes. */
  readonly ledger: Iterable<LedgerBlock>;
  readonly lanes: ReadonlyMap<string, LaneState>;
  readonly totals: StoreTotals;
  /** What a full scan of the stored events found. */
  readonly deep?:
    | { readonly storedCounts: readonly StoredCount[]; readonly doubled: readonly DoubledEvent[] }
    | undefined;
}

export interface Problem {
  readonly kind:
    | 'records_lost'
    | 'record_unbalanced'
    | 'event_missing'
    | 'event_unaccounted'
    | 'event_doubled'
    | 'totals_differ'
    | `log_${LogFinding['kind']}`
    | 'records_unresolved';
  readonly detail: string;
  readonly collector?: string;
  /** The first number of the gap, where there is one. */
  readonly number?: number;
  readonly lane?: string;
  readonly sequence?: bigint;
  readonly eventId?: string;
}

export interface Outcomes {
  /** Events of the records that were promised and are known: processed or pending, each record once. */
  accepted: number;
  stored: number;
  duplicate: number;
  bad: number;
  dead: number;
  pending: number;
  /** Events of further copies of a record, which a log may hold after a retry of its own. */
  redelivered: number;
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
  readonly erased: number;
  readonly lanes: readonly { readonly lane: string; readonly done: bigint; readonly pending: number }[];
  readonly sources: readonly (Readonly<Outcomes> & { readonly source: string })[];
  /** How many there are; `problems` spells out the first `auditProblemsMax`. */
  readonly problemCount: number;
  readonly problems: readonly Problem[];
  /** What is worth knowing and no fault: unresolved gaps, torn writes. The first `auditProblemsMax`. */
  readonly notes: readonly Problem[];
}

/**
 * Whether everything acknowledged is accounted for: accepted + redelivered = stored + duplicate + bad + dead + pending, in
 * events; and no record is lost. The rules are those of the ledger in docs/exactly-once.md: a number is lost when it is neither
 * seen nor void nor pending, and a record that every lane has passed says that it was settled, or a witness says that a
 * number at or past it was acknowledged. A gap above that is unresolved.
 */
export function audit(input: AuditInput): AuditResult {
  const problems = new ProblemList();
  const notes = new ProblemList();
  const pending = pendingOf(input);
  const { collectors, sources, all, deadRecords } = readLedger(input, problems);
  for (const record of pending) addPending(record, { collectors, outcomes: [sourceOf(sources, record.source), all] });
  witness(input, collectors);
  let lost = 0;
  let unresolved = 0;
  for (const [collector, state] of [...collectors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const gaps = gapsOf(collector, state, { problems, notes });
    lost += gaps.lost;
    unresolved += gaps.unresolved;
  }
  checkTotals({ totals: input.totals, all, deadRecords }, problems);
  for (const finding of input.log?.findings ?? [])
    addFinding(finding, finding.kind === 'torn_tail_cut' ? notes : problems);
  for (const found of input.deep?.doubled ?? []) addDoubled(found, problems);
  return {
    balanced: problems.count === 0,
    deep: input.deep !== undefined,
    ...all,
    lost,
    unresolved,
    expired: input.totals.expired,
    erased: input.totals.erased,
    lanes: lanesOf(input, pending),
    sources: [...sources].sort(([a], [b]) => (a < b ? -1 : 1)).map(([source, outcomes]) => ({ source, ...outcomes })),
    problemCount: problems.count,
    problems: problems.first,
    notes: notes.first,
  };
}

class ProblemList {
  readonly first: Problem[] = [];
  count = 0;

  add(problem: Problem): void {
    this.count += 1;
    if (this.first.length < LIMITS.auditProblemsMax) this.first.push(problem);
  }
}

/** What is known of one collector's numbers. */
interface CollectorState {
  readonly seen: Set<number>;
  readonly voids: Set<number>;
  /** Every number at or below it was acknowledged or is void, and would be known by now. */
  settledThrough: number;
  /** The highest number anything speaks of. */
  highest: number;
}

function collectorOf(collectors: Map<string, CollectorState>, collector: string): CollectorState {
  const known = collectors.get(collector);
  if (known !== undefined) return known;
  const state: CollectorState = { seen: new Set(), voids: new Set(), settledThrough: -1, highest: -1 };
  collectors.set(collector, state);
  return state;
}

function sourceOf(sources: Map<string, Outcomes>, source: string): Outcomes {
  const known = sources.get(source);
  if (known !== undefined) return known;
  const outcomes = noOutcomes();
  sources.set(source, outcomes);
  return outcomes;
}

function noOutcomes(): Outcomes {
  return { accepted: 0, stored: 0, duplicate: 0, bad: 0, dead: 0, pending: 0, redelivered: 0 };
}

/** What the log listed may have been processed while the rest was read. */
function pendingOf({ log, lanes }: AuditInput): readonly PendingRecord[] {
  return (log?.records ?? []).filter(({ lane, sequence }) => sequence > (lanes.get(lane)?.done ?? -1n));
}

function readLedger(input: AuditInput, problems: ProblemList) {
  const collectors = new Map<string, CollectorState>();
  const sources = new Map<string, Outcomes>();
  const all = noOutcomes();
  const counts =
    input.deep === undefined ? undefined : new Map(input.deep.storedCounts.map((of) => [recordKey(of), of]));
  const passed = passedBy(input.lanes);
  let deadRecords = 0;
  for (const block of input.ledger) {
    const state = collectorOf(collectors, block.collector);
    let last = -1n;
    for (const [number, copies] of block.entries) {
      for (const copy of copies) {
        if (copy.sequence > last) last = copy.sequence;
        if (copy.dead > 0) deadRecords += 1;
        const first = !state.seen.has(number);
        for (const outcomes of [sourceOf(sources, block.source), all]) addCopy(copy, { first, outcomes });
        state.seen.add(number);
        checkCopy({ block, number, copy, counts, totals: input.totals }, problems);
      }
      if (number > state.highest) state.highest = number;
    }
    for (const number of block.voids) state.voids.add(number);
    if (block.ackedThrough > state.highest) state.highest = block.ackedThrough;
    const isPassed = passed !== undefined && last <= passed;
    if (isPassed && block.ackedThrough > state.settledThrough) state.settledThrough = block.ackedThrough;
  }
  for (const count of counts?.values() ?? []) {
    if (!isExpired(count, input.totals)) addUnaccounted({ ...count, accounted: 0 }, problems);
  }
  return { collectors, sources, all, deadRecords };
}

/** What every lane has passed: an idle lane holds it back, and then what is missing is called unresolved rather than lost. */
function passedBy(lanes: AuditInput['lanes']): bigint | undefined {
  return [...lanes.values()].reduce<bigint | undefined>(
    (least, { done }) => (least === undefined || done < least ? done : least),
    undefined,
  );
}

function addCopy(copy: LedgerCopy, to: { readonly first: boolean; readonly outcomes: Outcomes }): void {
  const { first, outcomes } = to;
  outcomes[first ? 'accepted' : 'redelivered'] += copy.count;
  outcomes.stored += copy.stored;
  outcomes.duplicate += copy.duplicate;
  outcomes.bad += copy.bad;
  outcomes.dead += copy.dead;
}

function addPending(
  record: PendingRecord,
  to: { readonly collectors: Map<string, CollectorState>; readonly outcomes: readonly Outcomes[] },
): void {
  const state = collectorOf(to.collectors, record.collector);
  const as = state.seen.has(record.number) ? 'redelivered' : 'accepted';
  for (const outcomes of to.outcomes) {
    outcomes[as] += record.count;
    outcomes.pending += record.count;
  }
  state.seen.add(record.number);
  if (record.number > state.highest) state.highest = record.number;
}

/**
 * A witness was written when the log ended where it says. Its number counts once every lane is done up to there, for the
 * collector's records lie in any of them, or at once where all that the log still holds is known.
 */
function witness({ witnesses, log, lanes }: AuditInput, collectors: Map<string, CollectorState>): void {
  const passed = passedBy(lanes) ?? -1n;
  for (const { collector, number, sequence } of witnesses) {
    const state = collectorOf(collectors, collector);
    if (number > state.highest) state.highest = number;
    const counts = log !== undefined || passed >= sequence;
    if (counts && number > state.settledThrough) state.settledThrough = number;
  }
}

/** Numbers are given from 0. Walks the gaps between those known, so that a gap of any size costs one step. */
function gapsOf(
  collector: string,
  state: CollectorState,
  to: { readonly problems: ProblemList; readonly notes: ProblemList },
): { readonly lost: number; readonly unresolved: number } {
  const known = Float64Array.from(new Set([...state.seen, ...state.voids])).sort();
  const gaps = { lost: 0, unresolved: 0 };
  let next = 0;
  const close = (end: number) => {
    const settled = Math.min(end, state.settledThrough);
    if (next <= settled) {
      gaps.lost += settled - next + 1;
      to.problems.add(gapProblem('records_lost', collector, { first: next, last: settled }));
    }
    const open = Math.max(next, state.settledThrough + 1);
    if (open <= end) {
      gaps.unresolved += end - open + 1;
      to.notes.add(gapProblem('records_unresolved', collector, { first: open, last: end }));
    }
  };
  for (const number of known) {
    if (number > next) close(number - 1);
    if (number >= next) next = number + 1;
  }
  if (state.highest >= next) close(state.highest);
  return gaps;
}

function gapProblem(
  kind: 'records_lost' | 'records_unresolved',
  collector: string,
  { first, last }: { readonly first: number; readonly last: number },
): Problem {
  const numbers = first === last ? `number ${first}` : `numbers ${first} to ${last}`;
  const fate = kind === 'records_lost' ? 'acknowledged, and nowhere' : 'nowhere; not known to have been acknowledged';
  return { kind, collector, number: first, detail: `${numbers} of collector ${collector}: ${fate}` };
}

interface CopyCheck {
  readonly block: LedgerBlock;
  readonly number: number;
  readonly copy: LedgerCopy;
  /** What each record has in the store; what the ledger knows of is taken out. */
  readonly counts: Map<string, StoredCount> | undefined;
  readonly totals: StoreTotals;
}

function checkCopy({ block, number, copy, counts, totals }: CopyCheck, problems: ProblemList): void {
  const { sequence, count, stored, duplicate, bad, dead } = copy;
  const where = { collector: block.collector, number, lane: block.lane, sequence };
  const outcomes = stored + duplicate + bad + dead;
  if (outcomes !== count) {
    problems.add({
      kind: 'record_unbalanced',
      ...where,
      detail: `a record of ${count} events has ${outcomes} outcomes`,
    });
  }
  if (counts === undefined) return;
  const record = { lane: block.lane, sequence };
  const events = counts.get(recordKey(record))?.events ?? 0;
  counts.delete(recordKey(record));
  if (isExpired(record, totals)) return;
  if (events < stored) {
    const detail = `${stored} events of this record were stored, ${events} lie in the store: ${stored - events} missing`;
    problems.add({ kind: 'event_missing', ...where, detail });
  }
  if (events > stored) addUnaccounted({ ...where, events, accounted: stored }, problems);
}

function addUnaccounted(
  record: StoredCount & { readonly accounted: number; readonly collector?: string; readonly number?: number },
  problems: ProblemList,
): void {
  const { accounted, events, ...where } = record;
  const detail = `${events} events of this record lie in the store, the ledger accounts for ${accounted}`;
  problems.add({ kind: 'event_unaccounted', ...where, detail });
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
  if (totals.bad !== all.bad) {
    problems.add({
      kind: 'totals_differ',
      detail: `the ledger has ${all.bad} bad events; the store holds ${totals.bad}`,
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

function lanesOf({ lanes }: AuditInput, pending: readonly PendingRecord[]): AuditResult['lanes'] {
  const waiting = new Map<string, number>([...lanes.keys()].map((lane) => [lane, 0]));
  for (const { lane, count } of pending) waiting.set(lane, (waiting.get(lane) ?? 0) + count);
  return [...waiting].map(([lane, events]) => ({ lane, done: lanes.get(lane)?.done ?? -1n, pending: events }));
}

function isExpired(
  { lane, sequence }: { readonly lane: string; readonly sequence: bigint },
  totals: StoreTotals,
): boolean {
  return sequence <= (totals.expiredThrough.get(lane) ?? -1n);
}

function recordKey({ lane, sequence }: { readonly lane: string; readonly sequence: bigint }): string {
  return `${lane}\0${sequence}`;
}

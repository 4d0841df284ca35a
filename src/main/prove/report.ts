import { LIMITS } from '../../core/limits.ts';
import { grouped, styled } from '../commands/terminal.ts';
import type { AuditStatement, CheckResult } from '../load/check.ts';
import { problemsOf } from '../load/report.ts';
import type { End, ProveRun, Round, Verdict } from './run.ts';

interface Counts {
  /** Events of the round that senders saw a 2xx for, in this life or in a later one. */
  readonly acknowledged: number;
  /** Events of the round that are stored; also some whose answer was never seen. */
  readonly found: number;
  /** Acknowledged and not stored. */
  readonly lost: number;
  /** Stored more than once. */
  readonly doubled: number;
}

interface RoundReport extends Counts {
  readonly end: End;
  readonly whileStarting: boolean;
  readonly fullDisk: boolean;
  readonly sectorsTaken: number;
}

/** All that one proof found; with `--json` it is printed as it is. */
export interface ProveReport {
  /** Nothing lost, doubled, altered or made up, and the audit balances. */
  readonly ok: boolean;
  readonly seed: number;
  readonly seconds: number;
  readonly kills: number;
  readonly powerLosses: number;
  readonly fullDisks: number;
  readonly sum: Counts;
  readonly rounds: readonly RoundReport[];
  /** Absent when no verdict could be had. */
  readonly audit?: AuditStatement['raw'];
  /** What this machine does not let us do. */
  readonly skipped: readonly string[];
  /** Each thing wrong, in words. */
  readonly problems: readonly string[];
  /** The data folder and what the servers wrote, kept because something was found. */
  readonly kept?: string;
}

/** With `faults`, what kept the proof from its end. */
export function proveReport(
  run: ProveRun,
  found: { readonly verdict?: Verdict | undefined; readonly faults: readonly string[]; readonly seconds: number },
): ProveReport {
  const { verdict, faults, seconds } = found;
  const rounds = run.rounds.map((round, place) => roundReport(round, verdict?.checks[place]));
  const sum = summed(rounds);
  const unproven = sum.acknowledged === 0 ? ['nothing was acknowledged, so nothing is proven'] : [];
  const problems = [...faults, ...(verdict === undefined ? [] : verdictProblems(verdict)), ...unproven];
  return {
    ok: problems.length === 0,
    seed: run.plan.seed,
    seconds: Math.round(seconds * 10) / 10,
    kills: rounds.filter(({ end }) => end !== 'by itself').length,
    powerLosses: rounds.filter(({ end }) => end === 'power loss').length,
    fullDisks: rounds.filter(({ fullDisk }) => fullDisk).length,
    sum,
    rounds,
    ...(verdict && { audit: verdict.audit.raw }),
    skipped: run.canFill ? [] : ['a full disk: it needs Linux, and prlimit with no limit on the size of files'],
    problems,
  };
}

function roundReport({ ledger, ...round }: Round, check: CheckResult | undefined): RoundReport {
  return {
    ...round,
    acknowledged: ledger.counts().acknowledged,
    found: check?.found ?? 0,
    lost: check?.missing.count ?? 0,
    doubled: check?.doubled.count ?? 0,
  };
}

function summed(rounds: readonly Counts[]): Counts {
  const sum = (of: (counts: Counts) => number) => rounds.reduce((total, counts) => total + of(counts), 0);
  return {
    acknowledged: sum(({ acknowledged }) => acknowledged),
    found: sum(({ found }) => found),
    lost: sum(({ lost }) => lost),
    doubled: sum(({ doubled }) => doubled),
  };
}

/** What is wrong with the rounds, and once what the audit says. */
function verdictProblems({ processed, checks, audit }: Verdict): string[] {
  const silent = { ...audit, balanced: true, problems: [], problemCount: 0 };
  const ofRounds = checks.flatMap((check, place) =>
    problemsOf({ processed: true, check, audit: silent }).map((problem) => `round ${place + 1}: ${problem}`),
  );
  const clean: CheckResult = {
    found: 0,
    missing: { count: 0, ids: [] },
    doubled: { count: 0, ids: [] },
    altered: { count: 0, ids: [] },
    unexpected: { count: 0, ids: [] },
  };
  return [...ofRounds, ...problemsOf({ processed, check: clean, audit })];
}

const COLUMNS = ['acknowledged', 'found', 'lost', 'doubled'] as const;

/** The report as text for people. */
export function proveText(report: ProveReport): string {
  const { rounds, sum, kills, powerLosses, fullDisks, seconds, skipped, problems, kept } = report;
  const lines = [
    styled('dim', lineOf({ name: 'round', ended: 'ended by', cells: COLUMNS.map((name) => name) })),
    ...linesOfRounds(rounds).map((line) => lineOf(line)),
    styled('dim', '─'.repeat(LINE_CHARS)),
    styled('bold', lineOf({ name: 'sum', ended: '', cells: COLUMNS.map((name) => grouped(sum[name])) })),
    '',
    `${grouped(kills)} times kill -9 in ${grouped(seconds)} s, ${grouped(powerLosses)} of them with a loss of power, ${grouped(fullDisks)} around a full disk; seed ${report.seed}`,
    ...skipped.map((what) => styled('yellow', `skipped: ${what}`)),
    auditText(report),
  ];
  for (const problem of problems.slice(0, LIMITS.loadNamedMax)) lines.push(styled('red', `  ${problem}`));
  if (problems.length > LIMITS.loadNamedMax)
    lines.push(styled('red', `  and ${grouped(problems.length - LIMITS.loadNamedMax)} more`));
  lines.push(
    report.ok
      ? styled(['green', 'bold'], 'Every acknowledged event is stored exactly once; the ledger balances.')
      : styled(['red', 'bold'], `Not well: ${grouped(problems.length)} problem${problems.length === 1 ? '' : 's'}.`),
  );
  if (kept !== undefined) lines.push(`Kept for looking into: ${kept}`);
  return `${lines.join('\n')}\n`;
}

function auditText({ audit }: ProveReport): string {
  if (audit === undefined) return styled('red', 'audit: none could be had');
  const { balanced, accepted, stored, duplicate, bad, dead, forgotten, pending, lost } = audit;
  const numbers = Object.entries({ accepted, stored, duplicate, bad, dead, forgotten: forgotten ?? 0, pending, lost });
  const told = numbers.map(([name, value]) => `${name} ${grouped(Number(value))}`).join(', ');
  return `audit: ${balanced === true ? styled('green', 'balanced') : styled('red', 'not balanced')}: ${told}`;
}

interface Line {
  readonly name: string;
  readonly ended: string;
  readonly cells: readonly string[];
}

const ENDED_CHARS = 34;
const CELL_CHARS = 14;
const NAME_CHARS = 12;
const LINE_CHARS = NAME_CHARS + ENDED_CHARS + COLUMNS.length * CELL_CHARS;

function lineOf({ name, ended, cells }: Line): string {
  return name.padEnd(NAME_CHARS) + ended.padEnd(ENDED_CHARS) + cells.map((cell) => cell.padStart(CELL_CHARS)).join('');
}

/** A line a round, or one for several when there are many. */
function linesOfRounds(rounds: readonly RoundReport[]): Line[] {
  const size = Math.max(1, Math.ceil(rounds.length / LIMITS.proveLinesMax));
  const lines: Line[] = [];
  for (let first = 0; first < rounds.length; first += size) {
    const group = rounds.slice(first, first + size);
    const counts = summed(group);
    const last = first + group.length;
    lines.push({
      name: size === 1 ? String(last) : `${first + 1}–${last}`,
      ended: size === 1 ? endText(group[0]) : endsText(group),
      cells: COLUMNS.map((name) => grouped(counts[name])),
    });
  }
  return lines;
}

function endText(round: RoundReport | undefined): string {
  if (round === undefined) return '';
  const when = round.whileStarting ? ' while starting' : round.fullDisk ? ' around a full disk' : '';
  return `${round.end}${when}`;
}

function endsText(rounds: readonly RoundReport[]): string {
  const losses = rounds.filter(({ end }) => end === 'power loss').length;
  return `${rounds.length - losses} kills, ${losses} power losses`;
}

import { LIMITS } from '../../core/limits.ts';
import { grouped, styled } from '../commands/terminal.ts';
import { type AuditStatement, type CheckResult, FINDINGS, isClean } from './check.ts';
import type { LatencySummary } from './latencies.ts';
import type { LoadRun } from './run.ts';

/** All that one run of `load` found out; with `--json` it is printed as it is. */
export interface LoadReport {
  /** Nothing lost, doubled, altered or made up, and the ledger balanced, as far as it was checked. */
  readonly ok: boolean;
  readonly run: string;
  readonly seed?: number;
  readonly sent?: SentReport;
  /** Events by outcome; a copy of an event is not another event. */
  readonly events: { readonly acknowledged: number; readonly refused: number; readonly unknown: number };
  /** Milliseconds from when a request was due to its 2xx. */
  readonly acknowledgementMs?: LatencySummary;
  /** Milliseconds from an event's 2xx until its user's timeline showed it; of samples. */
  readonly queryableMs?: LatencySummary & { readonly notSeen: number };
  /** False when records still waited to be processed after `loadProcessedMsMax`. */
  readonly processed?: boolean;
  readonly check?: CheckResult;
  readonly audit?: AuditStatement['raw'];
  /** Each thing wrong, in words. */
  readonly problems: readonly string[];
}

interface SentReport {
  /** Events handed to the sender, copies included. */
  readonly events: number;
  readonly copies: number;
  readonly requests: number;
  /** Attempts answered 408, 429 or 5xx, and attempts cut; all were tried again. */
  readonly busy: number;
  readonly cut: number;
  readonly seconds: number;
  /** Acknowledged, copies included. */
  readonly eventsPerSecond: number;
  /** Absent at `max`. */
  readonly schedule?: { readonly events: number; readonly kept: boolean; readonly behindMsMax: number };
}

export function sentReport(run: LoadRun): SentReport {
  const { events, copies, requests, failures, seconds, scheduledEvents, behindMsMax } = run;
  const eventsPerSecond = seconds > 0 ? Math.round((run.acknowledgedEvents / seconds) * 10) / 10 : 0;
  const sent = { events, copies, requests, ...failures, seconds: Math.round(seconds * 1_000) / 1_000, eventsPerSecond };
  if (scheduledEvents === undefined) return sent;
  const kept = events >= scheduledEvents && behindMsMax <= LIMITS.loadLateMsMax;
  return { ...sent, schedule: { events: scheduledEvents, kept, behindMsMax: Math.max(0, Math.round(behindMsMax)) } };
}

/** Each thing wrong in words, ids named as far as they are known. */
export function problemsOf(found: {
  readonly processed: boolean;
  readonly check: CheckResult;
  readonly audit: AuditStatement;
}): string[] {
  const { processed, check, audit } = found;
  const problems: string[] = [];
  if (!processed) problems.push(`records still waited to be processed after ${LIMITS.loadProcessedMsMax / 1_000} s`);
  for (const name of FINDINGS) {
    const { count, ids } = check[name];
    for (const id of ids) problems.push(`${name}: ${id}`);
    if (count > ids.length) problems.push(`${name}: ${grouped(count - ids.length)} more events`);
  }
  problems.push(...auditProblems(audit));
  return problems;
}

function auditProblems({ balanced, problems, problemCount }: AuditStatement): string[] {
  const named = problems.map(({ kind, detail }) => `audit: ${kind}: ${detail}`);
  if (problemCount > problems.length) named.push(`audit: ${grouped(problemCount - problems.length)} more problems`);
  if (!balanced && named.length === 0) named.push('audit: not balanced');
  return named;
}

/** The report as text for people. */
export function reportText(report: LoadReport): string {
  const { sent, events, acknowledgementMs, queryableMs, check, problems } = report;
  const rows: [string, string][] = [];
  if (sent !== undefined) {
    const { seconds, eventsPerSecond } = sent;
    rows.push([
      'sent',
      `${grouped(sent.events)} events (${grouped(sent.copies)} of them a second time) in ${grouped(sent.requests)} requests, ${grouped(seconds)} s`,
    ]);
    rows.push([
      'throughput',
      `${grouped(eventsPerSecond)} acknowledged events/s (${grouped(eventsPerSecond * 60)}/min)`,
    ]);
    if (sent.busy + sent.cut > 0)
      rows.push(['tried again', `${grouped(sent.busy)} answers of 5xx, ${grouped(sent.cut)} cut connections`]);
    if (sent.schedule?.kept === false) rows.push(['schedule', styled('yellow', scheduleText(sent, sent.schedule))]);
  }
  rows.push([
    'events',
    `${grouped(events.acknowledged)} acknowledged, ${grouped(events.refused)} refused, ${grouped(events.unknown)} unknown`,
  ]);
  if (acknowledgementMs !== undefined) rows.push(['acknowledged in', latencyText(acknowledgementMs)]);
  if (queryableMs !== undefined) {
    const { count, notSeen } = queryableMs;
    const missed =
      notSeen > 0 ? styled('yellow', `; ${notSeen} not seen within ${LIMITS.loadSampleMsMax / 1_000} s`) : '';
    rows.push(['queryable in', `${latencyText(queryableMs)}  (${grouped(count)} samples${missed})`]);
  }
  if (check !== undefined) {
    const text = `${grouped(check.found)} events read back: lost ${check.missing.count}, doubled ${check.doubled.count}`;
    rows.push(['check', styled(isClean(check) ? 'green' : 'red', text)]);
  }
  const lines = rows.map(([name, text]) => `${styled('dim', name.padEnd(16))}${text}`);
  for (const problem of problems) lines.push(styled('red', `  ${problem}`));
  if (check !== undefined) {
    lines.push(
      report.ok
        ? styled(['green', 'bold'], 'Every acknowledged event is stored exactly once; the ledger balances.')
        : styled(['red', 'bold'], `Not well: ${grouped(problems.length)} problem${problems.length === 1 ? '' : 's'}.`),
    );
  }
  return `${lines.join('\n')}\n`;
}

function scheduleText(
  sent: SentReport,
  { events, behindMsMax }: { readonly events: number; readonly behindMsMax: number },
): string {
  return `not kept: ${grouped(sent.events)} of ${grouped(events)} events, up to ${grouped(behindMsMax)} ms late`;
}

function latencyText({ p50, p95, p99, max }: LatencySummary): string {
  return `p50 ${grouped(p50)} ms, p95 ${grouped(p95)} ms, p99 ${grouped(p99)} ms, max ${grouped(max)} ms`;
}

/** Where progress is told: on a terminal one line that is written over, elsewhere a line now and then. */
interface ProgressStream {
  readonly isTTY?: boolean;
  /** Of a terminal: characters a line. */
  readonly columns?: number;
  write(text: string): unknown;
}

const BAR_WIDTH_MAX = 24;
const BAR_WIDTH_MIN = 4;
const BAR_MS = 200;
const LINE_MS = 5_000;

/** Tells how a run goes, until the function it returns is called. */
export function showProgress(run: LoadRun, stream: ProgressStream = process.stderr): () => void {
  const live = stream.isTTY === true;
  const show = () => {
    const text = progressText(run);
    stream.write(
      live ? `\r\u001b[2K${progressLine({ text, part: partDone(run), columns: stream.columns })}` : `${text}\n`,
    );
  };
  const timer = setInterval(show, live ? BAR_MS : LINE_MS);
  return () => {
    clearInterval(timer);
    if (live) stream.write('\r\u001b[2K');
  };
}

function partDone({ elapsedMs, plan }: LoadRun): number {
  return Math.min(1, elapsedMs / plan.forMs);
}

/** A bar and the text in less than a terminal's line, for one that is longer cannot be written over. */
export function progressLine(line: {
  readonly text: string;
  /** From 0 to 1. */
  readonly part: number;
  readonly columns?: number | undefined;
}): string {
  const { text, part, columns = 80 } = line;
  const width = Math.min(BAR_WIDTH_MAX, columns - text.length - 2);
  if (width < BAR_WIDTH_MIN) return text.slice(0, Math.max(0, columns - 1));
  const full = Math.round(part * width);
  return `${'█'.repeat(full)}${'░'.repeat(width - full)} ${text}`;
}

function progressText(run: LoadRun): string {
  const { elapsedMs, events, acknowledgedEvents, acknowledgement, failures, waitingEvents } = run;
  const seconds = elapsedMs / 1_000;
  const rate = grouped(Math.round(acknowledgedEvents / Math.max(seconds, 0.001)));
  const errors = failures.busy + failures.cut;
  return (
    `${seconds.toFixed(0)} s  ${grouped(events)} sent  ${rate}/s  ack p99 ${grouped(acknowledgement.quantile(0.99))} ms` +
    `  ${grouped(waitingEvents)} waiting  ${grouped(errors)} tried again`
  );
}

import { basename, join } from 'node:path';
import type { ErasedUntil } from '../../core/erasures.ts';
import { ClickstreamError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Clock } from '../../core/time.ts';
import type { EventLog, LogRecord, RecordPosition } from '../../log/event-log.ts';
import { type Files, nodeFiles } from './files.ts';
import type { LogFinding } from './log-finding.ts';
import type { LogProgress } from './log-progress.ts';
import { LogReader } from './log-reader.ts';
import { GROUP_HEADER_BYTES, GroupEncoder, SEGMENT_HEADER_BYTES, type SegmentScan, scanSegment } from './segment.ts';
import { type ChainedSegment, readAll, readChain, withFile } from './segment-chain.ts';
import { SCRUBBING_SUFFIX } from './segment-scrub.ts';
import { type LogEnd, messageOf, SegmentWriter } from './segment-writer.ts';

/** The one lane of the embedded log. */
export const EMBEDDED_LANE = 'local';

type LogLimits = {
  readonly [Name in
    | 'segmentBytes'
    | 'groupBytesMax'
    | 'waitingBytesMax'
    | 'unprocessedBytesMax'
    | 'gateMsMax'
    | 'gatePollMs'
    | 'logProbeMs'
    | 'logRetentionHours'
    | 'segmentHours']: number;
};

/** Runs it once, after so many milliseconds; returns what cancels it. */
export type Timer = (ms: number, run: () => void) => () => void;

export interface EventLogOptions {
  readonly folder: string;
  /** @default the file system */
  readonly files?: Files | undefined;
  readonly clock: Clock;
  /** @default setTimeout */
  readonly timer?: Timer | undefined;
  /** @default core/limits.ts */
  readonly limits?: Partial<LogLimits> | undefined;
  /** What the store says is done of the lane; -1n for nothing. No sequence up to it is given again. */
  readonly atLeast: bigint;
  /** Nobody else may have published to it. */
  readonly progress: LogProgress;
  readonly onFinding: (finding: LogFinding) => void;
}

interface Waiting {
  readonly count: number;
  readonly bytes: number;
  readonly sinceMs: number;
  readonly resolve: (positions: readonly RecordPosition[]) => void;
  readonly reject: (error: ClickstreamError) => void;
}

/** Appends that are written together. */
interface WaitingGroup {
  readonly encoder: GroupEncoder;
  readonly appends: Waiting[];
}

const MS_PER_HOUR = 3_600_000;
/** Encoders kept for use again: one in the write, one being filled. */
const IDLE_ENCODERS_MAX = 2;

/**
 * Recovers the log in this folder, which no other process may use, and opens a new segment; when that cannot be had
 * (a full disk) the log is open all the same, not writable, and tries again by itself. Rejects with `data_format_newer`,
 * nothing touched, for a log of a newer version, and with `data_unusable` for a folder that cannot be read or mended.
 */
export async function openEventLog(options: EventLogOptions): Promise<EmbeddedEventLog> {
  const log = new EmbeddedEventLog(options, await recovered(options));
  await log.start();
  return log;
}

export class EmbeddedEventLog implements EventLog {
  readonly #writer: SegmentWriter;
  readonly #progress: LogProgress;
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #limits: LogLimits;
  /** What was found at opening. */
  readonly findings: readonly LogFinding[];
  /** The last one is being filled. */
  readonly #groups: WaitingGroup[] = [];
  readonly #idleEncoders: GroupEncoder[] = [];
  #waitingBytes = 0;
  #scheduled = false;
  #isWriting = false;
  #run: Promise<void> = Promise.resolve();
  #cancelGatePoll: (() => void) | undefined;
  #outage: { detail: string; cancelProbe: () => void } | undefined;
  #probing: Promise<void> | undefined;
  #trimming = false;
  #closing: Promise<void> | undefined;

  constructor(options: EventLogOptions, { end, segments, findings }: Recovery) {
    const { folder, files = nodeFiles, clock, timer = startTimer, progress } = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#progress = progress;
    this.#clock = clock;
    this.#timer = timer;
    this.findings = findings;
    const { segmentBytes } = this.#limits;
    this.#writer = new SegmentWriter({ folder, files, clock, segmentBytes, progress, retained: segments, end });
  }

  /** For `openEventLog`. */
  async start(): Promise<void> {
    await this.#probe();
  }

  /** The last durable sequence; -1n for none. */
  get end(): bigint {
    return this.#writer.sequence;
  }

  /** Whether appends can be made durable now, and if not, why. */
  condition(): { readonly writable: boolean; readonly detail?: string } {
    if (this.#isClosed) return { writable: false, detail: 'the log is closed' };
    return this.#outage === undefined ? { writable: true } : { writable: false, detail: this.#outage.detail };
  }

  refusal(): ClickstreamError | undefined {
    const { writable, detail } = this.condition();
    return writable ? undefined : new ClickstreamError('log_unavailable', detail);
  }

  /** Besides what the port says: an append that is larger than everything that may wait is `body_too_large`. */
  append(records: readonly LogRecord[]): Promise<readonly RecordPosition[]> {
    if (records.length === 0) return Promise.resolve([]);
    let chars = 0;
    for (const { data } of records) chars += data.length;
    const refusal = this.#refusal(chars);
    if (refusal !== undefined) return Promise.reject(refusal);
    const group = this.#groupFor(3 * chars + 4 * records.length);
    const { encoder } = group;
    const before = encoder.bytes;
    for (const { data } of records) encoder.add(data);
    const bytes = encoder.bytes - before;
    this.#waitingBytes += bytes;
    return new Promise((resolve, reject) => {
      group.appends.push({ count: records.length, bytes, sinceMs: this.#clock(), resolve, reject });
      this.#schedule();
    });
  }

  /**
   * Deletes whole segments whose records the store has applied durably and that ended more than logRetentionHours
   * ago, and ends the last one when it is older than segmentHours. Returns how many were deleted.
   */
  async trim({ doneAndDurable, nowMs }: { readonly doneAndDurable: bigint; readonly nowMs: number }): Promise<number> {
    if (this.#trimming || this.#isClosed) return 0;
    this.#trimming = true;
    try {
      await this.#roll(nowMs - this.#limits.segmentHours * MS_PER_HOUR);
      const beforeMs = nowMs - this.#limits.logRetentionHours * MS_PER_HOUR;
      return await this.#writer.trim({ through: doneAndDurable, beforeMs });
    } finally {
      this.#trimming = false;
    }
  }

  /**
   * Overwrites the records of these ids, at or before a sequence that the store has applied durably, so far as their segments
   * are ended; ends the last one. Undefined while the log is trimmed, or closed.
   */
  async scrub(
    ids: readonly ErasedUntil[],
    { through }: { readonly through: bigint },
  ): Promise<{ readonly counts: readonly number[]; readonly through: bigint } | undefined> {
    if (this.#trimming || this.#isClosed) return undefined;
    this.#trimming = true;
    try {
      // The first call has a new segment made, the second one takes it.
      for (let calls = 0; calls < 2; calls += 1) await this.#roll(Number.POSITIVE_INFINITY);
      return await this.#writer.scrub(ids, { through });
    } finally {
      this.#trimming = false;
    }
  }

  /** Between writes: while one is under way it is left to the next trim. */
  async #roll(beforeMs: number): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    const rolling = this.#writer.roll({ beforeMs }).finally(() => {
      this.#isWriting = false;
      if (this.#groups.length > 0) this.#schedule();
    });
    this.#run = rolling.catch(() => undefined);
    await rolling;
  }

  /** Takes no more appends, writes what waits without asking the gate, and ends the last segment. */
  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  get #isClosed(): boolean {
    return this.#closing !== undefined;
  }

  async #finish(): Promise<void> {
    this.#cancelGatePoll?.();
    this.#outage?.cancelProbe();
    // What is under way sees, from its next step on, that the log is closed.
    await this.#probing;
    await this.#run;
    await this.#writeWaiting();
    this.#progress.wake();
    await this.#writer.close();
  }

  #refusal(chars: number): ClickstreamError | undefined {
    const refusal = this.refusal();
    if (refusal !== undefined) return refusal;
    const { waitingBytesMax } = this.#limits;
    if (chars > waitingBytesMax) {
      const detail = `one append has ${chars} bytes or more, allowed are ${waitingBytesMax}`;
      return new ClickstreamError('body_too_large', detail);
    }
    if (this.#waitingBytes + chars > waitingBytesMax) {
      const detail = `${this.#waitingBytes} bytes wait for the log, allowed are ${waitingBytesMax}`;
      return new ClickstreamError('overloaded', detail);
    }
    return undefined;
  }

  /** The group being filled, or a new one when it might grow too large. */
  #groupFor(bytesMost: number): WaitingGroup {
    const filling = this.#groups.at(-1);
    if (filling !== undefined && filling.encoder.bytes + bytesMost <= this.#limits.groupBytesMax) return filling;
    const group = { encoder: this.#idleEncoders.pop() ?? new GroupEncoder(), appends: [] };
    this.#groups.push(group);
    return group;
  }

  /** After this turn of the event loop, so that all requests that came with it share the write. */
  #schedule(): void {
    if (this.#scheduled || this.#isWriting || this.#cancelGatePoll !== undefined) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#start();
    });
  }

  #start(): void {
    if (!this.#isWriting && !this.#isClosed) this.#run = this.#writeWaiting();
  }

  /** Writes group after group until none waits or the gate is closed. */
  async #writeWaiting(): Promise<void> {
    this.#isWriting = true;
    while (!this.#isHeld()) {
      const group = this.#groups.shift();
      if (group === undefined) break;
      this.#waitingBytes -= group.encoder.bytes - GROUP_HEADER_BYTES;
      try {
        await this.#writer.write(group.encoder);
      } catch (thrown) {
        this.#groups.unshift(group);
        this.#fail(thrown);
        break;
      }
      this.#acknowledge(group);
    }
    this.#isWriting = false;
  }

  #acknowledge(group: WaitingGroup): void {
    let sequence = this.#writer.sequence - BigInt(group.encoder.count);
    for (const { count, resolve } of group.appends) {
      const positions: RecordPosition[] = [];
      for (let record = 0; record < count; record++) positions.push({ lane: EMBEDDED_LANE, sequence: ++sequence });
      resolve(positions);
    }
    this.#release(group.encoder);
  }

  #release(encoder: GroupEncoder): void {
    if (this.#idleEncoders.length >= IDLE_ENCODERS_MAX || encoder.capacity > 2 * this.#limits.groupBytesMax) return;
    encoder.reset();
    this.#idleEncoders.push(encoder);
  }

  /** The gate: while the processor is far behind, groups wait, each append for gateMsMax at the most. */
  #isHeld(): boolean {
    const unprocessed = this.#writer.bytes - this.#progress.processedBytes;
    if (this.#isClosed || unprocessed <= this.#limits.unprocessedBytesMax) return false;
    this.#refuseLongHeld(unprocessed);
    if (this.#groups.length > 0) {
      this.#cancelGatePoll = this.#timer(this.#limits.gatePollMs, () => {
        this.#cancelGatePoll = undefined;
        this.#start();
      });
    }
    return true;
  }

  #refuseLongHeld(unprocessed: number): void {
    const sinceMs = this.#clock() - this.#limits.gateMsMax;
    for (let group = this.#groups[0]; group !== undefined; group = this.#groups[0]) {
      const firstKept = group.appends.findIndex((append) => append.sinceMs > sinceMs);
      const held = group.appends.splice(0, firstKept < 0 ? group.appends.length : firstKept);
      if (held.length === 0) return;
      const [count, bytes] = [sum(held.map((append) => append.count)), sum(held.map((append) => append.bytes))];
      group.encoder.drop({ count, bytes });
      this.#waitingBytes -= bytes;
      const detail = `${unprocessed} bytes wait to be processed, allowed are ${this.#limits.unprocessedBytesMax}`;
      for (const { reject } of held) reject(new ClickstreamError('overloaded', detail));
      if (group.appends.length > 0) return;
      this.#groups.shift();
      this.#release(group.encoder);
    }
  }

  /** The log cannot be written: nothing that waits was promised. */
  #fail(cause: unknown): void {
    const detail = `the log cannot be written: ${messageOf(cause)}`;
    for (const { appends, encoder } of this.#groups.splice(0)) {
      for (const { reject } of appends) reject(new ClickstreamError('log_unavailable', detail, { cause }));
      this.#release(encoder);
    }
    this.#waitingBytes = 0;
    this.#setOutage(detail);
  }

  #setOutage(detail: string): void {
    if (this.#isClosed) return;
    const cancelProbe = this.#timer(this.#limits.logProbeMs, () => {
      this.#probing = this.#probe();
    });
    this.#outage = { detail, cancelProbe };
  }

  /** Ends the outage when a new segment can be made. */
  async #probe(): Promise<void> {
    try {
      await this.#writer.open();
      this.#outage = undefined;
    } catch (thrown) {
      this.#setOutage(`the log cannot be written: ${messageOf(thrown)}`);
    }
  }
}

function startTimer(ms: number, run: () => void): () => void {
  const timeout = setTimeout(run, ms);
  return () => {
    clearTimeout(timeout);
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

interface Recovery {
  readonly end: LogEnd;
  readonly segments: readonly ChainedSegment[];
  readonly findings: readonly LogFinding[];
}

async function recovered(options: EventLogOptions): Promise<Recovery> {
  const findings: LogFinding[] = [];
  const report = (finding: LogFinding) => {
    findings.push(finding);
    options.onFinding(finding);
  };
  try {
    const { end, segments } = await recover(options, report);
    return { end, segments, findings };
  } catch (thrown) {
    if (thrown instanceof ClickstreamError) throw thrown;
    throw new ClickstreamError('data_unusable', `the log in ${options.folder}: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

/**
 * Finds where the log ends, and tidies: what was never whole is cut off the last segment, and files that hold nothing
 * go. Each step can be repeated after a crash in it.
 */
async function recover(
  { folder, files = nodeFiles, atLeast, progress }: EventLogOptions,
  report: (finding: LogFinding) => void,
): Promise<Omit<Recovery, 'findings'>> {
  await files.makeFolder(folder);
  const { segments, unused, unreadable, serialMax } = readChain(files, folder);
  for (const path of unreadable) report({ kind: 'segment_unreadable', file: basename(path) });
  for (const path of unused) await files.unlink(path);
  for (const name of files.list(folder)) {
    if (name.endsWith(SCRUBBING_SUFFIX)) await files.unlink(join(folder, name));
  }
  await files.syncFolder(folder);
  for (const { headerCorrupt, path } of segments) {
    if (headerCorrupt) report({ kind: 'header_corrupt', file: basename(path) });
  }
  const last = segments.at(-1);
  if (last === undefined) {
    if (atLeast >= 0n) report({ kind: 'tail_missing', after: -1n, before: atLeast + 1n });
    progress.processed(atLeast, 0);
    return { end: { serial: 0, endBytes: 0, sequence: atLeast, bytes: 0, serialMax }, segments };
  }
  const scan = await mendTail(files, last, { atLeast, report });
  const { lastSequence } = scan;
  if (lastSequence < atLeast) report({ kind: 'tail_missing', after: lastSequence, before: atLeast + 1n });
  const durable = { segment: last.serial, endBytes: scan.end };
  // What it finds on its way, the processor's reader will find and report.
  const reader = new LogReader({ folder, files, progress: { durable }, after: atLeast, onFinding: () => undefined });
  const processedBytes = reader.seek();
  reader.close();
  progress.processed(atLeast, processedBytes);
  const sequence = lastSequence > atLeast ? lastSequence : atLeast;
  const bytes = last.startBytes + scan.end - SEGMENT_HEADER_BYTES;
  return { end: { serial: last.serial, endBytes: scan.end, sequence, bytes, serialMax }, segments };
}

/** Nothing is cut where whole groups follow a bad one, or where what looks unfinished was processed already. */
async function mendTail(
  files: Files,
  last: ChainedSegment,
  { atLeast, report }: { readonly atLeast: bigint; readonly report: (finding: LogFinding) => void },
): Promise<SegmentScan> {
  const content = withFile(files, last.path, readAll);
  const scan = scanSegment(content, last.firstSequence);
  const isTorn = scan.corruptions.length === 0 && scan.lastSequence >= atLeast;
  // What a killed process wrote may be in memory only: cutting makes all that stays durable, before it is built upon.
  await files.cut(last.path, isTorn ? scan.end : content.length);
  if (isTorn && scan.tornBytes > 0) {
    report({ kind: 'torn_tail_cut', file: basename(last.path), bytes: scan.tornBytes });
  }
  for (const corruption of scan.corruptions) report({ kind: 'corruption', file: basename(last.path), ...corruption });
  return scan;
}

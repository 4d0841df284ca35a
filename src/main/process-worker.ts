import { setTimeout as sleep } from 'node:timers/promises';
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { EMBEDDED_LANE } from '../adapters/embedded/event-log.ts';
import { openEventReader, type SqliteEventReader } from '../adapters/embedded/event-reader.ts';
import { openEventStore, type SqliteEventStore } from '../adapters/embedded/event-store.ts';
import type { LogFinding } from '../adapters/embedded/log-finding.ts';
import { LogProgress } from '../adapters/embedded/log-progress.ts';
import { LogReader } from '../adapters/embedded/log-reader.ts';
import type { ErasedUntil } from '../core/erasures.ts';
import { asClickstreamError, type ErrorCode } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { LaneRecord, RecordPosition } from '../log/event-log.ts';
import { processBatch, seal, viewOf } from '../pipeline.ts';
import { VIEWS } from '../process/views/registry.ts';
import type { ReplayClaim, ReplayNote, Witness } from '../store/event-store.ts';
import { Erasing, type Scrubbed } from './erasing.ts';
import { LocalMaintenance } from './local-maintenance.ts';
import { ConfiguredSteps, type StepSettings } from './steps.ts';

export interface ProcessWorkerData {
  readonly folder: string;
  readonly log: string;
  readonly progress: SharedArrayBuffer;
  readonly settings: StepSettings;
  readonly port: MessagePort;
}

/** What the main thread tells this worker. */
export type ToProcessor =
  | { readonly kind: 'start' }
  | { readonly kind: 'witness'; readonly witness: Witness }
  /** A dead record was put back to this position: to be noted, and answered with `redriven`. */
  | { readonly kind: 'markRedriven'; readonly record: RecordPosition; readonly position: RecordPosition }
  /** These are answered with `answered`. */
  | { readonly kind: 'claimReplays'; readonly id: number; readonly claims: readonly ReplayClaim[] }
  | { readonly kind: 'noteReplays'; readonly id: number; readonly notes: readonly ReplayNote[] }
  | { readonly kind: 'askRebuild'; readonly id: number; readonly view: string }
  /** What became of `scrub`, which is always answered. */
  | ({ readonly kind: 'scrubbed' } & Scrubbed)
  | { readonly kind: 'stop' };

/** What this worker tells the main thread. */
export type FromProcessor =
  /** The store cannot be opened; nothing was touched. */
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly detail: string }
  | { readonly kind: 'opened'; readonly done: bigint }
  | { readonly kind: 'working' }
  | { readonly kind: 'failing'; readonly detail: string }
  | { readonly kind: 'synced'; readonly done: bigint }
  /** What is noted of a dead record now; nothing, when the store did not take it. */
  | { readonly kind: 'redriven'; readonly record: RecordPosition; readonly stands: RecordPosition | undefined }
  /** What stands now of what was asked for under this id; undefined when the store did not take it. */
  | { readonly kind: 'answered'; readonly id: number; readonly stand: unknown }
  /** The log is to be rid of these, up to this sequence: to be answered with `scrubbed`. */
  | { readonly kind: 'scrub'; readonly ids: readonly ErasedUntil[]; readonly through: bigint }
  /** Something to be told to who runs the server. */
  | { readonly kind: 'told'; readonly text: string }
  /** What reading the log found, before what follows it is processed. */
  | { readonly kind: 'finding'; readonly finding: LogFinding }
  | { readonly kind: 'stopped' };

const IDLE_WAIT_MS = 100;

interface ProcessorParts {
  readonly store: SqliteEventStore;
  readonly rows: SqliteEventReader;
  readonly steps: ConfiguredSteps;
}

/** The processor: it tails the log, and is the one writer of the store. */
class Processor {
  readonly #store: SqliteEventStore;
  /** For sealing, which reads the ledger. */
  readonly #rows: SqliteEventReader;
  readonly #steps: ConfiguredSteps;
  readonly #port: MessagePort;
  readonly #progress: LogProgress;
  readonly #log: string;
  #reader: LogReader | undefined;
  /** The last read gave nothing: no more was durable. */
  #readAll = false;
  #stopping = false;
  #failing = false;
  #sealedAt = 0;
  /** The last sequence processed when the ledger was last sealed. */
  #sealedThrough = -1n;
  /** When the last batch began, on `performance`'s clock. */
  #batchAtMs = 0;
  readonly #erasing: Erasing;
  readonly #maintenance: LocalMaintenance;

  constructor(data: ProcessWorkerData, { store, rows, steps }: ProcessorParts) {
    this.#store = store;
    this.#rows = rows;
    this.#steps = steps;
    this.#port = data.port;
    this.#log = data.log;
    this.#progress = new LogProgress(data.progress);
    const scrub = (asked: Omit<Extract<FromProcessor, { readonly kind: 'scrub' }>, 'kind'>) =>
      this.#tell({ kind: 'scrub', ...asked });
    const tell = (text: string) => this.#tell({ kind: 'told', text });
    this.#erasing = new Erasing({ store, reader: rows, scrub, tell });
    this.#maintenance = new LocalMaintenance({
      ...{ store, views: VIEWS, clock: Date.now },
      attempt: (run) => this.#attempt(run),
      onSynced: (done) => this.#tell({ kind: 'synced', done }),
      report: tell,
    });
  }

  async run(): Promise<void> {
    // A batch of no records takes up the views of this version.
    const { done } = await processBatch({ lane: EMBEDDED_LANE, records: [] }, this.#store);
    this.#tell({ kind: 'opened', done });
    while (!(this.#stopping && this.#idle())) {
      await this.#hear();
      if (this.#reader !== undefined) await this.#turn(this.#reader);
      else await sleep(5);
    }
    // A store that cannot be synced loses nothing: the log keeps what it has not made durable.
    await this.#attempt(() => this.#store.sync());
    await this.#rows.close();
    await this.#store.close();
    this.#tell({ kind: 'stopped' });
    this.#port.close();
  }

  async #done(): Promise<bigint> {
    const { lane } = await this.#store.load(EMBEDDED_LANE, { visitors: new Map(), identities: () => [] });
    return lane?.done ?? -1n;
  }

  /**
   * When stopping, what can be read of the log is processed first, unless the store does not take it. The log was closed
   * before this worker is told to stop, so a read after that gives all there is.
   */
  #idle(): boolean {
    return this.#reader === undefined || this.#failing || this.#readAll;
  }

  async #hear(): Promise<void> {
    for (
      let received = receiveMessageOnPort(this.#port);
      received !== undefined;
      received = receiveMessageOnPort(this.#port)
    ) {
      const message = received.message as ToProcessor;
      if (message.kind === 'stop') this.#stopping = true;
      if (message.kind === 'witness') await this.#attempt(() => this.#store.witness(message.witness));
      if (message.kind === 'scrubbed') await this.#attempt(() => this.#erasing.scrubbed(message));
      if (message.kind === 'markRedriven') {
        const { record, position } = message;
        const { lane, sequence } = record;
        const stands = await this.#attempt(() => this.#store.markRedriven(lane, sequence, position));
        this.#tell({ kind: 'redriven', record, stands });
      }
      if (message.kind === 'claimReplays') {
        await this.#answer(message.id, () => this.#store.claimReplays(message.claims));
      }
      if (message.kind === 'noteReplays') {
        await this.#answer(message.id, () => this.#store.noteReplays(message.notes));
      }
      if (message.kind === 'askRebuild') {
        const { id, view } = message;
        await this.#answer(id, async () => {
          await this.#store.askRebuild(viewOf(view));
          this.#maintenance.foldAnew();
          return true;
        });
      }
      if (message.kind === 'start') {
        const after = await this.#done();
        const onFinding = (finding: LogFinding) => this.#tell({ kind: 'finding', finding });
        this.#reader = new LogReader({ folder: this.#log, progress: this.#progress, after, onFinding });
      }
    }
  }

  async #answer(id: number, write: () => Promise<unknown>): Promise<void> {
    this.#tell({ kind: 'answered', id, stand: await this.#attempt(write) });
  }

  async #turn(reader: LogReader): Promise<void> {
    const text = this.#steps.refresh(Date.now());
    if (text !== undefined) this.#tell({ kind: 'told', text });
    await this.#gather(reader);
    const startedAtMs = performance.now();
    const records = reader.read({ bytesMax: LIMITS.processBatchBytesMax });
    this.#readAll = records.length === 0;
    // The first event after a quiet time waits for nothing.
    if (!this.#readAll) this.#batchAtMs = startedAtMs;
    if (!(await this.#process(records))) return;
    // Also of what cannot be read: else a damaged stretch would hold the gate.
    const sequence = records.at(-1)?.sequence ?? this.#progress.processedSequence;
    this.#progress.processed(sequence, reader.bytesConsumed);
    // Under steady load nothing is ever idle: what is due is done all the same.
    await this.#sealWhenDue();
    const isErasing = (await this.#attempt(() => this.#erasing.bringOn())) === true;
    if (!this.#readAll && !this.#maintenance.isDue) return;
    if ((await this.#maintenance.step()) || !this.#readAll) return;
    await this.#attempt(() => this.#store.settle());
    if (!isErasing) this.#progress.waitForMore(IDLE_WAIT_MS);
  }

  /** Lets events come together, unless many wait: a batch changes up to a hundred rows of views, however few its events are. */
  async #gather(reader: LogReader): Promise<void> {
    const waiting = this.#progress.durableBytes - reader.bytesConsumed;
    const restMs = this.#batchAtMs + LIMITS.processBatchMsMin - performance.now();
    if (restMs > 0 && !this.#stopping && waiting < LIMITS.processBatchBytesMax / 2) await sleep(restMs);
  }

  /** Until they are applied: a store that fails is tried again, for the log holds what waits. False when told to stop before. */
  async #process(records: readonly LaneRecord[]): Promise<boolean> {
    let rest = records;
    while (rest.length > 0) {
      const now = rest;
      const done = await this.#attempt(
        async () =>
          (await processBatch({ lane: EMBEDDED_LANE, records: now, steps: this.#steps.now }, this.#store)).done,
      );
      if (this.#store.hasErased()) this.#erasing.begin();
      if (done !== undefined) rest = rest.filter(({ sequence }) => sequence > done);
      else if (this.#stopping) return false;
      else await this.#hear();
    }
    return true;
  }

  /** The rows of the ledger that are left are those of the last seconds, and of numbers that are not settled. */
  async #sealWhenDue(): Promise<void> {
    const nowMs = Date.now();
    const through = this.#progress.processedSequence;
    if (through === this.#sealedThrough || Math.abs(nowMs - this.#sealedAt) < LIMITS.sealMs) return;
    this.#sealedAt = nowMs;
    const isDone = await this.#attempt(async () => {
      await seal({ reader: this.#rows, store: this.#store, nowMs });
      return true;
    });
    if (isDone === true) this.#sealedThrough = through;
  }

  /** Runs it; when it throws, says so and waits a little. The next one that succeeds says that too. */
  async #attempt<T>(run: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await run();
      if (this.#failing) this.#tell({ kind: 'working' });
      this.#failing = false;
      return result;
    } catch (thrown) {
      this.#failing = true;
      this.#tell({ kind: 'failing', detail: thrown instanceof Error ? thrown.message : String(thrown) });
      await sleep(LIMITS.processRetryMs);
      return undefined;
    }
  }

  #tell(message: FromProcessor): void {
    this.#port.postMessage(message);
  }
}

async function start(data: ProcessWorkerData): Promise<void> {
  let parts: ProcessorParts;
  try {
    const steps = await ConfiguredSteps.open(data.settings);
    const lateness = { views: VIEWS, msMax: LIMITS.storeRowsMsMax };
    const store = openEventStore({ folder: data.folder, withCheckpointer: true, lateness });
    parts = { steps, store, rows: openEventReader({ folder: data.folder }) };
  } catch (thrown) {
    const { code, message } = asClickstreamError(thrown);
    data.port.postMessage({ kind: 'refused', code, detail: message } satisfies FromProcessor);
    data.port.close();
    return;
  }
  await new Processor(data, parts).run();
}

await start(workerData as ProcessWorkerData);

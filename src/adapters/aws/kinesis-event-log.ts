import { hash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { PutRecordsCommand, type PutRecordsCommandOutput } from '@aws-sdk/client-kinesis';
import { ClickstreamError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import type { EventLog, LogRecord, RecordPosition } from '../../log/event-log.ts';
import { backoffMs } from './backoff.ts';
import type { KinesisLimits } from './kinesis-client.ts';
import { errorOf, type Failure, failureOf, type Outcome, outcomeOf } from './kinesis-outcome.ts';

/** What the log needs of a KinesisClient. */
export interface PutsRecords {
  send(command: PutRecordsCommand): Promise<PutRecordsCommandOutput>;
}

export interface KinesisEventLogOptions {
  /** It must not retry by itself: `createKinesisClient` makes one that does not. */
  readonly client: PutsRecords;
  /** The stream's name. */
  readonly stream: string;
  /** Milliseconds that never go back. @default performance.now */
  readonly clock?: (() => number) | undefined;
  /** @default setTimeout */
  readonly sleep?: ((ms: number) => Promise<unknown>) | undefined;
  /** Numbers in [0, 1). @default Math.random */
  readonly random?: (() => number) | undefined;
  /** @default core/limits.ts */
  readonly limits?: Partial<KinesisLimits> | undefined;
}

interface Append {
  readonly deadlineMs: number;
  readonly positions: RecordPosition[];
  unacknowledged: number;
  isRejected: boolean;
  readonly resolve: (positions: readonly RecordPosition[]) => void;
  readonly reject: (error: ClickstreamError) => void;
}

interface Entry {
  readonly append: Append;
  /** Its place in the append. */
  readonly index: number;
  readonly key: string;
  readonly data: Uint8Array;
  /** Data and key. */
  readonly bytes: number;
  tries: number;
  /** Of the last try. */
  failure?: Failure;
}

/**
 * Puts records into a Kinesis stream; a lane is a shard. PutRecords promises no order within a call, nor between calls in
 * flight, so of each partition key at most one record is in flight: the others wait until it is settled, acknowledged or
 * given up. What arrives while all calls are taken shares the next one. This is the one place that retries.
 */
export class KinesisEventLog implements EventLog {
  readonly #client: PutsRecords;
  readonly #stream: string;
  readonly #clock: () => number;
  readonly #sleep: (ms: number) => Promise<unknown>;
  readonly #random: () => number;
  readonly #limits: KinesisLimits;
  /** To be sent, in this order; of each key one at the most. */
  readonly #ready: Entry[] = [];
  /** By each key that has an entry ready, in flight or about to be tried again: those that wait for it. */
  readonly #behind = new Map<string, Entry[]>();
  #waitingRecords = 0;
  #waitingBytes = 0;
  #calls = 0;
  #isScheduled = false;

  constructor(options: KinesisEventLogOptions) {
    this.#client = options.client;
    this.#stream = options.stream;
    this.#clock = options.clock ?? (() => performance.now());
    this.#sleep = options.sleep ?? wait;
    this.#random = options.random ?? Math.random;
    this.#limits = { ...LIMITS, ...options.limits };
  }

  /**
   * Besides what the port says: a record that is larger than Kinesis takes, or an append that is larger than everything
   * that may wait, is `body_too_large`. Of an append that was rejected, records may come out. A record whose call was not
   * answered in time may come out twice, the other time even later, if the network still delivers that call.
   */
  append(records: readonly LogRecord[]): Promise<readonly RecordPosition[]> {
    if (records.length === 0) return Promise.resolve([]);
    const { promise, resolve, reject } = Promise.withResolvers<readonly RecordPosition[]>();
    const deadlineMs = this.#clock() + this.#limits.kinesisDeadlineMsMax;
    const append = { deadlineMs, positions: [], unacknowledged: records.length, isRejected: false, resolve, reject };
    const entries = records.map((record, index) => this.#entryOf(record, append, index));
    const refusal = this.#refusal(entries);
    if (refusal !== undefined) return Promise.reject(refusal);
    for (const entry of entries) this.#take(entry);
    this.#schedule();
    return promise;
  }

  #entryOf({ partitionKey, data: text }: LogRecord, append: Append, index: number): Entry {
    // Kinesis takes no empty key. A digest is a key as good as any: nobody reads it back.
    const isFit = partitionKey.length > 0 && partitionKey.length <= this.#limits.kinesisKeyCharsMax;
    const key = isFit ? partitionKey : hash('sha256', partitionKey, 'hex');
    const data = Buffer.from(text);
    return { append, index, key, data, bytes: data.length + Buffer.byteLength(key), tries: 0 };
  }

  #refusal(entries: readonly Entry[]): ClickstreamError | undefined {
    const { kinesisRecordBytesMax, kinesisWaitingRecordsMax, waitingBytesMax } = this.#limits;
    let bytes = 0;
    for (const entry of entries) {
      if (entry.bytes > kinesisRecordBytesMax) {
        const detail = `a record may have ${kinesisRecordBytesMax} bytes with its key, got ${entry.bytes}`;
        return new ClickstreamError('body_too_large', detail);
      }
      bytes += entry.bytes;
    }
    if (entries.length > kinesisWaitingRecordsMax || bytes > waitingBytesMax) {
      const most = `${kinesisWaitingRecordsMax} records and ${waitingBytesMax} bytes`;
      return new ClickstreamError('body_too_large', `an append may have ${most}, got ${entries.length} and ${bytes}`);
    }
    if (
      this.#waitingRecords + entries.length > kinesisWaitingRecordsMax ||
      this.#waitingBytes + bytes > waitingBytesMax
    ) {
      const waiting = `${this.#waitingRecords} records of ${this.#waitingBytes} bytes`;
      return new ClickstreamError('overloaded', `${waiting} wait for the stream already`);
    }
    return undefined;
  }

  #take(entry: Entry): void {
    this.#waitingRecords += 1;
    this.#waitingBytes += entry.bytes;
    const behind = this.#behind.get(entry.key);
    if (behind !== undefined) {
      behind.push(entry);
      return;
    }
    this.#behind.set(entry.key, []);
    this.#ready.push(entry);
  }

  /** Deferred, so that appends of one turn of the event loop share a call. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      while (this.#calls < this.#limits.kinesisCallsMax) {
        const group = this.#nextGroup();
        if (group.length === 0) return;
        this.#calls += 1;
        void this.#call(group);
      }
    });
  }

  /** What the next call carries. What is no longer wanted, or came too late to its turn, is given up on the way. */
  #nextGroup(): readonly Entry[] {
    const { kinesisCallRecordsMax, kinesisCallBytesMax } = this.#limits;
    const group: Entry[] = [];
    const nowMs = this.#clock();
    let bytes = 0;
    for (let entry = this.#ready[0]; entry !== undefined; entry = this.#ready[0]) {
      const isGivenUp = entry.append.isRejected || nowMs > entry.append.deadlineMs;
      if (!isGivenUp && (group.length === kinesisCallRecordsMax || bytes + entry.bytes > kinesisCallBytesMax)) break;
      this.#ready.shift();
      if (isGivenUp) {
        this.#giveUp(entry);
      } else {
        group.push(entry);
        bytes += entry.bytes;
      }
    }
    return group;
  }

  async #call(group: readonly Entry[]): Promise<void> {
    const outcomes = await this.#put(group);
    this.#calls -= 1;
    const failed: Entry[] = [];
    for (const [index, entry] of group.entries()) {
      const outcome = outcomes[index] ?? outcomeOf(undefined);
      entry.tries += 1;
      if (outcome.kind === 'acknowledged') {
        this.#acknowledge(entry, outcome.position);
        continue;
      }
      entry.failure = outcome.failure;
      if (outcome.failure.isRetriable) failed.push(entry);
      else this.#giveUp(entry);
    }
    this.#schedule();
    if (failed.length > 0) await this.#sendAgain(failed);
  }

  async #put(group: readonly Entry[]): Promise<readonly Outcome[]> {
    const records = group.map(({ key, data }) => ({ PartitionKey: key, Data: data }));
    try {
      const command = new PutRecordsCommand({ StreamName: this.#stream, Records: records });
      const { Records = [] } = await this.#client.send(command);
      return group.map((_, index) => outcomeOf(Records[index]));
    } catch (thrown) {
      const failure = failureOf(thrown);
      return group.map(() => ({ kind: 'failed', failure }));
    }
  }

  /** Those whose time allows another try keep their keys meanwhile; the others are given up at once. */
  async #sendAgain(failed: readonly Entry[]): Promise<void> {
    const { kinesisTriesMax, kinesisBackoffMsMin: msMin, kinesisBackoffMsMax: msMax } = this.#limits;
    const tries = Math.max(...failed.map((entry) => entry.tries));
    const delayMs = backoffMs({ tries, msMin, msMax, random: this.#random });
    const nextMs = this.#clock() + delayMs;
    const again: Entry[] = [];
    for (const entry of failed) {
      const { isRejected, deadlineMs } = entry.append;
      if (isRejected || entry.tries >= kinesisTriesMax || nextMs > deadlineMs) this.#giveUp(entry);
      else again.push(entry);
    }
    this.#schedule();
    if (again.length === 0) return;
    await this.#sleep(delayMs);
    this.#ready.unshift(...again);
    this.#schedule();
  }

  #acknowledge(entry: Entry, position: RecordPosition): void {
    const { append } = entry;
    append.positions[entry.index] = position;
    append.unacknowledged -= 1;
    if (append.unacknowledged === 0) append.resolve(append.positions);
    this.#release(entry);
  }

  #giveUp(entry: Entry): void {
    const { append, tries, failure } = entry;
    append.isRejected = true;
    append.reject(
      failure === undefined
        ? new ClickstreamError('overloaded', 'a record waited too long for those before it')
        : errorOf(failure, `the stream did not take a record, tried ${tries} times`),
    );
    this.#release(entry);
  }

  /** The next record of its key has its turn. */
  #release({ key, bytes }: Entry): void {
    this.#waitingRecords -= 1;
    this.#waitingBytes -= bytes;
    const next = this.#behind.get(key)?.shift();
    if (next === undefined) this.#behind.delete(key);
    else this.#ready.push(next);
  }
}

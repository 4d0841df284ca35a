import type { Attempts } from '../adapters/aws/attempts.ts';
import type { DeadLetters } from '../adapters/aws/dead-letters.ts';
import { isOutsideFault } from '../adapters/aws/faults.ts';
import {
  type KinesisBatch,
  type KinesisBatchResponse,
  type KinesisEvent,
  kinesisBatchResponse,
  readKinesisEvent,
} from '../adapters/aws/kinesis-records.ts';
import { LIMITS } from '../core/limits.ts';
import type { Clock } from '../core/time.ts';
import type { View } from '../core/view.ts';
import type { LaneRecord } from '../log/event-log.ts';
import { processBatch } from '../pipeline.ts';
import type { DeadRecord, EventStore } from '../store/event-store.ts';
import { type FunctionContext, LateError, within } from './in-time.ts';

type SentRecord = KinesisEvent['Records'][number];

/** A Kinesis event with what a dead letter tells besides. */
export interface ProcessEvent extends KinesisEvent {
  readonly Records: readonly (Omit<SentRecord, 'kinesis'> & {
    readonly kinesis: SentRecord['kinesis'] & {
      readonly partitionKey: string;
      /** Epoch seconds, with a fraction. */
      readonly approximateArrivalTimestamp: number;
    };
  })[];
}

export interface ProcessParts {
  /** Made anew after one that did not come back in time, which goes on writing, now or when Lambda thaws the function. */
  readonly newStore: () => EventStore;
  readonly views: readonly View[];
  readonly attempts: Attempts;
  readonly deadLetters: Pick<DeadLetters, 'put'>;
  readonly clock: Clock;
  readonly report: (what: string, fault: unknown) => void;
}

/**
 * The processor of one function environment: applies the records of one shard in order, and answers with the first that
 * is to be sent again. What comes after a record that fails waits for it, so nothing is skipped. Rejects when nothing of
 * several records was done for a reason outside them: Lambda then halves the batch, so that each try asks for less.
 */
export function createProcessHandler(
  parts: ProcessParts,
): (event: ProcessEvent, context: FunctionContext) => Promise<KinesisBatchResponse> {
  const environment: Environment = { store: parts.newStore(), msPerRecord: undefined };
  return async (event, context) => {
    const batch = readKinesisEvent(event);
    const done = await new Batch(parts, { environment, event, batch, context }).run();
    return kinesisBatchResponse(batch, done);
  };
}

/** What outlasts a batch. */
interface Environment {
  store: EventStore;
  /** Of what was applied last, or twice what was not enough; undefined before either. */
  msPerRecord: number | undefined;
}

interface BatchInput {
  readonly environment: Environment;
  readonly event: ProcessEvent;
  readonly batch: KinesisBatch;
  readonly context: FunctionContext;
}

class Batch {
  readonly #parts: ProcessParts;
  readonly #environment: Environment;
  readonly #event: ProcessEvent;
  readonly #batch: KinesisBatch;
  readonly #context: FunctionContext;
  /** Why records are set aside untried. */
  readonly #setAside = new Map<bigint, string>();
  #done = -1n;
  /** How many records may be tried at once: fewer after a failure, until the one that fails is alone. */
  #atOnce: number;
  /** A record alone is held to its count of tries. */
  #isCounted: boolean;
  /** The record whose try was counted and not yet taken back. */
  #counted: bigint | undefined;

  constructor(parts: ProcessParts, { environment, event, batch, context }: BatchInput) {
    this.#parts = parts;
    this.#environment = environment;
    this.#event = event;
    this.#batch = batch;
    this.#context = context;
    this.#atOnce = batch.records.length;
    this.#isCounted = this.#isOldAndAlone();
  }

  /** Returns the last sequence done, -1n for none. */
  async run(): Promise<bigint> {
    const { lane, records } = this.#batch;
    let rest = records;
    let held: unknown;
    while (rest.length > 0) {
      const msLeft = this.#context.getRemainingTimeInMillis();
      if (msLeft < LIMITS.lambdaMsLeftMin) {
        this.#parts.report('process', new Error(`${lane}: out of time; ${rest.length} records are to be sent again`));
        break;
      }
      const before = rest.length;
      const part = rest.slice(0, this.#sizeIn(msLeft));
      try {
        await this.#inTime(part, msLeft);
        rest = rest.filter(({ sequence }) => sequence > this.#done);
        if (rest.length === before) throw new Error(`${lane}: a batch was processed, and nothing of it is done`);
      } catch (thrown) {
        this.#parts.report(`process: ${lane}, ${part.length} records from ${part[0]?.sequence}`, thrown);
        if (isOutside(thrown)) held = thrown;
        if (!this.#narrow(part.length, thrown)) break;
      }
    }
    // Sent again whole, it would fare no better: an answer that names its first record does not let Lambda halve it.
    if (held !== undefined && rest.length === records.length && rest.length > 1) {
      throw new Error(`${lane}: nothing of ${rest.length} records was done; fewer are to be sent`, { cause: held });
    }
    return this.#done;
  }

  /** As many as a third of the time left is enough for, by what was measured; few, while nothing is. */
  #sizeIn(msLeft: number): number {
    const { msPerRecord } = this.#environment;
    const fits = msPerRecord === undefined ? LIMITS.recordsUnmeasuredMax : Math.floor(msLeft / 3 / msPerRecord);
    return Math.max(1, Math.min(this.#atOnce, fits));
  }

  /** A record alone has all the time there is, for there is nothing smaller; several have half, so that fewer can be tried after them. */
  async #inTime(part: readonly LaneRecord[], msLeft: number): Promise<void> {
    const { clock, newStore } = this.#parts;
    const startedAt = clock();
    const msEach = () => (clock() - startedAt) / part.length;
    try {
      await within(part.length === 1 ? msLeft - LIMITS.lambdaMsLeftMin / 2 : msLeft / 2, this.#process(part));
      this.#environment.msPerRecord = msEach();
    } catch (thrown) {
      if (thrown instanceof LateError) {
        this.#environment.msPerRecord = 2 * msEach();
        this.#environment.store = newStore();
        await this.#takeBackTry();
      }
      throw thrown;
    }
  }

  /**
   * After a failure: whether to go on with fewer records, or with the same one counted. What fails alone for a reason outside it
   * is left to Lambda's next try.
   */
  #narrow(failed: number, thrown: unknown): boolean {
    if (failed === 1 && (this.#isCounted || isOutside(thrown))) return false;
    if (!isOutside(thrown)) this.#isCounted = true;
    this.#atOnce = Math.ceil(failed / 2);
    return true;
  }

  /**
   * Lambda halves a batch that ended its function, until the record that did it is alone: then its tries are counted. Of the
   * many that are alone because little comes, those just arrived are spared the count.
   */
  #isOldAndAlone(): boolean {
    const [first, second] = this.#event.Records;
    if (first === undefined || second !== undefined) return false;
    return this.#parts.clock() - first.kinesis.approximateArrivalTimestamp * 1_000 >= LIMITS.recordFreshMs;
  }

  async #process(part: readonly LaneRecord[]): Promise<void> {
    const [only, second] = part;
    if (this.#isCounted && only !== undefined && second === undefined) await this.#processAlone(only);
    else await this.#apply(part);
  }

  async #apply(records: readonly LaneRecord[]): Promise<void> {
    const { done } = await processBatch({ ...this.#lane, records }, this.#store());
    // One that was late may have done more meanwhile, or come back after another.
    if (done > this.#done) this.#done = done;
  }

  get #lane() {
    return { lane: this.#batch.lane, steps: { views: this.#parts.views } };
  }

  /** What the core asks of the store there is now. Whole records go to the dead letters before the store says that they are dead. */
  #store(): Pick<EventStore, 'load' | 'apply' | 'erasedUntil'> {
    const { store } = this.#environment;
    return {
      erasedUntil: (ids) => store.erasedUntil(ids),
      load: (lane, keys) => store.load(lane, keys),
      apply: async (decision) => {
        const dead = decision.dead.map((record) => this.#whole(record));
        for (const record of dead) await this.#putDeadLetter(record);
        return store.apply({ ...decision, dead });
      },
    };
  }

  /** The count goes up before the try, so that a try which ends the function counts. */
  async #processAlone(record: LaneRecord): Promise<void> {
    const { sequence } = record;
    const tries = await this.#parts.attempts.begin(this.#batch.lane, sequence);
    this.#counted = sequence;
    if (tries > LIMITS.recordTriesMax) {
      this.#setAside.set(
        sequence,
        `it failed or ended the function in ${LIMITS.recordTriesMax} tries, and was not tried again`,
      );
      await this.#apply([unreadable(record)]);
    } else {
      try {
        await this.#apply([record]);
      } catch (thrown) {
        // What is not the record's fault is not held against it; nor is what a batch of none would meet as well.
        if (isOutsideFault(thrown) || !(await this.#worksWithout())) await this.#takeBackTry();
        throw thrown;
      }
    }
    await this.#takeBackTry();
    // What comes after it is tried together again.
    this.#isCounted = false;
    this.#atOnce = this.#batch.records.length;
  }

  /** Never rejects. One that stays counts against a record that is tried once more, and then expires. */
  async #takeBackTry(): Promise<void> {
    if (this.#counted === undefined) return;
    const { attempts, report } = this.#parts;
    const sequence = this.#counted;
    this.#counted = undefined;
    try {
      await within(LIMITS.lambdaMsLeftMin / 4, attempts.clear(this.#batch.lane, sequence));
    } catch (thrown) {
      report('process: the tries of a record', thrown);
    }
  }

  /** Whether the lane takes a batch of no records. */
  async #worksWithout(): Promise<boolean> {
    try {
      await processBatch({ ...this.#lane, records: [] }, this.#store());
      return true;
    } catch {
      return false;
    }
  }

  /** As it came, for it may have been made unreadable; that much of it is put back when it is redriven. */
  #whole(dead: DeadRecord): DeadRecord {
    const record = this.#batch.records.find(({ sequence }) => sequence === dead.sequence);
    const detail = this.#setAside.get(dead.sequence) ?? dead.detail;
    return { ...dead, detail, payload: record?.data ?? dead.payload };
  }

  async #putDeadLetter({ lane, sequence, detail: reason, payload: data }: DeadRecord): Promise<void> {
    const sent = this.#event.Records.find(({ kinesis }) => BigInt(kinesis.sequenceNumber) === sequence);
    if (sent === undefined) throw new Error(`${lane}: ${sequence} is not of this batch`);
    const { partitionKey, approximateArrivalTimestamp } = sent.kinesis;
    await this.#parts.deadLetters.put({
      ...{ lane, sequence, partitionKey, data, reason },
      approximateArrival: approximateArrivalTimestamp * 1_000,
      streamArn: sent.eventSourceARN,
    });
  }
}

/** What would fail with other records too: the time, or a service. */
function isOutside(thrown: unknown): boolean {
  return thrown instanceof LateError || isOutsideFault(thrown);
}

const LINE_FEED = 10;
const NOTHING_LEFT = Buffer.from('set aside');

/**
 * The record with its header, which the ledger counts it by, and other bytes in the place of its events: they have another
 * checksum, so the core makes a dead record of it and reads nothing more.
 */
function unreadable({ data, ...record }: LaneRecord): LaneRecord {
  const end = data.indexOf(LINE_FEED);
  return { ...record, data: end < 0 ? NOTHING_LEFT : Buffer.concat([data.subarray(0, end + 1), NOTHING_LEFT]) };
}

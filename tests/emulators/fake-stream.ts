import type { PutRecordsCommand, PutRecordsCommandOutput, PutRecordsResultEntry } from '@aws-sdk/client-kinesis';

export interface SentRecord {
  readonly key: string;
  readonly data: string;
  /** Data and key. */
  readonly bytes: number;
}

export interface StoredRecord extends SentRecord {
  readonly sequence: bigint;
}

/** What becomes of one record of a call: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecordsResultEntry.html */
export type Fate = 'taken' | 'throttled' | 'failed';

/** A PutRecords request that waits for its answer. What of it is stored is stored when it is answered. */
export interface PendingCall {
  readonly records: readonly SentRecord[];
  /** In the order given by `random`, for Kinesis promises none. */
  answer(fate?: (record: SentRecord) => Fate): void;
  /** The whole call fails; what is taken all the same, nobody is told. */
  fail(error: unknown, isTaken?: (record: SentRecord) => boolean): void;
}

/**
 * A Kinesis stream under the hand of a test, which decides when a call is answered, in what order, and how. By
 * https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html: a call may succeed in part, and the answer has a result for
 * each record in the order of the request; records are stored in no order that it promises; sequence numbers grow in a shard
 * (https://docs.aws.amazon.com/streams/latest/dev/key-concepts.html). A call that failed may have been stored all the same
 * (https://docs.aws.amazon.com/streams/latest/dev/kinesis-record-processor-duplicates.html).
 */
export class FakeStream {
  /** By shard, in the order of its sequences. */
  readonly shards = new Map<string, StoredRecord[]>();
  /** In the order in which they were sent. */
  readonly pending: PendingCall[] = [];
  /** All that were ever sent. */
  readonly calls: (readonly SentRecord[])[] = [];
  /** What those who sent were told was taken. */
  readonly told = new Set<string>();
  /** What is wrong with what was sent. */
  readonly problems: string[] = [];
  readonly #random: () => number;
  #sequence = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898n;

  constructor(random: () => number = () => 0) {
    this.#random = random;
  }

  send(command: PutRecordsCommand): Promise<PutRecordsCommandOutput> {
    const records = (command.input.Records ?? []).map(({ PartitionKey = '', Data = new Uint8Array() }) => {
      const data = Buffer.from(Data).toString();
      return { key: PartitionKey, data, bytes: Data.length + Buffer.byteLength(PartitionKey) };
    });
    this.#inspect(records);
    this.calls.push(records);
    return new Promise((resolve, reject) => {
      const settle = (run: () => void) => {
        this.pending.splice(this.pending.indexOf(call), 1);
        run();
      };
      const call: PendingCall = {
        records,
        answer: (fate = () => 'taken') =>
          settle(() => resolve({ Records: this.#answer(records, fate), $metadata: {} })),
        fail: (error, isTaken = () => false) =>
          settle(() => {
            this.#answer(records, (record) => (isTaken(record) ? 'taken' : 'failed'), { isTold: false });
            reject(error);
          }),
      };
      this.pending.push(call);
    });
  }

  #inspect(records: readonly SentRecord[]): void {
    const inFlight = new Set(this.pending.flatMap((call) => call.records.map(({ key }) => key)));
    for (const { key, data } of records) {
      if (inFlight.has(key)) this.problems.push(`two records of ${key} are in flight`);
      if (this.told.has(data)) this.problems.push(`${data} is sent again, though it was acknowledged`);
      inFlight.add(key);
    }
  }

  #answer(
    records: readonly SentRecord[],
    fate: (record: SentRecord) => Fate,
    { isTold = true }: { readonly isTold?: boolean } = {},
  ): PutRecordsResultEntry[] {
    const results: PutRecordsResultEntry[] = [];
    for (const index of shuffled(records.length, this.#random)) {
      const record = records[index];
      if (record === undefined) throw new Error('every index has its record');
      const became = fate(record);
      if (became === 'taken') {
        this.#sequence += 1n;
        results[index] = { ShardId: this.#store(record), SequenceNumber: String(this.#sequence) };
        if (isTold) this.told.add(record.data);
      } else {
        const isThrottled = became === 'throttled';
        results[index] = {
          ErrorCode: isThrottled ? 'ProvisionedThroughputExceededException' : 'InternalFailure',
          ErrorMessage: isThrottled ? 'Rate exceeded for shard' : 'Internal Service Failure',
        };
      }
    }
    return results;
  }

  #store(record: SentRecord): string {
    const shard = `shardId-00000000000${(record.key.codePointAt(0) ?? 0) % 2}`;
    const stored = this.shards.get(shard) ?? [];
    stored.push({ ...record, sequence: this.#sequence });
    this.shards.set(shard, stored);
    return shard;
  }
}

/** A clock that stands still until a test wakes the one who sleeps the shortest. */
export class FakeTime {
  nowMs = 0;
  readonly sleeps: number[] = [];
  readonly #sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];

  readonly clock = (): number => this.nowMs;

  readonly sleep = (ms: number): Promise<void> => {
    this.sleeps.push(ms);
    return new Promise((wake) => {
      this.#sleepers.push({ atMs: this.nowMs + ms, wake });
      this.#sleepers.sort((a, b) => a.atMs - b.atMs);
    });
  };

  get hasSleepers(): boolean {
    return this.#sleepers.length > 0;
  }

  wakeNext(): void {
    const next = this.#sleepers.shift();
    if (next === undefined) throw new Error('nobody sleeps');
    this.nowMs = Math.max(this.nowMs, next.atMs);
    next.wake();
  }
}

function shuffled(length: number, random: () => number): readonly number[] {
  const order = Array.from({ length }, (_, index) => ({ index, rank: random() }));
  return order.sort((a, b) => a.rank - b.rank).map(({ index }) => index);
}

import { crc32 } from 'node:zlib';
import type { PutRecordsCommand, PutRecordsCommandOutput } from '@aws-sdk/client-kinesis';
import type { PutsRecords } from '../../../src/adapters/aws/kinesis-event-log.ts';
import type { Scheduler } from './clock.ts';

export interface StreamRecord {
  readonly sequence: bigint;
  readonly partitionKey: string;
  readonly data: Uint8Array;
  readonly arrivedAtMs: number;
}

export interface Shard {
  readonly id: string;
  /** Hashes of partition keys in [from, to). */
  readonly from: number;
  readonly to: number;
  /** Those that it was made of; its records are read when theirs are done. */
  readonly parents: readonly Shard[];
  readonly records: StreamRecord[];
  /** Split or merged: it takes nothing any more. */
  isClosed: boolean;
}

type SentRecord = NonNullable<PutRecordsCommand['input']['Records']>[number];

const HASHES = 2 ** 32;
/** Of two shards the one that was opened later has the higher sequences, whatever it takes later than the other. */
const SEQUENCES_OF_SHARD = 1_000_000n;

/**
 * As much of a Kinesis stream as a collector sees of it (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html):
 * a call fails whole, or record by record; no order is promised within one; it may have taken place though its answer is lost, and one that was
 * given up may still be delivered, later.
 */
export class SimulatedStream {
  readonly shards: Shard[] = [];
  readonly #scheduler: Scheduler;
  readonly #trouble: number;
  #failsUntilMs = 0;
  /** Calls that were given up, and will be delivered all the same. */
  #underWay = 0;

  constructor(scheduler: Scheduler, { trouble }: { readonly trouble: number }) {
    this.#scheduler = scheduler;
    this.#trouble = trouble;
    this.#open(0, HASHES, []);
  }

  get isQuiet(): boolean {
    return this.#underWay === 0;
  }

  get client(): PutsRecords {
    return { send: (command) => this.#put(command.input.Records ?? []) };
  }

  /** From now on for so long no call is answered. */
  fail({ ms }: { readonly ms: number }): void {
    this.#failsUntilMs = this.#scheduler.now() + ms;
    this.#scheduler.note(`the stream fails for ${ms} ms`);
  }

  /** A shard is split in two, or two that are neighbours become one. */
  reshard(): void {
    const open = this.shards.filter(({ isClosed }) => !isClosed).sort((a, b) => a.from - b.from);
    const place = this.#scheduler.below(open.length);
    const [one, other] = [open[place], open[place + 1]];
    if (one === undefined) return;
    one.isClosed = true;
    if (other !== undefined && this.#scheduler.chance(0.5)) {
      other.isClosed = true;
      this.#open(one.from, other.to, [one, other]);
    } else {
      const middle = Math.floor((one.from + one.to) / 2);
      this.#open(one.from, middle, [one]);
      this.#open(middle, one.to, [one]);
    }
  }

  #open(from: number, to: number, parents: readonly Shard[]): void {
    const id = `shardId-${String(this.shards.length).padStart(12, '0')}`;
    this.shards.push({ id, from, to, parents, records: [], isClosed: false });
    this.#scheduler.note(`${id} opens`);
  }

  async #put(sent: readonly SentRecord[]): Promise<PutRecordsCommandOutput> {
    const { chance, sleep, below } = bound(this.#scheduler);
    await sleep(below(80));
    if (this.#scheduler.now() < this.#failsUntilMs || chance(this.#trouble)) {
      if (chance(0.1)) void this.#deliverLate(sent);
      throw lost();
    }
    const answer = this.#take(sent);
    await sleep(below(80));
    if (chance(this.#trouble)) throw lost();
    return answer;
  }

  async #deliverLate(sent: readonly SentRecord[]): Promise<void> {
    this.#underWay += 1;
    await this.#scheduler.sleep(this.#scheduler.below(20_000));
    this.#take(sent);
    this.#underWay -= 1;
  }

  #take(sent: readonly SentRecord[]): PutRecordsCommandOutput {
    const { chance, below } = bound(this.#scheduler);
    const order = sent.map((_, place) => place);
    for (let last = order.length - 1; last > 0; last -= 1) {
      const other = below(last + 1);
      [order[last], order[other]] = [order[other] ?? 0, order[last] ?? 0];
    }
    const results: NonNullable<PutRecordsCommandOutput['Records']> = [];
    for (const place of order) {
      const { PartitionKey = '', Data = new Uint8Array() } = sent[place] ?? {};
      if (chance(this.#trouble)) {
        results[place] = { ErrorCode: 'ProvisionedThroughputExceededException', ErrorMessage: 'slow down' };
        continue;
      }
      const hash = crc32(PartitionKey);
      const shard = this.shards.find(({ from, to, isClosed }) => !isClosed && hash >= from && hash < to);
      if (shard === undefined) throw new Error('the open shards have every hash');
      const sequence =
        BigInt(this.shards.indexOf(shard)) * SEQUENCES_OF_SHARD +
        ((shard.records.at(-1)?.sequence ?? 0n) % SEQUENCES_OF_SHARD) +
        BigInt(1 + below(3));
      shard.records.push({ sequence, partitionKey: PartitionKey, data: Data, arrivedAtMs: this.#scheduler.now() });
      results[place] = { ShardId: shard.id, SequenceNumber: String(sequence) };
    }
    return { Records: results, $metadata: {} };
  }
}

function bound(scheduler: Scheduler) {
  return {
    chance: (probability: number) => scheduler.chance(probability),
    below: (most: number) => scheduler.below(most),
    sleep: scheduler.sleep,
  };
}

function lost(): Error {
  return Object.assign(new Error('the answer was lost'), { name: 'TimeoutError' });
}

import type { TableClient } from '../../../src/adapters/aws/dynamo-client.ts';
import { DynamoEventStore } from '../../../src/adapters/aws/dynamo-event-store.ts';
import { HalfPut } from '../../../src/adapters/aws/half-put.ts';
import type { KinesisBatchResponse } from '../../../src/adapters/aws/kinesis-records.ts';
import { eventsIn } from '../../../src/main/given-up-records.ts';
import { createProcessHandler } from '../../../src/main/process-handler.ts';
import { LEDGER, ledgerRows } from '../../../src/process/views/ledger.ts';
import type { Scheduler } from './clock.ts';
import type { Fault } from './fault.ts';
import type { Shard, SimulatedStream, StreamRecord } from './stream.ts';
import { type SimulatedTable, TABLES } from './table.ts';

/** As in infra/lib. */
const TIMEOUT_MS = 60_000;
/** Whatever a function began goes on no longer, as long as Lambda lets any function run (`erasureDelayMs`). */
const LIFE_MS = 14 * 60_000;

type Handler = ReturnType<typeof createProcessHandler>;

interface Environment {
  readonly handle: Handler;
  readonly endsAtMs: number;
  /** Its program is the one of its start: after a deployment no new invocation comes to it. */
  readonly views: Fault['views'];
  isBusy: boolean;
}

export interface FunctionParts {
  readonly scheduler: Scheduler;
  readonly table: SimulatedTable;
  readonly fault: Fault;
  /** How often a call hangs, and how often a batch is sent twice: probabilities. */
  readonly stalls: number;
  readonly twice: number;
}

/**
 * The processor's function and what drives it: an event source mapping a shard, which sends batches from the checkpoint on, again until they are
 * done, cut in two when the function throws or times out, from the record that an answer names on, and now and then one twice. A child shard waits for
 * its parents. What timed out goes on all the same.
 */
export class Functions {
  readonly #parts: FunctionParts;
  readonly #environments: Environment[] = [];
  readonly #tries = new Map<string, number>();
  /** How many records of each shard are done with. */
  readonly #checkpoints = new Map<Shard, number>();
  #attempts = 0;
  #isOver = false;

  constructor(parts: FunctionParts) {
    this.#parts = parts;
  }

  /** A store as each function has one, of one that lives as long as it. */
  newStore(client: TableClient): DynamoEventStore {
    const { scheduler, fault } = this.#parts;
    return new DynamoEventStore({
      client,
      tables: TABLES,
      folds: [...fault.views, { ...ledgerRows, ...LEDGER }],
      journalItemsMax: scheduler.below(4),
      clock: scheduler.now,
      halfPut: new HalfPut({ client, tables: TABLES, eventsIn }),
      attempt: () => {
        this.#attempts += 1;
        return `attempt-${this.#attempts}`;
      },
    });
  }

  clientUntil(endsAtMs: number): TableClient {
    const { scheduler, table, stalls } = this.#parts;
    const alive = () => (scheduler.now() < endsAtMs ? Promise.resolve() : new Promise<void>(() => undefined));
    return table.clientOf(alive, { stalls });
  }

  /** Until `stop`, and then until every shard is done. */
  async follow(stream: SimulatedStream): Promise<void> {
    this.#isOver = false;
    const mapped = new Map<Shard, Promise<void>>();
    while (!this.#isOver || !stream.isQuiet || !stream.shards.every((shard) => this.#isDone(shard))) {
      for (const shard of stream.shards) {
        const isNext = shard.parents.every((parent) => parent.isClosed && this.#isDone(parent));
        if (isNext && !mapped.has(shard)) mapped.set(shard, this.#map(shard, stream));
      }
      await this.#parts.scheduler.sleep(500);
    }
    await Promise.all(mapped.values());
  }

  stop(): void {
    this.#isOver = true;
  }

  #isDone(shard: Shard): boolean {
    return this.#checkpoints.get(shard) === shard.records.length;
  }

  async #map(shard: Shard, stream: SimulatedStream): Promise<void> {
    const { scheduler } = this.#parts;
    const bisects = scheduler.chance(0.7);
    for (let place = this.#checkpoints.get(shard) ?? 0; ; ) {
      this.#checkpoints.set(shard, place);
      const left = shard.records.length - place;
      if (left === 0) {
        if (shard.isClosed || (this.#isOver && stream.isQuiet)) return;
        await scheduler.sleep(200 + scheduler.below(1_000));
        continue;
      }
      // Two pollers at once, for a while: what is done, or under way, comes again.
      if (scheduler.chance(this.#parts.twice)) {
        const again = shard.records.slice(Math.max(0, place - 2), place + 3);
        void this.#invoke(shard, again).catch(() => undefined);
      }
      let size = 1 + scheduler.below(Math.min(left, 8));
      while (size > 0) {
        const batch = shard.records.slice(place, place + size);
        const response = await this.#invoke(shard, batch).catch(() => undefined);
        const failed = response?.batchItemFailures[0]?.itemIdentifier;
        if (response === undefined) {
          if (bisects) size = Math.max(1, Math.floor(size / 2));
        } else {
          const taken = failed === undefined ? size : batch.findIndex(({ sequence }) => String(sequence) === failed);
          if (taken < 0) throw new Error('an answer names a record that is not of its batch');
          place += taken;
          size -= taken;
        }
        if (size > 0) await scheduler.sleep(scheduler.below(2_000));
      }
    }
  }

  /** Rejects when the function throws or takes too long. */
  async #invoke(shard: Shard, records: readonly StreamRecord[]): Promise<KinesisBatchResponse> {
    const { scheduler } = this.#parts;
    const environment = this.#idle() ?? this.#newEnvironment();
    environment.isBusy = true;
    const untilMs = scheduler.now() + TIMEOUT_MS;
    const name = `${shard.id.slice(-2)} ${records[0]?.sequence} to ${records.at(-1)?.sequence}`;
    const event = { Records: records.map((record) => recordOf(shard, record)) };
    const late = Promise.withResolvers<never>();
    const cancel = scheduler.timer(TIMEOUT_MS, () => late.reject(new Error('the function timed out')));
    try {
      const work = environment.handle(event, { getRemainingTimeInMillis: () => untilMs - scheduler.now() });
      work.catch(() => undefined);
      const response = await Promise.race([work, late.promise]);
      scheduler.note(`${name} answered ${JSON.stringify(response.batchItemFailures)}`);
      environment.isBusy = false;
      return response;
    } catch (thrown) {
      scheduler.note(`${name} failed: ${String(thrown)}`);
      // One that threw is used again; one that timed out is not.
      environment.isBusy = scheduler.now() >= untilMs;
      throw thrown;
    } finally {
      cancel();
    }
  }

  #idle(): Environment | undefined {
    const { scheduler, fault } = this.#parts;
    const idle = this.#environments.filter(
      ({ isBusy, endsAtMs, views }) => !isBusy && endsAtMs > scheduler.now() + TIMEOUT_MS && views === fault.views,
    );
    return scheduler.chance(0.8) ? idle[scheduler.below(idle.length)] : undefined;
  }

  #newEnvironment(): Environment {
    const { scheduler, fault } = this.#parts;
    const { views } = fault;
    const endsAtMs = scheduler.now() + LIFE_MS;
    const key = (lane: string, sequence: bigint) => `${lane} ${sequence}`;
    const handle = createProcessHandler({
      newStore: () => this.newStore(this.clientUntil(endsAtMs)),
      views,
      attempts: {
        begin: async (lane, sequence) => {
          await scheduler.turn();
          const tries = (this.#tries.get(key(lane, sequence)) ?? 0) + 1;
          this.#tries.set(key(lane, sequence), tries);
          return tries;
        },
        clear: async (lane, sequence) => {
          await scheduler.turn();
          this.#tries.delete(key(lane, sequence));
        },
      },
      deadLetters: { put: () => scheduler.turn() },
      clock: scheduler.now,
      report: (what, fault) => scheduler.note(`${what}: ${String(fault)}`),
    });
    const environment = { handle, endsAtMs, views, isBusy: false };
    this.#environments.push(environment);
    return environment;
  }
}

function recordOf(shard: Shard, { sequence, partitionKey, data, arrivedAtMs }: StreamRecord) {
  return {
    eventID: `${shard.id}:${sequence}`,
    eventSourceARN: 'arn:aws:kinesis:us-east-1:000000000000:stream/events',
    kinesis: {
      sequenceNumber: String(sequence),
      partitionKey,
      data: Buffer.from(data).toString('base64'),
      approximateArrivalTimestamp: arrivedAtMs / 1_000,
    },
  };
}

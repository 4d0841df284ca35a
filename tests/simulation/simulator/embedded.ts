import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EMBEDDED_LANE, type EmbeddedEventLog, openEventLog } from '../../../src/adapters/embedded/event-log.ts';
import { openEventReader } from '../../../src/adapters/embedded/event-reader.ts';
import { openEventStore, type SqliteEventStore } from '../../../src/adapters/embedded/event-store.ts';
import { LogProgress } from '../../../src/adapters/embedded/log-progress.ts';
import { LogReader } from '../../../src/adapters/embedded/log-reader.ts';
import { ClickstreamError } from '../../../src/core/errors.ts';
import type { LaneRecord } from '../../../src/log/event-log.ts';
import { decodeRecord } from '../../../src/log/record.ts';
import { processBatch, seal } from '../../../src/pipeline.ts';
import { positionId } from '../../../src/query/cursor.ts';
import { createRedrive } from '../../../src/query/dead.ts';
import { FaultFiles, type Faults } from '../fault-files.ts';
import type { Ended } from './check.ts';
import { eventLoopTurned, type Scheduler } from './clock.ts';
import { arrivalOf, SimulatedCollector } from './collector.ts';
import { loseStore, newFolder, type StoreDisk } from './disk.ts';
import { Fault } from './fault.ts';
import { Senders } from './senders.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const LOG_FOLDER = '/data/log';

/** What a history on one machine came to. Its folder goes with `close`. */
export interface EmbeddedEnded extends Ended {
  readonly alarms: readonly string[];
  readonly close: () => Promise<void>;
}

/** A history on one machine: starts, losses of power, kills, and disks that fail, are short or full, in between. */
export async function playEmbedded(scheduler: Scheduler, planted: Faults['planted']): Promise<EmbeddedEnded> {
  const root = newFolder();
  try {
    const machine = new Machine(scheduler, { root, planted });
    await scheduler.play(() => machine.play(), eventLoopTurned);
    return machine.ended();
  } catch (thrown) {
    rmSync(root, { recursive: true });
    throw thrown;
  }
}

/** One start of the program, until it is stopped. */
interface Life {
  readonly store: SqliteEventStore;
  readonly log: EmbeddedEventLog;
  readonly logReader: LogReader;
  readonly collector: SimulatedCollector;
  isOver: boolean;
}

class Machine {
  readonly #scheduler: Scheduler;
  readonly #root: string;
  readonly #planted: Faults['planted'];
  readonly #fault = new Fault();
  readonly #senders: Senders;
  readonly #alarms: string[] = [];
  /** Every record that was processed, as it was read: the log's own files go once they are done. */
  readonly #records = new Map<bigint, Uint8Array>();
  #disk: StoreDisk;
  #files: FaultFiles;
  /** Open from before the log is, which may not be to be had. */
  #store: SqliteEventStore | undefined;
  #life: Life | undefined;
  #lives = 0;
  /** Of the last record before what makes the core throw was mended. */
  #mendedAfter = -1n;

  constructor(scheduler: Scheduler, { root, planted }: { readonly root: string; readonly planted: Faults['planted'] }) {
    this.#scheduler = scheduler;
    this.#root = root;
    this.#planted = planted;
    this.#senders = new Senders(scheduler);
    this.#disk = { folder: join(root, 'store-0'), durableWal: Buffer.alloc(0) };
    this.#files = new FaultFiles(scheduler.random);
  }

  async play(): Promise<void> {
    await this.#session(async () => undefined);
    await this.#calmly(async ({ log }) => {
      this.#mendedAfter = log.end;
    });
    this.#fault.mend();
    this.#scheduler.note('mended');
    await this.#session(() => this.#redrive());
    await this.#calmly(async ({ store, collector }) => {
      await collector.tell(store);
      // Of collectors that are long over nothing is left but totals, on which the check then goes.
      if (this.#scheduler.chance(0.5)) await this.#seal(store, this.#scheduler.now() + 10 * DAY_MS);
    });
  }

  ended(): EmbeddedEnded {
    const reader = openEventReader({ folder: this.#disk.folder });
    const { sent } = this.#senders;
    const inOrder = [...this.#records].sort(([a], [b]) => (a < b ? -1 : 1));
    const arrivals = inOrder.map(([sequence, data]) =>
      arrivalOf({ lane: EMBEDDED_LANE, sequence, data }, { sent, isMended: sequence > this.#mendedAfter }),
    );
    const log = async () => ({ records: [], findings: [] });
    const close = async () => {
      await reader.close();
      rmSync(this.#root, { recursive: true });
    };
    const nowMs = this.#scheduler.now();
    return { reader, sent, arrivals, nowMs, log, isHiding: false, alarms: this.#alarms, close };
  }

  /** Senders, and what else is asked meanwhile, over starts and stops. */
  async #session(beside: () => Promise<void>): Promise<void> {
    const { below } = drawsOf(this.#scheduler);
    let isOver = false;
    const senders = Array.from({ length: 1 + below(3) }, () =>
      this.#senders.run((body) => this.#door(body), 1 + below(4)),
    );
    const work = Promise.all([...senders, beside(), this.#others()]).finally(() => {
      isOver = true;
    });
    work.catch(() => undefined);
    while (!isOver) {
      const files = this.#files;
      this.#troubleDisk(files);
      const down = files.stopAfter(below(250));
      const stopped = await Promise.race([down.then(() => true), this.#live(files, () => isOver).then(() => false)]);
      if (
        stopped ||
        this.#scheduler.chance(0.5) ||
        !(await Promise.race([down.then(() => false), this.#close().then(() => true)]))
      )
        await this.#stop(files);
      await this.#scheduler.sleep(below(5_000));
    }
    await work;
  }

  /** A start on a disk without trouble: everything durable is processed and synced, and then the server stops. */
  async #calmly(work: (life: Life) => Promise<void>): Promise<void> {
    const life = await this.#start(this.#files);
    if (life === undefined) throw new Error('the log cannot be opened on a disk without trouble');
    await this.#process(life, { all: true });
    await work(life);
    await this.#sync(life);
    await this.#close();
  }

  #troubleDisk(files: FaultFiles): void {
    const { below, chance } = drawsOf(this.#scheduler);
    if (this.#planted !== undefined) files.faults.planted = this.#planted;
    files.faults.turn = this.#scheduler.turn;
    files.faults.shortWrites = chance(0.3);
    if (chance(0.3)) files.faults.failing = () => chance(0.05);
    if (chance(0.2)) files.faults.capacityBytes = files.bytes + below(30_000);
  }

  async #start(files: FaultFiles): Promise<Life | undefined> {
    // With each batch, or hardly ever: after the loss they are counted anew.
    const msMax = this.#scheduler.chance(0.5) ? 0 : Number.POSITIVE_INFINITY;
    const { views } = this.#fault;
    this.#lives += 1;
    const store = openEventStore({ folder: this.#disk.folder, lateness: { views, msMax } });
    this.#store = store;
    const { done } = await processBatch({ lane: EMBEDDED_LANE, records: [], steps: { views } }, store);
    const progress = new LogProgress();
    const { now: clock, timer } = this.#scheduler;
    const place = { folder: LOG_FOLDER, files, progress };
    const limits = { segmentBytes: 16_384, groupBytesMax: 8_192, unprocessedBytesMax: Number.POSITIVE_INFINITY };
    const onFinding = ({ kind }: { readonly kind: string }) => {
      this.#scheduler.note(`the log: ${kind}`);
      if (kind !== 'torn_tail_cut') this.#alarms.push(`the log was damaged by a stop: ${kind}`);
    };
    const opening = openEventLog({ ...place, clock, timer, limits, atLeast: done, onFinding });
    const log = await opening.catch((thrown: unknown) => {
      // A disk that fails while the log is mended: the server does not start.
      if (thrown instanceof ClickstreamError && thrown.code === 'data_unusable') return undefined;
      throw thrown;
    });
    if (log === undefined) return undefined;
    const collector = new SimulatedCollector({ log, name: `collector-${this.#lives}`, clock });
    const logReader = new LogReader({ ...place, after: done, onFinding });
    const life = { store, log, logReader, collector, isOver: false };
    this.#life = life;
    this.#scheduler.note(`start ${this.#lives}, done is ${done}`);
    return life;
  }

  async #live(files: FaultFiles, isAsked: () => boolean): Promise<void> {
    const { below, chance, sleep } = drawsOf(this.#scheduler);
    const life = await this.#start(files);
    if (life === undefined) return;
    while (!life.isOver && !isAsked()) {
      // Nothing is missed by looking seldom: it is the order that is drawn.
      await sleep(chance(0.5) ? below(1_000) : below(10 * MINUTE_MS));
      if (life.isOver) return;
      if (chance(0.6)) await this.#process(life, { all: false });
      if (chance(0.1)) await life.collector.tell(life.store);
      if (chance(0.1)) await life.store.settle();
      if (chance(0.1)) await this.#seal(life.store, this.#scheduler.now());
      if (chance(0.1)) await this.#trim(life);
    }
  }

  /** Also what was processed already comes again, as a consumer's retry would bring it. */
  async #process({ logReader, store }: Life, { all }: { readonly all: boolean }): Promise<void> {
    const { below, chance } = drawsOf(this.#scheduler);
    for (;;) {
      const records = logReader.read({ bytesMax: 1 + below(4_000) });
      const again = chance(0.3) ? this.#recordsBefore(records[0]?.sequence).slice(-1 - below(3)) : [];
      for (const { sequence, data } of records) {
        const known = this.#records.get(sequence);
        if (known !== undefined && !Buffer.from(known).equals(data))
          this.#alarms.push(`record ${sequence} is another than it was`);
        this.#records.set(sequence, Buffer.from(data));
      }
      const steps = { views: this.#fault.views };
      if (records.length > 0) this.#scheduler.note(`processes ${records[0]?.sequence} to ${records.at(-1)?.sequence}`);
      // An erasure ends the batch before it.
      for (let rest = [...again, ...records]; rest.length > 0; ) {
        const { done } = await processBatch({ lane: EMBEDDED_LANE, records: rest, steps }, store);
        rest = rest.filter(({ sequence }) => sequence > done);
      }
      if (!all || records.length === 0) return;
    }
  }

  #recordsBefore(sequence: bigint | undefined): readonly LaneRecord[] {
    const all = [...this.#records].map(([own, data]): LaneRecord => ({ sequence: own, data }));
    return all
      .filter((record) => sequence === undefined || record.sequence < sequence)
      .sort((a, b) => (a.sequence < b.sequence ? -1 : 1));
  }

  async #sync(life: Life): Promise<bigint> {
    const done = (await life.store.sync()).get(EMBEDDED_LANE) ?? -1n;
    this.#scheduler.note(`synced, done is ${done}`);
    this.#disk.durableWal = readFileSync(join(this.#disk.folder, 'store.sqlite-wal'));
    return done;
  }

  /** As if the retention were over at once: all that is processed for good may go. */
  async #trim(life: Life): Promise<void> {
    const doneAndDurable = await this.#sync(life);
    // A disk that fails here leaves segments that could have gone, and no more; the server reports it and goes on.
    await life.log.trim({ doneAndDurable, nowMs: this.#scheduler.now() + 10 * DAY_MS }).catch(() => undefined);
  }

  async #seal(store: SqliteEventStore, nowMs: number): Promise<void> {
    this.#scheduler.note('seals');
    const reader = openEventReader({ folder: this.#disk.folder });
    await seal({ reader, store, nowMs, blockNumbers: 1 + this.#scheduler.below(3) });
    await reader.close();
  }

  /** The power fails, or the process is killed: of what was not synced, the former may take back anything. */
  async #stop(files: FaultFiles): Promise<void> {
    const isLoss = this.#scheduler.chance(0.7);
    this.#scheduler.note(isLoss ? 'the power fails' : 'kill -9');
    this.#files = isLoss ? files.powerLoss() : files.kill();
    if (this.#life !== undefined) this.#life.isOver = true;
    this.#life = undefined;
    if (isLoss) this.#disk = loseStore(this.#disk, join(this.#root, `store-${this.#lives}`), this.#scheduler.random);
    await this.#closeStore({ isLoss });
  }

  /** As a signal does it. */
  async #close(): Promise<void> {
    const life = this.#life;
    if (life === undefined) {
      await this.#closeStore({ isLoss: false });
      this.#files = this.#files.kill();
      return;
    }
    life.isOver = true;
    this.#scheduler.note('stops');
    const files = this.#files;
    await life.log.close().catch(() => undefined);
    this.#life = undefined;
    await this.#process(life, { all: true });
    await this.#sync(life);
    await this.#closeStore({ isLoss: false });
    this.#files = files.kill();
  }

  /** Closing moves the write-ahead log into the database, durably, and ends it. After a loss it is closed where nobody looks any more. */
  async #closeStore({ isLoss }: { readonly isLoss: boolean }): Promise<void> {
    await this.#store?.close();
    this.#store = undefined;
    if (!isLoss) this.#disk.durableWal = Buffer.alloc(0);
  }

  async #door(body: Buffer): Promise<void> {
    if (this.#life === undefined) throw new ClickstreamError('log_unavailable', 'nobody listens');
    await this.#life.collector.take(body);
  }

  async #others(): Promise<void> {
    const { below, chance, sleep } = drawsOf(this.#scheduler);
    for (let left = below(4); left > 0; left -= 1) {
      await sleep(below(20 * MINUTE_MS));
      if (chance(0.2)) await this.#again((life) => life.collector.erase(`device-${below(3)}`));
      else if (chance(0.3))
        await this.#replay([...this.#records.values()].slice(below(this.#records.size)).slice(0, 3));
      if (this.#scheduler.apart() < 0.2) await this.#erasePerson();
    }
  }

  async #erasePerson(): Promise<void> {
    const id = `user-${Math.floor(this.#scheduler.apart() * 2)}`;
    this.#scheduler.note(`erases ${id}`);
    await this.#again(async ({ collector }) => {
      const reader = openEventReader({ folder: this.#disk.folder });
      await collector.erasePerson(id, reader).finally(() => reader.close());
    });
    if (this.#scheduler.apart() < 0.5) await this.#replay([...this.#records.values()]);
  }

  async #replay(some: readonly Uint8Array[]): Promise<void> {
    const records = some.map((data) => decodeRecord(data)).filter(({ header }) => header.kind === 'events');
    this.#scheduler.note(`replays ${records.length} records`);
    if (records.length > 0) await this.#again((life) => life.collector.redriver.appendAll(records));
  }

  async #redrive(): Promise<void> {
    const list = async () => {
      const reader = openEventReader({ folder: this.#disk.folder });
      const found = await reader.snapshot((reads) => reads.dead(1_000));
      await reader.close();
      return found.map(({ lane, sequence }) => ({ lane, sequence }));
    };
    for (const place of await this.#again(list)) {
      await this.#again(async ({ collector, store }) => {
        const redrive = createRedrive({
          find: async ({ lane, sequence }) => {
            const reader = openEventReader({ folder: this.#disk.folder });
            const found = await reader.snapshot((reads) => reads.deadAt({ lane, sequence }));
            await reader.close();
            return found;
          },
          append: (payload) => collector.redriver.append(payload),
          mark: (lane, sequence, position) => store.markRedriven(lane, sequence, position),
        });
        await redrive(positionId({ ...place, index: 0 }));
      });
    }
  }

  /** Until it works. Of one whose server stops meanwhile nothing is heard: it is asked for again. */
  async #again<T>(work: (life: Life) => Promise<T>): Promise<T> {
    for (;;) {
      await this.#scheduler.sleep(1_000 + this.#scheduler.below(5_000));
      const life = this.#life;
      if (life === undefined) continue;
      try {
        const outcome = await Promise.race([work(life).then((value) => ({ value })), this.#scheduler.sleep(30_000)]);
        if (outcome !== undefined) return outcome.value;
      } catch (thrown) {
        if (thrown instanceof ClickstreamError && thrown.retriable) continue;
        throw thrown;
      }
    }
  }
}

function drawsOf(scheduler: Scheduler) {
  return {
    below: (bound: number) => scheduler.below(bound),
    chance: (probability: number) => scheduler.chance(probability),
    sleep: scheduler.sleep,
  };
}

import { DynamoTable } from '../../../src/adapters/aws/dynamo-client.ts';
import { DynamoErasures } from '../../../src/adapters/aws/dynamo-erasures.ts';
import { DynamoEventReader } from '../../../src/adapters/aws/dynamo-event-reader.ts';
import { KinesisEventLog, type PutsRecords } from '../../../src/adapters/aws/kinesis-event-log.ts';
import { ClickstreamError } from '../../../src/core/errors.ts';
import type { LaneRecord } from '../../../src/log/event-log.ts';
import { decodeRecord } from '../../../src/log/record.ts';
import { answer, seal } from '../../../src/pipeline.ts';
import { positionId } from '../../../src/query/cursor.ts';
import { createRedrive } from '../../../src/query/dead.ts';
import type { LogView } from '../../../src/query/ledger-reading.ts';
import type { Ended } from './check.ts';
import { promisesSettled, type Scheduler } from './clock.ts';
import { arrivalOf, SimulatedCollector } from './collector.ts';
import { Fault } from './fault.ts';
import { Functions } from './functions.ts';
import { Senders } from './senders.ts';
import { SimulatedStream } from './stream.ts';
import { SimulatedTable, TABLES } from './table.ts';

const MINUTE_MS = 60_000;
const FOREVER_MS = Number.MAX_SAFE_INTEGER;

/** What a history on AWS came to. */
export interface AwsEnded extends Ended {
  /** What audits said wrongly meanwhile. */
  readonly alarms: readonly string[];
  readonly fault: Fault;
  /** As `arrivals`. */
  readonly records: readonly (LaneRecord & { readonly lane: string; readonly isMended: boolean })[];
}

export async function playOnAws(scheduler: Scheduler): Promise<AwsEnded> {
  const history = new AwsHistory(scheduler);
  await scheduler.play(() => history.play(), promisesSettled);
  return history.ended();
}

class AwsHistory {
  readonly #scheduler: Scheduler;
  readonly #stream: SimulatedStream;
  readonly #table: SimulatedTable;
  readonly #fault = new Fault();
  readonly #functions: Functions;
  readonly #senders: Senders;
  readonly #alarms: string[] = [];
  readonly #collectors: SimulatedCollector[] = [];
  /** What lay in each shard when all that came was processed: before a person was erased, and before the fault was mended. */
  readonly #parts: ReadonlyMap<string, number>[] = [];
  readonly #auditsUnderWay: Promise<void>[] = [];
  #collectorsMade = 0;
  #isOver = false;
  #isHiding = true;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
    const oneOf = (values: readonly number[]) => values[scheduler.below(values.length)] ?? 0;
    this.#stream = new SimulatedStream(scheduler, { trouble: oneOf([0, 0.01, 0.05]) });
    this.#table = new SimulatedTable(scheduler, { trouble: oneOf([0, 0.003, 0.03]) });
    const [stalls, twice] = [oneOf([0, 0.004, 0.015]), oneOf([0.05, 0.3])];
    this.#functions = new Functions({ scheduler, table: this.#table, fault: this.#fault, stalls, twice });
    this.#senders = new Senders(scheduler);
  }

  /** Until everything that was sent is processed, twice: what made the core throw is mended in between, and its records are put back. */
  async play(): Promise<void> {
    const auditing = this.#audits();
    await this.#session(async () => undefined);
    this.#endPart();
    if (this.#scheduler.apart() < 0.4) {
      const all = this.#stream.shards.flatMap(({ records }) => records);
      await this.#quietly(() => this.#erasePerson());
      this.#endPart();
      if (this.#scheduler.apart() < 0.5) await this.#quietly(() => this.#replay(all));
    }
    this.#endPart();
    this.#fault.mend();
    this.#scheduler.note('mended');
    await this.#session(() => this.#redrive());
    // Every try that was begun is over, and what was erased may be deleted.
    await this.#scheduler.sleep(20 * MINUTE_MS);
    this.#isOver = true;
    await Promise.all([auditing, ...this.#auditsUnderWay]);
    for (const collector of this.#collectors) await this.#again(() => collector.tell(this.#store()));
    this.#table.calm();
    // Else they are left hidden: those of a lane are deleted by its next batch.
    if (this.#scheduler.chance(0.5)) await this.#deleteErased();
  }

  async #deleteErased(): Promise<void> {
    const { client } = this.#table.dynamo;
    const [events, state] = [new DynamoTable(client, TABLES.events), new DynamoTable(client, TABLES.state)];
    const erasures = new DynamoErasures({ events, state, delayMs: 0 });
    await erasures.delete((await erasures.pending()).all);
    this.#isHiding = false;
  }

  ended(): AwsEnded {
    const { sent } = this.#senders;
    const records = [...this.#parts, undefined].flatMap((end, part) =>
      this.#stream.shards.flatMap(({ id: lane, records: own }) => {
        const from = this.#parts[part - 1]?.get(lane) ?? 0;
        const isMended = end === undefined;
        const came = own.slice(from, isMended ? undefined : (end.get(lane) ?? 0));
        return came.map(({ sequence, data, arrivedAtMs }) => ({ lane, sequence, data, arrivedAtMs, isMended }));
      }),
    );
    const arrivals = records.map((record) => arrivalOf(record, { sent, isMended: record.isMended }));
    const reader = new DynamoEventReader({ client: this.#table.dynamo.client, tables: TABLES });
    const nowMs = this.#scheduler.now();
    const lanes = new Map(this.#stream.shards.map(({ id }) => [id, nowMs]));
    const log = async () => ({ findings: [], lanes });
    const { fault, alarms, isHiding } = { fault: this.#fault, alarms: this.#alarms, isHiding: this.#isHiding };
    return { reader, sent, records, arrivals, nowMs, log, isHiding, alarms, fault };
  }

  /** Some senders, and what else goes on beside them; then all of it is processed. */
  async #session(beside: () => Promise<void>): Promise<void> {
    const { below, chance, sleep } = drawsOf(this.#scheduler);
    const following = this.#functions.follow(this.#stream);
    const others = async () => {
      await beside();
      for (let left = below(4); left > 0; left -= 1) {
        await sleep(below(20 * MINUTE_MS));
        const deed = below(4);
        if (deed === 0) this.#stream.reshard();
        else if (deed === 1 && chance(0.5)) await this.#erase(`device-${below(3)}`);
        else if (deed === 2) await this.#replay(this.#drawn());
        else
          await this.#collector()
            .tell(this.#store())
            .catch(() => undefined);
      }
    };
    const senders = Array.from({ length: 1 + below(3) }, () =>
      this.#senders.run((body) => this.#door(body), 1 + below(4)),
    );
    await Promise.all([...senders, others()]);
    this.#functions.stop();
    await following;
  }

  async #door(body: Buffer): Promise<void> {
    const { chance } = drawsOf(this.#scheduler);
    // A function environment ends whenever it likes: nobody hears of it, or of what it was asked.
    if (chance(0.05) && this.#collectors.length > 0)
      this.#collectors.splice(this.#scheduler.below(this.#collectors.length), 1);
    if (chance(0.15)) this.#auditsUnderWay.push(this.#auditSoon());
    if (chance(0.04)) this.#stream.fail({ ms: this.#scheduler.below(20_000) });
    const collector = this.#collector();
    await collector.take(body);
    if (chance(0.3)) await collector.tell(this.#store()).catch(() => undefined);
  }

  /** While this request, and those beside it, are under way. */
  async #auditSoon(): Promise<void> {
    await this.#scheduler.sleep(this.#scheduler.below(2_000));
    await this.#audit(this.#reader());
  }

  #collector(): SimulatedCollector {
    const known = this.#collectors[this.#scheduler.below(3)];
    if (known !== undefined) return known;
    this.#collectorsMade += 1;
    const { now: clock, sleep, random } = this.#scheduler;
    const name = `collector-${this.#collectorsMade}`;
    const client: PutsRecords = {
      send: (command) =>
        this.#collectors.includes(made) ? this.#stream.client.send(command) : new Promise(() => undefined),
    };
    const log = new KinesisEventLog({ client, stream: 'events', clock, sleep, random });
    const made: SimulatedCollector = new SimulatedCollector({ log, name, clock });
    this.#collectors.push(made);
    return made;
  }

  #erase(visitor: string): Promise<void> {
    this.#scheduler.note(`erases ${visitor}`);
    return this.#again(() => this.#collector().erase(visitor));
  }

  #endPart(): void {
    this.#parts.push(new Map(this.#stream.shards.map(({ id, records }) => [id, records.length])));
  }

  /**
   * To be asked for quietly: whether an event of a user on a device that is not linked is before or after it, no order of any one lane
   * would say. What was dead, what is put back and what is tried again comes after it.
   */
  async #erasePerson(): Promise<void> {
    const id = `user-${Math.floor(this.#scheduler.apart() * 2)}`;
    this.#scheduler.note(`erases ${id}`);
    await this.#again(() => this.#collector().erasePerson(id, this.#reader()));
  }

  /** While nobody sends; until it is processed. */
  async #quietly(work: () => Promise<void>): Promise<void> {
    const following = this.#functions.follow(this.#stream);
    await work();
    this.#functions.stop();
    await following;
  }

  /** Some of what lies in the log, appended anew. */
  async #replay(some: readonly Pick<LaneRecord, 'data'>[]): Promise<void> {
    const records = some.map(({ data }) => decodeRecord(data)).filter(({ header }) => header.kind === 'events');
    this.#scheduler.note(`replays ${records.length} records`);
    if (records.length > 0) await this.#again(() => this.#collector().redriver.appendAll(records));
  }

  #drawn(): readonly Pick<LaneRecord, 'data'>[] {
    const shard = this.#stream.shards[this.#scheduler.below(this.#stream.shards.length)];
    return shard?.records.slice(this.#scheduler.below(shard.records.length)).slice(0, 3) ?? [];
  }

  /** By two who do not know of each other, now and then. */
  async #redrive(): Promise<void> {
    const reader = this.#reader();
    const list = async () =>
      (await reader.snapshot((reads) => reads.dead(1_000))).map(({ lane, sequence }) => ({ lane, sequence }));
    const dead = await this.#again(list);
    const redriveOf = (collector: SimulatedCollector) =>
      createRedrive({
        find: (place) => reader.snapshot((reads) => reads.deadAt(place)),
        append: (payload) => collector.redriver.append(payload),
        mark: (lane, sequence, position) => this.#store().markRedriven(lane, sequence, position),
      });
    const times = this.#scheduler.chance(0.2) ? 2 : 1;
    await Promise.all(
      Array.from({ length: times }, async () => {
        let own = this.#collector();
        let redrive = redriveOf(own);
        const put = (id: string) => {
          // The function that was asked is over, and with it what it had appended and not noted.
          if (!this.#collectors.includes(own)) {
            own = this.#collector();
            redrive = redriveOf(own);
          }
          return redrive(id);
        };
        for (const place of dead) await this.#again(() => put(positionId({ ...place, index: 0 })));
      }),
    );
  }

  async #audits(): Promise<void> {
    const reader = this.#reader();
    while (!this.#isOver) {
      await this.#scheduler.sleep(this.#scheduler.below(15 * MINUTE_MS));
      // As the audit by schedule does it before it looks. What fails is left to the next one.
      if (this.#scheduler.chance(0.5)) await this.#seal(reader).catch(() => undefined);
      await this.#audit(reader);
    }
  }

  /** Nothing is ever lost here: an audit that says so, at any moment, is wrong. */
  async #audit(reader: DynamoEventReader): Promise<void> {
    const deep = String(this.#scheduler.chance(0.3));
    const parts = { reader, clock: this.#scheduler.now, log: () => this.#look(reader), report: () => undefined };
    const { status, body } = await answer({ path: '/api/v1/audit', parameters: { deep } }, parts);
    if (status !== 200) return;
    for (const { kind, detail } of JSON.parse(body).problems) {
      const alarm = `audit meanwhile: ${kind}: ${detail}`;
      this.#scheduler.note(alarm);
      this.#alarms.push(alarm);
    }
  }

  async #seal(reader: DynamoEventReader): Promise<void> {
    this.#scheduler.note('seals');
    const log = await this.#look(reader);
    const blockNumbers = 1 + this.#scheduler.below(3);
    await seal({ reader, store: this.#store(), nowMs: this.#scheduler.now(), log, blockNumbers });
  }

  /** What looking at the shards would say. */
  async #look(reader: DynamoEventReader): Promise<LogView> {
    const dones = await reader.snapshot((reads) => reads.lanes());
    const lanes = new Map<string, number | undefined>();
    for (const { id, records } of this.#stream.shards) {
      await this.#scheduler.turn();
      const isDone = (dones.get(id)?.done ?? -1n) >= (records.at(-1)?.sequence ?? -1n);
      lanes.set(id, isDone ? this.#scheduler.now() : undefined);
    }
    return { findings: [], lanes };
  }

  /** Until it works: who asks is answered that it may be tried again, or not at all, by a collector that ended meanwhile. */
  async #again<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const outcome = await Promise.race([work().then((value) => ({ value })), this.#scheduler.sleep(30_000)]);
        if (outcome !== undefined) return outcome.value;
      } catch (thrown) {
        if (thrown instanceof ClickstreamError && !thrown.retriable) throw thrown;
        await this.#scheduler.sleep(1_000 + this.#scheduler.below(5_000));
      }
    }
  }

  #reader(): DynamoEventReader {
    return new DynamoEventReader({ client: this.#functions.clientUntil(FOREVER_MS), tables: TABLES });
  }

  #store() {
    return this.#functions.newStore(this.#functions.clientUntil(FOREVER_MS));
  }
}

function drawsOf(scheduler: Scheduler) {
  return {
    below: (bound: number) => scheduler.below(bound),
    chance: (probability: number) => scheduler.chance(probability),
    sleep: scheduler.sleep,
  };
}

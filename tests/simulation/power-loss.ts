/**
 * Losses of power at random moments, over the whole way of an event: what a sender was told is durable must be stored
 * once, and every count must equal a recount of the sender's list.
 *
 *   node tests/simulation/power-loss.ts [--losses 1000] [--seed 1] [--disk "no sync"]
 *
 * The log lies on a simulated disk that forgets, reorders and tears what was not synced. The store is real SQLite, whose files
 * are copied at the loss as a disk could have left them. A failing history is printed with its seed, which replays it.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { EMBEDDED_LANE, openEventLog } from '../../src/adapters/embedded/event-log.ts';
import { openEventReader } from '../../src/adapters/embedded/event-reader.ts';
import { openEventStore, type SqliteEventStore } from '../../src/adapters/embedded/event-store.ts';
import { LogProgress } from '../../src/adapters/embedded/log-progress.ts';
import { LogReader } from '../../src/adapters/embedded/log-reader.ts';
import { Accept } from '../../src/collect/accept.ts';
import { Numbering } from '../../src/collect/numbering.ts';
import { segment } from '../../src/collect/protocols/segment.ts';
import { ClickstreamError } from '../../src/core/errors.ts';
import type { LaneRecord } from '../../src/log/event-log.ts';
import { answer, processBatch, seal } from '../../src/pipeline.ts';
import { VIEWS } from '../../src/process/views/registry.ts';
import { countProblems, type Sent as SentEvent } from '../count-problems.ts';
import { seededRandom } from '../random.ts';
import { FaultFiles, type Faults } from './fault-files.ts';
import { LOG_FOLDER, shortTimer } from './log-simulation.ts';
import { loseStore, type StoreDisk } from './simulator/disk.ts';

const START_MS = Date.parse('2026-11-23T12:00:00.000Z');
const FROM = '2026-11-23T00:00:00.000Z';
const TO = '2026-11-24T00:00:00.000Z';
const DAY_MS = 86_400_000;

interface Sent extends SentEvent {
  readonly body: string;
  acknowledged: boolean;
}

/** Sends batches of few visitors, sends again what got no answer, and now and then what got one. */
class Sender {
  readonly sent = new Map<string, Sent>();
  readonly #below: (bound: number) => number;

  constructor(below: (bound: number) => number) {
    this.#below = below;
  }

  /** The ids of the next request. */
  next(): readonly string[] {
    const ids = Array.from({ length: 1 + this.#below(4) }, () => this.#compose());
    const before = [...this.sent.keys()];
    // A repetition, of something answered or not.
    if (this.#below(3) === 0) ids.push(before[this.#below(before.length)] ?? '');
    return ids.filter((id) => id !== '');
  }

  body(ids: readonly string[]): Buffer {
    return Buffer.from(`{"batch":[${ids.map((id) => this.sent.get(id)?.body).join()}]}`);
  }

  acknowledge(ids: readonly string[]): void {
    for (const id of ids) {
      const event = this.sent.get(id);
      if (event !== undefined) event.acknowledged = true;
    }
  }

  #compose(): string {
    const id = `m${this.sent.size}`;
    const anonymousId = `device-${this.#below(5)}`;
    const userId = this.#below(4) === 0 ? `user-${this.#below(2)}` : undefined;
    const timestamp = new Date(START_MS - this.#below(200) * 60_000).toISOString();
    const isPage = this.#below(2) === 0;
    const properties = isPage ? { path: `/p${this.#below(3)}` } : { text: 'é'.repeat(this.#below(300)) };
    const call = isPage ? { type: 'page' } : { type: 'track', event: 'Clicked' };
    const body = JSON.stringify({ ...call, messageId: id, anonymousId, userId, timestamp, properties });
    const eventType = isPage ? 'page' : 'Clicked';
    this.sent.set(id, { body, eventType, anonymousId, userId, timestamp, properties, acknowledged: false });
    return id;
  }
}

/** One start of the whole program on what the last loss of power has left. */
class Life {
  readonly store: SqliteEventStore;
  readonly #disk: StoreDisk;
  readonly #files: FaultFiles;
  readonly #sender: Sender;
  readonly #random: () => number;
  readonly #processed: LaneRecord[] = [];
  isOver = false;

  constructor(parts: {
    readonly disk: StoreDisk;
    readonly files: FaultFiles;
    readonly sender: Sender;
    readonly random: () => number;
  }) {
    this.#disk = parts.disk;
    this.#files = parts.files;
    this.#sender = parts.sender;
    this.#random = parts.random;
    // With each batch, or hardly ever: after the loss they are counted anew.
    const msMax = parts.random() < 0.5 ? 0 : Number.POSITIVE_INFINITY;
    this.store = openEventStore({ folder: parts.disk.folder, lateness: { views: VIEWS, msMax } });
  }

  /** Sends and processes for so many rounds, or until it is over; `settle` then processes all that is durable. */
  async run(rounds: number, settle = false): Promise<void> {
    const { done } = await processBatch({ lane: EMBEDDED_LANE, records: [] }, this.store);
    const progress = new LogProgress();
    const log = await openEventLog({
      folder: LOG_FOLDER,
      files: this.#files,
      clock: () => START_MS,
      timer: shortTimer,
      limits: { segmentBytes: 16_384, groupBytesMax: 8_192, unprocessedBytesMax: Number.POSITIVE_INFINITY },
      atLeast: done,
      progress,
      onFinding: () => undefined,
    }).catch((thrown: unknown) => {
      // A disk that fails while the log is mended: the server does not start.
      if (thrown instanceof ClickstreamError && thrown.code === 'data_unusable') return undefined;
      throw thrown;
    });
    if (log === undefined) return;
    const numbering = new Numbering(`collector-${Math.floor(this.#random() * 1e9)}`);
    const accept = new Accept({ log, numbering });
    const reader = new LogReader({
      folder: LOG_FOLDER,
      files: this.#files,
      progress,
      after: done,
      onFinding: () => undefined,
    });
    for (let round = 0; round < rounds && !this.isOver; round += 1) {
      const requests = Array.from({ length: 1 + Math.floor(this.#random() * 4) }, () => this.#send(accept));
      if (this.#random() < 0.7) await Promise.all(requests);
      else await new Promise((resolve) => setImmediate(resolve));
      if (this.isOver) return;
      if (this.#random() < 0.6) await this.#process(reader.read({ bytesMax: 1 + Math.floor(this.#random() * 4_000) }));
      if (this.#random() < 0.1) await this.#witness(numbering, log.end);
      if (this.#random() < 0.1) await this.store.settle();
      if (this.#random() < 0.2) await this.#seal(START_MS);
      if (this.#random() < 0.1) {
        await this.#sync();
        // As if the retention were over at once: all that is processed for good may go.
        const doneAndDurable = (await this.store.sync()).get(EMBEDDED_LANE) ?? -1n;
        // A disk that fails here leaves segments that could have gone, and no more; the server reports it and goes on.
        await log.trim({ doneAndDurable, nowMs: START_MS + 10 * DAY_MS }).catch(() => undefined);
      }
    }
    if (!settle) return;
    await log.close();
    for (
      let records = reader.read({ bytesMax: 4_000 });
      records.length > 0;
      records = reader.read({ bytesMax: 4_000 })
    ) {
      await this.#process(records);
    }
    await this.#witness(numbering, log.end);
    // Of collectors that are long over nothing is left but totals, on which the check below goes.
    if (this.#random() < 0.5) await this.#seal(START_MS + 10 * DAY_MS);
  }

  async #send(accept: Accept): Promise<void> {
    const ids = this.#sender.next();
    const body = this.#sender.body(ids);
    const request = { method: 'POST', path: '/v1/batch', query: '', headers: {}, body, receivedAt: START_MS };
    const mapped = segment.map(request);
    if (mapped.kind !== 'events') throw new Error(`a batch was ${mapped.kind}`);
    try {
      await accept.accept(mapped, { source: 'default', receivedAt: START_MS });
      this.#sender.acknowledge(ids);
    } catch (thrown) {
      if (!(thrown instanceof ClickstreamError && thrown.retriable)) throw thrown;
    }
  }

  /** Also what was processed already comes again, as a consumer's retry would bring it. */
  async #process(records: readonly LaneRecord[]): Promise<void> {
    const again = this.#random() < 0.3 ? this.#processed.slice(-Math.ceil(this.#random() * 3)) : [];
    await processBatch({ lane: EMBEDDED_LANE, records: [...again, ...records] }, this.store);
    this.#processed.push(...records);
  }

  async #witness(numbering: Numbering, sequence: bigint): Promise<void> {
    const { collector, witnessed } = numbering;
    const { number, counted } = witnessed;
    if (number >= 0) await this.store.witness({ collector, number, counted, lane: EMBEDDED_LANE, sequence });
  }

  async #seal(nowMs: number): Promise<void> {
    const reader = openEventReader({ folder: this.#disk.folder });
    const blockNumbers = 1 + Math.floor(this.#random() * 3);
    await seal({ reader, store: this.store, nowMs, blockNumbers });
    await reader.close();
  }

  async #sync(): Promise<void> {
    await this.store.sync();
    this.#disk.durableWal = readFileSync(join(this.#disk.folder, 'store.sqlite-wal'));
  }
}

interface History {
  readonly losses: number;
  readonly acknowledged: number;
  readonly stored: number;
  readonly duplicates: number;
  readonly problems: readonly string[];
}

async function history(seed: number, planted: Faults['planted']): Promise<History> {
  const random = seededRandom(seed);
  const below = (bound: number) => Math.floor(random() * bound);
  const root = mkdtempSync(join(tmpdir(), 'clickstream-power-'));
  const sender = new Sender(below);
  let disk: StoreDisk = { folder: join(root, 'store-0'), durableWal: Buffer.alloc(0) };
  let files = new FaultFiles(random);
  const losses = 1 + below(6);
  try {
    for (let loss = 1; loss <= losses; loss += 1) {
      if (planted !== undefined) files.faults.planted = planted;
      files.faults.shortWrites = random() < 0.3;
      if (random() < 0.3) files.faults.failing = () => random() < 0.05;
      const life = new Life({ disk, files, sender, random });
      await Promise.race([files.stopAfter(below(120)), life.run(60)]);
      life.isOver = true;
      disk = loseStore(disk, join(root, `store-${loss}`), random);
      await life.store.close();
      files = files.powerLoss();
    }
    const life = new Life({ disk, files, sender, random });
    await life.run(2, true);
    await life.store.close();
    return { losses, ...(await check(disk.folder, sender.sent)) };
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** What the product says it has, against the sender's list. */
async function check(folder: string, sent: ReadonlyMap<string, Sent>): Promise<Omit<History, 'losses'>> {
  const reader = openEventReader({ folder });
  const ask = async (path: string, parameters: Record<string, string>) => {
    const question = { path: `/api/v1/${path}`, parameters };
    const log = async () => ({ records: [], findings: [] });
    const { status, body } = await answer(question, { reader, clock: () => START_MS, log, report: fail });
    if (status !== 200) throw new Error(body);
    return JSON.parse(body);
  };
  const stored = await reader.snapshot((reads) => reads.events({ order: 'asc', limit: 100_000 }));
  const problems: string[] = [];
  // What was torn was never acknowledged, and must not come out of the log as a record.
  const totals = await reader.snapshot((reads) => reads.totals());
  if (totals.dead + totals.bad > 0) problems.push(`${totals.dead} dead records and ${totals.bad} bad events`);
  const copies = Map.groupBy(stored, ({ eventId }) => eventId);
  for (const [id, { acknowledged }] of sent) if (acknowledged && !copies.has(id)) problems.push(`lost ${id}`);
  for (const [id, { length }] of copies) {
    if (length > 1) problems.push(`doubled ${id}: ${length} times`);
    if (!sent.has(id)) problems.push(`made up ${id}`);
  }
  const inOrder = [...stored].sort(
    ({ position: a }, { position: b }) => Number(a.sequence - b.sequence) || a.index - b.index,
  );
  const events = inOrder.flatMap(({ eventId, facts: { session } }) => {
    const event = sent.get(eventId);
    return event === undefined ? [] : [{ sent: event, session }];
  });
  const stats = async (parameters: Record<string, string>) => (await ask('stats', parameters)).rows;
  problems.push(...(await countProblems({ stored: events, from: FROM, to: TO, stats })));
  const audit = await ask('audit', { deep: 'true' });
  for (const { kind, detail } of audit.problems) problems.push(`audit: ${kind}: ${detail}`);
  await reader.close();
  const acknowledged = [...sent.values()].filter((event) => event.acknowledged).length;
  return { acknowledged, stored: stored.length, duplicates: audit.duplicate, problems };
}

/** A history in which the product threw: what it made of the loss was more than it could read. */
function broken(fault: unknown): History {
  const problem = `threw ${fault instanceof Error ? fault.stack : String(fault)}`;
  return { losses: 1, acknowledged: 0, stored: 0, duplicates: 0, problems: [problem] };
}

function fail(fault: unknown): never {
  throw fault;
}

const { values } = parseArgs({
  options: {
    losses: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    disk: { type: 'string' },
  },
});
const wanted = Number(values.losses);
const total = { losses: 0, histories: 0, acknowledged: 0, stored: 0, duplicates: 0, lost: 0, doubled: 0, failed: 0 };
// Three failing histories are enough to look into.
for (let seed = Number(values.seed); total.losses < wanted && total.failed < 3; seed += 1) {
  const played = history(seed, values.disk as Faults['planted']).catch(broken);
  const { losses, acknowledged, stored, duplicates, problems } = await played;
  total.histories += 1;
  total.losses += losses;
  total.acknowledged += acknowledged;
  total.stored += stored;
  total.duplicates += duplicates;
  total.lost += problems.filter((problem) => problem.startsWith('lost')).length;
  total.doubled += problems.filter((problem) => problem.startsWith('doubled')).length;
  if (problems.length > 0) {
    total.failed += 1;
    process.stdout.write(`history ${seed}: ${problems.slice(0, 5).join('; ')}\n`);
  }
  if (total.histories % 50 === 0) process.stdout.write(`${total.losses} of ${wanted} power losses\n`);
}
process.stdout.write(
  `${total.losses} power losses in ${total.histories} histories from seed ${values.seed}: ${total.acknowledged} events acknowledged, ${total.stored} stored, ` +
    `${total.duplicates} duplicates; lost ${total.lost}, doubled ${total.doubled}, ${total.failed} histories with problems\n`,
);
if (total.failed > 0) process.exitCode = 1;

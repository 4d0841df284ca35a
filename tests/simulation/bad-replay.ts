import { DynamoEventReader } from '../../src/adapters/aws/dynamo-event-reader.ts';
import { DynamoEventStore } from '../../src/adapters/aws/dynamo-event-store.ts';
import { Accept } from '../../src/collect/accept.ts';
import { Numbering } from '../../src/collect/numbering.ts';
import { segment } from '../../src/collect/protocols/segment.ts';
import { Redriver } from '../../src/collect/redrive.ts';
import { ClickstreamError } from '../../src/core/errors.ts';
import { type Event, visitorOf } from '../../src/core/event.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { EventLog } from '../../src/log/event-log.ts';
import { answer, createReplayOfBad, processBatch } from '../../src/pipeline.ts';
import { type BadReplay, readBadPiece } from '../../src/query/bad-replay.ts';
import type { EventReader, EventStore, StoredEvent } from '../../src/store/event-store.ts';
import { MemoryEventLog } from '../contracts/memory-event-log.ts';
import { MemoryEventStore } from '../contracts/memory-event-store.ts';
import { seededRandom } from '../random.ts';
import { FOLDS, inDrawnOrder, TABLES } from './dynamo-protocol.ts';
import { MemoryDynamo } from './memory-dynamo.ts';

const NOW_MS = Date.parse('2026-11-25T12:00:00.000Z');
/** A shop sends prices as texts until its schema is mended. */
const BROKEN = 'properties/price must be a number';

type Below = (bound: number) => number;

interface Home {
  readonly store: EventStore;
  readonly reader: EventReader;
  /** Does work with every call to the tables drawn at random, and refused or lost now and then. */
  readonly amidFaults: (work: () => Promise<void>) => Promise<void>;
}

function memoryHome(): Home {
  const store = new MemoryEventStore();
  return { store, reader: store, amidFaults: (work) => work() };
}

function dynamoHome(random: () => number): Home {
  const dynamo = new MemoryDynamo();
  const { client } = dynamo;
  const trouble = random() < 0.5 ? 0.02 : 0.1;
  let attempts = 0;
  const attempt = () => {
    attempts += 1;
    return `attempt-${attempts}`;
  };
  const quiet = dynamo.faults;
  return {
    store: new DynamoEventStore({ client, tables: TABLES, folds: FOLDS, attempt, clock: () => NOW_MS }),
    reader: new DynamoEventReader({ client, tables: TABLES }),
    async amidFaults(work) {
      const isTroubled = () => random() < trouble;
      dynamo.faults = { ...quiet, isThrottled: isTroubled, isLost: isTroubled, isUnprocessed: isTroubled };
      await inDrawnOrder(dynamo, random, work);
      dynamo.faults = quiet;
    },
  };
}

/** A log whose answer is lost now and then, though the records are in it. */
function forgetful(log: EventLog, below: Below): EventLog {
  return {
    async append(records) {
      const positions = await log.append(records);
      if (below(8) === 0) throw new ClickstreamError('log_unavailable', 'the answer is lost');
      return positions;
    },
  };
}

/** One history: traffic of which much is set aside, and people who put it back, twice, at once, edited, and cut off midway. */
class History {
  readonly #below: Below;
  readonly #home: Home;
  readonly #log = new MemoryEventLog({ laneCount: 2 });
  readonly #done = new Map<string, number>();
  readonly #accept = new Accept({ log: this.#log, numbering: new Numbering('collector') });
  readonly #sentTwice = new Set<string>();
  #isMended = false;
  #clockMs = NOW_MS;
  /** How many different events were sent. */
  sent = 0;

  constructor(random: () => number, home: Home) {
    this.#below = (bound) => Math.floor(random() * bound);
    this.#home = home;
  }

  async play(): Promise<void> {
    await this.#home.amidFaults(async () => {
      for (let turn = 4 + this.#below(10); turn > 0; turn -= 1) {
        await this.#send();
        if (this.#below(2) === 0) await this.#process();
        if (this.#below(5) === 0) this.#isMended = true;
        const clients = Array.from({ length: this.#below(5) }, () => this.#putSomeBack(this.#client()));
        await Promise.all(clients);
      }
    });
    this.#isMended = true;
    await this.#process();
    for (let round = 0; (await this.#waiting()).length > 0; round += 1) {
      if (round === 40) throw new Error('what was set aside is never put back');
      const client = this.#client({ isSure: true });
      for (const id of await this.#waiting()) await client.one(id, await this.#editOf(id)).catch(refusedOnly);
      await this.#process();
    }
  }

  async #send(): Promise<void> {
    const events = Array.from({ length: 1 + this.#below(3) }, () => this.#compose());
    const [first] = events;
    // A sender's retry of what has an identity, whether it will be set aside or not.
    if (first !== undefined && 'anonymousId' in first && this.#below(3) === 0) {
      events.push(first);
      this.#sentTwice.add(String(first.messageId));
    }
    const body = Buffer.from(JSON.stringify({ batch: events }));
    const request = { method: 'POST', path: '/v1/batch', query: '', headers: {}, body, receivedAt: NOW_MS };
    const mapped = segment.map(request);
    if (mapped.kind !== 'events') throw new Error('the batch was not taken');
    await this.#accept.accept(mapped, { source: 'shop', receivedAt: NOW_MS });
  }

  #compose(): JsonObject {
    const n = this.sent;
    this.sent += 1;
    const kind = this.#below(4);
    const device = `device-${this.#below(3)}`;
    const properties = { n, price: kind === 0 ? 1 : '1' };
    const event = { type: 'track', event: 'Paid', messageId: `m${n}`, timestamp: '2026-11-25T11:00:00Z', properties };
    return kind === 1 ? event : { ...event, anonymousId: device };
  }

  /** A lane's records, as far as they have come; a try that fails is made again. */
  async #process(): Promise<void> {
    const isMended = this.#isMended;
    const check = ({ properties }: Event) =>
      isMended || typeof properties.price === 'number'
        ? undefined
        : { code: 'schema_invalid' as const, detail: `${BROKEN}, got "1"` };
    for (const [lane, records] of this.#log.lanes) {
      const piece = records.slice(this.#done.get(lane) ?? 0);
      for (let rest: typeof piece = piece; rest.length > 0; ) {
        const now = rest;
        const batch = { lane, records: now, steps: { check } };
        const done = await processBatch(batch, this.#home.store).then(
          (result) => result.done,
          () => -1n,
        );
        rest = now.filter(({ sequence }) => sequence > done);
      }
      this.#done.set(lane, (this.#done.get(lane) ?? 0) + piece.length);
    }
  }

  /** Someone who puts events back, in a process of their own; who is not sure is cut off before or after any step. */
  #client({ isSure = false } = {}): BadReplay {
    const { store, reader } = this.#home;
    const cut = async <T>(step: () => Promise<T>): Promise<T> => {
      const at = isSure ? 2 : this.#below(12);
      if (at === 0) throw new Error('cut off before');
      const result = await step();
      if (at === 1) throw new Error('cut off after');
      return result;
    };
    const clock = () => {
      this.#clockMs += 2_000;
      return this.#clockMs;
    };
    const log = isSure ? this.#log : forgetful(this.#log, this.#below);
    const redriver = new Redriver({
      log,
      numbering: new Numbering(`client-${this.#clockMs}-${this.#below(1e9)}`),
      clock,
    });
    return createReplayOfBad({
      find: (asked) => readBadPiece(reader, asked),
      redriver: { appendAll: (records) => cut(() => redriver.appendAll(records)) },
      claim: (claims) => cut(() => store.claimReplays(claims)),
      note: (notes) => cut(() => store.noteReplays(notes)),
      clock,
    });
  }

  /** Whatever goes wrong, it is somebody else's turn next. */
  async #putSomeBack(client: BadReplay): Promise<void> {
    try {
      if (this.#below(4) === 0) {
        await client.some({ kind: 'of', filter: {}, limit: 1 + this.#below(5) }, { isDry: false });
        return;
      }
      const ids = await this.#ids('/api/v1/bad');
      const id = ids[this.#below(ids.length)];
      if (id !== undefined) await client.one(id, this.#below(2) === 0 ? undefined : await this.#editOf(id));
    } catch {
      // Nothing was promised.
    }
  }

  /** Everything but the event's number may be other than it was; of what its sender sent twice, who it was stays. */
  async #editOf(id: string): Promise<JsonObject> {
    const { payload } = await this.#ask(`/api/v1/bad/${id}`);
    const came = JSON.parse(String(payload)) as JsonObject;
    const { anonymousId, properties, messageId, eventId = messageId, timestamp, createdAt = timestamp } = came;
    const price = this.#below(3) === 0 ? String(this.#below(9)) : this.#below(9);
    const edited = { ...(properties as JsonObject), price };
    const event = { eventType: 'Paid', eventId, createdAt, properties: edited };
    const isFree = anonymousId === undefined || (!this.#sentTwice.has(String(eventId)) && this.#below(2) === 0);
    return { ...event, anonymousId: isFree ? `device-${this.#below(6)}` : anonymousId };
  }

  #waiting(): Promise<readonly string[]> {
    return this.#ids('/api/v1/bad', { replayed: 'exclude' });
  }

  async #ids(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<readonly string[]> {
    const { bad } = await this.#ask(path, { limit: '1000', ...parameters });
    return (bad as readonly { readonly id: string }[]).map(({ id }) => id);
  }

  async #ask(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<JsonObject> {
    const { reader } = this.#home;
    const { status, body } = await answer(
      { path, parameters },
      { reader, clock: () => NOW_MS, report: () => undefined },
    );
    if (status !== 200) throw new Error(body);
    return JSON.parse(body) as JsonObject;
  }

  async problems(): Promise<readonly string[]> {
    const stored = await this.#home.reader.snapshot((reads) => reads.events({ order: 'asc', limit: 10_000 }));
    const counts = Map.groupBy(stored, ({ properties }) => Number(properties.n));
    const problems: string[] = [];
    for (let n = 0; n < this.sent; n += 1) {
      const own = counts.get(n) ?? [];
      if (own.length !== 1) problems.push(`event ${n} is stored ${own.length} times: ${own.map(toldOf).join('; ')}`);
    }
    const { balanced, problems: found } = await this.#ask('/api/v1/audit', { deep: 'true' });
    if (balanced !== true) problems.push(`out of balance: ${JSON.stringify(found)}`);
    return problems;
  }
}

function toldOf(event: StoredEvent): string {
  return `${visitorOf(event)} at ${event.position.lane}/${event.position.sequence}, ${event.fingerprint}`;
}

function refusedOnly(thrown: unknown): void {
  if (!(thrown instanceof ClickstreamError) || thrown.code !== 'still_bad') throw thrown;
}

/** Plays a history of that seed on the store in memory, or on the model of DynamoDB; the same each time. None when it is right. */
export async function problemsOfBadReplay(seed: number): Promise<readonly string[]> {
  const random = seededRandom(seed);
  const history = new History(random, seed % 2 === 0 ? memoryHome() : dynamoHome(random));
  await history.play();
  return history.problems();
}

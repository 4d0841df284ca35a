import fc from 'fast-check';
import { expect, test } from 'vitest';
import { eventWith, recordOf, recordOfLines } from '../../../tests/events.ts';
import { seededRandom } from '../../../tests/random.ts';
import { FOLDS, TABLES } from '../../../tests/simulation/dynamo-protocol.ts';
import { MemoryDynamo } from '../../../tests/simulation/memory-dynamo.ts';
import { LIMITS } from '../../core/limits.ts';
import type { LaneRecord } from '../../log/event-log.ts';
import { answer } from '../../pipeline.ts';
import { processBatch } from '../../process/process-batch.ts';
import { DynamoTable } from './dynamo-client.ts';
import { DynamoErasures } from './dynamo-erasures.ts';
import { DynamoEventReader } from './dynamo-event-reader.ts';
import { DynamoEventStore } from './dynamo-event-store.ts';
import { type Item, numberOf } from './items.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.parse('2026-01-01T00:30:00.000Z');
const LANES = ['even', 'odd'] as const;

/** What one batch holds; each event arrived so long ago, or, by a clock that is ahead, in the future. */
const anyBatch = fc.record({
  lane: fc.constantFrom(...LANES),
  /** Time goes on by so much first. */
  hoursPassed: fc.oneof(fc.nat(3), fc.nat(24 * 150)),
  ages: fc.array(fc.constantFrom(0, 0, 0, 1, 5, -30, 24 * 500), { minLength: 1, maxLength: 4 }),
  /** One that came before comes again. */
  repeats: fc.boolean(),
  erases: fc.nat(9).map((drawn) => drawn === 0),
  expires: fc.boolean(),
});

type Batch = typeof anyBatch extends fc.Arbitrary<infer Value> ? Value : never;

const histories = fc.record({ batches: fc.array(anyBatch, { minLength: 1, maxLength: 9 }), seed: fc.nat(1_000_000) });

class History {
  readonly dynamo = new MemoryDynamo();
  readonly reader = new DynamoEventReader({ client: this.dynamo.client, tables: TABLES });
  readonly #random: () => number;
  readonly #arrivals = new Map<string, { readonly lane: string; readonly receivedAtMs: number }>();
  #nowMs = START;
  #made = 0;
  #erases = false;
  #sequence = 0;
  #last: { readonly lane: string; readonly record: Uint8Array } | undefined;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  get cutoff(): string {
    return new Date(this.#nowMs - LIMITS.eventRetentionDays * DAY).toISOString();
  }

  pass(hours: number): void {
    this.#nowMs += hours * HOUR;
  }

  /** Throttles, lost answers, and other calls in between. */
  trouble(isOn: boolean): void {
    const fails = () => isOn && this.#random() < 0.02;
    this.dynamo.faults = {
      sleep: async () => undefined,
      turn: async () => {
        for (let turns = this.#random() * (isOn ? 4 : 0); turns > 1; turns -= 1) await Promise.resolve();
      },
      isThrottled: fails,
      isLost: fails,
      isUnprocessed: fails,
      isStale: () => false,
    };
  }

  newStore(): DynamoEventStore {
    const options = { client: this.dynamo.client, tables: TABLES, folds: FOLDS, journalItemsMax: 3 };
    return new DynamoEventStore({ ...options, erasureDelayMs: 0, clock: () => this.#nowMs });
  }

  async process({ lane, ages, repeats, erases }: Batch): Promise<void> {
    const records: Uint8Array[] = ages.map((hours) => this.#record(lane, this.#nowMs - hours * HOUR));
    if (repeats && this.#last?.lane === lane) records.unshift(this.#last.record);
    const record = records.at(-1);
    if (record !== undefined) this.#last = { lane, record };
    if (erases) {
      this.#erases = true;
      const header = { kind: 'erase', visitor: `${lane}-1`, collector: `eraser-${this.#made}` } as const;
      const receivedAt = new Date(this.#nowMs).toISOString();
      records.push(recordOfLines([], { ...header, receivedAt, number: 0 }));
    }
    let rest = records.map((data): LaneRecord => {
      this.#sequence += 1;
      return { sequence: BigInt(this.#sequence), data };
    });
    const store = this.newStore();
    for (let tries = 0; rest.length > 0; tries += 1) {
      if (tries > 200) throw new Error('a batch is never done');
      const { done } = await processBatch({ lane, records: rest }, store).catch(() => ({ done: -1n }));
      rest = rest.filter(({ sequence }) => sequence > done);
    }
  }

  #record(lane: string, receivedAtMs: number): Uint8Array {
    this.#made += 1;
    const eventId = `e${this.#made}`;
    // By a clock that is ahead, it came when it came.
    this.#arrivals.set(eventId, { lane, receivedAtMs: Math.min(receivedAtMs, this.#nowMs) });
    const time = new Date(receivedAtMs).toISOString();
    const who = { anonymousId: `${lane}-${this.#made % 3}`, eventId };
    const event = eventWith({ ...who, createdAt: time, timestamp: time, receivedAt: time });
    return recordOf([event], { collector: `collector-${this.#made}`, number: 0 });
  }

  /** What an erasure could not delete with its own batch; until then it is hidden, and in the totals. */
  async deleteErased(): Promise<void> {
    const [events, state] = [TABLES.events, TABLES.state].map((name) => new DynamoTable(this.dynamo.client, name));
    if (events === undefined || state === undefined) return;
    const erasures = new DynamoErasures({ events, state, delayMs: 0 });
    await erasures.delete((await erasures.pending()).all);
  }

  /** As DynamoDB does, some days late or not. */
  async deleteByTime(): Promise<void> {
    const table = new DynamoTable(this.dynamo.client, TABLES.events);
    const due = this.dynamo
      .itemsOf(TABLES.events)
      .filter((item: Item) => numberOf(item, 'expiresAt') * 1_000 <= this.#nowMs && this.#random() < 0.6);
    await table.deleteAll(due.map((item) => ({ pk: item.pk?.S ?? '', sk: item.sk?.S ?? '' })));
  }

  async check(): Promise<void> {
    const report = (fault: unknown) => {
      throw fault;
    };
    const asked = { path: '/api/v1/audit', parameters: { deep: 'true' } };
    const { status, body } = await answer(asked, { reader: this.reader, clock: () => this.#nowMs, report });
    expect(status, body).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ balanced: true, problems: [] });
    const { events, totals } = await this.reader.snapshot(async (reads) => ({
      events: await reads.events({ order: 'asc', limit: 1_000 }),
      totals: await reads.totals(),
    }));
    expect(events.length).toBe(totals.events);
    const young = [...this.#arrivals].filter(([, { receivedAtMs }]) => receivedAtMs >= Date.parse(this.cutoff));
    const left = new Set(events.map(({ eventId }) => eventId));
    // What happened before an erasure of its visitor is not taken in after it.
    if (!this.#erases) for (const [eventId] of young) expect(left.has(eventId), eventId).toBe(true);
  }
}

test('whatever arrives, is repeated or erased while hours expire, totals are those of the ledger and nothing expires too early', async () => {
  await fc.assert(
    fc.asyncProperty(histories, async ({ batches, seed }) => {
      const history = new History(seed);
      for (const batch of batches) {
        history.pass(batch.hoursPassed);
        history.trouble(true);
        const expire = () =>
          history
            .newStore()
            .expire({ receivedAt: history.cutoff })
            .catch(() => 0);
        const expired = batch.expires ? [expire(), expire()] : [];
        await Promise.all([history.process(batch), ...expired]);
        history.trouble(false);
        await history.deleteErased();
        await history.newStore().expire({ receivedAt: history.cutoff });
        await history.deleteByTime();
        await history.check();
      }
      history.pass(24 * (LIMITS.eventRetentionDays + 2));
      await history.newStore().expire({ receivedAt: history.cutoff });
      await history.check();
      expect(await history.newStore().expire({ receivedAt: history.cutoff })).toBe(0);
      const { events, expired } = await history.reader.snapshot((reads) => reads.totals());
      expect([events, expired > 0 || events === 0]).toEqual([0, true]);
      // All that was expired in time is gone once its days are over, and nobody sees the difference.
      history.pass(24 * 500);
      await history.deleteByTime();
      await history.check();
    }),
    { numRuns: 150 },
  );
}, 120_000);

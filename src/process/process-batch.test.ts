import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MemoryEventStore } from '../../tests/contracts/memory-event-store.ts';
import { eventWith, recordOf, recordOfLines } from '../../tests/events.ts';
import { openEventReader } from '../adapters/embedded/event-reader.ts';
import { openEventStore } from '../adapters/embedded/event-store.ts';
import type { Event } from '../core/event.ts';
import type { LaneRecord } from '../log/event-log.ts';
import type { Applied, Decision, EventReader, EventStore, Loaded } from '../store/event-store.ts';
import { processBatch } from './process-batch.ts';
import { LEDGER, ledgerRows } from './views/ledger.ts';
import { sessions, sessionTables } from './views/sessions.ts';
import { traffic, trafficTables } from './views/traffic.ts';

/** Passes on, tells what a store was asked, and can be made to answer something else. */
class ListeningStore implements EventStore {
  readonly applied: Applied['kind'][] = [];
  looked = 0;
  readonly #store: EventStore;
  /** In the place of what the store answers. */
  answer: (applied: Applied) => Applied = (applied) => applied;

  constructor(store: EventStore) {
    this.#store = store;
  }

  load(lane: string, keys: Parameters<EventStore['load']>[1]): Promise<Loaded> {
    const identities = () => {
      this.looked += 1;
      return keys.identities();
    };
    return this.#store.load(lane, { ...keys, identities });
  }

  erasedUntil(ids: Parameters<EventStore['erasedUntil']>[0]): ReturnType<EventStore['erasedUntil']> {
    return this.#store.erasedUntil(ids);
  }

  eraseBytes(...erased: Parameters<EventStore['eraseBytes']>): Promise<void> {
    return this.#store.eraseBytes(...erased);
  }

  noteErased(...noted: Parameters<EventStore['noteErased']>): Promise<void> {
    return this.#store.noteErased(...noted);
  }

  async apply(decision: Decision): Promise<Applied> {
    const applied = this.answer(await this.#store.apply(decision));
    this.applied.push(applied.kind);
    return applied;
  }

  witness: EventStore['witness'] = (witness) => this.#store.witness(witness);
  seal: EventStore['seal'] = (sealing) => this.#store.seal(sealing);
  markRedriven: EventStore['markRedriven'] = (...note) => this.#store.markRedriven(...note);
  claimReplays: EventStore['claimReplays'] = (claims) => this.#store.claimReplays(claims);
  noteReplays: EventStore['noteReplays'] = (notes) => this.#store.noteReplays(notes);
  expire: EventStore['expire'] = (before) => this.#store.expire(before);
  askRebuild: EventStore['askRebuild'] = (view) => this.#store.askRebuild(view);
  rebuild: EventStore['rebuild'] = (view, limit) => this.#store.rebuild(view, limit);
  sync: EventStore['sync'] = () => this.#store.sync();
  close: EventStore['close'] = () => this.#store.close();
}

let folder: string;
let store: EventStore;
let reader: EventReader;
let listening: ListeningStore;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'clickstream-process-'));
  store = openEventStore({ folder });
  reader = openEventReader({ folder });
  listening = new ListeningStore(store);
});
afterEach(async () => {
  await reader.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

let numbers = 0;

function record(sequence: bigint, ...events: readonly Event[]): LaneRecord {
  numbers += 1;
  return { sequence, data: recordOf(events, { number: numbers % 200 }) };
}

function run(...records: readonly LaneRecord[]) {
  return processBatch({ lane: 'lane', records }, listening);
}

/** Everything that must count an event once, of one day. */
async function counted() {
  return reader.snapshot(async (reads) => {
    const rows = async (view: string, unit: string) => reads.rows({ view, from: unit, to: `${unit}~` });
    const events: Record<string, number> = {};
    for (const unit of ['minute/', 'hour/total/']) {
      events[unit] = 0;
      for (const { text } of await rows(traffic.name, unit)) {
        events[unit] += trafficTables.values(traffic.decode(text), 'total').get('total')?.events ?? 0;
      }
    }
    const starts = (await rows(sessions.name, 'minute/')).map(
      ({ text }) => sessionTables.values(sessions.decode(text), 'total').get('total')?.sessions ?? 0,
    );
    const entries = (await rows(LEDGER.name, '')).flatMap(({ text }) => [...ledgerRows.decode(text).entries.values()]);
    const sum = (name: 'count' | 'stored' | 'duplicate') =>
      entries.flat().reduce((total, entry) => total + entry[name], 0);
    const totals = await reads.totals();
    return {
      listed: (await reads.events({ order: 'asc', limit: 1_000 })).length,
      events,
      sessions: starts.reduce((a, b) => a + b, 0),
      ledger: { count: sum('count'), stored: sum('stored'), duplicate: sum('duplicate') },
      totals: [totals.events, totals.visitors],
      doubled: await reads.doubled(10),
    };
  });
}

function times(count: number, { visitors, sent, starts }: Record<'visitors' | 'sent' | 'starts', number>) {
  return {
    listed: count,
    events: { 'minute/': count, 'hour/total/': count },
    sessions: starts,
    ledger: { count: sent, stored: count, duplicate: sent - count },
    totals: [count, visitors],
    doubled: [],
  };
}

const at = (minute: number, part: Partial<Event> = {}) => {
  const time = `2026-11-23T10:${String(minute).padStart(2, '0')}:00.000Z`;
  return eventWith({ eventId: `e${minute}`, createdAt: time, timestamp: time, ...part });
};

describe('duplicates are counted once, and told in the ledger', () => {
  test('within a record and within a batch: seen without the store', async () => {
    await run(record(1n, at(0), at(0), at(1)), record(2n, at(1), at(0)));
    expect(listening.applied).toEqual(['applied']);
    expect(await counted()).toEqual(times(2, { visitors: 1, sent: 5, starts: 1 }));
  });

  test('of an earlier batch, when the store was not looking: it contradicts, and the batch is decided again', async () => {
    await run(record(1n, at(0), at(1)));
    await run(record(2n, at(2), at(1)), record(3n, at(0), at(3)));
    expect(listening.looked).toBe(0);
    expect(listening.applied).toEqual(['applied', 'contradicted', 'applied']);
    expect(await counted()).toEqual(times(4, { visitors: 1, sent: 6, starts: 1 }));
  });

  test('of an earlier batch and in the same one at once', async () => {
    await run(record(1n, at(0)));
    await run(record(2n, at(1), at(0), at(1), at(0)), record(3n, at(1), at(0), at(2)));
    expect(await counted()).toEqual(times(3, { visitors: 1, sent: 8, starts: 1 }));
  });

  test('when the store looks for them, the batch is decided once; and no longer once none come', async () => {
    await run(record(1n, at(0), at(1)));
    await run(record(2n, at(0)));
    await run(record(3n, at(1), at(2)));
    expect([listening.looked, listening.applied.length]).toEqual([1, 4]);
    await run(record(4n, at(3)));
    await run(record(5n, at(4)));
    expect(listening.looked).toBe(2);
    await run(record(6n, at(4), at(5)));
    expect(listening.applied.slice(-2)).toEqual(['contradicted', 'applied']);
    expect(await counted()).toEqual(times(6, { visitors: 1, sent: 9, starts: 1 }));
  });

  test('of events that step the visitor: what a duplicate says changes nothing of sessions', async () => {
    await run(record(1n, at(0)));
    await run(record(2n, at(40), at(0)), record(3n, at(0)), record(4n, at(41)));
    const facts = await reader.snapshot((reads) => reads.eventsOf('a1', { order: 'asc', limit: 10 }));
    expect(facts.map((event) => [event.facts.session, event.facts.late])).toEqual([
      [1, false],
      [2, false],
      [2, false],
    ]);
    expect(await counted()).toEqual(times(3, { visitors: 1, sent: 5, starts: 2 }));
  });

  test('whatever user they come with the second time, and in another record of their visitor', async () => {
    await run(record(1n, at(0), at(1)));
    await run(record(2n, at(0, { userId: 'u' }), at(1, { userId: 'v' })));
    expect(await counted()).toEqual(times(2, { visitors: 1, sent: 4, starts: 1 }));
    expect(await reader.snapshot((reads) => reads.visitorsOf('u', 10))).toEqual([]);
  });

  test('of a batch that holds nothing else', async () => {
    await run(record(1n, at(0), at(1)));
    expect(await run(record(2n, at(0)), record(3n, at(1)))).toEqual({ done: 3n, stored: 0 });
    expect(await counted()).toEqual(times(2, { visitors: 1, sent: 4, starts: 1 }));
  });

  test('after the store was opened again, which looks at first for none', async () => {
    await run(record(1n, at(0), at(1)));
    await run(record(2n, at(0)));
    await store.close();
    store = openEventStore({ folder });
    listening = new ListeningStore(store);
    await run(record(3n, at(1), at(2)));
    expect(listening.looked).toBe(0);
    expect(await counted()).toEqual(times(3, { visitors: 1, sent: 5, starts: 1 }));
  });

  test('of other sources, visitors, prints and times are none', async () => {
    await run(record(1n, at(0)));
    await run(
      record(2n, at(0, { source: 'blog' })),
      record(3n, at(0, { anonymousId: 'a2' })),
      record(4n, at(0, { fingerprint: 'g' }), at(0, { createdAt: '2026-11-23T10:00:00.0000Z' })),
    );
    expect(listening.applied).toEqual(['applied', 'applied']);
    expect((await counted()).totals).toEqual([5, 3]);
  });
});

describe('a record that cannot be read', () => {
  test('beside duplicates is dead, once, and the rest is decided as if it were not there', async () => {
    await run(record(1n, at(0)));
    const mixed = record(2n, at(5), at(6, { anonymousId: 'a2' }));
    await run(mixed, record(3n, at(0), at(1)), { sequence: 4n, data: new Uint8Array([1, 2]) });
    await run(record(5n, at(1)), { sequence: 6n, data: recordOfLines(['null'], { number: 199 }) }, record(7n, at(2)));
    const { totals, dead } = await reader.snapshot(async (reads) => ({
      totals: await reads.totals(),
      dead: await reads.dead(10),
    }));
    expect(totals).toMatchObject({ events: 3, bad: 1, dead: 2, visitors: 1 });
    expect(dead.map(({ sequence }) => sequence)).toEqual([4n, 2n]);
    expect((await counted()).events).toEqual({ 'minute/': 3, 'hour/total/': 3 });
  });
});

test('a store that contradicts without a reason is no endless loop', async () => {
  listening = new ListeningStore(new MemoryEventStore());
  listening.answer = () => ({ kind: 'contradicted', known: new Map() });
  await expect(run(record(1n, at(0)))).rejects.toThrow('without a reason');
});

test('a record whose time is none, put into the log by hand, holds nothing up', async () => {
  const byHand = (sequence: bigint) => ({
    sequence,
    data: recordOf([eventWith(), eventWith()], { receivedAt: 'never', number: Number(sequence) }),
  });
  await run(byHand(1n), record(2n, eventWith({ eventId: 'e2', anonymousId: 'a2' })));
  await run(byHand(3n));
  const { lanes, notes } = await reader.snapshot(async (reads) => ({
    lanes: await reads.lanes(),
    notes: await reads.notesAt([1n, 2n, 3n].map((sequence) => ({ lane: 'lane', sequence }))),
  }));
  expect([lanes.get('lane')?.done, notes]).toEqual([3n, []]);
});

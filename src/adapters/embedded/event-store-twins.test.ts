import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { allPages, anEvent, decisionOf, write } from '../../../tests/contracts/store-writing.ts';
import { type Event, identityKey, identityOf } from '../../core/event.ts';
import type { EventReader, EventStore } from '../../store/event-store.ts';
import { openEventReader } from './event-reader.ts';
import { openEventStore } from './event-store.ts';

/** All events of one visitor and moment have one hash, which else one pair in many millions has. */
vi.mock('node:crypto', async (original) => ({ ...(await original<object>()), hash: () => '0'.repeat(64) }));

let folder: string;
let store: EventStore;
let reader: EventReader;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'embedded-store-'));
  store = openEventStore({ folder });
  reader = openEventReader({ folder });
});
afterEach(async () => {
  await reader.close();
  await store.close();
  const database = new DatabaseSync(join(folder, 'store.sqlite'));
  const { hashes } = database.prepare('SELECT count(DISTINCT hash) AS hashes FROM events').get() as { hashes: number };
  database.close();
  rmSync(folder, { recursive: true });
  expect(hashes, 'these tests are of events with one hash').toBe(1);
});

/** The events listed, and where each lies, by its identity. */
async function listed(): Promise<ReadonlyMap<string, bigint>> {
  const list = await allPages(reader, { range: { order: 'asc', limit: 100 } });
  const places = new Map(list.map((event) => [identityKey(identityOf(event)), event.position.sequence]));
  expect(places.size).toBe(list.length);
  expect(await reader.snapshot((reads) => reads.doubled(10))).toEqual([]);
  return places;
}

/** What the store says that it has of these, blindly put. */
async function contradictions(sequence: bigint, events: readonly Event[]): Promise<ReadonlyMap<string, bigint>> {
  const applied = await store.apply(await decisionOf(store, 'a', [{ sequence, events }], { isBlind: true }));
  const known = applied.kind === 'contradicted' ? [...applied.known] : [];
  return new Map(known.map(([key, { position }]) => [key, position.sequence]));
}

const keyOf = (event: Event) => identityKey(identityOf(event));

it.each(['eventId', 'fingerprint', 'source'] as const)(
  'tells identities apart whose hashes are equal: %s',
  async (field) => {
    const events = ['one', 'two', 'three'].map((text) => anEvent({ eventId: 'e', [field]: text }));
    for (const [index, event] of events.entries()) {
      await write(store, 'a', [{ sequence: BigInt(index), events: [event] }]);
    }
    const places = new Map(events.map((event, index) => [keyOf(event), BigInt(index)]));
    expect(await listed()).toEqual(places);
    expect(await contradictions(9n, [...events].reverse())).toEqual(places);
    const loaded = await store.load('a', { visitors: new Map(), identities: () => events.map(identityOf) });
    expect([...loaded.known.values()].map(({ position }) => position.sequence)).toEqual([0n, 1n, 2n]);
  },
);

it('puts those that are new beside those that are known, in one batch and in several', async () => {
  const [first, second, third, fourth] = [anEvent(), anEvent(), anEvent(), anEvent()];
  await write(store, 'a', [{ sequence: 1n, events: [first, second] }]);
  expect(await contradictions(2n, [third, second, fourth])).toEqual(new Map([[keyOf(second), 1n]]));
  await write(store, 'a', [{ sequence: 2n, events: [third, second, fourth, first] }]);
  await write(store, 'a', [{ sequence: 3n, events: [fourth, first] }]);
  expect(await listed()).toEqual(
    new Map([
      [keyOf(first), 1n],
      [keyOf(second), 1n],
      [keyOf(third), 2n],
      [keyOf(fourth), 2n],
    ]),
  );
});

it('tells the times and the visitors of one hash apart by themselves', async () => {
  const events = [anEvent(), anEvent({ anonymousId: 'x' }), anEvent({ createdAt: '2026-11-23T10:00:00.0000Z' })];
  await write(store, 'a', [{ sequence: 1n, events }]);
  expect((await contradictions(2n, events)).size).toBe(3);
  expect((await listed()).size).toBe(3);
});

it('knows one whose twin has expired', async () => {
  const early = anEvent({ receivedAt: '2026-11-23T10:00:00.000Z' });
  const late = anEvent({ receivedAt: '2026-11-23T11:00:00.000Z' });
  await write(store, 'a', [{ sequence: 1n, events: [early] }]);
  await write(store, 'a', [{ sequence: 2n, events: [late] }]);
  expect(await store.expire({ receivedAt: '2026-11-23T10:30:00.000Z', limit: 10 })).toBe(1);
  expect(await contradictions(3n, [late])).toEqual(new Map([[keyOf(late), 2n]]));
  expect(await listed()).toEqual(new Map([[keyOf(late), 2n]]));
});

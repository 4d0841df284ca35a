import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allPages, anEvent, decisionOf, erase, mergedRows, write } from '../../../tests/contracts/store-writing.ts';
import { ClickstreamError } from '../../core/errors.ts';
import { identityOf } from '../../core/event.ts';
import { LIMITS } from '../../core/limits.ts';
import { openEventReader } from './event-reader.ts';
import { openEventStore, SqliteEventStore } from './event-store.ts';
import { openDatabase } from './schema.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'embedded-store-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const path = () => join(folder, 'store.sqlite');

function codeOf(open: () => unknown): string | undefined {
  try {
    open();
  } catch (thrown) {
    if (thrown instanceof ClickstreamError) return thrown.code;
    throw thrown;
  }
  return undefined;
}

describe('what the folder holds', () => {
  it('refuses a newer format, and leaves every byte of it', async () => {
    const store = openEventStore({ folder });
    await write(store, 'a', [{ sequence: 1n, events: [anEvent()] }]);
    await store.close();
    const database = new DatabaseSync(path());
    database.exec('PRAGMA user_version = 1000');
    database.close();
    const files = () => readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'hex')]);
    const before = files();
    expect(codeOf(() => openEventStore({ folder }))).toBe('data_format_newer');
    expect(files()).toEqual(before);
    expect(codeOf(() => openEventReader({ folder }))).toBe('data_format_newer');
  });

  it('refuses what is no database, is one of another program, or is not there to read', () => {
    expect(codeOf(() => openEventReader({ folder }))).toBe('data_unusable');
    writeFileSync(path(), 'no database at all, but longer than the header of one would be '.repeat(4));
    expect(codeOf(() => openEventStore({ folder }))).toBe('data_unusable');
    rmSync(path());
    const other = new DatabaseSync(path());
    other.exec('CREATE TABLE notes (text TEXT)');
    other.close();
    expect(codeOf(() => openEventStore({ folder }))).toBe('data_unusable');
    expect(codeOf(() => openEventStore({ folder: path() }))).toBe('data_unusable');
  });

  it('opens what a first start left that was cut short', async () => {
    const empty = new DatabaseSync(path());
    empty.exec('PRAGMA journal_mode = WAL');
    empty.close();
    const store = openEventStore({ folder });
    await write(store, 'a', [{ sequence: 1n, events: [anEvent()] }]);
    await store.close();
  });
});

describe('a full disk', () => {
  it('fails the batch, keeps nothing of it, and takes it once there is space', async () => {
    const database = openDatabase(folder);
    const store = new SqliteEventStore(database);
    const reader = openEventReader({ folder });
    await write(store, 'a', [{ sequence: 1n, events: [anEvent()] }]);
    const { page_count } = database.prepare('PRAGMA page_count').get() as { page_count: number };
    database.exec(`PRAGMA max_page_count = ${page_count + 2}`);
    const events = Array.from({ length: 200 }, (_, index) => anEvent({ anonymousId: `device-${index % 50}-new` }));
    const decision = await decisionOf(store, 'a', [{ sequence: 2n, events }]);
    await expect(store.apply(decision)).rejects.toMatchObject({ errcode: 13 });
    await expect(store.apply(decision)).rejects.toMatchObject({ errcode: 13 });
    expect((await reader.snapshot((reads) => reads.totals())).events).toBe(1);
    expect(await allPages(reader, { range: { order: 'asc', limit: 500 } })).toHaveLength(1);

    database.exec('PRAGMA max_page_count = 1000000');
    expect((await store.apply(decision)).kind).toBe('applied');
    expect(await mergedRows(reader)).toEqual({ 'shop minute/2026-11-23T10:00Z': { page: 201 } });
    for (const who of ['device-0-new', 'device-49-new']) {
      const found = await reader.snapshot((reads) => reads.eventsOf(who, { order: 'asc', limit: 10 }));
      expect(found.map(({ anonymousId }) => anonymousId)).toEqual([who, who, who, who]);
    }
    await reader.close();
    await store.close();
  });
});

describe('the write-ahead log', () => {
  const large = (count: number) =>
    Array.from({ length: count }, () => anEvent({ properties: { filling: 'x'.repeat(60_000) } }));
  const walBytes = () => statSync(`${path()}-wal`).size;

  it('does not grow without bound', async () => {
    const store = openEventStore({ folder });
    for (let batch = 1; batch <= 12; batch += 1) {
      await write(store, 'a', [{ sequence: BigInt(batch), events: large(120) }]);
    }
    expect(walBytes()).toBeLessThan(2 * LIMITS.storeCheckpointBytes);
    expect(statSync(path()).size).toBeGreaterThan(LIMITS.storeCheckpointBytes);
    await store.close();
  });

  it('is synced while a reader keeps it from being emptied, and the writer never waits for the reader', async () => {
    const store = openEventStore({ folder });
    const reader = openEventReader({ folder });
    await write(store, 'a', [{ sequence: 1n, events: [anEvent()] }]);
    await reader.snapshot(async (reads) => {
      expect((await reads.totals()).events).toBe(1);
      for (let batch = 2; batch <= 7; batch += 1) {
        await write(store, 'a', [{ sequence: BigInt(batch), events: large(120) }]);
      }
      expect(await store.sync()).toEqual(new Map([['a', 7n]]));
      expect((await reads.totals()).events).toBe(1);
    });
    expect((await reader.snapshot((reads) => reads.totals())).events).toBe(721);
    await reader.close();
    await store.close();
  });
});

it('leaves nothing in its files of a visitor that was erased', async () => {
  const store = openEventStore({ folder });
  const secret = anEvent({ anonymousId: 'secret-device', userId: 'secret-user', properties: { note: 'secret-note' } });
  await write(store, 'a', [{ sequence: 1n, events: [secret, anEvent({ anonymousId: 'kept-device' })] }]);
  await store.sync();
  await erase(store, { lane: 'a', sequence: 2n, source: 'shop', visitor: 'secret-device' });
  await store.close();
  const bytes = readFileSync(path(), 'latin1');
  expect(bytes).toContain('kept-device');
  expect(bytes).not.toContain('secret');
});

it.each(['eventId', 'fingerprint', 'source'] as const)(
  'tells identities apart whose hashes are equal: %s',
  async (field) => {
    const store = openEventStore({ folder });
    const reader = openEventReader({ folder });
    // Found by trying: as the CRC is linear, these two collide in whatever field they stand.
    const events = ['XoAEg3djXypn', 'y6LcIPGm81O5'].map((text) => anEvent({ eventId: 'e', [field]: text }));
    for (const [index, event] of events.entries()) {
      await write(store, 'a', [{ sequence: BigInt(index), events: [event] }]);
    }
    const loaded = await store.load('a', { visitors: [], identities: events.map(identityOf) });
    expect([...loaded.known.values()].map(({ position }) => position.sequence)).toEqual([0n, 1n]);
    expect(await reader.snapshot((reads) => reads.doubled(10))).toEqual([]);
    await reader.close();
    await store.close();
  },
);

it('keeps sequences beyond 2^53 exactly', async () => {
  const store = openEventStore({ folder });
  const reader = openEventReader({ folder });
  const sequence = 2n ** 62n + 1n;
  await write(store, 'a', [{ sequence, events: [anEvent()] }]);
  const [event] = await allPages(reader, { range: { order: 'asc', limit: 10 } });
  expect(event?.position.sequence).toBe(sequence);
  expect((await store.load('a', { visitors: [], identities: [] })).lane?.done).toBe(sequence);
  await reader.close();
  await store.close();
});

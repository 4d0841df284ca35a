import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  allPages,
  anEvent,
  decisionOf,
  erase,
  laneOfStore,
  mergedRows,
  typeCounts,
  visitorOfStore,
  write,
} from '../../../tests/contracts/store-writing.ts';
import { ClickstreamError } from '../../core/errors.ts';
import { type Identity, identityOf } from '../../core/event.ts';
import { LIMITS } from '../../core/limits.ts';
import type { PassedOver } from '../../store/event-store.ts';
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

const ADDED_TO_BAD = [
  ...['event_type', 'from_sequence', 'from_lane', 'from_place', 'to_sequence', 'to_lane'],
  ...['replay_at', 'replay_edit', 'replay_visitor', 'replay_line'],
];
const TO_FORMAT_4 = `${ADDED_TO_BAD.map((name) => `ALTER TABLE bad DROP COLUMN ${name};`).join('\n')}
ALTER TABLE totals DROP COLUMN bad_expired; DROP TABLE notes; ALTER TABLE removed DROP COLUMN identities;
ALTER TABLE witnesses DROP COLUMN events; ALTER TABLE witnesses DROP COLUMN identities;
DROP TABLE tombstones; DROP TABLE tombstone_key; DROP TABLE erasures;
DROP TABLE generations; ALTER TABLE rebuilds DROP COLUMN folded; ALTER TABLE rebuilds DROP COLUMN events;
ALTER TABLE rebuilds DROP COLUMN started_at_ms; ALTER TABLE rebuilds DROP COLUMN finished_at_ms;
ALTER TABLE rebuilds DROP COLUMN kept_before; ALTER TABLE rebuilds DROP COLUMN kept_through`;
const TO_FORMAT_3 = `${TO_FORMAT_4};
DROP INDEX events_of_others; ALTER TABLE events DROP COLUMN other_type;
ALTER TABLE removed DROP COLUMN source; ALTER TABLE removed DROP COLUMN hour; ALTER TABLE lanes DROP COLUMN arrived_at_ms;
ALTER TABLE witnesses DROP COLUMN at_ms; DROP TABLE sealed; ALTER TABLE totals DROP COLUMN expired_before`;

it('what is to be put back for an event set aside is synced before anybody is told', async () => {
  const database = openDatabase(folder);
  const store = new SqliteEventStore(database);
  const position = { lane: 'a', sequence: 1n, index: 0 };
  const bad = { position, source: 'shop', receivedAt: 'now', code: 'id_missing', detail: '', payload: '{}' };
  await store.apply({ ...(await decisionOf(store, 'a', [{ sequence: 1n, events: [] }])), bad: [bad] });
  const said: string[] = [];
  const exec = database.exec.bind(database);
  database.exec = (sql) => {
    said.push(sql);
    exec(sql);
  };
  const replay = { at: 'now', edit: undefined, visitor: 'v', line: '{}', position: undefined };
  await store.claimReplays([{ of: position, replay }]);
  // Of a commit in between, SQLite's own word is that it is durable.
  expect(said.slice(0, 3)).toEqual(['PRAGMA synchronous = FULL', 'BEGIN IMMEDIATE', 'COMMIT']);
  await store.close();
});

describe('what the folder holds', () => {
  it.each([
    ['a newer format', 1_000, 'data_format_newer'],
    ['the first format', 1, 'data_unusable'],
  ])('refuses %s, and leaves every byte of it', async (_, version, code) => {
    const store = openEventStore({ folder });
    await write(store, 'a', [{ sequence: 1n, events: [anEvent()] }]);
    await store.close();
    const database = new DatabaseSync(path());
    database.exec(`PRAGMA user_version = ${version}`);
    database.close();
    const files = () => readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'hex')]);
    const before = files();
    expect(codeOf(() => openEventStore({ folder }))).toBe(code);
    expect(files()).toEqual(before);
    expect(codeOf(() => openEventReader({ folder }))).toBe(code);
  });

  it('is brought up from format 2, and nothing is counted again', async () => {
    const store = openEventStore({ folder });
    await write(store, 'a', [{ sequence: 1n, events: [anEvent()] }]);
    await store.close();
    const database = new DatabaseSync(path());
    database.exec('DROP TABLE counted; ALTER TABLE dead DROP COLUMN redriven_lane');
    database.exec('ALTER TABLE dead DROP COLUMN redriven_sequence');
    database.exec(`${TO_FORMAT_3}; PRAGMA user_version = 2`);
    database.exec("INSERT INTO dead (sequence, lane, detail, payload) VALUES (1, 'a', 'old', x'00')");
    database.close();
    const upgraded = openEventStore({ folder, lateness: { views: [typeCounts(1)], msMax: 0 } });
    await write(upgraded, 'a', [{ sequence: 2n, events: [anEvent({ eventId: 'second' })] }]);
    await upgraded.markRedriven('a', 1n, { lane: 'a', sequence: 3n });
    await upgraded.close();
    const reader = openEventReader({ folder });
    expect(await mergedRows(reader)).toEqual({ 'shop minute/2026-11-23T10:00Z': { page: 2 } });
    const dead = await reader.snapshot((reads) => reads.dead(5));
    expect(dead).toMatchObject([{ detail: 'old', redriven: { lane: 'a', sequence: 3n } }]);
    await reader.close();
  });

  it('is brought up from format 3, however many types have lists of their own there', async () => {
    const types = LIMITS.storeTypeListsMax + 50;
    const store = openEventStore({ folder });
    const typed = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, place) => anEvent({ eventType: `type-${from + place}` }));
    await write(store, 'a', [{ sequence: 1n, events: typed(0, types) }]);
    await store.close();
    const database = new DatabaseSync(path());
    database.exec('UPDATE events SET event_type = coalesce(other_type, event_type)');
    database.exec(`${TO_FORMAT_3}; PRAGMA user_version = 3`);
    database.close();
    const upgraded = openEventStore({ folder });
    await write(upgraded, 'a', [{ sequence: 2n, events: typed(types - 1, types + 2) }]);
    await upgraded.close();
    const reader = openEventReader({ folder });
    const countOf = async (eventType?: string) =>
      (await reader.snapshot((reads) => reads.events({ order: 'asc', limit: 1_000, eventType }))).length;
    expect(await countOf()).toBe(types + 3);
    expect(await countOf('type-0')).toBe(1);
    expect(await countOf(`type-${types - 1}`)).toBe(2);
    expect(await countOf(`type-${types + 1}`)).toBe(1);
    await reader.close();
    const listed = new DatabaseSync(path());
    const { others } = listed.prepare('SELECT count(*) AS others FROM events WHERE other_type IS NOT NULL').get() as {
      readonly others: number;
    };
    expect(others).toBe(2);
    listed.close();
  });

  it('is brought up from format 4, and notes what is not stored; notes that no receipt asks for any more go', async () => {
    await openEventStore({ folder }).close();
    const database = new DatabaseSync(path());
    database.exec(`${TO_FORMAT_4}; PRAGMA user_version = 4`);
    database.close();
    const upgraded = openEventStore({ folder });
    for (let day = 1n; day <= 20n; day += 1n) {
      const decision = await decisionOf(upgraded, 'a', [{ sequence: day, events: [] }]);
      const receivedAt = `2026-11-${String(day).padStart(2, '0')}T10:00:00.000Z`;
      await upgraded.apply({ ...decision, notes: [{ sequence: day, receivedAt, duplicates: [Number(day)], bad: [] }] });
    }
    await upgraded.close();
    const reader = openEventReader({ folder });
    const asked = Array.from({ length: 21 }, (_, day) => ({ lane: 'a', sequence: BigInt(day) }));
    const kept = (await reader.snapshot((reads) => reads.notesAt(asked))).map(({ sequence }) => Number(sequence));
    expect(kept).toEqual(Array.from({ length: LIMITS.receiptDays + 1 }, (_, place) => 20 - LIMITS.receiptDays + place));
    await reader.close();
  });

  it('is brought up from format 3, and knows the hours of what was removed', async () => {
    const store = openEventStore({ folder });
    await write(store, 'a', [{ sequence: 1n, events: [anEvent(), anEvent()] }]);
    expect(await store.expire({ receivedAt: '2026-11-23T11:00:00.000Z', limit: 1 })).toBe(1);
    await store.close();
    const database = new DatabaseSync(path());
    database.exec(`${TO_FORMAT_3}; PRAGMA user_version = 3`);
    database.close();
    const upgraded = openEventStore({ folder });
    await upgraded.witness({ collector: 'c', number: 1, lane: 'a', sequence: 1n, atMs: 5 });
    expect(await upgraded.seal({ from: 0, text: 'x', rows: [], witnesses: [] })).toBe(true);
    await upgraded.close();
    const reader = openEventReader({ folder });
    const counts = { through: new Map([['a', 1n]]), isDetailed: () => false };
    const read = await reader.snapshot(async (reads) => [
      await reads.storedCounts(counts),
      (await reads.totals()).expiredBefore,
      (await reads.sealed())?.text,
    ]);
    expect(read).toEqual([
      // Nothing is known of what was removed but how many they were.
      { records: [], hours: [{ lane: 'a', source: 'shop', hour: '2026-11-23T10', events: 2, identities: undefined }] },
      '2026-11-23T10:00:01.000Z',
      'x',
    ]);
    await reader.close();
  });

  it('is brought up from format 4, and keeps the witnesses that counted nothing', async () => {
    const store = openEventStore({ folder });
    await store.witness({ collector: 'c', number: 1, lane: 'a', sequence: 1n, atMs: 5 });
    await store.close();
    const database = new DatabaseSync(path());
    database.exec(`${TO_FORMAT_4}; PRAGMA user_version = 4`);
    database.close();
    const upgraded = openEventStore({ folder });
    const counted = { events: 2, identities: 3 };
    await upgraded.witness({ collector: 'd', number: 1, lane: 'a', sequence: 2n, atMs: 6, counted });
    await upgraded.close();
    const reader = openEventReader({ folder });
    expect(await reader.snapshot((reads) => reads.witnesses())).toEqual([
      { collector: 'c', number: 1, lane: 'a', sequence: 1n, atMs: 5 },
      { collector: 'd', number: 1, lane: 'a', sequence: 2n, atMs: 6, counted },
    ]);
    await reader.close();
  });

  it('is brought up from format 4, and what was set aside in it can be put back', async () => {
    const store = openEventStore({ folder });
    await write(store, 'a', [{ sequence: 1n, events: [anEvent()] }]);
    await store.close();
    const database = new DatabaseSync(path());
    database.exec(`${TO_FORMAT_4}; PRAGMA user_version = 4`);
    database.exec(
      `INSERT INTO bad (sequence, lane, place, source, received_at, code, detail, payload)
       VALUES (1, 'a', 0, 'shop', '2026-11-23T10:00:00.000Z', 'id_missing', 'old', '{}'); UPDATE totals SET bad = 1`,
    );
    database.close();
    const upgraded = openEventStore({ folder });
    const position = { lane: 'a', sequence: 1n, index: 0 };
    const replay = { at: 'now', edit: undefined, visitor: 'v', line: '{}', position: undefined };
    expect(await upgraded.claimReplays([{ of: position, replay }])).toEqual([replay]);
    const reader = openEventReader({ folder });
    const bad = await reader.snapshot((reads) => reads.badAt([position]));
    expect(bad).toMatchObject([{ detail: 'old', payload: '{}' }]);
    expect(await upgraded.expire({ receivedAt: '2026-11-23T11:00:00.000Z', limit: 9 })).toBe(2);
    const totals = await reader.snapshot((reads) => reads.totals());
    expect(totals).toMatchObject({ bad: 0, badExpired: 1 });
    await reader.close();
    await upgraded.close();
  });

  it('is brought up from format 4, amid a rebuild, and can be asked for another', async () => {
    const store = openEventStore({ folder });
    await write(store, 'a', [{ sequence: 1n, events: [anEvent(), anEvent(), anEvent()] }]);
    await write(store, 'a', [{ sequence: 2n, events: [anEvent()] }], [typeCounts(2)]);
    expect(await store.rebuild(typeCounts(2), 1)).toBe(false);
    await store.close();
    const database = new DatabaseSync(path());
    database.exec(`${TO_FORMAT_4}; PRAGMA user_version = 4`);
    database.close();
    const upgraded = openEventStore({ folder });
    while (!(await upgraded.rebuild(typeCounts(2), 1)));
    const reader = openEventReader({ folder });
    expect(await mergedRows(reader)).toEqual({ 'shop minute/2026-11-23T10:00Z': { page: 8 } });
    await upgraded.askRebuild(typeCounts(2));
    while (!(await upgraded.rebuild(typeCounts(2), 1)));
    expect(await mergedRows(reader)).toEqual({ 'shop minute/2026-11-23T10:00Z': { page: 8 } });
    expect(await reader.snapshot((reads) => reads.rebuilds())).toMatchObject([{ state: 'finished', events: 4 }]);
    await reader.close();
    await upgraded.close();
  });

  it('is folded anew though an event and a kept row in it are damaged: both are passed over, and named', async () => {
    const store = openEventStore({ folder });
    const at = (time: string) => ({
      timestamp: `2026-11-23T${time}:00.000Z`,
      receivedAt: `2026-11-23T${time}:01.000Z`,
    });
    const times = ['10:00', '10:01', '13:00', '13:00', '13:00'];
    for (const [place, time] of times.entries()) {
      await write(store, 'a', [{ sequence: BigInt(place), events: [anEvent(at(time))] }]);
    }
    await store.expire({ receivedAt: '2026-11-23T12:00:00.000Z', limit: 9 });
    await store.askRebuild(typeCounts(1));
    await store.close();
    const database = new DatabaseSync(path());
    database.exec(`UPDATE rows SET value = 'no JSON' WHERE bucket = 'minute/2026-11-23T10:01Z';
      UPDATE events SET facts = 'no JSON' WHERE sequence = 3`);
    database.close();
    const damaged = openEventStore({ folder });
    const passed: PassedOver[] = [];
    while (!(await damaged.rebuild(typeCounts(1), 2, (these) => passed.push(...these))));
    expect(passed.map(({ what }) => what)).toEqual(['row shop minute/2026-11-23T10:01Z of lane a', 'event a:3:0']);
    const reader = openEventReader({ folder });
    expect(await mergedRows(reader)).toEqual({
      'shop minute/2026-11-23T10:00Z': { page: 1 },
      'shop minute/2026-11-23T13:00Z': { page: 2 },
    });
    await reader.close();
    await damaged.close();
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

it('leaves nothing in its files of visitors that were erased', async () => {
  const store = openEventStore({ folder });
  // In no order, and so many that pages are split and moved, and with them the ids.
  const devices = Array.from({ length: 6_000 }, (_, index) => {
    const place = (index * 7_919) % 6_007;
    return `${String(place).padStart(5, '0')} ${place % 50 === 0 ? 'secret' : 'kept'}-device`;
  });
  const isSecret = (device: string) => device.endsWith('secret-device');
  for (let batch = 0; batch < 20; batch += 1) {
    const events = devices.slice(300 * batch, 300 * (batch + 1)).map((anonymousId) => {
      const [userId, note] = isSecret(anonymousId) ? ['secret-user', 'secret-note'] : ['user', 'note'];
      return anEvent({ anonymousId, userId: `${userId} ${anonymousId}`, properties: { note: note.repeat(batch) } });
    });
    await write(store, 'a', [{ sequence: BigInt(batch), events }]);
  }
  await store.sync();
  const secret = devices.filter(isSecret);
  for (const [place, visitor] of secret.entries()) {
    await erase(store, { lane: 'a', sequence: BigInt(100 + place), source: 'shop', visitor, erasure: 'asked' });
  }
  const reader = openEventReader({ folder });
  const erasing = await reader.snapshot((reads) => reads.erasing(1_000));
  expect(erasing.map(({ visitor }) => visitor)).toEqual(secret);
  for (const erasure of erasing) await store.noteErased(erasure, 1);
  const counts = { applied: secret.length, searching: 0, events: secret.length, links: secret.length };
  const read = () => reader.snapshot((reads) => reads.erasure('asked'));
  expect(await read()).toMatchObject({ ...counts, rewriting: secret.length });
  expect(await store.rewrite()).toEqual({ kind: 'done' });
  expect(await read()).toMatchObject({ ...counts, rewriting: 0, log: secret.length });
  await reader.close();
  await store.close();
  const bytes = readFileSync(path(), 'latin1');
  expect(bytes).toContain('kept-device');
  expect(bytes.includes('secret')).toBe(false);
});

it('looks for identities before it puts them only while duplicates come', async () => {
  const store = openEventStore({ folder });
  const looks = async (identities: readonly Identity[]) => {
    let asked = 0;
    const loaded = await store.load('a', {
      visitors: new Map(),
      identities: () => {
        asked += 1;
        return identities;
      },
    });
    return [asked, loaded.known.size];
  };
  const event = anEvent();
  await write(store, 'a', [{ sequence: 1n, events: [event] }]);
  expect(await looks([identityOf(event)])).toEqual([0, 0]);
  // `write` decides twice: blind, and knowing.
  await write(store, 'a', [{ sequence: 2n, events: [event, anEvent()] }]);
  expect(await looks([identityOf(event)])).toEqual([1, 1]);
  expect(await looks([identityOf(event)])).toEqual([1, 1]);
  expect(await looks([identityOf(anEvent())])).toEqual([1, 0]);
  expect(await looks([identityOf(event)])).toEqual([0, 0]);
  await store.close();
});

describe('the visitors that are remembered', () => {
  const device = { source: 'shop', visitor: 'device-1' };

  it('are as they were before a batch that was not applied, whatever kept it from being so', async () => {
    const store = openEventStore({ folder });
    const event = anEvent();
    await write(store, 'a', [{ sequence: 1n, events: [event] }]);
    const decision = await decisionOf(store, 'a', [{ sequence: 2n, events: [anEvent(), anEvent({ source: 'blog' })] }]);
    const absorb = () => {
      throw new Error('planted');
    };
    const rows = decision.rows.map((update) => ({ ...update, row: { ...update.row, absorb } }));
    await expect(store.apply({ ...decision, rows })).rejects.toThrow('planted');
    const blind = await decisionOf(store, 'a', [{ sequence: 2n, events: [event] }], { isBlind: true });
    expect((await store.apply(blind)).kind).toBe('contradicted');
    expect(await visitorOfStore(store, 'a', device)).toEqual({ sequence: 1n, state: '1' });
    expect(await visitorOfStore(store, 'a', { ...device, source: 'blog' })).toBeUndefined();

    expect((await store.apply(decision)).kind).toBe('applied');
    expect(await visitorOfStore(store, 'a', device)).toEqual({ sequence: 2n, state: '2' });
    expect(await visitorOfStore(store, 'a', { ...device, source: 'blog' })).toEqual({ sequence: 2n, state: '1' });
    await store.close();
  });

  it('are forgotten with an erasure, and nobody who comes later has what they had', async () => {
    const store = openEventStore({ folder });
    await write(store, 'a', [{ sequence: 1n, events: [anEvent(), anEvent({ anonymousId: 'other' })] }]);
    expect(await visitorOfStore(store, 'a', device)).toBeDefined();
    await erase(store, { lane: 'a', sequence: 2n, ...device });
    expect(await visitorOfStore(store, 'a', device)).toBeUndefined();
    for (const visitor of ['next', 'device-1']) {
      expect(await visitorOfStore(store, 'a', { ...device, visitor })).toBeUndefined();
    }
    await write(store, 'a', [{ sequence: 3n, events: [anEvent({ anonymousId: 'next' }), anEvent()] }]);
    for (const visitor of ['next', 'device-1']) {
      expect(await visitorOfStore(store, 'a', { ...device, visitor })).toEqual({ sequence: 3n, state: '1' });
    }
    expect(await visitorOfStore(store, 'a', { ...device, visitor: 'other' })).toEqual({ sequence: 1n, state: '1' });
    await store.close();
  });

  it('are read again by a store that was opened again', async () => {
    const first = openEventStore({ folder });
    await write(first, 'a', [{ sequence: 1n, events: [anEvent(), anEvent()] }]);
    await first.close();
    const second = openEventStore({ folder });
    expect(await visitorOfStore(second, 'a', device)).toEqual({ sequence: 1n, state: '2' });
    await write(second, 'a', [{ sequence: 2n, events: [anEvent()] }]);
    await second.close();
    const third = openEventStore({ folder });
    expect(await visitorOfStore(third, 'a', device)).toEqual({ sequence: 2n, state: '3' });
    await third.close();
  });
});

it('gives ids that a batch rolled back used to others, and mixes nobody up', async () => {
  const store = openEventStore({ folder });
  const reader = openEventReader({ folder });
  await write(store, 'a', [{ sequence: 1n, events: [anEvent()] }]);
  const lost = await decisionOf(store, 'a', [
    { sequence: 2n, events: [anEvent({ anonymousId: 'lost', source: 'lost-source', eventType: 'lost-type' })] },
  ]);
  const absorb = () => {
    throw new Error('planted');
  };
  const rows = lost.rows.map((update) => ({ ...update, row: { ...update.row, absorb } }));
  await expect(store.apply({ ...lost, rows })).rejects.toThrow('planted');
  const kept = anEvent({ anonymousId: 'kept', source: 'kept-source', eventType: 'kept-type' });
  await write(store, 'a', [{ sequence: 2n, events: [kept] }]);
  const again = anEvent({ anonymousId: 'lost', source: 'lost-source', eventType: 'lost-type' });
  await write(store, 'a', [{ sequence: 3n, events: [again] }]);
  for (const event of [kept, again]) {
    const { anonymousId = '', source, eventType } = event;
    const [found, ...others] = await reader.snapshot((reads) =>
      reads.eventsOf(anonymousId, { order: 'asc', limit: 10, source, eventType }),
    );
    expect([found?.eventId, found?.source, others.length]).toEqual([event.eventId, source, 0]);
  }
  await reader.close();
  await store.close();
});

it('keeps sequences beyond 2^53 exactly', async () => {
  const store = openEventStore({ folder });
  const reader = openEventReader({ folder });
  const sequence = 2n ** 62n + 1n;
  await write(store, 'a', [{ sequence, events: [anEvent()] }]);
  const [event] = await allPages(reader, { range: { order: 'asc', limit: 10 } });
  expect(event?.position.sequence).toBe(sequence);
  expect((await laneOfStore(store, 'a'))?.done).toBe(sequence);
  await reader.close();
  await store.close();
});

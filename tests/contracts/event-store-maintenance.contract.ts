import { expect, it } from 'vitest';
import type { Event } from '../../src/core/event.ts';
import type { BadEvent } from '../../src/store/event-store.ts';
import { describeErasure } from './event-store-erasure.contract.ts';
import type { StoreSubject, StoreTraits } from './store-subject.ts';
import {
  allPages,
  anEvent,
  decisionOf,
  identitiesOf,
  mergedRows,
  recordCounts,
  recordIdentities,
  type TestRecord,
  typeCounts,
  write,
} from './store-writing.ts';

/** What erasure, expiry, rebuilds and syncs promise. `replace` is told of a store that was opened again. */
export function describeMaintenance(
  given: () => StoreSubject,
  replace: (subject: StoreSubject) => void,
  traits: StoreTraits,
): void {
  describeErasure(given);
  describeExpiry(given, traits);
  describeRebuild(given);
  describeDurability(given, replace, traits);
  describeSealing(given);
}

function describeExpiry(given: () => StoreSubject, { isAtomic }: StoreTraits): void {
  it('takes the oldest arrivals, a bounded piece at a time, and counts stay right at each border', async () => {
    const { store, reader } = given();
    const record = (sequence: bigint, count: number): TestRecord => ({
      sequence,
      events: Array.from({ length: count }, () => anEvent({ receivedAt: `2026-11-23T1${sequence}:00:00.000Z` })),
    });
    const others = (sequence: bigint): TestRecord => ({
      sequence,
      events: record(sequence, 1).events.map((event) => ({ ...event, anonymousId: 'other' })),
    });
    const cut = record(2n, 2);
    await write(store, 'a', [record(1n, 3)]);
    await write(store, 'a', [cut]);
    await write(store, 'b', [others(2n)]);
    await write(store, 'a', [record(3n, 2)]);
    const before = { receivedAt: '2026-11-23T13:00:00.000Z', limit: 4 };
    const rows = await mergedRows(reader);

    const pieces: number[] = [];
    for (let piece = await store.expire(before); piece > 0; piece = await store.expire(before)) {
      pieces.push(piece);
      const expired = pieces.reduce((sum, each) => sum + each, 0);
      const { totals, counts, identities } = await reader.snapshot(async (reads) => ({
        totals: await reads.totals(),
        counts: await recordCounts(reads, 'a'),
        identities: await recordIdentities(reads, 'a'),
      }));
      expect(totals).toMatchObject({ events: 8 - expired, expired });
      expect(await allPages(reader, { range: { order: 'asc', limit: 10 } })).toHaveLength(8 - expired);
      const through = totals.expiredThrough.get('a') ?? -1n;
      const all = [[1n, 3] as const, [2n, 2] as const, [3n, 2] as const];
      expect(counts).toEqual(all.filter(([sequence]) => sequence > through));
      expect(identities.get(2n)).toBe(through >= 2n ? undefined : identitiesOf(cut.events));
    }
    // A store without transactions takes whole hours, and touches no event.
    expect(pieces).toEqual(isAtomic ? [4, 2] : [6]);
    expect(await reader.snapshot((reads) => reads.totals())).toMatchObject({
      ...{ events: 2, expired: 6, erased: 0 },
      expiredThrough: new Map([
        ['a', 2n],
        ['b', 2n],
      ]),
    });
    expect(await mergedRows(reader)).toEqual(rows);
  });

  it('takes events set aside as well, and counts them', async () => {
    const { store, reader } = given();
    const badAt = (sequence: bigint): BadEvent => ({
      position: { lane: 'a', sequence, index: 0 },
      ...{ source: 'shop', receivedAt: `2026-11-23T1${sequence}:00:00.000Z`, code: 'id_missing', detail: 'none' },
      payload: '{}',
    });
    const setAside = async (bad: BadEvent) => {
      const { sequence } = bad.position;
      const decision = await decisionOf(store, 'a', [{ sequence, events: [] }]);
      await store.apply({ ...decision, latestReceivedAt: `2026-11-23T1${sequence}:00:00.000Z`, bad: [bad] });
    };
    const read = () =>
      reader.snapshot(async (reads) => ({
        reasons: (await reads.badReasons({ limit: 9 })).map(({ position }) => position.sequence),
        older: (await reads.badReasons({ limit: 9, after: { lane: 'a', sequence: 2n, index: 0 } })).length,
        at: (await reads.badAt(all.map(({ position }) => position))).map(({ position }) => position.sequence),
        totals: await reads.totals(),
      }));
    const all = [1n, 2n, 3n, 4n].map(badAt);
    for (const bad of all) await setAside(bad);
    expect((await read()).totals).toMatchObject({ bad: 4, badExpired: 0 });
    expect(await store.expire({ receivedAt: '2026-11-23T13:00:00.000Z', limit: 9 })).toBe(2);
    expect(await read()).toMatchObject({
      ...{ reasons: [4n, 3n], older: 0, at: [3n, 4n], totals: { bad: 2, badExpired: 2, events: 0, expired: 0 } },
    });
    expect(await store.expire({ receivedAt: '2026-11-23T14:00:00.000Z', limit: 9 })).toBe(1);
    expect(await read()).toMatchObject({ reasons: [4n], totals: { bad: 1, badExpired: 3 } });
    await setAside(badAt(5n));
    expect((await read()).reasons).toEqual([5n, 4n]);
  });

  it('takes what expired for new when it comes again', async () => {
    const { store, reader } = given();
    const event = anEvent({ receivedAt: '2026-11-23T11:00:00.000Z' });
    await write(store, 'a', [{ sequence: 1n, events: [event] }]);
    expect(await store.expire({ receivedAt: '2026-11-23T12:00:00.000Z', limit: 9 })).toBe(1);
    const again = { ...event, receivedAt: '2026-11-23T14:00:00.000Z' };
    const blind = await decisionOf(store, 'a', [{ sequence: 2n, events: [again] }], { isBlind: true });
    expect((await store.apply(blind)).kind).toBe('applied');
    const list = await allPages(reader, { range: { order: 'asc', limit: 10 } });
    expect(list.map(({ position }) => position.sequence)).toEqual([2n]);
    expect(await reader.snapshot((reads) => reads.totals())).toMatchObject({ events: 1, expired: 1 });
  });
}

function describeRebuild(given: () => StoreSubject): void {
  const minute = (index: number) => `2026-11-23T10:0${index % 3}:00.000Z`;
  const records = (from: number, count: number): readonly TestRecord[] =>
    Array.from({ length: count }, (_, offset) => ({
      sequence: BigInt(from + offset),
      events: [0, 1].map((index) =>
        anEvent({ timestamp: minute(offset + index), eventType: offset % 2 === 0 ? 'page' : 'click' }),
      ),
    }));
  const times = (rows: Record<string, Record<string, number>>, factor: number) =>
    Object.fromEntries(
      Object.entries(rows).map(([name, row]) => [
        name,
        Object.fromEntries(Object.entries(row).map(([type, count]) => [type, count * factor])),
      ]),
    );

  it('equals folding all events, with events coming between its steps; readers switch at its end', async () => {
    const { store, reader } = given();
    const [one, two] = [typeCounts(1), typeCounts(2)];
    await write(store, 'a', records(1, 7), [one]);
    await write(store, 'b', records(20, 2).map(asOther), [one]);
    const old = await mergedRows(reader);
    expect(await store.rebuild(one, 3)).toBe(true);
    await write(store, 'a', records(30, 2), [two]);
    expect(await mergedRows(reader)).toEqual(old);

    let steps = 0;
    for (let sequence = 40; !(await store.rebuild(two, 4)); sequence += 1) {
      steps += 1;
      if (steps < 4) expect(await mergedRows(reader)).toEqual(old);
      await write(store, 'a', records(sequence, 1), [two]);
    }
    expect(steps).toBeGreaterThan(2);
    const all = await allPages(reader, { range: { order: 'asc', limit: 1_000 } });
    expect(await mergedRows(reader)).toEqual(times(recount(all), 2));
    expect(await mergedRows(reader, { unit: 'hour' })).toEqual(times(recount(all, 'hour'), 2));
    expect(await mergedRows(reader, { source: 'shop' })).toEqual(await mergedRows(reader));
    expect(await store.rebuild(two, 4)).toBe(true);
    expect(await mergedRows(reader)).toEqual(times(recount(all), 2));
    // The idle lane was taken along.
    expect((await reader.snapshot((reads) => reads.lanes())).get('b')?.registry).toEqual({ types: 2 });
  });

  it('shows nothing of a view that is new until it is folded, and takes up a third version on the way to the second', async () => {
    const { store, reader } = given();
    await write(store, 'a', records(1, 5), []);
    await write(store, 'a', records(10, 1), [typeCounts(2)]);
    expect(await mergedRows(reader)).toEqual({});
    expect(await store.rebuild(typeCounts(2), 3)).toBe(false);
    await write(store, 'a', records(11, 1), [typeCounts(3)]);
    expect(await mergedRows(reader)).toEqual({});
    while (!(await store.rebuild(typeCounts(3), 3)));
    const all = await allPages(reader, { range: { order: 'asc', limit: 1_000 } });
    expect(await mergedRows(reader)).toEqual(times(recount(all), 3));
    expect(await store.rebuild(typeCounts(2), 3)).toBe(true);
    expect(await mergedRows(reader)).toEqual(times(recount(all), 3));
  });
}

function asOther({ sequence, events }: TestRecord): TestRecord {
  return { sequence, events: events.map((event) => ({ ...event, anonymousId: 'other' })) };
}

/** Events by source, minute or hour, and type, counted from the events themselves. */
function recount(events: readonly Event[], unit: 'minute' | 'hour' = 'minute'): Record<string, Record<string, number>> {
  const rows: Record<string, Record<string, number>> = {};
  for (const { source, timestamp, eventType } of events) {
    const time = unit === 'minute' ? timestamp.slice(0, 16) : `${timestamp.slice(0, 13)}:00`;
    const name = `${source} ${unit}/${time}Z`;
    const row = rows[name] ?? {};
    row[eventType] = (row[eventType] ?? 0) + 1;
    rows[name] = row;
  }
  return rows;
}

function describeSealing(given: () => StoreSubject): void {
  it('puts the sealed ledger once, and takes away the rows and witnesses that it names, as they were read', async () => {
    const { store, reader } = given();
    const read = () =>
      reader.snapshot(async (reads) => ({
        sealed: await reads.sealed(),
        rows: await reads.rows({ view: 'types', from: 'minute/', to: 'minute0' }),
        witnesses: (await reads.witnesses()).map(({ collector, number }) => `${collector} ${number}`).sort(),
      }));
    const at = (minute: number) => anEvent({ timestamp: `2026-11-23T10:0${minute}:00.000Z` });
    const witness = (collector: string, number: number) =>
      store.witness({ collector, number, lane: 'a', sequence: BigInt(number) });
    let sequence = 0n;
    const writeAt = (...minutes: readonly number[]) => {
      sequence += 1n;
      return write(store, 'a', [{ sequence, events: minutes.map(at) }]);
    };
    // What is no row yet has no mark, and cannot be taken away: batches follow until there are rows.
    const rowsOf = async (...minutes: readonly number[]) => {
      for (;;) {
        const { rows } = await read();
        const found = rows.flatMap(({ key, mark }) => (mark === undefined ? [] : [{ key, mark }]));
        const wanted = minutes.map((minute) => found.find(({ key }) => key.bucket === bucketOf(minute)));
        if (rows.length === found.length && !wanted.includes(undefined))
          return wanted.filter((row) => row !== undefined);
        await writeAt(9);
      }
    };
    const bucketOf = (minute: number) => `minute/2026-11-23T10:0${minute}Z`;
    await writeAt(1, 2, 3);
    await witness('gone', 1);
    await witness('more', 1);
    expect((await read()).sealed).toBeUndefined();
    const named = await rowsOf(1, 2);
    // What comes meanwhile stays, and is not lost with what was read.
    await writeAt(2);
    await witness('more', 2);
    const sealing = { from: 0, text: 'é'.repeat(1_000), rows: named, witnesses: [] };
    const witnesses = ['gone', 'more'].map((collector) => ({ collector, number: 1, lane: 'a', sequence: 1n }));
    expect(await store.seal({ ...sealing, witnesses })).toBe(true);
    const after = await read();
    expect(after.sealed).toEqual({ revision: 1, text: sealing.text });
    const left = new Set(after.rows.map(({ key }) => key.bucket));
    expect([1, 2, 3].filter((minute) => left.has(bucketOf(minute)))).toEqual([2, 3]);
    expect(after.witnesses).toEqual(['more 2']);
    // Of two that were made of the same, one stands.
    expect(await store.seal({ ...sealing, text: 'other', rows: [] })).toBe(false);
    expect((await read()).sealed?.text).toBe(sealing.text);
    const rest = await rowsOf(2, 3);
    expect(await store.seal({ from: 1, text: 'next', rows: rest, witnesses: [] })).toBe(true);
    expect((await read()).sealed).toEqual({ revision: 2, text: 'next' });
    // A row that comes again after it was taken away begins anew.
    await writeAt(1);
    const { 'shop minute/2026-11-23T10:09Z': others, ...again } = await mergedRows(reader);
    expect(again).toEqual({ 'shop minute/2026-11-23T10:01Z': { page: 1 } });
  });

  it('keeps when the newest record done arrived', async () => {
    const { store, reader } = given();
    const decision = await decisionOf(store, 'a', [{ sequence: 1n, events: [] }]);
    await store.apply({ ...decision, becomes: { ...decision.becomes, arrivedAtMs: 1_800_000_000_123 } });
    expect((await reader.snapshot((reads) => reads.lanes())).get('a')?.arrivedAtMs).toBe(1_800_000_000_123);
  });
}

function describeDurability(
  given: () => StoreSubject,
  replace: (subject: StoreSubject) => void,
  { outlastsProcess }: StoreTraits,
): void {
  const durable = new Map([
    ['a', 4n],
    ['b', 9_007_199_254_740_993n],
  ]);
  const writeBoth = async ({ store }: StoreSubject) => {
    await write(store, 'a', [{ sequence: 4n, events: [anEvent()] }]);
    await write(store, 'b', [{ sequence: 9_007_199_254_740_993n, events: [anEvent({ anonymousId: 'x' })] }]);
  };

  it('says which sequences are durable once synced', async () => {
    await writeBoth(given());
    expect(await given().store.sync()).toEqual(durable);
  });

  const unless = outlastsProcess ? '' : ' (not where nothing outlasts the process)';
  it.skipIf(!outlastsProcess)(`has what was synced after it was opened again${unless}`, async () => {
    const before = given();
    await writeBoth(before);
    await before.store.sync();
    const after = await before.reopen();
    replace(after);
    expect(await after.store.sync()).toEqual(durable);
    await write(after.store, 'a', [{ sequence: 5n, events: [anEvent()] }]);
    expect(await mergedRows(after.reader)).toEqual({ 'shop minute/2026-11-23T10:00Z': { page: 3 } });
    expect((await after.reader.snapshot((reads) => reads.totals())).events).toBe(3);
  });

  it.skipIf(!outlastsProcess)(`goes on with a rebuild that a restart interrupted${unless}`, async () => {
    let subject = given();
    const events = Array.from({ length: 9 }, () => anEvent());
    await write(subject.store, 'a', [{ sequence: 1n, events }]);
    await write(subject.store, 'a', [{ sequence: 2n, events: [anEvent()] }], [typeCounts(2)]);
    expect(await subject.store.rebuild(typeCounts(2), 4)).toBe(false);
    subject = await subject.reopen();
    replace(subject);
    while (!(await subject.store.rebuild(typeCounts(2), 4)));
    expect(await mergedRows(subject.reader)).toEqual({ 'shop minute/2026-11-23T10:00Z': { page: 20 } });
  });
}

import { expect, it } from 'vitest';
import type { Event } from '../../src/core/event.ts';
import type { BadEvent } from '../../src/store/event-store.ts';
import type { StoreSubject, StoreTraits } from './store-subject.ts';
import {
  allPages,
  anEvent,
  decisionOf,
  erase,
  identitiesOf,
  mergedRows,
  recordCounts,
  recordIdentities,
  type TestRecord,
  typeCounts,
  visitorOfStore,
  write,
} from './store-writing.ts';

/** What erasure, expiry, rebuilds and syncs promise. `replace` is told of a store that was opened again. */
export function describeMaintenance(
  given: () => StoreSubject,
  replace: (subject: StoreSubject) => void,
  traits: StoreTraits,
): void {
  describeErasure(given);
  describeTombstones(given);
  describeExpiry(given, traits);
  describeRebuild(given);
  describeDurability(given, replace, traits);
  describeSealing(given);
}

function describeErasure(given: () => StoreSubject): void {
  it('takes a visitor, its links and its events before the erasure, and no others', async () => {
    const { store, reader } = given();
    const of = (anonymousId: string, userId: string | undefined, source = 'shop') =>
      anEvent({ anonymousId, source, ...(userId === undefined ? {} : { userId }) });
    const erased = [of('d1', undefined), of('d1', 'u')];
    const kept = [of('d2', 'u'), of('d1', undefined, 'blog')];
    await write(store, 'lane-a', [
      { sequence: 1n, events: erased },
      { sequence: 2n, events: kept },
    ]);
    await erase(store, { lane: 'lane-a', sequence: 3n, source: 'shop', visitor: 'd1' });
    const again = of('d1', 'u');
    await write(store, 'lane-a', [{ sequence: 4n, events: [again] }]);

    const list = await allPages(reader, { range: { order: 'asc', limit: 10 } });
    expect(list.map(({ eventId }) => eventId)).toEqual([...kept, again].map(({ eventId }) => eventId));
    expect(await visitorOfStore(store, 'lane-a', { source: 'shop', visitor: 'd1' })).toEqual({
      sequence: 4n,
      state: '1',
    });
    expect(await visitorOfStore(store, 'lane-a', { source: 'blog', visitor: 'd1' })).toEqual({
      sequence: 2n,
      state: '1',
    });
    const read = await reader.snapshot(async (reads) => ({
      totals: await reads.totals(),
      counts: await recordCounts(reads, 'lane-a'),
      identities: await recordIdentities(reads, 'lane-a'),
      visitors: await reads.visitorsOf('u', 10),
      states: await reads.visitorStates(
        ['d1', 'd2', 'd3'].map((visitor) => ({ source: visitor === 'd3' ? 'blog' : 'shop', visitor })),
      ),
    }));
    expect(read.totals).toMatchObject({ events: 3, erased: 2, visitors: 3 });
    expect(read.counts).toEqual([
      [1n, 2],
      [2n, 2],
      [4n, 1],
    ]);
    // With what erasure took: it is no loss.
    expect(read.identities).toEqual(
      new Map([
        [1n, identitiesOf(erased)],
        [2n, identitiesOf(kept)],
        [4n, identitiesOf([again])],
      ]),
    );
    expect(read.visitors.map(({ visitor }) => visitor)).toEqual(['d2', 'd1']);
    expect(read.states).toEqual(
      new Map([
        ['shop\0d1', { sequence: 4n, state: '1' }],
        ['shop\0d2', { sequence: 2n, state: '1' }],
      ]),
    );
    // Nothing is known of what is gone, so it may come again.
    const blind = await decisionOf(store, 'lane-a', [{ sequence: 5n, events: erased }], { isBlind: true });
    expect((await store.apply(blind)).kind).toBe('applied');
    expect((await reader.snapshot((reads) => reads.totals())).events).toBe(5);
  });

  it('leaves nobody who comes after an erasure with what was erased', async () => {
    const { store, reader } = given();
    await write(store, 'lane-a', [{ sequence: 1n, events: [anEvent({ anonymousId: 'gone' })] }]);
    await erase(store, { lane: 'lane-a', sequence: 2n, source: 'shop', visitor: 'gone' });
    await write(store, 'lane-a', [{ sequence: 3n, events: [anEvent({ anonymousId: 'next' })] }]);
    const of = (who: string) => reader.snapshot((reads) => reads.eventsOf(who, { order: 'asc', limit: 10 }));
    expect(await of('gone')).toEqual([]);
    const gone = [{ source: 'shop', visitor: 'gone' }];
    expect(await reader.snapshot((reads) => reads.visitorStates(gone))).toEqual(new Map());
    expect(await of('next')).toHaveLength(1);
    const back = anEvent({ anonymousId: 'gone' });
    await write(store, 'lane-a', [{ sequence: 4n, events: [back] }]);
    expect((await of('gone')).map(({ eventId }) => eventId)).toEqual([back.eventId]);
    expect(await of('next')).toHaveLength(1);
    await erase(store, { lane: 'lane-a', sequence: 5n, source: 'shop', visitor: 'unheard of' });
    expect((await reader.snapshot((reads) => reads.totals())).events).toBe(2);
  });
}

function describeTombstones(given: () => StoreSubject): void {
  it('remembers until when who was erased, each for itself, and the latest of all', async () => {
    const { store } = given();
    const nothing = { visitors: new Map(), identities: () => [] };
    const ids = [
      { source: 'shop', visitor: 'd1' },
      { source: 'blog', visitor: 'd1' },
      { source: 'shop', visitor: 'd2' },
    ];
    expect((await store.load('lane-a', nothing)).erasedUntil).toBeUndefined();
    expect(await store.erasedUntil(ids)).toEqual(new Map());
    await write(store, 'lane-a', [{ sequence: 1n, events: [anEvent({ anonymousId: 'd1' })] }]);
    const [early, late] = ['2026-11-23T10:20:00.000Z', '2026-11-23T10:40:00.000Z'];
    await erase(store, { lane: 'lane-a', sequence: 2n, source: 'shop', visitor: 'd1', until: late });
    await erase(store, { lane: 'lane-a', sequence: 3n, source: 'shop', visitor: 'd2', until: early });
    // A clock that was behind takes nothing back.
    await erase(store, { lane: 'lane-a', sequence: 4n, source: 'shop', visitor: 'd1', until: early });
    expect((await store.load('lane-b', nothing)).erasedUntil).toBe(late);
    expect(await store.erasedUntil(ids)).toEqual(
      new Map([
        ['shop\0d1', late],
        ['shop\0d2', early],
      ]),
    );
  });

  it('takes bytes of what was set aside and of dead records, counts them, and forgets the id once they were looked for', async () => {
    const { store, reader } = given();
    const lane = 'lane-a';
    const position = { lane, sequence: 1n, index: 0 };
    const receivedAt = '2026-11-23T10:00:00.000Z';
    const reason = { source: 'shop', receivedAt, code: 'time_invalid', detail: 'got "secret"' };
    const decision = await decisionOf(store, lane, [{ sequence: 1n, events: [] }]);
    await store.apply({
      ...decision,
      bad: [{ position, ...reason, payload: '{"userId":"secret"}' }],
      dead: [{ lane, sequence: 1n, detail: 'secret', payload: Buffer.from('secret') }],
    });
    const replay = {
      at: receivedAt,
      edit: undefined,
      visitor: 'secret',
      line: '{"userId":"secret"}',
      position: undefined,
    };
    await store.claimReplays([{ of: position, replay }]);
    await erase(store, { lane, sequence: 2n, source: 'shop', visitor: 'secret', erasure: 'asked' });
    expect(await reader.snapshot((reads) => reads.erasure('never asked'))).toBeUndefined();
    expect(await reader.snapshot((reads) => reads.erasure('asked'))).toMatchObject({ applied: 1, searching: 1 });
    const [erasing] = await reader.snapshot((reads) => reads.erasing(10));
    if (erasing === undefined) throw new Error('nothing is to be looked for');
    expect(erasing).toMatchObject({ lane, sequence: 2n, source: 'shop', visitor: 'secret', erasure: 'asked' });
    const none = { lane, sequence: 9n, index: 0 };
    await store.eraseBytes(erasing, { bad: [position, none], dead: [{ lane, sequence: 1n }, none] });
    await store.eraseBytes(erasing, { bad: [position], dead: [{ lane, sequence: 1n }] });
    for (const _ of ['once', 'twice']) await store.noteErased(erasing);

    const read = await reader.snapshot(async (reads) => ({
      erasing: await reads.erasing(10),
      erasure: await reads.erasure('asked'),
      bad: await reads.badAt([position]),
      dead: await reads.deadAt({ lane, sequence: 1n }),
      totals: await reads.totals(),
    }));
    expect(read).toMatchObject({
      ...{ erasing: [], erasure: { applied: 1, searching: 0, bad: 1, dead: 1 } },
      ...{ bad: [{ position, ...reason, detail: 'erased', payload: '' }], totals: { bad: 1, dead: 1 } },
      dead: { detail: 'erased' },
    });
    expect(read.dead?.payload).toHaveLength(0);
    expect(JSON.stringify(read.bad.map((event) => event.replay))).not.toContain('secret');
  });
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

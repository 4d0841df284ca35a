import { expect, it } from 'vitest';
import type { StoreSubject } from './store-subject.ts';
import {
  allPages,
  anEvent,
  decisionOf,
  erase,
  identitiesOf,
  recordCounts,
  recordIdentities,
  visitorOfStore,
  write,
} from './store-writing.ts';

/** What erasures promise: what goes, what stays, and what is remembered. */
export function describeErasure(given: () => StoreSubject): void {
  describeTombstones(given);

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

  it('notes of what was erased only where it lies in the log, and keeps what was noted of that before', async () => {
    const { store, reader } = given();
    const lane = 'lane-a';
    const at = (index: number) => ({ lane, sequence: 1n, index });
    const receivedAt = '2026-11-23T10:00:00.000Z';
    const decision = await decisionOf(store, lane, [{ sequence: 1n, events: [] }]);
    const bad = [0, 1, 2].map((index) => ({
      ...{ position: at(index), source: 'shop', receivedAt, code: 'time_invalid', detail: 'got "secret"' },
      payload: '{"userId":"secret"}',
    }));
    const dead = [3n, 4n].map((sequence) => ({ lane, sequence, detail: 'secret', payload: Buffer.from('secret') }));
    await store.apply({ ...decision, bad, dead });
    const claim = (index: number) => ({
      of: at(index),
      replay: { at: receivedAt, edit: undefined, visitor: 'secret', line: 'secret', position: undefined },
    });
    const [early, late] = [{ lane: 'lane-b', sequence: 7n } as const, { lane: 'lane-b', sequence: 8n } as const];
    await store.claimReplays([claim(1), claim(2)]);
    await store.noteReplays([{ of: at(2), position: early }]);
    await store.markRedriven(lane, 4n, early);
    await erase(store, { lane, sequence: 5n, source: 'shop', visitor: 'secret', erasure: 'asked' });
    const [erasing] = await reader.snapshot((reads) => reads.erasing(10));
    if (erasing === undefined) throw new Error('nothing is to be looked for');
    await store.eraseBytes(erasing, { bad: bad.map(({ position }) => position), dead });

    const nothing = { at: receivedAt, edit: undefined, visitor: '', line: undefined, position: undefined };
    const claimed = await store.claimReplays([claim(0), claim(1), claim(2)]);
    expect(claimed).toEqual([nothing, nothing, { ...nothing, position: early }]);
    expect(await store.noteReplays([{ of: at(1), position: late }])).toEqual([late]);
    expect(await store.markRedriven(lane, 3n, late)).toEqual(late);
    const read = await reader.snapshot(async (reads) => ({
      bad: await reads.badAt([at(0), at(1), at(2)]),
      dead: await reads.dead(10),
    }));
    expect(read.bad.map(({ replay }) => replay?.position)).toEqual([undefined, late, early]);
    expect(read.bad.map(({ payload, detail }) => [payload, detail])).toEqual(bad.map(() => ['', 'erased']));
    expect(read.bad.flatMap(({ replay }) => [replay?.visitor || undefined, replay?.line])).toEqual(
      Array(6).fill(undefined),
    );
    expect(read.dead.map(({ redriven, detail }) => [redriven, detail])).toEqual([
      [early, 'erased'],
      [late, 'erased'],
    ]);
    expect(read.dead.map(({ payload }) => payload.length)).toEqual([0, 0]);
  });
}

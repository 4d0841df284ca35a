import { expect, it } from 'vitest';
import { identityKey, identityOf } from '../../src/core/event.ts';
import { LIMITS } from '../../src/core/limits.ts';
import type { RowFold } from '../../src/core/view.ts';
import { visitorText } from '../../src/store/event-store.ts';
import type { StoreSubject, StoreTraits } from './store-subject.ts';
import {
  allPages,
  anEvent,
  decisionOf,
  FACTS,
  laneOfStore,
  mergedRows,
  visitorOfStore,
  write,
} from './store-writing.ts';

/** What `load` and `apply` promise. */
export function describeWriting(given: () => StoreSubject, traits: StoreTraits): void {
  describeLoading(given);
  describeIdentities(given, traits);
  describeCompareAndSet(given, traits);
  describeLinks(given);
  describeRows(given, traits);
}

function describeLoading(given: () => StoreSubject): void {
  it('gives back what was applied: lane, visitors, known events', async () => {
    const { store, reader } = given();
    const event = anEvent({ userId: 'anna', sentAt: '2026-11-23T10:00:00.500Z', traits: { plan: 'pro' } });
    await write(store, 'lane-a', [{ sequence: 7n, events: [event] }]);

    const visitor = { source: 'shop', visitor: 'device-1' };
    const visitors = new Map([[visitorText(visitor), visitor]]);
    const loaded = await store.load('lane-a', { visitors, identities: () => [identityOf(event)] });
    expect(loaded.lane).toEqual({ done: 7n, registry: { types: 1 }, cuts: {} });
    expect(loaded.visitors).toEqual(new Map([[visitorText(visitor), { sequence: 7n, state: '1' }]]));
    const position = { lane: 'lane-a', sequence: 7n, index: 0 };
    const known = new Map([[identityKey(identityOf(event)), { position, facts: JSON.stringify(FACTS) }]]);
    // It may know fewer, and then `apply` says it.
    if (loaded.known.size > 0) expect(loaded.known).toEqual(known);
    const blind = await decisionOf(store, 'lane-a', [{ sequence: 8n, events: [event] }], { isBlind: true });
    expect(await store.apply(blind)).toEqual({ kind: 'contradicted', known });

    const [stored] = await reader.snapshot((reads) => reads.eventsOf('device-1', { order: 'asc', limit: 10 }));
    expect(stored).toEqual({ ...event, position, visitor: 'device-1', facts: FACTS });
    expect(await reader.snapshot((reads) => reads.lanes())).toEqual(new Map([['lane-a', loaded.lane]]));
  });

  it('knows nothing of lanes, visitors and events that it was never given', async () => {
    const { store } = given();
    const nobody = { source: 'shop', visitor: 'nobody' };
    const loaded = await store.load('none', {
      visitors: new Map([[visitorText(nobody), nobody]]),
      identities: () => [identityOf(anEvent())],
    });
    expect(loaded.lane).toBeUndefined();
    expect(loaded.visitors.size).toBe(0);
    expect(loaded.known.size).toBe(0);
  });
}

function describeIdentities(given: () => StoreSubject, { isAtomic }: StoreTraits): void {
  it.each(['eventId', 'fingerprint', 'source', 'createdAt', 'anonymousId'] as const)(
    'tells identities apart by %s',
    async (field) => {
      const { store, reader } = given();
      const event = anEvent();
      const other = {
        ...event,
        [field]: field === 'createdAt' ? '2026-11-23T10:00:00.0000Z' : `${event[field]}-other`,
      };
      await write(store, 'lane-a', [{ sequence: 1n, events: [event] }]);
      await write(store, 'lane-a', [{ sequence: 2n, events: [other] }]);
      expect((await reader.snapshot((reads) => reads.totals())).events).toBe(2);
    },
  );

  it('takes an event for the same whatever user it is sent with: a tracker that sends it again may know more', async () => {
    const { store, reader } = given();
    const event = anEvent();
    await write(store, 'lane-a', [{ sequence: 1n, events: [event] }]);
    const again = { ...event, userId: 'u' };
    const blind = await decisionOf(store, 'lane-a', [{ sequence: 2n, events: [again] }], { isBlind: true });
    expect((await store.apply(blind)).kind).toBe('contradicted');
    await write(store, 'lane-a', [{ sequence: 2n, events: [again] }]);
    const list = await allPages(reader, { range: { order: 'asc', limit: 10 } });
    expect(list.map(({ userId, position }) => [userId, position.sequence])).toEqual([[undefined, 1n]]);
  });

  it('puts an event only if absent: applies nothing of a decision that contradicts what is there', async () => {
    const { store, reader } = given();
    const event = anEvent();
    const records = [{ sequence: 3n, events: [anEvent({ anonymousId: 'x', userId: 'u' }), event] }];
    const blind = await decisionOf(store, 'lane-b', records);
    await write(store, 'lane-a', [{ sequence: 1n, events: [event] }]);
    const seeing = {
      ...blind,
      visitors: blind.visitors.map((visitor) => ({ ...visitor, loaded: visitor.visitor === 'x' ? undefined : 1n })),
      bad: [
        {
          position: { lane: 'lane-b', sequence: 3n, index: 7 },
          source: 'shop',
          receivedAt: '2026-11-23T10:00:01.000Z',
          code: 'id_missing',
          detail: '',
          payload: '{}',
        },
      ],
      dead: [{ lane: 'lane-b', sequence: 2n, detail: '', payload: new Uint8Array([1]) }],
    };
    const applied = await store.apply(seeing);
    expect(applied.kind).toBe('contradicted');
    if (applied.kind === 'contradicted') {
      expect([...applied.known]).toEqual([
        [
          identityKey(identityOf(event)),
          { position: { lane: 'lane-a', sequence: 1n, index: 0 }, facts: JSON.stringify(FACTS) },
        ],
      ]);
    }
    expect(await laneOfStore(store, 'lane-b')).toBeUndefined();
    expect(await visitorOfStore(store, 'lane-b', { source: 'shop', visitor: 'x' })).toBeUndefined();
    expect(await visitorOfStore(store, 'lane-b', { source: 'shop', visitor: 'device-1' })).toEqual({
      sequence: 1n,
      state: '1',
    });
    expect(await reader.snapshot((reads) => reads.visitorsOf('u', 10))).toEqual([]);
    if (isAtomic)
      expect(await reader.snapshot((reads) => reads.eventsOf('x', { order: 'asc', limit: 10 }))).toEqual([]);
    const totals = await reader.snapshot((reads) => reads.totals());
    expect(totals).toMatchObject({ events: 1, visitors: 1, bad: 0, dead: 0 });
    expect(await mergedRows(reader)).toEqual({ 'shop minute/2026-11-23T10:00Z': { page: 1 } });

    await write(store, 'lane-b', records);
    expect((await reader.snapshot((reads) => reads.totals())).events).toBe(2);
    expect(await reader.snapshot((reads) => reads.visitorsOf('u', 10))).toEqual([{ source: 'shop', visitor: 'x' }]);
    expect(await mergedRows(reader)).toEqual({ 'shop minute/2026-11-23T10:00Z': { page: 2 } });
  });

  it('names every identity that contradicts, each where it lies, and none else', async () => {
    const { store, reader } = given();
    const there = [anEvent(), anEvent({ userId: 'u' }), anEvent({ anonymousId: 'y' })];
    await write(store, 'lane-a', [{ sequence: 1n, events: there }]);
    for (const sequence of [2n, 3n]) {
      const events = [anEvent(), ...[...there].reverse(), anEvent({ anonymousId: 'new' })];
      const blind = await decisionOf(store, 'lane-a', [{ sequence, events }], { isBlind: true });
      const applied = await store.apply(blind);
      const known = there.map((event, index) => {
        const position = { lane: 'lane-a', sequence: 1n, index };
        return [identityKey(identityOf(event)), { position, facts: JSON.stringify(FACTS) }] as const;
      });
      expect(applied).toEqual({ kind: 'contradicted', known: new Map(known) });
    }
    expect((await reader.snapshot((reads) => reads.totals())).events).toBe(3);
    expect(await reader.snapshot((reads) => reads.doubled(10))).toEqual([]);
  });
}

function describeCompareAndSet(given: () => StoreSubject, { isAtomic }: StoreTraits): void {
  it('refuses a batch whose lane is no longer as loaded', async () => {
    const { store, reader } = given();
    const stale = await decisionOf(store, 'lane-a', [{ sequence: 1n, events: [anEvent()] }]);
    expect((await store.apply(stale)).kind).toBe('applied');
    await expect(store.apply(stale)).rejects.toThrow('lane-a');
    const registry = { ...stale, loaded: { ...stale.becomes, registry: { types: 2 } } };
    await expect(store.apply(registry)).rejects.toThrow('lane-a');
    expect((await reader.snapshot((reads) => reads.totals())).events).toBe(1);
  });

  const unless = isAtomic
    ? ''
    : ' (not without transactions: there a visitor past the batch is one that another try of it has written)';
  it.skipIf(!isAtomic)(
    `refuses a batch with a visitor that is no longer as loaded, and applies nothing of it${unless}`,
    async () => {
      const { store, reader } = given();
      const absent = await decisionOf(store, 'lane-a', [{ sequence: 1n, events: [anEvent()] }]);
      await write(store, 'lane-b', [{ sequence: 5n, events: [anEvent()] }]);
      await expect(store.apply(absent)).rejects.toThrow('device-1');
      const stale = await decisionOf(store, 'lane-a', [{ sequence: 6n, events: [anEvent()] }]);
      await write(store, 'lane-b', [{ sequence: 7n, events: [anEvent()] }]);
      await expect(store.apply(stale)).rejects.toThrow('device-1');

      expect((await reader.snapshot((reads) => reads.totals())).events).toBe(2);
      expect(await laneOfStore(store, 'lane-a')).toBeUndefined();
      expect(await visitorOfStore(store, 'lane-a', { source: 'shop', visitor: 'device-1' })).toEqual({
        sequence: 7n,
        state: '2',
      });
    },
  );
}

function describeLinks(given: () => StoreSubject): void {
  it('links users to visitors once, within a source, and lists them in the order linked', async () => {
    const { store, reader } = given();
    const link = (userId: string, anonymousId: string, source = 'shop') => anEvent({ userId, anonymousId, source });
    const events = [link('u', 'd2'), link('u', 'd1'), link('u', 'd2'), link('v', 'd1'), link('u', 'd2', 'blog')];
    await write(store, 'lane-a', [{ sequence: 1n, events }]);
    await write(store, 'lane-a', [{ sequence: 2n, events: [link('u', 'd1')] }]);
    const read = await reader.snapshot(async (reads) => ({
      all: await reads.visitorsOf('u', 10),
      two: await reads.visitorsOf('u', 2),
      other: await reads.visitorsOf('v', 10),
      none: await reads.visitorsOf('d1', 10),
    }));
    const visitors = [
      { source: 'shop', visitor: 'd2' },
      { source: 'shop', visitor: 'd1' },
      { source: 'blog', visitor: 'd2' },
    ];
    expect(read.all).toEqual(visitors);
    expect(read.two).toEqual(visitors.slice(0, 2));
    expect(read.other).toEqual([{ source: 'shop', visitor: 'd1' }]);
    expect(read.none).toEqual([]);
  });
}

function describeRows(given: () => StoreSubject, { isAtomic }: StoreTraits): void {
  it.each([2, LIMITS.journalItemsMax + 6])(
    'absorbs deltas of %i batches in order, all those of a row at once, into rows of each lane and bucket',
    async (batches) => {
      const { store, reader } = given();
      const row: RowFold = {
        empty: () => '',
        encode: (state) => String(state),
        decode: (text) => text,
        absorb: (state, deltas, bucket) => `${state}${deltas.join('')}@${bucket.at(-1)} `,
      };
      const lettersOf = (batch: number) => (batch % 3 === 0 ? [`${batch}x,`] : [`${batch}x,`, `${batch}y,`]);
      const places = Array.from({ length: batches }, (_, place) => place + 1);
      for (const [batch, lane] of [...places.map((place) => [place, 'a'] as const), [batches + 1, 'b'] as const]) {
        const decision = await decisionOf(store, lane, [{ sequence: BigInt(batch), events: [] }], { views: [] });
        const rows = ['all/1', 'all/2'].map((bucket) => {
          const key = { view: 'letters', version: 1, source: 'shop', bucket, lane };
          return { key, row, deltas: lettersOf(batch) };
        });
        const becomes = { ...decision.becomes, registry: { letters: 1 }, cuts: {} };
        await store.apply({ ...decision, becomes, rows });
      }
      const found = await reader.snapshot((reads) => reads.rows({ view: 'letters', from: 'all/', to: 'all0' }));
      const byRow = Map.groupBy(found, ({ key }) => `${key.lane} ${key.bucket}`);
      expect([...byRow.keys()].sort()).toEqual(['a all/1', 'a all/2', 'b all/1', 'b all/2']);
      for (const [name, own] of byRow) {
        // A row is what was absorbed, and beside it the deltas that are not absorbed yet.
        const [absorbed = '', ...more] = own.map(({ text }) => text).filter((text) => text.includes('@'));
        expect(more, name).toEqual([]);
        const all = name.startsWith('a') ? places : [batches + 1];
        const count = absorbed.split(' ').length - 1;
        const expected = all.slice(0, count).map((batch) => `${lettersOf(batch).join('')}@${name.at(-1)} `);
        expect(absorbed, name).toBe(expected.join(''));
        const waiting = own.map(({ text }) => text).filter((text) => !text.includes('@'));
        expect(waiting.sort(), name).toEqual(all.slice(count).flatMap(lettersOf).sort());
        expect(all.length - count, name).toBeLessThanOrEqual(LIMITS.journalItemsMax);
      }
    },
  );

  it('absorbs several deltas of a batch into one row, and shares each between rows', async () => {
    const { store, reader } = given();
    const at = (minute: number) => anEvent({ timestamp: `2026-11-23T10:0${minute}:30.000Z` });
    await write(store, 'lane-a', [{ sequence: 1n, events: [at(1), at(2), at(2), at(3)] }]);
    await write(store, 'lane-a', [{ sequence: 2n, events: [at(2), at(4)] }]);
    expect(await mergedRows(reader)).toEqual({
      'shop minute/2026-11-23T10:01Z': { page: 1 },
      'shop minute/2026-11-23T10:02Z': { page: 3 },
      'shop minute/2026-11-23T10:03Z': { page: 1 },
      'shop minute/2026-11-23T10:04Z': { page: 1 },
    });
    expect(await mergedRows(reader, { unit: 'hour' })).toEqual({ 'shop hour/2026-11-23T10:00Z': { page: 6 } });
  });

  it('reads rows of a range of buckets, of one source or all', async () => {
    const { store, reader } = given();
    const at = (minute: number, source: string) => anEvent({ source, timestamp: `2026-11-23T10:0${minute}:30.000Z` });
    await write(store, 'lane-a', [
      { sequence: 1n, events: [at(1, 'shop'), at(2, 'shop'), at(3, 'shop')] },
      { sequence: 2n, events: [at(2, 'blog'), at(3, 'app')] },
    ]);
    const bucketsOf = async (source: string | undefined) => {
      const range = { view: 'types', source, from: 'minute/2026-11-23T10:02Z', to: 'minute/2026-11-23T10:03Z' };
      const rows = await reader.snapshot((reads) => reads.rows(range));
      return rows.map(({ key }) => `${key.source} ${key.bucket}`).sort();
    };
    expect(await bucketsOf('shop')).toEqual(['shop minute/2026-11-23T10:02Z']);
    expect(await bucketsOf(undefined)).toEqual(['blog minute/2026-11-23T10:02Z', 'shop minute/2026-11-23T10:02Z']);
    expect(await bucketsOf('nowhere')).toEqual([]);
  });

  const unless = isAtomic ? '' : ' (not without transactions: rows are then made after the batch, out of a journal)';
  it.skipIf(!isAtomic)(
    `applies nothing of a batch in which a row throws, and the batch again gives the right state${unless}`,
    async () => {
      const { store, reader } = given();
      await write(store, 'lane-a', [{ sequence: 1n, events: [anEvent()] }]);
      const decision = await decisionOf(store, 'lane-a', [{ sequence: 2n, events: [anEvent({ anonymousId: 'new' })] }]);
      const absorb = () => {
        throw new Error('planted');
      };
      // The rows before the one that throws are put, and must go.
      const broken = decision.rows.map((update, place) =>
        place === decision.rows.length - 1 ? { ...update, row: { ...update.row, absorb } } : update,
      );
      expect(broken.length).toBeGreaterThan(1);
      await expect(store.apply({ ...decision, rows: broken })).rejects.toThrow('planted');
      expect((await reader.snapshot((reads) => reads.totals())).events).toBe(1);
      expect(await mergedRows(reader)).toEqual({ 'shop minute/2026-11-23T10:00Z': { page: 1 } });
      expect(await visitorOfStore(store, 'lane-a', { source: 'shop', visitor: 'new' })).toBeUndefined();
      expect((await laneOfStore(store, 'lane-a'))?.done).toBe(1n);
      expect((await store.apply(decision)).kind).toBe('applied');
      expect(await mergedRows(reader)).toEqual({ 'shop minute/2026-11-23T10:00Z': { page: 2 } });
      expect(await reader.snapshot((reads) => reads.eventsOf('new', { order: 'asc', limit: 9 }))).toHaveLength(1);
    },
  );
}

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Event, identityKey, identityOf, whoOf } from '../../src/core/event.ts';
import {
  type BadEvent,
  type EventPosition,
  type EventReader,
  type EventStore,
  visitorText,
} from '../../src/store/event-store.ts';
import {
  allPages,
  anEvent,
  decisionOf,
  erase,
  FACTS,
  mergedRows,
  positionText,
  type TestRecord,
  typeCounts,
  write,
} from './store-writing.ts';

/** A store of one adapter, and what only it knows how to do. */
export interface StoreSubject {
  readonly store: EventStore;
  readonly reader: EventReader;
  /** Whether a snapshot sees nothing of what is written while it lasts. */
  readonly isolatesSnapshots: boolean;
  /** Closes both and opens them again; absent when nothing outlasts the process. */
  reopen?(): Promise<StoreSubject>;
  /** By hand, behind the adapter's back: an event vanishes, or lies there a second time under a new position. */
  removeByHand(position: EventPosition): void;
  doubleByHand(position: EventPosition, copy: EventPosition): void;
  dispose(): Promise<void>;
}

/** The contract of `EventStore` and `EventReader`, to be run over each adapter. */
export function describeEventStore(name: string, open: () => Promise<StoreSubject>): void {
  describe(`event store: ${name}`, () => {
    let subject: StoreSubject;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.dispose());

    describeWriting(() => subject);
    describeLists(() => subject, open);
    describeAside(() => subject);
    describeErasure(() => subject);
    describeExpiry(() => subject);
    describeRebuild(() => subject);
    describeAudit(() => subject);
    describeDurability(
      () => subject,
      (next) => {
        subject = next;
      },
    );
  });
}

function describeWriting(given: () => StoreSubject): void {
  it('gives back what was applied: lane, visitors, known events', async () => {
    const { store, reader } = given();
    const event = anEvent({ userId: 'anna', sentAt: '2026-11-23T10:00:00.500Z', traits: { plan: 'pro' } });
    await write(store, 'lane-a', [{ sequence: 7n, events: [event] }]);

    const visitor = { source: 'shop', visitor: 'device-1' };
    const loaded = await store.load('lane-a', { visitors: [visitor], identities: [identityOf(event)] });
    expect(loaded.lane).toEqual({ done: 7n, registry: { types: 1 }, cuts: {} });
    expect(loaded.visitors.get(visitorText(visitor))).toEqual({ sequence: 7n, state: '1' });
    const position = { lane: 'lane-a', sequence: 7n, index: 0 };
    expect(loaded.known.get(identityKey(identityOf(event)))).toEqual({ position, facts: JSON.stringify(FACTS) });

    const [stored] = await reader.snapshot((reads) => reads.eventsOf('anna', { order: 'asc', limit: 10 }));
    expect(stored).toEqual({ ...event, position, visitor: 'device-1', facts: FACTS });
    expect(await reader.snapshot((reads) => reads.lanes())).toEqual(new Map([['lane-a', loaded.lane]]));
  });

  it('knows nothing of lanes, visitors and events that it was never given', async () => {
    const { store } = given();
    const loaded = await store.load('none', {
      visitors: [{ source: 'shop', visitor: 'nobody' }],
      identities: [identityOf(anEvent())],
    });
    expect(loaded.lane).toBeUndefined();
    expect(loaded.visitors.size).toBe(0);
    expect(loaded.known.size).toBe(0);
  });

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

  it('puts an event only if absent: applies nothing of a decision that contradicts what is there', async () => {
    const { store, reader } = given();
    const event = anEvent();
    const blind = await decisionOf(store, 'lane-b', [{ sequence: 3n, events: [anEvent({ anonymousId: 'x' }), event] }]);
    await write(store, 'lane-a', [{ sequence: 1n, events: [event] }]);
    const seeing = {
      ...blind,
      visitors: blind.visitors.map((visitor) => ({ ...visitor, loaded: visitor.visitor === 'x' ? undefined : 1n })),
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
    expect((await store.load('lane-b', { visitors: [], identities: [] })).lane).toBeUndefined();
    expect((await reader.snapshot((reads) => reads.totals())).events).toBe(1);
    expect(await mergedRows(reader)).toEqual({ 'shop minute/2026-11-23T10:00Z': { page: 1 } });

    await write(store, 'lane-b', [{ sequence: 3n, events: [anEvent({ anonymousId: 'x' }), event] }]);
    expect((await reader.snapshot((reads) => reads.totals())).events).toBe(2);
  });

  it('refuses a batch whose lane is no longer as loaded', async () => {
    const { store, reader } = given();
    const stale = await decisionOf(store, 'lane-a', [{ sequence: 1n, events: [anEvent()] }]);
    expect((await store.apply(stale)).kind).toBe('applied');
    await expect(store.apply(stale)).rejects.toThrow('lane-a');
    const registry = { ...stale, loaded: { ...stale.becomes, registry: { types: 2 } } };
    await expect(store.apply(registry)).rejects.toThrow('lane-a');
    expect((await reader.snapshot((reads) => reads.totals())).events).toBe(1);
  });

  it('refuses a batch with a visitor that is no longer as loaded, and applies nothing of it', async () => {
    const { store, reader } = given();
    const absent = await decisionOf(store, 'lane-a', [{ sequence: 1n, events: [anEvent()] }]);
    await write(store, 'lane-b', [{ sequence: 5n, events: [anEvent()] }]);
    await expect(store.apply(absent)).rejects.toThrow('device-1');
    const stale = await decisionOf(store, 'lane-a', [{ sequence: 6n, events: [anEvent()] }]);
    await write(store, 'lane-b', [{ sequence: 7n, events: [anEvent()] }]);
    await expect(store.apply(stale)).rejects.toThrow('device-1');

    expect((await reader.snapshot((reads) => reads.totals())).events).toBe(2);
    const loaded = await store.load('lane-a', { visitors: [{ source: 'shop', visitor: 'device-1' }], identities: [] });
    expect(loaded.lane).toBeUndefined();
    expect(loaded.visitors.get('shop\0device-1')).toEqual({ sequence: 7n, state: '2' });
  });

  it('links users to visitors once, within a source, and lists them in the order linked', async () => {
    const { store, reader } = given();
    const link = (userId: string, anonymousId: string, source = 'shop') => anEvent({ userId, anonymousId, source });
    const events = [link('u', 'd2'), link('u', 'd1'), link('u', 'd2'), link('v', 'd1'), link('u', 'd2', 'blog')];
    await write(store, 'lane-a', [{ sequence: 1n, events }]);
    await write(store, 'lane-a', [{ sequence: 2n, events: [link('u', 'd1')] }]);
    const read = await reader.snapshot(async (reads) => ({
      all: await reads.visitorsOf('u', 10),
      two: await reads.visitorsOf('u', 2),
      users: new Set(await reads.usersOf('d1', 10)),
      one: await reads.usersOf('d1', 1),
      none: await reads.usersOf('u', 10),
    }));
    const visitors = [
      { source: 'shop', visitor: 'd2' },
      { source: 'shop', visitor: 'd1' },
      { source: 'blog', visitor: 'd2' },
    ];
    expect(read.all).toEqual(visitors);
    expect(read.two).toEqual(visitors.slice(0, 2));
    expect(read.users).toEqual(new Set(['u', 'v']));
    expect(read.one).toHaveLength(1);
    expect(read.none).toEqual([]);
  });

  it('folds contributions in order, into rows of each lane and source', async () => {
    const { store, reader } = given();
    const codec = { empty: () => '', encode: (state: unknown) => String(state), decode: (text: string) => text };
    for (const [sequence, lane, letters] of [
      [1n, 'a', 'xy'],
      [2n, 'a', 'z'],
      [3n, 'b', 'w'],
    ] as const) {
      const decision = await decisionOf(store, lane, [{ sequence, events: [] }], []);
      const key = { view: 'letters', version: 1, source: 'shop', bucket: 'all/1', lane };
      const contributions = [...letters].map((letter) => ({ sequence, fold: (state: unknown) => `${state}${letter}` }));
      await store.apply({ ...decision, rows: [{ key, codec, contributions }] });
    }
    const rows = await reader.snapshot((reads) => reads.rows({ view: 'letters', from: 'all/', to: 'all0' }));
    expect(rows.map(({ key, text }) => [key.lane, text]).sort()).toEqual([
      ['a', 'xyz'],
      ['b', 'w'],
    ]);
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

  it('applies nothing of a batch in which a fold throws, and the batch again gives the right state', async () => {
    const { store, reader } = given();
    await write(store, 'lane-a', [{ sequence: 1n, events: [anEvent()] }]);
    const decision = await decisionOf(store, 'lane-a', [{ sequence: 2n, events: [anEvent({ anonymousId: 'new' })] }]);
    const broken = decision.rows.map((row) => ({
      ...row,
      contributions: [
        ...row.contributions,
        {
          sequence: 2n,
          fold: () => {
            throw new Error('planted');
          },
        },
      ],
    }));
    await expect(store.apply({ ...decision, rows: broken })).rejects.toThrow('planted');
    expect((await reader.snapshot((reads) => reads.totals())).events).toBe(1);
    expect((await store.apply(decision)).kind).toBe('applied');
    expect(await mergedRows(reader)).toEqual({ 'shop minute/2026-11-23T10:00Z': { page: 2 } });
    expect(await reader.snapshot((reads) => reads.eventsOf('new', { order: 'asc', limit: 9 }))).toHaveLength(1);
  });
}

const TIMES = ['10:00:00Z', '10:00:00.000Z', '10:00:00.001Z', '10:00:00.0010001Z', '10:00:01.5Z', '10:07:00.000Z'];
const createdAt = fc.constantFrom(...TIMES).map((time) => `2026-11-23T${time}`);
const timestamp = fc.constantFrom('10:00:00.000', '10:00:00.001', '10:07:00.000').map((time) => `2026-11-23T${time}Z`);
const aBatch = fc.record({
  lane: fc.constantFrom('lane-a', 'lane-b', 'Lane'),
  events: fc.array(
    fc.record({
      createdAt,
      timestamp,
      eventType: fc.constantFrom('page', 'click'),
      anonymousId: fc.constantFrom('d1', 'd2'),
    }),
    { minLength: 1, maxLength: 6 },
  ),
});
const aRange = fc.record({
  order: fc.constantFrom('asc', 'desc'),
  limit: fc.integer({ min: 1, max: 7 }),
  eventType: fc.option(fc.constantFrom('page', 'click', 'never'), { nil: undefined }),
  from: fc.option(timestamp, { nil: undefined }),
  to: fc.option(timestamp, { nil: undefined }),
});

function describeLists(given: () => StoreSubject, open: () => Promise<StoreSubject>): void {
  it('pages joined are the sorted whole, whatever is applied between them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(aBatch, { minLength: 1, maxLength: 8 }),
        fc.array(aBatch, { maxLength: 4 }),
        aRange,
        fc.constantFrom(undefined, 'd1', 'nobody'),
        async (before, meanwhile, range, who) => {
          const subject = await open();
          try {
            const { store, reader } = subject;
            let sequence = 0n;
            const put = async ({ lane, events }: (typeof before)[number]) => {
              sequence += 1n;
              const record = { sequence, events: events.map((event) => anEvent(event)) };
              await write(store, lane, [record]);
              return record.events.map((event, index) => ({ event, position: { lane, sequence, index } }));
            };
            const there: Placed[] = [];
            for (const batch of before) there.push(...(await put(batch)));
            const waiting = [...meanwhile];
            const found = await allPages(reader, who === undefined ? { range } : { who, range }, async () => {
              const batch = waiting.shift();
              if (batch !== undefined) await put(batch);
            });
            const expected = expectedList(there, { ...range, who });
            const places = found.map(({ position }) => positionText(position));
            expect(new Set(places).size).toBe(places.length);
            expect(places.filter((place) => isOf(there, place))).toEqual(expected);
          } finally {
            await subject.dispose();
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('narrows a timeline to one visitor', async () => {
    const { store, reader } = given();
    const events = ['d1', 'd2', 'd1'].map((anonymousId) => anEvent({ userId: 'u', anonymousId }));
    await write(store, 'lane-a', [{ sequence: 1n, events }]);
    const of = (visitor: string) =>
      reader.snapshot((reads) => reads.eventsOf('u', { order: 'asc', limit: 10, visitor }));
    expect((await of('d1')).map(({ eventId }) => eventId)).toEqual([events[0]?.eventId, events[2]?.eventId]);
    expect(await of('nobody')).toEqual([]);
  });
}

interface Placed {
  readonly event: Event;
  readonly position: EventPosition;
}

/** The list as its definition says: filtered, sorted by time, then lane, sequence, index. Compares texts padded alike. */
function expectedList(
  events: readonly Placed[],
  range: {
    order: string;
    eventType?: string | undefined;
    from?: string | undefined;
    to?: string | undefined;
    who?: string | undefined;
  },
): readonly string[] {
  const { who, eventType, from = '', to = '9' } = range;
  const timeOf = ({ event }: Placed) => (who === undefined ? event.timestamp : event.createdAt).slice(0, -1);
  const keyOf = (placed: Placed) => {
    const { lane, sequence, index } = placed.position;
    return [timeOf(placed), lane, String(sequence).padStart(9, '0'), String(index).padStart(9, '0')].join('\0');
  };
  const keyed = events
    .filter((placed) => {
      const time = timeOf(placed);
      const isIn = time >= from.replace('Z', '') && time < to.replace('Z', '');
      const isType = eventType === undefined || placed.event.eventType === eventType;
      return isIn && isType && (who === undefined || whoOf(placed.event) === who);
    })
    .map((placed) => [keyOf(placed), positionText(placed.position)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  if (range.order === 'desc') keyed.reverse();
  return keyed.map(([, place]) => place);
}

function isOf(events: readonly Placed[], place: string): boolean {
  return events.some(({ position }) => positionText(position) === place);
}

function describeAside(given: () => StoreSubject): void {
  const badAt = (lane: string, sequence: bigint, index: number, detail = 'as it came'): BadEvent => ({
    position: { lane, sequence, index },
    source: 'shop',
    receivedAt: '2026-11-23T10:00:01.000Z',
    code: 'id_missing',
    detail,
    payload: '{"no":"id"}',
  });

  it('keeps bad events and dead records, put if absent, newest first', async () => {
    const { store, reader } = given();
    const payload = new Uint8Array([0, 255, 10, 0]);
    const set = async (sequence: bigint, bad: readonly BadEvent[], detail = 'first') => {
      const decision = await decisionOf(store, 'a', [{ sequence, events: [] }]);
      await store.apply({ ...decision, bad, dead: [{ lane: 'a', sequence: 4n, detail, payload }] });
    };
    const first = [badAt('a', 1n, 0), badAt('a', 1n, 1), badAt('a', 2n, 0), badAt('b', 2n, 0)];
    await set(5n, first);
    await set(6n, [badAt('a', 1n, 0, 'again'), badAt('a', 12n, 0)], 'again');
    const read = await reader.snapshot(async (reads) => ({
      bad: await reads.bad({ limit: 10 }),
      two: await reads.bad({ limit: 2 }),
      rest: await reads.bad({ limit: 10, after: { lane: 'b', sequence: 2n, index: 0 } }),
      dead: await reads.dead(10),
      totals: await reads.totals(),
    }));
    const newest = [badAt('a', 12n, 0), ...[...first].reverse()];
    expect(read.bad).toEqual(newest);
    expect(read.two).toEqual(newest.slice(0, 2));
    expect(read.rest).toEqual(newest.slice(2));
    expect(read.dead.map((dead) => ({ ...dead, payload: [...dead.payload] }))).toEqual([
      { lane: 'a', sequence: 4n, detail: 'first', payload: [...payload] },
    ]);
    expect(read.totals).toMatchObject({ bad: 5, dead: 1 });
  });

  it('keeps the highest number that each collector said', async () => {
    const { store, reader } = given();
    const says = (collector: string, number: number) =>
      store.witness({ collector, number, lane: 'a', sequence: BigInt(number * 10) });
    for (const number of [3, 9, 4]) await says('c1', number);
    await says('c2', 1);
    const witnesses = await reader.snapshot((reads) => reads.witnesses());
    expect([...witnesses].sort((a, b) => b.number - a.number)).toEqual([
      { collector: 'c1', number: 9, lane: 'a', sequence: 90n },
      { collector: 'c2', number: 1, lane: 'a', sequence: 10n },
    ]);
  });
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
    const loaded = await store.load('lane-a', {
      visitors: [
        { source: 'shop', visitor: 'd1' },
        { source: 'blog', visitor: 'd1' },
      ],
      identities: erased.map(identityOf),
    });
    expect(loaded.known.size).toBe(0);
    expect([...loaded.visitors]).toEqual([
      ['shop\0d1', { sequence: 4n, state: '1' }],
      ['blog\0d1', { sequence: 2n, state: '1' }],
    ]);
    const read = await reader.snapshot(async (reads) => ({
      totals: await reads.totals(),
      counts: await reads.storedCounts('lane-a'),
      visitors: await reads.visitorsOf('u', 10),
    }));
    expect(read.totals).toMatchObject({ events: 3, erased: 2, visitors: 3 });
    expect(read.counts.map(({ sequence, events }) => [sequence, events])).toEqual([
      [1n, 2],
      [2n, 2],
      [4n, 1],
    ]);
    expect(read.visitors.map(({ visitor }) => visitor)).toEqual(['d2', 'd1']);
  });

  it('leaves nobody who comes after an erasure with what was erased', async () => {
    const { store, reader } = given();
    await write(store, 'lane-a', [{ sequence: 1n, events: [anEvent({ anonymousId: 'gone' })] }]);
    await erase(store, { lane: 'lane-a', sequence: 2n, source: 'shop', visitor: 'gone' });
    await write(store, 'lane-a', [{ sequence: 3n, events: [anEvent({ anonymousId: 'next' })] }]);
    const of = (who: string) => reader.snapshot((reads) => reads.eventsOf(who, { order: 'asc', limit: 10 }));
    expect(await of('gone')).toEqual([]);
    expect(await of('next')).toHaveLength(1);
    const back = anEvent({ anonymousId: 'gone' });
    await write(store, 'lane-a', [{ sequence: 4n, events: [back] }]);
    expect((await of('gone')).map(({ eventId }) => eventId)).toEqual([back.eventId]);
    expect(await of('next')).toHaveLength(1);
    await erase(store, { lane: 'lane-a', sequence: 5n, source: 'shop', visitor: 'unheard of' });
    expect((await reader.snapshot((reads) => reads.totals())).events).toBe(2);
  });
}

function describeExpiry(given: () => StoreSubject): void {
  it('takes the oldest arrivals, a bounded piece at a time, and counts stay right at the border', async () => {
    const { store, reader } = given();
    const record = (sequence: bigint, count: number): TestRecord => ({
      sequence,
      events: Array.from({ length: count }, () => anEvent({ receivedAt: `2026-11-23T10:00:0${sequence}.000Z` })),
    });
    const others = (sequence: bigint): TestRecord => ({
      sequence,
      events: record(sequence, 1).events.map((event) => ({ ...event, anonymousId: 'other' })),
    });
    await write(store, 'a', [record(1n, 3), record(2n, 2)]);
    await write(store, 'b', [others(2n)]);
    await write(store, 'a', [record(3n, 2)]);
    const before = { receivedAt: '2026-11-23T10:00:03.000Z', limit: 4 };
    const state = () =>
      reader.snapshot(async (reads) => ({
        totals: await reads.totals(),
        counts: (await reads.storedCounts('a')).map(({ sequence, events }) => [sequence, events]),
      }));

    expect(await store.expire(before)).toBe(4);
    let read = await state();
    expect(read.totals).toMatchObject({ events: 4, expired: 4, expiredThrough: new Map([['a', 1n]]) });
    expect(read.counts).toEqual([
      [2n, 2],
      [3n, 2],
    ]);
    expect(await store.expire(before)).toBe(2);
    read = await state();
    expect(read.totals).toMatchObject({
      events: 2,
      expired: 6,
      expiredThrough: new Map([
        ['a', 2n],
        ['b', 2n],
      ]),
    });
    expect(read.counts).toEqual([[3n, 2]]);
    expect(await store.expire(before)).toBe(0);
    expect(await allPages(reader, { range: { order: 'asc', limit: 10 } })).toHaveLength(2);
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
    expect(await mergedRows(reader, 'shop')).toEqual(await mergedRows(reader));
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

/** Events by source and minute and type, counted from the events themselves. */
function recount(events: readonly Event[]): Record<string, Record<string, number>> {
  const rows: Record<string, Record<string, number>> = {};
  for (const { source, timestamp, eventType } of events) {
    const name = `${source} minute/${timestamp.slice(0, 16)}Z`;
    const row = rows[name] ?? {};
    row[eventType] = (row[eventType] ?? 0) + 1;
    rows[name] = row;
  }
  return rows;
}

function describeAudit(given: () => StoreSubject): void {
  it('shows an event deleted by hand and one doubled by hand', async () => {
    const subject = given();
    const { store, reader } = subject;
    const events = [anEvent(), anEvent(), anEvent({ eventId: 'twin', fingerprint: 'x' }), anEvent({ eventId: 'twin' })];
    await write(store, 'a', [{ sequence: 1n, events }]);
    const read = () =>
      reader.snapshot(async (reads) => ({
        counts: await reads.storedCounts('a'),
        doubled: await reads.doubled(10),
        none: await reads.doubled(0),
        totals: await reads.totals(),
      }));
    expect(await read()).toMatchObject({ counts: [{ lane: 'a', sequence: 1n, events: 4 }], doubled: [] });

    const [first, second] = [0, 1].map((index) => ({ lane: 'a', sequence: 1n, index }));
    if (first === undefined || second === undefined) throw new Error('unreachable');
    subject.removeByHand(first);
    const copy = { lane: 'a', sequence: 9n, index: 3 };
    subject.doubleByHand(second, copy);
    const after = await read();
    expect(after.counts.map(({ sequence, events: count }) => [sequence, count])).toEqual([
      [1n, 3],
      [9n, 1],
    ]);
    const [, event] = events;
    expect(after.doubled).toEqual([{ identity: event && identityOf(event), positions: [second, copy] }]);
    expect(after.none).toEqual([]);
    expect(after.totals.events).toBe(4);
  });
}

function describeDurability(given: () => StoreSubject, replace: (subject: StoreSubject) => void): void {
  it('says which sequences are durable once synced, and has them after it was opened again', async () => {
    const before = given();
    await write(before.store, 'a', [{ sequence: 4n, events: [anEvent()] }]);
    await write(before.store, 'b', [{ sequence: 9_007_199_254_740_993n, events: [anEvent({ anonymousId: 'x' })] }]);
    const durable = new Map([
      ['a', 4n],
      ['b', 9_007_199_254_740_993n],
    ]);
    expect(await before.store.sync()).toEqual(durable);
    if (before.reopen === undefined) return;
    const after = await before.reopen();
    replace(after);
    expect(await after.store.sync()).toEqual(durable);
    await write(after.store, 'a', [{ sequence: 5n, events: [anEvent()] }]);
    expect(await mergedRows(after.reader)).toEqual({ 'shop minute/2026-11-23T10:00Z': { page: 3 } });
    expect((await after.reader.snapshot((reads) => reads.totals())).events).toBe(3);
  });

  it('goes on with a rebuild that a restart interrupted', async () => {
    let subject = given();
    const events = Array.from({ length: 9 }, () => anEvent());
    await write(subject.store, 'a', [{ sequence: 1n, events }]);
    await write(subject.store, 'a', [{ sequence: 2n, events: [anEvent()] }], [typeCounts(2)]);
    expect(await subject.store.rebuild(typeCounts(2), 4)).toBe(false);
    if (subject.reopen === undefined) return;
    subject = await subject.reopen();
    replace(subject);
    while (!(await subject.store.rebuild(typeCounts(2), 4)));
    expect(await mergedRows(subject.reader)).toEqual({ 'shop minute/2026-11-23T10:00Z': { page: 20 } });
  });

  it('shows one moment for as long as a snapshot lasts', async () => {
    const { store, reader, isolatesSnapshots } = given();
    if (!isolatesSnapshots) return;
    await write(store, 'a', [{ sequence: 1n, events: [anEvent()] }]);
    const seen = await reader.snapshot(async (reads) => {
      const { events } = await reads.totals();
      await write(store, 'a', [{ sequence: 2n, events: [anEvent()] }]);
      const list = await reads.events({ order: 'asc', limit: 10 });
      return { events, listed: list.length };
    });
    expect(seen).toEqual({ events: 1, listed: 1 });
    expect((await reader.snapshot((reads) => reads.totals())).events).toBe(2);
  });

  it('takes snapshots one after another, also after one that failed', async () => {
    const { reader } = given();
    const failed = reader.snapshot(() => Promise.reject(new Error('planted')));
    const next = reader.snapshot((reads) => reads.totals());
    await expect(failed).rejects.toThrow('planted');
    expect((await next).events).toBe(0);
  });
}

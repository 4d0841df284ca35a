import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Event, identityOf, visitorOf } from '../../src/core/event.ts';
import { LIMITS } from '../../src/core/limits.ts';
import type { BadEvent, DeadRecord, EventPosition, EventRange, Replay } from '../../src/store/event-store.ts';
import type { StoreSubject, StoreTraits } from './store-subject.ts';
import {
  allPages,
  anEvent,
  badEvents,
  decisionOf,
  identitiesOf,
  positionText,
  recordCounts,
  recordIdentities,
  write,
} from './store-writing.ts';

/** What lists, snapshots and the audit's reads promise. */
export function describeReading(
  given: () => StoreSubject,
  open: () => Promise<StoreSubject>,
  traits: StoreTraits,
): void {
  describeLists(given, open);
  describeSources(given);
  describeAside(given);
  describeAudit(given);
  describeSnapshots(given, traits);
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
      source: fc.constantFrom('shop', 'blog', 'app'),
      anonymousId: fc.constantFrom('d1', 'd2'),
    }),
    { minLength: 1, maxLength: 6 },
  ),
});
const aRange = fc.record({
  order: fc.constantFrom('asc', 'desc'),
  limit: fc.integer({ min: 1, max: 7 }),
  eventType: fc.option(fc.constantFrom('page', 'click', 'never'), { nil: undefined }),
  source: fc.option(fc.constantFrom('shop', 'blog', 'never'), { nil: undefined }),
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
        async (before, meanwhile, range, visitor) => {
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
            const found = await allPages(reader, visitor === undefined ? { range } : { visitor, range }, async () => {
              const batch = waiting.shift();
              if (batch !== undefined) await put(batch);
            });
            const expected = expectedList(there, { ...range, visitor });
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

  it('lists each of very many types, and all of them together', async () => {
    const { store, reader } = given();
    const count = Math.max(LIMITS.typeListsMax, LIMITS.storeTypeListsMax) + 20;
    const types = Array.from({ length: count }, (_, place) => `type-${place}`);
    const at = (minute: number) =>
      types.map((eventType) => anEvent({ eventType, timestamp: `2026-11-23T10:0${minute}:00.000Z` }));
    const [early, late] = [at(1), at(2)];
    const elsewhere = anEvent({ eventType: types.at(-1) ?? '', source: 'blog' });
    await write(store, 'lane-a', [{ sequence: 1n, events: early }], []);
    await write(store, 'lane-a', [{ sequence: 2n, events: [...late, elsewhere] }], []);
    const ids = (events: readonly (Event | undefined)[]) => events.map((event) => event?.eventId);
    for (const place of [0, count - 1]) {
      const [eventType, both] = [types[place], [early[place], late[place]]];
      for (const order of ['asc', 'desc'] as const) {
        const expected = order === 'asc' ? both : both.toReversed();
        const range = { eventType, source: 'shop', order, limit: 1 };
        expect(ids(await allPages(reader, { range }))).toEqual(ids(expected));
        expect(ids(await allPages(reader, { visitor: 'device-1', range: { ...range, limit: 9 } })).sort()).toEqual(
          ids(both).sort(),
        );
      }
    }
    const everywhere = await allPages(reader, { range: { eventType: types.at(-1), order: 'asc', limit: 10 } });
    expect(ids(everywhere)).toEqual(ids([elsewhere, early.at(-1), late.at(-1)]));
    const all = await allPages(reader, { range: { order: 'asc', limit: 100 } });
    expect(ids(all)).toEqual(ids([elsewhere, ...early, ...late]));
  });

  it('lists what a device did, of every user and none, and what a user did of whom no device is known', async () => {
    const { store, reader } = given();
    const { anonymousId: _, ...userAlone } = anEvent({ userId: 'u' });
    const events: readonly Event[] = [
      anEvent({ userId: 'u', anonymousId: 'd1' }),
      anEvent({ userId: 'u', anonymousId: 'd2' }),
      anEvent({ userId: 'v', anonymousId: 'd1', source: 'blog' }),
      anEvent({ anonymousId: 'd1' }),
      userAlone,
    ];
    await write(store, 'lane-a', [{ sequence: 1n, events }]);
    const of = async (visitor: string, range: Partial<EventRange> = {}) => {
      const list = await reader.snapshot((reads) => reads.eventsOf(visitor, { order: 'asc', limit: 10, ...range }));
      return list.map(({ position }) => position.index);
    };
    expect(await of('d1')).toEqual([0, 2, 3]);
    expect(await of('d1', { source: 'shop' })).toEqual([0, 3]);
    expect(await of('u')).toEqual([4]);
    expect(await of('nobody')).toEqual([]);
  });
}

function describeSources(given: () => StoreSubject): void {
  it('names the sources that a view has rows of, each once', async () => {
    const { store, reader } = given();
    const sources = (view: string) => reader.snapshot((reads) => reads.sources(view));
    expect(await sources('types')).toEqual([]);
    const events = ['shop', 'blog', 'shop'].map((source) => anEvent({ source }));
    await write(store, 'lane-a', [{ sequence: 1n, events }]);
    await write(store, 'lane-b', [{ sequence: 2n, events: [anEvent({ source: 'app', anonymousId: 'x' })] }]);
    expect(await sources('types')).toEqual(['app', 'blog', 'shop']);
    expect(await sources('none')).toEqual([]);
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
    source?: string | undefined;
    from?: string | undefined;
    to?: string | undefined;
    visitor?: string | undefined;
  },
): readonly string[] {
  const { visitor, eventType, source, from = '', to = '9' } = range;
  const timeOf = ({ event }: Placed) => (visitor === undefined ? event.timestamp : event.createdAt).slice(0, -1);
  const keyOf = (placed: Placed) => {
    const { lane, sequence, index } = placed.position;
    return [timeOf(placed), lane, String(sequence).padStart(9, '0'), String(index).padStart(9, '0')].join('\0');
  };
  const keyed = events
    .filter((placed) => {
      const time = timeOf(placed);
      const isIn = time >= from.replace('Z', '') && time < to.replace('Z', '');
      const isType = eventType === undefined || placed.event.eventType === eventType;
      const isOfSource = source === undefined || placed.event.source === source;
      return isIn && isType && isOfSource && (visitor === undefined || visitorOf(placed.event) === visitor);
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
    await set(5n, first.slice(0, 3));
    const other = await decisionOf(store, 'b', [{ sequence: 5n, events: [] }]);
    await store.apply({ ...other, bad: first.slice(3) });
    await set(6n, [badAt('a', 1n, 0, 'again'), badAt('a', 12n, 0)], 'again');
    const read = await reader.snapshot(async (reads) => ({
      bad: await badEvents(reads, { limit: 10 }),
      two: await badEvents(reads, { limit: 2 }),
      rest: await badEvents(reads, { limit: 10, after: { lane: 'b', sequence: 2n, index: 0 } }),
      reasons: await reads.badReasons({ limit: 2, after: { lane: 'b', sequence: 2n, index: 0 } }),
      at: await reads.badAt([first[3], badAt('a', 3n, 0), first[1]].flatMap((bad) => bad?.position ?? [])),
      dead: await reads.dead(10),
      totals: await reads.totals(),
    }));
    const newest = [badAt('a', 12n, 0), ...[...first].reverse()];
    expect(read.bad).toEqual(newest);
    expect(read.two).toEqual(newest.slice(0, 2));
    expect(read.rest).toEqual(newest.slice(2));
    const reasons = newest.slice(2, 4).map(({ payload: _, ...reason }) => ({ ...reason, isReplayed: false }));
    expect(read.reasons).toEqual(reasons);
    expect(read.at).toEqual([first[3], first[1]]);
    expect(read.dead.map((dead) => ({ ...dead, payload: [...dead.payload] }))).toEqual([
      { lane: 'a', sequence: 4n, detail: 'first', payload: [...payload] },
    ]);
    expect(read.totals).toMatchObject({ bad: 5, dead: 1 });
  });

  it('knows the type of an event set aside, and where it was set aside before', async () => {
    const { store, reader } = given();
    const cameFrom = { lane: 'b', sequence: 10n ** 17n, index: 7 };
    const again = { ...badAt('a', 1n, 0), eventType: 'Paid é', cameFrom };
    await store.apply({ ...(await decisionOf(store, 'a', [{ sequence: 2n, events: [] }])), bad: [again] });
    expect(await reader.snapshot((reads) => badEvents(reads, { limit: 2 }))).toEqual([again]);
  });

  describe('what is put back for an event set aside', () => {
    const [one, two] = [badAt('a', 4n, 0), badAt('a', 4n, 1)] as const;
    const replayOf = (line: string): Replay => ({
      ...{ at: '2026-11-23T12:00:00.000Z', edit: line === 'edited' ? 'f00d' : undefined, visitor: 'device', line },
      position: undefined,
    });
    const setBoth = async ({ store }: StoreSubject) => {
      const decision = await decisionOf(store, 'a', [{ sequence: 4n, events: [] }]);
      await store.apply({ ...decision, bad: [one, two] });
    };
    const read = ({ reader }: StoreSubject) =>
      reader.snapshot(async (reads) => ({
        replays: (await reads.badAt([one.position, two.position])).map(({ replay }) => replay),
        areReplayed: (await reads.badReasons({ limit: 9 })).map(({ isReplayed }) => isReplayed),
      }));

    it('is what was claimed first, whoever asks and with what', async () => {
      const subject = given();
      const { store } = subject;
      await setBoth(subject);
      const claim = (bad: BadEvent, line: string) => ({ of: bad.position, replay: replayOf(line) });
      expect(await store.claimReplays([claim(one, 'edited')])).toEqual([replayOf('edited')]);
      const both = await store.claimReplays([claim(one, 'otherwise'), claim(two, 'as it came')]);
      expect(both).toEqual([replayOf('edited'), replayOf('as it came')]);
      expect(await read(subject)).toEqual({ replays: both, areReplayed: [false, false] });
      expect(await store.claimReplays([])).toEqual([]);
      await expect(store.claimReplays([claim(badAt('a', 5n, 0), '')])).rejects.toThrow('no event that was set aside');
    });

    it('lies where the first note says, and its line is forgotten then', async () => {
      const subject = given();
      const { store } = subject;
      await setBoth(subject);
      const [first, later] = [{ lane: 'b', sequence: 12n } as const, { lane: 'a', sequence: 13n } as const];
      await store.claimReplays([{ of: one.position, replay: replayOf('edited') }]);
      expect(await store.noteReplays([{ of: one.position, position: first }])).toEqual([first]);
      expect(await store.noteReplays([{ of: one.position, position: later }])).toEqual([first]);
      const noted = { ...replayOf('edited'), line: undefined, position: first };
      expect(await store.claimReplays([{ of: one.position, replay: replayOf('late') }])).toEqual([noted]);
      expect(await read(subject)).toEqual({ replays: [noted, undefined], areReplayed: [false, true] });
    });

    it('stays when a batch puts the event once more', async () => {
      const subject = given();
      await setBoth(subject);
      await subject.store.claimReplays([{ of: one.position, replay: replayOf('edited') }]);
      const decision = await decisionOf(subject.store, 'a', [{ sequence: 5n, events: [] }]);
      await subject.store.apply({ ...decision, bad: [one] });
      expect((await read(subject)).replays).toEqual([replayOf('edited'), undefined]);
    });
  });

  describe('dead records', () => {
    const payload = new Uint8Array([7]);
    const places = [
      { lane: 'a', sequence: 4n },
      { lane: 'a', sequence: 9n },
      { lane: 'b', sequence: 9n },
      { lane: 'a', sequence: 10n, atMs: 1_700_000_000_001 },
    ];
    const setDead = async ({ store }: StoreSubject) => {
      for (const [index, { lane, sequence }] of places.entries()) {
        const decision = await decisionOf(store, lane, [{ sequence, events: [] }]);
        await store.apply({ ...decision, dead: [{ lane, sequence, detail: `dead ${index}`, payload }] });
      }
    };

    it('are read page by page, the newest first, and one by its place', async () => {
      const subject = given();
      await setDead(subject);
      const read = await subject.reader.snapshot(async (reads) => ({
        all: await reads.dead(10),
        two: await reads.dead(2),
        next: await reads.dead(1, { lane: 'b', sequence: 9n }),
        rest: await reads.dead(10, { lane: 'a', sequence: 9n }),
        one: await reads.deadAt({ lane: 'b', sequence: 9n }),
        none: await reads.deadAt({ lane: 'b', sequence: 4n }),
        beyond: await reads.deadAt({ lane: 'a', sequence: 10n ** 56n }),
      }));
      const details = (records: readonly DeadRecord[]) => records.map(({ detail }) => detail);
      expect(details(read.all)).toEqual(['dead 3', 'dead 2', 'dead 1', 'dead 0']);
      expect(details(read.two)).toEqual(['dead 3', 'dead 2']);
      expect(details(read.next)).toEqual(['dead 1']);
      expect(details(read.rest)).toEqual(['dead 0']);
      expect({ ...read.one, payload: [...(read.one?.payload ?? [])] }).toEqual({
        ...{ lane: 'b', sequence: 9n, detail: 'dead 2', payload: [7] },
      });
      expect([read.none, read.beyond]).toEqual([undefined, undefined]);
    });

    it('keep the first note of where they were put back to, and stay dead', async () => {
      const subject = given();
      const { store, reader } = subject;
      await setDead(subject);
      const first = { lane: 'b', sequence: 30n };
      expect(await store.markRedriven('a', 9n, first)).toEqual(first);
      expect(await store.markRedriven('a', 9n, { lane: 'a', sequence: 31n })).toEqual(first);
      const { dead, totals } = await reader.snapshot(async (reads) => ({
        dead: await reads.dead(10),
        totals: await reads.totals(),
      }));
      expect(dead.map(({ redriven }) => redriven)).toEqual([undefined, undefined, first, undefined]);
      expect(totals.dead).toBe(4);
      // The batch comes again, and its dead record is put if absent.
      const decision = await decisionOf(store, 'a', [{ sequence: 40n, events: [] }]);
      await store.apply({ ...decision, dead: [{ lane: 'a', sequence: 9n, detail: 'again', payload }] });
      const again = await reader.snapshot((reads) => reads.deadAt({ lane: 'a', sequence: 9n }));
      expect(again).toMatchObject({ detail: 'dead 1', redriven: first });
    });

    it('that are not there cannot be noted as put back', async () => {
      const { store } = given();
      await expect(store.markRedriven('a', 9n, { lane: 'a', sequence: 30n })).rejects.toThrow('no dead record');
    });
  });

  it('keeps which events of a record were not stored, however often the batch comes', async () => {
    const { store, reader } = given();
    const receivedAt = '2026-11-23T10:00:01.000Z';
    const notesOf = (sequence: bigint) => [
      { sequence, receivedAt, duplicates: [0, 1_999], bad: [] },
      { sequence: sequence + 1n, receivedAt, duplicates: [], bad: [2] },
    ];
    for (const lane of ['a', 'b']) {
      const decision = await decisionOf(store, lane, [{ sequence: 8n, events: [] }]);
      await store.apply({ ...decision, notes: notesOf(7n) });
      const again = await decisionOf(store, lane, [{ sequence: 9n, events: [] }]);
      await store.apply({ ...again, notes: notesOf(7n) });
    }
    const asked = [
      ...[8n, 7n, 9n, 10n ** 56n].map((sequence) => ({ lane: 'a', sequence })),
      ...[
        { lane: 'b', sequence: 7n },
        { lane: 'none', sequence: 7n },
      ],
    ];
    const found = await reader.snapshot((reads) => reads.notesAt(asked));
    const expected = [
      ...notesOf(7n).map((note) => ({ lane: 'a', ...note })),
      ...notesOf(7n)
        .slice(0, 1)
        .map((note) => ({ lane: 'b', ...note })),
    ];
    const inOrder = [...found].sort((a, b) => (`${a.lane}${a.sequence}` < `${b.lane}${b.sequence}` ? -1 : 1));
    expect(inOrder).toEqual(expected);
    expect(await reader.snapshot((reads) => reads.notesAt([]))).toEqual([]);
    const many = Array.from({ length: 250 }, (_, place) => ({ lane: 'a', sequence: BigInt(place) }));
    expect(await reader.snapshot((reads) => reads.notesAt(many))).toHaveLength(2);
  });

  it('keeps the highest number that each collector said', async () => {
    const { store, reader } = given();
    const says = (collector: string, number: number) =>
      store.witness({
        ...{ collector, number, lane: 'a', sequence: BigInt(number * 10), atMs: 1_700_000_000_000 + number },
        ...(collector === 'c1' && { counted: { events: number * 3, identities: 2 ** 52 - number } }),
      });
    for (const number of [3, 9, 4]) await says('c1', number);
    await says('c2', 1);
    const witnesses = await reader.snapshot((reads) => reads.witnesses());
    expect([...witnesses].sort((a, b) => b.number - a.number)).toEqual([
      {
        ...{ collector: 'c1', number: 9, lane: 'a', sequence: 90n, atMs: 1_700_000_000_009 },
        counted: { events: 27, identities: 2 ** 52 - 9 },
      },
      { collector: 'c2', number: 1, lane: 'a', sequence: 10n, atMs: 1_700_000_000_001 },
    ]);
  });
}

function describeAudit(given: () => StoreSubject): void {
  it('shows an event deleted by hand and one doubled by hand', async () => {
    const subject = given();
    const { store, reader } = subject;
    const events = [anEvent(), anEvent(), anEvent({ eventId: 'twin', fingerprint: 'x' }), anEvent({ eventId: 'twin' })];
    await write(store, 'a', [{ sequence: 1n, events }]);
    const read = () =>
      reader.snapshot(async (reads) => ({
        counts: await recordCounts(reads, 'a'),
        identities: await recordIdentities(reads, 'a'),
        doubled: await reads.doubled(10),
        none: await reads.doubled(0),
        totals: await reads.totals(),
      }));
    const whole = new Map([[1n, identitiesOf(events)]]);
    expect(await read()).toMatchObject({ counts: [[1n, 4]], identities: whole, doubled: [] });

    const [first, second] = [0, 1].map((index) => ({ lane: 'a', sequence: 1n, index }));
    if (first === undefined || second === undefined) throw new Error('unreachable');
    subject.removeByHand(first);
    const copy = { lane: 'a', sequence: 9n, index: 3 };
    subject.doubleByHand(second, copy);
    const after = await read();
    expect(after.counts).toEqual([
      [1n, 3],
      [9n, 1],
    ]);
    const [, event] = events;
    expect(after.identities).toEqual(
      new Map([
        [1n, identitiesOf(events.slice(1))],
        [9n, identitiesOf(events.slice(1, 2))],
      ]),
    );
    expect(after.doubled).toEqual([{ identity: event && identityOf(event), positions: [second, copy] }]);
    expect(after.none).toEqual([]);
    expect(after.totals.events).toBe(4);
  });
}

function describeSnapshots(given: () => StoreSubject, { isolatesSnapshots }: StoreTraits): void {
  const unless = isolatesSnapshots ? '' : ' (not without transactions: each read then sees what is there)';
  it.skipIf(!isolatesSnapshots)(`shows one moment for as long as a snapshot lasts${unless}`, async () => {
    const { store, reader } = given();
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

import { expect, it } from 'vitest';
import { ClickstreamError } from '../../src/core/errors.ts';
import type { View } from '../../src/core/view.ts';
import type { EventReader, EventStore, PassedOver } from '../../src/store/event-store.ts';
import type { StoreSubject, StoreTraits } from './store-subject.ts';
import { anEvent, mergedRows, type TestRecord, typeCounts, write } from './store-writing.ts';

/** As a program counted that had a fault: each event five times. The same version, so rows of both are in one view. */
const FAULTY: View = {
  ...typeCounts(1),
  fold: (state, event, facts, order) => {
    let counts = state as Map<string, number>;
    for (let time = 0; time < 5; time += 1) counts = typeCounts(1).fold(counts, event, facts, order);
    return counts;
  },
};
const MENDED: View = typeCounts(1);
const MINUTE = 'shop minute/2026-11-23T10:00Z';

/** What asking for a rebuild promises. `replace` is told of a store that was opened again. */
export function describeAskedRebuild(
  given: () => StoreSubject,
  replace: (subject: StoreSubject) => void,
  { outlastsProcess }: StoreTraits,
): void {
  const unless = outlastsProcess ? '' : ': not of a store that does not outlast its process';
  const records = (from: number, count: number, anonymousId = 'device-1'): readonly TestRecord[] =>
    Array.from({ length: count }, (_, offset) => ({
      sequence: BigInt(from + offset),
      events: [anEvent({ anonymousId })],
    }));
  const countNow = async () => (await mergedRows(given().reader))[MINUTE]?.page;
  const registryOf = async (lane: string) =>
    (await given().reader.snapshot((reads) => reads.lanes())).get(lane)?.registry.types;

  it('shows the old rows with what came since, until it shows all folded anew: never between', async () => {
    const { store, reader } = given();
    await write(store, 'a', records(1, 9), [FAULTY]);
    await write(store, 'idle', records(1, 3, 'other'), [FAULTY]);
    expect(await reader.snapshot((reads) => reads.rebuilds())).toEqual([]);
    await store.askRebuild(MENDED);
    expect(await rebuildIn(reader)).toMatchObject({ view: 'types', state: 'waiting', folded: 0 });
    let since = 0;
    let hasSwitched = false;
    const check = async () => {
      const now = await countNow();
      const [old, anew] = [5 * 12 + since, 12 + since];
      hasSwitched ||= now === anew;
      expect(now).toBe(hasSwitched ? anew : old);
      expect(await reader.snapshot((reads) => reads.sources('types'))).toEqual(['shop']);
    };
    for (let isDone = false; !isDone; since += 1) {
      await check();
      isDone = await store.rebuild(MENDED, 2);
      await check();
      if (!isDone && !hasSwitched) expect((await rebuildIn(reader))?.state).toBe('folding');
      await write(store, 'a', records(100 + since, 1), [MENDED]);
    }
    expect(since).toBeGreaterThan(3);
    await check();
    expect(hasSwitched).toBe(true);
    expect(await rebuildIn(reader)).toMatchObject({ state: 'finished', events: 12 });
    // The idle lane was taken along.
    expect(await registryOf('idle')).toBe(2);
    expect(await store.rebuild(MENDED, 2)).toBe(true);
    await check();
  });

  it('asked for again while it runs is the same one, and afterwards another', async () => {
    const { store } = given();
    await write(store, 'a', records(1, 4), [FAULTY]);
    await store.askRebuild(MENDED);
    await store.askRebuild(MENDED);
    await store.rebuild(MENDED, 1);
    await store.askRebuild(MENDED);
    await write(store, 'a', records(10, 1), [MENDED]);
    await finish(store, MENDED);
    expect(await registryOf('a')).toBe(2);
    expect(await countNow()).toBe(5);
    await store.askRebuild(MENDED);
    await write(store, 'a', records(20, 1), [MENDED]);
    expect(await countNow()).toBe(6);
    await finish(store, MENDED);
    expect(await registryOf('a')).toBe(3);
    expect(await countNow()).toBe(6);
  });

  it('keeps the rows of times of which events are expired, and folds those after them anew', async () => {
    const { store, reader } = given();
    const at = (timestamp: string, receivedAt: string) => anEvent({ timestamp, receivedAt });
    const day = (time: string) => `2026-11-23T${time}.000Z`;
    const arrived = [
      [day('10:00:00'), day('10:00:01')],
      [day('10:00:30'), day('10:00:31')],
      [day('11:30:00'), day('11:30:01')],
      // It stays, and happened in a time of which others expired.
      [day('10:30:00'), day('13:05:00')],
      [day('13:10:00'), day('13:10:01')],
    ] as const;
    for (const [place, [timestamp, receivedAt]] of arrived.entries()) {
      await write(store, 'a', [{ sequence: BigInt(place), events: [at(timestamp, receivedAt)] }], [FAULTY]);
    }
    while ((await store.expire({ receivedAt: day('12:00:00'), limit: 2 })) > 0);
    expect((await reader.snapshot((reads) => reads.totals())).expired).toBe(3);
    await store.askRebuild(MENDED);
    await write(store, 'a', [{ sequence: 20n, events: [at(day('10:00:10'), day('13:30:00'))] }], [MENDED]);
    await finish(store, MENDED);
    const page = (count: number) => ({ page: count });
    expect(await mergedRows(reader)).toEqual({
      'shop minute/2026-11-23T10:00Z': page(11),
      'shop minute/2026-11-23T10:30Z': page(5),
      'shop minute/2026-11-23T11:30Z': page(5),
      'shop minute/2026-11-23T13:10Z': page(1),
    });
    expect(await mergedRows(reader, { unit: 'hour' })).toEqual({
      'shop hour/2026-11-23T10:00Z': page(16),
      'shop hour/2026-11-23T11:00Z': page(5),
      'shop hour/2026-11-23T13:00Z': page(1),
    });
    const { keptBefore = '' } = (await rebuildIn(reader)) ?? {};
    expect(keptBefore > day('11:30:00') && keptBefore <= day('12:00:00')).toBe(true);
    // What was kept is kept by the next one, too.
    await store.askRebuild(MENDED);
    await finish(store, MENDED);
    expect((await mergedRows(reader))['shop minute/2026-11-23T10:00Z']).toEqual(page(11));
  });

  it('passes over an event that cannot be folded, names it, and folds all others', async () => {
    const { store } = given();
    await write(store, 'a', [...records(1, 4), { sequence: 5n, events: [anEvent({ eventId: 'odd' })] }], [FAULTY]);
    await write(store, 'a', records(6, 4), [FAULTY]);
    await store.askRebuild(MENDED);
    // It changes its state before it throws, as a fold may.
    const throwing: View = {
      ...MENDED,
      fold: (state, event, facts, order) => {
        const folded = MENDED.fold(state, event, facts, order);
        if (event.eventId === 'odd') throw new Error('odd');
        return folded;
      },
    };
    const passed: PassedOver[] = [];
    while (!(await store.rebuild(throwing, 3, (these) => passed.push(...these))));
    expect(passed).toEqual([{ what: 'event a:5:0', fault: new Error('odd') }]);
    expect(await countNow()).toBe(8);
  });

  it('is above every version of the program before, and below the next', async () => {
    const { store } = given();
    await write(store, 'a', records(1, 2), [typeCounts(2)]);
    const refused = store.askRebuild(typeCounts(1));
    await expect(refused).rejects.toThrow(ClickstreamError);
    await expect(refused).rejects.toMatchObject({ code: 'views_newer' });
    await store.askRebuild(typeCounts(2));
    await expect(store.askRebuild(typeCounts(1))).rejects.toMatchObject({ code: 'views_newer' });
    await expect(write(store, 'a', records(5, 1), [typeCounts(1)])).rejects.toMatchObject({ code: 'views_newer' });
    expect(await store.rebuild(typeCounts(1), 9)).toBe(true);
    // The next version of the program comes before it is done.
    await store.rebuild(typeCounts(2), 1);
    await write(store, 'a', records(5, 1), [typeCounts(2)]);
    await write(store, 'a', records(6, 1), [typeCounts(3)]);
    expect(await registryOf('a')).toBe(4);
    expect(await countNow()).toBe(6);
    // Asked for now, it is what is under way.
    await store.askRebuild(typeCounts(3));
    await finish(store, typeCounts(3));
    expect(await registryOf('a')).toBe(4);
    expect(await countNow()).toBe(12);
  });

  it('of a view without rows shows what comes at once', async () => {
    const { store } = given();
    await write(store, 'a', [{ sequence: 1n, events: [] }], [MENDED]);
    await store.askRebuild(MENDED);
    await write(store, 'a', records(2, 1), [MENDED]);
    expect(await countNow()).toBe(1);
    await finish(store, MENDED);
    expect(await countNow()).toBe(1);
  });

  it.skipIf(!outlastsProcess)(`goes on after a restart, as it was asked for${unless}`, async () => {
    await write(given().store, 'a', records(1, 9), [FAULTY]);
    await given().store.askRebuild(MENDED);
    replace(await given().reopen());
    await write(given().store, 'a', records(20, 1), [MENDED]);
    expect(await countNow()).toBe(46);
    expect(await given().store.rebuild(MENDED, 4)).toBe(false);
    replace(await given().reopen());
    expect(await countNow()).toBe(46);
    await finish(given().store, MENDED);
    replace(await given().reopen());
    expect(await countNow()).toBe(10);
    await write(given().store, 'a', records(30, 1), [MENDED]);
    expect(await countNow()).toBe(11);
  });
}

async function finish(store: EventStore, view: View): Promise<void> {
  while (!(await store.rebuild(view, 1)));
}

async function rebuildIn(reader: EventReader) {
  return (await reader.snapshot((reads) => reads.rebuilds())).find(({ view }) => view === 'types');
}

import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { anEvent, decisionOf, erase, mergedRows, typeCounts, write } from '../../../tests/contracts/store-writing.ts';
import type { View } from '../../core/view.ts';
import { openEventReader } from './event-reader.ts';
import { openEventStore, type SqliteEventStore } from './event-store.ts';

const LANE = 'lane-a';
const BUCKET = 'shop minute/2026-11-23T10:00Z';
const NEVER = { views: [typeCounts(1)], msMax: Number.POSITIVE_INFINITY };

let root: string;
let folder: string;
let store: SqliteEventStore;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'late-rows-'));
  folder = join(root, 'store');
  store = openEventStore({ folder, lateness: NEVER });
});

afterEach(async () => {
  await store.close();
  rmSync(root, { recursive: true });
});

function put(sequence: bigint, change: Parameters<typeof anEvent>[0] = {}): Promise<void> {
  return write(store, LANE, [{ sequence, events: [anEvent({ eventId: `event-${sequence}`, ...change })] }]);
}

async function rows(of = folder): Promise<unknown> {
  const reader = openEventReader({ folder: of });
  try {
    return await mergedRows(reader);
  } finally {
    await reader.close();
  }
}

/** As a crash leaves it: the files as they lie there, nothing closed. */
function crash(): void {
  const left = join(root, `crash-${Math.random()}`);
  cpSync(folder, left, { recursive: true });
  folder = left;
}

async function restart(): Promise<void> {
  await store.close();
  store = openEventStore({ folder, lateness: NEVER });
}

describe('rows of views that are written late', () => {
  it('are there once they are settled, and with each batch when that is asked for', async () => {
    await put(1n);
    expect(await rows()).toEqual({});
    await store.settle();
    expect(await rows()).toEqual({ [BUCKET]: { page: 1 } });
    await store.close();
    store = openEventStore({ folder, lateness: { ...NEVER, msMax: 0 } });
    await put(2n);
    expect(await rows()).toEqual({ [BUCKET]: { page: 2 } });
  });

  it.each([
    { takesMs: 1, pauseMs: 500 },
    { takesMs: 50, pauseMs: 1_000 },
    { takesMs: 500, pauseMs: 2_000 },
  ])('are written every $pauseMs ms when it takes $takesMs ms', async ({ takesMs, pauseMs }) => {
    vi.useFakeTimers({ toFake: ['Date', 'performance'] });
    try {
      await store.close();
      const view: View<Map<string, number>> = {
        ...typeCounts(1),
        buckets: (minute) => [`minute/${minute}Z`],
        encode(row) {
          vi.advanceTimersByTime(takesMs);
          return typeCounts(1).encode(row);
        },
      };
      store = openEventStore({ folder, lateness: { views: [view], msMax: 2_000 } });
      const putNext = (sequence: bigint) => write(store, LANE, [{ sequence, events: [anEvent()] }], [view]);
      await putNext(1n);
      expect(await rows()).toEqual({ [BUCKET]: { page: 1 } });
      vi.advanceTimersByTime(pauseMs - takesMs - 1);
      await putNext(2n);
      expect(await rows()).toEqual({ [BUCKET]: { page: 1 } });
      vi.advanceTimersByTime(1);
      await putNext(3n);
      expect(await rows()).toEqual({ [BUCKET]: { page: 3 } });
    } finally {
      vi.useRealTimers();
    }
  });

  it('are there when the store was closed', async () => {
    await put(1n);
    await store.close();
    expect(await rows()).toEqual({ [BUCKET]: { page: 1 } });
  });

  it('are counted anew after a crash, each event once', async () => {
    await put(1n);
    await store.settle();
    await put(2n);
    await put(3n);
    crash();
    expect(await rows()).toEqual({ [BUCKET]: { page: 1 } });
    await restart();
    await put(4n);
    await store.settle();
    expect(await rows()).toEqual({ [BUCKET]: { page: 4 } });
  });

  it('are counted anew in a store that is only opened and closed', async () => {
    await put(1n);
    crash();
    await restart();
    await store.close();
    expect(await rows()).toEqual({ [BUCKET]: { page: 1 } });
  });

  it('are written when their view is asked to be folded anew: after a crash the old numbers are whole, and the new ones', async () => {
    await put(1n);
    await put(2n);
    await store.askRebuild(typeCounts(1));
    await put(3n);
    crash();
    await restart();
    await put(4n);
    await store.settle();
    expect(await rows()).toEqual({ [BUCKET]: { page: 4 } });
    expect(await store.rebuild(typeCounts(1), 1)).toBe(false);
    await put(5n);
    crash();
    await restart();
    while (!(await store.rebuild(typeCounts(1), 1)));
    await store.settle();
    expect(await rows()).toEqual({ [BUCKET]: { page: 5 } });
  });

  it('count what an erasure and an expiry take, also when a crash follows', async () => {
    await put(1n);
    await put(2n, { anonymousId: 'gone' });
    await erase(store, { lane: LANE, sequence: 3n, source: 'shop', visitor: 'gone' });
    // Its id is that of the event that went.
    await put(4n);
    crash();
    await restart();
    await store.settle();
    expect(await rows()).toEqual({ [BUCKET]: { page: 3 } });
    await put(5n);
    await store.expire({ receivedAt: '9999-01-01T00:00:00.000Z', limit: 100 });
    await put(6n);
    crash();
    await restart();
    await store.settle();
    expect(await rows()).toEqual({ [BUCKET]: { page: 5 } });
  });

  it('stay right when a batch is rolled back after its rows were absorbed', async () => {
    await put(1n);
    const decision = await decisionOf(store, LANE, [{ sequence: 2n, events: [anEvent({ eventId: 'event-2' })] }]);
    const bad = { ...decision, bad: [{} as never] };
    await expect(store.apply(bad)).rejects.toThrow();
    await put(3n);
    await store.settle();
    expect(await rows()).toEqual({ [BUCKET]: { page: 2 } });
  });

  it('stay right through duplicates', async () => {
    await put(1n);
    await put(2n, { eventId: 'event-1' });
    await put(3n);
    await store.settle();
    expect(await rows()).toEqual({ [BUCKET]: { page: 2 } });
  });

  it('that lack events are refused by who cannot count them', async () => {
    await put(1n);
    crash();
    expect(() => openEventStore({ folder })).toThrow('rows of the store lack events');
  });
});

import { expect, test } from 'vitest';
import { typeCounts } from '../../tests/contracts/store-writing.ts';
import { EMBEDDED_LANE } from '../adapters/embedded/event-log.ts';
import { LIMITS } from '../core/limits.ts';
import { LocalMaintenance, type LocalMaintenanceParts } from './local-maintenance.ts';

const MINUTE_MS = 60_000;
const VIEWS = [
  { ...typeCounts(1), name: 'traffic' },
  { ...typeCounts(1), name: 'sessions' },
];

/** A minute's time, and all that it had to be done: what it did, in order. */
function maintained(store: Partial<LocalMaintenanceParts['store']>) {
  let nowMs = Date.parse('2026-11-23T10:00:00Z');
  let done: string[] = [];
  const maintenance = new LocalMaintenance({
    store: {
      rebuild: async (view, limit, passOver) => {
        done.push(`rebuild ${view.name}`);
        return store.rebuild?.(view, limit, passOver) ?? true;
      },
      expire: async (before) => {
        done.push('expire');
        return store.expire?.(before) ?? 0;
      },
      sync: async () => {
        done.push('sync');
        return new Map([[EMBEDDED_LANE, 7n]]);
      },
    },
    views: VIEWS,
    clock: () => nowMs,
    attempt: (run) => run(),
    onSynced: (through) => done.push(`synced ${through}`),
    report: (text) => done.push(text),
  });
  return {
    maintenance,
    pass: (ms: number) => {
      nowMs += ms;
    },
    /** As the processor does when it is idle. */
    run: async (steps = 20) => {
      done = [];
      for (let step = 0; step < steps && maintenance.isDue; step += 1) await maintenance.step();
      return done;
    },
  };
}

test('views are folded anew at the start, and when that is asked for; the rest is due each minute', async () => {
  const { maintenance, pass, run } = maintained({});
  expect(await run()).toEqual(['rebuild traffic', 'rebuild sessions']);
  expect(await run()).toEqual([]);
  pass(MINUTE_MS);
  expect(await run()).toEqual(['sync', 'synced 7', 'expire']);
  maintenance.foldAnew();
  expect(await run()).toEqual(['rebuild traffic', 'rebuild sessions']);
});

test('while a view is folded anew there is a sync each minute, and no expiry', async () => {
  const { pass, run } = maintained({ rebuild: async () => false });
  expect(await run(2)).not.toContain('sync');
  for (let minute = 0; minute < 3; minute += 1) {
    pass(MINUTE_MS);
    const done = await run();
    expect(done.slice(0, 2)).toEqual(['sync', 'synced 7']);
    expect(done.filter((what) => what === 'sync')).toHaveLength(1);
    expect(done).not.toContain('expire');
  }
});

test('a view that cannot be folded anew is told once a minute, and keeps nothing but expiry from its own', async () => {
  let isFaulty = true;
  let pieces = 3;
  const { pass, run } = maintained({
    rebuild: async ({ name }) => {
      if (name === 'traffic' && isFaulty) throw new Error('a page is gone');
      if (name === 'sessions') pieces -= 1;
      return name === 'traffic' || pieces <= 0;
    },
  });
  const told = 'rebuild of traffic: a page is gone; it will be tried again within a minute';
  expect(await run()).toEqual([
    ...['rebuild traffic', told],
    ...['rebuild sessions', 'rebuild sessions', 'rebuild sessions'],
  ]);
  for (let minute = 0; minute < 3; minute += 1) {
    pass(MINUTE_MS - 1);
    expect(await run()).toEqual([]);
    pass(1);
    expect(await run()).toEqual(['sync', 'synced 7', 'rebuild traffic', told]);
  }
  isFaulty = false;
  pass(MINUTE_MS);
  expect(await run()).toEqual(['sync', 'synced 7', 'rebuild traffic', 'expire']);
});

test('expiry goes on in pieces, and a sync does not wait for it', async () => {
  const { pass, run } = maintained({ expire: async ({ limit }) => limit });
  await run();
  pass(MINUTE_MS);
  expect(await run(3)).toEqual(['sync', 'synced 7', 'expire', 'expire', 'expire']);
  pass(MINUTE_MS);
  expect(await run(1)).toEqual(['sync', 'synced 7', 'expire']);
});

test('what is passed over is told, all of a piece at once', async () => {
  const passed = ['event local:1:0', 'event local:4:1'].map((what) => ({ what, fault: new Error('no JSON') }));
  const { run } = maintained({
    rebuild: async ({ name }, limit, passOver) => {
      expect(limit).toBe(LIMITS.maintenanceEventsMax);
      if (name === 'traffic') passOver?.(passed);
      return true;
    },
  });
  expect(await run()).toEqual([
    'rebuild traffic',
    'rebuild of traffic: passed over, for they cannot be read or folded (no JSON): event local:1:0, event local:4:1',
    'rebuild sessions',
  ]);
});

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeServer, type Fate } from '../../../tests/fake-server.ts';
import { ApiClient } from '../commands/client.ts';
import { checkStored, isClean } from './check.ts';
import { Ledger } from './ledger.ts';
import { sentReport } from './report.ts';
import { type LoadPlan, LoadRun } from './run.ts';

let server: FakeServer;
let url: URL;
beforeEach(async () => {
  server = new FakeServer();
  url = await server.start();
});
afterEach(() => server.stop());

function planned(plan: Partial<LoadPlan> = {}): LoadRun {
  const least = { url, writeKey: 'k', seed: 1, people: 20, batch: 1, connections: 4, ratePerSecond: 500, forMs: 300 };
  return new LoadRun({ ...least, ...plan }, new Ledger('t'));
}

async function checked(run: LoadRun) {
  const client = new ApiClient({ url });
  try {
    return await checkStored(client, run.ledger);
  } finally {
    client.close();
  }
}

describe('a run', () => {
  test('sends what its rate and time say, and finds all of it', async () => {
    const run = planned();
    await run.play();
    expect(run.events).toBe(150);
    expect(run.acknowledgedEvents).toBe(150);
    expect(run.acknowledgement.count).toBe(150);
    expect(server.stored.length + server.duplicates).toBe(150);
    expect(sentReport(run).schedule).toMatchObject({ events: 150 });
    expect(isClean(await checked(run))).toBe(true);
  });

  test.each([{ ratePerSecond: 500 }, { ratePerSecond: 'max' as const, forMs: 200 }])(
    'sends batches, the last one short: %o',
    async (plan) => {
      const run = planned({ batch: 7, ...plan });
      await run.play();
      if (plan.ratePerSecond === 500) expect([run.events, run.requests]).toEqual([150, Math.ceil(150 / 7)]);
      expect(run.requests).toBe(server.requests);
      expect(run.ledger.counts()).toEqual({ acknowledged: server.stored.length, refused: 0, unknown: 0 });
      expect((await checked(run)).found).toBe(server.stored.length);
    },
  );

  test('tries again with the same ids what is busy or cut, so that all is stored once', async () => {
    const fates: readonly Fate[] = ['store', 'busy', 'cut', 'storeAndCut', 'storeAndCut', 'cut', 'busy'];
    server.fate = (request) => fates[request] ?? 'store';
    const run = planned();
    await run.play();
    expect(run.failures.busy).toBeGreaterThan(0);
    expect(run.failures.cut).toBeGreaterThan(0);
    expect(run.ledger.counts()).toMatchObject({ refused: 0, unknown: 0 });
    expect(server.duplicates).toBeGreaterThan(0);
    expect(isClean(await checked(run))).toBe(true);
  });

  test('writes down what is refused, and keeps the first refusal', async () => {
    server.fate = (request) => (request % 3 === 0 ? 'refuse' : 'store');
    const run = planned();
    await run.play();
    expect(run.ledger.counts().refused).toBeGreaterThan(30);
    expect(run.firstRefusal).toMatchObject({ status: 400, body: expect.stringContaining('body_not_json') });
    expect(isClean(await checked(run))).toBe(true);
  });

  test('ends early when it is stopped, and is checked as far as it came', async () => {
    const run = planned({ forMs: 3_600_000 });
    setTimeout(() => run.stop(), 100);
    await run.play();
    expect(run.events).toBeLessThan(1_000);
    expect(isClean(await checked(run))).toBe(true);
    expect(sentReport(run).schedule?.kept).toBe(false);
  });
});

describe('the check names', () => {
  test('an event that is gone', async () => {
    const run = planned();
    await run.play();
    const [gone] = server.stored.splice(17, 1);
    expect(await checked(run)).toMatchObject({ missing: { count: 1, ids: [gone?.eventId] }, doubled: { count: 0 } });
  });

  test('an event that is there twice or more, once', async () => {
    const run = planned();
    await run.play();
    const [double] = server.stored;
    if (double !== undefined) server.stored.push({ ...double }, { ...double });
    expect(await checked(run)).toMatchObject({ missing: { count: 0 }, doubled: { count: 1, ids: [double?.eventId] } });
  });

  test('an event of another user or type', async () => {
    const run = planned();
    await run.play();
    const [first, second] = server.stored;
    if (first !== undefined) first.userId = 'somebody-else';
    if (second !== undefined) second.eventType = 'something else';
    expect((await checked(run)).altered).toEqual({
      count: 2,
      ids: expect.arrayContaining([first?.eventId, second?.eventId]),
    });
  });

  test('an event that was refused or never sent, and yet is stored', async () => {
    server.fate = (request) => (request === 5 ? 'refuse' : 'store');
    const run = planned();
    await run.play();
    const [model] = server.stored;
    const numbers = Array.from({ length: run.ledger.size }, (_, number) => number);
    const refused = numbers.find((number) => run.ledger.outcomeOf(number) === 'refused');
    const made = ['load-t-999999', `load-t-${refused}`];
    for (const eventId of refused === undefined ? made.slice(0, 1) : made) {
      if (model !== undefined) server.stored.push({ ...model, eventId });
    }
    const { unexpected } = await checked(run);
    expect(unexpected.ids.toSorted()).toEqual((refused === undefined ? made.slice(0, 1) : made).toSorted());
  });

  test('no more ids than the limit, and counts the rest', async () => {
    const run = planned();
    await run.play();
    const count = server.stored.length;
    server.stored.length = 0;
    const { missing } = await checked(run);
    expect(missing.count).toBe(count);
    expect(missing.ids).toHaveLength(20);
  });
});

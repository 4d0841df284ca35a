import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { decisionOf, erase } from '../../tests/contracts/store-writing.ts';
import { EMBEDDED_LANE } from '../adapters/embedded/event-log.ts';
import { openEventReader, type SqliteEventReader } from '../adapters/embedded/event-reader.ts';
import { openEventStore, type SqliteEventStore } from '../adapters/embedded/event-store.ts';
import { LIMITS } from '../core/limits.ts';
import { Erasing, NOTHING_SCRUBBED } from './erasing.ts';

let folder: string;
let store: SqliteEventStore;
let reader: SqliteEventReader;
let erasing: Erasing;
/** The visitors of each scrub that was asked for, and what the log then answered it with. */
let scrubs: { readonly visitors: readonly string[]; readonly through: bigint }[];
let told: string[];
let sequence: bigint;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  folder = mkdtempSync(join(tmpdir(), 'clickstream-erasing-'));
  store = openEventStore({ folder });
  reader = openEventReader({ folder });
  scrubs = [];
  told = [];
  sequence = 0n;
  erasing = new Erasing({
    store,
    reader,
    scrub: ({ ids, through }) => scrubs.push({ visitors: ids.map(({ visitor }) => visitor), through }),
    tell: (text) => told.push(text),
  });
});
afterEach(async () => {
  vi.useRealTimers();
  await reader.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

async function asked(visitor: string): Promise<void> {
  sequence += 1n;
  await erase(store, { lane: EMBEDDED_LANE, sequence, source: 'shop', visitor, erasure: 'asked' });
  erasing.begin();
}

/** A batch with an event of somebody who was erased before. */
async function forgotten(visitor: string): Promise<void> {
  sequence += 1n;
  const decision = await decisionOf(store, EMBEDDED_LANE, [{ sequence, events: [] }]);
  const position = { lane: EMBEDDED_LANE, sequence, index: 0 };
  const ids = [{ source: 'shop', visitor }];
  await store.apply({
    ...decision,
    forgotten: [{ ids, until: '2026-11-23T10:30:00.000Z', put: { as: 'bad', position } }],
  });
  if (store.hasErased()) erasing.begin();
}

/** Turns of the processor, each of which the log answers after `tookMs`, until nothing more happens. */
async function turns({ tookMs = 0 } = {}): Promise<readonly (readonly string[])[]> {
  const before = scrubs.length;
  for (let answered = before - 1; answered < scrubs.length; ) {
    answered = scrubs.length;
    await erasing.bringOn();
    const scrub = scrubs[answered];
    if (scrub === undefined) break;
    vi.advanceTimersByTime(tookMs);
    await erasing.scrubbed({ counts: scrub.visitors.map(() => 1), through: scrub.through });
  }
  return scrubs.slice(before).map(({ visitors }) => visitors);
}

const certificate = () => reader.snapshot((reads) => reads.erasure('asked'));

test('what was asked for goes at once, and what was forgotten waits for its turn', async () => {
  await asked('ada');
  expect(await turns()).toEqual([['ada']]);
  expect(await certificate()).toMatchObject({ applied: 1, searching: 0, rewriting: 0 });
  const rewrites = vi.spyOn(store, 'rewrite');
  await forgotten('ada');
  await forgotten('ada');
  expect(await turns()).toEqual([]);
  await asked('bob');
  await forgotten('ada');
  // One line of each, however often it came.
  expect(await turns()).toEqual([['bob', 'ada']]);
  expect(await certificate()).toMatchObject({ applied: 2, searching: 0, rewriting: 0 });
  await forgotten('ada');
  expect(await turns()).toEqual([]);
  vi.advanceTimersByTime(LIMITS.forgottenRestMs);
  expect(await turns()).toEqual([['ada']]);
  vi.advanceTimersByTime(LIMITS.forgottenRestMs);
  expect(await turns()).toEqual([]);
  expect(rewrites).toHaveBeenCalled();
});

test('the rest is as long as the work is large, so that a sender of such events takes a small part of the time', async () => {
  await asked('ada');
  await turns();
  vi.advanceTimersByTime(LIMITS.forgottenRestMs);
  const tookMs = 60_000;
  let passes = 0;
  for (let second = 0; second < 4 * 3_600; second += 60) {
    await forgotten('ada');
    passes += (await turns({ tookMs })).length;
    vi.advanceTimersByTime(60_000);
  }
  expect(passes).toBeGreaterThan(5);
  expect((passes * tookMs) / (4 * 3_600_000)).toBeLessThan(0.06);
});

test('a certificate is not held up by what goes on to be forgotten', async () => {
  await asked('ada');
  await erasing.bringOn();
  await forgotten('ada');
  const [scrub] = scrubs;
  await erasing.scrubbed({ counts: [1], through: scrub?.through ?? 0n });
  await forgotten('ada');
  await turns();
  expect(await certificate()).toMatchObject({ searching: 0, rewriting: 0 });
});

/** Events set aside, one a record; every seventh holds the id. */
async function setAside(count: number, id: string): Promise<void> {
  const decision = await decisionOf(store, EMBEDDED_LANE, [{ sequence: BigInt(count), events: [] }]);
  const reason = { source: 'shop', receivedAt: '2026-11-23T10:00:00.000Z', code: 'time_invalid' as const, detail: '' };
  const bad = Array.from({ length: count }, (_, index) => ({
    position: { lane: EMBEDDED_LANE, sequence: BigInt(index + 1), index: 0 },
    ...{ ...reason, payload: JSON.stringify({ userId: index % 7 === 0 ? id : `other ${index}` }) },
  }));
  await store.apply({ ...decision, bad });
  sequence = BigInt(count);
}

test('the search is a bounded piece a turn, goes on after a failure, and is not done again when the log must be asked again', async () => {
  const pages = 50;
  await setAside(pages * LIMITS.badEventsStep, 'ada');
  const pageMs = 5;
  let reads = 0;
  const snapshot = reader.snapshot.bind(reader);
  vi.spyOn(reader, 'snapshot').mockImplementation((read) => {
    reads += 1;
    vi.advanceTimersByTime(pageMs);
    return snapshot(read);
  });
  await asked('ada');
  let pieces = 0;
  for (let before = reads; await erasing.bringOn(); before = reads) {
    pieces += 1;
    expect(reads - before).toBeLessThanOrEqual(LIMITS.erasurePieceMs / pageMs);
    if (pieces === 3) {
      const eraseBytes = vi.spyOn(store, 'eraseBytes').mockRejectedValueOnce(new Error('the disk is full'));
      await expect(erasing.bringOn()).rejects.toThrow('the disk is full');
      eraseBytes.mockRestore();
      expect(await erasing.bringOn()).toBe(false);
      vi.advanceTimersByTime(LIMITS.erasureRetryMs);
    }
  }
  expect(pieces).toBeGreaterThan(10);
  expect(reads).toBeLessThan(1.2 * pages);
  expect(scrubs).toHaveLength(1);
  expect(await certificate()).toMatchObject({ bad: Math.ceil((pages * LIMITS.badEventsStep) / 7), searching: 1 });

  // The segment that was ended for it holds what is not processed yet.
  await erasing.scrubbed({ counts: [2], through: 0n });
  const before = reads;
  expect(await turns()).toEqual([]);
  vi.advanceTimersByTime(LIMITS.erasureRetryMs);
  expect(await turns()).toEqual([['ada']]);
  expect(reads - before).toBeLessThan(10);
  expect(await certificate()).toMatchObject({ searching: 0, rewriting: 0, log: 3 });
});

test('nothing begins while the log has not answered, and what came meanwhile is taken up then', async () => {
  await asked('ada');
  await erasing.bringOn();
  await asked('bob');
  const reads = vi.spyOn(reader, 'snapshot');
  vi.advanceTimersByTime(10 * LIMITS.erasureRetryMs);
  expect(await erasing.bringOn()).toBe(false);
  expect(reads).not.toHaveBeenCalled();
  expect(scrubs.map(({ visitors }) => visitors)).toEqual([['ada']]);
  await erasing.scrubbed(NOTHING_SCRUBBED);
  expect(await turns()).toEqual([['ada', 'bob']]);
  expect(await certificate()).toMatchObject({ applied: 2, searching: 0, rewriting: 0 });
});

test('without room the store is not written anew: told once, tried seldom, and nothing else waits for it', async () => {
  const rewrites = vi.spyOn(store, 'rewrite').mockResolvedValue({ kind: 'noRoom', lacking: '9 MB free' });
  await asked('ada');
  expect(await turns()).toEqual([['ada']]);
  const minutes = 5;
  for (let second = 0; second < 60 * minutes; second += 1) {
    await turns();
    vi.advanceTimersByTime(1_000);
  }
  expect(rewrites.mock.calls.length).toBeLessThanOrEqual(minutes + 1);
  expect(told).toHaveLength(1);
  expect(told[0]).toContain('9 MB free');
  expect(await certificate()).toMatchObject({ searching: 0, rewriting: 1 });
  await asked('bob');
  expect(await turns()).toEqual([['bob']]);

  rewrites.mockRestore();
  vi.advanceTimersByTime(LIMITS.rewriteRetryMs);
  await turns();
  expect(await certificate()).toMatchObject({ applied: 2, searching: 0, rewriting: 0 });
});

test('a rewrite that fails is tried as seldom', async () => {
  const rewrites = vi.spyOn(store, 'rewrite').mockRejectedValue(new Error('disk I/O error'));
  await asked('ada');
  await expect(turns()).rejects.toThrow('disk I/O error');
  for (let second = 0; second < 50; second += 1) {
    vi.advanceTimersByTime(1_000);
    await turns();
  }
  expect(rewrites).toHaveBeenCalledTimes(1);
});

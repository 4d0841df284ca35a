import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { anEvent, erase, write } from '../../../tests/contracts/store-writing.ts';
import { identityOf } from '../../core/event.ts';
import { addIdentities, identityChecksum } from '../../core/identities.ts';
import { openEventStore } from './event-store.ts';
import { selectAll } from './stored-rows.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'clickstream-maintenance-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function removed(): readonly unknown[] {
  const database = new DatabaseSync(join(folder, 'store.sqlite'), { readOnly: true });
  const rows = selectAll(database.prepare('SELECT sequence, source, hour, events, identities FROM removed'));
  database.close();
  return rows.map((row) => ({ ...(row as object) }));
}

test('what an erasure takes of a record is summed, in whatever order its events come, and over several erasures', async () => {
  const store = openEventStore({ folder });
  // By time, the events of the two records take turns.
  const [one, other] = [1, 2].map((sequence) =>
    Array.from({ length: 9 }, (_, index) =>
      anEvent({
        anonymousId: index < 6 ? 'ada' : 'bob',
        createdAt: `2026-11-23T10:00:0${index}.${sequence}00Z`,
        receivedAt: '2026-11-23T10:30:00.000Z',
      }),
    ),
  );
  const records = [
    { sequence: 1n, events: one ?? [] },
    { sequence: 2n, events: other ?? [] },
  ];
  await write(store, 'a', records);
  const row = (events: number) => ({ source: 'shop', hour: '2026-11-23T10', events: BigInt(events) });
  const expected = (count: number) =>
    records.map(({ sequence, events }) => {
      const sums = events.slice(0, count).map((event) => identityChecksum(identityOf(event)));
      return { sequence, ...row(count), identities: BigInt(sums.reduce(addIdentities)) };
    });
  await erase(store, { lane: 'a', sequence: 3n, source: 'shop', visitor: 'ada' });
  expect(removed()).toEqual(expected(6));
  await erase(store, { lane: 'a', sequence: 4n, source: 'shop', visitor: 'bob' });
  expect(removed()).toEqual(expected(9));
  await store.close();
});

test('a visitor whose events are more than fit into memory is erased', async () => {
  const store = openEventStore({ folder });
  const note = 'x'.repeat(30_000);
  for (let sequence = 1; sequence <= 25; sequence += 1) {
    const events = Array.from({ length: 100 }, () => anEvent({ properties: { note } }));
    await write(store, 'a', [{ sequence: BigInt(sequence), events }]);
  }
  await store.close();
  const from = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);
  const script = `
    const { openEventStore } = await import(${from('./event-store.ts')});
    const { erase } = await import(${from('../../../tests/contracts/store-writing.ts')});
    const store = openEventStore({ folder: ${JSON.stringify(folder)} });
    await erase(store, { lane: 'a', sequence: 26n, source: 'shop', visitor: 'device-1' });
    await store.close();`;
  // The events have 75 MB.
  const memory = ['--max-old-space-size=40', '--max-semi-space-size=1'];
  execFileSync(process.execPath, [...memory, '--input-type=module', '--eval', script], { stdio: 'pipe' });
  expect(removed()).toHaveLength(25);
}, 60_000);

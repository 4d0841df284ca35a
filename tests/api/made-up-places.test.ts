import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DynamoEventReader } from '../../src/adapters/aws/dynamo-event-reader.ts';
import { DynamoEventStore } from '../../src/adapters/aws/dynamo-event-store.ts';
import { openEventReader } from '../../src/adapters/embedded/event-reader.ts';
import { openEventStore } from '../../src/adapters/embedded/event-store.ts';
import { answer } from '../../src/pipeline.ts';
import { encodeCursor, positionId } from '../../src/query/cursor.ts';
import type { EventReader, EventStore } from '../../src/store/event-store.ts';
import { anEvent, write } from '../contracts/store-writing.ts';
import { startDynamo } from '../emulators/dynamo.ts';

/** Well-formed, and of nothing that is there. */
const PLACES = [
  { lane: 'a', sequence: 10n ** 100n, index: 0 },
  { lane: 'a', sequence: 2n ** 63n, index: 7 },
  { lane: '', sequence: 0n, index: 999_999_999 },
  { lane: 'é'.repeat(128), sequence: 1n, index: 0 },
  { lane: 'x'.repeat(3_000), sequence: 1n, index: 0 },
] as const;
const TIMES = ['2026-11-23T10:00:00.000Z', 'never', ''] as const;

async function askAll(store: EventStore, reader: EventReader): Promise<void> {
  await write(store, 'a', [{ sequence: 1n, events: [anEvent({ userId: 'u' })] }]);
  const faults: unknown[] = [];
  const ask = async (path: string, parameters: Record<string, string> = {}) => {
    const from = { reader, clock: Date.now, report: (fault: unknown) => faults.push(fault) };
    const { status, body } = await answer({ path, parameters }, from);
    expect(status, `${path} ${JSON.stringify(parameters)}: ${body}`).toBeLessThan(500);
    return status;
  };
  for (const place of PLACES) {
    expect(await ask(`/api/v1/bad/${positionId(place)}`)).toBe(404);
    expect(await ask(`/api/v1/dead/${positionId({ ...place, index: 0 })}`)).toBe(404);
    for (const time of TIMES) {
      for (const [tag, path] of [
        ['events', '/api/v1/events'],
        ['timeline', '/api/v1/users/u/events'],
      ] as const) {
        for (const order of ['asc', 'desc']) {
          await ask(path, { order, cursor: encodeCursor(`${tag}:${order}`, { time, ...place }) });
        }
      }
    }
    await ask('/api/v1/bad', { cursor: encodeCursor('bad', { time: '', ...place }) });
    await ask('/api/v1/dead', { cursor: encodeCursor('dead', { time: '', ...place, index: 0 }) });
  }
  expect(faults).toEqual([]);
}

test('an id or a cursor that nobody was given is no fault of the program, on one machine', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'made-up-places-'));
  const store = openEventStore({ folder });
  const reader = openEventReader({ folder });
  await askAll(store, reader);
  await reader.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

test('nor is it on AWS', async () => {
  const emulator = await startDynamo();
  const { client, tables } = emulator;
  await askAll(new DynamoEventStore({ client, tables, folds: [] }), new DynamoEventReader({ client, tables }));
  await emulator.close();
});

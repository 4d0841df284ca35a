import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { get, killServers, type RunningServer, settledAudit, startServer } from '../end-to-end/running-server.ts';
import { send } from './varied-events.ts';

const data = mkdtempSync(join(tmpdir(), 'clickstream-cursors-'));
const START = Date.now() - 3 * 3_600_000;
const COUNT = 400;
/** The events that are asked for: those in the middle of the time over which they lie. */
const FROM = 100;
const TO = 300;
/** Several share one time, so that pages end amid equals. */
const timeOf = (place: number) => new Date(START + Math.floor(place / 3) * 3_000).toISOString();

let server: RunningServer;
let made = 0;

/** Ada's, of two devices, partly known by name; of two types. */
function eventAt(place: number): object {
  made += 1;
  return {
    messageId: `e${made}`,
    type: made % 2 === 0 ? 'page' : 'screen',
    anonymousId: made % 3 === 0 ? 'laptop' : 'phone',
    ...(made % 5 === 0 ? {} : { userId: 'ada' }),
    timestamp: timeOf(place),
  };
}

const badEvent = (number: number) => ({ type: number % 2 === 0 ? 'page' : 'trck', number });

beforeAll(async () => {
  server = await startServer({ data });
  await send(
    server,
    Array.from({ length: COUNT }, (_, place) => eventAt(place)),
  );
  await send(
    server,
    Array.from({ length: 200 }, (_, number) => badEvent(number)),
  );
  await settledAudit(server);
}, 60_000);
afterAll(async () => {
  await server.stop();
  killServers();
  rmSync(data, { recursive: true });
});

interface Page {
  readonly events?: readonly { readonly eventId: string }[];
  readonly bad?: readonly { readonly id: string }[];
  readonly cursor: string | null;
}

/** The ids of all pages of a list, in order; `between` runs after each. */
async function walk(target: string, between: () => Promise<void> = async () => undefined): Promise<readonly string[]> {
  const found: string[] = [];
  let cursor: string | null | undefined;
  do {
    const after = cursor === undefined ? '' : `&cursor=${cursor}`;
    const page: Page = await get<Page>(server, `${target}${after}`);
    found.push(...(page.events ?? []).map(({ eventId }) => eventId), ...(page.bad ?? []).map(({ id }) => id));
    cursor = page.cursor;
    if (cursor !== null) await between();
  } while (cursor !== null);
  return found;
}

/** Before, in and after the range and whatever page is read, and set aside. */
async function writeEverywhere(): Promise<void> {
  const places = [0, FROM - 1, FROM, FROM + 50, (FROM + TO) / 2, TO - 50, TO - 1, TO, COUNT - 1];
  await send(server, [...places.map((place) => eventAt(place)), badEvent(made), badEvent(made + 1)]);
}

/** It ends, for a list that grows before its reader faster than it is read has no last page. */
const BATCHES = 40;
let written = Promise.withResolvers<void>();

async function writeAll(): Promise<void> {
  for (let batch = 0; batch < BATCHES; batch += 1) {
    await writeEverywhere();
    written.resolve();
    if (batch < BATCHES - 1) written = Promise.withResolvers();
  }
}

const RANGE = `from=${timeOf(FROM)}&to=${timeOf(TO)}`;
const LISTS = ['/api/v1/events', '/api/v1/users/ada/events'].flatMap((path) =>
  ['asc', 'desc'].flatMap((order) =>
    [RANGE, `${RANGE}&type=page`, 'source=default'].map((rest) => `${path}?order=${order}&limit=17&${rest}`),
  ),
);
const BAD = ['', '&code=type_invalid', '&source=default'].map((rest) => `/api/v1/bad?limit=17${rest}`);

test('every list has each event that was there exactly once, in its order, while a writer writes', async () => {
  const targets = [...LISTS, ...BAD];
  const before = new Map<string, readonly string[]>();
  for (const target of targets) before.set(target, await walk(target));

  const writing = writeAll();
  // Between two pages something was written, for as long as the writer goes on.
  const walks = targets.map(async (target) => [target, await walk(target, () => written.promise)] as const);
  const found = await Promise.all(walks);
  await writing;

  for (const [target, ids] of found) {
    const there = before.get(target) ?? [];
    const known = new Set(there);
    expect(there.length, target).toBeGreaterThan(60);
    expect(new Set(ids).size, target).toBe(ids.length);
    expect(
      ids.filter((id) => known.has(id)),
      target,
    ).toEqual(there);
  }
  expect(found.reduce((sum, [, ids]) => sum + ids.length, 0)).toBeGreaterThan(
    [...before.values()].reduce((sum, ids) => sum + ids.length, 0),
  );
}, 60_000);

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { nodeFiles } from '../../src/adapters/embedded/files.ts';
import { durableEndOf, readRecords } from '../../src/adapters/embedded/log-reader.ts';
import { everyEvent, get, killServers, type RunningServer, settledAudit, startServer } from './running-server.ts';

const data = mkdtempSync(join(tmpdir(), 'clickstream-erase-'));
afterAll(() => {
  killServers();
  rmSync(data, { recursive: true, force: true });
});

interface Certificate {
  readonly state: 'asked' | 'applied' | 'done';
  readonly visitors: number;
  readonly places: readonly { readonly place: string; readonly state: string; readonly removed?: number }[];
}

const PERSON = 'secret-user';
let sent = 0;

function eventOf(anonymousId: string, more: object = {}): object {
  sent += 1;
  const timestamp = new Date(Date.now() - 60_000).toISOString();
  return { type: 'track', event: 'Seen', anonymousId, messageId: `${anonymousId} ${sent}`, timestamp, ...more };
}

async function send({ url }: RunningServer, events: readonly object[]): Promise<void> {
  const body = JSON.stringify({ batch: events, sentAt: new Date().toISOString() });
  expect((await fetch(`${url}/v1/batch`, { method: 'POST', body })).status).toBe(200);
}

/** Files of the data folder with this text in them, in whatever bytes. */
function filesWith(text: string): readonly string[] {
  const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => readFileSync(path).includes(text));
}

/** All that the log holds, as an archive has it. */
function archiveOf(): Buffer {
  const log = join(data, 'log');
  const progress = { durable: durableEndOf(nodeFiles, log) };
  const records = [...readRecords({ folder: log, progress, after: -1n, onFinding: () => undefined })];
  return Buffer.concat(records.flatMap(({ data: bytes }) => [bytes, Buffer.from('\n')]));
}

async function erased(server: RunningServer): Promise<Certificate> {
  const asked = await fetch(`${server.url}/api/v1/users/${PERSON}`, { method: 'DELETE' });
  expect(asked.status).toBe(202);
  const { id } = (await asked.json()) as { readonly id: string };
  return certificateOf(server, id);
}

async function certificateOf(server: RunningServer, id: string): Promise<Certificate> {
  for (let tries = 0; tries < 300; tries += 1) {
    const certificate = await get<Certificate>(server, `/api/v1/erasures/${id}`);
    if (certificate.state === 'done') return certificate;
    await sleep(100);
  }
  throw new Error(`the erasure is not done: ${JSON.stringify(await get(server, `/api/v1/erasures/${id}`))}`);
}

test('nothing of a person is in any file, and no replay, rebuild or late retry brings anything back', async () => {
  const server = await startServer({ data });
  const others = Array.from({ length: 400 }, (_, index) => eventOf(`kept-device-${index % 40}`));
  const own = [
    eventOf('secret-device-1', { properties: { note: 'secret-note' } }),
    eventOf('secret-device-1', { userId: PERSON }),
    eventOf('secret-device-2', { userId: PERSON }),
    { ...eventOf('', { userId: PERSON }), anonymousId: undefined },
  ];
  const wrong = [
    eventOf('secret-device-1', { timestamp: 'secret time' }),
    { ...eventOf('kept-device-1'), userId: PERSON, timestamp: 'no time' },
    { ...eventOf('kept-device-2'), timestamp: 'kept wrong' },
  ];
  for (let index = 0; index < 8; index += 1) await send(server, others.slice(index * 50, index * 50 + 50));
  await send(server, [...own, ...wrong]);
  await settledAudit(server);
  const archive = archiveOf();
  expect(filesWith('secret').length).toBeGreaterThan(1);

  const certificate = await erased(server);
  const removed = Object.fromEntries(certificate.places.map(({ place, removed: count }) => [place, count]));
  expect(removed).toMatchObject({ events: 4, visitors: 3, links: 2, bad: 2, dead: 0 });
  expect(certificate.visitors).toBe(3);
  expect(filesWith('secret')).toEqual([]);
  expect(filesWith('kept-device-7').length).toBeGreaterThan(1);
  expect(filesWith('kept wrong').length).toBeGreaterThan(0);

  const headers = { 'content-type': 'application/x-ndjson' };
  const replayed = await fetch(`${server.url}/api/v1/replay`, {
    method: 'POST',
    headers,
    body: new Uint8Array(archive),
  });
  expect(replayed.status).toBe(200);
  await send(server, own);
  await fetch(`${server.url}/api/v1/rebuilds`, {
    ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"view":"traffic"}' },
  });
  const audit = await settledAudit(server);
  expect(audit).toMatchObject({ balanced: true, problems: [], lost: 0, forgotten: 4 + 2 + 4, duplicate: 400 });
  expect((await everyEvent(server)).filter(({ anonymousId }) => anonymousId?.startsWith('secret'))).toEqual([]);
  expect(await everyEvent(server)).toHaveLength(400);

  // What comes back into the log by itself goes from it by itself.
  for (let tries = 0; tries < 200 && filesWith('secret').length > 0; tries += 1) await sleep(100);
  expect(filesWith('secret')).toEqual([]);

  await send(server, [eventOf('secret-device-1', { timestamp: new Date().toISOString() })]);
  await settledAudit(server);
  expect(await everyEvent(server)).toHaveLength(401);
  expect(await server.stop()).toBe(0);
}, 120_000);

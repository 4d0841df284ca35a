import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { nodeFiles } from '../../src/adapters/embedded/files.ts';
import { durableEndOf, readRecords } from '../../src/adapters/embedded/log-reader.ts';
import { eventWith, recordOf } from '../events.ts';
import { clickstream } from './command.ts';
import { plantRecord } from './planted-record.ts';
import { everyEvent, get, killServers, type RunningServer, settledAudit, startServer } from './running-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'clickstream-erase-'));
const data = join(folder, 'data');
const schemas = join(folder, 'schemas');
afterAll(() => {
  killServers();
  rmSync(folder, { recursive: true, force: true });
});

/** Prices are held to be numbers, and after the mending to be texts too. */
function writeSchema(type: string | readonly string[]): void {
  const schema = { properties: { properties: { properties: { price: { type } } } } };
  mkdirSync(join(schemas, 'Paid'), { recursive: true });
  writeFileSync(join(schemas, 'Paid', '1.json'), JSON.stringify(schema));
  writeFileSync(join(folder, 'clickstream.json'), JSON.stringify({ schemas }));
}

const start = () => startServer({ data, options: ['--config', join(folder, 'clickstream.json')] });

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

/** A record that cannot be processed, for its event is of another visitor than it says. */
function deadRecord(number: number, ids: { readonly anonymousId: string; readonly userId?: string }): string {
  const receivedAt = new Date(Date.now() - 60_000).toISOString();
  const times = { createdAt: receivedAt, timestamp: receivedAt, receivedAt };
  const event = eventWith({ ...ids, ...times, eventId: `dead ${number}` });
  const record = recordOf([event], { visitor: 'kept-device-3', receivedAt, collector: 'faulty', number });
  return Buffer.from(record).toString();
}

interface Put {
  readonly put: readonly { readonly appended: boolean }[];
  readonly refused: readonly { readonly code: string }[];
}

/** Everything dead and everything set aside, put back into the log: what was, and why the rest was not. */
async function putBackAll({ url }: RunningServer) {
  const redriven = await clickstream(['redrive', 'put', '--all', '--url', url, '--json']);
  const { put, refused } = JSON.parse(redriven.output) as Put;
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${url}/api/v1/bad/replay`, { method: 'POST', headers, body: '{}' });
  const bad = (await answer.json()) as { readonly replayed: number; readonly refused: readonly object[] };
  return {
    dead: put.length,
    unreadable: refused.map(({ code }) => code),
    bad: bad.replayed,
    wrong: bad.refused.length,
  };
}

/** What comes back into the log by itself goes from it by itself, in two passes with a rest between them. */
async function expectNothing(): Promise<void> {
  for (let tries = 0; tries < 900 && filesWith('secret').length > 0; tries += 1) await sleep(100);
  expect(filesWith('secret')).toEqual([]);
}

test('nothing of a person is in any file, and no replay, redrive, rebuild or late retry brings anything back', async () => {
  writeSchema('number');
  const faulty = await start();
  const others = Array.from({ length: 400 }, (_, index) => eventOf(`kept-device-${index % 40}`));
  const own = [
    eventOf('secret-device-1', { properties: { note: 'secret-note' } }),
    eventOf('secret-device-1', { userId: PERSON }),
    eventOf('secret-device-2', { userId: PERSON }),
    eventOf('17', { userId: PERSON }),
    { ...eventOf('', { userId: PERSON }), anonymousId: undefined },
  ];
  const wrong = [
    eventOf('secret-device-1', { timestamp: 'secret time' }),
    { ...eventOf('kept-device-1'), userId: PERSON, timestamp: 'no time' },
    { ...eventOf('kept-device-2'), timestamp: 'kept wrong' },
  ];
  const paid = { event: 'Paid', properties: { price: '1 kept' } };
  const unfit = [
    eventOf('secret-device-2', { ...paid, properties: { price: '1 secret' } }),
    eventOf('kept-device-4', { ...paid, userId: PERSON }),
    eventOf('kept-device-5', paid),
  ];
  for (let index = 0; index < 8; index += 1) await send(faulty, others.slice(index * 50, index * 50 + 50));
  await send(faulty, [...own, ...wrong, ...unfit]);
  // Of another, who mentions an id of the person: in a request of its own, and so in a record of its own.
  await send(faulty, [
    eventOf('kept-device-7', { timestamp: 'kept mention', properties: { sku: '17', quantity: 17 } }),
  ]);
  await settledAudit(faulty);
  expect(await faulty.stop()).toBe(0);
  await plantRecord(data, deadRecord(0, { anonymousId: 'secret-device-1' }));
  await plantRecord(data, deadRecord(1, { anonymousId: 'kept-device-6', userId: PERSON }));
  await plantRecord(data, deadRecord(2, { anonymousId: 'kept-dead' }));
  await plantRecord(data, `no record of ${JSON.stringify({ raw: JSON.stringify({ userId: PERSON }) })}`);
  writeSchema(['number', 'string']);
  const server = await start();
  expect(await settledAudit(server)).toMatchObject({ stored: 405, bad: 7, dead: 3 });
  const archive = archiveOf();
  expect(filesWith('secret').length).toBeGreaterThan(1);

  const certificate = await erased(server);
  const removed = Object.fromEntries(certificate.places.map(({ place, removed: count }) => [place, count]));
  expect(removed).toMatchObject({ events: 5, visitors: 4, links: 3, bad: 4, dead: 3 });
  expect(certificate.visitors).toBe(4);
  expect(filesWith('secret')).toEqual([]);
  expect(filesWith('kept-device-7').length).toBeGreaterThan(1);
  for (const kept of ['kept wrong', '1 kept', 'kept-dead']) expect(filesWith(kept).length, kept).toBeGreaterThan(0);
  const places = filesWith('kept mention').map((path) => relative(data, path).split(sep)[0]);
  expect(places).toEqual(expect.arrayContaining(['log', 'store.sqlite']));
  expect(JSON.stringify(await get(server, '/api/v1/bad'))).toContain('kept mention');

  // Of the person nothing is left that could be put back; what is of others is.
  const unreadable = Array.from({ length: 3 }, () => 'dead_unreadable');
  expect(await putBackAll(server)).toEqual({ dead: 1, unreadable, bad: 1, wrong: 2 });
  await settledAudit(server);
  expect(await everyEvent(server)).toHaveLength(401);

  const headers = { 'content-type': 'application/x-ndjson' };
  const body = new Uint8Array(archive);
  const replayed = await fetch(`${server.url}/api/v1/replay`, { method: 'POST', headers, body });
  expect(replayed.status).toBe(200);
  await send(server, own);
  await fetch(`${server.url}/api/v1/rebuilds`, {
    ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"view":"traffic"}' },
  });
  // Of an archive 2 dead, 4 set aside and 5 events, and those sent late.
  const audit = await settledAudit(server);
  expect(audit).toMatchObject({ balanced: true, problems: [], lost: 0, forgotten: 2 + 4 + 5 + 5, duplicate: 401 });
  await putBackAll(server);
  expect(await settledAudit(server)).toMatchObject({ balanced: true, problems: [], forgotten: 2 + 4 + 5 + 5 });
  expect((await everyEvent(server)).filter(({ anonymousId }) => anonymousId?.startsWith('secret'))).toEqual([]);
  expect(await everyEvent(server)).toHaveLength(401);
  await expectNothing();

  await send(server, [eventOf('secret-device-1', { timestamp: new Date().toISOString() })]);
  await settledAudit(server);
  expect(await everyEvent(server)).toHaveLength(402);
  expect(await server.stop()).toBe(0);
}, 240_000);

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cookielessId } from '../../src/collect/cookieless.ts';
import { buildScript } from '../../tracker/build.ts';
import { everyEvent, get, killServers, type RunningServer, settledAudit, startServer } from './running-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'clickstream-cookieless-'));
const data = join(folder, 'data');
const saltFile = join(data, 'salts.json');
const config = join(folder, 'clickstream.json');
writeFileSync(config, JSON.stringify({ proxies: 1, tracker: { collect: '/take' } }));
const start = () => startServer({ data, options: ['--config', config] });

let server: RunningServer;
beforeAll(async () => {
  server = await start();
}, 60_000);
afterAll(() => {
  killServers();
  rmSync(folder, { recursive: true });
});

const DAY_MS = 86_400_000;
const ADDRESS = '203.0.113.177';
const NEIGHBOUR = '203.0.113.178';
const AGENT = 'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0';

test('the tracker is served as it is built, and told where to send', async () => {
  const script = await (await fetch(`${server.url}/t.js`)).text();
  expect(script).toBe((await buildScript()).replaceAll('/v1/b', '/take'));
  expect([script.includes('/take'), script.includes('/v1/')]).toEqual([true, false]);
});

let sent = 0;

/** As the tracker without cookies sends a page view: without any id. */
function page(createdAtMs = Date.now()): object {
  sent += 1;
  return { type: 'page', messageId: `m${sent}`, timestamp: new Date(createdAtMs).toISOString() };
}

async function send(batch: readonly object[], from: { readonly address?: string; readonly path?: string } = {}) {
  const { address = ADDRESS, path = '/v1/b' } = from;
  const body = JSON.stringify({ batch, context: { cookieless: true }, sentAt: new Date().toISOString() });
  const headers = { 'content-type': 'text/plain', 'user-agent': AGENT, 'x-forwarded-for': `8.8.8.8, ${address}` };
  const answer = await fetch(`${server.url}${path}`, { method: 'POST', headers, body });
  expect(answer.status).toBe(200);
}

async function idsOf(): Promise<ReadonlyMap<string, string | undefined>> {
  await settledAudit(server);
  const events = await everyEvent(server, `from=${new Date(Date.now() - 3 * DAY_MS).toISOString()}`);
  return new Map(events.map(({ eventId, anonymousId }) => [eventId, anonymousId]));
}

function salts(): Readonly<Record<string, string>> {
  return (JSON.parse(readFileSync(saltFile, 'utf8')) as { readonly salts: Record<string, string> }).salts;
}

/** Files of the data folder with these bytes in them. */
function filesWith(bytes: Buffer | string): readonly string[] {
  return readdirSync(data, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => readFileSync(path).includes(bytes));
}

test('a browser without any id is one visitor a day, and nothing but the file of salts tells whose it was', async () => {
  // Not over midnight.
  const leftMs = DAY_MS - (Date.now() % DAY_MS);
  if (leftMs < 20_000) await new Promise((resolve) => setTimeout(resolve, leftMs));
  await send([page(), page()]);
  await send([page()], { path: '/take' });
  await send([page()], { address: NEIGHBOUR });
  await send([page(Date.now() - DAY_MS)]);
  const ids = await idsOf();
  const [first, second, third, neighbour, yesterday] = ['m1', 'm2', 'm3', 'm4', 'm5'].map((id) => ids.get(id));
  expect(first).toMatch(/^[\w-]{16}$/);
  expect([second, third]).toEqual([first, first]);
  expect(new Set([first, neighbour, yesterday]).size).toBe(3);

  const made = salts();
  const days = [0, 1].map((ago) => new Date(Date.now() - ago * DAY_MS).toISOString().slice(0, 10)).sort();
  expect(Object.keys(made).sort()).toEqual(days);
  if (process.platform !== 'win32') expect(statSync(saltFile).mode & 0o777).toBe(0o600);
  const trace = { source: 'default', address: ADDRESS, userAgent: AGENT };
  const [before = '', today = ''] = days.map((day) => made[day]);
  expect(cookielessId(Buffer.from(today, 'base64url'), trace)).toBe(first);
  expect(cookielessId(Buffer.from(before, 'base64url'), trace)).toBe(yesterday);

  for (const address of [ADDRESS, NEIGHBOUR]) expect(filesWith(address), address).toEqual([]);
  expect(filesWith('203.0.113.0').length).toBeGreaterThan(1);
  for (const salt of [today, before]) {
    const bytes = Buffer.from(salt, 'base64url');
    expect(filesWith(salt)).toEqual([saltFile]);
    for (const form of [bytes, bytes.toString('hex'), bytes.toString('base64')]) expect(filesWith(form)).toEqual([]);
  }
  expect(server.errors()).not.toContain(ADDRESS);
});

test('a kill, and a retry after it, change nothing; the ledger balances and visitors are counted', async () => {
  const event = page();
  await send([event]);
  const before = salts();
  await server.kill();
  server = await start();
  await send([event]);
  await send([page()]);
  expect(salts()).toEqual(before);
  const ids = await idsOf();
  expect([ids.get('m6'), ids.get('m7')]).toEqual([ids.get('m1'), ids.get('m1')]);
  const audit = await settledAudit(server);
  expect(audit).toMatchObject({ balanced: true, stored: 7, duplicate: 1, bad: 0 });
  const from = new Date(Date.now() - 2 * DAY_MS).toISOString();
  const { rows } = await get<{ readonly rows: readonly { readonly value: number }[] }>(
    server,
    `/api/v1/stats?measure=visitors&interval=hour&from=${from}&to=${new Date(Date.now() + 3_600_000).toISOString()}`,
  );
  expect(rows.reduce((sum, { value }) => sum + value, 0)).toBeGreaterThanOrEqual(3);
});

test('a made id is a person to erase like any other', async () => {
  const id = (await idsOf()).get('m1') ?? '';
  const { url } = server;
  expect((await fetch(`${url}/api/v1/users/${id}`, { method: 'DELETE' })).status).toBe(202);
  await settledAudit(server);
  const left = await everyEvent(server, `from=${new Date(Date.now() - 3 * DAY_MS).toISOString()}`);
  expect(left.map(({ eventId }) => eventId).sort()).toEqual(['m4', 'm5']);
});

test('salts of before yesterday are gone once the server has started', async () => {
  expect(await server.stop()).toBe(0);
  const old = Buffer.alloc(32, 7).toString('base64url');
  const day = new Date(Date.now() - 2 * DAY_MS).toISOString().slice(0, 10);
  const kept = salts();
  writeFileSync(saltFile, JSON.stringify({ salts: { ...kept, [day]: old } }));
  server = await start();
  expect(salts()).toEqual(kept);
  expect(filesWith(old)).toEqual([]);
  expect(await server.stop()).toBe(0);
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Plant, plantIn } from '../simulation/planted.ts';
import { clickstream } from './command.ts';
import { get, killServers, type RunningServer, settledAudit, startServer } from './running-server.ts';

/** A program that counts each event twice: what a fold did before it was mended. */
const FAULT: Plant = {
  fault: 'a fold that counts twice',
  file: 'src/process/views/traffic.ts',
  line: '    cell.events += 1;',
  planted: '    cell.events += 2;',
};

const root = join('.planted', `rebuild-${process.pid}`);
const data = mkdtempSync(join(tmpdir(), 'clickstream-rebuild-'));
afterAll(() => {
  killServers();
  for (const folder of [root, data]) rmSync(folder, { recursive: true, force: true });
});

/** Of the program that counted twice; more than one piece of a rebuild. */
const BEFORE = 12_000;
const BATCH = 500;
/** Events of a batch while the view is folded anew. */
const TRICKLE = 5;

let sent = 0;
/** All at one time, so that what comes while a view is folded anew falls into the same rows. */
async function send({ url }: RunningServer, count: number): Promise<void> {
  const batch = Array.from({ length: count }, (_, place) => ({
    ...{ type: 'track', event: 'Ordered', anonymousId: `a${place % 50}`, messageId: `m${sent + place}` },
    timestamp: '2026-11-23T10:00:00Z',
  }));
  const response = await fetch(`${url}/v1/batch`, { method: 'POST', body: JSON.stringify({ batch }) });
  expect(response.status).toBe(200);
  sent += count;
}

async function counted(server: RunningServer): Promise<number> {
  const range = 'from=2026-11-23T09:00:00Z&to=2026-11-23T11:00:00Z&interval=hour';
  const { rows } = await get<{ readonly rows: readonly { readonly value: number }[] }>(
    server,
    `/api/v1/stats?${range}`,
  );
  return rows.reduce((sum, { value }) => sum + value, 0);
}

interface Rebuild {
  readonly view: string;
  readonly state: string;
  readonly folded: number;
  readonly events: number;
}

async function rebuildOf(server: RunningServer): Promise<Rebuild | undefined> {
  const { rebuilds } = await get<{ readonly rebuilds: readonly Rebuild[] }>(server, '/api/v1/rebuilds');
  return rebuilds.find(({ view }) => view === 'traffic');
}

describe('a mended fold', () => {
  let server: RunningServer;

  beforeAll(async () => {
    const faulty = await startServer({ data, within: ['env', '-C', plantIn(root, FAULT)] });
    while (sent < BEFORE) await send(faulty, BATCH);
    await settledAudit(faulty);
    expect(await faulty.stop()).toBe(0);
    server = await startServer({ data });
  }, 120_000);

  test('applies to history under traffic: every answer meanwhile is the old one or the new one, never between', async () => {
    expect(await counted(server)).toBe(2 * BEFORE);
    let isOver = false;
    const traffic = async () => {
      while (!isOver) await send(server, TRICKLE);
    };
    const answers: { readonly counted: number; readonly sentSince: number }[] = [];
    const poll = async () => {
      while (!isOver) {
        const value = await counted(server);
        // A batch may be counted before its sender knows.
        answers.push({ counted: value, sentSince: sent + TRICKLE - BEFORE });
      }
    };
    const load = [traffic(), poll()];
    await until(() => answers.length > 3);
    const followed = await clickstream(['rebuild', 'traffic', '--follow', '--json', '--url', server.url]);
    expect(followed).toMatchObject({ code: 0, errors: '' });
    expect(JSON.parse(followed.output)).toMatchObject({ view: 'traffic', state: 'finished', keptBefore: null });
    const atSwitch = answers.length;
    await until(() => answers.length > atSwitch + 3);
    isOver = true;
    await Promise.all(load);
    // Too many for one to be taken for the other.
    expect(sent - BEFORE).toBeLessThan(BEFORE - BATCH);
    const isOld = answers.map(({ counted: value }) => value >= 2 * BEFORE);
    const first = isOld.indexOf(false);
    expect(first).toBeGreaterThan(0);
    expect(isOld.lastIndexOf(true)).toBe(first - 1);
    let told = 0;
    for (const [place, { counted: value, sentSince }] of answers.entries()) {
      const since = value - (place < first ? 2 * BEFORE : BEFORE);
      // What came meanwhile is never taken back.
      expect(since).toBeGreaterThanOrEqual(told);
      expect(since).toBeLessThanOrEqual(sentSince);
      told = since;
    }
    expect(told).toBeGreaterThan(0);
    await settledAudit(server);
    await until(async () => (await counted(server)) === sent);
  }, 120_000);

  test('is asked for once, however often, and goes on after a kill', async () => {
    const headers = { 'content-type': 'application/json' };
    const asked = { method: 'POST', headers, body: '{"view":"traffic"}' };
    const answers = await Promise.all([1, 2, 3].map(() => fetch(`${server.url}/api/v1/rebuilds`, asked)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    await server.kill();
    server = await startServer({ data });
    await until(async () => (await rebuildOf(server))?.state === 'finished');
    await until(async () => (await counted(server)) === sent);
    expect(await rebuildOf(server)).toMatchObject({ folded: sent, events: sent });
    expect(await server.stop()).toBe(0);
  }, 120_000);
});

describe('a rebuild in a store that was damaged by hand', () => {
  const damaged = mkdtempSync(join(tmpdir(), 'clickstream-rebuild-damaged-'));
  afterAll(() => rmSync(damaged, { recursive: true, force: true }));
  const change = (sql: string) => {
    const database = new DatabaseSync(join(damaged, 'store.sqlite'));
    database.exec(sql);
    database.close();
  };
  const ask = async ({ url }: RunningServer) => {
    const headers = { 'content-type': 'application/json' };
    const { status } = await fetch(`${url}/api/v1/rebuilds`, { method: 'POST', headers, body: '{"view":"traffic"}' });
    expect(status).toBe(200);
  };
  const linesOf = (server: RunningServer, words: string) =>
    server
      .errors()
      .split('\n')
      .filter((line) => line.includes(words));

  beforeAll(async () => {
    const server = await startServer({ data: damaged });
    await send(server, 5);
    await settledAudit(server);
    expect(await server.stop()).toBe(0);
  }, 30_000);

  test('passes over an event that cannot be read, says which, and is finished', async () => {
    change("UPDATE events SET facts = 'no JSON' WHERE id = (SELECT min(id) FROM events)");
    const server = await startServer({ data: damaged });
    await ask(server);
    await until(async () => (await rebuildOf(server))?.state === 'finished');
    expect(await counted(server)).toBe(4);
    await until(() => linesOf(server, 'rebuild of traffic').length > 0);
    expect(linesOf(server, 'rebuild of traffic')).toEqual([expect.stringMatching(/passed over.*: event local:\d+:0$/)]);
    expect((await fetch(`${server.url}/ready`)).status).toBe(200);
    expect(await server.stop()).toBe(0);
  }, 60_000);

  test('that cannot go on is told once a try, and the server is ready and takes events meanwhile', async () => {
    change("CREATE TRIGGER planted AFTER INSERT ON rebuilds BEGIN SELECT RAISE(ABORT, 'planted'); END");
    const server = await startServer({ data: damaged });
    await ask(server);
    await until(() => linesOf(server, 'planted').length > 0);
    for (let look = 0; look < 20; look += 1) {
      expect((await fetch(`${server.url}/ready`)).status).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(linesOf(server, 'planted')).toEqual([
      expect.stringContaining('rebuild of traffic: planted; it will be tried again within a minute'),
    ]);
    expect(linesOf(server, 'works again')).toEqual([]);
    await send(server, 3);
    await until(async () => (await counted(server)) === 7);
    expect((await rebuildOf(server))?.state).toBe('waiting');
    expect(await server.stop()).toBe(0);
    change('DROP TRIGGER planted');
    const mended = await startServer({ data: damaged });
    await until(async () => (await rebuildOf(mended))?.state === 'finished');
    expect(await mended.stop()).toBe(0);
  }, 60_000);
});

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; !(await holds()); ) {
    if (Date.now() > end) throw new Error('it did not come to be');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; !(await holds()); ) {
    if (Date.now() > end) throw new Error('it did not come to be');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

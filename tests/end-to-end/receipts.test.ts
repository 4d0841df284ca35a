import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { get, killServers, type RunningServer, settledAudit, startServer } from './running-server.ts';

const data = mkdtempSync(join(tmpdir(), 'clickstream-receipts-'));
afterAll(() => {
  killServers();
  rmSync(data, { recursive: true, force: true });
});

interface Acknowledged {
  readonly id: string;
  readonly events: number;
}

interface Told {
  readonly state: 'pending' | 'done';
  readonly events: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly bad: number;
  readonly dead: number;
  readonly lost: number;
  readonly pending: number;
}

const receiptOf = (server: RunningServer, id: string, wait = 0) =>
  get<Told>(server, `/api/v1/receipts/${encodeURIComponent(id)}?wait=${wait}`);

/** Several senders at once, each as fast as it is answered; amid that, once so many are, the server is killed. Returns what was acknowledged. */
async function loadAndKill(server: RunningServer, run: string, killAfter: number): Promise<readonly Acknowledged[]> {
  const acknowledged: Acknowledged[] = [];
  let killed: Promise<void> | undefined;
  const sender = async (name: string) => {
    for (let turn = 0; ; turn += 1) {
      const event = {
        type: 'page',
        anonymousId: name,
        messageId: `${run} ${name} ${turn}`,
        timestamp: '2026-11-25T10:00:00Z',
      };
      // Now and then one comes once more, and one is wrong.
      const others =
        turn % 5 === 0 ? [event, { ...event, type: 'wrong' }, { ...event, anonymousId: `${name} too` }] : [];
      const body = JSON.stringify({ batch: [event, ...others] });
      try {
        const response = await fetch(`${server.url}/v1/batch`, { method: 'POST', body });
        const id = response.headers.get('clickstream-receipt');
        if (response.status !== 200 || id === null) throw new Error(`answered ${response.status}, receipt ${id}`);
        expect(await response.json()).toEqual({ success: true, receipt: id });
        acknowledged.push({ id, events: 1 + others.length });
        if (acknowledged.length >= killAfter) killed ??= server.kill();
      } catch (thrown) {
        // What `fetch` throws once the server is gone.
        if (thrown instanceof TypeError) return;
        throw thrown;
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, place) => sender(`sender-${place}`)));
  await killed;
  return acknowledged;
}

test('every receipt got before a kill -9 is answered right after the restart, and none of its events is lost', async () => {
  const all: Acknowledged[] = [];
  for (const [round, killAfter] of [400, 30, 150].entries()) {
    const server = await startServer({ data });
    const acknowledged = await loadAndKill(server, `run-${round}`, killAfter);
    expect(acknowledged.length).toBeGreaterThanOrEqual(killAfter);
    all.push(...acknowledged);
    const again = await startServer({ data });
    const last = acknowledged.at(-1)?.id ?? '';
    expect(await receiptOf(again, last)).toMatchObject({ lost: 0, dead: 0 });
    const told = await Promise.all(acknowledged.slice(-200).map(({ id }) => receiptOf(again, id, 20)));
    for (const [place, { id: _, events }] of acknowledged.slice(-200).entries()) {
      expect(told[place]).toMatchObject({ state: 'done', events, lost: 0, dead: 0, pending: 0 });
    }
    expect(await again.stop()).toBe(0);
  }
  const server = await startServer({ data });
  const sums = { events: 0, stored: 0, duplicate: 0, bad: 0, lost: 0, pending: 0 };
  for (const { id } of all) {
    const told = await receiptOf(server, id);
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += told[name];
  }
  expect(sums.events).toBe(all.reduce((sum, { events }) => sum + events, 0));
  expect(sums).toMatchObject({ lost: 0, pending: 0, events: sums.stored + sums.duplicate + sums.bad });
  // What was not acknowledged when the server was killed may be stored all the same: eight senders, three kills.
  const audit = await settledAudit(server);
  expect(audit).toMatchObject({ balanced: true, lost: 0 });
  expect(audit.stored - sums.stored).toBeGreaterThanOrEqual(0);
  expect(audit.stored - sums.stored).toBeLessThanOrEqual(8 * 3 * 2);
  expect(audit.bad - sums.bad).toBeLessThanOrEqual(8 * 3);
  expect(await server.stop()).toBe(0);
}, 120_000);

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { init } from '../../tracker/src/node.ts';
import { everyEvent, get, killServers, type ListedEvent, settledAudit, startServer } from './running-server.ts';

const data = mkdtempSync(join(tmpdir(), 'clickstream-node-tracker-'));
afterAll(() => {
  killServers();
  rmSync(data, { recursive: true });
});

test('the Node tracker loses and doubles nothing while the server is killed and comes back', async () => {
  let server = await startServer({ data });
  const { port } = new URL(server.url);
  const tracker = init({ endpoint: server.url, key: 'any' });
  const steps = Array.from({ length: 3_000 }, (_, index) => index);
  tracker.page({ path: '/pricing' }, { anonymousId: 'laptop-1' });
  tracker.identify('grace', { plan: 'free' }, { anonymousId: 'laptop-1' });
  for (const index of steps) {
    tracker.track('Step', { index }, { userId: 'grace', anonymousId: 'laptop-1' });
    if (index % 300 === 0) void tracker.flush();
    if (index === 1_000) {
      await sleep(30);
      await server.kill();
    }
    if (index === 2_000) server = await startServer({ data, port: Number(port) });
  }
  expect(await tracker.close({ timeoutMs: 25_000 })).toEqual({ unsent: 0 });
  const audit = await settledAudit(server);
  expect(audit).toMatchObject({ balanced: true, stored: steps.length + 2, bad: 0, lost: 0, problems: [] });
  const stored = (await everyEvent(server)).map(({ properties }) => properties.index);
  expect(stored.filter((index) => index !== undefined).sort((a, b) => Number(a) - Number(b))).toEqual(steps);
  const path = '/api/v1/users/grace/events?order=asc&limit=1000';
  const { events } = await get<{ readonly events: readonly ListedEvent[] }>(server, path);
  const told = events.map(({ eventType, properties }) => properties.index ?? eventType);
  expect(told).toEqual(['page', 'identify', ...steps.slice(0, 998)]);
  await server.stop();
}, 60_000);

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Analytics } from '@segment/analytics-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { get, killServers, type ListedEvent, type RunningServer, settledAudit, startServer } from './running-server.ts';

afterAll(killServers);

interface Timeline {
  readonly events: readonly ListedEvent[];
}
interface Stats {
  readonly rows: readonly { readonly time: string; readonly key?: string; readonly value: number }[];
}

describe('the unmodified @segment/analytics-node', () => {
  const data = mkdtempSync(join(tmpdir(), 'clickstream-segment-'));
  let server: RunningServer;
  const failures: unknown[] = [];

  beforeAll(async () => {
    server = await startServer({ data });
    const analytics = new Analytics({ writeKey: 'any', host: server.url, flushAt: 7, flushInterval: 50 });
    analytics.on('error', (error) => failures.push(error));
    const at = (minute: number) => new Date(Date.now() - 3 * 3_600_000 + minute * 60_000);
    // Ada looks around, comes back an hour later, logs in, and goes on; Bo is known to the server alone.
    analytics.page({ anonymousId: 'ada-laptop', name: 'Home', properties: { path: '/' }, timestamp: at(0) });
    analytics.page({ anonymousId: 'ada-laptop', properties: { path: '/pricing' }, timestamp: at(2) });
    analytics.page({ anonymousId: 'ada-laptop', properties: { path: '/' }, timestamp: at(62) });
    analytics.identify({ anonymousId: 'ada-laptop', userId: 'ada', traits: { plan: 'free' }, timestamp: at(63) });
    analytics.track({
      anonymousId: 'ada-laptop',
      userId: 'ada',
      event: 'Signed Up',
      properties: { plan: 'free' },
      timestamp: at(64),
    });
    analytics.track({ userId: 'bo', event: 'Order Completed', properties: { revenue: 12.5 }, timestamp: at(70) });
    analytics.group({ userId: 'bo', groupId: 'acme', traits: { seats: 3 }, timestamp: at(71) });
    analytics.alias({ userId: 'bo', previousId: 'bo-old', timestamp: at(72) });
    const context = { ip: '203.0.113.7', locale: 'de-DE' };
    analytics.screen({ anonymousId: 'phone', name: 'Inbox', timestamp: at(73), context });
    await analytics.closeAndFlush();
    await settledAudit(server);
  }, 60_000);
  afterAll(async () => {
    await server.stop();
    rmSync(data, { recursive: true });
  });

  test('has every call taken', () => {
    expect(failures).toEqual([]);
  });
  test("reads one person's timeline over anonymous and known events, in order, with its sessions", async () => {
    const { events } = await get<Timeline>(server, '/api/v1/users/ada/events');
    expect(events.map(({ eventType, userId, facts }) => [eventType, userId, facts.session])).toEqual([
      ['page', undefined, 1],
      ['page', undefined, 1],
      ['page', undefined, 2],
      ['identify', 'ada', 2],
      ['Signed Up', 'ada', 2],
    ]);
    const device = await get<Timeline>(server, '/api/v1/users/ada-laptop/events');
    expect(device.events.map(({ eventId }) => eventId)).toEqual(events.map(({ eventId }) => eventId));
  });
  test('finds events by type, with what was sent', async () => {
    const { events } = await get<Timeline>(server, `/api/v1/events?type=${encodeURIComponent('Order Completed')}`);
    expect(events).toMatchObject([{ userId: 'bo', properties: { revenue: 12.5 } }]);
    const types = await get<Timeline>(server, '/api/v1/users/bo/events');
    expect(types.events.map(({ eventType, properties }) => [eventType, properties])).toEqual([
      ['Order Completed', { revenue: 12.5 }],
      ['group', { groupId: 'acme' }],
      ['alias', { previousId: 'bo-old' }],
    ]);
  });
  test('keeps the context, the address truncated, and takes nothing of the server for the visitor', async () => {
    const contexts = async (id: string) => {
      const { events } = await get<{ readonly events: readonly { readonly context: object }[] }>(
        server,
        `/api/v1/users/${id}/events`,
      );
      return events.map(({ context }) => context);
    };
    const library = { name: '@segment/analytics-node', version: expect.any(String) };
    expect(await contexts('phone')).toEqual([{ library, ip: '203.0.113.0', locale: 'de-DE' }]);
    expect(await contexts('bo')).toEqual([{ library }, { library }, { library }]);
  });
  test('counts them', async () => {
    const from = new Date(Date.now() - 6 * 3_600_000).toISOString();
    const total = async (query: string) => {
      const { rows } = await get<Stats>(server, `/api/v1/stats?${query}&from=${from}&interval=hour`);
      const sums = new Map<string, number>();
      for (const { key = 'all', value } of rows) sums.set(key, (sums.get(key) ?? 0) + value);
      return Object.fromEntries([...sums].sort());
    };
    expect(await total('measure=events')).toEqual({ all: 9 });
    expect(await total('measure=events&by=eventType')).toEqual({
      'Order Completed': 1,
      'Signed Up': 1,
      alias: 1,
      group: 1,
      identify: 1,
      page: 3,
      screen: 1,
    });
    expect(await total('measure=pageviews&by=page')).toEqual({ '/': 2, '/pricing': 1 });
  });
  test('balances the ledger', async () => {
    expect(await settledAudit(server)).toMatchObject({
      balanced: true,
      accepted: 9,
      stored: 9,
      duplicate: 0,
      bad: 0,
      pending: 0,
      lost: 0,
      problems: [],
    });
  });
  test('finds its events again after a restart', async () => {
    const before = await get<Timeline>(server, '/api/v1/users/ada/events');
    expect(await server.stop()).toBe(0);
    server = await startServer({ data });
    expect(await get<Timeline>(server, '/api/v1/users/ada/events')).toEqual(before);
    expect(await settledAudit(server)).toMatchObject({ balanced: true, accepted: 9, stored: 9, problems: [] });
  });
});

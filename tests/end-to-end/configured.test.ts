import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countryDatabase } from '../country-database.ts';
import { killServers, type RunningServer, startServer } from './running-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'clickstream-configured-'));
const digest = (secret: string) => createHash('sha256').update(secret).digest('hex');
const PATIENCE = { timeout: 15_000, interval: 100 };

/** Two sources, a schema for one of them, the country of one network: all that can be configured, on one server. */
describe('a server with sources, schemas and countries', () => {
  let server: RunningServer;
  beforeAll(async () => {
    writeFileSync(
      join(folder, 'countries.mmdb'),
      countryDatabase({ '203.0.113.0/24': { country: { iso_code: 'NL' } } }),
    );
    schema({ plan: { type: 'string' } });
    const settings = {
      sources: {
        shop: { writeKeys: [digest('shop-key')], domains: ['shop.example'] },
        blog: { writeKeys: [digest('blog-key')], domains: [] },
      },
      readTokens: [digest('read')],
      schemas: 'schemas',
      countries: 'countries.mmdb',
    };
    writeFileSync(join(folder, 'clickstream.json'), JSON.stringify(settings));
    server = await startServer({ data: join(folder, 'data'), options: ['--config', join(folder, 'clickstream.json')] });
  });
  afterAll(async () => {
    await server.stop();
    killServers();
    rmSync(folder, { recursive: true });
  });

  function schema(properties: object, text = JSON.stringify({ properties: { properties: { properties } } })): void {
    const of = join(folder, 'schemas', '@shop', 'Signed Up');
    mkdirSync(of, { recursive: true });
    writeFileSync(join(of, '1.json'), text);
  }

  let sent = 0;
  async function send(key: string, part: object): Promise<string> {
    sent += 1;
    const messageId = `event-${sent}`;
    const body = { event: 'Signed Up', anonymousId: 'laptop', messageId, ...part };
    const answer = await fetch(`${server.url}/v1/track`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(200);
    return messageId;
  }

  async function ask<T>(path: string): Promise<T> {
    const answer = await fetch(`${server.url}${path}`, { headers: { authorization: 'Bearer read' } });
    expect(answer.status, path).toBe(200);
    return (await answer.json()) as T;
  }

  /** What became of an event: its facts, or why it was set aside. */
  async function fateOf(id: string): Promise<unknown> {
    const { events } = await ask<{ events: { eventId: string; facts: { enriched: object } }[] }>(
      '/api/v1/events?limit=1000',
    );
    const found = events.find(({ eventId }) => eventId === id);
    if (found !== undefined) return found.facts.enriched;
    const { bad } = await ask<{ bad: { code: string; detail: string; payload: string }[] }>('/api/v1/bad?limit=1000');
    const set = bad.find(({ payload }) => payload.includes(`"${id}"`));
    return set && `${set.code}: ${set.detail}`;
  }
  const fate = (id: string) => expect.poll(() => fateOf(id), PATIENCE);

  test('knows the country of a truncated address, and a source its own domains', async () => {
    const context = {
      ip: '203.0.113.77',
      page: { url: 'https://shop.example/', referrer: 'https://www.shop.example/sale' },
    };
    await fate(await send('shop-key', { context })).toMatchObject({ country: 'NL', channel: 'internal' });
    await fate(await send('blog-key', { context: { page: context.page, ip: '198.51.100.7' } })).toEqual({
      page: '/',
      channel: 'internal',
    });
    const elsewhere = { page: { url: 'https://other.example/', referrer: 'https://shop.example/sale' } };
    await fate(await send('shop-key', { context: elsewhere })).toMatchObject({ channel: 'internal' });
    await fate(await send('blog-key', { context: elsewhere })).toMatchObject({
      channel: 'referral',
      referrer: 'shop.example',
    });
  });

  test('holds the events of a source against its schemas, and takes up a change of them while it runs', async () => {
    await fate(await send('shop-key', { properties: { plan: 7 } })).toMatch(/^schema_invalid: .*plan/);
    await fate(await send('blog-key', { properties: { plan: 7 } })).toEqual({});
    schema({ plan: { type: 'integer' } });
    await expect.poll(() => server.errors(), PATIENCE).toContain('schemas: taken up anew');
    await fate(await send('shop-key', { properties: { plan: 7 } })).toEqual({});

    schema({}, '{ "type": ');
    await expect.poll(() => server.errors(), PATIENCE).toMatch(/schemas: .*1\.json.*those before stay in force/);
    await fate(await send('shop-key', { properties: { plan: 'pro' } })).toMatch(/^schema_invalid/);
    const { fault } = await ask<{ fault: string | null }>('/api/v1/schemas');
    expect(fault).toContain('1.json');
    schema({ plan: { type: 'string' } });
    await expect.poll(async () => (await ask<{ fault: null }>('/api/v1/schemas')).fault, PATIENCE).toBeNull();
  });

  test('reports the properties seen, against the schema', async () => {
    interface Report {
      readonly types: readonly { readonly source: string; readonly properties: readonly unknown[] }[];
    }
    const { types } = await ask<Report>('/api/v1/schemas?source=shop');
    const plan = { name: 'plan', count: 1, types: { integer: 1 }, inSchema: true, required: false };
    expect(types).toMatchObject([{ source: 'shop', eventType: 'Signed Up', versions: [1], properties: [plan] }]);
  });

  test('tells sources apart in lists, statistics and what is set aside', async () => {
    const total = async (path: string) =>
      (await ask<{ rows: { value: number }[] }>(path)).rows.reduce((sum, { value }) => sum + value, 0);
    const [all, shop, blog, none] = await Promise.all(
      ['', '&source=shop', '&source=blog', '&source=none'].map((of) => total(`/api/v1/stats?measure=events${of}`)),
    );
    expect([all, shop, blog, none]).toEqual([6, 3, 3, 0]);
    const listed = await ask<{ events: { source: string }[] }>('/api/v1/events?source=blog');
    expect(listed.events.map(({ source }) => source)).toEqual(['blog', 'blog', 'blog']);
    expect((await ask<{ bad: unknown[] }>('/api/v1/bad?source=shop')).bad).toHaveLength(2);
    expect((await ask<{ bad: unknown[] }>('/api/v1/bad?source=blog')).bad).toEqual([]);
    expect(await ask('/api/v1/sources')).toEqual({ sources: ['blog', 'shop'] });
  });
});

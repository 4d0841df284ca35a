import { hash } from 'node:crypto';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WriteKeys } from '../../src/collect/keys.ts';
import { ClickstreamError } from '../../src/core/errors.ts';
import { type Event, identityKey, identityOf } from '../../src/core/event.ts';
import { type Recorder, startRecorder } from './recorder.ts';
import { type Shop, startShop } from './shop.ts';

const PATIENCE = { timeout: 20_000, interval: 50 };
const batching = (config: string) =>
  `{ integrations: { 'Segment.io': { deliveryStrategy: { strategy: 'batching', config: { size: 3, ${config} } } } } }`;

/** What the tracker asks of a collector and makes of its answers, each in pages of a fresh visitor. */
export function trackerCases(browserOf: () => Browser): void {
  let recorder: Recorder;
  let shop: Shop;
  let context: BrowserContext;
  let page: Page;
  beforeEach(async () => {
    recorder = await startRecorder(new WriteKeys([{ source: 'shop', sha256: hash('sha256', 'KEY') }]));
    shop = await startShop({ writeKey: 'KEY', cdnURL: recorder.url });
    context = await browserOf().newContext();
    page = await context.newPage();
  });
  afterEach(async () => {
    await context.close();
    recorder.close();
    shop.close();
  });

  const visit = (path: string, query: Record<string, string> = {}) =>
    page.goto(`${shop.url}${path}?${new URLSearchParams(query)}`);
  const types = () => recorder.log.events().map(({ eventType }) => eventType);
  const seen = (...expected: string[]) => expect.poll(() => types().sort(), PATIENCE).toEqual(expected.sort());
  /** How often each identity was delivered, by event type. */
  const deliveries = (type: string) => {
    const events = recorder.log.events().filter(({ eventType }) => eventType === type);
    return events.map((event) => identityKey(identityOf({ ...event, source: 'shop' } as unknown as Event)));
  };

  describe('CORS', () => {
    test('is enforced in this browser', async () => {
      await visit('/');
      const fetched = (path: string) =>
        page.evaluate(`fetch('${recorder.url}${path}').then(() => 'read', () => 'refused')`);
      expect(await fetched('/other')).toBe('refused');
      expect(await fetched('/v1/projects/KEY/settings')).toBe('read');
    });

    test('lets every kind of call pass, each after a preflight', async () => {
      await visit('/');
      await page.evaluate(`{
        analytics.identify('ada', { plan: 'pro' });
        analytics.track('Bought', { total: 2 });
        analytics.group('acme', { seats: 3 });
        analytics.screen('Main');
        analytics.alias('ada-2');
      }`);
      await seen('page', 'identify', 'Bought', 'group', 'screen', 'alias');
      const preflights = recorder.asked.filter(({ method }) => method === 'OPTIONS');
      expect(preflights.map(({ path, announces }) => [path, announces])).toEqual(
        expect.arrayContaining(['p', 'i', 't', 'g', 's', 'a'].map((name) => [`/v1/${name}`, 'authorization'])),
      );
      for (const event of recorder.log.events()) {
        expect(event).toMatchObject({
          anonymousId: expect.any(String),
          context: { ip: '127.0.0.0', userAgent: expect.stringContaining('Chrome') },
        });
        expect(event.context).not.toHaveProperty('_unmapped');
      }
    });
  });

  test('a key that is not known: nothing is sent, and nobody is asked for a password', async () => {
    const messages: string[] = [];
    page.on('console', (message) => messages.push(message.text()));
    await visit('/', { settings: "{ writeKey: 'WRONG' }" });
    await expect.poll(() => messages.join(), PATIENCE).toContain('write_key_wrong');
    expect(recorder.asked.map(({ method }) => method)).toEqual(['GET']);
  });

  test('after a 503 the tracker tries again, with a header more, until it is told 200', async () => {
    await visit('/');
    await seen('page');
    let failures = 2;
    recorder.log.behave = () => {
      failures -= 1;
      return failures < 0 ? Promise.resolve() : Promise.reject(new ClickstreamError('log_unavailable'));
    };
    await page.evaluate(`void analytics.track('Bought')`);
    await seen('page', 'Bought');
    expect(recorder.posts('/v1/t').map(({ retry }) => retry)).toEqual([undefined, '1', '2']);
    expect(recorder.asked).toContainEqual(expect.objectContaining({ announces: 'authorization,x-retry-count' }));
  });

  describe('a page that is left while an event is under way', () => {
    /** Makes an event whose answer waits until the page is left and the next one is there. */
    const leave = async (next: () => Promise<unknown>) => {
      await visit('/');
      await seen('page');
      const released = Promise.withResolvers<void>();
      recorder.log.behave = () => released.promise;
      // Not what the call returns, which would be waited for.
      await page.evaluate(`void analytics.track('Bought')`);
      await expect.poll(() => recorder.posts('/v1/t').length, PATIENCE).toBe(1);
      await next();
      released.resolve();
      await expect.poll(() => deliveries('Bought').length, PATIENCE).toBe(2);
    };

    test('sends it to its end, and again from the next page: both are one event', async () => {
      await leave(() => visit('/cart'));
      expect(new Set(deliveries('Bought')).size).toBe(1);
    });

    test('does so also when its tab is closed', async () => {
      await leave(async () => {
        await page.close({ runBeforeUnload: true });
        page = await context.newPage();
        await visit('/cart');
      });
      expect(new Set(deliveries('Bought')).size).toBe(1);
    });

    // The tracker puts the user of the moment into what it sends again.
    test('is one event also when the next page knows the user', async () => {
      await leave(async () => {
        await visit('/cart');
        await page.evaluate(`void analytics.identify('ada')`);
      });
      expect(new Set(deliveries('Bought')).size).toBe(1);
    });
  });

  describe('in batches', () => {
    test('as many as were asked for, and the rest when the page is left', async () => {
      await visit('/', { options: batching('timeout: 60000') });
      await page.evaluate(`for (const name of ['a', 'b', 'c', 'd']) void analytics.track(name)`);
      await expect.poll(() => types().length, PATIENCE).toBe(3);
      await page.close({ runBeforeUnload: true });
      await expect.poll(() => new Set(types()).size, PATIENCE).toBe(5);
      expect(recorder.asked.filter(({ method }) => method === 'POST').every(({ path }) => path === '/v1/b')).toBe(true);
    });

    test('a batch that gets 503 is sent again', async () => {
      recorder.log.behave = () => {
        recorder.log.behave = () => Promise.resolve();
        return Promise.reject(new ClickstreamError('overloaded'));
      };
      await visit('/', { options: batching('timeout: 200') });
      await page.evaluate(`for (const name of ['a', 'b']) void analytics.track(name)`);
      await seen('page', 'a', 'b');
      expect(recorder.posts('/v1/b')[1]).toMatchObject({ retry: '1' });
    });
  });

  test('settings given by the page: none are asked for, and its metrics are taken', async () => {
    const host = new URL(recorder.url).host;
    const settings = `{ cdnSettings: { integrations: { 'Segment.io': { apiKey: 'KEY' } }, metrics: { flushTimer: 100 } } }`;
    const options = `{ integrations: { 'Segment.io': { apiHost: '${host}/v1', protocol: 'http' } } }`;
    await visit('/', { settings, options });
    await expect.poll(() => recorder.posts('/v1/m').length, PATIENCE).toBeGreaterThan(0);
    await seen('page');
    expect(recorder.asked.some(({ method }) => method === 'GET')).toBe(false);
  });
}

import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { everyEvent, get, killServers, type ListedEvent, settledAudit } from '../end-to-end/running-server.ts';
import { launchChromium } from './chromium.ts';
import { type Shop, startShop } from './shop.ts';
import { SHOP_KEY, ShopVisit } from './shop-visit.ts';
import { trackerCases } from './tracker-cases.ts';

interface ShopEvent extends ListedEvent {
  readonly source: string;
  readonly traits: { readonly [name: string]: unknown };
  readonly context: { readonly [name: string]: unknown };
}

const PATIENCE = { timeout: 30_000, interval: 100 };

let browser: Browser;
beforeAll(async () => {
  browser = await launchChromium();
}, 60_000);
afterAll(async () => {
  await browser.close();
  killServers();
});

describe('the unmodified @segment/analytics-next and the collector', () => trackerCases(() => browser));

describe('a person in a shop', () => {
  const visit = new ShopVisit<Shop>();
  let events: readonly ShopEvent[];

  /** What the person does, in order: event type, where or what of, and as whom. */
  const DONE = [
    ['page', '/', undefined],
    ['page', '/category/lamps', undefined],
    ['page', '/', undefined],
    ['Product Clicked', 'desk-lamp', undefined],
    ['page', '/product/desk-lamp', undefined],
    ['Product Added', 'desk-lamp', undefined],
    // From here on the server is away …
    ['Product Added', 'desk-lamp', undefined],
    ['page', '/cart', undefined],
    ['page', '/login', undefined],
    // … and back.
    ['identify', 'pro', 'ada'],
    ['page', '/account', 'ada'],
    ['page', '/product/vase', 'ada'],
    // Offline.
    ['Product Added', 'vase', 'ada'],
    ['Product Added', 'vase', 'ada'],
    ['page', '/', 'ada'],
    ['Subscribed', 'lamps', 'ada'],
    ['page', '/thanks', 'ada'],
    // In a tab that is closed while this is under way.
    ['page', '/product/floor-lamp', 'ada'],
    ['Product Added', 'floor-lamp', 'ada'],
    ['page', '/', 'ada'],
  ] as const;

  const stored = (count: number) =>
    vi.waitFor(async () => {
      const types = (await everyEvent(visit.server)).map(({ eventType }) => eventType);
      if (types.length !== count) throw new Error(`${types.length} of ${count} events are stored: ${types.join(', ')}`);
    }, PATIENCE);

  /** Does something, and stays on the page until the tracker sends what it made of it. A person is not faster. */
  async function does(page: Page, path: '/v1/p' | '/v1/t', what: string, act: () => Promise<unknown>): Promise<void> {
    const sent = page.waitForRequest((request) => {
      return request.url().endsWith(path) && request.postData()?.includes(JSON.stringify(what)) === true;
    });
    await act();
    await sent;
  }
  const views = (page: Page, path: string, act: () => Promise<unknown>) => does(page, '/v1/p', path, act);
  const adds = (page: Page, product: string) => does(page, '/v1/t', product, () => page.click('#add'));

  async function looksAround(page: Page): Promise<void> {
    await views(page, '/', () => page.goto(`${visit.shop.url}/`));
    await views(page, '/category/lamps', () => page.click('#lamps'));
    await views(page, '/', () => page.goBack());
    await views(page, '/product/desk-lamp', () => page.click('#desk-lamp a'));
    await adds(page, 'desk-lamp');
    await stored(6);
  }

  async function goesOnWhileTheServerIsAway(page: Page): Promise<void> {
    await visit.withoutServer(async () => {
      await adds(page, 'desk-lamp');
      await views(page, '/cart', () => page.click('nav >> text=Cart'));
      await views(page, '/login', () => page.click('nav >> text=Log in'));
    });
    await stored(9);
  }

  async function logsIn(page: Page): Promise<void> {
    await page.fill('input', 'ada');
    await views(page, '/account', () => page.click('form button'));
    await views(page, '/product/vase', () => page.goto(`${visit.shop.url}/product/vase`));
    await stored(12);
  }

  async function isOfflineForAMoment(page: Page): Promise<void> {
    await visit.context.setOffline(true);
    await page.click('#add');
    await page.click('#add');
    await visit.context.setOffline(false);
    await stored(14);
  }

  async function subscribes(page: Page): Promise<void> {
    await views(page, '/', () => page.click('nav >> text=Home'));
    await page.fill('input', 'lamps');
    await views(page, '/thanks', () => page.click('form button'));
  }

  async function closesATab(page: Page): Promise<void> {
    const tab = await visit.context.newPage();
    await views(tab, '/product/floor-lamp', () => tab.goto(`${visit.shop.url}/product/floor-lamp`));
    await adds(tab, 'floor-lamp');
    await tab.close({ runBeforeUnload: true });
    await views(page, '/', () => page.click('nav >> text=Home'));
  }

  beforeAll(async () => {
    await visit.open({
      browser,
      startShop: (collector) => startShop({ writeKey: SHOP_KEY, cdnURL: collector }),
    });
    const page = await visit.context.newPage();
    await looksAround(page);
    await goesOnWhileTheServerIsAway(page);
    await logsIn(page);
    await isOfflineForAMoment(page);
    await subscribes(page);
    await closesATab(page);
    await stored(DONE.length);
    // The tracker sends again what was under way when a page was left, up to a second after the next one is there.
    await page.waitForTimeout(1_500);
    await settledAudit(visit.server);
    ({ events } = await get<{ readonly events: readonly ShopEvent[] }>(
      visit.server,
      '/api/v1/users/ada/events?order=asc',
    ));
  }, 120_000);
  afterAll(() => visit.close());

  test('has everything stored once, in the order it was done, under the right user', () => {
    const told = events.map(({ eventType, userId, properties, traits }) => [
      eventType,
      properties.product ?? properties.topic ?? traits.plan ?? properties.path,
      userId,
    ]);
    expect(told).toEqual(DONE);
    expect(new Set(events.map(({ eventId }) => eventId)).size).toBe(DONE.length);
  });
  test('is one visitor, with one session', () => {
    expect(new Set(events.map(({ anonymousId }) => anonymousId)).size).toBe(1);
    expect(new Set(events.map(({ facts }) => facts.session))).toEqual(new Set([1]));
  });
  test('has nothing lost, set aside or left over', async () => {
    expect(await settledAudit(visit.server)).toMatchObject({
      balanced: true,
      stored: DONE.length,
      bad: 0,
      pending: 0,
      lost: 0,
      problems: [],
    });
  });
  test('is nobody else’s: the browser talked to the shop and the server alone', () => {
    expect(visit.faults).toEqual([]);
    expect(visit.hosts).toEqual(new Set(['shop.test', 'events.test']));
  });
  test('is of the source of its key, and its address is nowhere kept whole', () => {
    for (const { source, context: told } of events) {
      expect([source, told.ip]).toEqual(['shop', '127.0.0.0']);
    }
  });
});

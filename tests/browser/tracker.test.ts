import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { everyEvent, get, killServers, type ListedEvent, settledAudit } from '../end-to-end/running-server.ts';
import { launchChromium } from './chromium.ts';
import { hasTracker, ownTrackerCases } from './own-tracker-cases.ts';
import { ShopVisit } from './shop-visit.ts';
import { startTrackedShop, type TrackedShop } from './tracked-shop.ts';

interface ShopEvent extends ListedEvent {
  readonly createdAt: string;
  readonly traits: { readonly [name: string]: unknown };
  readonly context: { readonly [name: string]: unknown };
  readonly facts: {
    readonly session: number;
    readonly late: boolean;
    readonly enriched: { readonly [name: string]: unknown };
  };
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

describe('the tracker and what it is told', () => ownTrackerCases(() => browser));

describe('a person in a shop with the tracker', () => {
  const visit = new ShopVisit<TrackedShop>();
  let events: readonly ShopEvent[];

  /** What the person does, in order: event type, where or what of, and as whom. */
  const DONE = [
    ['page', '/', null],
    ['Page Left', '/', null],
    ['page', '/category/lamps', null],
    ['Page Left', '/category/lamps', null],
    ['page', '/', null],
    ['Page Left', '/', null],
    ['page', '/product/desk-lamp', null],
    ['Product Added', 'desk-lamp', null],
    ['File Downloaded', '/manual.pdf?token=***', null],
    // From here on the server is away …
    ['Product Added', 'desk-lamp', null],
    ['Page Left', '/product/desk-lamp', null],
    ['page', '/cart', null],
    ['Page Left', '/cart', null],
    ['page', '/login', null],
    // … and back.
    ['Form Submitted', '/account', null],
    ['identify', 'pro', 'ada'],
    ['Page Left', '/login', 'ada'],
    ['page', '/account', 'ada'],
    ['Page Left', '/account', 'ada'],
    ['page', '/product/vase', 'ada'],
    // Offline.
    ['Product Added', 'vase', 'ada'],
    ['Product Added', 'vase', 'ada'],
    ['Outbound Link Clicked', '/', 'ada'],
    ['Page Left', '/product/vase', 'ada'],
    // In a tab that is closed at once.
    ['page', '/product/floor-lamp', 'ada'],
    ['Product Added', 'floor-lamp', 'ada'],
    ['Page Left', '/product/floor-lamp', 'ada'],
  ] as const;

  const typesStored = async () => (await everyEvent(visit.server)).map(({ eventType }) => eventType);
  /** Waits until an event of that type is there so many times. */
  const stored = (type: string, count: number) =>
    vi.waitFor(async () => {
      const types = await typesStored();
      const found = types.filter((other) => other === type).length;
      if (found !== count) throw new Error(`${found} of ${count} ${type}: ${types.join(', ')}`);
    }, PATIENCE);
  const arrives = async (page: Page, path: string, act: () => Promise<unknown>) => {
    await act();
    await page.waitForURL(`**${path}*`);
    await hasTracker(page);
    // A person looks at each page for a moment, and what is no time is not told.
    await page.waitForTimeout(200);
  };

  async function looksAround(page: Page): Promise<void> {
    await arrives(page, '/', () => page.goto(`${visit.shop.url}/?utm_source=newsletter&utm_campaign=autumn`));
    await arrives(page, '/category/lamps', () => page.click('#lamps'));
    await arrives(page, '/', () => page.goBack());
    await arrives(page, '/product/desk-lamp', () => page.click('#desk-lamp a'));
    await page.click('#add');
    await Promise.all([page.waitForEvent('download'), page.click('text=Manual')]);
    await stored('File Downloaded', 1);
  }
  async function goesOnWhileTheServerIsAway(page: Page): Promise<void> {
    await visit.withoutServer(async () => {
      await page.click('#add');
      await arrives(page, '/cart', () => page.click('nav >> text=Cart'));
      await arrives(page, '/login', () => page.click('nav >> text=Log in'));
    });
  }
  async function logsIn(page: Page): Promise<void> {
    await page.fill('input', 'ada');
    await arrives(page, '/account', () => page.click('form button'));
    await arrives(page, '/product/vase', () => page.goto(`${visit.shop.url}/product/vase`));
    await stored('page', 7);
  }
  async function isOfflineForAMoment(page: Page): Promise<void> {
    await visit.context.setOffline(true);
    await page.click('#add');
    await page.click('#add');
    await visit.context.setOffline(false);
    await stored('Product Added', 4);
    await Promise.all([page.waitForURL('http://elsewhere.test:*/'), page.click('text=Elsewhere')]);
  }
  async function closesATab(): Promise<void> {
    const tab = await visit.context.newPage();
    await arrives(tab, '/product/floor-lamp', () => tab.goto(`${visit.shop.url}/product/floor-lamp`));
    await tab.click('#add');
    await tab.close({ runBeforeUnload: true });
    await stored('Product Added', 5);
  }

  beforeAll(async () => {
    await visit.open({ browser, startShop: startTrackedShop, locale: 'de-CH' });
    visit.shop.isServed = true;
    const page = await visit.context.newPage();
    await looksAround(page);
    await goesOnWhileTheServerIsAway(page);
    await logsIn(page);
    await isOfflineForAMoment(page);
    await closesATab();
    await stored('Page Left', 9);
    await settledAudit(visit.server);
    ({ events } = await get<{ readonly events: readonly ShopEvent[] }>(
      visit.server,
      '/api/v1/users/ada/events?order=asc',
    ));
  }, 180_000);
  afterAll(() => visit.close());

  const withoutVitals = () => events.filter(({ eventType }) => eventType !== 'Web Vitals');

  test('has everything stored once, in the order it was done, under the right user', () => {
    const told = withoutVitals().map(({ eventType, userId, properties: own, traits, context: said }) => {
      const { pathname } = new URL((said.page as { readonly url: string }).url);
      const href = typeof own.href === 'string' ? own.href.replace(/^http:\/\/[^/]+/, '') : undefined;
      return [eventType, own.product ?? href ?? own.action ?? traits.plan ?? pathname, userId ?? null];
    });
    expect(told).toEqual(DONE);
    expect(new Set(events.map(({ eventId }) => eventId)).size).toBe(events.length);
  });
  test('is one visitor, with one session', () => {
    expect(new Set(events.map(({ anonymousId }) => anonymousId)).size).toBe(1);
    expect(new Set(events.map(({ facts }) => facts.session))).toEqual(new Set([1]));
  });
  test('came from where the link says, goes on within, and speaks a language', () => {
    const enriched = events.filter(({ eventType }) => eventType === 'page').map(({ facts }) => facts.enriched);
    expect(enriched[0]).toMatchObject({
      page: '/',
      channel: 'mail',
      source: 'newsletter',
      campaign: 'autumn',
      language: 'de',
    });
    expect(enriched.slice(1).map(({ channel }) => channel)).toEqual([
      // Back, to the page with the link's marks.
      ...['internal', 'mail', 'internal', 'internal', 'internal', 'internal'],
      // Addresses that were typed in.
      ...['direct', 'direct'],
    ]);
    // The link of an event is not the page that it happened on.
    const [outbound] = events.filter(({ eventType }) => eventType === 'Outbound Link Clicked');
    expect(outbound?.facts.enriched.page).toBe('/product/vase');
  });
  test('has nothing lost, set aside or left over', async () => {
    expect(await settledAudit(visit.server)).toMatchObject({
      balanced: true,
      stored: events.length,
      bad: 0,
      pending: 0,
      lost: 0,
      problems: [],
    });
  });
  test('begins another session after half an hour without any event, though both arrive at once', async () => {
    const other = await browser.newContext();
    await other.clock.install();
    await other.route('http://events.test:*/v1/b', (route) => route.abort());
    const page = await other.newPage();
    await arrives(page, '/product/vase', () => page.goto(`${visit.shop.url}/product/vase`));
    await page.click('#add');
    await page.clock.fastForward('31:00');
    await page.click('#add');
    const visitor = await page.evaluate<string>(`localStorage['clickstream.id']`);
    await other.unrouteAll();
    await page.evaluate(`dispatchEvent(new Event('online'))`);
    await stored('Product Added', 7);
    const path = `/api/v1/users/${visitor}/events?order=asc`;
    const timeline = await get<{ readonly events: readonly ShopEvent[] }>(visit.server, path);
    expect(timeline.events.map(({ eventType, facts }) => [eventType, facts.session, facts.late])).toEqual([
      ['page', 1, false],
      ['Product Added', 1, false],
      ['Product Added', 2, false],
    ]);
    await other.close();
  });
  test('is one visitor also without storage, whom the server knows for the day', async () => {
    const other = await browser.newContext();
    await other.addInitScript(
      `Object.defineProperty(window, 'localStorage', { get() { throw new Error('blocked'); } })`,
    );
    const page = await other.newPage();
    await arrives(page, '/', () => page.goto(`${visit.shop.url}/`));
    await arrives(page, '/product/vase', () => page.click('#vase a'));
    await page.click('#add');
    const tab = await other.newPage();
    await arrives(tab, '/cart', () => tab.goto(`${visit.shop.url}/cart`));
    await page.close({ runBeforeUnload: true });
    await tab.close({ runBeforeUnload: true });
    const cookieless = async () => {
      const all = (await everyEvent(visit.server)) as unknown as readonly ShopEvent[];
      return all.filter(({ context: said }) => said.cookieless === true);
    };
    const expected = [
      'page',
      'page',
      'page',
      'Product Added',
      ...Array(3).fill('Page Left'),
      ...Array(3).fill('Web Vitals'),
    ];
    await vi.waitFor(async () => {
      expect((await cookieless()).map(({ eventType }) => eventType).sort()).toEqual([...expected].sort());
    }, PATIENCE);
    const ids = (await cookieless()).map(({ anonymousId, facts }) => `${anonymousId} ${facts.session}`);
    expect([...new Set(ids)]).toEqual([expect.stringMatching(/^[\w-]{16} 1$/)]);
    await other.close();
  });
  test('gave no value of any form away', () => {
    const forms = events.filter(({ eventType }) => eventType === 'Form Submitted');
    expect(forms.map(({ properties }) => properties)).toEqual([{ id: 'login', action: '/account' }]);
  });
  test('was measured: how long each page was visible, how much of it, and how fast it came', () => {
    for (const { properties } of events.filter(({ eventType }) => eventType === 'Page Left')) {
      expect(properties).toEqual({ seconds: expect.any(Number), depth: 100 });
    }
    const vitals = events.filter(({ eventType }) => eventType === 'Web Vitals');
    expect(vitals.length).toBeGreaterThan(4);
    expect(vitals[0]?.properties).toMatchObject({
      TTFB: expect.any(Number),
      FCP: expect.any(Number),
      CLS: expect.any(Number),
    });
  });
  test('is nobody else’s: the browser talked to the shop, the server and where the person went, under a strict policy', () => {
    expect(visit.faults).toEqual([]);
    expect(visit.hosts).toEqual(new Set(['shop.test', 'events.test', 'elsewhere.test']));
  });
});

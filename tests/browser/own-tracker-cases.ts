import { hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WriteKeys } from '../../src/collect/keys.ts';
import { ClickstreamError } from '../../src/core/errors.ts';
import { type Recorder, startRecorder } from './recorder.ts';
import { startTrackedShop, type TrackedShop } from './tracked-shop.ts';

interface Sent {
  readonly messageId: string;
  readonly timestamp: string;
  readonly type: string;
  readonly event?: string;
  readonly anonymousId?: string;
  readonly userId?: string | null;
  readonly properties?: { readonly [name: string]: unknown };
  readonly context: { readonly [name: string]: unknown };
}

const PATIENCE = { timeout: 20_000, interval: 50 };
/** Longer than the tracker waits for more events, so that what is not there then was not sent. */
const SILENCE_MS = 2_500;

/** Resolves when the page's tracker has come. (Playwright's own waiting evaluates text in the page, which its policy forbids.) */
export async function hasTracker(page: Page): Promise<void> {
  await vi.waitFor(async () => {
    if (!(await page.evaluate('window.clickstream?.track !== undefined'))) throw new Error('no tracker');
  }, PATIENCE);
}

/** What the tracker sends, and above all what it does not, each in pages of a fresh visitor. */
export function ownTrackerCases(browserOf: () => Browser): void {
  let recorder: Recorder;
  let shop: TrackedShop;
  let context: BrowserContext;
  let page: Page;
  const messages: string[] = [];
  beforeEach(async () => {
    recorder = await startRecorder(new WriteKeys([{ source: 'shop', sha256: hash('sha256', 'shop-key') }]));
    shop = await startTrackedShop(recorder.url);
    shop.attributes = 'data-auto="page"';
    context = await browserOf().newContext({ locale: 'en-GB' });
    messages.length = 0;
    context.on('console', (message) => messages.push(message.text()));
    page = await context.newPage();
  });
  afterEach(async () => {
    await context.close();
    recorder.close();
    shop.close();
  });

  const visit = async (path: string, tab = page) => {
    await tab.goto(`${shop.url}${path}`);
    await hasTracker(tab);
  };
  const add = (...names: readonly string[]) =>
    page.evaluate(`for (const name of ${JSON.stringify(names)}) clickstream.track(name)`);
  /** Events of all requests that came, also of those that were answered with an error. */
  const deliveries = (): Sent[] =>
    recorder.posts('/v1/b').flatMap(({ chunks }) => {
      const { batch } = JSON.parse(Buffer.concat(chunks).toString()) as { readonly batch: readonly Sent[] };
      return batch;
    });
  /** Each event once: what was under way when a page was left may come twice, and is stored once (docs/tracker.md). */
  const sent = (): Sent[] =>
    [...new Map([...deliveries()].reverse().map((event) => [event.messageId, event])).values()].reverse();
  const names = (events: readonly Sent[] = sent()) => events.map(({ type, event }) => event ?? type);
  const arrive = (...expected: string[]) => expect.poll(() => names(), PATIENCE).toEqual(expected);
  const stored = () =>
    page.evaluate<string[]>(
      `Object.keys(localStorage).map((name) => name.replace(/^(clickstream.queue).*/, '$1')).sort()`,
    );
  const isSilent = async () => {
    await sleep(SILENCE_MS);
    expect(recorder.asked).toEqual([]);
  };
  const returns = async () => {
    recorder.isAway = false;
    for (const tab of context.pages()) await tab.evaluate(`dispatchEvent(new Event('online'))`);
  };

  test('a page, and what was done there, come soon, without preflights and cookies', async () => {
    await visit('/?token=secret#part');
    await add('a', 'b');
    await arrive('page', 'a', 'b');
    for (const { method, path, headers } of recorder.asked) {
      expect([method, path, headers.cookie]).toEqual(['POST', '/v1/b', undefined]);
    }
    expect(deliveries()).toHaveLength(3);
    const [view] = sent();
    expect(view).toMatchObject({
      anonymousId: expect.stringMatching(/^\d{20,40}$/),
      properties: { path: '/', title: 'Shop /' },
      context: { page: { url: `${shop.url}/?token=***`, referrer: '' }, locale: 'en-GB' },
    });
    expect(recorder.log.events()).toHaveLength(3);
    expect(await stored()).toEqual(['clickstream.id']);
  });

  test('a step through the history is a page, another fragment or query is none', async () => {
    await visit('/');
    await page.evaluate(`{
      history.replaceState({}, '', '/?page=2');
      history.pushState({}, '', '/#b');
      history.pushState({}, '', '/b');
      history.replaceState({}, '', '/c');
    }`);
    await page.goBack();
    await expect.poll(() => sent().map(({ properties }) => properties?.path), PATIENCE).toEqual(['/', '/b', '/c', '/']);
    expect(
      sent().map(({ context: { page: place } }) => (place as { referrer: string }).referrer.replace(shop.url, '')),
    ).toEqual(['', '/', '/b', '/c']);
    // The page's code gives it its own title only after the step.
    expect(sent().map(({ properties }) => properties?.title)).toEqual(['Shop /', undefined, undefined, undefined]);
  });

  test('where fragments are pages, another fragment is one', async () => {
    shop.attributes = 'data-auto="page,hash"';
    await visit('/#/a');
    await page.evaluate(`location.hash = '#/b'`);
    const urls = () =>
      sent().map(({ context: { page: place } }) => (place as { url: string }).url.replace(shop.url, ''));
    await expect.poll(urls, PATIENCE).toEqual(['/#/a', '/#/b']);
  });

  test('calls that were made before the script came are made up for', async () => {
    await visit('/?stub');
    await arrive('page', 'identify', 'Waited');
    expect(sent()[2]).toMatchObject({ userId: 'bo', properties: { place: 1 } });
  });

  test('a page that is made ready before anybody asked for it is told of when it is shown', async () => {
    await context.addInitScript(`Object.defineProperty(document, 'prerendering', { value: true, configurable: true })`);
    await visit('/');
    await page.evaluate(`history.replaceState({}, '', '/b')`);
    await add('a');
    await isSilent();
    await page.evaluate(`{
      Object.defineProperty(document, 'prerendering', { value: false });
      document.dispatchEvent(new Event('prerenderingchange'));
    }`);
    await arrive('a', 'page');
    expect(sent()[1]).toMatchObject({ properties: { path: '/b', title: 'Shop /' } });
  });

  test('events that a page’s code sends to what is no element do no harm', async () => {
    shop.attributes = 'data-auto="links,forms"';
    const faults: string[] = [];
    page.on('pageerror', ({ message }) => faults.push(message));
    await visit('/');
    await page.evaluate(`for (const target of [window, document]) {
      for (const type of ['click', 'auxclick', 'submit']) target.dispatchEvent(new Event(type));
    }`);
    await isSilent();
    expect(faults).toEqual([]);
  });

  test('the script twice in a page counts once', async () => {
    await visit('/');
    await page.addScriptTag({ url: '/t.js' }).catch(() => {});
    await arrive('page');
    await sleep(SILENCE_MS);
    expect(names()).toEqual(['page']);
  });

  test('the module of the npm package does the same, as its options say', async () => {
    await visit('/?module');
    await add('a');
    await arrive('page', 'a');
    expect(sent()[0]).toMatchObject({ context: { cookieless: true } });
    expect(await stored()).toEqual([]);
  });

  test('a user is known from identify on, over pages, until reset', async () => {
    await visit('/');
    await page.evaluate(`clickstream.identify('ada', { plan: 'pro' })`);
    await visit('/cart');
    await add('a');
    await page.evaluate('clickstream.reset()');
    await add('b');
    await arrive('page', 'identify', 'page', 'a', 'b');
    expect(sent().map(({ userId }) => userId ?? undefined)).toEqual([undefined, 'ada', 'ada', 'ada', undefined]);
    const visitors = sent().map(({ anonymousId }) => anonymousId);
    expect(new Set(visitors.slice(0, 4)).size).toBe(1);
    expect(visitors[4]).not.toBe(visitors[0]);
  });

  test('a reset takes its place among what waits for the person’s consent', async () => {
    await visit('/');
    await page.evaluate(`clickstream.identify('ada')`);
    await arrive('page', 'identify');
    shop.attributes = 'data-auto="page" data-consent="required"';
    await visit('/cart');
    await page.evaluate('clickstream.reset()');
    await add('a');
    await page.evaluate(`clickstream.consent('granted')`);
    await arrive('page', 'identify', 'page', 'a');
    expect(sent().map(({ userId }) => userId ?? undefined)).toEqual([undefined, 'ada', 'ada', undefined]);
    expect(sent()[3]?.anonymousId).not.toBe(sent()[2]?.anonymousId);
    expect(await stored()).toEqual(['clickstream.id']);
  });

  test('how far a page was scrolled', async () => {
    shop.attributes = 'data-auto="scroll"';
    await visit('/terms');
    await page.evaluate('scrollTo(0, 1e6)');
    await arrive('Scrolled', 'Scrolled', 'Scrolled', 'Scrolled');
    expect(sent().map(({ properties }) => properties?.depth)).toEqual([25, 50, 75, 100]);
  });

  test('how long a page was visible: each time it is hidden, and how fast it came, the first time', async () => {
    shop.attributes = 'data-auto="time,vitals"';
    await visit('/');
    const hide = (hidden: boolean) =>
      page.evaluate(`{
        Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      }`);
    await page.evaluate(`document.querySelector('p').addEventListener('click', () => {
      for (const until = performance.now() + 60; performance.now() < until; );
    })`);
    await page.click('text=Shop is open');
    await page.waitForTimeout(400);
    await hide(true);
    await arrive('Page Left', 'Web Vitals');
    await page.waitForTimeout(1_000);
    await hide(false);
    await page.waitForTimeout(200);
    await hide(true);
    await arrive('Page Left', 'Web Vitals', 'Page Left');
    const [first, vitals, second] = sent().map(({ properties }) => properties);
    expect(first?.seconds).toBeGreaterThanOrEqual(0.4);
    expect(second?.seconds).toBeGreaterThanOrEqual(0.2);
    // Not the second for which it was hidden.
    expect(second?.seconds).toBeLessThan(1);
    const number = expect.any(Number);
    expect(vitals).toEqual({ TTFB: number, FCP: number, LCP: number, CLS: number, INP: number });
    expect(vitals?.INP).toBeGreaterThanOrEqual(56);
    expect(deliveries()).toHaveLength(3);
  });

  test('a page that comes back as it was left is another view, and loses nothing', async () => {
    await visit('/');
    await add('a');
    const passes = (type: string) =>
      page.evaluate(`dispatchEvent(new PageTransitionEvent('${type}', { persisted: true }))`);
    recorder.isAway = true;
    await passes('pagehide');
    await sleep(500);
    recorder.isAway = false;
    await passes('pageshow');
    await add('b');
    await arrive('page', 'a', 'page', 'b');
    expect(await stored()).toEqual(['clickstream.id']);
  });

  test('a page that comes back goes on sending, whatever becomes of what was under way when it was left', async () => {
    const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const answers = [first.promise, second.promise];
    recorder.log.behave = () => answers.shift() ?? Promise.resolve();
    await visit('/');
    await expect.poll(() => recorder.posts('/v1/b').length, PATIENCE).toBe(1);
    for (const type of ['pagehide', 'pageshow']) {
      await page.evaluate(`dispatchEvent(new PageTransitionEvent('${type}', { persisted: true }))`);
    }
    await expect.poll(() => recorder.posts('/v1/b').length, PATIENCE).toBe(2);
    first.resolve();
    await sleep(500);
    second.resolve();
    await sleep(500);
    await add('a');
    await arrive('page', 'page', 'a');
    expect(await stored()).toEqual(['clickstream.id']);
  });

  test('a browser without keepalive, vitals and beacons that answer does what it can', async () => {
    shop.attributes = 'data-auto="page,time,vitals"';
    await context.addInitScript(`{
      delete Request.prototype.keepalive;
      delete window.PerformanceObserver;
      // Such a browser ends what is under way when its page is gone.
      const { fetch } = window;
      window.fetch = async (url, options) => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        return fetch(url, options);
      };
    }`);
    await visit('/');
    await page.waitForTimeout(200);
    await add('a');
    await page.close({ runBeforeUnload: true });
    await arrive('page', 'a', 'Page Left', 'Web Vitals');
    page = await context.newPage();
    await visit('/cart');
    await arrive('page', 'a', 'Page Left', 'Web Vitals', 'page');
    expect(await stored()).toEqual(['clickstream.id']);
  });

  describe('nothing is sent, and nothing stored,', () => {
    test.each([
      ['globalPrivacyControl', true, ''],
      ['doNotTrack', '1', ''],
      ['doNotTrack', '1', 'data-cookieless'],
    ] as const)(
      'under %s (%j, %s), whatever the page says, and what was stored is removed',
      async (signal, value, mode) => {
        await visit('/');
        await page.evaluate(`clickstream.identify('ada')`);
        await arrive('page', 'identify');
        recorder.asked.length = 0;
        await context.addInitScript(
          `Object.defineProperty(navigator, '${signal}', { value: ${JSON.stringify(value)} })`,
        );
        shop.attributes += ` ${mode}`;
        await visit('/cart');
        await page.evaluate(`clickstream.consent('granted')`);
        await add('a');
        await page.evaluate('clickstream.flush()');
        expect(await stored()).toEqual([]);
        await visit('/login');
        await isSilent();
      },
    );

    test('before the person agrees, also of earlier pages; then all of it, in order and with its times', async () => {
      recorder.isAway = true;
      await visit('/');
      await add('earlier');
      await visit('/cart');
      shop.attributes = 'data-auto="page" data-consent="required"';
      await visit('/login');
      const before = await page.evaluate('JSON.stringify(localStorage)');
      recorder.isAway = false;
      await add('a');
      await page.evaluate(`dispatchEvent(new Event('online')); clickstream.identify('ada'); clickstream.flush()`);
      await isSilent();
      expect(await page.evaluate('JSON.stringify(localStorage)')).toBe(before);
      await page.evaluate(`clickstream.consent('granted')`);
      await arrive('page', 'earlier', 'page', 'page', 'a', 'identify');
      const times = sent().map(({ timestamp }) => Date.parse(timestamp));
      expect(times).toEqual([...times].sort());
      expect(Date.now() - (times[3] as number)).toBeGreaterThan(SILENCE_MS);
      expect(
        sent()
          .map(({ userId }) => userId ?? undefined)
          .slice(3),
      ).toEqual([undefined, undefined, 'ada']);
    });

    test('when the person does not agree', async () => {
      shop.attributes = 'data-auto="page" data-consent="required"';
      await visit('/');
      await page.evaluate(`clickstream.consent('denied')`);
      await add('a');
      await page.evaluate('clickstream.flush()');
      await visit('/cart');
      await isSilent();
      expect(await stored()).toEqual([]);
    });

    test('after the person has changed their mind: what waits is dropped, ids are removed', async () => {
      recorder.isAway = true;
      await visit('/');
      await add('a');
      expect(await stored()).toEqual(['clickstream.id', 'clickstream.queue']);
      await page.evaluate(`clickstream.consent('denied')`);
      await returns();
      await add('b');
      await isSilent();
      expect(await stored()).toEqual([]);
    });
  });

  describe('without storage the server is left to know the visitor', () => {
    const areCookieless = () => {
      for (const event of sent()) {
        expect(event.anonymousId).toBe(undefined);
        expect(event.context.cookieless).toBe(true);
      }
    };

    test('as the owner chose', async () => {
      shop.attributes = 'data-auto="page" data-cookieless';
      await visit('/');
      await add('a');
      await visit('/cart');
      await arrive('page', 'a', 'page');
      areCookieless();
      expect(await stored()).toEqual([]);
      expect(await context.cookies()).toEqual([]);
    });

    test.each([
      [
        'any use',
        `Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('blocked', 'SecurityError'); } })`,
      ],
      ['writing', `Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }`],
    ])('where %s throws', async (_, script) => {
      await context.addInitScript(script);
      await visit('/');
      await page.evaluate(`clickstream.identify('ada')`);
      await add('a');
      await visit('/cart');
      await add('b');
      await arrive('page', 'identify', 'a', 'page', 'b');
      areCookieless();
      expect(sent().map(({ userId }) => userId)).toEqual([undefined, 'ada', 'ada', undefined, undefined]);
      expect(messages).toEqual([]);
    });
  });

  describe('what does not arrive', () => {
    test('is sent again, once, after as long as the server asks, and with the time of that try', async () => {
      let failures = 2;
      recorder.log.behave = () => {
        failures -= 1;
        return failures < 0 ? Promise.resolve() : Promise.reject(new ClickstreamError('log_unavailable'));
      };
      await visit('/');
      await expect.poll(() => recorder.log.events().length, PATIENCE).toBe(1);
      expect(new Set(sent().map(({ messageId }) => messageId)).size).toBe(1);
      const tries = recorder.posts('/v1/b').map(({ chunks }) => {
        const { sentAt } = JSON.parse(Buffer.concat(chunks).toString()) as { readonly sentAt: number };
        return sentAt;
      });
      expect(tries).toHaveLength(3);
      expect((tries[1] as number) - (tries[0] as number)).toBeGreaterThanOrEqual(1_000);
    });

    test('and never will is dropped, and said', async () => {
      shop.attributes = 'data-auto="page" data-key="wrong"';
      await visit('/');
      await expect.poll(() => messages.join(), PATIENCE).toContain('clickstream: 401 dropped');
      await sleep(SILENCE_MS);
      expect(recorder.posts('/v1/b')).toHaveLength(1);
      expect(await stored()).toEqual(['clickstream.id']);
    });

    test('waits, the newest 100,000 characters of it, and says how many events were dropped', async () => {
      recorder.isAway = true;
      await visit('/');
      await add(...Array.from({ length: 500 }, (_, index) => `e${index}`));
      await returns();
      await expect.poll(() => sent().length, PATIENCE).toBeGreaterThan(300);
      await sleep(SILENCE_MS);
      expect(names()).toEqual(Array.from({ length: sent().length }, (_, index) => `e${500 - sent().length + index}`));
      expect(sent().at(-1)?.context.dropped).toBe(500 - sent().length);
      expect(deliveries()).toHaveLength(sent().length);
    });

    test('is sent in order, also after several requests at once that failed', async () => {
      await visit('/');
      await arrive('page');
      recorder.isAway = true;
      await page.evaluate(`for (const name of ['a', 'b', 'c']) clickstream.track(name, { text: 'x'.repeat(15_000) })`);
      await page.evaluate(`{
        Object.defineProperty(document, 'hidden', { value: true, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      }`);
      await sleep(500);
      const before = deliveries().length;
      await returns();
      await expect.poll(() => names(deliveries().slice(before)), PATIENCE).toEqual(['a', 'b', 'c']);
    });

    test('because it is too large costs no other event its place', async () => {
      recorder.isAway = true;
      await visit('/');
      await add('a');
      await page.evaluate(`clickstream.track('large', { text: 'x'.repeat(120_000) })`);
      await add('b');
      await returns();
      await arrive('page', 'a', 'b');
      expect(sent().map(({ context: said }) => said.dropped)).toEqual([undefined, undefined, 1]);
    });

    test('is left alone by pages with another write key, whose source is another', async () => {
      recorder.isAway = true;
      shop.attributes = 'data-auto="page" data-key="other"';
      await visit('/');
      await add('a');
      shop.attributes = 'data-auto="page"';
      await visit('/cart');
      const before = deliveries().length;
      await returns();
      await expect.poll(() => names(deliveries().slice(before)), PATIENCE).toEqual(['page']);
      await sleep(SILENCE_MS);
      expect(names(deliveries().slice(before))).toEqual(['page']);
      expect(await stored()).toEqual(['clickstream.id', 'clickstream.queue']);
    });

    test('survives its page, and its tab', async () => {
      recorder.isAway = true;
      await visit('/');
      await add('a');
      await page.close({ runBeforeUnload: true });
      await sleep(500);
      page = await context.newPage();
      await visit('/cart');
      await add('b');
      await returns();
      await arrive('page', 'a', 'page', 'b');
    });

    test('survives a tab that crashes', async () => {
      recorder.isAway = true;
      await context.clock.install();
      await visit('/');
      await add('a');
      await page.goto('chrome://crash').catch(() => {});
      await page.close();
      page = await context.newPage();
      await visit('/cart');
      recorder.isAway = false;
      await context.clock.fastForward(120_000);
      await add('b');
      await page.evaluate('clickstream.flush()');
      await expect.poll(() => new Set(names()), PATIENCE).toEqual(new Set(['page', 'a', 'b']));
      expect(names()).toEqual(['page', 'a', 'page', 'b']);
    });
  });

  test('a tab that is closed at once sends what was done in it', async () => {
    shop.attributes = 'data-auto="page,time"';
    await visit('/');
    // What is no time is not told.
    await page.waitForTimeout(200);
    await add('a');
    await page.close({ runBeforeUnload: true });
    await arrive('page', 'a', 'Page Left');
  });

  describe('two tabs', () => {
    test('are one visitor, and each event comes once, though they wait at the same time', async () => {
      recorder.isAway = true;
      await visit('/');
      const other = await context.newPage();
      await visit('/cart', other);
      for (let turn = 0; turn < 5; turn += 1) {
        await add(`a${turn}`);
        await other.evaluate(`clickstream.track('b${turn}')`);
      }
      // While the other one waits.
      await visit('/login');
      await add('a5');
      await returns();
      await expect.poll(() => sent().length, PATIENCE).toBeGreaterThanOrEqual(14);
      await sleep(SILENCE_MS);
      const [first, second] = [/^a/, /^b/].map((pattern) => names(deliveries()).filter((name) => pattern.test(name)));
      expect(first).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'a5']);
      expect(second).toEqual(['b0', 'b1', 'b2', 'b3', 'b4']);
      expect(deliveries()).toHaveLength(14);
      expect(new Set(sent().map(({ anonymousId }) => anonymousId)).size).toBe(1);
      expect(await stored()).toEqual(['clickstream.id']);
    });

    test('know of each other’s log-in', async () => {
      await visit('/');
      const other = await context.newPage();
      await visit('/cart', other);
      await other.evaluate(`clickstream.identify('ada')`);
      await add('a');
      await expect.poll(() => sent().find(({ event }) => event === 'a')?.userId, PATIENCE).toBe('ada');
    });
  });
}

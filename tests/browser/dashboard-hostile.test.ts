import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { get, killServers, type RunningServer, startServer } from '../end-to-end/running-server.ts';
import { launchChromium } from './chromium.ts';
import { axeFindings, type Dashboard, openDashboard, overflows } from './dashboard.ts';

const PATIENCE = { timeout: 30_000, interval: 100 };
const SCRIPT = '<script>window.ran = 1</script>';
const IMAGE = '"><img src=x onerror="window.ran = 2">';
const RIGHT_TO_LEFT = '\u202egnp.elif\u202c \u2066\u200fשלום';
const LONG = 'W'.repeat(200);

const folder = mkdtempSync(join(tmpdir(), 'clickstream-hostile-'));
let browser: Browser;
let server: RunningServer;
let dashboard: Dashboard;
let page: Page;

async function send(...batch: readonly object[]): Promise<void> {
  const response = await fetch(`${server.url}/v1/batch`, { method: 'POST', body: JSON.stringify({ batch }) });
  expect(response.status).toBe(200);
}

/** JSON cannot say these as values of JavaScript can. */
const NUMBERS = '{"big":1e308,"zero":-0,"small":5e-324,"long":12345678901234567890,"deep":[[[[[[[[]]]]]]]]}';

beforeAll(async () => {
  [browser, server] = await Promise.all([launchChromium(), startServer({ data: join(folder, 'data') })]);
  const hostile = (text: string) => ({
    ...{ type: 'track', event: text, userId: text, anonymousId: `device ${text}`.slice(0, 200) },
    context: {
      page: { path: `/${text}`, url: `https://shop.test/${text}`, referrer: `https://${text}.test/`, title: text },
      campaign: { name: text, source: text, medium: text },
      userAgent: text,
      locale: text,
    },
    properties: { [text]: text, url: `javascript:window.ran=3//${text}`, nested: { [text]: [text] } },
  });
  for (const text of [SCRIPT, IMAGE, RIGHT_TO_LEFT, LONG, '__proto__', '{{7*7}}', '\u0000\u001b[2J'.slice(1)]) {
    await send(
      hostile(text),
      { ...hostile(text), type: 'page' },
      { ...hostile(text), type: text },
      { type: text, anonymousId: text },
    );
  }
  await send({ type: 'track', event: 'Long', anonymousId: 'long', properties: { long: `${'<b>'.repeat(10_000)}` } });
  const numbers = await fetch(`${server.url}/v1/track`, {
    method: 'POST',
    body: `{"event":"Numbers","anonymousId":"numbers","properties":${NUMBERS}}`,
  });
  expect(numbers.status).toBe(200);
  for (let first = 0; first < 10_000; first += 500) {
    await send(
      ...Array.from({ length: 500 }, (_, place) => ({
        ...{
          type: place % 2 === 0 ? 'page' : 'track',
          event: `Type ${first + place}`,
          anonymousId: `many-${place % 50}`,
        },
        context: { page: { path: `/page/${first + place}` } },
      })),
    );
  }
  await vi.waitFor(async () => {
    const { waiting } = await get<{ readonly waiting: readonly string[] }>(server, '/api/v1/audit');
    expect(waiting).toEqual([]);
  }, PATIENCE);
  dashboard = await openDashboard(browser, { url: server.url });
  page = dashboard.page;
}, 120_000);
afterAll(async () => {
  await browser.close();
  killServers();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens whatever opens, for what is inside is drawn only then. */
async function openAll(): Promise<void> {
  const summaries = await page.locator('main summary').all();
  for (const summary of summaries.slice(0, 12)) await summary.click();
}

async function isHarmless(): Promise<void> {
  expect(await page.evaluate('window.ran')).toBeUndefined();
  expect(await page.locator('main :is(script, img, iframe, b, [onerror], [href^="javascript:"])').count()).toBe(0);
  expect(await page.locator('main').innerText()).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);
  expect(await overflows(page)).toEqual([0, 0]);
  expect(dashboard.faults).toEqual([]);
}

const ids = [SCRIPT, IMAGE, RIGHT_TO_LEFT, LONG, '__proto__'];

describe('whatever a tracker sends is text', () => {
  test.each(ids)(
    'as a person: %j',
    async (id) => {
      await page.goto(`${server.url}/#/people/${encodeURIComponent(id)}`);
      await page.getByRole('heading', { name: /^Session 1/ }).waitFor();
      await openAll();
      await isHarmless();
      expect(await axeFindings(page)).toEqual([]);
    },
    60_000,
  );

  test.each(ids)(
    'as a type of events: %j',
    async (type) => {
      await page.goto(`${server.url}/#/events?bots=include&type=${encodeURIComponent(type)}`);
      await page.locator('main details.event').first().waitFor();
      await page.getByRole('region', { name: 'Properties' }).waitFor();
      await openAll();
      await isHarmless();
      expect(await axeFindings(page)).toEqual([]);
    },
    60_000,
  );

  test('in the lists of people, of types and of what was set aside', async () => {
    for (const hash of ['#/people', '#/events?bots=include', '#/bad', '#/health']) {
      await page.goto(`${server.url}/${hash}`);
      await page.waitForTimeout(1_500);
      await isHarmless();
    }
    await page.goto(`${server.url}/#/bad`);
    await page.locator('.kinds a').first().click();
    await page.locator('details.bad').first().waitFor();
    await openAll();
    await isHarmless();
    expect(await axeFindings(page)).toEqual([]);
  }, 60_000);

  test('an id that cannot be typed is typed as it is shown, to be erased', async () => {
    await page.goto(`${server.url}/#/people/${encodeURIComponent(RIGHT_TO_LEFT)}`);
    await page.getByRole('button', { name: 'Erase…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('To go on, type the id').fill(await dialog.locator('bdi').first().innerText());
    expect(await dialog.getByRole('button', { name: 'Erase for good' }).isEnabled()).toBe(true);
    await dialog.getByRole('button', { name: 'Keep' }).click();
  }, 60_000);

  test('script in it can be read', async () => {
    await page.goto(`${server.url}/#/events?bots=include&type=${encodeURIComponent(SCRIPT)}`);
    await page.locator('.subject').getByText(SCRIPT).waitFor();
    await page.locator('main details.event summary').first().click();
    await expect.poll(() => page.locator('main details.event pre').first().innerText(), PATIENCE).toContain(SCRIPT);
  });

  test('numbers at the edge, and a text of 30 KB, keep their page in order', async () => {
    for (const type of ['Numbers', 'Long']) {
      await page.goto(`${server.url}/#/events?type=${type}`);
      await page.locator('main details.event summary').first().click();
      await page.locator('main details.event pre').first().waitFor();
      await isHarmless();
    }
    await page.goto(`${server.url}/#/events?type=Numbers`);
    await page.locator('main details.event summary').first().click();
    await expect
      .poll(() => page.locator('main details.event pre').first().innerText(), PATIENCE)
      .toContain('"big": 1e+308');
  }, 60_000);

  test('5,000 types are listed without an end to wait for: the rest is one row', async () => {
    await page.goto(`${server.url}/#/events?range=today`);
    await expect.poll(() => page.locator('.bars tbody tr').count(), PATIENCE).toBe(100);
    await page.getByRole('button', { name: /^Show all 1,?000$/ }).click();
    await expect.poll(() => page.locator('.bars tbody tr').count(), PATIENCE).toBe(1_000);
    await page.locator('.bars').getByText('other types').waitFor();
    await page.getByText('the 999 largest').waitFor();
    await isHarmless();
    await page.goto(`${server.url}/#/events?range=today&type=Type%209999`);
    await page.getByText('Not known: there were more types in a day').waitFor();
  }, 60_000);
});

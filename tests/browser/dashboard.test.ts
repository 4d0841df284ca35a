/** The dashboard as a person uses it: its shell, Now and Overview, in a real browser over a real server. */
import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { killServers, type RunningServer, startServer } from '../end-to-end/running-server.ts';
import { type Question, recount, type SentEvent, type Session, sessionsOf } from '../recount.ts';
import { launchChromium } from './chromium.ts';
import { axeFindings, overflows } from './dashboard.ts';
import { visitsUntil } from './visits.ts';

const PATIENCE = { timeout: 15_000, interval: 100 };
const TOKEN = 'a-token-to-read';
const KEYS: Readonly<Record<string, string>> = { shop: 'key-of-the-shop', blog: 'key-of-the-blog' };
/** Off by half an hour, and without summer time, so that its days can be counted by hand. */
const ZONE = 'Asia/Kolkata';
const ZONE_MS = 5.5 * 3_600_000;
const DAY_MS = 86_400_000;

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'clickstream-dashboard-'));
const data = join(folder, 'data');
const config = join(folder, 'clickstream.json');
let browser: Browser;
let server: RunningServer;
let context: BrowserContext;
let page: Page;
const faults: string[] = [];
const hosts = new Set<string>();

const start = (port = 0) => startServer({ data, port, options: ['--config', config] });

beforeAll(async () => {
  const sources = Object.fromEntries(
    Object.entries(KEYS).map(([name, key]) => [name, { writeKeys: [hash('sha256', key)] }]),
  );
  writeFileSync(config, JSON.stringify({ readTokens: [hash('sha256', TOKEN)], sources }));
  [browser, server] = await Promise.all([launchChromium(), start()]);
  context = await browser.newContext({ locale: 'en-GB', timezoneId: ZONE, viewport: { width: 1_280, height: 900 } });
  // Less than a test has, so that what was waited for is told.
  context.setDefaultTimeout(15_000);
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  context.on('request', (request) => hosts.add(new URL(request.url()).host));
  page = await newPage();
}, 60_000);
afterAll(async () => {
  await browser.close();
  killServers();
  rmSync(folder, { recursive: true, force: true });
});

async function newPage(): Promise<Page> {
  const made = await context.newPage();
  made.on('pageerror', (fault) => faults.push(fault.message));
  made.on('console', (message) => {
    if (/Content Security Policy|TrustedHTML|Refused to/i.test(message.text())) faults.push(message.text());
  });
  return made;
}

async function send(calls: readonly object[], source = 'shop'): Promise<void> {
  const response = await fetch(`${server.url}/v1/batch`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${KEYS[source]}` },
    body: JSON.stringify({ batch: calls }),
  });
  expect(response.status).toBe(200);
}

async function api<Answer>(path: string): Promise<Answer> {
  const headers = { Authorization: `Bearer ${TOKEN}`, connection: 'close' };
  return (await (await fetch(`${server.url}${path}`, { headers })).json()) as Answer;
}

const track = (event: string, more: object = {}) => ({ type: 'track', event, anonymousId: 'ada', ...more });
const rows = () => page.locator('.stream .event');
const row = (type: string) => rows().filter({ has: page.getByText(type, { exact: true }) });
const typesShown = () => rows().locator('.type').allTextContents();
const figure = (name: string, on = page) => on.locator('.figure').filter({ has: on.getByText(name, { exact: true }) });
const head = (title: string, on = page) =>
  on.locator('.card').filter({ has: on.getByRole('heading', { name: title, exact: true }) });
const address = (on = page) => new URL(on.url()).hash;

describe('the way in', () => {
  test('a token is asked for, a wrong one refused, the right one kept by the tab', async () => {
    await page.goto(`${server.url}/`);
    await expect.poll(() => page.evaluate('document.activeElement.id'), PATIENCE).toBe('token');
    expect(await page.getByRole('alert').count()).toBe(0);
    await page.keyboard.type('wrong');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: 'That token is not one of those configured.' }).waitFor();
    expect(await axeFindings(page)).toEqual([]);
    await page.getByLabel('Read token').fill(TOKEN);
    await page.keyboard.press('Enter');
    await page.getByText('No events yet').waitFor();
    await page.reload();
    await page.getByText('No events yet').waitFor();
    expect(await page.getByLabel('Read token').count()).toBe(0);
  });

  test('with no event yet it says what to paste; the line works in a shell, and the page comes alive without a reload', async () => {
    expect(await page.locator('pre').first().innerText()).toBe(
      `<script async src="${server.url}/t.js" data-key="YOUR WRITE KEY"></script>`,
    );
    expect(await axeFindings(page)).toEqual([]);
    await page.evaluate('window.isSamePage = true');
    await page.getByRole('button', { name: 'Copy the line' }).click();
    await page.getByText('Copied').waitFor();
    const line = (await page.evaluate('navigator.clipboard.readText()')) as string;
    await run('sh', ['-c', line], { env: { ...process.env, WRITE_KEY: KEYS.shop } });
    await row('Signed Up').waitFor();
    expect(await page.evaluate('window.isSamePage')).toBe(true);
    expect(await row('Signed Up').locator('.who').innerText()).toBe('ada');
  });
});

describe('Now', () => {
  test('its figures are those of the API', async () => {
    await send([track('Looked'), track('Looked'), track('Looked')]);
    await expect.poll(() => figure('Events stored').locator('dd').innerText(), PATIENCE).toMatch(/^4\n/);
    expect(await figure('Visitors now').locator('dd').innerText()).toMatch(/^1\n/);
    expect(await figure('Events a minute').locator('dd').innerText()).toMatch(/^[34]\n/);
    await expect
      .poll(() => figure('Ledger').locator('dd').innerText(), PATIENCE)
      .toBe('Balanced\n4 events accounted for');
    await expect
      .poll(() => figure('Queryable after').locator('dd').innerText(), PATIENCE)
      .toMatch(/^\d+ ms\n99 of 100 within \d+ ms$/);
    await page.getByRole('img', { name: /^\d events in the last 30 minutes, at most \d in one$/ }).waitFor();
    expect(await page.locator('.chart canvas').count()).toBe(1);
  });

  test('what comes is on top and glows once; with reduced motion it does not', async () => {
    await page.evaluate(`window.glowed = [];
      document.addEventListener('animationstart', ({ target }) => glowed.push(target.querySelector('.type').textContent));`);
    await send([track('Glowed')]);
    await row('Glowed').waitFor();
    expect((await typesShown())[0]).toBe('Glowed');
    await expect.poll(() => page.evaluate('glowed'), PATIENCE).toEqual(['Glowed']);
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await send([track('Glowed Not')]);
    await row('Glowed Not').waitFor();
    await expect.poll(() => page.locator('.event[data-fresh]').count(), PATIENCE).toBe(0);
    expect(await page.evaluate('glowed')).toEqual(['Glowed']);
    await page.emulateMedia({ reducedMotion: null });
  });

  test('paused, it stays as it is and says how many came meanwhile', async () => {
    const before = await typesShown();
    await page.getByRole('button', { name: 'Pause' }).click();
    await send([1, 2, 3].map((number) => track(`Meanwhile ${number}`)));
    await page.getByText('Paused; 3 events came meanwhile').waitFor();
    expect(await typesShown()).toEqual(before);
    await page.getByRole('button', { name: 'Go on' }).click();
    await row('Meanwhile 3').waitFor();
    expect([...(await typesShown())].sort()).toEqual([...before, 'Meanwhile 1', 'Meanwhile 2', 'Meanwhile 3'].sort());
  });

  test('it is filtered by type and by text, and the filter is in the address', async () => {
    await send([track('Looked', { properties: { colour: 'Vermilion' } })]);
    await page.getByLabel('Type').selectOption('Looked');
    await expect.poll(async () => new Set(await typesShown()), PATIENCE).toEqual(new Set(['Looked']));
    await page.getByLabel('Text').fill('vermilion');
    await expect.poll(() => rows().count(), PATIENCE).toBe(1);
    expect(address()).toBe('#/now?type=Looked&text=vermilion');
    await page.reload();
    await expect.poll(() => rows().count(), PATIENCE).toBe(1);
    await page.getByLabel('Text').fill('nowhere to be found');
    await page.getByText('fits').waitFor();
    await page.getByLabel('Text').fill('');
    await page.getByLabel('Type').selectOption('');
    expect(address()).toBe('#/now');
  });

  test('one opened by keyboard shows all of it, pauses the stream, and goes to the clipboard as JSON and as curl', async () => {
    await page.getByLabel('Text').fill('vermilion');
    await expect.poll(() => rows().count(), PATIENCE).toBe(1);
    await rows().locator('summary').focus();
    await page.keyboard.press('Enter');
    await page.getByText(/^Paused;/).waitFor();
    const { events } = await api<{ readonly events: readonly { readonly properties: object }[] }>(
      '/api/v1/events?type=Looked&order=desc',
    );
    const wanted = events.find(({ properties }) => 'colour' in properties);
    expect(JSON.parse(await rows().locator('pre').innerText())).toEqual(wanted);
    await rows().getByRole('button', { name: 'Copy as JSON' }).click();
    await expect
      .poll(async () => JSON.parse((await page.evaluate('navigator.clipboard.readText()')) as string), PATIENCE)
      .toEqual(wanted);
    await rows().getByRole('button', { name: 'Copy as curl' }).click();
    await expect.poll(() => page.evaluate('navigator.clipboard.readText()'), PATIENCE).toMatch(/^curl /);
    const line = (await page.evaluate('navigator.clipboard.readText()')) as string;
    await run('sh', ['-c', line], { env: { ...process.env, WRITE_KEY: KEYS.shop } });
    await expect
      .poll(async () => (await api<{ readonly duplicate: number }>('/api/v1/audit')).duplicate, PATIENCE)
      .toBe(1);
    expect(await axeFindings(page)).toEqual([]);
    await page.getByLabel('Text').fill('');
    await page.getByRole('button', { name: 'Go on' }).click();
  });

  test('whatever a tracker sends is text, in its place', async () => {
    const hostile = `<img src=x onerror="window.isHurt=1"> \u202egnp.exe\u2066 ${'long'.repeat(30)}`;
    await send([
      track(hostile, {
        userId: hostile,
        properties: { path: hostile, n: 1e308 },
        context: { page: { url: 'javascript:alert(1)' } },
      }),
      track('__proto__', { userId: 'constructor', properties: { path: '/\ud800' } }),
    ]);
    await row('__proto__').waitFor();
    const shown = rows().filter({ hasText: 'onerror' });
    expect(await shown.locator('.type').innerText()).toContain(
      '<img src=x onerror="window.isHurt=1"> \ufffdgnp.exe\ufffd',
    );
    await shown.locator('summary').click();
    await shown.locator('pre').waitFor();
    await row('__proto__').locator('summary').click();
    await row('__proto__').locator('pre').waitFor();
    expect(await page.locator('.stream img').count()).toBe(0);
    expect(await page.evaluate('window.isHurt')).toBeUndefined();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(1_280);
    await page.getByRole('button', { name: 'Go on' }).click();
  });

  test('the ledger is asked for by one question at a time; one that fails is told in words, and asked again', async () => {
    let asked = 0;
    let answer: 'never' | 'failing' | 'well' = 'never';
    await page.route('**/api/v1/audit', async (route) => {
      asked += 1;
      if (answer === 'failing') {
        const json = { code: 'query_unavailable', detail: 'the query took longer than 30000 ms' };
        await route.fulfill({ status: 503, json });
      } else if (answer === 'well') await route.continue();
    });
    await page.reload();
    await page.locator('.connection[data-state="live"]').waitFor();
    await page.waitForTimeout(5_000);
    expect(asked).toBe(1);
    expect(await figure('Ledger').locator('dd').innerText()).toBe('–\nbeing read');
    answer = 'failing';
    await page.reload();
    await figure('Ledger').getByText('the query took longer than 30000 ms').waitFor();
    answer = 'well';
    await expect
      .poll(() => figure('Ledger').locator('dd').innerText(), { ...PATIENCE, timeout: 25_000 })
      .toMatch(/^Balanced/);
    answer = 'failing';
    await expect
      .poll(() => figure('Ledger').locator('dd').innerText(), { ...PATIENCE, timeout: 25_000 })
      .toBe('–\nthe query took longer than 30000 ms');
    await page.unroute('**/api/v1/audit');
  }, 60_000);

  test('it says when more came at once than it lists', async () => {
    await send(Array.from({ length: 60 }, (_, number) => track(`At once ${number}`)));
    await page.getByText('40 more events came than are listed').waitFor();
  });
});

describe('Overview', () => {
  const requests = visitsUntil(Date.now());
  let sessions: readonly Session[];
  beforeAll(async () => {
    const sent: SentEvent[] = [];
    for (const { source, calls, events } of requests) {
      if (calls.length > 0) await send(calls, source);
      sent.push(...events);
    }
    sessions = sessionsOf(sent);
    await vi.waitFor(async () => {
      expect((await api<{ readonly waiting: readonly string[] }>('/api/v1/audit')).waiting).toEqual([]);
    }, PATIENCE);
  }, 60_000);

  /** Midnight in the zone, some days after that of today. */
  const midnight = (days: number) => Math.floor((Date.now() + ZONE_MS) / DAY_MS) * DAY_MS - ZONE_MS + days * DAY_MS;
  const dayText = (time: number) => new Date(time + ZONE_MS).toISOString().slice(0, 10);
  /** The seven days before today, of which the tests of Now sent nothing. */
  const WEEK = { from: midnight(-7), to: midnight(0) };
  const HASH = `#/overview?range=custom&from=${dayText(WEEK.from)}&to=${dayText(WEEK.to - 1)}`;
  const rowsOf = (question: Partial<Question>) =>
    recount(sessions, {
      ...{ measure: 'visitors', source: undefined, bots: 'exclude', interval: 'total', zone: ZONE },
      ...WEEK,
      ...question,
    });
  const counted = (question: Partial<Question>) => rowsOf(question)[0]?.value ?? 0;
  const number = (value: number) => value.toLocaleString('en-GB');
  const percent = (value: number, digits = 1) =>
    value.toLocaleString('en-GB', { style: 'percent', maximumFractionDigits: digits });
  const value = (name: string, on = page) => figure(name, on).locator('.figure-value').innerText();

  /** The rows of a panel: their names and numbers. */
  const listed = (title: string, on = page) =>
    head(title, on)
      .locator('.bars tbody tr')
      .evaluateAll((all) => all.map((each) => [...each.querySelectorAll('td')].map((cell) => cell.innerText.trim())));
  const open = async (hash: string) => {
    await page.goto(`${server.url}/${hash}`);
    await page.reload();
    await expect.poll(() => value('Visitors'), PATIENCE).not.toBe('–');
  };

  test('its figures are those of a recount of the raw events, compared with the range before', async () => {
    await open(HASH);
    const before = { from: midnight(-14), to: midnight(-7) };
    expect(counted({ measure: 'sessions' })).toBeGreaterThan(50);
    for (const [title, measure] of [
      ['Visitors', 'visitors'],
      ['Sessions', 'sessions'],
      ['Pageviews', 'pageviews'],
      ['New visitors', 'newVisitors'],
    ] as const) {
      const [now, was] = [counted({ measure }), counted({ measure, ...before })];
      await expect.poll(() => value(title), PATIENCE).toBe(number(now));
      const words = was === 0 ? 'nothing before' : `from ${number(was)}`;
      expect(await figure(title).locator('small').innerText()).toContain(words);
      if (was > 0 && now !== was) {
        expect(
          await figure(title)
            .locator(now > was ? '.up' : '.down')
            .innerText(),
        ).toContain(percent(Math.abs(now - was) / was, 0));
      }
    }
    const each = (measure: string) => counted({ measure }) / counted({ measure: 'sessions' });
    expect(await value('Bounce rate')).toBe(percent(each('bounces')));
    const seconds = Math.round(each('sessionSeconds'));
    expect(await value('Session length')).toBe(
      `${Math.floor(seconds / 60)} min${seconds % 60 === 0 ? '' : ` ${seconds % 60} s`}`,
    );
    expect(await page.getByText(/^Days of Asia\/\w+; hours are those of UTC$/).count()).toBe(1);
  });

  test('its lists are those of a recount, with what is none in words', async () => {
    const panels = [
      ['Pages', 'Top pages', 'pageviews', 'page', 'No page'],
      ['Pages', 'Entry pages', 'sessions', 'entryPage', 'No page'],
      ['Pages', 'Exit pages', 'sessions', 'exitPage', 'No page'],
      ['Where they came from', 'Referrers', 'visitors', 'referrer', 'No referrer'],
      ['Where they came from', 'Channels', 'visitors', 'channel', 'No channel'],
      ['Where they came from', 'Campaigns', 'visitors', 'campaign', 'No campaign'],
      ['Where they came from', 'Sources', 'visitors', 'source', 'No source'],
      ['Where they came from', 'Mediums', 'visitors', 'medium', 'No medium'],
      ['What they use', 'Browsers', 'visitors', 'browser', 'Not known'],
      ['What they use', 'Systems', 'visitors', 'os', 'Not known'],
      ['What they use', 'Devices', 'visitors', 'device', 'Not known'],
      ['Languages and countries', 'Languages', 'visitors', 'language', 'Not known'],
      ['Languages and countries', 'Countries', 'visitors', 'country', 'Not known'],
    ] as const;
    const names: Readonly<Record<string, string>> = { de: 'German', en: 'English' };
    for (const [title, tab, measure, by, none] of panels) {
      await head(title).getByRole('link', { name: tab }).click();
      const whole = counted({ measure });
      const wanted = rowsOf({ measure, by, limit: 10 }).map(({ key = '', value: amount }) => [
        key === '(none)' ? none : (names[key] ?? key),
        `${number(amount)} ${percent(amount / whole)}`,
      ]);
      expect(wanted.length, by).toBeGreaterThan(0);
      await expect.poll(() => listed(title), { ...PATIENCE, message: tab }).toEqual(wanted);
    }
    expect(await listed('Where they came from')).toContainEqual(['No medium', expect.any(String)]);
  }, 60_000);

  test('sources and bots narrow what is counted', async () => {
    await open(HASH);
    await page.getByLabel('Source').selectOption('blog');
    await expect
      .poll(() => value('Pageviews'), PATIENCE)
      .toBe(number(counted({ measure: 'pageviews', source: 'blog' })));
    await page.getByLabel('Bots').selectOption('only');
    const only = { source: 'blog', bots: 'only' } as const;
    expect(counted({ measure: 'pageviews', ...only })).toBeGreaterThan(0);
    await expect.poll(() => value('Pageviews'), PATIENCE).toBe(number(counted({ measure: 'pageviews', ...only })));
    const wanted = rowsOf({ measure: 'pageviews', by: 'page', limit: 10, ...only }).map(({ key }) => key);
    await expect.poll(async () => (await listed('Pages')).map(([name]) => name), PATIENCE).toEqual(wanted);
    expect(address()).toContain('source=blog&bots=only');
  });

  test('a figure that is chosen is shown over time, by keyboard too', async () => {
    await open(HASH);
    await page.getByRole('heading', { name: 'Visitors', exact: true }).waitFor();
    const answered = Promise.withResolvers<void>();
    const bounces = /measure=bounces&interval=day/;
    await page.route(bounces, async (route) => {
      await answered.promise;
      await route.continue();
    });
    await figure('Bounce rate').focus();
    await page.keyboard.press('Enter');
    // What is there so far is of the figure before, and is called so.
    await expect.poll(() => head('Visitors').getAttribute('data-stale'), PATIENCE).toBe('');
    await head('Visitors').getByRole('img', { name: 'Visitors by the day' }).waitFor();
    answered.resolve();
    await page.getByRole('heading', { name: 'Bounce rate', exact: true }).waitFor();
    await page.unroute(bounces);
    const days = Array.from({ length: 7 }, (_, day) => {
      const span = { from: midnight(day - 7), to: midnight(day - 6) };
      return counted({ measure: 'bounces', ...span }) / Math.max(1, counted({ measure: 'sessions', ...span }));
    });
    await page.getByRole('img', { name: `at most ${percent(Math.max(...days))};` }).waitFor();
    expect(address()).toContain('figure=bounceRate');
  });

  test('a row opens its share over time in place, and a link to it shows the same to somebody else', async () => {
    await open(HASH);
    await head('Pages').getByRole('link', { name: '/lamps' }).click();
    const days = Array.from({ length: 7 }, (_, day) =>
      counted({ measure: 'pageviews', by: 'page', key: '/lamps', from: midnight(day - 7), to: midnight(day - 6) }),
    );
    const name = new RegExp(`^/lamps: pageviews by the day, at most ${number(Math.max(...days))} of at most `);
    await head('Pages').getByRole('img', { name }).waitFor();
    const shared = await newPage();
    await shared.goto(page.url());
    await shared.getByLabel('Read token').fill(TOKEN);
    await shared.getByRole('button', { name: 'Open' }).click();
    await head('Pages', shared).getByRole('img', { name }).waitFor();
    await expect.poll(() => value('Visitors', shared), PATIENCE).toBe(await value('Visitors'));
    await expect.poll(() => listed('Pages', shared), PATIENCE).toEqual(await listed('Pages'));
    await shared.close();
    await head('Pages').getByRole('link', { name: 'Close' }).click();
    await expect.poll(() => head('Pages').getByRole('img').count(), PATIENCE).toBe(0);
  });

  test('the range is chosen by keyboard, is in the address, and comes back with the history', async () => {
    await open('#/overview');
    await page.getByLabel('Time').focus();
    await page.keyboard.type('Yesterday');
    await expect.poll(() => address(), PATIENCE).toBe('#/overview?range=yesterday');
    const yesterday = { from: midnight(-1), to: midnight(0) };
    await expect.poll(() => value('Pageviews'), PATIENCE).toBe(number(counted({ measure: 'pageviews', ...yesterday })));
    await page.goBack();
    await expect.poll(() => page.getByLabel('Time').inputValue(), PATIENCE).toBe('7d');
    await page.getByLabel('Time').selectOption('custom');
    await expect.poll(() => address(), PATIENCE).toContain('range=custom');
    const [entries, chosen] = [await page.evaluate('history.length'), address()];
    // As it is on the way to a year that is typed.
    await page.getByLabel('From', { exact: true }).fill('0002-11-05');
    await page.waitForTimeout(1_500);
    expect([address(), await page.getByLabel('From', { exact: true }).inputValue()]).toEqual([chosen, '0002-11-05']);
    await page.getByLabel('From', { exact: true }).fill(dayText(midnight(-10)));
    await page.getByLabel('To', { exact: true }).fill(dayText(midnight(-9)));
    const two = { from: midnight(-10), to: midnight(-8) };
    await expect.poll(() => value('Pageviews'), PATIENCE).toBe(number(counted({ measure: 'pageviews', ...two })));
    expect(await page.evaluate('history.length')).toBe(entries);
    await page.getByLabel('To', { exact: true }).fill(dayText(midnight(-20)));
    await page.getByRole('alert').filter({ hasText: 'no range' }).waitFor();
  });

  test('axe finds nothing serious, with a row opened or not', async () => {
    await open(`${HASH}&by=page&key=%2Flamps`);
    await head('Pages').getByRole('img').waitFor();
    expect(await axeFindings(page)).toEqual([]);
  });
});

describe('the shell', () => {
  test('is gone through by keyboard alone', async () => {
    await page.goto(`${server.url}/#/now`);
    await page.reload();
    await page.locator('.stream').waitFor();
    const focused = () => page.evaluate('document.activeElement.textContent.trim()');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('To the content');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.evaluate('document.activeElement.tagName'), PATIENCE).toBe('MAIN');
    await page.getByRole('link', { name: 'Now', exact: true }).focus();
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Overview');
    await page.keyboard.press('Enter');
    await page.getByLabel('Time').waitFor();
    await expect.poll(() => page.evaluate('document.activeElement.tagName'), PATIENCE).toBe('MAIN');
    expect(await page.title()).toBe('Overview · clickstream');
  });

  test.each(['#/now', '#/overview', '#/overview?by=page&key=%2Flamps&figure=sessionLength', '#/nowhere'])(
    '%s has no horizontal scroll at the width of a phone',
    async (hash) => {
      await page.goto(`${server.url}/${hash}`);
      if (hash.startsWith('#/overview')) await head('Pages').locator('.bars').waitFor();
      expect(await overflows(page)).toEqual([0, 0]);
    },
  );

  test('a page that is not there says so', async () => {
    await page.goto(`${server.url}/#/nowhere`);
    await page.getByText('Nothing is at this address').waitFor();
  });

  test('when the server is away it says since when, keeps what it had, and comes back by itself', async () => {
    await page.goto(`${server.url}/#/now`);
    await page.locator('.connection[data-state="live"]').waitFor();
    const stored = await figure('Events stored').locator('dd').innerText();
    await server.kill();
    await page.getByText(/^The server does not answer\. What is shown is of \d\d:\d\d:\d\d\.$/).waitFor();
    expect(await figure('Events stored').locator('dd').innerText()).toBe(stored);
    expect(await page.locator('.figures').getAttribute('data-stale')).toBe('');
    server = await start(Number(new URL(server.url).port));
    await page.locator('.connection[data-state="live"]').waitFor({ timeout: 30_000 });
    await send([track('Back again')]);
    await row('Back again').waitFor();
  }, 120_000);

  test('a tab that nobody sees asks nothing', async () => {
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    const hide = (isHidden: boolean) =>
      page.evaluate(`Object.defineProperty(document, 'hidden', { value: ${isHidden}, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));`);
    await hide(true);
    await page.waitForTimeout(1_500);
    asked.length = 0;
    await page.waitForTimeout(3_000);
    expect(asked).toEqual([]);
    await hide(false);
    await expect.poll(() => asked.length, PATIENCE).toBeGreaterThan(0);
  });

  test('nothing threw or broke the policy meanwhile, and no other host was asked', () => {
    expect(faults).toEqual([]);
    expect([...hosts]).toEqual([new URL(server.url).host]);
  });
});

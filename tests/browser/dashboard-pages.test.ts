import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { cutRecord, records } from '../end-to-end/cut-record.ts';
import { killServers, type ListedEvent, type RunningServer, startServer } from '../end-to-end/running-server.ts';
import { launchChromium } from './chromium.ts';
import { axeFindings, type Dashboard, openDashboard, overflows } from './dashboard.ts';

const PATIENCE = { timeout: 30_000, interval: 100 };
const TOKEN = 'a-token-to-read';
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const NOW = Date.now();
/** Of an event; all that a tracker says may be so. */
const TYPE = `It's <b onclick="x">$(date) paid`;

const folder = mkdtempSync(join(tmpdir(), 'clickstream-pages-'));
const data = join(folder, 'data');
const config = join(folder, 'clickstream.json');
const schemas = join(folder, 'schemas');
let browser: Browser;
let server: RunningServer;
let dashboard: Dashboard;
let page: Page;

const start = (port: number) => startServer({ data, port, options: ['--config', config] });

/** Holds prices of events of that type to be of this type. */
function writeSchema(type: string): void {
  mkdirSync(join(schemas, encodeURIComponent(TYPE)), { recursive: true });
  const schema = {
    properties: { properties: { properties: { price: { type }, coupon: {} }, required: ['price'] } },
  };
  writeFileSync(join(schemas, encodeURIComponent(TYPE), '1.json'), JSON.stringify(schema));
}

interface Sent {
  readonly [field: string]: unknown;
}

async function send(...batch: readonly Sent[]): Promise<void> {
  const made = batch.map((event) => ({ type: 'track', event: 'Looked', anonymousId: 'somebody', ...event }));
  const response = await fetch(`${server.url}/v1/batch`, { method: 'POST', body: JSON.stringify({ batch: made }) });
  expect(response.status).toBe(200);
}

async function ask<Answer>(path: string): Promise<Answer> {
  const headers = { authorization: `Bearer ${TOKEN}`, connection: 'close' };
  const response = await fetch(`${server.url}${path}`, { headers });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${path} answered ${response.status}: ${text}`);
  return JSON.parse(text) as Answer;
}

/** Every event of a list, page by page. */
async function everyEvent(path: string): Promise<readonly ListedEvent[]> {
  const events: ListedEvent[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const after: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const answer: { readonly events: readonly ListedEvent[]; readonly cursor: string | null } = await ask(
      `${path}${path.includes('?') ? '&' : '?'}limit=1000${after}`,
    );
    events.push(...answer.events);
    cursor = answer.cursor;
  }
  return events;
}

async function settled(): Promise<void> {
  await vi.waitFor(async () => {
    const { waiting } = await ask<{ readonly waiting: readonly string[] }>('/api/v1/audit');
    expect(waiting).toEqual([]);
  }, PATIENCE);
}

const at = (ms: number) => new Date(ms).toISOString();
/** Loaded anew: on a busy machine a page that is open waits long before it asks again. */
const open = async (hash: string) => {
  await page.goto(`${server.url}/${hash}`);
  await page.reload();
};
const card = (title: string): Locator =>
  page.locator('section.card').filter({ has: page.getByRole('heading', { level: 2, name: title, exact: true }) });
const figure = (name: string) => page.locator('.figure', { has: page.getByText(name, { exact: true }) }).locator('dd');

/** Ada: two sessions on a laptop, one of which has an event that came late, and a long one on a phone. */
async function sendAda(): Promise<void> {
  const [first, second, third] = [NOW - 3 * DAY_MS, NOW - 2 * DAY_MS, NOW - DAY_MS];
  const looked = (path: string, referrer = '') => ({ page: { path, url: `https://shop.test${path}`, referrer } });
  const laptop = { type: 'page', anonymousId: 'laptop' };
  await send(
    { ...laptop, timestamp: at(first), context: looked('/lamps', 'https://www.google.com/') },
    { ...laptop, timestamp: at(first + MINUTE_MS), context: looked('/lamps/desk') },
    {
      type: 'identify',
      anonymousId: 'laptop',
      userId: 'ada',
      traits: { plan: 'free' },
      timestamp: at(first + 2 * MINUTE_MS),
    },
    {
      ...laptop,
      userId: 'ada',
      timestamp: at(second),
      context: { ...looked('/sale'), campaign: { name: 'spring', source: 'news', medium: 'email' } },
    },
    { ...laptop, userId: 'ada', timestamp: at(second + 5 * MINUTE_MS), context: looked('/sale/two') },
  );
  await settled();
  await send({ ...laptop, userId: 'ada', timestamp: at(second + 2 * MINUTE_MS), context: looked('/sale/late') });
  const phone = Array.from({ length: 120 }, (_, place) => ({
    ...{ event: 'Scrolled', anonymousId: 'phone', userId: 'ada', timestamp: at(third + place * 1_000) },
    properties: { depth: place, ...(place % 2 === 0 && { section: 'footer' }) },
  }));
  await send(...phone);
}

beforeAll(async () => {
  writeSchema('number');
  writeFileSync(config, JSON.stringify({ readTokens: [hash('sha256', TOKEN)], schemas }));
  [browser, server] = await Promise.all([launchChromium(), start(0)]);
  dashboard = await openDashboard(browser, { url: server.url, token: TOKEN });
  page = dashboard.page;
}, 60_000);
afterAll(async () => {
  await browser.close();
  killServers();
  rmSync(folder, { recursive: true, force: true });
});

describe('with nothing in it each page says what it is for', () => {
  test.each([
    ['people', 'No events yet'],
    ['events', 'No events yet'],
    ['bad', 'None. What is no valid event'],
    ['health', 'Nothing to account for yet'],
  ])(
    '%s',
    async (hashed, words) => {
      await open(`#/${hashed}`);
      await page.getByText(words).first().waitFor();
      expect(await axeFindings(page)).toEqual([]);
    },
    60_000,
  );
});

describe('people', () => {
  beforeAll(async () => {
    await sendAda();
    await send({ anonymousId: 'stranger', event: 'Looked' });
    await settled();
  }, 60_000);

  test('those seen last are a click away', async () => {
    await open('#/people');
    await page.getByRole('link', { name: 'stranger' }).click();
    await expect.poll(() => page.url(), PATIENCE).toContain('#/people/stranger');
    await page.getByRole('heading', { name: /^Session 1/ }).waitFor();
  }, 60_000);

  test('are found by their id, with devices, and what is kept of them', async () => {
    await open('#/people');
    await page.getByLabel('A userId or an anonymousId').fill('ada');
    await page.keyboard.press('Enter');
    await expect.poll(() => figure('Devices').innerText(), PATIENCE).toBe('2');
    expect(await figure('Sessions').innerText()).toMatch(/^3\n/);
    const laptop = page.getByRole('region', { name: 'Devices' }).getByRole('row', { name: /laptop/ });
    expect(await laptop.innerText()).toContain('news / email, campaign spring');
    const firstSeen = await page.evaluate(
      `new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' }).format(${NOW - 3 * DAY_MS})`,
    );
    await expect.poll(() => figure('First seen').innerText(), PATIENCE).toBe(firstSeen);
    expect(await axeFindings(page)).toEqual([]);
    expect(await overflows(page)).toEqual([0, 0]);
  }, 60_000);

  test('show what they did by session, the newest first, and older ones by asking', async () => {
    const rows = page.locator('.session details.event');
    expect(await rows.count()).toBe(100);
    await page.getByText('It began before what is shown.').waitFor();
    await page.getByRole('button', { name: 'Older' }).click();
    await expect.poll(() => rows.count(), PATIENCE).toBe(126);
    expect(await page.getByRole('button', { name: 'Older' }).count()).toBe(0);
    const heads = await page.locator('.session-head').allInnerTexts();
    expect(heads.map((head) => head.replaceAll(/\s+/g, ' '))).toEqual([
      expect.stringMatching(/^Session 1 .* 1 min 59 s · 120 events · default · phone new$/),
      expect.stringMatching(
        /^Session 2 .* 5 min · 3 events .*mail, news \/ email, campaign spring, entered at \/sale$/,
      ),
      expect.stringMatching(
        /^Session 1 .* 2 min · 3 events · default · laptop new search, Google \/ organic, entered at \/lamps$/,
      ),
    ]);
    expect(
      await page.locator('.session details.event', { has: page.getByText('late', { exact: true }) }).innerText(),
    ).toContain('/sale/late');
  }, 60_000);

  test('an event opens by keyboard, with its JSON', async () => {
    const row = page.locator('.session details.event').first();
    await row.locator('summary').focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => row.locator('pre').innerText(), PATIENCE).toContain('"depth": 119');
  });

  test('what came since is shown once it is asked for', async () => {
    await send({ event: 'Came back', anonymousId: 'phone', userId: 'ada' });
    await page.getByRole('button', { name: 'Show what came since' }).click();
    await page.locator('.session details.event').first().getByText('Came back').waitFor();
  }, 60_000);

  test('an export holds all of it, one JSON object a line', async () => {
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export everything' }).click();
    const saved = await download;
    expect(saved.suggestedFilename()).toBe('clickstream-ada.ndjson');
    const lines = readFileSync(await saved.path(), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as ListedEvent & { readonly kind: string; readonly visitor: string });
    const known = await everyEvent('/api/v1/users/ada/events');
    expect(lines.filter(({ kind }) => kind === 'event').map(({ eventId }) => eventId)).toEqual(
      known.map(({ eventId }) => eventId),
    );
    expect(
      lines
        .filter(({ kind }) => kind === 'visitor')
        .map(({ visitor }) => visitor)
        .sort(),
    ).toEqual(['laptop', 'phone']);
    await page.getByText(`${lines.length} lines saved.`).waitFor();
  }, 60_000);

  test('who was never seen is told, with what to try', async () => {
    await open('#/people/Ada');
    await page.getByRole('heading', { name: 'Nobody by this id' }).waitFor();
    expect(await card('Nobody by this id').innerText()).toContain('letter by letter');
    expect(await axeFindings(page)).toEqual([]);
    await open('#/people/..');
    await page.getByRole('heading', { name: 'This id cannot be asked for here' }).waitFor();
  }, 60_000);

  test('and is shown once something came of them', async () => {
    await open('#/people/newcomer');
    await page.getByRole('heading', { name: 'Nobody by this id' }).waitFor();
    await send({ anonymousId: 'newcomer' });
    await page.getByRole('button', { name: 'Show what came since' }).click();
    await expect.poll(() => figure('Devices').innerText(), PATIENCE).toBe('1');
  }, 60_000);

  test('while an erasure is asked for, it is not left as if it was not', async () => {
    const asked = Promise.withResolvers<void>();
    await page.route('**/api/v1/users/newcomer', async (route) => {
      await asked.promise;
      await route.fulfill({ status: 503, json: { detail: 'not now' } });
    });
    await page.getByRole('button', { name: 'Erase…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('To go on, type the id').fill('newcomer');
    await page.keyboard.press('Enter');
    const keep = dialog.getByRole('button', { name: 'Keep' });
    await expect.poll(() => keep.isDisabled(), PATIENCE).toBe(true);
    for (let times = 0; times < 3; times += 1) await page.keyboard.press('Escape');
    await expect.poll(() => dialog.count(), PATIENCE).toBe(1);
    asked.resolve();
    await dialog.getByText('not now').waitFor();
    await keep.click();
    await expect.poll(() => dialog.count(), PATIENCE).toBe(0);
    await page.unroute('**/api/v1/users/newcomer');
  }, 60_000);

  test('of more devices than one erasure takes, it is said that some are left', async () => {
    await open('#/people/newcomer?erasure=none&more=1');
    await card('Erasure').getByText('There are more devices than one erasure takes').waitFor();
    await card('Erasure').getByRole('button', { name: 'Erase…' }).waitFor();
  }, 60_000);

  test('are erased once their id is typed, and the certificate is followed until it is done', async () => {
    await open('#/people/ada');
    await page.getByRole('button', { name: 'Erase…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('2 linked devices').waitFor();
    expect(await axeFindings(page)).toEqual([]);
    const erase = dialog.getByRole('button', { name: 'Erase for good' });
    expect(await erase.isDisabled()).toBe(true);
    await dialog.getByLabel('To go on, type the id').fill('Ada');
    expect(await erase.isDisabled()).toBe(true);
    await page.keyboard.press('Escape');
    await expect.poll(() => dialog.count(), PATIENCE).toBe(0);
    await expect.poll(() => page.evaluate('document.activeElement.innerText'), PATIENCE).toBe('Erase…');
    expect(await everyEvent('/api/v1/users/ada/events')).toHaveLength(127);

    await page.getByRole('button', { name: 'Erase…' }).click();
    await dialog.getByLabel('To go on, type the id').fill('ada');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.url(), PATIENCE).toContain('erasure=');
    await expect.poll(() => card('Erasure').locator('.verdict').innerText(), PATIENCE).toBe('Done');
    const removed = card('Erasure').getByRole('row', { name: /^events stored events removed 127$/ });
    await removed.waitFor();
    await page.getByRole('heading', { name: 'Nothing is left' }).waitFor();
    expect(await everyEvent('/api/v1/users/ada/events')).toEqual([]);
    expect(await axeFindings(page)).toEqual([]);
    expect(await overflows(page)).toEqual([0, 0]);
    await page.reload();
    await expect.poll(() => card('Erasure').locator('.verdict').innerText(), PATIENCE).toBe('Done');
  }, 120_000);
});

describe('events', () => {
  beforeAll(async () => {
    const bought = (day: number, place: number) => ({
      ...{ event: 'Bought', anonymousId: `buyer-${place % 7}`, timestamp: at(NOW - day * DAY_MS - place * 1_000) },
      properties: { price: place % 3 === 0 ? null : place + 0.5, tags: [], 'free text': 'x'.repeat(place % 5) },
    });
    await send(...Array.from({ length: 60 }, (_, place) => bought(place % 3, place)));
    await send(
      ...Array.from({ length: 15 }, (_, place) => ({
        type: 'page',
        anonymousId: 'p',
        timestamp: at(NOW - place * DAY_MS),
      })),
    );
    await settled();
  }, 60_000);

  test('types by volume are what a recount of the raw events says', async () => {
    await open('#/events?range=7d&bots=include');
    const from = new Date(NOW).setHours(0, 0, 0, 0) - 6 * DAY_MS;
    const known = (await everyEvent(`/api/v1/events?order=asc&from=${from}`)).filter(
      ({ timestamp }) => Date.parse(timestamp) >= from,
    );
    // What was erased stays counted: its rows say nothing of a person.
    const counts = new Map([
      ['Scrolled', 120],
      ['identify', 1],
      ['page', 5],
      ['Came back', 1],
    ]);
    for (const { eventType } of known) counts.set(eventType, (counts.get(eventType) ?? 0) + 1);
    const cells = page.locator('.bars tbody td');
    const told = async () => {
      const texts = await cells.allInnerTexts();
      const types = texts.filter((_, place) => place % 2 === 0).map((type) => type.trim());
      return new Map(types.map((type, place) => [type, Number.parseInt(texts[2 * place + 1] ?? '', 10)]));
    };
    await expect.poll(told, PATIENCE).toEqual(counts);
    const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
    await page.getByText(`${all} events of ${counts.size} types`).waitFor();
    expect(await axeFindings(page)).toEqual([]);
    expect(await overflows(page)).toEqual([0, 0]);
  }, 60_000);

  test('a type has its volume over time, and its properties with their types', async () => {
    await page.getByRole('link', { name: 'Bought' }).focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => page.evaluate('document.activeElement.tagName'), PATIENCE).toBe('MAIN');
    await expect.poll(() => figure('Events').innerText(), PATIENCE).toBe('60');
    expect(await figure('Visitors').innerText()).toBe('7');
    await page.getByRole('img', { name: 'Events of type Bought by the day' }).locator('canvas').waitFor();
    const known = await everyEvent('/api/v1/events?type=Bought');
    const nulls = known.filter(({ properties }) => properties.price === null).length;
    const price = page.getByRole('region', { name: 'Properties' }).getByRole('row', { name: /^price/ });
    await expect.poll(() => price.innerText(), PATIENCE).toMatch(/^price\s+60\s+100\s?%/);
    expect(await price.innerText()).toContain(`null ${((100 * nulls) / 60).toFixed(1).replace(/\.0$/, '')}`);
    await card('Properties seen').getByText('No schema holds for this type').waitFor();
    expect(await axeFindings(page)).toEqual([]);
    expect(await overflows(page)).toEqual([0, 0]);
  }, 60_000);

  test('its newest examples come first, and older ones by asking', async () => {
    const rows = card('Newest').locator('details.event');
    expect(await rows.count()).toBe(20);
    await page.getByRole('button', { name: 'Older' }).click();
    await expect.poll(() => rows.count(), PATIENCE).toBe(40);
    await page.getByRole('button', { name: 'Older' }).click();
    await expect.poll(() => rows.count(), PATIENCE).toBe(60);
    const times = await rows
      .locator('time')
      .evaluateAll((all) => all.map((time) => Date.parse(time.getAttribute('datetime') ?? '')));
    expect(times).toEqual(times.toSorted((a, b) => b - a));
  }, 60_000);

  test('of another range nothing old is shown, and what fails at first comes by itself', async () => {
    const html = { status: 503, contentType: 'text/html', body: '<h1>Service Unavailable</h1>' };
    const list = /\/api\/v1\/events\?.*limit=20/;
    await page.route(list, (route) => route.fulfill(html));
    await page.getByLabel('Time').selectOption('30d');
    await card('Newest').getByText('What answered was not the program (HTTP 503).').waitFor();
    expect(await card('Newest').locator('details.event').count()).toBe(0);
    expect(await page.getByRole('button', { name: 'Older' }).count()).toBe(0);
    await page.unroute(list);
    await expect.poll(() => card('Newest').locator('details.event').count(), PATIENCE).toBe(20);
  }, 60_000);

  test('an example can be copied as JSON and as a line that sends it', async () => {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.url });
    const row = card('Newest').locator('details.event').first();
    await row.locator('summary').click();
    await row.getByRole('button', { name: 'Copy as JSON' }).click();
    const copied = JSON.parse(await page.evaluate('navigator.clipboard.readText()')) as ListedEvent;
    expect(copied.eventType).toBe('Bought');
    await row.getByRole('button', { name: 'Copy as curl' }).click();
    const line = await page.evaluate<string>('navigator.clipboard.readText()');
    expect(line).toMatch(/^curl .*\/v1\/batch /);
    await promisify(execFile)('sh', ['-c', line]);
    await settled();
    expect(await everyEvent('/api/v1/events?type=Bought')).toHaveLength(60);
  }, 60_000);

  test('a range with nothing in it says so, and leads to a wider one', async () => {
    await open('#/events?range=yesterday&type=Nothing');
    await page.getByText('No event of this type in this range.').first().waitFor();
    await page.getByRole('link', { name: 'Look at the last 12 months' }).click();
    await expect.poll(() => page.url(), PATIENCE).toContain('range=12mo');
  }, 60_000);
});

describe('bad events', () => {
  const paid = (price: unknown, place: number) => ({
    ...{ event: TYPE, anonymousId: 'payer', messageId: `paid-${place}`, properties: { price } },
  });
  beforeAll(async () => {
    await send(...['two', 'three', 'four', 'five'].map(paid), { type: 'nonsense', anonymousId: 'n', name: 'a\u202eb' });
    await settled();
  }, 60_000);
  const state = (row: Locator) => row.locator('.state').innerText();

  test('are listed by reason, as text alone', async () => {
    await open('#/bad');
    const kind = page.locator('.kinds li').filter({ has: page.getByText(TYPE, { exact: true }) });
    await kind.waitFor();
    expect(await kind.locator('.kind').innerText()).toMatch(/schema_invalid.*4, all waiting/s);
    await page.getByRole('link', { name: /^Bad events ?, 5 wait$/ }).waitFor();
    expect(await page.locator('main b, main [onclick]').count()).toBe(0);
    expect(await axeFindings(page)).toEqual([]);
    expect(await overflows(page)).toEqual([0, 0]);
  }, 60_000);

  test('what steers reading is shown as what it is', async () => {
    await page.getByRole('link', { name: /^type_invalid/ }).click();
    const row = page.locator('details.bad').first();
    await row.locator('summary').click();
    await expect.poll(() => row.locator('pre').first().innerText(), PATIENCE).toContain('"name": "a\\u202eb"');
    expect(await page.locator('main').innerText()).not.toContain('\u202e');
  }, 60_000);

  test('one that is still none is refused, with what is wrong and its cure; text that is no JSON is not even sent', async () => {
    const row = page.locator('details.bad').first();
    await row.getByRole('button', { name: 'Put back as it came' }).click();
    await row.getByText(/^Not put back\. .*"type" must be one of.*Correct what the detail names/).waitFor();
    await row.getByRole('button', { name: 'Edit…' }).click();
    const field = row.getByLabel('What comes in its place, as JSON');
    expect(JSON.parse(await field.inputValue())).toMatchObject({ type: 'nonsense', name: 'a\u202eb' });
    await field.fill('{"type":"page",');
    await row.getByRole('button', { name: 'Put back edited' }).click();
    await row.getByText(/^This is no JSON:/).waitFor();
    expect(await axeFindings(page)).toEqual([]);
    expect(await state(row)).toBe('waits');
  }, 60_000);

  test('one is mended and put back, once', async () => {
    const row = page.locator('details.bad').first();
    const other = await page.context().newPage();
    await other.addInitScript(`sessionStorage.setItem('clickstream read token', ${JSON.stringify(TOKEN)})`);
    await other.goto(page.url());
    const stale = other.locator('details.bad').first();
    await stale.locator('summary').click();

    await row.getByLabel('What comes in its place, as JSON').fill('{"type":"page","anonymousId":"n","name":"mended"}');
    await row.getByRole('button', { name: 'Put back edited' }).click();
    await row.getByText(/^Put back edited, to local\/\d+\./).waitFor();
    await expect.poll(() => state(row), PATIENCE).toBe('put back');
    const id = await row.locator('.bad-body dd a').innerText();
    await expect
      .poll(async () => (await everyEvent('/api/v1/users/n/events')).map(({ properties }) => properties.name), PATIENCE)
      .toEqual(['mended']);

    await stale.getByRole('button', { name: 'Put back as it came' }).click();
    await stale.getByText(/^It was put back already, edited, .*nothing was added\.$/).waitFor();
    await other.close();
    await open(`#/bad/${id}`);
    await page.getByText(/^Put back on .*edited/).waitFor();
    await settled();
    expect(await everyEvent('/api/v1/users/n/events')).toHaveLength(1);
  }, 90_000);

  test('one that does not fit when it comes again names where it is set aside anew', async () => {
    await open(`#/bad?code=schema_invalid&type=${encodeURIComponent(TYPE)}`);
    const row = page.locator('details.bad').first();
    await row.locator('summary').click();
    await row.getByRole('button', { name: 'Put back as it came' }).click();
    await row.getByText('It was set aside again').waitFor();
    await row.getByRole('status').getByRole('link').click();
    await page.getByText('Put back once, and set aside again: it came from').waitFor();
  }, 60_000);

  test('all of a kind go back once the schema is mended: first it says how many', async () => {
    writeSchema('string');
    // The server looks at its schemas once a second.
    await page.waitForTimeout(1_500);
    await open('#/bad');
    await page.locator('.kinds a').filter({ hasText: TYPE }).click();
    await page.getByText('The same from a terminal').first().click();
    expect(await page.locator('.command pre').first().innerText()).toMatch(
      /^clickstream bad replay --all --code schema_invalid --type 'It/,
    );
    const before = (await everyEvent(`/api/v1/events?type=${encodeURIComponent(TYPE)}`)).length;
    await page.getByRole('button', { name: 'Put back all…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('4 events would be put back.').waitFor();
    expect(await axeFindings(page)).toEqual([]);
    expect(await everyEvent(`/api/v1/events?type=${encodeURIComponent(TYPE)}`)).toHaveLength(before);
    await dialog.getByRole('button', { name: 'Put back 4' }).click();
    await dialog.getByText('4 events put back.').waitFor();
    await dialog.getByRole('button', { name: 'Close' }).click();
    await expect
      .poll(() => page.locator('details.bad .state').allInnerTexts(), PATIENCE)
      .toEqual(Array(5).fill('put back'));
    await page.getByLabel('only those that wait').focus();
    await page.keyboard.press('Space');
    await expect.poll(() => page.url(), PATIENCE).toContain('waiting=1');
    expect(await page.evaluate('document.activeElement.type')).toBe('checkbox');
    await page.getByText('None waits: all were put back.').waitFor();
    await expect
      .poll(async () => (await everyEvent(`/api/v1/events?type=${encodeURIComponent(TYPE)}`)).length, PATIENCE)
      .toBe(4);
    await page.getByRole('button', { name: 'Put back all…' }).click();
    await dialog.getByText(/^None waits/).waitFor();
    await page.keyboard.press('Escape');
  }, 90_000);

  test('without a type it is said that they are of all', async () => {
    await open('#/bad?code=schema_invalid');
    await card('Set aside for one reason').getByText('of all types, and those without one').waitFor();
    await page.getByRole('button', { name: 'Put back all…' }).click();
    await page.getByRole('dialog').getByText('They are of all types, and those without one.').waitFor();
    await page.keyboard.press('Escape');
  }, 60_000);

  test('one that cannot be shown does not keep the next from being shown', async () => {
    await page.route('**/api/v1/bad/odd', (route) => route.fulfill({ json: {} }));
    await open('#/bad/odd');
    await page.getByRole('heading', { name: 'This page failed' }).waitFor();
    await page.evaluate(`location.hash = '#/bad/none'`);
    await page.getByRole('heading', { name: 'One event set aside' }).waitFor();
    await page.unroute('**/api/v1/bad/odd');
  }, 60_000);

  test('and the line that it shows does the same, whatever is in its type', async () => {
    writeSchema('number');
    await page.waitForTimeout(1_500);
    await send(paid('six', 6));
    await settled();
    writeSchema('string');
    await page.waitForTimeout(1_500);
    await open(`#/bad?code=schema_invalid&source=default&type=${encodeURIComponent(TYPE)}`);
    await page.getByText('The same from a terminal').first().click();
    const line = await page.locator('.command pre').first().innerText();
    const shell = `clickstream() { "${process.execPath}" src/main/cli.ts "$@"; }\n${line}`;
    const run = await promisify(execFile)('sh', ['-c', shell], { env: { ...process.env, TOKEN } });
    expect(run.stdout).toBe('1 events put back.\n');
  }, 90_000);
});

describe('health', () => {
  test('balanced, in numbers, words and a picture, with lanes and errors', async () => {
    const refused = await fetch(`${server.url}/v1/batch`, { method: 'POST', body: 'no JSON' });
    expect(refused.status).toBe(400);
    await settled();
    await open('#/health');
    await expect.poll(() => card('Standing').locator('.verdict').innerText(), PATIENCE).toBe('Ready');
    const audit = await ask<Record<string, number> & { readonly lanes: readonly Record<string, number>[] }>(
      '/api/v1/audit',
    );
    const sums = page.getByRole('table', { name: 'Ledger' });
    for (const name of ['accepted', 'stored', 'duplicate', 'bad', 'dead', 'forgotten', 'pending']) {
      const row = sums.getByRole('row', { name: new RegExp(`^${name} `) });
      if (name === 'forgotten' && audit[name] === 0) expect(await row.count()).toBe(0);
      else await expect.poll(() => row.locator('.number').innerText(), PATIENCE).toBe(String(audit[name]));
    }
    expect(await card('Ledger').locator('.verdict').innerText()).toBe('Balanced');
    await page
      .getByRole('img', { name: new RegExp(`^${audit.accepted} events came in; stored ${audit.stored}, `) })
      .waitFor();
    const lane = page.getByRole('region', { name: 'Lanes' }).getByRole('row', { name: /^local / });
    expect((await lane.locator('.number').allInnerTexts()).slice(0, 2)).toEqual([
      String(audit.accepted),
      String(audit.stored),
    ]);
    const code = page.getByRole('table', { name: 'By error' }).getByRole('row', { name: /^body_not_json .* 1$/ });
    await expect.poll(() => code.innerText(), PATIENCE).toContain('Send a JSON object');
    await page
      .getByRole('table', { name: 'By status' })
      .getByRole('row', { name: /^200 taken \d+$/ })
      .waitFor();
    expect(await figure('Log').innerText()).toMatch(/^[\d.]+ MB\n\d+ segments?$/);
    expect(await axeFindings(page)).toEqual([]);
    expect(await overflows(page)).toEqual([0, 0]);
  }, 90_000);

  test('what waits is pending, and said to be so', async () => {
    // While somebody else holds the store, the collector goes on and the processor waits.
    const holder = new DatabaseSync(join(data, 'store.sqlite'), { timeout: 5_000 });
    holder.exec('BEGIN IMMEDIATE');
    for (let sent = 0; sent < 5; sent += 1) await send({ properties: { sent } });
    const pending = page
      .getByRole('table', { name: 'Ledger' })
      .getByRole('row', { name: /^pending / })
      .locator('.number');
    await expect.poll(() => pending.innerText(), PATIENCE).toBe('5');
    expect(await card('Ledger').innerText()).toContain('Records wait to be processed in local');
    await expect.poll(() => figure('Waits').innerText(), PATIENCE).toMatch(/^[\d.]+ k?B\n/);
    await server.kill();
    holder.close();
    await page.getByText('The server does not answer.').first().waitFor();
  }, 90_000);

  test('a record taken out of the log: not balanced, with its lane, position and number', async () => {
    const { sequence, header } = cutRecord(data, records(data).length - 3);
    server = await start(Number(new URL(server.url).port));
    await open('#/health');
    await expect
      .poll(() => card('Ledger').locator('.verdict').innerText(), PATIENCE)
      .toMatch(/^Not balanced: \d problems?$/);
    const gaps = await page.getByRole('list', { name: 'Problems and notes' }).innerText();
    expect(gaps).toMatch(/records_lost/);
    expect(gaps).toContain(`collector ${header.collector} · number ${header.number}`);
    expect(gaps).toMatch(new RegExp(`lane local · position ${sequence}\\b`));
    expect(await card('Ledger').innerText()).toContain('1 record lost: acknowledged, and nowhere.');
    expect(await page.locator('.sums-picture .part-missing').count()).toBe(1);
    expect(await axeFindings(page)).toEqual([]);
    expect(await overflows(page)).toEqual([0, 0]);
  }, 90_000);

  test('nothing broke the policy, threw, or asked another host meanwhile', () => {
    expect(dashboard.faults).toEqual([]);
  });
});

import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cutRecord, records } from '../end-to-end/cut-record.ts';
import { killServers, type RunningServer, startServer } from '../end-to-end/running-server.ts';
import { launchChromium } from './chromium.ts';

const PATIENCE = { timeout: 30_000, interval: 100 };
const TOKEN = 'a-token-to-read';
/** Of an event; all that a tracker says may be so. */
const TYPE = `It's <b onclick="x">$(date) paid`;
const OUTCOMES = ['stored', 'duplicate', 'bad', 'dead', 'pending'];

const folder = mkdtempSync(join(tmpdir(), 'clickstream-page-'));
const data = join(folder, 'data');
const config = join(folder, 'clickstream.json');
const schemas = join(folder, 'schemas');
let browser: Browser;
let server: RunningServer;
let page: Page;
const faults: string[] = [];

const start = (port: number) => startServer({ data, port, options: ['--config', config] });

/** Holds prices of events of that type to be of this type. */
function writeSchema(type: string): void {
  mkdirSync(join(schemas, encodeURIComponent(TYPE)), { recursive: true });
  const schema = { properties: { properties: { properties: { price: { type } } } } };
  writeFileSync(join(schemas, encodeURIComponent(TYPE), '1.json'), JSON.stringify(schema));
}

async function send(...batch: readonly object[]): Promise<void> {
  const made = batch.map((event) => ({ type: 'track', event: 'Looked', anonymousId: 'ada', ...event }));
  const response = await fetch(`${server.url}/v1/batch`, { method: 'POST', body: JSON.stringify({ batch: made }) });
  expect(response.status).toBe(200);
}

const text = (selector: string) => page.locator(selector).innerText();
const numbers = async () => {
  const told = await Promise.all(['accepted', ...OUTCOMES, 'sum'].map((name) => text(`#sum-${name}`)));
  return told.join(' ');
};

beforeAll(async () => {
  writeSchema('number');
  writeFileSync(config, JSON.stringify({ readTokens: [hash('sha256', TOKEN)], schemas }));
  [browser, server] = await Promise.all([launchChromium(), start(0)]);
  page = await browser.newPage();
  page.on('pageerror', (fault) => faults.push(fault.message));
  page.on('console', (message) => {
    if (/Content Security Policy/.test(message.text())) faults.push(message.text());
  });
  await page.goto(`${server.url}/`);
  await page.fill('#token', TOKEN);
  await page.click('#ask button');
}, 60_000);
afterAll(async () => {
  await browser.close();
  killServers();
  rmSync(folder, { recursive: true, force: true });
});

describe('the ledger on the page, one after the other', () => {
  test('with nothing accepted it says what will be there', async () => {
    await expect.poll(() => text('#verdict'), PATIENCE).toBe('Nothing to account for yet');
    expect(await text('#ledger-words')).toContain('counted twice');
    expect(await text('#no-reasons')).toContain('None.');
    expect(
      await page
        .locator('#sums, #sums-picture, #reasons')
        .evaluateAll((all) => all.map((one) => one.checkVisibility())),
    ).toEqual([false, false, false]);
  });

  test('balanced, in numbers, words and a picture', async () => {
    const looked = { messageId: 'one', timestamp: '2026-11-25T10:00:00Z' };
    await send(looked, looked, {}, { event: TYPE, properties: { price: 'two' } }, { type: 'nonsense' });
    await expect.poll(numbers, PATIENCE).toBe('5 2 1 2 0 0 5');
    expect(await text('#verdict')).toBe('Balanced');
    await page
      .getByRole('table', { name: 'Ledger' })
      .getByRole('row', { name: 'stored 2 each of them once' })
      .waitFor();
    const named = page.getByRole('img', { name: '5 events came in; stored 2, duplicate 1, bad 2, dead 0, pending 0' });
    await named.waitFor();
    expect(
      await page.locator('#sums-picture rect').evaluateAll((all) => all.map((one) => one.getAttribute('class'))),
    ).toEqual(['accepted', 'stored', 'duplicate', 'bad-part']);
  }, 60_000);

  test('what was set aside is listed by kind, as text alone, with its bytes', async () => {
    const kind = page.locator('#kinds li').filter({ has: page.getByText(TYPE, { exact: true }) });
    await kind.waitFor();
    expect(await kind.locator('strong').innerText()).toBe('schema_invalid');
    expect(await page.locator('#kinds b, #kinds [onclick]').count()).toBe(0);
    await kind.getByRole('link').focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('#bytes').textContent(), PATIENCE).toContain('"price":"two"');
    expect(await page.evaluate('document.activeElement.id')).toBe('bytes');
  });

  test('and the line that it shows puts it back, whatever is in its type', async () => {
    writeSchema('string');
    // The server looks at its schemas once a second.
    await page.waitForTimeout(1_500);
    const kind = page.locator('#kinds li').filter({ has: page.getByText(TYPE, { exact: true }) });
    await kind.getByText('put back', { exact: true }).click();
    const line = await kind.locator('pre').innerText();
    expect(line).toMatch(/^clickstream bad replay --all --code schema_invalid --type 'It/);
    const shell = `clickstream() { "${process.execPath}" src/main/cli.ts "$@"; }\n${line}`;
    const run = await promisify(execFile)('sh', ['-c', shell], { env: { ...process.env, TOKEN } });
    expect(run.stdout).toBe('1 events put back.\n');
    await expect.poll(() => kind.innerText(), PATIENCE).toContain('1, none waiting');
    await expect.poll(numbers, PATIENCE).toMatch(/^\d 3 1 2 0 0 /);
  }, 90_000);

  test('what waits is pending, and said to be so', async () => {
    // While somebody else holds the store, the collector goes on and the processor waits.
    const holder = new DatabaseSync(join(data, 'store.sqlite'), { timeout: 5_000 });
    holder.exec('BEGIN IMMEDIATE');
    for (let sent = 0; sent < 5; sent += 1) await send({ properties: { sent } });
    await expect.poll(() => text('#sum-pending'), PATIENCE).toBe('5');
    expect(await text('#verdict')).toBe('Balanced');
    expect(await text('#ledger-rest')).toContain('Records wait to be processed in local');
    await server.kill();
    holder.close();
    await expect.poll(() => text('#status'), PATIENCE).toContain('the server does not answer');
  }, 90_000);

  test('a record taken out of the log: not balanced, with its lane, position and number', async () => {
    const { sequence, header } = cutRecord(data, records(data).length - 3);
    server = await start(Number(new URL(server.url).port));
    await expect.poll(() => text('#verdict'), PATIENCE).toMatch(/^Not balanced: \d problems?$/);
    const gaps = await text('#gaps');
    expect(gaps).toMatch(/records_lost/);
    expect(gaps).toContain(`collector ${header.collector} · number ${header.number}`);
    expect(gaps).toMatch(new RegExp(`lane local · position ${sequence}\\b`));
    expect(await text('#ledger-rest')).toContain('1 record lost: acknowledged, and nowhere.');
    expect(await page.locator('#sums-picture .missing').count()).toBe(1);
    await page.setViewportSize({ width: 390, height: 800 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
  }, 90_000);

  test('and nothing broke the policy or threw meanwhile', () => {
    expect(faults).toEqual([]);
  });
});

describe('how the page asks for the ledger', () => {
  let asking: Page;
  let audits: number;
  let lives: number;
  let answer: 'well' | 'failing' | 'never';
  beforeAll(async () => {
    asking = await browser.newPage();
    await asking.clock.install();
    await asking.addInitScript(`
      window.asked = [];
      const real = window.fetch;
      window.fetch = (path, ...more) => {
        if (path === '/api/v1/audit') asked.push(performance.now());
        return real(path, ...more);
      };
    `);
    await asking.route('**/api/v1/**', async (route) => {
      const isAudit = route.request().url().endsWith('/audit');
      if (isAudit) audits += 1;
      else lives += 1;
      if (isAudit && answer === 'never') return;
      const json = { code: 'query_unavailable', detail: 'the query took longer than 30000 ms' };
      if (isAudit && answer === 'failing') await route.fulfill({ status: 503, json });
      else await route.continue({ headers: { ...route.request().headers(), authorization: `Bearer ${TOKEN}` } });
    });
  }, 30_000);

  /** Opens it anew; each second of it has its answers before the next one begins. */
  async function seconds(number: number): Promise<void> {
    for (let second = 0; second < number; second += 1) {
      await asking.clock.runFor(1_000);
      await asking.waitForTimeout(30);
    }
  }
  async function open(how: typeof answer): Promise<void> {
    [answer, audits, lives] = [how, 0, 0];
    await asking.goto(`${server.url}/`);
    await expect.poll(() => [audits, lives], PATIENCE).toEqual([1, expect.any(Number)]);
  }

  test('every ten seconds at the most, and not at all in a tab that nobody sees', async () => {
    await open('well');
    // An answer that is slow by this clock, as on a busy machine, is asked for less often.
    for (let tries = 0; tries < 150 && audits < 4; tries += 1) await seconds(1);
    expect(lives).toBeGreaterThan(audits);
    const times: number[] = await asking.evaluate('asked');
    expect(times.length).toBeGreaterThan(2);
    for (const [place, time] of times.slice(1).entries())
      expect(time - (times[place] ?? 0)).toBeGreaterThanOrEqual(10_000);
    await asking.evaluate(`Object.defineProperty(document, 'hidden', { value: true, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));`);
    await asking.waitForTimeout(2_000);
    const before = [audits, lives];
    await seconds(30);
    expect([audits, lives]).toEqual(before);
  }, 60_000);
  test('one question at a time', async () => {
    await open('never');
    await seconds(30);
    expect(audits).toBe(1);
    expect(await asking.locator('#status').innerText()).toBe('Live');
  }, 60_000);
  test('one that fails is told in words, and asked again', async () => {
    await open('failing');
    await expect
      .poll(() => asking.locator('#ledger-trouble').innerText(), PATIENCE)
      .toContain('the query took longer than 30000 ms');
    expect(await asking.locator('#verdict').innerText()).toBe('Not read yet');
    answer = 'well';
    await seconds(15);
    await expect.poll(() => asking.locator('#verdict').innerText(), PATIENCE).toContain('Not balanced');
    expect(await asking.locator('#ledger-trouble').isVisible()).toBe(false);
  }, 60_000);
});

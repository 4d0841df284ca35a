/** The dashboard at `/` in a real browser, as a person opens it. */
import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import type { CommandHome } from './shell.ts';

const PATIENCE = { timeout: 20_000 };

/** Throws unless the token is asked for, and events are then seen to appear. Returns what was seen. */
export async function livePage(browser: Browser, home: CommandHome): Promise<string> {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const faults: string[] = [];
    const hosts = new Set<string>();
    page.on('pageerror', (fault) => faults.push(fault.message));
    page.on('request', (request) => hosts.add(new URL(request.url()).host));
    await page.goto(`${home.url}/`);
    await enter(page, 'wrong');
    await page.getByRole('alert').waitFor({ state: 'visible', ...PATIENCE });
    assert.equal(await page.getByRole('status').first().textContent(), 'A read token is needed');
    await enter(page, home.readToken);
    await isLive(page);
    const first = await appears(page, home, 1);
    const second = await appears(page, home, 2);
    assert.match(await figure(page, 'Events stored'), /^[1-9]/);
    await page
      .locator('.figure', { hasText: 'Ledger' })
      .locator('dd', { hasText: /alanced/ })
      .waitFor(PATIENCE);
    assert.match(await figure(page, 'Ledger'), /^(?:Balanced[1-9]|Not balanced)/);
    // The tab keeps the token until it is closed.
    await page.reload();
    await isLive(page);
    assert.equal(await page.locator('#token').count(), 0);
    assert.deepEqual([faults, [...hosts]], [[], [new URL(home.url).host]]);
    return `a wrong token refused, the right one taken; events seen ${first} and ${second} s after they were sent; the ledger read; live again after a reload`;
  } finally {
    await context.close();
  }
}

async function isLive(page: Page): Promise<void> {
  await page.locator('.connection[data-state="live"]').waitFor(PATIENCE);
}

async function figure(page: Page, name: string): Promise<string> {
  return (await page.locator('.figure', { hasText: name }).locator('dd').textContent()) ?? '';
}

async function enter(page: Page, token: string): Promise<void> {
  await page.getByLabel('Read token').fill(token, PATIENCE);
  await page.getByRole('button', { name: 'Open' }).click();
}

/** Sends an event whose type no script or style may come of, and waits until it is shown. Returns the seconds. */
async function appears(page: Page, { url, writeKey }: CommandHome, number: number): Promise<number> {
  const event = `<b onclick="x">Shown ${number} ${Date.now().toString(36)}</b>`;
  const started = performance.now();
  const response = await fetch(`${url}/v1/track`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${writeKey}` },
    body: JSON.stringify({ event, anonymousId: 'ada', properties: { path: '/shown' } }),
  });
  assert.equal(response.status, 200);
  const row = page.locator('.stream .event').filter({ has: page.getByText(event, { exact: true }) });
  await row.waitFor({ state: 'visible', ...PATIENCE });
  assert.equal(await row.locator('.where').textContent(), '/shown');
  return Math.round((performance.now() - started) / 100) / 10;
}

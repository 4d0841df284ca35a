/**
 * Pictures of the dashboard with realistic data: two weeks of visits to a shop, and some that come meanwhile.
 *
 *   node tests/browser/pictures.ts FOLDER [ADDRESS...]
 *
 * Each address (`#/now`) in light, dark, and at the width of a phone.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Visits } from '../../src/main/load/visits.ts';
import { buildWeb } from '../../web/build.ts';
import { killServers, startServer } from '../end-to-end/running-server.ts';
import { launchChromium } from './chromium.ts';

const [folder = 'pictures', ...chosen] = process.argv.slice(2);
const ADDRESSES =
  chosen.length > 0
    ? chosen
    : ['#/now', '#/overview', '#/overview?by=page&key=%2Fsearch', '#/people', '#/events', '#/bad', '#/health'];
const SHOTS = {
  light: { colorScheme: 'light', width: 1_280, height: 860 },
  dark: { colorScheme: 'dark', width: 1_280, height: 860 },
  phone: { colorScheme: 'light', width: 390, height: 844 },
} as const;

const DAYS = 14;
const HOUR_MS = 3_600_000;
/** Events of each hour of a day, from midnight on. */
const HOURS = [12, 8, 5, 4, 4, 6, 14, 30, 48, 62, 70, 74, 80, 76, 70, 68, 66, 70, 82, 96, 104, 88, 56, 26];
/** So that a day has some 9,000 events, and the last hour is like the hours before it. */
const SHARE_OF_HOUR = 8;
const LIVE_EVERY_MS = 3_000;

const visits = new Visits({ seed: 7, people: 4_000, run: 'pictures' });

/** The next event as it would be sent at that time. */
function callAt(nowMs: number): object {
  const { path, openBody } = visits.next(nowMs);
  return { type: path, ...(JSON.parse(`${openBody}}`) as object) };
}

async function send(url: string, batch: readonly object[]): Promise<void> {
  const body = JSON.stringify({ batch, sentAt: new Date().toISOString() });
  // On a busy machine the gate closes now and then.
  for (let tries = 0; tries < 60; tries += 1) {
    const { status } = await fetch(`${url}/v1/batch`, { method: 'POST', body });
    if (status === 200) return;
    await sleep(1_000);
  }
  throw new Error('a batch was not taken for a minute');
}

async function playHistory(url: string): Promise<void> {
  const start = Date.now() - DAYS * 24 * HOUR_MS;
  // Until the present moment, however long the history takes.
  for (let begun = start; begun < Date.now(); begun += HOUR_MS) {
    const lengthMs = Math.min(HOUR_MS, Date.now() - begun);
    const at = new Date(begun);
    const weekend = [0, 6].includes(at.getDay()) ? 0.6 : 1;
    const growth = 0.9 + (begun - start) / (DAYS * 48 * HOUR_MS);
    const anHour = (HOURS[at.getHours()] ?? 0) * SHARE_OF_HOUR * weekend * growth;
    const count = Math.round((anHour * lengthMs) / HOUR_MS);
    await send(
      url,
      Array.from({ length: count }, (_, place) => callAt(begun + (place * lengthMs) / count)),
    );
  }
}

const data = mkdtempSync(join(tmpdir(), 'clickstream-pictures-'));
mkdirSync(folder, { recursive: true });
await buildWeb();
const [browser, server] = await Promise.all([launchChromium(), startServer({ data })]);
let isOver = false;
try {
  await playHistory(server.url);
  await send(server.url, [
    { type: 'track', anonymousId: 'a' },
    { type: 'nonsense', anonymousId: 'b' },
    { type: 'page' },
  ]);
  const live = (async () => {
    while (!isOver) {
      await send(server.url, [callAt(Date.now())]);
      await sleep(LIVE_EVERY_MS);
    }
  })();
  await sleep(70_000);
  for (const address of ADDRESSES) {
    for (const [name, { colorScheme, ...viewport }] of Object.entries(SHOTS)) {
      const page = await browser.newPage({ viewport, colorScheme, locale: 'en-GB', deviceScaleFactor: 2 });
      await page.goto(`${server.url}/${address}`);
      await page.waitForTimeout(7_000);
      const file = `${address.replaceAll(/[^a-z]+/gi, '-').replaceAll(/^-|-$/g, '')}-${name}.png`;
      await page.screenshot({ path: join(folder, file), fullPage: name === 'phone' });
      await page.close();
      process.stdout.write(`${file}\n`);
    }
  }
  isOver = true;
  await live;
} finally {
  isOver = true;
  await browser.close();
  await server.stop();
  killServers();
  rmSync(data, { recursive: true, force: true });
}

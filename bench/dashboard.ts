/**
 * How fast the dashboard is on a store of many events: a server is filled over HTTP with visits of thirty days, and a real Chromium opens
 * each page in it. Some 3.2 KB of disk an event; ten million take half an hour and more.
 *
 *   node bench/dashboard.ts [--events 10000000] [--days 30] [--data folder] [--keep]
 *
 * With --data the folder is used, and filled only if it is not there yet; with --keep it stays.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Browser } from 'playwright-core';
import { Latencies } from '../src/main/load/latencies.ts';
import { Visits } from '../src/main/load/visits.ts';
import { ServerProcess } from '../src/main/prove/server-process.ts';
import { launchChromium } from '../tests/browser/chromium.ts';
import { buildWeb } from '../web/build.ts';

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '10000000' },
    days: { type: 'string', default: '30' },
    data: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
const events = Number(values.events);
const days = Number(values.days);

const BATCH = 500;
const CONNECTIONS = 4;
const PEOPLE = 200_000;
const DAY_MS = 86_400_000;
const TOLD_MS = 30_000;
const PATIENCE_MS = 120_000;
const VIEWS = 10;
/** Pages, and the element that is there once all of its figures are. */
const PAGES = ['now', 'overview', 'overview?range=30d', 'events?range=30d', 'health'] as const;

async function fill(url: string): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const visits = new Visits({ seed: 1, people: PEOPLE, run: 'dashboard' });
  const end = Date.now();
  let [made, told] = [0, Date.now()];
  const compose = (): string => {
    const bodies: string[] = [];
    for (; bodies.length < BATCH && made < events; made += 1) {
      const at = end - days * DAY_MS + Math.floor((days * DAY_MS * made) / events);
      bodies.push(`${visits.next(at).openBody}}`);
    }
    return `{"batch":[${bodies.join()}]}`;
  };
  const connection = async () => {
    while (made < events) {
      const body = compose();
      while (!(await isTaken(agent, `${url}/v1/batch`, body))) await sleep(1_000);
      if (Date.now() - told > TOLD_MS) {
        told = Date.now();
        process.stderr.write(`${made} of ${events} events sent, ${((told - end) / 1_000).toFixed(0)} s\n`);
      }
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  agent.destroy();
}

/** False when the server wants it later. Rejects when it does not want it. */
function isTaken(agent: Agent, url: string, body: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const call = request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume();
      response.on('end', () => {
        if (response.statusCode === 200 || response.statusCode === 503) resolve(response.statusCode === 200);
        else reject(new Error(`answered ${response.statusCode}`));
      });
    });
    call.on('error', reject);
    call.end(body);
  });
}

async function ask<Answer>(url: string, path: string): Promise<Answer> {
  const response = await fetch(`${url}${path}`, { headers: { connection: 'close' } });
  return (await response.json()) as Answer;
}

/** Until a page shows its figures, and how much of it came over the connection. */
async function opened(
  browser: Browser,
  url: string,
  page: string,
): Promise<{ readonly ms: number; readonly bytes: number }> {
  const context = await browser.newContext({ viewport: { width: 1_280, height: 900 } });
  const tab = await context.newPage();
  const started = performance.now();
  await tab.goto(`${url}/#/${page}`);
  await tab.locator('main[data-settled]').waitFor({ timeout: PATIENCE_MS });
  const ms = performance.now() - started;
  const bytes = await tab.evaluate<number>(
    "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation')).filter(({ name }) => !name.includes('/api/')).reduce((sum, { transferSize }) => sum + transferSize, 0)",
  );
  await context.close();
  return { ms, bytes };
}

/** From the 2xx until the page shows the event, with nothing else going on. */
async function updates(browser: Browser, url: string): Promise<Latencies> {
  const tab = await browser.newPage();
  await tab.goto(`${url}/#/now`);
  await tab.locator('main[data-settled]').waitFor({ timeout: PATIENCE_MS });
  const latencies = new Latencies();
  for (let view = 0; view < VIEWS; view += 1) {
    const event = `Seen ${view}`;
    const body = JSON.stringify({ userId: 'bench', event });
    await fetch(`${url}/v1/track`, { method: 'POST', headers: { connection: 'close' }, body });
    const taken = performance.now();
    await tab.getByText(event, { exact: true }).first().waitFor({ timeout: PATIENCE_MS });
    latencies.add(performance.now() - taken);
    await sleep(300);
  }
  await tab.close();
  return latencies;
}

const folder = values.data ?? join(mkdtempSync(join(tmpdir(), 'clickstream-dashboard-')), 'data');
const isFilled = existsSync(folder);
await buildWeb();
const server = new ServerProcess([
  process.execPath,
  'src/main/cli.ts',
  'serve',
  '--port',
  '0',
  '--data',
  folder,
  '--json',
]);
const url = await server.serving();
try {
  if (!isFilled) await fill(url);
  for (;;) {
    const { waiting } = await ask<{ readonly waiting: readonly string[] }>(url, '/api/v1/audit');
    if (waiting.length === 0) break;
    await sleep(1_000);
  }
  const { totals } = await ask<{ readonly totals: { readonly events: number } }>(url, '/api/v1/live');
  process.stdout.write(
    `${totals.events} events of ${days} days\n\n| page | first time | median of 5 more | bytes of the page |\n| --- | --- | --- | --- |\n`,
  );
  const browser = await launchChromium();
  for (const page of PAGES) {
    const first = await opened(browser, url, page);
    const more = new Latencies();
    for (let view = 0; view < 5; view += 1) more.add((await opened(browser, url, page)).ms);
    process.stdout.write(
      `| ${page} | ${first.ms.toFixed(0)} ms | ${more.quantile(0.5).toFixed(0)} ms | ${first.bytes} |\n`,
    );
  }
  const seen = await updates(browser, url);
  process.stdout.write(
    `\nfrom the 2xx until Now shows the event: p50 ${seen.quantile(0.5).toFixed(0)} ms, at most ${seen.quantile(1).toFixed(0)} ms (${VIEWS} events)\n`,
  );
  await browser.close();
} finally {
  await server.stop();
  if (!values.keep) rmSync(folder, { recursive: true, force: true });
}

/**
 * How fast the dashboard is on a store of many events: a server is filled over HTTP with visits of thirty days, and a real
 * Chromium opens its pages. Some 3 KB of disk an event; ten million take half an hour and more.
 *
 *   node bench/dashboard.ts [--events 10000000] [--days 30] [--data FOLDER]
 *
 * With --data the folder is used and stays; what it has is not sent again.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { ApiClient } from '../src/main/commands/client.ts';
import { waitProcessed } from '../src/main/load/check.ts';
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
const VIEWS = 5;
const UPDATES = 20;
const ADDRESSES = [
  ...['#/now', '#/overview', '#/overview?range=30d', '#/overview?range=30d&by=page&key=%2Fsearch'],
  ...['#/events', '#/events?range=30d', '#/people', '#/bad', '#/health'],
] as const;

/** Sends what comes after the first `there` events. */
async function fill(url: string, there: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const visits = new Visits({ seed: 1, people: PEOPLE, run: 'dashboard' });
  const end = Date.now();
  let [made, toldAt] = [0, end];
  const next = () => {
    const at = end - days * DAY_MS + Math.floor((days * DAY_MS * made) / events);
    made += 1;
    return visits.next(at);
  };
  while (made < there) next();
  const nextBatch = (): string => {
    const bodies: string[] = [];
    while (bodies.length < BATCH && made < events) bodies.push(`${next().openBody}}`);
    return `{"batch":[${bodies.join()}]}`;
  };
  const connection = async () => {
    while (made < events) {
      const body = nextBatch();
      while (!(await isTaken(agent, `${url}/v1/batch`, body))) await sleep(500);
      if (Date.now() - toldAt > TOLD_MS) {
        toldAt = Date.now();
        process.stderr.write(`${made} of ${events} events sent in ${((toldAt - end) / 1_000).toFixed(0)} s\n`);
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
      response.resume().on('end', () => {
        if (response.statusCode === 200 || response.statusCode === 503) resolve(response.statusCode === 200);
        else reject(new Error(`answered ${response.statusCode}`));
      });
    });
    call.on('error', reject);
    call.end(body);
  });
}

interface Opened {
  readonly page: Page;
  /** Until the page's frame is drawn, and until all that it asked for at first is. */
  readonly ms: { readonly drawn: number; readonly whole: number };
  /** What came over the connection, by what was asked for. */
  readonly bytes: { readonly page: number; readonly answers: number };
}

/** A person's first look: nothing of it is in a cache. */
async function open(browser: Browser, address: string): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1_280, height: 900 } });
  const page = await context.newPage();
  const bytes = { page: 0, answers: 0 };
  let waiting = 0;
  page.on('request', () => {
    waiting += 1;
  });
  page.on('requestfailed', () => {
    waiting -= 1;
  });
  page.on('requestfinished', async (asked) => {
    const { responseHeadersSize, responseBodySize } = await asked.sizes();
    bytes[asked.url().includes('/api/') ? 'answers' : 'page'] += responseHeadersSize + responseBodySize;
    waiting -= 1;
  });
  const started = performance.now();
  await page.goto(address);
  await page.locator('main h2, main h3, main dt').first().waitFor({ timeout: PATIENCE_MS });
  const drawn = performance.now() - started;
  do {
    if (performance.now() - started > PATIENCE_MS) throw new Error(`${address} is not whole after ${PATIENCE_MS} ms`);
    await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))');
  } while (waiting > 0 || bytes.answers === 0);
  return { page, bytes, ms: { drawn, whole: performance.now() - started } };
}

async function stored(client: ApiClient): Promise<number> {
  const { totals } = (await client.get('/api/v1/live')) as { readonly totals: { readonly stored: number } };
  return totals.stored;
}

async function track(url: string, event: string): Promise<void> {
  const body = JSON.stringify({ userId: 'bench', event });
  const { status } = await fetch(`${url}/v1/track`, { method: 'POST', headers: { connection: 'close' }, body });
  if (status !== 200) throw new Error(`answered ${status}`);
}

/** From the 2xx until Now shows the event, with nothing else going on. */
async function updates(browser: Browser, url: string): Promise<Latencies> {
  const { page } = await open(browser, `${url}/#/now`);
  const latencies = new Latencies();
  for (let update = 0; update < UPDATES; update += 1) {
    const event = `Seen ${update}`;
    await track(url, event);
    const taken = performance.now();
    await page.locator('main details').getByText(event, { exact: true }).first().waitFor({ timeout: PATIENCE_MS });
    latencies.add(performance.now() - taken);
    await sleep(Math.random() * 1_000);
  }
  await page.context().close();
  return latencies;
}

const folder = values.data ?? mkdtempSync(join(tmpdir(), 'clickstream-dashboard-'));
const data = join(folder, 'data');
await buildWeb();
const serve = ['src/main/cli.ts', 'serve', '--port', '0', '--data', data, '--json'];
const server = new ServerProcess([process.execPath, ...serve]);
try {
  const url = await server.serving();
  const client = new ApiClient({ url: new URL(url) });
  await fill(url, await stored(client));
  await waitProcessed(client);
  process.stdout.write(
    `${await stored(client)} events of ${days} days\n\n| address | drawn | whole, first | whole, median of ${VIEWS} more | KB of the page | KB of answers |\n| --- | --- | --- | --- | --- | --- |\n`,
  );
  client.close();
  const browser = await launchChromium();
  for (const address of ADDRESSES) {
    const drawn = new Latencies();
    const whole = new Latencies();
    const first = await open(browser, `${url}/${address}`);
    await first.page.context().close();
    for (let view = 0; view < VIEWS; view += 1) {
      const { page, ms } = await open(browser, `${url}/${address}`);
      drawn.add(ms.drawn);
      whole.add(ms.whole);
      await page.context().close();
    }
    const cells = [
      ...[`\`${address}\``, `${drawn.quantile(0.5).toFixed(0)} ms`, `${first.ms.whole.toFixed(0)} ms`],
      ...[`${whole.quantile(0.5).toFixed(0)} ms`, (first.bytes.page / 1_000).toFixed(0)],
      (first.bytes.answers / 1_000).toFixed(0),
    ];
    process.stdout.write(`| ${cells.join(' | ')} |\n`);
  }
  const seen = await updates(browser, url);
  process.stdout.write(
    `\nfrom the 2xx until Now shows the event: p50 ${seen.quantile(0.5).toFixed(0)} ms, at most ${seen.quantile(1).toFixed(0)} ms (${UPDATES} events)\n`,
  );
  await browser.close();
} finally {
  await server.stop();
  if (values.data === undefined) rmSync(folder, { recursive: true, force: true });
}

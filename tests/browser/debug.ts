import { hash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killServers, startServer } from '../end-to-end/running-server.ts';
import { launchChromium } from './chromium.ts';
import { axeFindings } from './dashboard.ts';

const data = mkdtempSync(join(tmpdir(), 'smoke-'));
writeFileSync(
  join(data, '..', 'dbg.json'),
  JSON.stringify({ readTokens: [hash('sha256', 'tok')], sources: { shop: { writeKeys: [hash('sha256', 'k')] } } }),
);
const t0 = Date.now();
const log = (...w: unknown[]) => console.log(Date.now() - t0, ...w);
const [browser, server] = await Promise.all([
  launchChromium(),
  startServer({ data: join(data, 'd'), options: ['--config', join(data, '..', 'dbg.json')] }),
]);
const context = await browser.newContext({
  locale: 'en-GB',
  timezoneId: 'Asia/Kolkata',
  viewport: { width: 1280, height: 860 },
});
const page = await context.newPage();
page.on('console', (m) => log('console', m.text()));
page.on('pageerror', (m) => log('error', m.message));
await page.goto(server.url);
log('gone');
await page.getByLabel('Read token').waitFor();
log('label', await page.evaluate('document.activeElement.id'));
await page.keyboard.type('wrong');
log('typed');
await page.keyboard.press('Enter');
log('entered');
await page
  .getByRole('alert')
  .waitFor({ timeout: 10_000 })
  .catch((e) => log(e.message));
log('alert');
await page.screenshot({ path: '/tmp/shots/dbg.png' });
log(await axeFindings(page));
await page.getByLabel('Read token').fill('tok');
await page.keyboard.press('Enter');
await page
  .getByText('No events yet')
  .waitFor({ timeout: 10_000 })
  .catch((e) => log(e.message));
log('none');
await page.screenshot({ path: '/tmp/shots/dbg2.png' });
log(await axeFindings(page));
await browser.close();
await server.stop();
killServers();
rmSync(data, { recursive: true });

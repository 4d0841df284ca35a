/**
 * Records what the unmodified browser tracker posts, of some visits to the shop in a real Chromium, as
 * tests/fuzz/browser-requests.json. To be run again when the tracker's version changes.
 *
 *   node tests/fuzz/record-browser.ts
 */
import { hash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { WriteKeys } from '../../src/collect/keys.ts';
import { launchChromium } from '../browser/chromium.ts';
import { startRecorder } from '../browser/recorder.ts';
import { startShop } from '../browser/shop.ts';

const browser = await launchChromium();
const recorder = await startRecorder(new WriteKeys([{ source: 'shop', sha256: hash('sha256', 'KEY') }]));
const shop = await startShop({ writeKey: 'KEY', cdnURL: recorder.url });
const batching = `{ integrations: { 'Segment.io': { deliveryStrategy: { strategy: 'batching', config: { size: 3 } } } } }`;
for (const options of [undefined, batching]) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const query = options === undefined ? '' : `&options=${encodeURIComponent(options)}`;
  await page.goto(`${shop.url}/?utm_source=mail&utm_campaign=spring${query}`);
  await page.evaluate(`{
    analytics.identify('ada', { plan: 'pro', name: 'Ada Ünï 😀' });
    analytics.track('Bought', { total: 2.5, products: [{ id: 1, tags: [null, true] }] });
    analytics.group('acme', { seats: 3 });
    analytics.screen('Main');
    analytics.alias('ada-2');
  }`);
  await sleep(3_000);
  await context.close();
}
const requests = recorder.asked
  .filter(({ method, chunks }) => method === 'POST' && chunks.length > 0)
  .map(({ method, path, headers, chunks }) => {
    const { 'content-type': type = 'text/plain', authorization } = headers;
    const kept = { 'content-type': type, ...(authorization !== undefined && { authorization }) };
    return { method, path, headers: kept, body: Buffer.concat(chunks).toString('utf8') };
  });
writeFileSync('tests/fuzz/browser-requests.json', `${JSON.stringify(requests, undefined, 2)}\n`);
process.stdout.write(`${requests.length} requests\n`);
recorder.close();
shop.close();
await browser.close();

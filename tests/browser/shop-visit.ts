import { hash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, BrowserContextOptions } from 'playwright-core';
import { type RunningServer, startServer } from '../end-to-end/running-server.ts';

/** The write key of the shop's source. */
export const SHOP_KEY = 'shop-key';

/** A person's visit to a shop: the collector that the shop sends to, the shop, and a browser of which is noted whom it talks to and what fails in it. */
export class ShopVisit<Shop extends { readonly close: () => void }> {
  server!: RunningServer;
  shop!: Shop;
  context!: BrowserContext;
  readonly hosts = new Set<string>();
  readonly faults: string[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'clickstream-shop-'));
  /** How to close what was opened, the last first. */
  readonly #closers: (() => unknown)[] = [];

  /** `startShop` gets the collector's address, as the shop's pages know it. */
  async open({
    browser,
    startShop,
    ...options
  }: BrowserContextOptions & {
    readonly browser: Browser;
    readonly startShop: (collector: string) => Promise<Shop>;
  }): Promise<void> {
    const sources = { shop: { writeKeys: [hash('sha256', SHOP_KEY)], domains: ['shop.test'] } };
    writeFileSync(this.#config, JSON.stringify({ sources }));
    await this.#startServer(0);
    this.#closers.push(() => this.server.stop());
    this.shop = await startShop(`http://events.test:${this.#port}`);
    this.#closers.push(() => this.shop.close());
    this.context = await browser.newContext(options);
    this.#closers.push(() => this.context.close());
    this.context.on('weberror', (fault) => this.faults.push(fault.error().message));
    this.context.on('request', (request) => this.hosts.add(new URL(request.url()).hostname));
  }

  /** What happens while the collector is away. */
  async withoutServer(happens: () => Promise<void>): Promise<void> {
    const port = this.#port;
    const code = await this.server.stop();
    if (code !== 0) throw new Error(`the server ended with ${code}`);
    await happens();
    await this.#startServer(port);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close();
    rmSync(this.#folder, { recursive: true });
  }

  async #startServer(port: number): Promise<void> {
    this.server = await startServer({
      port,
      data: join(this.#folder, 'data'),
      options: ['--config', this.#config],
    });
  }

  get #port(): number {
    return Number(new URL(this.server.url).port);
  }

  get #config(): string {
    return join(this.#folder, 'clickstream.json');
  }
}

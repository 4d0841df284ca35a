import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename } from 'node:path';

/** The tracker as its package brings it, unmodified: a script, and parts that it loads when they are wanted. */
const TRACKER = new URL('../../node_modules/@segment/analytics-next/dist/umd/', import.meta.url);
/** Where the tracker looks for its parts, under what `_cdn` names; without that it would ask Segment for them. */
const PARTS = '/analytics-next/bundles/';

const PRODUCTS = ['desk-lamp', 'floor-lamp', 'vase'];

/**
 * What the shop does in its visitors' browsers; `SETTINGS` and `OPTIONS` are put before it. Links and forms that leave the page
 * are given to the tracker, as its documents advise: they wait for it, 300 ms at the most. What a page does by itself
 * as it leaves is lost when it comes between a call and its request, where the tracker holds an event in memory alone.
 */
const SCRIPT = `
const analytics = AnalyticsNext.AnalyticsBrowser.load(SETTINGS, OPTIONS);
window.analytics = analytics;

function show() {
  const lamps = location.pathname === '/category/lamps';
  for (const item of document.querySelectorAll('li')) item.hidden = lamps && !item.id.endsWith('lamp');
}
function view() {
  show();
  analytics.page();
}
view();
addEventListener('popstate', view);

document.querySelector('#lamps')?.addEventListener('click', (event) => {
  event.preventDefault();
  history.pushState({}, '', event.target.href);
  view();
});
document.querySelector('#add')?.addEventListener('click', (event) => {
  analytics.track('Product Added', { product: event.target.value });
});
analytics.trackLink([...document.querySelectorAll('li a')], 'Product Clicked', (link) => ({ product: link.text }));
analytics.trackSubmit(document.querySelector('#newsletter'), 'Subscribed', (form) => ({ topic: form.elements.topic.value }));
document.querySelector('#login')?.addEventListener('submit', (event) => {
  event.preventDefault();
  analytics.identify(event.target.elements.name.value, { plan: 'pro' }, () => event.target.submit());
});
`;

const HOME = `
<a id="lamps" href="/category/lamps">Lamps</a>
<ul>${PRODUCTS.map((name) => `<li id="${name}"><a href="/product/${name}">${name}</a></li>`).join('')}</ul>
<form id="newsletter" action="/thanks"><input name="topic"><button>Subscribe</button></form>`;
const LOGIN = '<form id="login" action="/account"><input name="name"><button>Log in</button></form>';

/** The part of each page that is its own; undefined where there is none. */
export function contentOf(path: string): string | undefined {
  const product = PRODUCTS.find((name) => path === `/product/${name}`);
  if (product !== undefined) return `<button id="add" value="${product}">Add</button>`;
  if (path === '/' || path === '/category/lamps') return HOME;
  if (path === '/login') return LOGIN;
  return ['/cart', '/account', '/thanks'].includes(path) ? '' : undefined;
}

export interface Shop {
  readonly url: string;
  close(): void;
}

/**
 * A small shop on an origin of its own, whose pages load the tracker. `settings` is what its script gives
 * to the tracker's `load`; a page may be asked for with more, and with options, in `?settings=` and `?options=`.
 */
export async function startShop(settings: object): Promise<Shop> {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://shop.test');
    if (pathname.startsWith(PARTS)) {
      const part = readFileSync(new URL(basename(pathname), TRACKER));
      response.setHeader('Content-Type', 'text/javascript').end(part);
      return;
    }
    const content = contentOf(pathname);
    const options = searchParams.get('options') ?? '{}';
    const own = searchParams.get('settings') ?? '{}';
    const constants = `const SETTINGS = { ...${JSON.stringify(settings)}, ...${own} }; const OPTIONS = ${options};`;
    response.writeHead(content === undefined ? 404 : 200, { 'Content-Type': 'text/html; charset=utf-8' });
    response.end(
      `<!doctype html><title>Shop ${pathname}</title><nav><a href="/">Home</a> <a href="/login">Log in</a> <a href="/cart">Cart</a></nav>` +
        `${content ?? 'nothing here'}<script>window.analytics = { _cdn: location.origin };</script><script src="${PARTS}index.js"></script><script>${constants}${SCRIPT}</script>`,
    );
  });
  await listen(server);
  return {
    url: `http://shop.test:${portOf(server)}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

export function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

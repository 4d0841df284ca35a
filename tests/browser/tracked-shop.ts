import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { buildModule, buildScript } from '../../tracker/build.ts';
import { contentOf, listen, portOf, type Shop } from './shop.ts';

/** The document's snippet, in which calls that a page makes before the tracker is there wait. */
const [, STUB = ''] = /<script>\n(.*?)<\/script>/s.exec(readFileSync('docs/tracker.md', 'utf8')) ?? [];

/** What the shop's own code does; views of pages, links, files and forms it leaves to the tracker. */
const SCRIPT = `
function show() {
  const lamps = location.pathname === '/category/lamps';
  for (const item of document.querySelectorAll('li')) item.hidden = lamps && !item.id.endsWith('lamp');
}
show();
addEventListener('popstate', show);
document.querySelector('#lamps')?.addEventListener('click', (event) => {
  event.preventDefault();
  history.pushState({}, '', event.target.href);
  show();
});
document.querySelector('#add')?.addEventListener('click', (event) => {
  clickstream.track('Product Added', { product: event.target.value });
});
document.querySelector('#login')?.addEventListener('submit', (event) => {
  clickstream.identify(event.target.elements.name.value, { plan: 'pro' });
});
`;

export interface TrackedShop extends Shop {
  /** Further attributes of the tracker's script element, from the next page on. */
  attributes: string;
  /** Whether pages load the script from the collector, as a site would, and not from the shop. */
  isServed: boolean;
}

/**
 * The shop with the tracker of this repository, on an origin of its own. Its pages allow no script but files of the shop's
 * and the collector's, and connections to the collector alone. `elsewhere.test` on the same port is another site.
 */
export async function startTrackedShop(collector: string): Promise<TrackedShop> {
  const files = new Map([
    ['/t.js', ['text/javascript', await buildScript()]],
    ['/shop.js', ['text/javascript', SCRIPT]],
    ['/stub.js', ['text/javascript', `${STUB}clickstream.identify('bo'); clickstream.track('Waited', { place: 1 });`]],
    ['/index.js', ['text/javascript', await buildModule('index')]],
    [
      '/module.js',
      [
        'text/javascript',
        `import { init } from './index.js';
        const options = { endpoint: '${collector}', key: 'shop-key', auto: ['page'], cookieless: true };
        window.clickstream = init(options);
        if (init(options) !== clickstream) throw new Error('two trackers');`,
      ],
    ],
    ['/manual.pdf', ['application/octet-stream', '%PDF-']],
  ] as const);
  const policy = `default-src 'none'; script-src 'self' ${collector}; connect-src ${collector}; require-trusted-types-for 'script'`;
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://shop.test');
    const [type, text] = files.get(pathname as '/t.js') ?? [];
    if (type !== undefined) {
      response.setHeader('Content-Type', type).end(text);
      return;
    }
    if (request.headers.host?.startsWith('elsewhere.') === true) {
      response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>Elsewhere</title>');
      return;
    }
    const port = portOf(server);
    const content = pathname === '/terms' ? '<p>Terms.'.repeat(500) : contentOf(pathname);
    const stub = searchParams.has('stub') ? '<script src="/stub.js"></script>' : '';
    const tracker = searchParams.has('module')
      ? '<script type="module" src="/module.js"></script>'
      : `<script defer src="${shop.isServed ? collector : ''}/t.js" ${shop.attributes} ${shop.isServed ? '' : `data-endpoint="${collector}"`} data-key="shop-key"></script>`;
    response.writeHead(content === undefined ? 404 : 200, {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': policy,
    });
    response.end(
      `<!doctype html><title>Shop ${pathname}</title>${stub}` +
        `${tracker}<script defer src="/shop.js"></script>` +
        '<nav><a href="/">Home</a> <a href="/login">Log in</a> <a href="/cart">Cart</a> <a href="/manual.pdf?token=a">Manual</a>' +
        ` <a href="http://elsewhere.test:${port}/"><b>Elsewhere</b></a> <a href="mailto:ada@shop.test">Write</a></nav><p>Shop is open</p>${content ?? 'nothing here'}`,
    );
  });
  await listen(server);
  const shop: TrackedShop = {
    url: `http://shop.test:${portOf(server)}`,
    attributes: '',
    isServed: false,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return shop;
}

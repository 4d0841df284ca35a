/**
 * An unmodified @segment/analytics-node in a process of its own, which makes events until it is told to end. It tells its
 * parent of each request before it goes out, and of each answer.
 *
 *   fork('tests/end-to-end/tracker-child.ts', [URL, SEED])
 */
import { Analytics } from '@segment/analytics-node';
import { seededRandom } from '../random.ts';

export type FromTracker =
  /** The body of a request that goes out now. */
  | { readonly kind: 'sent'; readonly body: string }
  /** The body of a request that was answered with a 2xx. */
  | { readonly kind: 'acknowledged'; readonly body: string };

const [url = '', seed = '1'] = process.argv.slice(2);
const random = seededRandom(Number(seed));
const below = (bound: number) => Math.floor(random() * bound);
const tell = (message: FromTracker) => process.send?.(message);

// The server is away again and again; a tracker that gives up keeps nothing to look for.
const analytics = new Analytics({ writeKey: 'tracker', host: url, flushAt: 5, flushInterval: 100, maxRetries: 1_000 });
analytics.on('http_request', ({ body }) => tell({ kind: 'sent', body: String(body) }));
analytics.on('http_response', ({ status, body }) => {
  if (status >= 200 && status < 300) tell({ kind: 'acknowledged', body: String(body) });
});

const PAGES = ['/', '/pricing', '/docs'];
let made = 0;
const making = setInterval(() => {
  made += 1;
  const anonymousId = `tracked-${below(40)}`;
  const user = random() < 0.2 ? { userId: `tracked-user-${below(10)}` } : {};
  if (random() < 0.6) analytics.page({ anonymousId, ...user, properties: { path: PAGES[below(PAGES.length)] } });
  else analytics.track({ anonymousId, ...user, event: 'Order Completed', properties: { number: made } });
}, 10);

process.on('message', () => {
  clearInterval(making);
  void analytics.closeAndFlush().then(() => process.disconnect());
});
// Without its parent it has nobody to tell.
process.on('disconnect', () => process.exit());

/** The page's views, one after the other, what happens in each, how long it is visible and how much of it. */
import { masked } from './masked.ts';
import { type Call, record } from './recorder.ts';
import { wants } from './settings.ts';
import type { Properties } from './tracker-api.ts';

let referrer: string;
/** Undefined until the first view. */
let shown: string | undefined;
/** In per cent of the page's height. */
let depth: number;
let depthTold: number;
let visibleSince = 0;

export function startViews(): void {
  referrer = masked(document.referrer);
  addEventListener('scroll', () => {
    measureDepth();
    while (wants('scroll') && depth >= depthTold + 25) {
      depthTold += 25;
      track('Scrolled', { depth: depthTold });
    }
  });
}

/** The first view is that of the page that was loaded; those after it are steps within it. */
export function page(properties?: Properties): void {
  endView();
  // Who goes on within a page comes from what it showed before.
  referrer = shown || referrer;
  shown = here();
  emit({ type: 'page', properties: Object.assign({ path: location.pathname, title: document.title }, properties) });
  beginView();
}

/** `url` is where it happened, if that is not where the page is now. */
export function track(event: string, properties?: object, url?: string): void {
  emit({ type: 'track', event, properties }, url);
}

export function identify(userId: string, traits?: Properties): void {
  emit({ type: 'identify', userId, traits });
}

/** Another view, if the page's path is no longer that of the last one; none before a first one, in a page that nobody sees yet. */
export function navigated(): void {
  if (shown && pathOf(here()) !== pathOf(shown)) page({ title: undefined });
}

export function beginView(): void {
  depth = 0;
  depthTold = 0;
  look();
}

/** From now on the page's time counts, if it is visible. */
export function look(): void {
  visibleSince = document.hidden ? 0 : performance.now();
}

/** Says how long the page was visible since that was last said, and how much of it. Nothing where that was no time. */
export function endView(): void {
  const seconds = visibleSince && Math.round((performance.now() - visibleSince) / 100) / 10;
  visibleSince = 0;
  if (seconds && wants('time')) {
    measureDepth();
    track('Page Left', { seconds, depth }, shown);
  }
}

export function here(): string {
  return masked(location.href, wants('hash'));
}

function emit(call: Call, url = here()): void {
  record(call, url, referrer);
}

function pathOf(url: string): string {
  return url.replace(/\?[^#]*/, '');
}

function measureDepth(): void {
  const seen = (scrollY + innerHeight) / document.documentElement.scrollHeight;
  depth = Math.max(depth, Math.min(100, Math.round(seen * 100)));
}

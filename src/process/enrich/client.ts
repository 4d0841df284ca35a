import { isbot } from 'isbot';
import { UAParser } from 'ua-parser-js';
import { BoundedCache } from '../../core/bounded-cache.ts';
import type { Json } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { boundedText } from './bounded-text.ts';

export type Device = 'desktop' | 'mobile' | 'tablet' | 'tv' | 'console' | 'wearable' | 'other';

/** What a user agent says of the program that sent it; absent is not known. docs/enrichment.md has the names. */
export interface Client {
  readonly browser?: string;
  readonly os?: string;
  readonly device?: Device;
  readonly bot?: true;
}

/** One browser has one name on all systems, and the one its users know. */
const BROWSERS: ReadonlyMap<string, string> = new Map([
  ['Mobile Safari', 'Safari'],
  ['Chrome WebView', 'WebView'],
  ['Chrome Headless', 'Headless Chrome'],
  ['IE', 'Internet Explorer'],
  ['IEMobile', 'Internet Explorer'],
  ['GSA', 'Google App'],
  ['QQBrowser', 'QQ Browser'],
  ['UCBrowser', 'UC Browser'],
]);

/** Only some browsers tell one Linux from another, so it is one. */
const SYSTEMS: ReadonlyMap<string, string> = new Map([
  ['Mac OS', 'macOS'],
  ['Chromium OS', 'ChromeOS'],
  ['KAIOS', 'KaiOS'],
  ...['Ubuntu', 'Debian', 'Fedora', 'Mint', 'SUSE', 'CentOS', 'Gentoo', 'Arch', 'Raspbian', 'GNU'].map(
    (name) => [name, 'Linux'] as const,
  ),
]);

const DEVICES: ReadonlyMap<string, Device> = new Map([
  ['mobile', 'mobile'],
  ['tablet', 'tablet'],
  ['smarttv', 'tv'],
  ['console', 'console'],
  ['wearable', 'wearable'],
  ['embedded', 'other'],
]);

/** Where one of these does not say what it runs on, it is a phone; any other system that does not is a desktop's. */
const MOBILE_SYSTEMS: ReadonlySet<string> = new Set([
  'Android',
  'iOS',
  'HarmonyOS',
  'OpenHarmony',
  'KaiOS',
  'Windows Phone',
  'BlackBerry',
  'Symbian',
  'Tizen',
]);

/** The reader of `context.userAgent`: pure but for its cache. One user agent gives one object, as long as it is cached. */
export function createClientOf(): (userAgent: Json | undefined) => Client {
  const cache = new BoundedCache<Client>(LIMITS.userAgentsCachedMax);
  return (userAgent) => {
    if (typeof userAgent !== 'string' || userAgent === '') return NOTHING;
    // A cut text would keep the whole of a long one in memory, so what is cut is not cached.
    if (userAgent.length > LIMITS.userAgentCharsMax) return parse(userAgent.slice(0, LIMITS.userAgentCharsMax));
    const cached = cache.get(userAgent);
    if (cached !== undefined) return cached;
    const client = parse(userAgent);
    cache.set(userAgent, client);
    return client;
  };
}

const NOTHING: Client = {};

/**
 * Some patterns of ua-parser-js take time by the cube of a run without punctuation, or of digits and dots: 44 ms of a
 * made-up text of 500 characters, and 3 ms once it is cut here. Real runs have up to 40 characters.
 */
const RUN_TOO_LONG = /[\w. -]{64}/;

function parse(userAgent: string): Client {
  const run = userAgent.search(RUN_TOO_LONG);
  const parser = new UAParser(run < 0 ? userAgent : userAgent.slice(0, run));
  const osName = boundedText(parser.getOS().name);
  const os = osName && (SYSTEMS.get(osName) ?? osName);
  const browser = browserOf(boundedText(parser.getBrowser().name), os);
  const device = deviceOf(parser.getDevice().type, os);
  return {
    ...(browser !== undefined && { browser }),
    ...(os !== undefined && { os }),
    ...(device !== undefined && { device }),
    ...(isbot(userAgent) && { bot: true }),
  };
}

function browserOf(name: string | undefined, os: string | undefined): string | undefined {
  // An app that shows a page on iOS names its engine alone.
  if (name === 'WebKit' && os === 'iOS') return 'WebView';
  return name && (BROWSERS.get(name) ?? name);
}

function deviceOf(type: string | undefined, os: string | undefined): Device | undefined {
  if (type !== undefined) return DEVICES.get(type) ?? 'other';
  if (os === undefined) return undefined;
  return MOBILE_SYSTEMS.has(os) ? 'mobile' : 'desktop';
}

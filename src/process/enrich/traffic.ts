import { BoundedCache } from '../../core/bounded-cache.ts';
import type { Event } from '../../core/event.ts';
import { isObject, type Json, type JsonObject } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { boundedText } from './bounded-text.ts';
import { type Site, type SiteKind, siteNamed, siteOf } from './sites.ts';
import { decodedValue, hostOf, isUnder, queryOf } from './web-address.ts';

/** How somebody came from elsewhere. */
type Arrival = SiteKind | 'paid';
export type Channel = Arrival | 'internal' | 'direct';

/** Where the visitor of a page came from; absent is not known. docs/enrichment.md has the rules. */
export interface Traffic {
  readonly referrer?: string;
  readonly channel?: Channel;
  readonly source?: string;
  readonly medium?: string;
  readonly campaign?: string;
}

interface ClickId {
  readonly source?: string;
  readonly channel: Arrival;
}

/**
 * What the parameters say with which advertisers and mailers mark the clicks on their links. Facebook marks every link
 * that is followed from it, so `fbclid` is no sign of an advertisement; nor is `srsltid`, of Google's free listings.
 */
const CLICK_IDS: ReadonlyMap<string, ClickId> = new Map([
  ['gclid', { source: 'Google', channel: 'paid' }],
  ['gbraid', { source: 'Google', channel: 'paid' }],
  ['wbraid', { source: 'Google', channel: 'paid' }],
  ['gad_source', { source: 'Google', channel: 'paid' }],
  ['dclid', { source: 'Google', channel: 'paid' }],
  ['msclkid', { source: 'Bing', channel: 'paid' }],
  ['yclid', { source: 'Yandex', channel: 'paid' }],
  ['ttclid', { source: 'TikTok', channel: 'paid' }],
  ['twclid', { source: 'X', channel: 'paid' }],
  ['li_fat_id', { source: 'LinkedIn', channel: 'paid' }],
  ['rdt_cid', { source: 'Reddit', channel: 'paid' }],
  ['sccid', { source: 'Snapchat', channel: 'paid' }],
  ['epik', { source: 'Pinterest', channel: 'paid' }],
  ['qclid', { source: 'Quora', channel: 'paid' }],
  ['fbclid', { source: 'Facebook', channel: 'social' }],
  ['igsh', { source: 'Instagram', channel: 'social' }],
  ['igshid', { source: 'Instagram', channel: 'social' }],
  ['srsltid', { source: 'Google', channel: 'search' }],
  ['mc_eid', { channel: 'mail' }],
  ['_hsenc', { channel: 'mail' }],
]);

/** The first channel whose words the medium is, in this order; campaigns write `paid-social` and `cpc_brand` too. */
const MEDIUMS: ReadonlyArray<readonly [Arrival, RegExp]> = [
  [
    'paid',
    /(?:^|[^a-z])(?:cp[acimv]|cplc?|ppc|paid[a-z]*|display|banners?|sem|sea|ads?|adwords|sponsored)(?:$|[^a-z])/,
  ],
  ['paid', /retargeting|remarketing|programmatic|interstitial/],
  ['mail', /(?:^|[^a-z])(?:e-?mail(?:ing|s)?|mail(?:ing|s)?|newsletters?|crm)(?:$|[^a-z])/],
  ['social', /(?:^|[^a-z])(?:social[a-z]*|sm)(?:$|[^a-z])/],
  ['search', /^(?:organic|seo|search|organic[-_ ]search)$/],
  ['referral', /^(?:referral|affiliates?|link|partners?)$/],
];

const MEDIUM_OF: Readonly<Record<Arrival, string>> = {
  paid: 'cpc',
  search: 'organic',
  social: 'social',
  mail: 'email',
  referral: 'referral',
};

const MARKS = new RegExp(
  `(?:^|[&?])(?:amp;)?(utm_(?:source|medium|campaign)|${[...CLICK_IDS.keys()].join('|')})=([^&]+)`,
  'gi',
);

const NOTHING: Traffic = {};
const DIRECT: Traffic = { channel: 'direct' };
const INTERNAL: Traffic = { channel: 'internal' };
const EMPTY: JsonObject = {};

/** What the page before is; empty when its URL has no host to go by. */
interface Referrer {
  readonly host?: string;
  readonly site?: Site | undefined;
  /** What it says where the link says nothing; most visits that come from elsewhere are such. */
  readonly alone?: Traffic;
}

/** What the link that was followed says of itself; empty when it says nothing. */
interface Link {
  readonly channel?: Arrival | undefined;
  readonly source?: string | undefined;
  readonly medium?: string | undefined;
  readonly campaign?: string | undefined;
}

const NO_REFERRER: Referrer = {};
const NO_LINK: Link = {};

type TrafficEvent = Pick<Event, 'eventType' | 'context' | 'properties'>;

/**
 * The reader of an event's page, referrer and campaign: pure but for its caches. `domains` are the source's own, in lower
 * case: what comes from them, or from under them, is internal.
 */
export function createTrafficOf(): (event: TrafficEvent, domains: readonly string[]) => Traffic {
  const referrerOf = cachedByUrl(readReferrer);
  const linkOf = cachedByUrl((url) => readLink(queryOf(url), EMPTY));
  return ({ eventType, context, properties }, domains) => {
    const page = isObject(context.page) ? context.page : EMPTY;
    // A page call repeats its page among its properties; those of other events may be of something else.
    const own = eventType === 'page' ? properties : EMPTY;
    const url = textOf(page.url) ?? textOf(own.url);
    const referrerUrl = textOf(page.referrer) ?? textOf(own.referrer);
    const query = url?.includes('?') ? url : (textOf(page.search) ?? textOf(own.search) ?? '');
    const { campaign } = context;
    const link = isObject(campaign) ? readLink(queryOf(query), campaign) : query === '' ? NO_LINK : linkOf(query);
    const referrer = referrerUrl === undefined || referrerUrl === '' ? NO_REFERRER : referrerOf(referrerUrl);
    const isInternal = referrer.host !== undefined && isOwn(referrer.host, url, domains);
    if (link === NO_LINK && isInternal) return INTERNAL;
    if (link === NO_LINK && referrer.host === undefined) {
      return url === undefined && referrerUrl === undefined ? NOTHING : DIRECT;
    }
    if (link === NO_LINK && referrer.alone !== undefined) return referrer.alone;
    return arrival(link, isInternal ? NO_REFERRER : referrer);
  };
}

/** A long URL is read each time: many of them would take much memory, and they seldom come again. */
function cachedByUrl<Value>(read: (url: string) => Value): (url: string) => Value {
  const cache = new BoundedCache<Value>(LIMITS.urlsCachedMax);
  return (url) => {
    if (url.length > LIMITS.urlCharsCachedMax) return read(url);
    const cached = cache.get(url);
    if (cached !== undefined) return cached;
    const value = read(url);
    cache.set(url, value);
    return value;
  };
}

function textOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function isOwn(host: string, url: string | undefined, domains: readonly string[]): boolean {
  for (const domain of domains) if (isUnder(host, domain)) return true;
  return url !== undefined && hostOf(url) === host;
}

function readReferrer(url: string): Referrer {
  const host = hostOf(url);
  if (host === undefined) return NO_REFERRER;
  const referrer = { host, site: siteOf(host) };
  return { ...referrer, alone: arrival(NO_LINK, referrer) };
}

/** What the tracker has read from the link already (`context.campaign`) goes before the link. */
function readLink(query: string, campaign: JsonObject): Link {
  const marks = new Map<string, string>();
  for (const [, key = '', value = ''] of query.matchAll(MARKS)) {
    const mark = key.toLowerCase();
    if (!marks.has(mark)) marks.set(mark, value);
  }
  const source = lowerCase(said(campaign.source, marks.get('utm_source')));
  const medium = lowerCase(said(campaign.medium, marks.get('utm_medium')));
  const name = said(campaign.name, marks.get('utm_campaign'));
  const clicks = [...marks.keys()].flatMap((mark) => CLICK_IDS.get(mark) ?? []);
  const click = clicks.find(({ channel }) => channel === 'paid') ?? clicks[0];
  if ((source ?? medium ?? name ?? click) === undefined) return NO_LINK;
  const site = source === undefined ? undefined : siteNamed(source);
  const channel =
    (click?.channel === 'paid' ? 'paid' : arrivalOf(medium)) ??
    click?.channel ??
    site?.kind ??
    (arrivalOf(source) === 'mail' ? 'mail' : undefined);
  return { channel, source: site?.name ?? source ?? click?.source, medium, campaign: name };
}

function said(value: Json | undefined, encoded: string | undefined): string | undefined {
  return boundedText(value) ?? (encoded === undefined ? undefined : boundedText(decodedValue(encoded)));
}

/** Bounded once more, for lower case can be longer than what it is of. */
function lowerCase(text: string | undefined): string | undefined {
  return boundedText(text?.toLowerCase());
}

function arrivalOf(words: string | undefined): Arrival | undefined {
  return words === undefined ? undefined : MEDIUMS.find(([, pattern]) => pattern.test(words))?.[0];
}

/** For a link that says something, or a referrer, or both. The link goes first. */
function arrival(link: Link, { host, site }: Referrer): Traffic {
  const channel = link.channel ?? site?.kind ?? 'referral';
  const source = link.source ?? site?.name ?? host;
  const medium = link.medium ?? MEDIUM_OF[channel];
  return {
    ...(host !== undefined && { referrer: host }),
    channel,
    ...(source !== undefined && { source }),
    medium,
    ...(link.campaign !== undefined && { campaign: link.campaign }),
  };
}

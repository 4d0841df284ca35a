import { Random } from './random.ts';

/** The shop that the played people visit, and where they come from. All of it is made up. */
export interface Product {
  readonly id: string;
  readonly name: string;
  readonly category: string;
  readonly priceCents: number;
}

const CATEGORIES = ['garden', 'kitchen', 'lighting', 'outdoor', 'reading', 'textiles', 'toys', 'winter'] as const;
const QUALITIES = [
  'Blue',
  'Folding',
  'Grand',
  'Hand-made',
  'Little',
  'Oak',
  'Quiet',
  'Warm',
  'Zürich',
  'Wool',
] as const;
const THINGS = [
  'basket',
  'blanket',
  'bowl',
  'chair',
  'crêpe pan',
  'kite',
  'lamp',
  'lantern',
  'rucksack',
  'tent',
] as const;

/** Products in the order of their popularity: how often each is looked at falls with its rank (Zipf's law). */
export const PRODUCTS: readonly Product[] = makeProducts();
const POPULARITY: Float64Array = zipf(PRODUCTS.length);

export function pickProduct(random: Random): Product {
  const product = PRODUCTS[pickRank(POPULARITY, random)];
  if (product === undefined) throw new Error('the ranks and the products differ in number');
  return product;
}

function makeProducts(): readonly Product[] {
  const random = new Random(0x5109);
  return Array.from({ length: 400 }, (_, rank) => ({
    id: `p${1000 + rank}`,
    name: `${random.pick(QUALITIES)} ${random.pick(THINGS)} ${rank + 1}`,
    category: random.pick(CATEGORIES),
    priceCents: random.between(4, 250) * 100 - random.pick([0, 1, 5, 10]),
  }));
}

function zipf(count: number): Float64Array {
  const summed = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank += 1) {
    sum += 1 / (rank + 1);
    summed[rank] = sum;
  }
  return summed.map((part) => part / sum);
}

/** The first rank whose share, summed up to it, is above the number drawn. */
function pickRank(summed: Float64Array, random: Random): number {
  const drawn = random.fraction();
  let low = 0;
  let high = summed.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((summed[middle] ?? 1) > drawn) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** How a visit begins: the page before it, what the link carried, and the campaign as a tracker reads it from there. */
export interface Arrival {
  readonly referrer: string;
  /** The query of the landing page, with its question mark; empty when it has none. */
  readonly search: string;
  readonly campaign: { readonly [name: string]: string } | undefined;
}

const SEARCH_ENGINES = ['https://www.google.com/', 'https://www.bing.com/', 'https://duckduckgo.com/'] as const;
const SOCIAL = [
  'https://www.reddit.com/',
  'https://t.co/',
  'https://l.facebook.com/',
  'https://www.pinterest.com/',
] as const;
const SITES = [
  'https://blog.example.org/ten-lamps',
  'https://news.ycombinator.com/',
  'https://forum.example.net/t/4711',
] as const;
const CAMPAIGNS = ['autumn-sale', 'brand', 'new-arrivals', 'winter-is-near'] as const;
const NEWSLETTERS = ['newsletter-46', 'newsletter-47', 'basket-reminder'] as const;

export function pickArrival(random: Random): Arrival {
  const drawn = random.fraction();
  if (drawn < 0.3) return { referrer: '', search: '', campaign: undefined };
  if (drawn < 0.55) return { referrer: random.pick(SEARCH_ENGINES), search: '', campaign: undefined };
  if (drawn < 0.67) return { referrer: random.pick(SOCIAL), search: '', campaign: undefined };
  if (drawn < 0.74) return { referrer: random.pick(SITES), search: '', campaign: undefined };
  if (drawn < 0.85) {
    return tagged('', { source: 'newsletter', medium: 'email', name: random.pick(NEWSLETTERS) }, '');
  }
  const name = random.pick(CAMPAIGNS);
  if (drawn < 0.95) {
    const click = `&gclid=${random.uuid().replaceAll('-', '')}`;
    return tagged('https://www.google.com/', { source: 'google', medium: 'cpc', name }, click);
  }
  return tagged(random.pick(SOCIAL), { source: 'social', medium: 'paid', name }, '');
}

function tagged(
  referrer: string,
  campaign: { readonly source: string; readonly medium: string; readonly name: string },
  click: string,
): Arrival {
  const { source, medium, name } = campaign;
  return {
    referrer,
    search: `?utm_source=${source}&utm_medium=${medium}&utm_campaign=${name}${click}`,
    campaign,
  };
}

/** A device as a tracker sees it. */
export interface DeviceKind {
  readonly userAgent: string;
  readonly width: number;
  readonly height: number;
}

const DEVICE_KINDS: readonly [DeviceKind, ...DeviceKind[]] = [
  kind(
    '(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
    1920,
    1080,
  ),
  kind(
    '(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15',
    1440,
    900,
  ),
  kind('(X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0', 2560, 1440),
  kind(
    '(iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1',
    390,
    844,
  ),
  kind('(Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36', 412, 915),
  kind(
    '(iPad; CPU OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1',
    820,
    1180,
  ),
];

function kind(system: string, width: number, height: number): DeviceKind {
  return { userAgent: `Mozilla/5.0 ${system}`, width, height };
}

export function pickDeviceKind(random: Random): DeviceKind {
  return random.pick(DEVICE_KINDS);
}

/** Where a person lives, by language and time zone. */
export interface Home {
  readonly locale: string;
  readonly timezone: string;
}

const HOMES: readonly [Home, ...Home[]] = [
  { locale: 'de-CH', timezone: 'Europe/Zurich' },
  { locale: 'de-DE', timezone: 'Europe/Berlin' },
  { locale: 'en-GB', timezone: 'Europe/London' },
  { locale: 'en-US', timezone: 'America/New_York' },
  { locale: 'en-US', timezone: 'America/Los_Angeles' },
  { locale: 'en-IN', timezone: 'Asia/Kolkata' },
  { locale: 'fr-FR', timezone: 'Europe/Paris' },
  { locale: 'ja-JP', timezone: 'Asia/Tokyo' },
  { locale: 'pt-BR', timezone: 'America/Sao_Paulo' },
];

export function pickHome(random: Random): Home {
  return random.pick(HOMES);
}

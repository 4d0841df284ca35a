import fc from 'fast-check';
import type { JsonObject } from '../src/core/json.ts';
import type { SentEvent } from './recount.ts';

/**
 * What a sender sends, in the order in which it arrives: batches of Segment's API, and beside them the list of the events in
 * them, with the values that they should be counted by written here by hand.
 */
export interface SentRequest {
  readonly source: string;
  /** ISO 8601. */
  readonly receivedAt: string;
  readonly calls: readonly JsonObject[];
  readonly events: readonly SentEvent[];
}

/** A program that sends events, and what its user agent says of it. */
export interface Agent {
  readonly userAgent?: string;
  readonly values: Pick<SentEvent['values'], 'browser' | 'os' | 'device'>;
  readonly isBot: boolean;
}

const CHROME =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';

export const AGENTS = {
  chrome: { userAgent: CHROME, values: { browser: 'Chrome', os: 'Windows', device: 'desktop' }, isBot: false },
  safari: {
    userAgent:
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1',
    values: { browser: 'Safari', os: 'iOS', device: 'mobile' },
    isBot: false,
  },
  firefox: {
    userAgent: 'Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0',
    values: { browser: 'Firefox', os: 'Linux', device: 'desktop' },
    isBot: false,
  },
  none: { values: {}, isBot: false },
  googlebot: {
    userAgent: `${CHROME} (compatible; Googlebot/2.1; +http://www.google.com/bot.html)`,
    values: { browser: 'Chrome', os: 'Windows', device: 'desktop' },
    isBot: true,
  },
  curl: { userAgent: 'curl/8.5.0', values: {}, isBot: true },
} as const satisfies Record<string, Agent>;

/** A page as it was come to, and what its address and its referrer say. */
export interface Place {
  readonly url?: string;
  readonly referrer?: string;
  readonly values: Pick<SentEvent['values'], 'page' | 'referrer' | 'channel' | 'source' | 'medium' | 'campaign'>;
}

export const SITE = 'https://shop.example';

export const PLACES = {
  home: { url: `${SITE}/`, values: { page: '/', channel: 'direct' } },
  lamps: { url: `${SITE}/lamps`, referrer: `${SITE}/`, values: { page: '/lamps', channel: 'internal' } },
  cart: { url: `${SITE}/cart#sum`, referrer: `${SITE}/lamps`, values: { page: '/cart', channel: 'internal' } },
  odd: { url: `${SITE}/__proto__?a=b`, referrer: `${SITE}/`, values: { page: '/__proto__', channel: 'internal' } },
  search: {
    url: `${SITE}/lamps`,
    referrer: 'https://www.google.com/',
    values: { page: '/lamps', referrer: 'google.com', channel: 'search', source: 'Google', medium: 'organic' },
  },
  mail: {
    url: `${SITE}/sale?utm_source=newsletter&utm_medium=email&utm_campaign=spring`,
    values: { page: '/sale', channel: 'mail', source: 'newsletter', medium: 'email', campaign: 'spring' },
  },
  paid: {
    url: `${SITE}/lamps?utm_source=google&utm_medium=cpc&utm_campaign=Brand+UK`,
    referrer: 'https://www.google.com/',
    values: {
      page: '/lamps',
      referrer: 'google.com',
      channel: 'paid',
      source: 'Google',
      medium: 'cpc',
      campaign: 'Brand UK',
    },
  },
  blog: {
    url: `${SITE}/`,
    referrer: 'https://blog.example.org/ten-lamps',
    values: {
      page: '/',
      referrer: 'blog.example.org',
      channel: 'referral',
      source: 'blog.example.org',
      medium: 'referral',
    },
  },
  /** As from a server, which knows of no page. */
  nowhere: { values: {} },
} as const satisfies Record<string, Place>;

const LOCALES = [
  { locale: 'de-DE', language: 'de' },
  { locale: 'en_US.UTF-8', language: 'en' },
  { locale: undefined, language: undefined },
] as const;

const ADDRESSES = [
  { ip: '203.0.113.77', country: 'DE' },
  { ip: '198.51.100.9', country: 'NP' },
  { ip: '192.0.2.1', country: undefined },
  { ip: undefined, country: undefined },
] as const;

/** What a country file would say of the addresses, once they are truncated. */
export function countryOf(address: string): string | undefined {
  return { '203.0.113.0': 'DE', '198.51.100.0': 'NP' }[address];
}

/** An event before it is written as a call: all times in epoch milliseconds, those of the sender by its own clock. */
export interface Happening {
  readonly eventId?: string | undefined;
  readonly userId?: string | undefined;
  readonly anonymousId?: string | undefined;
  readonly createdAt: number;
  readonly sentAt?: number | undefined;
  /** A call of Segment's API: page, screen, identify, group, alias; any other is the name of a tracked event. */
  readonly type: string;
  readonly note?: string | undefined;
  readonly agent?: Agent | undefined;
  readonly place?: Place | undefined;
  readonly locale?: string | undefined;
  readonly language?: string | undefined;
  readonly ip?: string | undefined;
  readonly country?: string | undefined;
}

export interface Arrival {
  readonly source: string;
  /** Epoch milliseconds by the collector's clock. */
  readonly receivedAt: number;
}

const CALLS: ReadonlySet<string> = new Set(['page', 'screen', 'identify', 'group', 'alias']);

/** The same happenings as calls and as a list. */
export function requestOf(happenings: readonly Happening[], { source, receivedAt }: Arrival): SentRequest {
  const arrival = { source, receivedAt: new Date(receivedAt).toISOString() };
  return {
    ...arrival,
    calls: happenings.map(callOf),
    events: happenings.map((happening) => ({ ...listed(happening), ...arrival })),
  };
}

function callOf(happening: Happening): JsonObject {
  const { eventId, userId, anonymousId, type, agent, place, locale, ip, createdAt, sentAt } = happening;
  const page = place?.url === undefined ? undefined : { url: place.url, referrer: place.referrer ?? '' };
  return {
    ...(CALLS.has(type) ? { type } : { type: 'track', event: type }),
    messageId: eventId,
    userId,
    anonymousId,
    originalTimestamp: new Date(createdAt).toISOString(),
    sentAt: sentAt === undefined ? undefined : new Date(sentAt).toISOString(),
    ...contentOf(happening),
    context: { userAgent: agent?.userAgent, locale, ip, page },
  };
}

/** A page call repeats its page among its properties. */
function contentOf({ type, note, place }: Happening): JsonObject {
  if (type === 'identify') return { traits: { note } };
  if (type !== 'page' || place?.url === undefined) return { properties: { note } };
  return { properties: { note, url: place.url, referrer: place.referrer } };
}

function listed(happening: Happening): Omit<SentEvent, 'source' | 'receivedAt'> {
  const { eventId, userId, anonymousId, createdAt, sentAt, type, agent, place, language, country } = happening;
  return {
    eventId,
    userId,
    anonymousId,
    createdAt: new Date(createdAt).toISOString(),
    sentAt: sentAt === undefined ? undefined : new Date(sentAt).toISOString(),
    eventType: type,
    content: JSON.stringify(contentOf(happening)),
    isBot: agent?.isBot === true,
    values: { ...agent?.values, ...place?.values, language, country },
  };
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** A little before what is to be got wrong. */
const ANCHORS = [
  '2026-03-28T18:00:00Z', // Midnight in Kathmandu is at 18:15.
  '2026-03-28T22:35:00Z', // In Berlin at 23:00, and
  '2026-03-28T23:40:00Z', // in UTC.
  '2026-03-29T00:40:00Z', // Berlin's clocks go forward at 01:00.
  '2026-03-29T02:05:00Z', // Midnight in St. John's, at 02:30.
  '2026-03-29T21:35:00Z', // The next one in Berlin, at 22:00.
  '2026-10-25T00:40:00Z', // They go back at 01:00.
].map((time) => Date.parse(time));

/** Since the latest event of the same device; below 0, it is late. A session ends with more than 30 minutes of silence. */
const GAPS_MS = [
  0,
  1,
  999,
  SECOND_MS,
  59_999,
  5 * MINUTE_MS,
  10 * MINUTE_MS,
  20 * MINUTE_MS,
  30 * MINUTE_MS - 1,
  30 * MINUTE_MS,
  30 * MINUTE_MS + 1,
  45 * MINUTE_MS,
  3 * HOUR_MS,
  -1,
  -SECOND_MS,
  -10 * MINUTE_MS,
  -45 * MINUTE_MS,
];

/** A device of one visitor is another visitor in another source. The last is the first user's, before a cookie was set. */
const DEVICES = [{ anonymousId: 'a' }, { anonymousId: 'b' }, { anonymousId: 'c' }, { anonymousId: 'u' }, {}] as const;

function among<const Value>(values: readonly Value[]): fc.Arbitrary<Value> {
  return fc.constantFrom(...values);
}

const anyCall = fc.record({
  device: among(DEVICES),
  /** A device without an id of its own has always one. */
  userId: among([undefined, undefined, 'u', 'v']),
  gapMs: among(GAPS_MS),
  type: among([
    'page',
    'page',
    'page',
    'screen',
    'Order Completed',
    '__proto__',
    'identify',
    'group',
    'alias',
    'Page Left',
    'Scrolled',
  ]),
  agent: among<Agent>([AGENTS.chrome, AGENTS.chrome, ...Object.values(AGENTS)]),
  place: among<Place>(Object.values(PLACES)),
  locale: among(LOCALES),
  address: among(ADDRESSES),
  note: among([undefined, 'n']),
  hasId: among([true, true, true, false]),
  isTwice: among([false, false, false, true]),
});
type Call = typeof anyCall extends fc.Arbitrary<infer Value> ? Value : never;

const anyBatch = fc.record({
  source: among(['shop', 'shop', 'blog']),
  calls: fc.array(anyCall, { minLength: 1, maxLength: 5 }),
  /** From the last event to sending. */
  waitMs: among([0, 0, 900, 5 * MINUTE_MS, 2 * HOUR_MS]),
  wayMs: among([0, 0, 1, 700]),
  /** How far the senders' clock is ahead. */
  skewMs: among([0, 0, 0, 90 * SECOND_MS, -2 * HOUR_MS, 25 * HOUR_MS]),
  saysSentAt: among([true, true, true, false]),
});
type Batch = typeof anyBatch extends fc.Arbitrary<infer Value> ? Value : never;

/** What is different when a batch is sent again: the first four are the same events still, of visitors that have an anonymousId. */
const CHANGES: readonly ((happening: Happening) => Happening)[] = [
  (happening) => happening,
  (happening) => ({ ...happening, agent: AGENTS.safari }),
  (happening) => ({ ...happening, country: undefined, ip: undefined, locale: 'en', language: 'en' }),
  (happening) => ({ ...happening, userId: 'v' }),
  (happening) => ({ ...happening, createdAt: happening.createdAt + 1 }),
  (happening) => ({ ...happening, note: 'changed' }),
  (happening) => ({ ...happening, anonymousId: 'b' }),
  (happening) => ({ ...happening, eventId: happening.eventId && `${happening.eventId}x` }),
];

const anyCopy = fc.record({
  /** Which batch, and how many others come in between. */
  batch: fc.nat(),
  after: fc.nat(3),
  laterMs: among([0, 1, 20 * SECOND_MS, 40 * MINUTE_MS]),
  change: among([0, 0, 0, ...CHANGES.keys()]),
  source: among([undefined, undefined, undefined, 'blog']),
});
type Copy = typeof anyCopy extends fc.Arbitrary<infer Value> ? Value : never;

/**
 * Few visitors, users, pages and times, so that sessions meet their edges and one another; late events, duplicates in the
 * same batch and in later ones, near-duplicates, several user agents on one device, bots among people, clocks that are wrong.
 */
export const anyHistory: fc.Arbitrary<readonly SentRequest[]> = fc
  .record({
    anchor: among(ANCHORS),
    batches: fc.array(anyBatch, { minLength: 1, maxLength: 10 }),
    copies: fc.array(anyCopy, { maxLength: 4 }),
  })
  .map(({ anchor, batches, copies }) => {
    const sent = sendingsOf(anchor, batches);
    const all = [...sent];
    for (const copy of copies) {
      const place = copy.batch % sent.length;
      const again = sent[place];
      if (again !== undefined) all.splice(place + 1 + copy.after, 0, sentAgain(again, copy));
    }
    return all.map(({ happenings, arrival }) => requestOf(happenings, arrival));
  });

interface Sending {
  readonly happenings: readonly Happening[];
  readonly arrival: Arrival;
}

function sendingsOf(anchor: number, batches: readonly Batch[]): readonly Sending[] {
  const latest = new Map<string, number>();
  let events = 0;
  return batches.map(({ source, calls, waitMs, wayMs, skewMs, saysSentAt }) => {
    const happened = calls.map((call) => {
      const device = JSON.stringify([source, call.device]);
      const before = latest.get(device) ?? anchor;
      const at = before + call.gapMs;
      latest.set(device, Math.max(before, at));
      events += 1;
      return { call, at, eventId: call.hasId ? `e${events}` : undefined };
    });
    const sentAt = Math.max(...happened.map(({ at }) => at)) + waitMs;
    const happenings = happened.flatMap(({ call, at, eventId }) => {
      const times = { createdAt: at + skewMs, sentAt: saysSentAt ? sentAt + skewMs : undefined };
      const happening = { ...happeningOf(call), ...times, eventId };
      return call.isTwice ? [happening, happening] : [happening];
    });
    return { happenings, arrival: { source, receivedAt: sentAt + wayMs } };
  });
}

function happeningOf({ device, userId, type, agent, place, locale, address, note }: Call) {
  const ids = 'anonymousId' in device ? { ...device, userId } : { userId: userId ?? 'u' };
  return { ...ids, type, agent, place, ...locale, ...address, note };
}

function sentAgain({ happenings, arrival }: Sending, { laterMs, change, source }: Copy): Sending {
  const changed = happenings.map(CHANGES[change] ?? ((happening) => happening));
  return {
    happenings: changed.map((happening) => ({
      ...happening,
      sentAt: happening.sentAt && happening.sentAt + laterMs,
    })),
    arrival: { source: source ?? arrival.source, receivedAt: arrival.receivedAt + laterMs },
  };
}

import { AGENTS, type Happening, PLACES, requestOf, type SentRequest } from '../histories.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const ENTRIES = [PLACES.home, PLACES.search, PLACES.mail, PLACES.paid, PLACES.blog, PLACES.home] as const;
const INNER = [PLACES.lamps, PLACES.cart, PLACES.odd, PLACES.lamps] as const;
const AGENTS_USED = [AGENTS.chrome, AGENTS.safari, AGENTS.chrome, AGENTS.firefox, AGENTS.googlebot] as const;
const LANGUAGES = [
  { locale: 'de-DE', language: 'de' },
  { locale: 'en-GB', language: 'en' },
  { locale: undefined, language: undefined },
] as const;

/**
 * Visits of the last days to two sources, as requests and as the list of their events: one request a device, with a visit every few
 * days, of one to five pages, some of whose visitors say who they are. The same for the same end.
 */
export function visitsUntil(end: number, { devices = 70, days = 16 } = {}): readonly SentRequest[] {
  return Array.from({ length: devices }, (_, device) => {
    const happenings: Happening[] = [];
    const every = 1 + (device % 5);
    for (let day = days - (device % every); day > 0; day -= every) {
      const begun = end - day * DAY_MS + ((device * 7 + day * 3) % 23) * HOUR_MS + (device % 60) * MINUTE_MS;
      happenings.push(...visit({ device, day, begun }));
    }
    const past = happenings.filter(({ createdAt }) => createdAt < end - MINUTE_MS);
    return requestOf(past, { source: device % 4 === 3 ? 'blog' : 'shop', receivedAt: end });
  });
}

function visit({
  device,
  day,
  begun,
}: {
  readonly device: number;
  readonly day: number;
  readonly begun: number;
}): Happening[] {
  const pages = (device + day) % 5;
  const places = [
    ENTRIES[(device + day) % ENTRIES.length],
    ...Array.from({ length: pages }, (_, at) => INNER[(device + at) % INNER.length]),
  ];
  const agent = AGENTS_USED[device % AGENTS_USED.length];
  const language = LANGUAGES[device % LANGUAGES.length];
  return places.map((place, at) => ({
    eventId: `${device}-${day}-${at}`,
    anonymousId: `device-${device}`,
    type: 'page',
    createdAt: begun + at * (40_000 + 1_000 * ((device * 13 + at * 29) % 300)),
    ...{ place, agent, ...language },
  }));
}

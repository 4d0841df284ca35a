/** Events of the recorded input that are written by hand, for what visits to a shop do not have. */
import type { Sent, SentTogether } from './recorded-input.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const BOT = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0';
/** Two devices each. An id may hold what a path cannot, and letters of any script. */
const PEOPLE = ['zoë', 'josé/ana', 'мила 100%', '中村 😀', 'x?y&z=1'] as const;

interface Times {
  readonly startMs: number;
  readonly nowMs: number;
}

export function recordedEvents(times: Times): readonly SentTogether[] {
  return [
    ...PEOPLE.flatMap((userId, place) => onTwoDevices(userId, times.startMs + (3 * 60 + place * 7) * MINUTE_MS)),
    ...withoutDevice(times.startMs + 4 * HOUR_MS),
    ...fromBrowsers(times.startMs + 5 * HOUR_MS),
    ...timed(times),
    ...sentWithTimes(times),
    ...wrong(times.startMs + 2 * HOUR_MS),
  ];
}

function stored(...events: readonly object[]): readonly Sent[] {
  return events.map((event) => ({ event, outcome: 'stored' }));
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** Looks on the laptop, logs in there, and buys on the phone; on the laptop an event comes late, and a session later. */
function onTwoDevices(userId: string, startMs: number): readonly SentTogether[] {
  const laptop = { anonymousId: `${userId} laptop` };
  const phone = { anonymousId: `${userId} phone`, userId };
  const at = (minutes: number) => ({ timestamp: isoTime(startMs + minutes * MINUTE_MS) });
  const id = (name: string) => ({ messageId: `${userId}: ${name}` });
  const page = (path: string) => ({
    type: 'page',
    name: `Seite ${path}`,
    properties: { path, title: 'Übersicht „€“' },
  });
  const order = {
    ...{ order_id: `o-${userId}`, revenue: 129.9, currency: 'EUR' },
    products: [{ product_id: 'p1', name: 'Crêpe-Pfanne 😀', price: 129.9, quantity: 1 }],
  };
  const bought = { type: 'track', event: 'Order Completed', ...phone, ...id('order'), ...at(12), properties: order };
  return [
    {
      sent: stored(
        { ...page('/'), ...laptop, ...id('home'), ...at(0) },
        { ...page('/größen'), ...laptop, ...id('sizes'), ...at(3) },
      ),
      beside: { context: { userAgent: FIREFOX, locale: 'de-AT', page: { referrer: 'https://www.google.com/' } } },
    },
    { path: '/v1/identify', sent: stored({ ...laptop, userId, ...id('login'), ...at(4), traits: { plan: 'gold' } }) },
    { path: '/v1/import', sent: stored({ ...page('/checkout'), ...phone, ...id('checkout'), ...at(11) }, bought) },
    { path: '/v1/track', sent: stored({ event: 'Size Chosen', ...laptop, ...id('late'), ...at(2) }) },
    { sent: stored({ ...page('/'), ...laptop, ...id('home again'), ...at(60) }) },
    // Of one id and another content: two events. And one that comes twice in one request, once anew.
    {
      sent: [
        ...stored({ ...bought, properties: { ...order, revenue: 1 } }),
        { event: bought, outcome: 'duplicate' },
        { event: bought, outcome: 'duplicate' },
      ],
    },
  ];
}

/** What servers send: users alone, and the calls that are neither page nor track. */
function withoutDevice(startMs: number): readonly SentTogether[] {
  const at = (minutes: number) => ({ timestamp: isoTime(startMs + minutes * MINUTE_MS) });
  return [
    { path: '/v1/track', sent: stored({ event: 'Invoice Paid', userId: 'acme', messageId: 'paid', ...at(0) }) },
    {
      path: '/v1/group',
      sent: stored({ userId: 'acme', groupId: 'g1', messageId: 'g', ...at(1), traits: { seats: 3 } }),
    },
    { path: '/v1/screen', sent: stored({ name: 'Start', userId: 'acme', messageId: 's', ...at(2) }) },
    { path: '/v1/alias', sent: stored({ userId: 'acme', previousId: 'acme-old', messageId: 'a', ...at(3) }) },
    // No id of its own, and a number for a user.
    {
      sent: stored({
        type: 'track',
        event: '__proto__',
        userId: 4_711,
        ...at(4),
        properties: { constructor: [null, 1.5] },
      }),
    },
    { path: '/v1/page', sent: stored({ userId: 'crawler', messageId: 'b', ...at(5), context: { userAgent: BOT } }) },
  ];
}

/** By the paths of the browser's tracker, where the request itself tells of the visitor. */
function fromBrowsers(startMs: number): readonly SentTogether[] {
  const headers = { 'User-Agent': FIREFOX };
  const at = (minutes: number) => ({ timestamp: isoTime(startMs + minutes * MINUTE_MS) });
  const anonymousId = 'browser';
  return [
    {
      path: '/v1/p',
      headers,
      sent: stored({ anonymousId, messageId: 'p', ...at(0), context: { ip: '203.0.113.77' } }),
    },
    { path: '/v1/t', headers, sent: stored({ anonymousId, messageId: 't', ...at(1), event: 'Clicked' }) },
    { path: '/v1/b', headers, sent: stored({ type: 'page', anonymousId, messageId: 'b', ...at(2) }) },
  ];
}

/** All ways to write a time, and two that the arrival stands for. */
function timed({ startMs, nowMs }: Times): readonly SentTogether[] {
  const atMs = startMs + 5.5 * HOUR_MS;
  const text = isoTime(atMs);
  const times: readonly unknown[] = [atMs, text.replace('.000Z', 'Z'), text.replace('.000Z', '.123456Z')];
  const zoned = isoTime(atMs + 2 * HOUR_MS).replace('.000Z', '+02:00');
  const written = [...times, zoned].map((timestamp, place) => ({
    ...{ type: 'track', event: 'Timed', messageId: `timed-${place}`, anonymousId: `timed-${place}`, timestamp },
  }));
  const future = { timestamp: isoTime(nowMs + 48 * HOUR_MS) };
  return [
    { sent: stored(...written) },
    { path: '/v1/track', sent: stored({ event: 'Untimed', userId: 'untimed', messageId: 'untimed' }) },
    { path: '/v1/track', sent: stored({ event: 'Ahead', userId: 'ahead', messageId: 'ahead', ...future }) },
  ];
}

/** Trackers that say when they sent, whose clocks are right, slow or fast. One request each, so its times move together. */
function sentWithTimes({ startMs, nowMs }: Times): readonly SentTogether[] {
  const happened = startMs - 24 * HOUR_MS + 20 * MINUTE_MS;
  const clocks: readonly (readonly [string, number])[] = [
    ['right', 0],
    ['slow', -3 * HOUR_MS],
    ['fast', 50 * HOUR_MS],
  ];
  return clocks.flatMap(([name, skewMs]) => {
    const sentAt = isoTime(nowMs + skewMs);
    const event = (place: number) => ({
      ...{ type: 'page', anonymousId: `clock-${name}`, userId: 'of three clocks', messageId: `clock-${name}-${place}` },
      timestamp: isoTime(happened + skewMs + place * MINUTE_MS),
      properties: { path: `/${name}/${place}` },
    });
    const again = { ...event(1), sentAt: isoTime(nowMs + skewMs + 5_000) };
    return [
      { sent: stored(event(0), event(2), event(1), event(45 - 30)), beside: { sentAt } },
      { sent: [{ event: again, outcome: 'duplicate' }] },
    ];
  });
}

/** What is set aside, for each reason that there is without schemas. */
function wrong(atMs: number): readonly SentTogether[] {
  const good = { type: 'track', event: 'Wröng', userId: 'wrong', timestamp: isoTime(atMs) };
  let deep: object = {};
  for (let level = 0; level < 40; level += 1) deep = { deeper: deep };
  const events: readonly (readonly [string, unknown])[] = [
    ['type_invalid', { ...good, type: 'trck', note: 'mögen 中 😀' }],
    ['type_missing', { ...good, event: null }],
    ['not_an_object', 17],
    ['not_an_object', null],
    ['not_an_object', ['no', { event: 'é' }]],
    ['id_missing', { ...good, userId: '' }],
    ['id_invalid', { ...good, userId: 'n\0l' }],
    ['id_invalid', { ...good, anonymousId: 'ä'.repeat(201) }],
    ['time_invalid', { ...good, timestamp: 'gestern früh' }],
    ['field_invalid', { ...good, properties: 'keine' }],
    ['too_deep', { ...good, properties: deep }],
    ['too_large', { ...good, properties: { text: '€'.repeat(22_000) } }],
  ];
  const sent = events.map(([outcome, event]) => ({ event, outcome }));
  const alone = { event: { ...good, context: deep }, outcome: 'too_deep' };
  return [{ sent }, { path: '/v1/track', sent: [alone] }];
}

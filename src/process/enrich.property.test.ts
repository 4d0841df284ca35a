import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Event } from '../core/event.ts';
import type { Json } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import { createEnrich } from './enrich.ts';

const options = {
  domains: (source: string) => (source === 'shop' ? ['shop.example', 'pay.example'] : []),
  countryOf: (address: string) => (address.startsWith('203.') ? 'GB' : undefined),
};
const enrich = createEnrich(options);

const parts = fc.constantFrom(
  ...['https://', 'HTTP://', 'android-app://', '//', '/', '?', '#', '&', '=', '@', ':', '.', '%', '%zz', '+', '[', ']'],
  ...['\\', '\0', '\n', ' ', '\ud800', 'İ', 'ß', '🛒', 'www.', 'google', 'shop.example', '.com', '.co.uk', 't.co'],
  ...[
    'utm_source',
    'utm_medium',
    'utm_campaign',
    'gclid',
    'fbclid',
    'cpc',
    'email',
    'amp;',
    'Mozilla/5.0 (',
    'Android',
  ],
  ...[
    'en',
    '-',
    '_',
    'GB',
    '203.0.113.0',
    'x'.repeat(400),
    'İ'.repeat(400),
    '🛒'.repeat(151),
    '%F0%9F%9B%92'.repeat(200),
  ],
);
const text = fc.oneof(
  fc.array(parts).map((chosen) => chosen.join('')),
  fc.webUrl({ withQueryParameters: true }),
  fc.string(),
);
const anything = fc.oneof(
  { weight: 3, arbitrary: text },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json> },
);
function objectOf(...names: readonly string[]) {
  const members = Object.fromEntries(names.map((name) => [name, anything]));
  return fc.record(members, { requiredKeys: [] });
}
const page = objectOf('url', 'referrer', 'search', 'path');
const context = fc
  .tuple(
    objectOf('userAgent', 'locale', 'ip', 'page', 'campaign'),
    fc.option(page),
    fc.option(objectOf('source', 'medium', 'name')),
  )
  .map(([members, ownPage, campaign]) => ({
    ...members,
    ...(ownPage !== null && { page: ownPage }),
    ...(campaign !== null && { campaign }),
  }));
const event: fc.Arbitrary<Event> = fc.record({
  eventId: fc.constant('e'),
  source: fc.constantFrom('shop', 'other'),
  eventType: fc.constantFrom('page', 'screen', 'Added'),
  anonymousId: fc.constant('a'),
  createdAt: fc.constant('2026-11-23T10:00:00.000Z'),
  receivedAt: fc.constant('2026-11-23T10:00:00.000Z'),
  timestamp: fc.constant('2026-11-23T10:00:00.000Z'),
  fingerprint: fc.constant('f'),
  properties: page,
  context,
  traits: fc.constant({}),
});

const NAMES: readonly string[] = [
  ...[
    'page',
    'browser',
    'os',
    'device',
    'bot',
    'referrer',
    'channel',
    'source',
    'medium',
    'campaign',
    'language',
    'country',
  ],
];

test('whatever an event holds, nothing throws, and what is found is bounded and fit to be stored', () => {
  fc.assert(
    fc.property(event, (given) => {
      for (const [name, value] of Object.entries(enrich(given))) {
        expect(NAMES).toContain(name);
        if (name === 'bot') {
          expect(value).toBe(true);
          continue;
        }
        const found = String(value);
        expect(typeof value).toBe('string');
        expect(found.length).toBeGreaterThan(0);
        expect(found.length).toBeLessThanOrEqual(LIMITS.rowKeyCharsMax);
        expect(found.isWellFormed()).toBe(true);
        expect(found).not.toMatch(/\p{Cc}/u);
        expect(found.trim()).toBe(found);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('what was enriched before changes nothing: caches are seen in time alone', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 5 }), (events) => {
      const fresh = events.map((given) => createEnrich(options)(given));
      const used = events.map((given) => enrich(given));
      const again = events.map((given) => enrich(structuredClone(given)));
      expect(used).toEqual(fresh);
      expect(again).toEqual(fresh);
    }),
    { numRuns: 300 },
  );
});

test('direct and internal visits have no source and no medium, and all others a medium', () => {
  fc.assert(
    fc.property(event, (given) => {
      const { channel, source, medium, referrer, campaign } = enrich(given);
      if (channel === undefined || channel === 'direct' || channel === 'internal') {
        expect([source, medium, referrer, campaign]).toEqual([undefined, undefined, undefined, undefined]);
      } else {
        expect(medium).toBeDefined();
      }
    }),
  );
});

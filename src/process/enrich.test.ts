import { expect, test } from 'vitest';
import type { Event } from '../core/event.ts';
import type { JsonObject } from '../core/json.ts';
import { createEnrich } from './enrich.ts';

const enrich = createEnrich({
  domains: (source) => (source === 'shop' ? ['shop.example'] : []),
  countryOf: (address) => (address === '203.0.113.0' ? 'GB' : undefined),
});

function eventWith(context: JsonObject, source = 'shop'): Event {
  const time = '2026-11-23T10:00:00.000Z';
  const times = { createdAt: time, receivedAt: time, timestamp: time };
  const rest = { properties: {}, traits: {}, fingerprint: 'f', anonymousId: 'a' };
  return { eventId: 'e', source, eventType: 'page', ...times, ...rest, context };
}

test('a browser tells much of itself', () => {
  const context = {
    ip: '203.0.113.0',
    locale: 'en-GB',
    userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
    page: { url: 'https://shop.example/?utm_source=google&utm_medium=cpc', referrer: 'https://www.google.com/' },
    campaign: { source: 'google', medium: 'cpc', name: 'brand' },
  };
  expect(enrich(eventWith(context))).toEqual({
    page: '/',
    browser: 'Firefox',
    os: 'Linux',
    device: 'desktop',
    referrer: 'google.com',
    channel: 'paid',
    source: 'Google',
    medium: 'cpc',
    campaign: 'brand',
    language: 'en',
    country: 'GB',
  });
});

test('of what a server sends nothing is known, and it is no bot', () => {
  expect(enrich(eventWith({ library: { name: 'analytics-node' } }))).toEqual({});
});

test('domains are those of the source', () => {
  const context = { page: { url: 'https://shop.example/', referrer: 'https://blog.shop.example/' } };
  expect(enrich(eventWith(context)).channel).toBe('internal');
  expect(enrich(eventWith(context, 'other')).channel).toBe('referral');
});

test('without a database of countries there are none', () => {
  expect(createEnrich({ domains: () => [] })(eventWith({ ip: '203.0.113.0' }))).toEqual({});
});

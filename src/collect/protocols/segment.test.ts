import { describe, expect, test } from 'vitest';
import type { Json } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Mapped } from '../protocol.ts';
import { segment } from './segment.ts';

function map(path: string, body: Json | Buffer, headers: Record<string, string> = {}) {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  return segment.map({ method: 'POST', path, query: '', headers, body: bytes, receivedAt: 0 });
}

function eventsOf(path: string, body: Json): readonly Mapped[] {
  const mapped = map(path, body);
  if (mapped.kind !== 'events') throw new Error(`no events, but ${mapped.kind}`);
  return mapped.events;
}

const NONE = { userId: undefined, anonymousId: undefined, createdAt: undefined, sentAt: undefined, eventId: undefined };

test.each<[string, string, Json, object]>([
  [
    'track',
    '/v1/track',
    {
      event: 'Bought',
      messageId: 'm',
      userId: 'u',
      anonymousId: 'a',
      timestamp: 't',
      sentAt: 's',
      properties: { p: 1 },
    },
    {
      eventType: 'Bought',
      eventId: 'm',
      userId: 'u',
      anonymousId: 'a',
      createdAt: 't',
      sentAt: 's',
      properties: { p: 1 },
    },
  ],
  ['the type of the path, not of the body', '/v1/page', { type: 'track', event: 'x' }, { eventType: 'page' }],
  ['originalTimestamp first', '/v1/page', { timestamp: 't', originalTimestamp: 'o' }, { createdAt: 'o' }],
  [
    'numbers as ids',
    '/v1/page',
    { userId: 7, anonymousId: 0, messageId: 1.5 },
    { userId: '7', anonymousId: '0', eventId: '1.5' },
  ],
  ['empty and null ids', '/v1/page', { userId: '', anonymousId: null, messageId: '' }, NONE],
  [
    'null everywhere',
    '/v1/page',
    { properties: null, context: null, traits: null },
    { properties: {}, context: {}, traits: {} },
  ],
  [
    'name and category of a page',
    '/v1/page',
    { name: 'Home', category: 'Shop', properties: { name: 'Own', path: '/' } },
    { eventType: 'page', properties: { name: 'Own', category: 'Shop', path: '/' } },
  ],
  ['screen', '/v1/screen', { name: 'Main' }, { eventType: 'screen', properties: { name: 'Main' } }],
  ['no page name on a track', '/v1/track', { event: 'e', name: 'Home' }, { properties: {} }],
  ['identify', '/v1/identify', { traits: { age: 3 } }, { eventType: 'identify', traits: { age: 3 } }],
  ['traits of the context', '/v1/track', { event: 'e', context: { traits: { age: 3 } } }, { traits: { age: 3 } }],
  [
    'group',
    '/v1/group',
    { groupId: 'g', context: { traits: { age: 3 } } },
    { eventType: 'group', properties: { groupId: 'g' }, traits: {} },
  ],
  [
    'alias',
    '/v1/alias',
    { previousId: 'p', userId: 'u' },
    { eventType: 'alias', properties: { previousId: 'p' }, userId: 'u' },
  ],
  [
    'bookkeeping',
    '/v1/page',
    { _metadata: { retryCount: 2 }, integrations: { All: true }, writeKey: 'k', sentAt: 's', type: 'page' },
    { properties: {}, context: {} },
  ],
])('maps %s', (_, path, body, expected) => {
  expect(eventsOf(path, body)[0]).toMatchObject({ kind: 'candidate', ...expected });
});

describe('what has no place of its own is kept in the context', () => {
  test.each<[string, string, Json, object]>([
    [
      'unknown members',
      '/v1/track',
      { event: 'e', channel: 'server', version: 2, deep: { a: [null] }, nothing: null, context: { locale: 'de' } },
      { locale: 'de', _unmapped: { channel: 'server', version: 2, deep: { a: [null] }, nothing: null } },
    ],
    ['a page’s name on a track call', '/v1/track', { event: 'e', name: 'Home' }, { _unmapped: { name: 'Home' } }],
    ['an event’s name on a page', '/v1/page', { event: 'e', name: 'Home' }, { _unmapped: { event: 'e' } }],
    ['another type than that of the path', '/v1/page', { type: 'track' }, { _unmapped: { type: 'track' } }],
    [
      'the time that is not the event’s',
      '/v1/page',
      { timestamp: 't', originalTimestamp: 'o' },
      { _unmapped: { timestamp: 't' } },
    ],
    ['nothing of equal times', '/v1/page', { timestamp: 't', originalTimestamp: 't' }, {}],
    [
      'a name that the properties have already',
      '/v1/page',
      { name: 'A', properties: { name: 'B' } },
      { _unmapped: { name: 'A' } },
    ],
    ['nothing of equal names', '/v1/page', { name: 'A', category: null, properties: { name: 'A', category: 'C' } }, {}],
    ['a groupId of no group', '/v1/alias', { groupId: 'g', previousId: 'p' }, { _unmapped: { groupId: 'g' } }],
    ['an address, truncated', '/v1/page', { ip: '203.0.113.7' }, { _unmapped: { ip: '203.0.113.0' } }],
    [
      'beside what has that name',
      '/v1/page',
      { x: 1, context: { _unmapped: 2 } },
      { _unmapped: 2, __unmapped: { x: 1 } },
    ],
  ])('%s', (_, path, body, context) => {
    expect(eventsOf(path, body)).toEqual([expect.objectContaining({ context })]);
  });

  test('also when it is named __proto__, in a batch, and beside a context that is none', () => {
    const body = Buffer.from('{"batch":[{"type":"page","__proto__":{"a":1}},{"type":"page","x":1,"context":7}]}');
    const mapped = map('/v1/batch', body);
    expect(JSON.stringify(mapped)).toContain('"context":{"_unmapped":{"__proto__":{"a":1}}}');
    expect(mapped).toMatchObject({ events: [{}, { context: 7 }] });
  });
});

describe('the browser’s tracker', () => {
  const types = { t: 'e', p: 'page', s: 'screen', i: 'identify', g: 'group', a: 'alias' };
  test.each(Object.entries(types))('posts to /v1/%s a call of %s', (letter, eventType) => {
    expect(eventsOf(`/v1/${letter}`, { event: 'e', userId: 'u' })).toMatchObject([{ eventType, userId: 'u' }]);
  });

  test('posts batches to /v1/b', () => {
    const body = { batch: [{ type: 'track', event: 'e' }, { type: 'page' }], sentAt: 's', writeKey: 'k' };
    expect(map('/v1/b', body)).toMatchObject({
      writeKey: 'k',
      events: [{ eventType: 'e', sentAt: 's' }, { eventType: 'page' }],
    });
  });

  test('posts its own metrics, which are no events, whatever they are', () => {
    for (const body of [{ series: [{ type: 'Counter' }] }, Buffer.from('no JSON')]) {
      expect(map('/v1/m', body)).toMatchObject({ kind: 'answered', writeKey: undefined, answer: { status: 200 } });
    }
  });

  const settings = (path: string, headers: Record<string, string> = {}) =>
    segment.map({ method: 'GET', path, query: '', headers, body: Buffer.alloc(0), receivedAt: 0 });
  const tracker = (path: string, headers: Record<string, string>): unknown => {
    const mapped = settings(path, headers);
    if (mapped.kind !== 'answered') throw new Error(`no answer, but ${mapped.kind}`);
    return JSON.parse(mapped.answer.body).integrations['Segment.io'];
  };

  test('gets settings for its key, with which it loads and sends nothing to others', () => {
    const mapped = settings('/v1/projects/KEY%20%C3%BC/settings', { host: 'events.example:8080' });
    expect(mapped).toMatchObject({ kind: 'answered', writeKey: 'KEY ü', answer: { status: 200 } });
    expect(tracker('/v1/projects/KEY/settings', { host: 'events.example:8080' })).toMatchObject({
      apiKey: 'KEY',
      apiHost: 'events.example:8080/v1',
      protocol: 'http',
    });
  });

  test.each<[string, Record<string, string>, object]>([
    ['a proxy with TLS', { host: 'e.test', 'x-forwarded-proto': 'https' }, { apiHost: 'e.test/v1', protocol: 'https' }],
    ['two of them', { host: 'e.test', 'x-forwarded-proto': 'https, http' }, { protocol: 'https' }],
    ['IPv6', { host: '[::1]:8080' }, { apiHost: '[::1]:8080/v1', protocol: 'http' }],
  ])('is sent to the host that it asked: %s', (_, headers, expected) => {
    expect(tracker('/v1/projects/KEY/settings', headers)).toMatchObject(expected);
  });

  test.each(['', 'a b', 'e.test/path', 'user@e.test', 'e.test:port'])(
    'is told of no host where "%s" is none',
    (host) => {
      expect(tracker('/v1/projects/KEY/settings', { host })).not.toHaveProperty('apiHost');
    },
  );

  test('is refused with a key that is not well encoded', () => {
    expect(settings('/v1/projects/%ff/settings')).toMatchObject({
      kind: 'rejected',
      error: { code: 'write_key_wrong' },
    });
  });
});

test.each(['/v1/batch', '/v1/import'])('maps the events of %s, with what the batch says for all of them', (path) => {
  const events = eventsOf(path, {
    sentAt: 's',
    context: { app: 'shop', locale: 'en' },
    batch: [
      { type: 'track', event: 'Bought', context: { locale: 'de' } },
      { type: 'page', sentAt: 'own' },
      { type: '' },
      {},
      7,
      { type: 'purchase' },
    ],
  });
  expect(events[0]).toMatchObject({ eventType: 'Bought', sentAt: 's', context: { app: 'shop', locale: 'de' } });
  expect(events[1]).toMatchObject({ eventType: 'page', sentAt: 'own', context: { app: 'shop', locale: 'en' } });
  expect(events[2]).toMatchObject({ kind: 'candidate', eventType: '' });
  expect(events[3]).toMatchObject({ kind: 'candidate', eventType: '' });
  expect(events[4]).toMatchObject({ kind: 'unmappable', reason: { code: 'not_an_object' } });
  expect(events[5]).toMatchObject({ kind: 'unmappable', reason: { code: 'type_invalid' } });
});

test('the key of the header comes before the key of the body', () => {
  const basic = { authorization: `Basic ${Buffer.from('header:').toString('base64')}` };
  expect(map('/v1/page', { writeKey: 'body' })).toMatchObject({ writeKey: 'body' });
  expect(map('/v1/page', { writeKey: 'body' }, basic)).toMatchObject({ writeKey: 'header' });
  expect(map('/v1/batch', { writeKey: 'body', batch: [] })).toMatchObject({ writeKey: 'body' });
  expect(map('/v1/page', { writeKey: 7 })).toMatchObject({ writeKey: undefined });
});

const tooMany = Array.from({ length: LIMITS.batchEventsMax + 1 }, () => ({}));
const deep = (levels: number) => JSON.parse(`${'{"a":'.repeat(levels)}{}${'}'.repeat(levels)}`) as Json;

test.each<[string, string, Json | Buffer, string]>([
  ['no body', '/v1/track', Buffer.from(''), 'body_not_json'],
  ['half a body', '/v1/track', Buffer.from('{"event":'), 'body_not_json'],
  ['bytes that are not UTF-8', '/v1/track', Buffer.from([0x22, 0xff, 0x22]), 'body_not_json'],
  ['an array', '/v1/track', [{}], 'body_not_object'],
  ['null', '/v1/batch', null, 'body_not_object'],
  ['no batch', '/v1/batch', {}, 'batch_missing'],
  ['a batch that is no array', '/v1/batch', { batch: {} }, 'batch_missing'],
  ['a batch too long', '/v1/batch', { batch: tooMany }, 'batch_too_long'],
  ['a context that is a text', '/v1/batch', { batch: [], context: 'x' }, 'batch_context_invalid'],
  ['a context nested too deep', '/v1/batch', { batch: [{}], context: deep(40) }, 'batch_context_invalid'],
  [
    'a context that grows with the batch',
    '/v1/batch',
    { batch: Array.from({ length: 2_000 }, () => ({})), context: { a: 'x'.repeat(10_000) } },
    'batch_context_invalid',
  ],
])('rejects %s', (_, path, body, code) => {
  expect(map(path, body)).toMatchObject({ kind: 'rejected', error: { code, status: 400 } });
});

test('a byte order mark is skipped', () => {
  expect(map('/v1/page', Buffer.from('\ufeff{"userId":"u"}'))).toMatchObject({ events: [{ userId: 'u' }] });
});

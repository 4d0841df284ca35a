import { expect, test } from 'vitest';
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
  if (mapped.kind !== 'events') throw mapped.error;
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
    { _metadata: { retryCount: 2 }, integrations: { All: true }, writeKey: 'k' },
    { properties: {}, context: {} },
  ],
])('maps %s', (_, path, body, expected) => {
  expect(eventsOf(path, body)[0]).toMatchObject({ kind: 'candidate', ...expected });
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

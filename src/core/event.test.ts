import { describe, expect, test } from 'vitest';
import { eventWith } from '../../tests/events.ts';
import { checkEvent, identityKey, identityOf, visitorOf } from './event.ts';
import { LIMITS } from './limits.ts';

describe('the structure of an event', () => {
  test('holds', () => {
    expect(checkEvent({ ...eventWith() })).toBeUndefined();
    expect(checkEvent({ ...eventWith({ userId: 'u', sentAt: '2026-11-23T10:00:00Z' }) })).toBeUndefined();
  });
  test.each([
    ['type_missing', { eventType: undefined }],
    ['type_missing', { eventType: '' }],
    ['type_invalid', { eventType: 7 }],
    ['type_invalid', { eventType: 'x'.repeat(LIMITS.eventTypeCharsMax + 1) }],
    ['id_missing', { anonymousId: undefined }],
    ['id_invalid', { userId: '' }],
    ['id_invalid', { userId: 'a\0b' }],
    ['id_invalid', { anonymousId: '\ud800' }],
    ['id_invalid', { eventId: undefined }],
    ['id_invalid', { eventId: 'x'.repeat(LIMITS.idCharsMax + 1) }],
    ['time_invalid', { createdAt: 'yesterday' }],
    ['time_invalid', { createdAt: '2026-13-45T99:99:99Z' }],
    ['time_invalid', { timestamp: undefined }],
    ['time_invalid', { sentAt: 1 }],
    ['field_invalid', { fingerprint: 1 }],
    ['field_invalid', { properties: [] }],
    ['field_invalid', { context: null }],
    ['field_invalid', { traits: 'x' }],
  ])('%s: %j', (code, part) => {
    expect(checkEvent({ ...eventWith(), ...part })).toMatchObject({ code });
  });
});

test('a visitor is the device, or the user of whom no device is known', () => {
  expect(visitorOf({ userId: 'u', anonymousId: 'a' })).toBe('a');
  expect([visitorOf({ anonymousId: 'a' }), visitorOf({ userId: 'u' })]).toEqual(['a', 'u']);
});

test('an event that is sent again after a login is the same event', () => {
  const base = eventWith({ anonymousId: 'a' });
  expect(identityKey(identityOf({ ...base, userId: 'u' }))).toBe(identityKey(identityOf(base)));
});

test('an identity is told by each of its parts', () => {
  const base = eventWith();
  const others = [
    { anonymousId: 'b' },
    { createdAt: '2026-11-23T10:00:00.001Z' },
    { source: 's' },
    { eventId: 'e2' },
    { fingerprint: 'g' },
  ];
  const keys = [base, ...others.map((other) => ({ ...base, ...other }))].map((event) => identityKey(identityOf(event)));
  expect(new Set(keys).size).toBe(6);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { saltDays } from '../core/salts.ts';
import { cookielessId, saltDayOf } from './cookieless.ts';

const DAY_MS = 86_400_000;
const salt = fc.uint8Array({ minLength: 32, maxLength: 32 });
const trace = fc.record({
  source: fc.constantFrom('default', 'shop', 'shop2'),
  address: fc.oneof(fc.ipV4(), fc.ipV6()),
  userAgent: fc.string({ unit: 'binary' }),
});

test('an id is 16 characters of base64url, the same for the same browser, source and salt', () => {
  fc.assert(
    fc.property(salt, trace, (of, who) => {
      const id = cookielessId(of, who);
      expect(id).toMatch(/^[\w-]{16}$/);
      expect(cookielessId(Uint8Array.from(of), { ...who })).toBe(id);
    }),
  );
});

test('whatever differs makes another id', () => {
  const parts = ['source', 'address', 'userAgent'] as const;
  fc.assert(
    fc.property(salt, salt, trace, trace, fc.constantFrom(...parts), (of, other, who, else_, part) => {
      const id = cookielessId(of, who);
      fc.pre(who[part] !== else_[part] && Buffer.compare(of, other) !== 0);
      expect(cookielessId(of, { ...who, [part]: else_[part] })).not.toBe(id);
      expect(cookielessId(other, who)).not.toBe(id);
    }),
  );
});

test('what stands in one part is not taken for another', () => {
  const id = cookielessId(new Uint8Array(32), { source: 'shop', address: '1.2.3.4', userAgent: '5' });
  expect(cookielessId(new Uint8Array(32), { source: 'shop', address: '1.2.3.45', userAgent: '' })).not.toBe(id);
  expect(cookielessId(new Uint8Array(32), { source: 'shop1', address: '.2.3.4', userAgent: '5' })).not.toBe(id);
});

/** An event and its first arrival, of that day or the next one; and how much later it comes again. */
const retried = fc.record({
  createdAtMs: fc.integer({ min: Date.UTC(2026, 0), max: Date.UTC(2027, 0) }),
  travelMs: fc.integer({ min: 0, max: DAY_MS }),
  laterMs: fc.integer({ min: 0, max: DAY_MS }),
  isText: fc.boolean(),
});

test('a retry is of the same day as long as the event is of today or yesterday', () => {
  fc.assert(
    fc.property(retried, ({ createdAtMs, travelMs, laterMs, isText }) => {
      const createdAt = isText ? new Date(createdAtMs).toISOString() : createdAtMs;
      const day = new Date(createdAtMs).toISOString().slice(0, 10);
      for (const receivedAtMs of [createdAtMs + travelMs, createdAtMs + travelMs + laterMs]) {
        const { today, yesterday } = saltDays(receivedAtMs);
        expect(saltDayOf(createdAt, receivedAtMs)).toBe(day === yesterday ? yesterday : today);
        if (day === today || day === yesterday) expect(saltDayOf(createdAt, receivedAtMs)).toBe(day);
      }
    }),
  );
});

test.each<[string, unknown, string]>([
  ['of today', '2026-11-25T23:59:59.999Z', '2026-11-25'],
  ['of yesterday', '2026-11-24T00:00:00Z', '2026-11-24'],
  ['of yesterday in UTC, of today where it was', '2026-11-25T00:30:00+01:00', '2026-11-24'],
  ['of before', '2026-11-23T23:59:59.999Z', '2026-11-25'],
  ['of a clock that is ahead', '2026-11-26T00:00:00Z', '2026-11-25'],
  ['without a time', undefined, '2026-11-25'],
  ['with a time that is none', 'soon', '2026-11-25'],
])('an event %s', (_, createdAt, day) => {
  expect(saltDayOf(createdAt, Date.parse('2026-11-25T12:00:00Z'))).toBe(day);
});

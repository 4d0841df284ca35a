import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addIdentities,
  areIdentitiesWhole,
  identityChecksum,
  isIdentities,
  noIdentities,
  textsChecksum,
  withoutIdentities,
} from './identities.ts';

const IDENTITY = {
  visitor: 'a',
  createdAt: '2026-11-23T10:00:00.000Z',
  source: 'shop',
  eventId: 'e1',
  fingerprint: 'f0',
};

test('the checksum of an identity stays what it is: stored ones are compared with those of later versions', () => {
  expect(identityChecksum(IDENTITY)).toBe(2_015_884_461_464_918);
  expect(textsChecksum('\u20ac\ud83d\ude00', 'odd')).toBe(126_252_341_995_737);
});

test('each part of an identity is in its checksum, and where it ends', () => {
  const others = [
    { ...IDENTITY, visitor: 'b' },
    { ...IDENTITY, createdAt: '2026-11-23T10:00:00.001Z' },
    { ...IDENTITY, source: 'shoq' },
    { ...IDENTITY, eventId: 'e2' },
    { ...IDENTITY, fingerprint: 'f1' },
    { ...IDENTITY, source: 'shope', eventId: '1' },
    { ...IDENTITY, source: 'e1', eventId: 'shop' },
  ];
  expect(new Set([IDENTITY, ...others].map(identityChecksum)).size).toBe(others.length + 1);
});

test('texts that differ in the same places cancel out in no sum', () => {
  const sums = new Set<number>();
  const names = Array.from({ length: 600 }, (_, place) => `event-${String(place).padStart(6, '0')}`);
  for (const [place, name] of names.entries()) {
    for (const other of names.slice(place)) sums.add(addIdentities(textsChecksum(name), textsChecksum(other)));
  }
  expect(sums.size).toBe((600 * 601) / 2);
});

test('about half of all bits change with one character', () => {
  let changed = 0;
  const tries = 2_000;
  for (let number = 0; number < tries; number += 1) {
    const [a, b] = [BigInt(textsChecksum(`visit ${number}`)), BigInt(textsChecksum(`visit ${number + 1}`))];
    changed += (a ^ b).toString(2).replaceAll('0', '').length;
  }
  expect(changed / tries).toBeGreaterThan(25);
  expect(changed / tries).toBeLessThan(27);
});

const sum = fc.bigInt({ min: 0n, max: 2n ** 52n - 1n }).map(Number);

test('sums are those of whole numbers, modulo 2^52, and what was added can be taken out', () => {
  fc.assert(
    fc.property(sum, sum, (a, b) => {
      const both = addIdentities(a, b);
      expect(BigInt(both)).toBe((BigInt(a) + BigInt(b)) % 2n ** 52n);
      expect(withoutIdentities(both, b)).toBe(a);
      expect(isIdentities(both)).toBe(true);
    }),
  );
});

test('what cannot be a sum', () => {
  expect([2 ** 52, -1, 0.5, '1', null].map(isIdentities)).toEqual([false, false, false, false, false]);
});

test('what came out is what came in, however it came out', () => {
  const whole = { came: 5, stored: 2 ** 52 - 1, duplicate: 3, bad: 2, dead: 1, forgotten: 0 };
  expect(areIdentitiesWhole(whole)).toBe(true);
  expect(areIdentitiesWhole({ ...whole, bad: 3 })).toBe(false);
  expect(areIdentitiesWhole({ ...whole, came: 9, forgotten: 4 })).toBe(true);
  expect(areIdentitiesWhole(noIdentities())).toBe(true);
});

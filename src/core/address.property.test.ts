import { isIP, isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { truncateAddress, truncateAddressesIn } from './address.ts';
import type { Json } from './json.ts';
import { readJson } from './read-json.ts';

const address = fc.oneof(fc.ipV4(), fc.ipV6());
const ipLike = fc.oneof(
  address,
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef:.%[]') }),
  fc.string({ unit: 'binary' }),
);

test('every address is truncated, to one of which nothing more can be cut', () => {
  fc.assert(
    fc.property(address, (text) => {
      const truncated = truncateAddress(text) ?? '';
      expect(isIP(truncated)).not.toBe(0);
      expect(truncateAddress(truncated)).toBe(truncated);
      if (isIPv4(text)) expect(truncated).toBe(text.replace(/\d+$/, '0'));
    }),
  );
});

test('of IPv6, 48 bits are kept', () => {
  const group = fc.integer({ min: 0, max: 0xffff });
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
      fc.pre(groups[0] !== 0x2002 && groups.slice(0, 5).some((value) => value > 0));
      const text = groups.map((value) => value.toString(16)).join(':');
      const truncated = truncateAddress(text) ?? '';
      const head = truncated.replace(/::$/, '').split(':');
      expect(isIPv6(truncated)).toBe(true);
      const kept = [...head.map((part) => Number.parseInt(part || '0', 16)), 0, 0, 0].slice(0, 3);
      expect(kept).toEqual(groups.slice(0, 3));
    }),
  );
});

test('what is no address is undefined, and nothing throws', () => {
  fc.assert(
    fc.property(ipLike, (text) => {
      const truncated = truncateAddress(text);
      // Node takes any zone; a zone is told apart from an address by its percent sign alone.
      if (isIP(text) !== 0 && !text.includes('%')) expect(truncated).toBeDefined();
      if (truncated !== undefined) expect(isIP(truncated)).not.toBe(0);
    }),
  );
});

test('in JSON, members named ip are truncated and all else stays', () => {
  const key = fc.oneof(fc.constantFrom('ip', 'IP', '"ip', 'ip"', '\\"ip', 'x":{"ip', '\\'), fc.string());
  const text = fc.oneof(ipLike, fc.constantFrom('"ip":"1.2.3.4"', '\\"ip": "1.2.3.4'), fc.string());
  const { tree } = fc.letrec<{ tree: Json }>((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small' },
      text,
      fc.constantFrom(null, true, 1.5),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(tree, fc.constantFrom(0, 1, 2), (value, indent) => {
      const json = JSON.stringify(value, undefined, indent);
      expect(readJson(truncateAddressesIn(json))).toEqual(expected(value));
    }),
    { numRuns: 1_000 },
  );
});

function expected(value: Json | undefined): Json {
  if (Array.isArray(value)) return value.map(expected);
  if (typeof value !== 'object' || value === null) return value ?? null;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      if (key !== 'ip' || typeof member !== 'string') return [key, expected(member)];
      const isEscaped = JSON.stringify(member) !== `"${member}"`;
      if (isEscaped) return [key, ''];
      return [key, truncateAddress(member) ?? (/[.:]/.test(member) ? '' : member)];
    }),
  );
}

import { expect, test } from 'vitest';
import { truncateAddress, truncateAddressesIn, wholeAddress } from './address.ts';

test.each([
  ['203.0.113.7', '203.0.113.0'],
  ['203.0.113.0', '203.0.113.0'],
  ['255.255.255.255', '255.255.255.0'],
  [' 203.0.113.7 ', '203.0.113.0'],
  ['203.0.113.7:49152', '203.0.113.0'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1::'],
  ['2001:0DB8:0001::1', '2001:db8:1::'],
  ['2001:db8::1', '2001:db8::'],
  ['2001:0:1:2::', '2001:0:1::'],
  ['fe80::1%eth0', 'fe80::'],
  ['[2001:db8:1::2]', '2001:db8:1::'],
  ['[2001:db8:1::2]:443', '2001:db8:1::'],
  ['::1', '::'],
  ['::', '::'],
  ['1::', '1::'],
  ['::ffff:203.0.113.7', '203.0.113.0'],
  ['::FFFF:cb00:7107', '203.0.113.0'],
  ['0:0:0:0:0:ffff:203.0.113.7', '203.0.113.0'],
  ['2002:cb00:7107::1', '203.0.113.0'],
  ['64:ff9b::203.0.113.7', '64:ff9b::'],
  ['1:2:3:4:5:6:203.0.113.7', '1:2:3::'],
])('%j is kept as %j', (text, truncated) => {
  expect(truncateAddress(text)).toBe(truncated);
});

test.each([
  ['203.0.113.7', ['203.0.113.7:49152', ' 203.0.113.7', '::ffff:203.0.113.7', '[::FFFF:cb00:7107]:443']],
  ['2001:db8:1:0:0:0:0:2', ['2001:0DB8:0001::2', '[2001:db8:1::2]', '[2001:db8:1::2]:443', '2001:db8:1::0:2%eth0']],
  ['2002:cb00:7107:0:0:0:0:1', ['2002:cb00:7107::1']],
])('%j is whole, however it is written', (whole, written) => {
  for (const text of [whole, ...written]) expect(wholeAddress(text), text).toBe(whole);
});

test.each([
  [''],
  [' '],
  ['unknown'],
  ['localhost'],
  ['203.0.113'],
  ['203.0.113.256'],
  ['203.0.113.07'],
  ['203.0.113.7.8'],
  ['203.0.113.7, 198.51.100.1'],
  ['203.0.113.7:'],
  ['203.0.113.7:123456'],
  [':::'],
  ['1::2::3'],
  ['1:2:3:4:5:6:7'],
  ['1:2:3:4:5:6:7:8:9'],
  ['1:2:3:4:5:6:7::8:9'],
  ['12345::'],
  ['::203.0.113.7:1'],
  ['203.0.113.7::1'],
  ['[203.0.113.7]x'],
  ['[2001:db8::1'],
  [':'.repeat(1_000_000)],
])('%j is no address', (text) => {
  expect(truncateAddress(text)).toBeUndefined();
  expect(wholeAddress(text)).toBeUndefined();
});

test.each([
  ['{"context":{"ip":"203.0.113.7"}}', '{"context":{"ip":"203.0.113.0"}}'],
  ['{ "ip" :\n "2001:db8:1:2::3" }', '{ "ip" :\n "2001:db8:1::" }'],
  ['{"\\u0069\\u0070":"203.0.113.7"}', '{"\\u0069\\u0070":"203.0.113.0"}'],
  ['{"ip":"203\\u002e0.113.7"}', '{"ip":""}'],
  ['{"ip":"203.0.113.7, 198.51.100.1"}', '{"ip":""}'],
  ['{"ip":"intellectual property","a":"203.0.113.7"}', '{"ip":"intellectual property","a":"203.0.113.7"}'],
  ['{"ip":["203.0.113.7"],"n":1.50}', '{"ip":["203.0.113.7"],"n":1.50}'],
  ['{"a":"\\"ip\\":\\"203.0.113.7\\""}', '{"a":"\\"ip\\":\\"203.0.113.7\\""}'],
  ['{"a\\"ip":"203.0.113.7"}', '{"a\\"ip":"203.0.113.7"}'],
  ['{"a":1,"ip":"203.0.113.7', '{"a":1,"ip":"203.0.113.0'],
  ['[{"ip":"203.0.113.7"},{"ip":"198.51.100.1"}]', '[{"ip":"203.0.113.0"},{"ip":"198.51.100.0"}]'],
])('%s is kept as %s', (json, truncated) => {
  expect(truncateAddressesIn(json)).toBe(truncated);
});

test('long texts, and many members, are no trouble', () => {
  const long = 'x'.repeat(4_000_000);
  expect(truncateAddressesIn(`{"ip":"${long}"}`)).toHaveLength(long.length + 9);
  const escapes = '\\n'.repeat(2_000_000);
  expect(truncateAddressesIn(`{"ip":"${escapes}"}`)).toBe('{"ip":""}');
  const unclosed = '"ip":"'.repeat(500_000);
  expect(truncateAddressesIn(unclosed)).toHaveLength(unclosed.length);
  const spaces = `"ip"${' '.repeat(2_000_000)}`;
  expect(truncateAddressesIn(spaces)).toBe(spaces);
});

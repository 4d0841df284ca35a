import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { countryDatabase } from '../../../tests/country-database.ts';
import { ClickstreamError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import { openCountryFile } from './country-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'clickstream-countries-'));
afterAll(() => rmSync(folder, { recursive: true }));

function fileWith(name: string, bytes: Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const networks = {
  '203.0.113.0/24': { country: { iso_code: 'GB', geoname_id: 2_635_167, names: { en: 'United Kingdom' } } },
  '198.51.100.0/25': { registered_country: { iso_code: 'DE' } },
  '192.0.2.0/24': { country: { iso_code: 'Europe' }, registered_country: { iso_code: 'FR' } },
  '10.0.0.0/8': { continent: { code: 'EU' } },
  '172.16.0.0/12': 'no map',
};
const both = openCountryFile(
  fileWith('both.mmdb', countryDatabase({ ...networks, '2001:db8::/32': { country: { iso_code: 'JP' } } })),
);
const fourOnly = openCountryFile(fileWith('four.mmdb', countryDatabase(networks, 4)));

describe.each([
  ['of IPv6', both],
  ['of IPv4', fourOnly],
])('a database %s', (_, countryOf) => {
  test.each([
    ['203.0.113.0', 'GB'],
    ['203.0.113.77', 'GB'],
    ['::ffff:203.0.113.0', 'GB'],
    ['198.51.100.0', 'DE'],
    ['192.0.2.0', 'FR'],
    ['10.1.2.0', undefined],
    ['172.16.0.0', undefined],
    ['8.8.8.0', undefined],
    ['', undefined],
    ['unknown', undefined],
    ['203.0.113', undefined],
  ])('has %j in %s, each time it is asked', (address, country) => {
    expect([countryOf(address), countryOf(address)]).toEqual([country, country]);
  });
});

test('an IPv6 address is known to a database of IPv6 only', () => {
  expect([both('2001:db8:1::'), both('2001:db9::')]).toEqual(['JP', undefined]);
  // 203.0.113.0 in the first bits of an IPv6 address.
  expect([fourOnly('2001:db8:1::'), fourOnly('cb00:7100::')]).toEqual([undefined, undefined]);
});

test('any text is asked for without a throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), (address) => {
      expect([undefined, 'GB', 'DE', 'FR', 'JP']).toContain(both(address));
    }),
  );
});

const whole = countryDatabase(networks);
const tooLarge = fileWith('large.mmdb', whole);
truncateSync(tooLarge, LIMITS.countryFileBytesMax + 1);

test.each([
  [join(folder, 'missing.mmdb'), /missing\.mmdb cannot be read: ENOENT/],
  [folder, /cannot be read: EISDIR/],
  [fileWith('empty.mmdb', Buffer.alloc(0)), /empty\.mmdb is no MaxMind DB/],
  [fileWith('text.mmdb', Buffer.from('country,GB\n'.repeat(1_000))), /is no MaxMind DB/],
  [fileWith('cut.mmdb', whole.subarray(0, whole.length / 2)), /is no MaxMind DB/],
  [fileWith('short.mmdb', whole.subarray(0, -60)), /MaxMind DB/],
  [fileWith('end.mmdb', whole.subarray(whole.lastIndexOf('MaxMind.com') - 3)), /whose metadata do not fit it/],
  [tooLarge, /more than countryFileBytesMax/],
])('%s is refused', (path, problem) => {
  const open = () => openCountryFile(path);
  expect(open).toThrow(ClickstreamError);
  expect(open).toThrow(problem);
  expect(open).toThrow(expect.objectContaining({ code: 'config_invalid' }));
});

test('damage within is a country that is not known, and is said once', () => {
  const warning = vi.spyOn(process, 'emitWarning').mockReturnValue(undefined);
  const damaged = Buffer.from(whole);
  const data = damaged.indexOf('country') - 2;
  // An extended type that is none, where the first two records lie.
  damaged.fill(0, data, damaged.lastIndexOf('MaxMind.com') - 3);
  const countryOf = openCountryFile(fileWith('damaged.mmdb', damaged));
  expect([countryOf('203.0.113.0'), countryOf('198.51.100.0')]).toEqual([undefined, undefined]);
  expect(warning).toHaveBeenCalledOnce();
  warning.mockRestore();
});

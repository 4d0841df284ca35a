import { readFileSync, statSync } from 'node:fs';
import { type CountryResponse, Reader } from 'mmdb-lib';
import { truncateAddress } from '../../core/address.ts';
import { BoundedCache } from '../../core/bounded-cache.ts';
import { ClickstreamError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';

/** What the metadata at the end of a file begins with (MaxMind DB file format 2.0). */
const METADATA = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1');

/** Where an address is: ISO 3166-1 alpha-2, as in `GB`. Undefined for what is no address or is not known. */
export type CountryOf = (address: string) => string | undefined;

/**
 * Opens a database of countries or cities in the MaxMind DB format (https://maxmind.github.io/MaxMind-DB/), as MaxMind and
 * DB-IP give them out: a record's `country.iso_code`, else `registered_country.iso_code`. The file is held in memory; a
 * newer one is read at the next start. Throws `config_invalid` with the path and what is wrong with the file.
 */
export function openCountryFile(path: string): CountryOf {
  const bytes = read(path);
  const reader = openReader(path, bytes);
  const cache = new BoundedCache<string>(LIMITS.addressesCachedMax);
  let isDamageSaid = false;
  const find = (address: string): string => {
    try {
      return countryIn(reader.get(address)) ?? '';
    } catch (thrown) {
      // One damaged record is a country that is not known, and no reason to lose an event.
      if (!isDamageSaid) process.emitWarning(`the country file ${path} is damaged: ${String(thrown)}`);
      isDamageSaid = true;
      return '';
    }
  };
  return (address) => {
    const cached = cache.get(address);
    if (cached !== undefined) return cached || undefined;
    const known = truncateAddress(address);
    if (known === undefined) return undefined;
    // A database of IPv4 alone would be read with the first bits of an IPv6 address.
    const country = reader.metadata.ipVersion === 4 && known.includes(':') ? '' : find(known);
    cache.set(address, country);
    return country || undefined;
  };
}

function read(path: string): Buffer {
  try {
    const { size } = statSync(path);
    if (size <= LIMITS.countryFileBytesMax) return readFileSync(path);
    throw unusable(path, `has ${size} bytes, more than countryFileBytesMax, ${LIMITS.countryFileBytesMax}`);
  } catch (thrown) {
    if (thrown instanceof ClickstreamError) throw thrown;
    throw unusable(path, `cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`, thrown);
  }
}

function openReader(path: string, bytes: Buffer): Reader<CountryResponse> {
  if (bytes.lastIndexOf(METADATA) < 0) {
    throw unusable(path, 'is no MaxMind DB (.mmdb): it has no metadata; unpack it if it is an archive');
  }
  let reader: Reader<CountryResponse>;
  try {
    reader = new Reader<CountryResponse>(bytes);
  } catch (thrown) {
    throw unusable(path, `is a MaxMind DB that cannot be read: ${String(thrown)}`, thrown);
  }
  const { ipVersion, searchTreeSize } = reader.metadata;
  if (!(ipVersion === 4 || ipVersion === 6) || !(searchTreeSize > 0 && searchTreeSize < bytes.length)) {
    throw unusable(path, 'is a MaxMind DB whose metadata do not fit it');
  }
  return reader;
}

function unusable(path: string, problem: string, cause?: unknown): ClickstreamError {
  return new ClickstreamError('config_invalid', `countries: the file ${path} ${problem}`, { cause });
}

function countryIn(record: unknown): string | undefined {
  if (!isObject(record)) return undefined;
  for (const place of [record.country, record.registered_country]) {
    const code = isObject(place) ? place.iso_code : undefined;
    if (typeof code === 'string' && /^[A-Z]{2}$/.test(code)) return code;
  }
  return undefined;
}

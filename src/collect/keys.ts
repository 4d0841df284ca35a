import { hash, timingSafeEqual } from 'node:crypto';
import { ClickstreamError } from '../core/errors.ts';

/** A secret as it is configured: only its digest is known. */
export interface HashedKey {
  readonly name: string;
  /** SHA-256 of the key in UTF-8, in hex. */
  readonly sha256: string;
}

/** Secrets that are known by their digests. */
export class KeyRing {
  readonly #keys: readonly { readonly name: string; readonly digest: Buffer }[];

  constructor(keys: readonly HashedKey[]) {
    this.#keys = keys.map(({ name, sha256 }) => {
      if (!/^[0-9a-f]{64}$/i.test(sha256)) {
        throw new ClickstreamError('config_invalid', `the sha256 of the key of "${name}" must be 64 hex digits`);
      }
      return { name, digest: Buffer.from(sha256, 'hex') };
    });
  }

  get isEmpty(): boolean {
    return this.#keys.length === 0;
  }

  /** The name of the key given. It takes the same time whichever key fits, or none. */
  nameOf(key: string): string | undefined {
    const digest = hash('sha256', key, 'buffer');
    let found: string | undefined;
    for (const known of this.#keys) {
      if (timingSafeEqual(digest, known.digest)) found = known.name;
    }
    return found;
  }
}

/** The source of events when no write keys are configured, and so every key, or none, is accepted. */
const DEFAULT_SOURCE = 'default';

/** Write keys: which source a request belongs to. Several keys may name one source. */
export class WriteKeys {
  readonly #ring: KeyRing;

  constructor(keys: readonly { readonly source: string; readonly sha256: string }[]) {
    this.#ring = new KeyRing(keys.map(({ source, sha256 }) => ({ name: source, sha256 })));
  }

  /** The source of a key, or the error `write_key_missing` or `write_key_wrong`. */
  sourceOf(key: string | undefined): string | ClickstreamError {
    if (this.#ring.isEmpty) return DEFAULT_SOURCE;
    if (key === undefined || key === '') return new ClickstreamError('write_key_missing');
    return this.#ring.nameOf(key) ?? new ClickstreamError('write_key_wrong');
  }
}

let lastHeader: string | undefined;
let lastKey: string | undefined;

/**
 * The secret of an Authorization header (RFC 7617, RFC 6750): a Basic user name or a Bearer token. A sender's next request mostly
 * has the same, and Base64 is slow, so the last one is kept.
 */
export function keyOfAuthorization(header: string | undefined): string | undefined {
  if (header !== lastHeader) {
    lastKey = header === undefined ? undefined : decodedKey(header);
    lastHeader = header;
  }
  return lastKey;
}

function decodedKey(header: string): string | undefined {
  const space = header.indexOf(' ');
  const scheme = header.slice(0, space).toLowerCase();
  const credentials = header.slice(space + 1).trim();
  let key: string | undefined;
  if (scheme === 'bearer') key = credentials;
  if (scheme === 'basic') key = Buffer.from(credentials, 'base64').toString('utf8').split(':', 1)[0];
  return key === '' ? undefined : key;
}

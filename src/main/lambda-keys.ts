import { hash } from 'node:crypto';
import { KeyRing, WriteKeys } from '../collect/keys.ts';
import { ClickstreamError } from '../core/errors.ts';

/** What is read of a secret (src/adapters/aws/secrets.ts). */
export interface SecretText {
  /** Undefined while it was never read. */
  readonly text: string | undefined;
}

/** The source of everything that comes with the stack's one write key: as on one machine without sources. */
const SOURCE = 'default';

/** The one key that a secret holds. Never open: while the secret is unknown nobody is let in, and may try again. */
class SecretKey {
  readonly #secret: SecretText;
  #made: { readonly text: string; readonly ring: KeyRing } | undefined;

  constructor(secret: SecretText) {
    this.#secret = secret;
  }

  /** In constant time. Throws `keys_unavailable`. */
  is(key: string): boolean {
    const { text } = this.#secret;
    if (text === undefined) throw new ClickstreamError('keys_unavailable');
    if (this.#made?.text !== text) {
      this.#made = { text, ring: new KeyRing([{ name: SOURCE, sha256: hash('sha256', text) }]) };
    }
    return this.#made.ring.nameOf(key) !== undefined;
  }
}

export class SecretWriteKeys extends WriteKeys {
  readonly #key: SecretKey;

  constructor(secret: SecretText) {
    super([]);
    this.#key = new SecretKey(secret);
  }

  override sourceOf(key: string | undefined): string | ClickstreamError {
    if (key === undefined || key === '') return new ClickstreamError('write_key_missing');
    try {
      return this.#key.is(key) ? SOURCE : new ClickstreamError('write_key_wrong');
    } catch (thrown) {
      if (thrown instanceof ClickstreamError) return thrown;
      throw thrown;
    }
  }
}

/** For `Access`: whether a token is the one of the secret. Throws `keys_unavailable`. */
export function readTokenOf(secret: SecretText): (token: string) => boolean {
  const key = new SecretKey(secret);
  return (token) => token !== '' && key.is(token);
}

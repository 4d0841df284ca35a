import { createHmac } from 'node:crypto';
import type { ErasedId } from '../core/erasures.ts';
import { visitorText } from './event-store.ts';

/**
 * What a store remembers in the place of an id that was erased: with the store's own key, so that whoever has the hash alone
 * cannot try ids on it.
 */
export function tombstoneHash(key: Uint8Array, id: ErasedId): Buffer {
  return createHmac('sha256', key).update(visitorText(id)).digest();
}

/** How long that key is. */
export const TOMBSTONE_KEY_BYTES = 32;

import type { Identity } from './event.ts';

/*
 * A checksum of an event's identity, and sums of such checksums: a sum does not depend on an order, and two lists of as many events
 * that are not the same events have different sums, but for one chance in 2^52. It is no seal against who would forge one: it shows
 * mistakes, and has no secret.
 */

/** Checksums have 52 bits, so that the sum of two is still exact. */
export const IDENTITIES_MODULUS = 2 ** 52;
const HIGH_BITS = 0xfffff;

/** The sum of no checksums. */
export const NO_IDENTITIES = 0;

export function identityChecksum({ visitor, createdAt, source, eventId, fingerprint }: Identity): number {
  begin();
  mix(visitor);
  mix(createdAt);
  mix(source);
  mix(eventId);
  mix(fingerprint);
  return end();
}

/** Of texts in this order. */
export function textsChecksum(...texts: readonly string[]): number {
  begin();
  for (const text of texts) mix(text);
  return end();
}

/*
 * Two chains of 32 bits, each a step that can be undone for every two characters, so that no difference is forgotten on the way.
 * Written for speed, for it is on the way of every event: so the chains are kept here, and nothing is made on the way. Not zlib's
 * crc32: with two seeds it says the same thing twice, and what it says of texts that differ in the same places cancels out.
 */
let chainA = 0;
let chainB = 0;

function begin(): void {
  chainA = 0x2545f491;
  chainB = 0x6c8e9cf5;
}

function mix(text: string): void {
  let a = chainA;
  let b = chainB;
  const { length } = text;
  const even = length - (length % 2);
  for (let place = 0; place < even; place += 2) {
    const two = text.charCodeAt(place) | (text.charCodeAt(place + 1) << 16);
    a = Math.imul(a ^ two, 0x21f0aaad);
    b = Math.imul(b ^ two, 0x735a2d97);
    a ^= a >>> 15;
    b ^= b >>> 13;
  }
  // The length as well, so that it matters where one text ends and the next begins.
  const rest = (even < length ? text.charCodeAt(even) : 0) | (length << 16);
  a = Math.imul(a ^ rest, 0x21f0aaad);
  b = Math.imul(b ^ rest, 0x735a2d97);
  chainA = a ^ (a >>> 15);
  chainB = b ^ (b >>> 13);
}

function end(): number {
  let a = Math.imul(chainA ^ (chainA >>> 16), 0x85ebca6b);
  let b = Math.imul(chainB ^ (chainB >>> 16), 0xc2b2ae35);
  a ^= a >>> 13;
  b ^= b >>> 16;
  return (b & HIGH_BITS) * 2 ** 32 + (a >>> 0);
}

export function addIdentities(a: number, b: number): number {
  const sum = a + b;
  return sum < IDENTITIES_MODULUS ? sum : sum - IDENTITIES_MODULUS;
}

/** The sum without what was in it. */
export function withoutIdentities(sum: number, part: number): number {
  return sum >= part ? sum - part : sum - part + IDENTITIES_MODULUS;
}

/** Whether it can be such a sum. */
export function isIdentities(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < IDENTITIES_MODULUS;
}

/** Sums over a record, or many: of what came in, as the collector counted it, and by what the processor made of it. */
export interface OutcomeIdentities {
  came: number;
  stored: number;
  duplicate: number;
  bad: number;
  dead: number;
  forgotten: number;
}

export function noIdentities(): OutcomeIdentities {
  return {
    came: NO_IDENTITIES,
    stored: NO_IDENTITIES,
    duplicate: NO_IDENTITIES,
    bad: NO_IDENTITIES,
    dead: NO_IDENTITIES,
    forgotten: NO_IDENTITIES,
  };
}

export function addOutcomeIdentities(to: OutcomeIdentities, other: Readonly<OutcomeIdentities>): void {
  to.came = addIdentities(to.came, other.came);
  to.stored = addIdentities(to.stored, other.stored);
  to.duplicate = addIdentities(to.duplicate, other.duplicate);
  to.bad = addIdentities(to.bad, other.bad);
  to.dead = addIdentities(to.dead, other.dead);
  to.forgotten = addIdentities(to.forgotten, other.forgotten);
}

/** Whether what came in is what came out. */
export function areIdentitiesWhole({ came, ...outcomes }: Readonly<OutcomeIdentities>): boolean {
  const { stored, duplicate, bad, dead, forgotten } = outcomes;
  return came === [stored, duplicate, bad, dead, forgotten].reduce(addIdentities);
}

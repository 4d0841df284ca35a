import { visitorOf } from '../../core/event.ts';
import type { View } from '../../core/view.ts';
import { bucketsOf } from './buckets.ts';

/**
 * Unique visitors, as a HyperLogLog sketch (Flajolet, Fusy, Gandouet and Meunier, 2007) of 4,096 registers. Its standard
 * error is 1.04 / sqrt(4096) = 1.63 %, and smaller for few visitors. The state is one byte a register: the highest rank seen.
 */
const INDEX_BITS = 12;
const REGISTERS = 2 ** INDEX_BITS;
/** Of the 52 bits that do not choose the register, the place of the first one bit, or 53 when there is none. */
const RANK_MAX = 64 - INDEX_BITS + 1;

/** Standard error of `estimate`, as a part of one. */
export const VISITORS_STANDARD_ERROR = 1.04 / Math.sqrt(REGISTERS);

export const visitors: View<Uint8Array> = {
  name: 'visitors',
  version: 1,
  keys: (event) => bucketsOf(event.timestamp),
  empty: () => new Uint8Array(REGISTERS),
  fold: (state, event) => addVisitor(state, `${event.source}\0${visitorOf(event)}`),
  merge(a, b) {
    const merged = a.slice();
    for (let register = 0; register < REGISTERS; register += 1) {
      const rank = b[register] ?? 0;
      if (rank > (merged[register] ?? 0)) merged[register] = rank;
    }
    return merged;
  },
  encode: encodeRegisters,
  decode: decodeRegisters,
};

export function addVisitor(state: Uint8Array, visitor: string): Uint8Array {
  const [high, low] = hash64(visitor);
  const register = high >>> (32 - INDEX_BITS);
  // The rank is the place of the first one bit in the 52 bits that chose no register.
  const rest = (high << INDEX_BITS) >>> 0;
  const leading = Math.clz32(rest);
  const rank = leading < 32 - INDEX_BITS ? leading + 1 : 32 - INDEX_BITS + Math.clz32(low) + 1;
  if (rank > (state[register] ?? 0)) state[register] = rank;
  return state;
}

/**
 * How many visitors a sketch has seen: the estimator of Ertl (New cardinality estimation algorithms for HyperLogLog
 * sketches, 2017, algorithm 6), which needs no thresholds and has no bias where the original changes its formula.
 */
export function estimateVisitors(state: Uint8Array): number {
  const withRank = new Array<number>(RANK_MAX + 1).fill(0);
  for (const rank of state) withRank[rank] = (withRank[rank] ?? 0) + 1;
  let denominator = REGISTERS * tau(1 - (withRank[RANK_MAX] ?? 0) / REGISTERS);
  for (let rank = RANK_MAX - 1; rank >= 1; rank -= 1) denominator = (denominator + (withRank[rank] ?? 0)) / 2;
  denominator += REGISTERS * sigma((withRank[0] ?? 0) / REGISTERS);
  return Math.round((REGISTERS * REGISTERS) / (2 * Math.LN2 * denominator));
}

/** Ertl's sigma: x plus the sum over k of x^(2^k) 2^(k-1); infinite at 1. */
function sigma(part: number): number {
  if (part === 1) return Number.POSITIVE_INFINITY;
  let power = part;
  let weight = 1;
  let sum = part;
  for (let before = -1; before !== sum; ) {
    before = sum;
    power *= power;
    sum += power * weight;
    weight *= 2;
  }
  return sum;
}

/** Ertl's tau: a third of 1 - x less the sum over k of (1 - x^(2^-k))^2 2^-k. */
function tau(part: number): number {
  if (part === 0 || part === 1) return 0;
  let root = part;
  let weight = 1;
  let sum = 1 - part;
  for (let before = -1; before !== sum; ) {
    before = sum;
    root = Math.sqrt(root);
    weight /= 2;
    sum -= (1 - root) ** 2 * weight;
  }
  return sum / 3;
}

/** Sparse while few registers are set: "s" and `register*64+rank` in base 36; else "d" and one character a register. */
const SPARSE_MAX = 800;
const DENSE_FROM = 48;

function encodeRegisters(state: Uint8Array): string {
  const set: string[] = [];
  for (let register = 0; register < REGISTERS && set.length <= SPARSE_MAX; register += 1) {
    const rank = state[register] ?? 0;
    if (rank > 0) set.push((register * 64 + rank).toString(36));
  }
  if (set.length <= SPARSE_MAX) return `s${set.join(' ')}`;
  let text = 'd';
  for (const rank of state) text += String.fromCharCode(DENSE_FROM + rank);
  return text;
}

function decodeRegisters(text: string): Uint8Array {
  const state = new Uint8Array(REGISTERS);
  if (text.startsWith('s')) {
    for (const word of text.slice(1).split(' ')) {
      if (word === '') continue;
      const packed = Number.parseInt(word, 36);
      state[Math.floor(packed / 64)] = packed % 64;
    }
    return state;
  }
  for (let register = 0; register < REGISTERS; register += 1)
    state[register] = text.charCodeAt(register + 1) - DENSE_FROM;
  return state;
}

/**
 * 64 bits, well mixed, of a text: two lanes of 32-bit multiply and xor over its characters, each finished by the mixer
 * of MurmurHash3 (Appleby). Pure and portable, for the same sketch must come out on any machine.
 */
function hash64(text: string): readonly [high: number, low: number] {
  let a = 0x9e3779b1;
  let b = 0x85ebca6b;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charCodeAt(index);
    a = Math.imul(a ^ character, 0x01000193);
    a ^= a >>> 15;
    b = Math.imul(b ^ character, 0x5bd1e995);
    b ^= b >>> 13;
  }
  return [mix(a ^ (b << 7)), mix(b ^ Math.imul(a, 0x27d4eb2f))];
}

function mix(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  mixed ^= mixed >>> 16;
  return mixed >>> 0;
}

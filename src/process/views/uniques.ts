/**
 * How many different ones there were, of visitors or users. Up to `exactMax` of them are kept as an index of 20 bits and a rank of
 * their hash, and counted one by one: of 768 one is missed in ten such counts, for two that look alike. From there on
 * it is a HyperLogLog sketch (Flajolet, Fusy, Gandouet and Meunier, 2007) of 2^bits registers, with a standard error of
 * 1.04 / sqrt(2^bits). What is kept of few says what they become in the sketch, so parts merged in any order give the same
 * (the sparse form of HyperLogLog++; Heule, Nunkesser and Hall, 2013).
 */
export interface Precision {
  readonly bits: number;
  readonly exactMax: number;
}

/** For a whole: a standard error of 1.63 %. */
export const FINE: Precision = { bits: 12, exactMax: 768 };
/** For each of many values: a standard error of 3.25 %. */
export const COARSE: Precision = { bits: 10, exactMax: 192 };

export function standardErrorOf({ bits }: Precision): number {
  return 1.04 / Math.sqrt(2 ** bits);
}

/** Of a hash: the first bits choose a register, at the finest of this many. */
const INDEX_BITS = 20;
/** The bits after them; the rank is the place of the first one bit among them, from 1. */
const REST_BITS = 44;
/** The hash as one number: index times this, plus rank. */
const RANKS = 64;

/** A set that is exact while it is small. */
export class Uniques {
  readonly precision: Precision;
  #exact: Set<number> | undefined = new Set();
  #registers: Uint8Array | undefined;
  /** As it is written, until something new is added: in an hour most are seen again. */
  #text: string | undefined;

  constructor(precision: Precision) {
    this.precision = precision;
  }

  get isEmpty(): boolean {
    return this.#exact?.size === 0;
  }

  /** Adds a `hashOf`. */
  add(hash: number): void {
    if (this.#exact === undefined) {
      this.#addToRegisters(hash);
      return;
    }
    if (this.#exact.has(hash)) return;
    this.#exact.add(hash);
    this.#text = undefined;
    if (this.#exact.size > this.precision.exactMax) this.#toRegisters();
  }

  /** Adds all of another of the same precision, and leaves that as it is. */
  addAll(other: Uniques): void {
    if (other.#exact !== undefined) {
      for (const hash of other.#exact) this.add(hash);
      return;
    }
    const mine = this.#registers ?? this.#toRegisters();
    const theirs = other.#registers ?? new Uint8Array();
    for (let register = 0; register < theirs.length; register += 1) {
      const rank = theirs[register] ?? 0;
      if (rank <= (mine[register] ?? 0)) continue;
      mine[register] = rank;
      this.#text = undefined;
    }
  }

  /** How many, rounded. */
  count(): number {
    return this.#exact?.size ?? estimate(this.#registers ?? new Uint8Array());
  }

  /** Hashes in order, six characters each; or `=` and a character a register. */
  encode(): string {
    this.#text ??= this.#write();
    return this.#text;
  }

  #write(): string {
    if (this.#exact === undefined) return `=${textOf((this.#registers ?? new Uint8Array()).map(registerCode))}`;
    const hashes = Uint32Array.from(this.#exact).sort();
    const codes = new Uint8Array(hashes.length * HASH_CHARS);
    for (const [index, hash] of hashes.entries()) {
      for (let place = 0; place < HASH_CHARS; place += 1) {
        codes[index * HASH_CHARS + place] = DIGITS[(hash >>> (DIGIT_BITS * (HASH_CHARS - 1 - place))) & 31] ?? 0;
      }
    }
    return textOf(codes);
  }

  static decode(text: string, precision: Precision): Uniques {
    const uniques = new Uniques(precision);
    if (text.startsWith('=')) {
      const registers = uniques.#toRegisters();
      for (let register = 0; register < registers.length; register += 1) {
        registers[register] = text.charCodeAt(register + 1) - REGISTER_FROM;
      }
    } else {
      for (let start = 0; start < text.length; start += HASH_CHARS) uniques.add(readHash(text, start));
    }
    uniques.#text = text;
    return uniques;
  }

  #toRegisters(): Uint8Array {
    const exact = this.#exact ?? new Set();
    const registers = new Uint8Array(2 ** this.precision.bits);
    this.#registers = registers;
    this.#exact = undefined;
    for (const hash of exact) this.#addToRegisters(hash);
    return registers;
  }

  #addToRegisters(hash: number): void {
    if (this.#registers === undefined) return;
    const index = Math.floor(hash / RANKS);
    const spare = INDEX_BITS - this.precision.bits;
    const low = index & (2 ** spare - 1);
    // The bits of the index that choose no register here come before those that the rank was counted in.
    const rank = low === 0 ? spare + (hash % RANKS) : Math.clz32(low) - (32 - spare) + 1;
    const register = index >>> spare;
    if (rank <= (this.#registers[register] ?? 0)) return;
    this.#registers[register] = rank;
    this.#text = undefined;
  }
}

/** From the code of "0": no control characters, whatever the rank. */
const REGISTER_FROM = 48;
const registerCode = (rank: number) => REGISTER_FROM + rank;

/** An index of 20 bits and a rank of 6 in digits of 5, in the order of their codes and such as JSON writes as they are. */
const DIGITS = new TextEncoder().encode('0123456789abcdefghijklmnopqrstuv');
const DIGIT_BITS = 5;
const HASH_CHARS = 6;

function readHash(text: string, start: number): number {
  let hash = 0;
  for (let place = start; place < start + HASH_CHARS; place += 1) hash = hash * 32 + digitOf(text.charCodeAt(place));
  return hash;
}

function digitOf(code: number): number {
  return code < 97 ? code - 48 : code - 87;
}

const decoder = new TextDecoder('latin1');
const textOf = (codes: Uint8Array) => decoder.decode(codes);

/**
 * The estimator of Ertl (New cardinality estimation algorithms for HyperLogLog sketches, 2017, algorithm 6), which needs
 * no thresholds and has no bias where the original changes its formula.
 */
function estimate(registers: Uint8Array): number {
  const size = registers.length;
  const rankMax = 64 - Math.log2(size) + 1;
  const withRank = new Array<number>(rankMax + 1).fill(0);
  for (const rank of registers) withRank[rank] = (withRank[rank] ?? 0) + 1;
  let denominator = size * tau(1 - (withRank[rankMax] ?? 0) / size);
  for (let rank = rankMax - 1; rank >= 1; rank -= 1) denominator = (denominator + (withRank[rank] ?? 0)) / 2;
  denominator += size * sigma((withRank[0] ?? 0) / size);
  return Math.round((size * size) / (2 * Math.LN2 * denominator));
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

/** What `Uniques` takes of a text: 64 bits of a hash, as the index and the rank that a sketch needs of them. */
export function hashOf(text: string): number {
  const [high, low] = hash64(text);
  const rest = (high << INDEX_BITS) >>> 0;
  const leading = Math.clz32(rest);
  const highRest = 32 - INDEX_BITS;
  const rank = leading < highRest ? leading + 1 : Math.min(highRest + Math.clz32(low), REST_BITS) + 1;
  return (high >>> highRest) * RANKS + rank;
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

import { LIMITS } from '../core/limits.ts';
import type { RecordPosition } from './event-log.ts';

/** What one 2xx acknowledged: its records, under which numbers of which collector, and where they lie. */
export interface Receipt {
  readonly collector: string;
  /** Of its first record; the others follow. */
  readonly number: number;
  /** When the request came, in whole seconds since the epoch. */
  readonly receivedAtSeconds: number;
  /** How many events each of its records holds. */
  readonly counts: readonly number[];
  /** In the order of their numbers; at least one. */
  readonly positions: readonly RecordPosition[];
}

/**
 * `<collector>.<number>.<seconds>.<counts>.<places>.<check>`, numbers in base 36. A place is `<lane>:<sequence>`, with `_<times>` where so many
 * lie one behind the other; a count is followed by `_<times>` where so many records hold as many events. Both are parted by `~`. After
 * the first of its lane a place says how far it is from the one before, and after one of its own lane not the lane either. So an id of one
 * machine is short however many records there are, and one of Kinesis, whose numbers have 56 digits, takes some 15 characters for
 * each record after the first of a shard. Undefined where that is longer than `receiptCharsMax`.
 *
 * It is on the way of every request: what the requests of one second and one collector share is not made anew.
 */
export function encodeReceipt(receipt: Receipt): string | undefined {
  const { collector, number, receivedAtSeconds, counts, positions } = receipt;
  const named = collectors.of(collector);
  const places = encodePlaces(positions);
  const when = seconds.of(receivedAtSeconds);
  let check = mixed(mixed(mixed(named.check, number), receivedAtSeconds), places.check);
  for (const count of counts) check = mixed(check, count);
  const numbers = `${number.toString(36)}.${when}.${encodeCounts(counts)}`;
  // Of 31 bits: to write a number that is larger takes V8 eight times as long.
  const id = `${named.text}.${numbers}.${places.text}.${(check >>> 1).toString(36)}`;
  return id.length > LIMITS.receiptCharsMax ? undefined : id;
}

/** A text or number as ids have it, and the one asked for last: mostly the next is the same. */
class Last<Value, Written> {
  readonly #write: (value: Value) => Written;
  #value: Value | undefined;
  #written: Written | undefined;

  constructor(write: (value: Value) => Written) {
    this.#write = write;
  }

  of(value: Value): Written {
    if (this.#written !== undefined && this.#value === value) return this.#written;
    this.#written = this.#write(value);
    this.#value = value;
    return this.#written;
  }
}

interface Written {
  readonly text: string;
  readonly check: number;
}

const collectors = new Last((name: string) => ({ text: encodeURIComponent(name), check: mixedText(0, name) }));
const lanes = new Last((name: string) => ({ text: `${encodeURIComponent(name)}:`, check: mixedText(0, name) }));
const seconds = new Last((value: number) => value.toString(36));

/** Of 32 bits, from all bits of both. */
function mixed(check: number, value: number): number {
  const low = Math.imul(check ^ value, MIX_FACTOR);
  const high = value > 0xffff_ffff || value < 0 ? Math.imul(Math.floor(value / 0x1_0000_0000), HIGH_FACTOR) : 0;
  return low ^ (low >>> 15) ^ high;
}

/** Odd, with bits all over: 2^32 divided by the golden ratio, and one of MurmurHash3's. */
const MIX_FACTOR = 0x9e37_79b1;
const HIGH_FACTOR = 0x85eb_ca6b;

function mixedText(check: number, text: string): number {
  let result = mixed(check, text.length);
  for (let index = 0; index < text.length; index += 1) result = mixed(result, text.charCodeAt(index));
  return result;
}

function encodeCounts(counts: readonly number[]): string {
  if (counts.length === 1) return (counts[0] as number).toString(36);
  const runs: string[] = [];
  for (let start = 0; start < counts.length; ) {
    const count = counts[start] as number;
    let times = 1;
    while (counts[start + times] === count) times += 1;
    runs.push(timesOver(count.toString(36), times));
    start += times;
  }
  return runs.join('~');
}

function timesOver(text: string, times: number): string {
  return times === 1 ? text : `${text}_${times.toString(36)}`;
}

function encodePlaces(positions: readonly RecordPosition[]): Written {
  const [only, second] = positions;
  if (only !== undefined && second === undefined) {
    const lane = lanes.of(only.lane);
    const place = encodePlace(only.sequence);
    return { text: lane.text + place.text, check: mixed(lane.check, place.check) };
  }
  const lasts = new Map<string, bigint>();
  const places: string[] = [];
  let check = 0;
  let lane: string | undefined;
  for (let start = 0; start < positions.length; ) {
    const { lane: own, sequence } = positions[start] as RecordPosition;
    const named = lanes.of(own);
    let times = 1;
    while (isNext(positions[start + times], { lane: own, sequence: sequence + BigInt(times) })) times += 1;
    const before = lasts.get(own);
    const place = encodePlace(before === undefined ? sequence : sequence - before);
    places.push(`${own === lane ? '' : named.text}${timesOver(place.text, times)}`);
    check = mixed(mixed(mixed(check, named.check), place.check), times);
    lasts.set(own, sequence + BigInt(times - 1));
    lane = own;
    start += times;
  }
  return { text: places.join('~'), check };
}

const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

function encodePlace(place: bigint): Written {
  if (place <= SAFE && place >= 0n) {
    const value = Number(place);
    return { text: value.toString(36), check: mixed(0, value) };
  }
  const text = place.toString(36);
  return { text, check: mixedText(0, text) };
}

function isNext(position: RecordPosition | undefined, { lane, sequence }: RecordPosition): boolean {
  return position !== undefined && position.sequence === sequence && position.lane === lane;
}

const ID = /^([^.]+)\.([0-9a-z]+)\.([0-9a-z]+)\.([0-9a-z~_]+)\.([^.]+)\.[0-9a-z]+$/;
const COUNT = /^([0-9a-z]+)(?:_([0-9a-z]+))?$/;
const PLACE = /^(?:([^:]+):)?(-?[0-9a-z]+)(?:_([0-9a-z]+))?$/;

/** Undefined for what `encodeReceipt` has not made. */
export function decodeReceipt(id: string): Receipt | undefined {
  if (id.length > LIMITS.receiptCharsMax) return undefined;
  const [, collector, number = '', received = '', counted = '', placed = ''] = ID.exec(id) ?? [];
  const named = collector === undefined ? undefined : unescaped(collector);
  const counts = decodeCounts(counted);
  const positions = decodePlaces(placed);
  if (named === undefined || counts === undefined || positions?.length !== counts.length) return undefined;
  const receipt = {
    collector: named,
    number: Number.parseInt(number, 36),
    receivedAtSeconds: Number.parseInt(received, 36),
    counts,
    positions,
  };
  if (receipt.receivedAtSeconds > SECONDS_MAX) return undefined;
  // Another check, or another way to write the same, is none of ours.
  return encodeReceipt(receipt) === id ? receipt : undefined;
}

function decodeCounts(text: string): readonly number[] | undefined {
  const counts: number[] = [];
  for (const part of text.split('~')) {
    const [whole, count = '', times = '1'] = COUNT.exec(part) ?? [];
    const run = Number.parseInt(times, 36);
    if (whole === undefined || counts.length + run > LIMITS.batchEventsMax) return undefined;
    for (let index = 0; index < run; index += 1) counts.push(Number.parseInt(count, 36));
  }
  return counts;
}

function decodePlaces(text: string): readonly RecordPosition[] | undefined {
  const positions: RecordPosition[] = [];
  const lasts = new Map<string, bigint>();
  let lane = '';
  for (const part of text.split('~')) {
    const [whole, named, distance = '0', times = '1'] = PLACE.exec(part) ?? [];
    const run = Number.parseInt(times, 36);
    const own = named === undefined ? lane : unescaped(named);
    if (whole === undefined || own === undefined) return undefined;
    if (run < 1 || positions.length + run > LIMITS.batchEventsMax || own.length > LIMITS.laneCharsMax) return undefined;
    lane = own;
    const sequence = (lasts.get(lane) ?? 0n) + bigintOf(distance);
    if (sequence < 0n || sequence > SEQUENCE_MAX) return undefined;
    for (let index = 0; index < run; index += 1) positions.push({ lane, sequence: sequence + BigInt(index) });
    lasts.set(lane, sequence + BigInt(run - 1));
  }
  return positions;
}

function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    // These escapes are no UTF-8.
    return undefined;
  }
}

/** Of at most `receiptCharsMax` characters. */
function bigintOf(text: string): bigint {
  const digits = text.startsWith('-') ? text.slice(1) : text;
  let value = 0n;
  // Ten digits of base 36 are within what a number holds exactly.
  for (let start = 0; start < digits.length; start += DIGITS_AT_ONCE) {
    const part = digits.slice(start, start + DIGITS_AT_ONCE);
    value = value * 36n ** BigInt(part.length) + BigInt(Number.parseInt(part, 36));
  }
  return text.startsWith('-') ? -value : value;
}

const DIGITS_AT_ONCE = 10;
/** The end of the year 9999: what is beyond it is no time as ours are written. */
const SECONDS_MAX = 253_402_300_799;
/** Those of Kinesis have 56 digits; an id with one of more than 128 is none of ours. */
const SEQUENCE_MAX = 10n ** 128n;

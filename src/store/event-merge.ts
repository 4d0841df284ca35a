import type { EventPosition } from './event-store.ts';

/** What orders an event in a list, all of whose times are of one type. Adapters add where its row lies. */
export interface EventKey extends EventPosition {
  readonly time: number | string | bigint;
}

/** Events that lie in order, read in steps. `Found` is what reading gives: the events, or a promise of them. */
export interface KeyStream<Key extends EventKey, Found = readonly Key[]> {
  /** No event of the stream comes before this time, in the list's order: the first one's time. */
  readonly first: Key['time'];
  /** The next events after this one, or from the beginning, in the list's order: about `limit`, and none only at the end. */
  read(after: Key | undefined, limit: number): Found;
}

export interface MergeRange {
  readonly order: 'asc' | 'desc';
  readonly limit: number;
}

/** A stream's next event; while that is not read, only its time is known, or what comes before it. */
interface Head<Key extends EventKey, Found> {
  readonly stream: KeyStream<Key, Found>;
  readonly time: Key['time'];
  /** Read and not yet taken, the next one last. */
  readonly waiting: Key[];
  readonly last: Key | undefined;
  readonly step: number;
}

/** Most streams give one or two events to a page; one that gives more is read in steps that double up to this. */
const STEP_FIRST = 2;
const STEP_MAX = 256;

/**
 * The first `limit` events of streams that are each in order, by time and then position. A stream is read only once its
 * turn has come, so that a page of many streams costs little more than what it holds: a stream gives at most twice as
 * many events to memory as to the page, and two.
 */
export function mergeKeys<Key extends EventKey>(streams: readonly KeyStream<Key>[], range: MergeRange): readonly Key[] {
  const merging = merge(streams, range);
  let step = merging.next();
  while (step.done !== true) step = merging.next(step.value);
  return step.value;
}

/** The same of streams that are read from elsewhere. */
export async function mergeDistantKeys<Key extends EventKey>(
  streams: readonly KeyStream<Key, Promise<readonly Key[]>>[],
  range: MergeRange,
): Promise<readonly Key[]> {
  const merging = merge(streams, range);
  let step = merging.next();
  while (step.done !== true) step = merging.next(await step.value);
  return step.value;
}

/** Asks for each reading's events, whether they are there or still to come. */
function* merge<Key extends EventKey, Found>(
  streams: readonly KeyStream<Key, Found>[],
  { order, limit }: MergeRange,
): Generator<Found, readonly Key[], readonly Key[]> {
  const sign = order === 'asc' ? 1 : -1;
  // An unread head goes before a read one of its time, for what it holds may do so.
  const compare = (a: Head<Key, Found>, b: Head<Key, Found>): number =>
    sign * compareTimes(a.time, b.time) || compareRead(a, b, sign);
  const heads = streams
    .map((stream): Head<Key, Found> => ({ stream, time: stream.first, waiting: [], last: undefined, step: STEP_FIRST }))
    .sort((a, b) => compare(b, a));
  const merged: Key[] = [];
  while (merged.length < limit) {
    const head = heads.pop();
    if (head === undefined) break;
    const taken = head.waiting.pop();
    if (taken !== undefined) merged.push(taken);
    const next =
      taken === undefined ? headRead(head, yield head.stream.read(head.last, head.step)) : headAfter(head, taken);
    if (next !== undefined) insert(heads, next, compare);
  }
  return merged;
}

function compareTimes(a: EventKey['time'], b: EventKey['time']): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareRead<Key extends EventKey, Found>(a: Head<Key, Found>, b: Head<Key, Found>, sign: number): number {
  const [keyA, keyB] = [a.waiting.at(-1), b.waiting.at(-1)];
  if (keyA === undefined) return keyB === undefined ? 0 : -1;
  if (keyB === undefined) return 1;
  return sign * comparePositions(keyA, keyB);
}

function comparePositions(a: EventPosition, b: EventPosition): number {
  if (a.lane !== b.lane) return a.lane < b.lane ? -1 : 1;
  if (a.sequence !== b.sequence) return a.sequence < b.sequence ? -1 : 1;
  return a.index - b.index;
}

/** The order of ascending lists. */
export function compareKeys(a: EventKey, b: EventKey): number {
  return compareTimes(a.time, b.time) || comparePositions(a, b);
}

function headAfter<Key extends EventKey, Found>(head: Head<Key, Found>, taken: Key): Head<Key, Found> {
  return { ...head, time: head.waiting.at(-1)?.time ?? taken.time, last: taken };
}

/** The head with the step that was read; undefined when nothing is left. */
function headRead<Key extends EventKey, Found>(
  { stream, last, step }: Head<Key, Found>,
  read: readonly Key[],
): Head<Key, Found> | undefined {
  const waiting = [...read].reverse();
  const time = waiting.at(-1)?.time;
  if (time === undefined) return undefined;
  return { stream, time, waiting, last, step: Math.min(2 * Math.max(step, read.length), STEP_MAX) };
}

/** Into its place among heads whose first in the list's order is last. */
function insert<H>(heads: H[], head: H, compare: (a: H, b: H) => number): void {
  let low = 0;
  let high = heads.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = heads[middle];
    if (other !== undefined && compare(other, head) > 0) low = middle + 1;
    else high = middle;
  }
  heads.splice(low, 0, head);
}

import type { EventPosition } from '../../store/event-store.ts';

/** What orders an event in a list by time, and the id of its row. */
export interface EventKey extends EventPosition {
  readonly id: bigint;
  /** Epoch milliseconds. */
  readonly timestamp: number;
}

/** Events that lie in order, read in steps. */
export interface KeyStream {
  /** No event of the stream comes before this time, in the list's order: the first one's time. */
  readonly first: number;
  /** The next at most `limit` events after this one, or from the beginning; in the list's order. */
  read(after: EventKey | undefined, limit: number): readonly EventKey[];
}

/** A stream's next event; while that is not read, only its time is known, or what comes before it. */
interface Head {
  readonly stream: KeyStream;
  readonly time: number;
  /** Read and not yet taken, the next one last. */
  readonly waiting: EventKey[];
  readonly last: EventKey | undefined;
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
export function mergeKeys(
  streams: readonly KeyStream[],
  { order, limit }: { readonly order: 'asc' | 'desc'; readonly limit: number },
): readonly EventKey[] {
  const sign = order === 'asc' ? 1 : -1;
  // An unread head goes before a read one of its time, for what it holds may do so.
  const compare = (a: Head, b: Head): number => sign * (a.time - b.time) || compareRead(a, b, sign);
  const heads = streams
    .map((stream): Head => ({ stream, time: stream.first, waiting: [], last: undefined, step: STEP_FIRST }))
    .sort((a, b) => compare(b, a));
  const merged: EventKey[] = [];
  while (merged.length < limit) {
    const head = heads.pop();
    if (head === undefined) break;
    const taken = head.waiting.pop();
    if (taken !== undefined) merged.push(taken);
    const next = taken === undefined ? readOn(head) : headAfter(head, taken);
    if (next !== undefined) insert(heads, next, compare);
  }
  return merged;
}

function compareRead(a: Head, b: Head, sign: number): number {
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

function headAfter(head: Head, taken: EventKey): Head {
  return { ...head, time: head.waiting.at(-1)?.timestamp ?? taken.timestamp, last: taken };
}

/** The head with its next step read; undefined when nothing is left. */
function readOn({ stream, last, step }: Head): Head | undefined {
  const waiting = [...stream.read(last, step)].reverse();
  const time = waiting.at(-1)?.timestamp;
  return time === undefined ? undefined : { stream, time, waiting, last, step: Math.min(2 * step, STEP_MAX) };
}

/** Into its place among heads whose first in the list's order is last. */
function insert(heads: Head[], head: Head, compare: (a: Head, b: Head) => number): void {
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

import { LIMITS } from '../core/limits.ts';
import type { EventRange, EventReads, StoredEvent } from '../store/event-store.ts';
import { compareMarks, markOf } from './cursor.ts';

/** A part of a person's events: those of one visitor, perhaps only some of them. */
interface Stream {
  readonly visitor: string;
  readonly has: (event: StoredEvent) => boolean;
}

/**
 * One person's events over all linked visitors, in `createdAt` order, each once:
 *
 * - events of the visitor that the id names: a device, whoever used it, or a user of whom no device is known;
 * - where the id is a user's, events on each visitor (device) linked to it, within that visitor's source, that were recorded
 *   with this user or with none.
 *
 * A visitor has one stream, so no event is in two of them. At most `linksPerUserMax` links are followed.
 */
export async function timeline(reads: EventReads, id: string, range: EventRange): Promise<readonly StoredEvent[]> {
  const streams = await streamsOf(reads, id);
  // Of many devices each has few of the page's events.
  const step = Math.ceil(Math.min(range.limit, LIMITS.timelineEventsStep) / Math.min(streams.length, 10));
  return mergeEvents(
    streams.map((stream) => eventsOf(reads, stream, { ...range, limit: step })),
    range,
  );
}

async function streamsOf(reads: EventReads, id: string): Promise<readonly Stream[]> {
  const devices = new Map<string, Set<string>>();
  for (const { source, visitor } of await reads.visitorsOf(id, LIMITS.linksPerUserMax)) {
    const sources = devices.get(visitor);
    if (sources === undefined) devices.set(visitor, new Set([source]));
    else sources.add(source);
  }
  // An id linked to itself adds nothing to the first stream.
  devices.delete(id);
  return [
    { visitor: id, has: () => true },
    ...[...devices].map(([visitor, sources]) => ({
      visitor,
      has: ({ source, userId }: StoredEvent) => sources.has(source) && (userId === undefined || userId === id),
    })),
  ];
}

async function* eventsOf(reads: EventReads, { visitor, has }: Stream, range: EventRange): AsyncGenerator<StoredEvent> {
  let after = range.after;
  for (;;) {
    const events = await reads.eventsOf(visitor, { ...range, after });
    for (const event of events) if (has(event)) yield event;
    const last = events.at(-1);
    if (last === undefined || events.length < range.limit) return;
    after = markOf(last, 'createdAt');
  }
}

/** The first `limit` events of streams that are each in order. */
async function mergeEvents(
  streams: readonly AsyncIterator<StoredEvent>[],
  { order, limit }: Pick<EventRange, 'order' | 'limit'>,
): Promise<readonly StoredEvent[]> {
  const direction = order === 'asc' ? 1 : -1;
  const compare = (a: StoredEvent, b: StoredEvent): number =>
    direction * compareMarks(markOf(a, 'createdAt'), markOf(b, 'createdAt'));
  const heads = await Promise.all(streams.map((stream) => stream.next()));
  const merged: StoredEvent[] = [];
  while (merged.length < limit) {
    let first: { readonly event: StoredEvent; readonly stream: number } | undefined;
    for (const [stream, head] of heads.entries()) {
      if (head.done === true) continue;
      if (first === undefined || compare(head.value, first.event) < 0) first = { event: head.value, stream };
    }
    if (first === undefined) break;
    merged.push(first.event);
    const next = await streams[first.stream]?.next();
    if (next !== undefined) heads[first.stream] = next;
  }
  return merged;
}

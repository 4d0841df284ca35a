import { LIMITS } from '../core/limits.ts';
import type { EventRange, EventReads, StoredEvent } from '../store/event-store.ts';
import { compareMarks, markOf } from './cursor.ts';

/** A part of a person's events: those of one `who`, perhaps only on one visitor, perhaps only within some sources. */
interface Stream {
  readonly who: string;
  readonly visitor?: string;
  readonly sources?: ReadonlySet<string>;
}

/**
 * One person's events over all linked visitors, in `createdAt` order, each once:
 *
 * - events whose `who` is the id;
 * - where the id is a user's, events recorded without a user on each visitor (device) linked to it, within that
 *   visitor's source;
 * - where the id is a visitor's, events of the users linked to it, on this visitor only.
 *
 * These differ in `who` or in visitor, so no event is in two of them. At most `linksPerUserMax` links are followed either way.
 */
export async function timeline(reads: EventReads, id: string, range: EventRange): Promise<readonly StoredEvent[]> {
  const streams = await streamsOf(reads, id);
  return mergeEvents(
    streams.map((stream) => eventsOf(reads, stream, range)),
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
  const users = (await reads.usersOf(id, LIMITS.linksPerUserMax)).filter((user) => user !== id);
  return [
    { who: id },
    ...[...devices].map(([visitor, sources]) => ({ who: visitor, visitor, sources })),
    ...users.map((user) => ({ who: user, visitor: id })),
  ];
}

async function* eventsOf(reads: EventReads, stream: Stream, range: EventRange): AsyncGenerator<StoredEvent> {
  const { who, visitor, sources } = stream;
  const limit = Math.min(range.limit, LIMITS.timelineEventsStep);
  let after = range.after;
  for (;;) {
    const events = await reads.eventsOf(who, { ...range, visitor, limit, after });
    for (const event of events) if (sources === undefined || sources.has(event.source)) yield event;
    const last = events.at(-1);
    if (last === undefined || events.length < limit) return;
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

import type { RecordPosition } from '../../src/log/event-log.ts';
import type { EventPosition, EventRange, LaneState, RowKey, StoredEvent } from '../../src/store/event-store.ts';

/** Orders by time, then lane, sequence, index, and cuts out the page. */
export function page(
  events: readonly StoredEvent[],
  { from, to, eventType, source, order, limit, after }: EventRange,
  timeOf: (event: StoredEvent) => string,
): readonly StoredEvent[] {
  const markOf = (event: StoredEvent) => ({ time: timeOf(event), ...event.position });
  const sign = order === 'asc' ? 1 : -1;
  return events
    .filter(
      (event) =>
        (eventType === undefined || event.eventType === eventType) &&
        (source === undefined || event.source === source) &&
        (from === undefined || compareTimes(timeOf(event), from) >= 0) &&
        (to === undefined || compareTimes(timeOf(event), to) < 0) &&
        (after === undefined || sign * compareMarks(markOf(event), after) > 0),
    )
    .sort((a, b) => sign * compareMarks(markOf(a), markOf(b)))
    .slice(0, limit);
}

type Mark = EventPosition & { readonly time: string };

function compareMarks(a: Mark, b: Mark): number {
  return (
    compareTimes(a.time, b.time) || compare(a.lane, b.lane) || compare(a.sequence, b.sequence) || a.index - b.index
  );
}

/** Without the final Z, texts order as times do. */
function compareTimes(a: string, b: string): number {
  return compare(a.slice(0, -1), b.slice(0, -1));
}

/** Sequences order ignoring the lane. */
export function comparePlaces(a: EventPosition, b: EventPosition): number {
  return compare(a.sequence, b.sequence) || compare(a.lane, b.lane) || a.index - b.index;
}

export function compare<T extends string | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function positionText({ lane, sequence, index }: EventPosition): string {
  return `${lane}\0${sequence}\0${index}`;
}

export function deadText({ lane, sequence }: RecordPosition): string {
  return `${lane}\0${sequence}`;
}

export function rowText({ view, version, source, bucket, lane }: RowKey): string {
  return `${view}\0${version}\0${source}\0${bucket}\0${lane}`;
}

export function laneText(lane: LaneState | undefined): string {
  if (lane === undefined) return '';
  const cuts = Object.entries(lane.cuts).map(([view, cut]) => `${view}=${cut}`);
  const registry = Object.entries(lane.registry).map(([view, version]) => `${view}@${version}`);
  return [lane.done, ...registry.sort(), ...cuts.sort()].join(' ');
}

/**
 * Counts again, from plain lists, what the processor has counted; written apart from it and importing nothing of it, so
 * that one mistake is not made twice.
 */
export interface CountedEvent {
  readonly eventType: string;
  readonly userId?: string | undefined;
  readonly anonymousId?: string | undefined;
  /** ISO 8601. */
  readonly timestamp: string;
  readonly properties: { readonly [name: string]: unknown };
}

/** `<minute> <type>` → how many. */
export function recountTypes(events: Iterable<CountedEvent>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { timestamp, eventType } of events) add(counts, `${timestamp.slice(0, 16)} ${eventType}`);
  return counts;
}

/** `<minute> <path>` → how many, for events of type page that say their path. */
export function recountPages(events: Iterable<CountedEvent>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { timestamp, eventType, properties } of events) {
    if (eventType === 'page') add(counts, `${timestamp.slice(0, 16)} ${String(properties.path)}`);
  }
  return counts;
}

export function recountVisitors(events: Iterable<CountedEvent>): number {
  const seen = new Set<string>();
  for (const { anonymousId, userId } of events) seen.add(anonymousId ?? userId ?? '');
  return seen.size;
}

/** The session of each event, of one visitor's events in the order they were taken in: 30 minutes of silence end one. */
export function recountSessions(events: readonly CountedEvent[]): number[] {
  let session = 0;
  let latest = Number.NEGATIVE_INFINITY;
  return events.map(({ timestamp }) => {
    const time = new Date(timestamp).getTime();
    if (time - latest > 30 * 60 * 1000) session += 1;
    latest = Math.max(latest, time);
    return session;
  });
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

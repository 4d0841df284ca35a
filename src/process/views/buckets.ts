let minute = '';
let buckets: readonly [minute: string, hour: string] = ['', ''];

/**
 * The time buckets of an event: its minute and its hour, in UTC. Coarser ones are merged when read. Most events are of the
 * same minute as the one before, and get the same texts: building and hashing them anew for each view was a cost.
 */
export function bucketsOf(timestamp: string): readonly [minute: string, hour: string] {
  if (minute === '' || !timestamp.startsWith(minute)) {
    minute = timestamp.slice(0, 16);
    buckets = [`minute/${minute}Z`, `hour/${timestamp.slice(0, 13)}:00Z`];
  }
  return buckets;
}

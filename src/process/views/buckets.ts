/** The time buckets of an event: its minute and its hour, in UTC. Coarser ones are merged when read. */
export function bucketsOf(timestamp: string): readonly [minute: string, hour: string] {
  return [`minute/${timestamp.slice(0, 16)}Z`, `hour/${timestamp.slice(0, 13)}:00Z`];
}

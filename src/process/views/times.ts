import { type Dimension, TOTAL } from './dimensions.ts';

/** Where bots are counted: apart, for most questions leave them out. */
export const BOTS = 'bots/';

/** Where an event of this time counts: its minute of UTC, with bots apart. */
export function minuteOf(timestamp: string, isBot: boolean): string {
  const minute = timestamp.slice(0, 16);
  return isBot ? BOTS + minute : minute;
}

/**
 * The buckets of a minute: one row for the minute with all dimensions, for what happens now touches many minutes (sessions
 * change at their start), and one a dimension for the hour, for readers of long ranges want one dimension.
 */
export function bucketsOf(dimensions: readonly Dimension[]): (at: string) => readonly string[] {
  const parts = [TOTAL, ...dimensions.map(({ name }) => name)];
  const recent = new Map<string, readonly string[]>();
  return (at) => {
    let buckets = recent.get(at);
    if (buckets === undefined) {
      const bots = at.startsWith(BOTS) ? BOTS : '';
      const minute = at.slice(bots.length);
      const hour = minute.slice(0, 13);
      buckets = [`${bots}minute/${minute}Z`, ...parts.map((part) => `${bots}hour/${part}/${hour}:00Z`)];
      if (recent.size >= RECENT_MAX) recent.clear();
      recent.set(at, buckets);
    }
    return buckets;
  };
}

const RECENT_MAX = 1_000;

/** The dimension that a bucket's row holds; undefined when it holds all. */
export function partOf(bucket: string): string | undefined {
  const words = bucket.startsWith(BOTS) ? bucket.slice(BOTS.length).split('/') : bucket.split('/');
  return words[0] === 'hour' ? words[1] : undefined;
}

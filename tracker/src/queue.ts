/** Takes the oldest events out until the rest, as JSON, has at most so many characters; how many those were. */
export function dropOldest(queue: string[], charsMax: number): number {
  let dropped = 0;
  let chars = 0;
  for (const line of queue) chars += line.length;
  for (; chars > charsMax; dropped += 1) chars -= (queue.shift() as string).length;
  return dropped;
}

/** Takes the oldest events out that have at most so many characters together: at least one, however long it is. */
export function takeBatch(queue: string[], charsMax: number): string[] {
  let count = 0;
  let chars = 0;
  for (const line of queue) {
    chars += line.length;
    if (count && chars > charsMax) break;
    count += 1;
  }
  return queue.splice(0, count);
}

/** A request's body. `sentAt` is that of this try, for the server corrects the sender's clock by it. */
export function bodyOf(batch: readonly string[], writeKey: string | undefined): string {
  return `{"batch":[${batch}],"writeKey":${JSON.stringify(writeKey || '')},"sentAt":${Date.now()}}`;
}

/** A queue as it is stored: JSON has no line feeds of its own. `leaseUntil` is in epoch milliseconds: until then it is its page's. */
export function encodeQueue(lines: readonly string[], leaseUntil: number): string {
  return [leaseUntil, ...lines].join('\n');
}

/** The lines of a stored queue that may be taken over; none while its page has a lease. */
export function orphans(stored: string | null | undefined, now: number): string[] {
  const [leaseUntil, ...lines] = (stored || '').split('\n');
  return +(leaseUntil as string) < now ? lines : [];
}

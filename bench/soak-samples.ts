/** What a server under a soak is like at one moment; latencies are of the time since the sample before. */
export interface SoakSample {
  readonly seconds: number;
  /** Acknowledged so far. */
  readonly events: number;
  readonly residentBytes: number;
  /** Of all threads together. */
  readonly heapBytes: number;
  readonly acknowledgedP50Ms: number;
  readonly acknowledgedP99Ms: number;
  readonly queryableP50Ms: number;
  readonly queryableP99Ms: number;
  readonly logBytes: number;
  readonly storeBytes: number;
  /** The store's write-ahead log. */
  readonly walBytes: number;
  /** Of the log, not yet processed. */
  readonly lagBytes: number;
}

const COLUMNS = [
  ...(['seconds', 'events', 'residentBytes', 'heapBytes', 'acknowledgedP50Ms', 'acknowledgedP99Ms'] as const),
  ...(['queryableP50Ms', 'queryableP99Ms', 'logBytes', 'storeBytes', 'walBytes', 'lagBytes'] as const),
];

export function soakCsv(samples: readonly SoakSample[]): string {
  const lines = samples.map((sample) => COLUMNS.map((name) => Math.round(sample[name] * 100) / 100).join());
  return `${[COLUMNS.join(), ...lines].join('\n')}\n`;
}

/** By how much the last third may be above the middle one: a machine that is shared drifts, a leak goes on and on. */
const FLAT = { memoryShare: 1.2, memoryBytes: 48_000_000, latencyShare: 2, latencyMs: 50, diskShare: 1.15 } as const;

/** What is not flat, in words. The first third is left out: caches fill, and V8 finds its size. */
export function notFlat(samples: readonly SoakSample[], limits: { readonly lagBytesMax: number }): readonly string[] {
  const third = Math.floor(samples.length / 3);
  if (third < 2) return ['too short to say anything: six samples are needed'];
  const [middle, last] = [samples.slice(third, 2 * third), samples.slice(2 * third)];
  const problems: string[] = [];
  const hold = (what: string, { before, after, most }: { before: number; after: number; most: number }) => {
    if (after > most)
      problems.push(
        `${what} rose from ${before.toFixed(1)} to ${after.toFixed(1)}, at most ${most.toFixed(1)} is flat`,
      );
  };
  for (const name of ['residentBytes', 'heapBytes'] as const) {
    const [before, after] = [median(middle, name), median(last, name)];
    hold(name, { before, after, most: before * FLAT.memoryShare + FLAT.memoryBytes });
  }
  for (const name of ['acknowledgedP50Ms', 'acknowledgedP99Ms', 'queryableP50Ms', 'queryableP99Ms'] as const) {
    const [before, after] = [median(middle, name), median(last, name)];
    hold(name, { before, after, most: before * FLAT.latencyShare + FLAT.latencyMs });
  }
  for (const name of ['logBytes', 'storeBytes'] as const) {
    const [before, after] = [bytesAnEvent(middle, name), bytesAnEvent(last, name)];
    hold(`${name} an event`, { before, after, most: before * FLAT.diskShare });
  }
  const lagMost = Math.max(...samples.map(({ lagBytes }) => lagBytes));
  if (lagMost > limits.lagBytesMax)
    problems.push(`${lagMost} bytes were not processed, at most ${limits.lagBytesMax} are held`);
  return problems;
}

function median(samples: readonly SoakSample[], name: keyof SoakSample): number {
  const sorted = samples.map((sample) => sample[name]).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

export function bytesAnEvent(samples: readonly SoakSample[], name: 'logBytes' | 'storeBytes'): number {
  const last = samples.at(-1);
  return last === undefined || last.events === 0 ? 0 : last[name] / last.events;
}

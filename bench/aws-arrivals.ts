/** Realistic visits at a rate, as the records that each shard gets, and the batches that an event source mapping makes of them. */
import { createHash } from 'node:crypto';
import { Accept } from '../src/collect/accept.ts';
import { Numbering } from '../src/collect/numbering.ts';
import { segment } from '../src/collect/protocols/segment.ts';
import type { LaneRecord, LogRecord } from '../src/log/event-log.ts';
import { Visits } from '../src/main/load/visits.ts';

export interface Load {
  readonly perMinute: number;
  readonly minutes: number;
  readonly shards: number;
  /** Events of a request. */
  readonly perRequest: number;
  readonly people: number;
}

interface Arrival {
  readonly atMs: number;
  readonly partitionKey: string;
  readonly record: LaneRecord;
}

export interface Arrivals {
  /** Of each shard, in order. */
  readonly lanes: readonly (readonly Arrival[])[];
  readonly events: number;
  readonly requests: number;
  readonly putBytes: number;
  readonly putUnits: number;
}

const START_MS = Date.UTC(2026, 10, 25, 12);

/** The same load gives the same arrivals. */
export async function arrivalsOf({ perMinute, minutes, shards, perRequest, people }: Load): Promise<Arrivals> {
  const lanes = Array.from({ length: shards }, (): Arrival[] => []);
  let [sequence, nowMs] = [0n, START_MS];
  let [requests, putBytes, putUnits] = [0, 0, 0];
  const log = {
    async append(records: readonly LogRecord[]) {
      for (const { partitionKey, data } of records) {
        const hash = createHash('md5').update(partitionKey).digest().readUInt32BE(0);
        sequence += 1n;
        const bytes = Buffer.from(data);
        const arrival = { atMs: nowMs, partitionKey, record: { sequence, data: bytes } };
        lanes[Math.floor((hash / 2 ** 32) * shards)]?.push(arrival);
        putBytes += bytes.length;
        putUnits += Math.ceil((bytes.length + partitionKey.length) / 25_600);
      }
      return records.map(() => ({ lane: 'x', sequence }));
    },
  };
  const accept = new Accept({ log, numbering: new Numbering('cost') });
  const visits = new Visits({ seed: 1, run: 'cost', people });
  const events = perMinute * minutes;
  for (let event = 0; event < events; event += perRequest) {
    nowMs = START_MS + (event * 60_000) / perMinute;
    const batch = Array.from({ length: perRequest }, () => {
      const planned = visits.next(nowMs);
      return JSON.parse(`${planned.openBody},"type":"${planned.path}"}`) as object;
    });
    const body = Buffer.from(JSON.stringify({ batch }));
    const mapped = segment.map({ method: 'POST', path: '/v1/batch', query: '', headers: {}, body, receivedAt: nowMs });
    if (mapped.kind !== 'events') throw new Error(`a batch was ${mapped.kind}`);
    await accept.accept(mapped, { source: 'default', receivedAt: nowMs });
    requests += 1;
  }
  return { lanes, events, requests, putBytes, putUnits };
}

/** One batch in flight a shard, which ends with its window or at its size. */
export function* batchesOf(
  arrivals: readonly Arrival[],
  { windowMs, batchMax }: { readonly windowMs: number; readonly batchMax: number },
): Generator<readonly Arrival[]> {
  for (let start = 0; start < arrivals.length; ) {
    const until = (arrivals[start]?.atMs ?? 0) + windowMs;
    let end = start;
    while (end < arrivals.length && end - start < batchMax && (arrivals[end]?.atMs ?? 0) < until) end += 1;
    yield arrivals.slice(start, end);
    start = end;
  }
}

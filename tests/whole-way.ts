import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEventReader } from '../src/adapters/embedded/event-reader.ts';
import { openEventStore } from '../src/adapters/embedded/event-store.ts';
import { Accept } from '../src/collect/accept.ts';
import { Numbering } from '../src/collect/numbering.ts';
import { segment } from '../src/collect/protocols/segment.ts';
import type { LaneRecord } from '../src/log/event-log.ts';
import { answer, processBatch } from '../src/pipeline.ts';
import { createEnrich } from '../src/process/enrich.ts';
import type { EventStore } from '../src/store/event-store.ts';
import { MemoryEventLog } from './contracts/memory-event-log.ts';
import { countryOf, type SentRequest } from './histories.ts';
import type { Question, Row } from './recount.ts';

/** A batch as a consumer can be given it: it begins at or before where the one before ended. */
export interface Piece {
  readonly from: number;
  readonly length: number;
}

/** Asks the API for statistics. */
export type Ask = (question: Question) => Promise<readonly Row[]>;

const LANE = 'lane-0';
const enrich = createEnrich({ domains: () => [], countryOf });

/**
 * The whole way: what is sent is mapped, accepted into a log, processed in these pieces onto SQLite, and the rest of it in one; then
 * the API can be asked.
 */
export async function served<Result>(
  sent: { readonly requests: readonly SentRequest[]; readonly pieces?: readonly Piece[] },
  use: (ask: Ask) => Promise<Result>,
): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-recount-'));
  const store = openEventStore({ folder });
  const reader = openEventReader({ folder });
  try {
    await processAll(store, await accepted(sent.requests), sent.pieces ?? []);
    return await use(async (question) => {
      const { status, body } = await answer(
        { path: '/api/v1/stats', parameters: parametersOf(question) },
        {
          reader,
          clock: () => question.to,
          log: nothing,
          schemas: () => ({ list: [], fault: undefined }),
          report: fail,
        },
      );
      if (status !== 200) throw new Error(body);
      const { rows } = JSON.parse(body) as { readonly rows: readonly Row[] };
      return rows;
    });
  } finally {
    await reader.close();
    await store.close();
    rmSync(folder, { recursive: true });
  }
}

/** The records that a collector appends for the requests. */
async function accepted(requests: readonly SentRequest[]): Promise<readonly LaneRecord[]> {
  const log = new MemoryEventLog();
  const accept = new Accept({ log, numbering: new Numbering('collector') });
  for (const { source, receivedAt, calls } of requests) {
    const arrivedAt = Date.parse(receivedAt);
    const body = Buffer.from(JSON.stringify({ batch: calls }));
    const request = { method: 'POST', path: '/v1/batch', query: '', headers: {}, body, receivedAt: arrivedAt };
    const mapped = segment.map(request);
    if (mapped.kind !== 'events') throw new Error(`a request is ${mapped.kind}`);
    const { setAside } = await accept.accept(mapped, { source, receivedAt: arrivedAt });
    if (setAside > 0) throw new Error(`${setAside} events are set aside`);
  }
  return log.lanes.get(LANE) ?? [];
}

async function processAll(store: EventStore, records: readonly LaneRecord[], pieces: readonly Piece[]): Promise<void> {
  let end = 0;
  for (const { from, length } of [...pieces, { from: records.length, length: records.length }]) {
    const start = Math.min(from, end);
    const batch = records.slice(start, start + length);
    if (batch.length > 0) await processBatch({ lane: LANE, records: batch, steps: { enrich } }, store);
    end = Math.max(end, Math.min(start + length, records.length));
  }
}

function parametersOf({ by, key, limit, source, from, to, ...rest }: Question): Record<string, string> {
  return {
    ...{ ...rest, from: String(from), to: String(to) },
    ...(by !== undefined && { by }),
    ...(key !== undefined && { key }),
    ...(limit !== undefined && { limit: String(limit) }),
    ...(source !== undefined && { source }),
  };
}

async function nothing() {
  return { records: [], findings: [] };
}

function fail(fault: unknown): never {
  throw fault;
}

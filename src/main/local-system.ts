import type { LogProgress } from '../adapters/embedded/log-progress.ts';
import type { CollectCounters } from '../collect/http.ts';
import { VERSION } from '../core/version.ts';
import type { System } from '../query/system.ts';
import type { StoreLook } from './query-worker.ts';

/** What the main thread knows of how a server on one machine runs. */
export interface LocalState {
  /** ISO 8601. */
  readonly startedAt: string;
  readonly counters: CollectCounters;
  readonly progress: LogProgress;
  /** Of the log and of the store. */
  readonly writable: boolean;
  readonly processing: boolean;
}

/** What /api/v1/system says of a server on one machine. */
export function localSystem(state: LocalState, look: StoreLook): System {
  const { startedAt, counters, progress, writable, processing } = state;
  const { logBytes, segments, storeBytes, freeBytes, lanes } = look;
  return {
    home: 'one machine',
    ...{ version: VERSION, startedAt },
    freshness: progress.freshness.summary() ?? null,
    collect: counters,
    log: { bytes: logBytes, segments, unprocessedBytes: unprocessedBytes(progress), writable },
    store: { bytes: storeBytes, writable: processing },
    disk: { freeBytes },
    lanes,
  };
}

export function unprocessedBytes({ durableBytes, processedBytes }: LogProgress): number {
  return Math.max(0, durableBytes - processedBytes);
}

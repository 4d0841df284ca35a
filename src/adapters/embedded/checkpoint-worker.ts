import { workerData } from 'node:worker_threads';
import { LIMITS } from '../../core/limits.ts';
import { CheckpointFlags, type CheckpointWorkerData } from './checkpointer.ts';
import { isFailedSync, openDatabaseToCheckpoint, walBytesWaiting } from './schema.ts';

function run({ folder, shared }: CheckpointWorkerData): void {
  const flags = new CheckpointFlags(shared);
  const database = openDatabaseToCheckpoint(folder);
  const checkpoint = database.prepare('PRAGMA wal_checkpoint(PASSIVE)');
  const waiting = walBytesWaiting(database);
  while (!flags.waitForStop(LIMITS.storeCheckpointLookMs)) {
    try {
      if (waiting().notMoved >= LIMITS.storeCheckpointBytes) checkpoint.get();
    } catch (thrown) {
      if (isFailedSync(thrown)) flags.noteSyncFailed();
      // A full disk or a failing device: it may pass.
      if (flags.waitForStop(LIMITS.processRetryMs)) break;
    }
  }
  database.close();
}

run(workerData as CheckpointWorkerData);

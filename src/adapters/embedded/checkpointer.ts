import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';

/** Places in the memory that both threads see. */
const STOP = 0;
const SYNC_FAILED = 1;

export interface CheckpointWorkerData {
  readonly folder: string;
  readonly shared: SharedArrayBuffer;
}

/**
 * Moves the store's write-ahead log into the database from a thread of its own, for that is a tenth of the writer's work, and
 * holds it up. It goes by the log's length alone, so nobody has to ask; one that fails is tried again, and the
 * writer does it itself when the log grows all the same.
 */
export class Checkpointer {
  readonly #flags: CheckpointFlags;
  readonly #ended: Promise<unknown>;

  constructor({ folder }: { readonly folder: string }) {
    const shared = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT);
    this.#flags = new CheckpointFlags(shared);
    // The same file is TypeScript on a checkout and JavaScript in the package.
    const file = new URL(`./checkpoint-worker${extname(import.meta.url)}`, import.meta.url);
    const worker = new Worker(file, { workerData: { folder, shared } satisfies CheckpointWorkerData });
    // Its own faults are told, and no reason to stop: the writer checkpoints in its place.
    worker.on('error', (error) => process.emitWarning(`the checkpointer failed: ${error.message}`));
    this.#ended = new Promise((resolve) => worker.once('exit', resolve));
  }

  /** An fsync of its own failed: what it covered may be lost though the next one succeeds. */
  get syncFailed(): boolean {
    return this.#flags.syncFailed;
  }

  async close(): Promise<void> {
    this.#flags.stop();
    await this.#ended;
  }
}

/** What the two threads tell each other. */
export class CheckpointFlags {
  readonly #flags: Int32Array;

  constructor(shared: SharedArrayBuffer) {
    this.#flags = new Int32Array(shared);
  }

  get syncFailed(): boolean {
    return Atomics.load(this.#flags, SYNC_FAILED) === 1;
  }

  noteSyncFailed(): void {
    Atomics.store(this.#flags, SYNC_FAILED, 1);
  }

  stop(): void {
    Atomics.store(this.#flags, STOP, 1);
    Atomics.notify(this.#flags, STOP);
  }

  /** Blocks the thread; true when told to stop. */
  waitForStop(milliseconds: number): boolean {
    Atomics.wait(this.#flags, STOP, 0, milliseconds);
    return Atomics.load(this.#flags, STOP) === 1;
  }
}

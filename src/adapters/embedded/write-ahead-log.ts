import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { LIMITS } from '../../core/limits.ts';
import type { Checkpointer } from './checkpointer.ts';
import { isFailedSync, walBytesWaiting } from './schema.ts';

/** SQLite's log of what was committed, for the one writer: how it is kept short, and whether its syncs are to be trusted. */
export class WriteAheadLog {
  readonly #database: DatabaseSync;
  readonly #checkpointer: Checkpointer | undefined;
  readonly #bytes: ReturnType<typeof walBytesWaiting>;
  readonly #checkpoint: StatementSync;
  readonly #restart: StatementSync;
  /** Set by an fsync that failed: what it covered may be lost though the next one succeeds, so none is trusted. */
  #fsyncFailure: unknown;

  constructor(database: DatabaseSync, checkpointer: Checkpointer | undefined) {
    this.#database = database;
    this.#checkpointer = checkpointer;
    this.#bytes = walBytesWaiting(database);
    this.#checkpoint = database.prepare('PRAGMA wal_checkpoint(PASSIVE)');
    this.#restart = database.prepare('PRAGMA wal_checkpoint(RESTART)');
  }

  /** To be told of all that is thrown while it is written. */
  noteFsync(thrown: unknown): void {
    if (isFailedSync(thrown)) this.#fsyncFailure = thrown;
  }

  assertSyncs(): void {
    if (this.#fsyncFailure !== undefined || this.#checkpointer?.syncFailed) {
      throw new Error('the store cannot tell what is durable since a sync failed: restart', {
        cause: this.#fsyncFailure,
      });
    }
  }

  /** After a commit, which stands whatever becomes of the checkpoint: one that fails is tried again later, and by `sync`. */
  checkpointWhenDue(): void {
    const { all, notMoved } = this.#bytes();
    const { storeCheckpointBytes, storeWalBytesMax } = LIMITS;
    const isMine = this.#checkpointer === undefined && notMoved >= storeCheckpointBytes;
    if (!isMine && all <= storeWalBytesMax) return;
    try {
      this.checkpoint();
      // The log starts anew by itself with the first commit that finds all of it moved, and no reader in it. Under steady load
      // there is always some more, so one too long is moved by its writer, who waits for the readers.
      if (all > storeWalBytesMax) this.#restart.get();
    } catch (thrown) {
      // Not the batch's failure: `sync` throws it if it lasts, and until then the next batch tries again.
      this.noteFsync(thrown);
    }
  }

  /** Moves the log into the database as far as readers let it, without waiting for them. */
  checkpoint(): void {
    try {
      this.#checkpoint.get();
    } catch (thrown) {
      this.noteFsync(thrown);
      throw thrown;
    }
  }

  /** The whole database, through the log. It takes as much room again, and in temporary files, for as long as it takes. */
  rewrite(): void {
    try {
      this.#database.exec('PRAGMA temp_store = FILE; VACUUM');
    } catch (thrown) {
      this.noteFsync(thrown);
      // What it wrote there counts for nothing, and would keep its room.
      this.#emptyIfPossible();
      throw thrown;
    } finally {
      this.#database.exec('PRAGMA temp_store = MEMORY');
    }
  }

  /** Moves all of the log, and cuts it to nothing; false when a reader is in the way. */
  empty(): boolean {
    const { busy } = this.#database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { readonly busy: number };
    return busy === 0;
  }

  #emptyIfPossible(): void {
    try {
      this.empty();
    } catch (thrown) {
      this.noteFsync(thrown);
    }
  }

  async close(): Promise<void> {
    await this.#checkpointer?.close();
  }
}

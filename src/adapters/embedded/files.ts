import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, write } from 'node:fs';
import { type FileHandle, mkdir, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A file of the log, open for writing. One write is in flight at a time. */
export interface WritableFile {
  /**
   * Writes at this byte. What it resolves with, the number of bytes written, is durable; it can be fewer than given.
   * After a rejection any part of the bytes may be in the file.
   */
  write(data: Uint8Array, position: number): Promise<number>;
  close(): Promise<void>;
}

export interface ReadableFile {
  size(): number;
  /** Fills `into` from this byte on; returns the number of bytes read, fewer only at the file's end. */
  read(into: Uint8Array, position: number): number;
  close(): void;
}

/**
 * The slice of the file system that the log needs. Reading is synchronous, for it runs in a worker or at start-up.
 * Everything throws what the system throws (ENOSPC, EIO, ENOENT, ...).
 */
export interface Files {
  /** With its parents; no error when it exists. Durable. */
  makeFolder(folder: string): Promise<void>;
  /** Names, in no order. */
  list(folder: string): readonly string[];
  /** A new empty file; EEXIST when there is one. Its name is durable only after `syncFolder`. */
  create(path: string): Promise<WritableFile>;
  openToRead(path: string): ReadableFile;
  /** Ends the file at this byte, and makes all before it durable, whoever wrote it. */
  cut(path: string, bytes: number): Promise<void>;
  /** In the place of what has that name. Durable only after `syncFolder`. */
  rename(from: string, to: string): Promise<void>;
  /** Durable only after `syncFolder`. */
  unlink(path: string): Promise<void>;
  /** Makes created, renamed and unlinked names durable. */
  syncFolder(folder: string): Promise<void>;
}

/** On macOS O_DSYNC does not flush the drive's cache, and fdatasync does; Windows has no O_DSYNC. */
const SYNCHRONOUS_WRITES = process.platform === 'linux';

export const nodeFiles: Files = {
  async makeFolder(folder) {
    await mkdir(folder, { recursive: true });
    await this.syncFolder(dirname(folder));
  },

  list: (folder) => readdirSync(folder),

  async create(path) {
    const { O_CREAT, O_EXCL, O_WRONLY, O_DSYNC } = constants;
    return new NodeFile(await open(path, O_CREAT | O_EXCL | O_WRONLY | (SYNCHRONOUS_WRITES ? O_DSYNC : 0), 0o600));
  },

  openToRead(path) {
    const descriptor = openSync(path, 'r');
    return {
      size: () => fstatSync(descriptor).size,
      read: (into, position) => readWhole(descriptor, into, position),
      close: () => closeSync(descriptor),
    };
  },

  async cut(path, bytes) {
    const handle = await open(path, 'r+');
    try {
      if ((await handle.stat()).size > bytes) await handle.truncate(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
  },

  rename,

  unlink,

  async syncFolder(folder) {
    // Windows cannot open a folder, and journals names by itself.
    if (process.platform === 'win32') return;
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

class NodeFile implements WritableFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  write(data: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      // The callback form costs the hot path less than FileHandle.write.
      write(this.#handle.fd, data, 0, data.length, position, (error, bytes) => {
        if (error !== null) reject(error);
        else if (SYNCHRONOUS_WRITES) resolve(bytes);
        else
          this.#handle.datasync().then(() => {
            resolve(bytes);
          }, reject);
      });
    });
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

function readWhole(descriptor: number, into: Uint8Array, position: number): number {
  let done = 0;
  while (done < into.length) {
    const bytes = readSync(descriptor, into, done, into.length - done, position + done);
    if (bytes === 0) break;
    done += bytes;
  }
  return done;
}

/** Writes all of it, in as many writes as it takes. */
export async function writeWhole(file: WritableFile, data: Uint8Array, position: number): Promise<void> {
  let done = await file.write(data, position);
  while (done < data.length) {
    const bytes = await file.write(data.subarray(done), position + done);
    if (bytes === 0) throw new Error(`a write of ${data.length - done} bytes at ${position + done} wrote nothing`);
    done += bytes;
  }
}

import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import type { DiskMessage } from './disk.ts';
import { TELLING_DESCRIPTOR } from './server-process.ts';

/**
 * Loaded into a server before its own code (`node --import`), by `clickstream prove`. It stands between the program and the
 * system: of all that the log's thread writes it first tells what was there before, and tells when the system says that it is
 * durable. Who hears that can take back after a `kill -9` what a loss of power would have taken. The program itself
 * is as ever: this sees only which files it opens, how, and what it does with them.
 */

/** A disk's own sync takes about so long; on a file system in memory an acknowledgement before the sync would else not be seen. */
const SYNC_MS = 2;

interface OpenFile {
  readonly path: string;
  /** What was written is durable once the system says that it is written. */
  readonly isSynchronous: boolean;
}

type Handle = promises.FileHandle;
type Written = (error: NodeJS.ErrnoException | null, bytes: number, data: NodeJS.ArrayBufferView) => void;

const files = new Map<number, OpenFile>();
let lastId = 0;

function tell(message: DiskMessage): void {
  const line = Buffer.from(`${JSON.stringify(message)}\n`);
  for (let done = 0; done < line.length; ) done += fs.writeSync(TELLING_DESCRIPTOR, line, done);
}

/** What stands at this place now; nothing where the file ends before it. */
function standing(path: string, place: { readonly position: number; readonly length: number }): Buffer {
  const found = Buffer.alloc(place.length);
  const descriptor = fs.openSync(path, 'r');
  try {
    return found.subarray(0, fs.readSync(descriptor, found, 0, place.length, place.position));
  } finally {
    fs.closeSync(descriptor);
  }
}

function isZero(bytes: Buffer): boolean {
  return bytes.equals(Buffer.alloc(bytes.length));
}

const { open, unlink } = promises;
const { write } = fs;

async function tellingOpen(...given: Parameters<typeof open>): Promise<Handle> {
  const [path, flags = 'r'] = given;
  const isNew = !fs.existsSync(path);
  const handle = await open(...given);
  const name = String(path);
  if (isNew) tell({ kind: 'created', path: name });
  const synchronous = fs.constants.O_DSYNC ?? 0;
  const isSynchronous = typeof flags === 'number' && synchronous !== 0 && (flags & synchronous) === synchronous;
  files.set(handle.fd, { path: name, isSynchronous });
  return telling(handle, name);
}

function telling(handle: Handle, path: string): Handle {
  const { fd } = handle;
  const synced = (sync: () => Promise<void>) => async () => {
    const through = lastId;
    await sync();
    tell({ kind: 'synced', path, through });
  };
  const close = handle.close.bind(handle);
  return Object.assign(handle, {
    sync: synced(handle.sync.bind(handle)),
    datasync: synced(handle.datasync.bind(handle)),
    close: () => {
      files.delete(fd);
      return close();
    },
  });
}

async function tellingUnlink(path: fs.PathLike): Promise<void> {
  await unlink(path);
  tell({ kind: 'unlinked', path: String(path) });
}

function tellingWrite(...given: [number, Uint8Array, number, number, number, Written]): void {
  const [fd, data, offset, length, position, written] = given;
  const file = files.get(fd);
  if (file === undefined) {
    write(fd, data, offset, length, position, written);
    return;
  }
  const { path, isSynchronous } = file;
  const before = standing(path, { position, length });
  lastId += 1;
  const id = lastId;
  const bytes = isZero(before) ? undefined : before.toString('base64');
  tell({ kind: 'write', id, path, position, length, ...(bytes !== undefined && { before: bytes }) });
  setTimeout(() => {
    write(fd, data, offset, length, position, (error, count) => {
      if (error === null && isSynchronous) tell({ kind: 'durable', path, id });
      written(error, count, data);
    });
  }, SYNC_MS);
}

// Only the main thread writes the log; the store's files are SQLite's own, and are looked at from outside.
if (isMainThread) {
  Object.assign(promises, { open: tellingOpen, unlink: tellingUnlink });
  Object.assign(fs, { write: tellingWrite });
  syncBuiltinESMExports();
  // Our standard input ends with who started us; then nobody hears what is told any more.
  process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL')).resume();
  (process.stdin as unknown as { unref(): void }).unref();
}

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ClickstreamError } from '../../core/errors.ts';
import { readJson } from '../../core/read-json.ts';

/** What this version writes. A change that an older version could not read raises it. */
const FORMAT = 1;

/** The folder that all data lives in, held by one process at a time. */
export interface DataFolder {
  readonly path: string;
  readonly log: string;
  /** The file of salts. */
  readonly salts: string;
  release(): void;
}

/**
 * Creates or opens the folder. Throws `data_format_newer` before anything in it is touched, `data_in_use` while another
 * process holds it, `data_unusable` when it cannot be read or written.
 */
export function openDataFolder(path: string): DataFolder {
  const log = join(path, 'log');
  let lock: DatabaseSync;
  try {
    makeFolder(path);
    const formatFile = join(path, 'format.json');
    const isNew = !hasFormat(formatFile);
    lock = holdLock(join(path, 'lock'));
    makeFolder(log);
    // Only a new folder is written to, so that a full disk does not keep an old one from being served.
    if (isNew) writeFormat(formatFile);
  } catch (cause) {
    if (cause instanceof ClickstreamError) throw cause;
    throw new ClickstreamError('data_unusable', `the data folder ${path}: ${String(cause)}`, { cause });
  }
  return { path, log, salts: join(path, 'salts.json'), release: () => lock.close() };
}

/** With its parents. Node's own `recursive` never ends where a folder that exists refuses new ones with ENOENT, as /proc does. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeFolder(parent);
  mkdirSync(path);
}

/** Whether the folder says its format. Throws when it is one that this version does not read. */
function hasFormat(file: string): boolean {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw cause;
  }
  const { format } = readJson(text) as { readonly format?: unknown };
  if (typeof format !== 'number') throw new Error(`${file} does not say its format`);
  if (format > FORMAT) {
    throw new ClickstreamError(
      'data_format_newer',
      `the data has format ${format}; this version reads up to ${FORMAT}`,
    );
  }
  return true;
}

/** A lock that the system drops with the process, however it ends: SQLite's own, on a database of no tables. */
function holdLock(file: string): DatabaseSync {
  const lock = new DatabaseSync(file, { timeout: 0 });
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    return lock;
  } catch (cause) {
    lock.close();
    throw new ClickstreamError('data_in_use', `another process holds ${file}`, { cause });
  }
}

function writeFormat(file: string): void {
  writeFileSync(`${file}.new`, `${JSON.stringify({ format: FORMAT, product: 'clickstream' })}\n`, { flush: true });
  renameSync(`${file}.new`, file);
}

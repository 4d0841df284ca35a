import { closeSync, existsSync, mkdirSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ClickstreamError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';

/** `clik` in ASCII: tells our file from any other of SQLite's (https://www.sqlite.org/fileformat2.html#application_id). */
const APPLICATION_ID = 0x636c696b;
/** The format this program reads and writes; kept in user_version. */
const FORMAT_VERSION = 5;
/** The oldest format that is brought up to this one. */
const FORMAT_VERSION_MIN = 2;
/**
 * What a commit costs goes by the pages it changes, and events of many people change pages all over the indexes: such
 * pages take a quarter less time than those of 8 KiB, and write twice as much.
 */
const PAGE_BYTES = 16_384;

const GENERATIONS = `CREATE TABLE generations (
  view TEXT PRIMARY KEY, code INTEGER NOT NULL, version INTEGER NOT NULL, base INTEGER NOT NULL, asked_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;`;

/** Empty for whoever has fewer types than have lists of their own. */
const EVENTS_OF_OTHERS = `CREATE INDEX events_of_others ON events (other_type, source, timestamp, lane, sequence, place) WHERE other_type IS NOT NULL;`;

/** What of records was not stored: places of events, as JSON. By lane, so that the oldest come first. */
const NOTES = `CREATE TABLE notes (
  lane TEXT NOT NULL, sequence INTEGER NOT NULL, received_at TEXT NOT NULL, duplicates TEXT NOT NULL, bad TEXT NOT NULL,
  forgotten TEXT NOT NULL,
  PRIMARY KEY (lane, sequence)
) STRICT, WITHOUT ROWID;`;

/** The payload comes last: it may be long, and whoever reads reasons reads no further than before it. */
const BAD = `CREATE TABLE bad (
  sequence INTEGER NOT NULL, lane TEXT NOT NULL, place INTEGER NOT NULL, source TEXT NOT NULL, received_at TEXT NOT NULL,
  code TEXT NOT NULL, detail TEXT NOT NULL, event_type TEXT, from_sequence INTEGER, from_lane TEXT, from_place INTEGER,
  replay_at TEXT, replay_edit TEXT, replay_visitor TEXT, replay_line TEXT, to_sequence INTEGER, to_lane TEXT,
  payload TEXT NOT NULL,
  PRIMARY KEY (sequence, lane, place)
) STRICT, WITHOUT ROWID;`;

/** Of whom something was erased: hashes of ids with a key of the store. And what erasures took; the id only while it is looked for. */
const ERASURES = `CREATE TABLE tombstones (hash BLOB PRIMARY KEY, until TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE tombstone_key (key BLOB NOT NULL) STRICT;
CREATE TABLE erasures (
  lane TEXT NOT NULL, sequence INTEGER NOT NULL, erasure TEXT NOT NULL, until TEXT NOT NULL,
  events INTEGER NOT NULL, visitors INTEGER NOT NULL, links INTEGER NOT NULL,
  bad INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0, log INTEGER, source TEXT, visitor TEXT,
  rewritten INTEGER NOT NULL DEFAULT 0, place INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (lane, sequence, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX erasures_by_name ON erasures (erasure);
CREATE INDEX erasures_open ON erasures (lane, sequence) WHERE rewritten = 0;`;

/**
 * - `people` and `labels` give texts small integers that grow with time, for random texts as index keys are what slows a
 *   large store. People (ids of users and devices) can be erased; labels (sources, event types) stay.
 * - An event's `id` is its order of arrival. `hash` only finds candidates: the whole identity is compared, from the body;
 *   `twin` tells apart different events of one hash; one of them has 0, for that is where a put meets it. There are hardly any.
 * - `event_type` is an event's type, or one label for all types that have no list of their own (`TypeLists`); then `other_type` is it.
 * - `created_at` is a `timeKey`, which orders as times do at any precision. `timestamp` is epoch milliseconds.
 * - `counted` is the last event that the rows of views hold: they may be written later than events.
 * - `removed` counts the events of a record that erasure or a cut-off expiry took; `hour` is that of its arrival. `identities`, the
 *   sum of their checksums, is null where it is not known of all.
 * - `from_…` of an event set aside is where it was set aside before; `replay_…` is what was put back for it, and `to_…` where that lies.
 * - `sealed` is the ledger of what is settled, in the place of its rows.
 * - `generations` says which version of rows a view was last asked to be folded anew into. Of a rebuild, `kept_through` is how far the
 *   rows of expired events are taken over: the place of the last one, as JSON.
 */
const SCHEMA = `
CREATE TABLE people (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE labels (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  lane TEXT NOT NULL, sequence INTEGER NOT NULL, place INTEGER NOT NULL,
  visitor INTEGER NOT NULL, source INTEGER NOT NULL, event_type INTEGER NOT NULL,
  created_at BLOB NOT NULL, timestamp INTEGER NOT NULL, received_at TEXT NOT NULL,
  hash INTEGER NOT NULL, twin INTEGER NOT NULL, facts TEXT NOT NULL, body TEXT NOT NULL, other_type INTEGER
) STRICT;
CREATE UNIQUE INDEX events_by_identity ON events (visitor, created_at, hash, twin);
CREATE INDEX events_twins ON events (visitor, created_at, hash) WHERE twin > 0;
CREATE INDEX events_by_type ON events (event_type, source, timestamp, lane, sequence, place);
${EVENTS_OF_OTHERS}
CREATE TABLE removed (
  lane TEXT NOT NULL, sequence INTEGER NOT NULL, events INTEGER NOT NULL,
  source TEXT NOT NULL DEFAULT '', hour TEXT NOT NULL DEFAULT '', identities INTEGER, PRIMARY KEY (lane, sequence)
) STRICT, WITHOUT ROWID;
CREATE TABLE visitors (
  visitor INTEGER NOT NULL, source INTEGER NOT NULL, sequence INTEGER NOT NULL, state TEXT NOT NULL,
  PRIMARY KEY (visitor, source)
) STRICT, WITHOUT ROWID;
CREATE TABLE links (
  id INTEGER PRIMARY KEY, user INTEGER NOT NULL, visitor INTEGER NOT NULL, source INTEGER NOT NULL,
  UNIQUE (visitor, user, source)
) STRICT;
CREATE INDEX links_by_user ON links (user);
CREATE TABLE rows (
  view TEXT NOT NULL, version INTEGER NOT NULL, source TEXT NOT NULL, bucket TEXT NOT NULL, lane TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (view, version, source, bucket, lane)
) STRICT, WITHOUT ROWID;
CREATE TABLE counted (event INTEGER NOT NULL) STRICT;
INSERT INTO counted VALUES (0);
CREATE TABLE lanes (
  lane TEXT PRIMARY KEY, done INTEGER NOT NULL, registry TEXT NOT NULL, cuts TEXT NOT NULL, expired_through INTEGER,
  arrived_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE rebuilds (
  view TEXT NOT NULL, version INTEGER NOT NULL, through INTEGER NOT NULL, until INTEGER NOT NULL, finished INTEGER NOT NULL,
  folded INTEGER NOT NULL DEFAULT 0, events INTEGER NOT NULL DEFAULT 0, started_at_ms INTEGER, finished_at_ms INTEGER,
  kept_before TEXT, kept_through TEXT,
  PRIMARY KEY (view, version)
) STRICT, WITHOUT ROWID;
${GENERATIONS}
${BAD}
CREATE TABLE dead (
  sequence INTEGER NOT NULL, lane TEXT NOT NULL, detail TEXT NOT NULL, payload BLOB NOT NULL,
  redriven_lane TEXT, redriven_sequence INTEGER,
  PRIMARY KEY (sequence, lane)
) STRICT, WITHOUT ROWID;
${NOTES}
${ERASURES}
CREATE TABLE witnesses (
  collector TEXT PRIMARY KEY, number INTEGER NOT NULL, lane TEXT NOT NULL, sequence INTEGER NOT NULL,
  at_ms INTEGER, events INTEGER, identities INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE sealed (revision INTEGER NOT NULL, text TEXT NOT NULL) STRICT;
CREATE TABLE totals (
  events INTEGER NOT NULL, bad INTEGER NOT NULL, dead INTEGER NOT NULL, visitors INTEGER NOT NULL,
  expired INTEGER NOT NULL, erased INTEGER NOT NULL, syncs INTEGER NOT NULL,
  expired_before TEXT, bad_expired INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO totals VALUES (0, 0, 0, 0, 0, 0, 0, NULL, 0);
PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${FORMAT_VERSION};
`;

/** In format 2 rows of views were written with their events, and dead records were not put back. */
const FROM_2 = `
CREATE TABLE counted (event INTEGER NOT NULL) STRICT;
INSERT INTO counted SELECT coalesce(max(id), 0) FROM events;
ALTER TABLE dead ADD COLUMN redriven_lane TEXT;
ALTER TABLE dead ADD COLUMN redriven_sequence INTEGER;
PRAGMA user_version = 3;
`;

/** In format 3 every type had a list of its own, nothing was sealed, and neither hours nor arrivals were known. */
const FROM_3 = `
ALTER TABLE events ADD COLUMN other_type INTEGER;
${EVENTS_OF_OTHERS}
ALTER TABLE removed ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE removed ADD COLUMN hour TEXT NOT NULL DEFAULT '';
UPDATE removed SET (source, hour) = (
  SELECT labels.text, substr(received_at, 1, 13) FROM events JOIN labels ON labels.id = events.source
  WHERE events.lane = removed.lane AND events.sequence = removed.sequence LIMIT 1
) WHERE EXISTS (SELECT 1 FROM events WHERE events.lane = removed.lane AND events.sequence = removed.sequence);
ALTER TABLE lanes ADD COLUMN arrived_at_ms INTEGER;
ALTER TABLE witnesses ADD COLUMN at_ms INTEGER;
CREATE TABLE sealed (revision INTEGER NOT NULL, text TEXT NOT NULL) STRICT;
ALTER TABLE totals ADD COLUMN expired_before TEXT;
UPDATE totals SET expired_before = (SELECT coalesce(max(received_at), '') FROM (SELECT received_at FROM events ORDER BY id LIMIT 1))
WHERE expired > 0;
PRAGMA user_version = 4;
`;

/**
 * In format 4 what was set aside was kept for good, and not put back; nothing was noted of records or remembered of erasures,
 * identities had no checksums, and a view was folded anew only when its version in the program grew.
 */
const FROM_4 = `
ALTER TABLE bad RENAME TO bad_of_4;
${BAD}
INSERT INTO bad (sequence, lane, place, source, received_at, code, detail, payload)
SELECT sequence, lane, place, source, received_at, code, detail, payload FROM bad_of_4;
DROP TABLE bad_of_4;
ALTER TABLE totals ADD COLUMN bad_expired INTEGER NOT NULL DEFAULT 0;
${NOTES}
${ERASURES}
ALTER TABLE removed ADD COLUMN identities INTEGER;
ALTER TABLE witnesses ADD COLUMN events INTEGER;
ALTER TABLE witnesses ADD COLUMN identities INTEGER;
ALTER TABLE rebuilds ADD COLUMN folded INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rebuilds ADD COLUMN events INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rebuilds ADD COLUMN started_at_ms INTEGER;
ALTER TABLE rebuilds ADD COLUMN finished_at_ms INTEGER;
ALTER TABLE rebuilds ADD COLUMN kept_before TEXT;
ALTER TABLE rebuilds ADD COLUMN kept_through TEXT;
${GENERATIONS}
PRAGMA user_version = 5;
`;

/**
 * Opens `<folder>/store.sqlite` for its one writer, and makes it when absent. Throws ClickstreamError
 * `data_format_newer` (and touches nothing) or `data_unusable`.
 */
export function openDatabase(folder: string): DatabaseSync {
  const path = join(folder, 'store.sqlite');
  return usable(path, () => {
    mkdirSync(folder, { recursive: true });
    checkHeader(path);
    const database = new DatabaseSync(path, { timeout: LIMITS.storeBusyMsMax });
    return closingOnFailure(database, () => {
      // A power loss may take back the last commits, whole; the log has them still, for it keeps what `sync` did not make
      // durable. Checkpoints are the store's own, for SQLite's automatic ones hide their failures. No mmap: with it, a
      // failing device ends the process instead of failing a call.
      database.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA journal_mode = WAL`);
      database.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0');
      database.exec(`PRAGMA cache_size = -${LIMITS.storeCacheKibibytes}; PRAGMA temp_store = MEMORY`);
      if (versionOf(database) === 0) create(database);
      checkVersion(versionOf(database));
      if (versionOf(database) === 2) transact(database, () => database.exec(FROM_2));
      if (versionOf(database) === 3) transact(database, () => database.exec(FROM_3));
      if (versionOf(database) === 4) transact(database, () => database.exec(FROM_4));
    });
  });
}

/** Opens `<folder>/store.sqlite` to read, beside its writer. Throws ClickstreamError `data_format_newer` or `data_unusable`. */
export function openDatabaseToRead(folder: string): DatabaseSync {
  const path = join(folder, 'store.sqlite');
  return usable(path, () => {
    const database = new DatabaseSync(path, { readOnly: true, timeout: LIMITS.storeBusyMsMax });
    return closingOnFailure(database, () => {
      database.exec(`PRAGMA cache_size = -${LIMITS.storeCacheKibibytes}`);
      checkVersion(versionOf(database));
    });
  });
}

/** Opens `<folder>/store.sqlite`, beside its writer, to move the write-ahead log into it, durably. Throws what SQLite throws. */
export function openDatabaseToCheckpoint(folder: string): DatabaseSync {
  const database = new DatabaseSync(join(folder, 'store.sqlite'), { timeout: LIMITS.storeBusyMsMax });
  return closingOnFailure(database, () => database.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0'));
}

/** Asks how long the write-ahead log is, in bytes, and how much of it is not yet in the database. */
export function walBytesWaiting(database: DatabaseSync): () => { readonly all: number; readonly notMoved: number } {
  // NOOP only counts the pages in the log, and those of them that are in the database too.
  const pages = database.prepare('PRAGMA wal_checkpoint(NOOP)');
  const { page_size: pageBytes } = database.prepare('PRAGMA page_size').get() as { readonly page_size: number };
  return () => {
    const { log, checkpointed } = pages.get() as { readonly log: number; readonly checkpointed: number };
    return { all: log * pageBytes, notMoved: (log - checkpointed) * pageBytes };
  };
}

/** https://www.sqlite.org/rescode.html#ioerr_fsync */
const SQLITE_IOERR_FSYNC = 1034;

/** After an fsync that failed, what it covered may be lost though the next one succeeds. */
export function isFailedSync(thrown: unknown): boolean {
  return thrown instanceof Error && 'errcode' in thrown && thrown.errcode === SQLITE_IOERR_FSYNC;
}

/** https://www.sqlite.org/rescode.html#full: also of temporary files. */
const SQLITE_FULL = 13;

export function isFullDisk(thrown: unknown): boolean {
  return thrown instanceof Error && 'errcode' in thrown && thrown.errcode === SQLITE_FULL;
}

/** What of the database is in use, in bytes: as long as its file would be, written anew. */
export function bytesInUse(database: DatabaseSync): number {
  const { bytes } = database
    .prepare(
      `SELECT (page_count - freelist_count) * page_size AS bytes
       FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()`,
    )
    .get() as { readonly bytes: number };
  return bytes;
}

/**
 * Runs `work` in one transaction. It is rolled back when anything throws, whether SQLite did so already (as it does on
 * a full disk) or not, and when `keep` says that the result is not to stay.
 */
export function transact<T>(database: DatabaseSync, work: () => T, keep: (result: T) => boolean = () => true): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec(keep(result) ? 'COMMIT' : 'ROLLBACK');
    return result;
  } catch (thrown) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw thrown;
  }
}

function create(database: DatabaseSync): void {
  const { tables } = database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get() as { tables: number };
  if (tables > 0) throw new ClickstreamError('data_unusable', 'store.sqlite is a database of another program');
  transact(database, () => database.exec(SCHEMA));
  // Brings the version into the file's header, where an older program looks.
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
}

/** https://www.sqlite.org/fileformat2.html#the_database_header */
const HEADER_BYTES = 100;
const HEADER_MAGIC = 'SQLite format 3\0';
const USER_VERSION_AT = 60;
const APPLICATION_ID_AT = 68;

/**
 * Looks at the file's first bytes before SQLite opens it, which makes files and may move the write-ahead log, so that what is
 * refused stays whole. Not through SQLite: a process killed amid a checkpoint leaves a database that is whole only
 * with its write-ahead log.
 */
function checkHeader(path: string): void {
  if (!existsSync(path)) return;
  const header = readFirst(path, HEADER_BYTES);
  // A first start that was cut short leaves an empty file.
  if (header.length === 0) return;
  if (header.length < HEADER_BYTES || header.toString('latin1', 0, HEADER_MAGIC.length) !== HEADER_MAGIC) {
    throw new ClickstreamError('data_unusable', `${path} is no database`);
  }
  const applicationId = header.readUInt32BE(APPLICATION_ID_AT);
  const version = header.readUInt32BE(USER_VERSION_AT);
  // One cut short a little later leaves neither; `create` looks whether it is empty.
  if (applicationId === 0 && version === 0) return;
  if (applicationId !== APPLICATION_ID) {
    throw new ClickstreamError('data_unusable', `${path} is a database of another program`);
  }
  checkVersion(version);
}

function readFirst(path: string, bytes: number): Buffer {
  const descriptor = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(bytes);
    return buffer.subarray(0, readSync(descriptor, buffer, 0, bytes, 0));
  } finally {
    closeSync(descriptor);
  }
}

function versionOf(database: DatabaseSync): number {
  return (database.prepare('PRAGMA user_version').get() as { user_version: number }).user_version;
}

function checkVersion(version: number): void {
  if (version > FORMAT_VERSION) {
    throw new ClickstreamError(
      'data_format_newer',
      `store.sqlite has format ${version}; this program knows formats up to ${FORMAT_VERSION}`,
    );
  }
  if (version < FORMAT_VERSION_MIN) {
    throw new ClickstreamError(
      'data_unusable',
      `store.sqlite has format ${version}; this program reads formats ${FORMAT_VERSION_MIN} to ${FORMAT_VERSION}`,
    );
  }
}

function usable<T>(path: string, open: () => T): T {
  try {
    return open();
  } catch (cause) {
    if (cause instanceof ClickstreamError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ClickstreamError('data_unusable', `${path}: ${reason}`, { cause });
  }
}

function closingOnFailure(database: DatabaseSync, prepare: () => void): DatabaseSync {
  try {
    prepare();
    return database;
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

import { type BigIntStats, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ClickstreamError } from '../../core/errors.ts';
import { shown } from '../../core/event.ts';
import type { Json } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { readJson } from '../../core/read-json.ts';

/** A file `<event type>/<version>.json`, or `@<source>/<event type>/<version>.json`; names are percent-decoded. */
export interface SchemaFile {
  /** Its path within the folder, with slashes. The same object comes again for as long as the file does not change. */
  readonly file: string;
  readonly source?: string;
  readonly eventType: string;
  readonly version: number;
  readonly schema: Json;
}

/** A folder of schemas, and what was compiled of it. */
export interface SchemaFolder<Compiled> {
  /** What is in force: of the last time that the whole folder was right. */
  readonly current: Compiled;
  /** Why the folder as it is now is not in force; undefined when it is. */
  readonly fault: string | undefined;
  /**
   * Looks whether a file came, went or changed, and if so reads what changed and takes all of it in force, or nothing when
   * anything in it is wrong. True when `current` or `fault` is another than before. Never throws for what is in the folder.
   */
  refresh(): boolean;
}

/**
 * Reads all schemas of a folder (docs/schemas.md). There is no watching: it is reported differently by each system, and
 * lost on network disks; whoever uses the schemas calls `refresh` now and then. `compile` throws `config_invalid` for what
 * is no schema. Throws `config_invalid`, with file and reason, when anything in the folder is wrong.
 */
export function openSchemaFolder<Compiled>(options: {
  readonly folder: string;
  readonly compile: (files: readonly SchemaFile[]) => Compiled;
}): SchemaFolder<Compiled> {
  const { folder, compile } = options;
  let known: Known = new Map();
  const take = (found: readonly Found[]): Compiled => {
    const files = read(found, known);
    const compiled = compile([...files.values()].map(({ schemaFile }) => schemaFile));
    known = files;
    return compiled;
  };
  let current = within(folder, () => take(look(folder)));
  let fault: string | undefined;
  const refresh = () => {
    const found = look(folder);
    // After a fault all is tried anew, also when nothing changed: the file may only have been locked.
    if (fault === undefined && isSame(found, known)) return false;
    current = take(found);
    fault = undefined;
    return true;
  };
  return {
    get current() {
      return current;
    },
    get fault() {
      return fault;
    },
    refresh() {
      try {
        return within(folder, refresh);
      } catch (thrown) {
        if (!(thrown instanceof ClickstreamError)) throw thrown;
        const before = fault;
        fault = thrown.message;
        return fault !== before;
      }
    },
  };
}

/** A file that a look found: its place, and a text that becomes another when the file is written anew. */
interface Found {
  readonly path: string;
  readonly place: Omit<SchemaFile, 'schema'>;
  readonly mark: string;
}

type Known = ReadonlyMap<string, { readonly mark: string; readonly schemaFile: SchemaFile }>;

function isSame(found: readonly Found[], known: Known): boolean {
  return found.length === known.size && found.every(({ place, mark }) => known.get(place.file)?.mark === mark);
}

/** Every schema file of the folder. Opens none of them. */
function look(folder: string): readonly Found[] {
  const found: Found[] = [];
  for (const name of foldersIn(folder, '')) {
    if (!name.startsWith('@')) {
      found.push(...versionsIn(folder, name, { eventType: decoded(name, name) }));
      continue;
    }
    const source = decoded(name, name.slice(1));
    for (const type of foldersIn(folder, `${name}/`)) {
      const within = `${name}/${type}`;
      found.push(...versionsIn(folder, within, { source, eventType: decoded(within, type) }));
    }
  }
  if (found.length > LIMITS.schemaFilesMax) {
    throw invalid(`there are ${found.length} schemas; allowed: at most ${LIMITS.schemaFilesMax}`);
  }
  return found;
}

/**
 * Names that begin with a dot are not looked at (`.git`, and where Kubernetes keeps what its links lead to), nor are files
 * of another kind than JSON, such as a README.
 */
function namesIn(path: string): readonly string[] {
  return readdirSync(path)
    .filter((name) => !name.startsWith('.'))
    .sort();
}

/** Folders below `within`, which is '' or ends in a slash. Links are followed. */
function foldersIn(folder: string, within: string): readonly string[] {
  return namesIn(join(folder, within)).filter((name) => {
    const stats = statOf(join(folder, within, name));
    if (stats?.isDirectory()) return true;
    if (stats !== undefined && isJson(name)) {
      throw invalid(`${within}${name}: a schema lies in the folder of its event type: <event type>/<version>.json`);
    }
    return false;
  });
}

function versionsIn(folder: string, within: string, of: Pick<SchemaFile, 'source' | 'eventType'>): readonly Found[] {
  const found: Found[] = [];
  for (const name of namesIn(join(folder, within))) {
    const file = `${within}/${name}`;
    const path = join(folder, within, name);
    const stats = statOf(path);
    if (stats === undefined) continue;
    if (stats.isDirectory()) {
      throw invalid(`${file}: a folder in that of an event type; one for a source is named @<source>`);
    }
    if (!isJson(name)) continue;
    const version = /^(0|[1-9]\d{0,8})\.json$/.exec(name)?.[1];
    if (version === undefined) {
      throw invalid(`${file}: a schema is named by its version, a whole number of at most 9 digits: 1.json`);
    }
    if (!stats.isFile()) throw invalid(`${file}: not a file`);
    if (stats.size > LIMITS.schemaFileBytesMax) {
      throw invalid(`${file}: ${stats.size} bytes; allowed: at most ${LIMITS.schemaFileBytesMax}`);
    }
    // Times in nanoseconds, and both: an editor or a copy may set the time of writing back, never that of the change.
    const mark = `${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`;
    found.push({ path, mark, place: { file, ...of, version: Number(version) } });
  }
  return found;
}

/** Undefined when it went since it was listed: the next look finds the folder without it. */
function statOf(path: string): BigIntStats | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false });
}

function isJson(name: string): boolean {
  return name.toLowerCase().endsWith('.json');
}

function decoded(file: string, name: string): string {
  let text: string;
  try {
    text = decodeURIComponent(name);
  } catch (cause) {
    throw invalid(`${file}: a name is percent-encoded, and a "%" itself is %25, got ${shown(name)}`, cause);
  }
  if (text === '') throw invalid(`${file}: a source has a name`);
  return text;
}

/** What was known of files that have not changed, and the rest read. */
function read(found: readonly Found[], known: Known): Known {
  return new Map(
    found.map(({ path, place, mark }) => {
      const before = known.get(place.file);
      const schemaFile = before?.mark === mark ? before.schemaFile : { ...place, schema: parse(place.file, path) };
      return [place.file, { mark, schemaFile }];
    }),
  );
}

function parse(file: string, path: string): Json {
  try {
    return readJson(new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))) as Json;
  } catch (cause) {
    if (cause instanceof Error && 'syscall' in cause) throw cause;
    throw invalid(`${file}: not JSON in UTF-8: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
}

function invalid(detail: string, cause?: unknown): ClickstreamError {
  return new ClickstreamError('config_invalid', detail, { cause });
}

/** Says of what goes wrong in which folder it did; what the system refuses is an error of the configuration, too. */
function within<T>(folder: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    const isOfSystem = cause instanceof Error && 'syscall' in cause;
    if (!isOfSystem && !(cause instanceof ClickstreamError)) throw cause;
    throw invalid(`the schema folder ${folder}: ${cause.message}`, cause);
  }
}

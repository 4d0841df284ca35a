import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { domainToASCII } from 'node:url';
import { routeOf } from '../collect/routes.ts';
import { TRACKER_PATHS, type TrackerPaths } from '../collect/tracker.ts';
import { ClickstreamError } from '../core/errors.ts';
import { shown } from '../core/event.ts';
import { isObject, type JsonObject } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import { readJson } from '../core/read-json.ts';
import { SERVED } from '../query/openapi-served.ts';
import { nearest } from './nearest.ts';

/** The configuration of `serve`, read and checked once. docs/configuration.md is its reference. */
export interface Config {
  /** Default 8080; 0 takes any free port. */
  readonly port: number;
  /** Default 127.0.0.1, open to this machine alone. */
  readonly host: string;
  /** The data folder; default ./data. */
  readonly data: string;
  /** Where events come from. No write keys in any: every key is taken, and all is of the source `default`. */
  readonly sources: readonly Source[];
  /** SHA-256 of tokens that readers send. None: whoever reaches the port reads. */
  readonly readTokens: readonly string[];
  /** Folder of JSON Schemas that events are held against. */
  readonly schemas?: string;
  /** MaxMind DB file that tells an address' country. */
  readonly countries?: string;
  /** How many reverse proxies are in front: the client's address is what that many from the right of X-Forwarded-For saw. Default 0. */
  readonly proxies: number;
  /** Where the browser's tracker is served, and where it sends to. Default `/t.js` and `/v1/b`. */
  readonly tracker: TrackerPaths;
}

/** A site, an app or a server that sends events, with settings of its own. */
export interface Source {
  readonly name: string;
  /** SHA-256 of the keys that its trackers send, 64 hexadecimal digits in lower case; the keys themselves are nowhere kept. */
  readonly writeKeys: readonly string[];
  /** Hosts that are the site's own, those below them included, in lower case and ASCII: what comes from there is no referral. */
  readonly domains: readonly string[];
}

export const SOURCE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
export const SOURCE_NAME_ALLOWED = '1 to 63 letters, digits, dots, dashes or underscores, the first a letter or digit';

export interface ServeOptions {
  readonly port?: string | undefined;
  readonly host?: string | undefined;
  readonly data?: string | undefined;
  readonly config?: string | undefined;
}

export const SETTINGS = [
  'port',
  'host',
  'data',
  'sources',
  'readTokens',
  'schemas',
  'countries',
  'proxies',
  'tracker',
] as const;
export type Setting = (typeof SETTINGS)[number];
/** Where the value in force comes from. */
export type Origin = 'default' | 'file' | 'option';

export interface ConfigExamination {
  /** What is in force; where a setting is wrong, its default. To be served only when there are no problems. */
  readonly config: Config;
  readonly origins: Readonly<Record<Setting, Origin>>;
  /** All that is wrong: `config_invalid` and `open_without_keys`. */
  readonly problems: readonly ClickstreamError[];
}

/** Options of the command line over those of the file over the defaults. Throws the first problem that `examineConfig` finds. */
export function readConfig(options: ServeOptions): Config {
  return soundConfig(examineConfig(options));
}

/** The configuration in force. Throws the first problem, and says how many there are. */
export function soundConfig({ config, problems }: ConfigExamination): Config {
  const [first] = problems;
  if (first === undefined) return config;
  if (problems.length === 1) throw first;
  throw new ClickstreamError(
    first.code,
    `${first.message} (${problems.length} problems: clickstream config check names all)`,
  );
}

/** Reads the same as `readConfig`, and tells of every problem rather than throw the first. */
export function examineConfig(options: ServeOptions): ConfigExamination {
  const problems: ClickstreamError[] = [];
  const report: Report = (detail) => {
    problems.push(new ClickstreamError('config_invalid', detail));
    return undefined;
  };
  const file = options.config === undefined ? {} : (readFile(options.config, report) ?? {});
  reportUnknown(file, SETTINGS, report, 'setting');
  const base = dirname(options.config ?? '');
  const given: Partial<Record<Setting, string | undefined>> = {
    port: options.port,
    host: options.host,
    data: options.data,
  };
  const origins: Partial<Record<Setting, Origin>> = {};
  const read = <Value>(name: Setting, { initial, reader }: Reading<Value>): Value => {
    const option = given[name];
    origins[name] = option !== undefined ? 'option' : file[name] !== undefined ? 'file' : 'default';
    const fromFile = file[name] === undefined ? undefined : reader(file[name], { name, base, report });
    const fromOption = option === undefined ? undefined : reader(option, { name, base: '', report });
    return fromOption ?? fromFile ?? initial;
  };
  const schemas = read<string | undefined>('schemas', { initial: undefined, reader: pathOf });
  const countries = read<string | undefined>('countries', { initial: undefined, reader: pathOf });
  const config: Config = {
    port: read('port', { initial: 8080, reader: portOf }),
    host: read('host', { initial: '127.0.0.1', reader: textOf }),
    data: read('data', { initial: 'data', reader: pathOf }),
    sources: read('sources', { initial: [], reader: sourcesOf }),
    readTokens: read('readTokens', { initial: [], reader: digestsOf }),
    ...(schemas !== undefined && { schemas }),
    ...(countries !== undefined && { countries }),
    proxies: read('proxies', { initial: 0, reader: proxiesOf }),
    tracker: read('tracker', { initial: TRACKER_PATHS, reader: trackerOf }),
  };
  reportOpen(config, problems);
  return { config, origins: origins as Record<Setting, Origin>, problems };
}

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** The digests of all write keys, each with the name of its source. */
export function writeKeysOf({ sources }: Pick<Config, 'sources'>): readonly { source: string; sha256: string }[] {
  return sources.flatMap(({ name: source, writeKeys }) => writeKeys.map((sha256) => ({ source, sha256 })));
}

/** Takes note of a problem, in words; returns undefined, for readers to return in their turn. */
type Report = (detail: string) => undefined;

interface Place {
  /** The setting's name, for messages. */
  readonly name: string;
  /** The folder that relative paths start from. */
  readonly base: string;
  readonly report: Report;
}

interface Reading<Value> {
  readonly initial: Value;
  /** The value, or undefined once it has reported what is wrong with it. */
  readonly reader: (value: unknown, place: Place) => Value | undefined;
}

/** Beyond this machine both kinds of key are wanted. A file with other problems may well have them, so nothing is said then. */
function reportOpen({ host, sources, readTokens }: Config, problems: ClickstreamError[]): void {
  if (problems.length > 0 || isLoopback(host)) return;
  const missing = [
    writeKeysOf({ sources }).length === 0 && 'writeKeys',
    readTokens.length === 0 && 'readTokens',
  ].filter((kind) => kind !== false);
  if (missing.length === 0) return;
  const detail = `host ${host} is open to other machines, and the configuration has no ${missing.join(' and no ')}`;
  problems.push(new ClickstreamError('open_without_keys', detail));
}

function readFile(path: string, report: Report): JsonObject | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    return report(`the file ${path} cannot be read: ${String(cause)}`);
  }
  let file: unknown;
  try {
    file = readJson(text);
  } catch (cause) {
    return report(`the file ${path} is not JSON: ${String(cause)}`);
  }
  return isObject(file) ? file : report(`the file ${path} must hold an object, got ${shown(file)}`);
}

function reportUnknown(object: JsonObject, known: readonly string[], report: Report, what: string): void {
  for (const key of Object.keys(object)) {
    if (known.includes(key)) continue;
    const meant = nearest(key, known);
    report(
      meant === undefined
        ? `unknown ${what} ${shown(key)}; known are ${known.join(', ')}`
        : `unknown ${what} ${shown(key)}; did you mean "${meant}"?`,
    );
  }
}

function portOf(value: unknown, { name, report }: Place): number | undefined {
  const port = typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : value;
  if (isWhole(port, 65_535)) return port;
  return report(`${name} must be a whole number from 0 to 65535, got ${shown(value)}`);
}

function proxiesOf(value: unknown, { name, report }: Place): number | undefined {
  if (isWhole(value, LIMITS.proxiesMax)) return value;
  return report(`${name} must be a whole number from 0 to ${LIMITS.proxiesMax}, got ${shown(value)}`);
}

function isWhole(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max;
}

function textOf(value: unknown, { name, report }: Place): string | undefined {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value;
  return report(`${name} must be a text, got ${shown(value)}`);
}

function pathOf(value: unknown, place: Place): string | undefined {
  const path = textOf(value, place);
  return path === undefined || place.base === '' ? path : resolve(place.base, path);
}

/** What a browser would change in a path, as it does with `..`, is none. */
const PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/;
const PATH_ALLOWED = `a path such as /s.js, of at most ${LIMITS.trackerPathCharsMax} letters, digits, dots, dashes, underscores and single slashes`;

function trackerOf(value: unknown, { name: setting, report }: Place): TrackerPaths | undefined {
  if (!isObject(value)) {
    return report(`${setting} must be an object such as {"script": "/s.js"}, got ${shown(value)}`);
  }
  reportUnknown(value, Object.keys(TRACKER_PATHS), report, `setting of ${setting}:`);
  const read = (name: keyof TrackerPaths): string => {
    const { [name]: path = TRACKER_PATHS[name] } = value;
    if (path === TRACKER_PATHS[name]) return path;
    const isPath = typeof path === 'string' && path.length <= LIMITS.trackerPathCharsMax && PATH.test(path);
    if (!isPath) report(`${setting}.${name} must be ${PATH_ALLOWED}, got ${shown(path)}`);
    else if (isServed(path)) report(`${setting}.${name} must be a path at which nothing else is served, got ${path}`);
    else return path;
    return TRACKER_PATHS[name];
  };
  const paths = { script: read('script'), collect: read('collect') };
  if (paths.script !== paths.collect) return paths;
  return report(`${setting}.script and ${setting}.collect must differ, got ${paths.script} for both`);
}

/** Whether readers or other trackers find something there. */
function isServed(path: string): boolean {
  const isReaders = SERVED.some((served) => served.path === path) || /^\/(?:api|assets)(?:\/|$)/.test(path);
  return isReaders || routeOf(path).endpoint !== undefined;
}

/** A list whose items a reader takes one by one; undefined when it is none. */
function listOf<Item>(
  value: unknown,
  { name, report }: Place,
  list: { readonly itemsMax: number; readonly item: (item: unknown) => Item | undefined },
): readonly Item[] | undefined {
  if (!Array.isArray(value)) return report(`${name} must be a list, got ${shown(value)}`);
  if (value.length > list.itemsMax) {
    return report(`${name} must be a list of at most ${list.itemsMax}, got ${value.length}`);
  }
  return value.map(list.item).filter((item) => item !== undefined);
}

const SOURCE_SETTINGS = ['writeKeys', 'domains'] as const;

function sourcesOf(value: unknown, place: Place): readonly Source[] | undefined {
  const { name: setting, report } = place;
  if (!isObject(value)) {
    return report(`${setting} must be an object such as {"shop": {"writeKeys": []}}, got ${kindOf(value)}`);
  }
  const sources = Object.entries(value).map(([name, source]) => sourceOf(name, source, place));
  const keys = writeKeysOf({ sources });
  if (keys.length > LIMITS.keysMax) report(`${setting} may hold ${LIMITS.keysMax} writeKeys, got ${keys.length}`);
  const owners = new Map<string, string>();
  for (const { source: name, sha256 } of keys) {
    const owner = owners.get(sha256);
    if (owner !== undefined && owner !== name) {
      report(`the write key ${sha256.slice(0, 8)}… is given to "${owner}" and to "${name}"; one key is of one source`);
    }
    owners.set(sha256, name);
  }
  for (const { name, writeKeys } of sources) {
    const raw = value[name];
    const wanted = isObject(raw) && (raw.writeKeys === undefined || isEmptyList(raw.writeKeys));
    if (writeKeys.length > 0 || !wanted || (name === 'default' && keys.length === 0)) continue;
    report(`the source "${name}" has no writeKeys, so that no event can be of it`);
  }
  return sources;
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function sourceOf(name: string, value: unknown, place: Place): Source {
  const { report } = place;
  if (!SOURCE_NAME.test(name)) report(`a source is named by ${SOURCE_NAME_ALLOWED}, got ${shown(name)}`);
  if (!isObject(value)) {
    report(`the source ${shown(name)} must be an object such as {"writeKeys": []}, got ${kindOf(value)}`);
    return { name, writeKeys: [], domains: [] };
  }
  reportUnknown(value, SOURCE_SETTINGS, report, `setting of the source ${shown(name)}:`);
  const within = (setting: string) => ({ ...place, name: `${setting} of the source ${shown(name)}` });
  const { writeKeys = [], domains = [] } = value;
  return {
    name,
    writeKeys: digestsOf(writeKeys, within('writeKeys')) ?? [],
    domains: domainsOf(domains, within('domains')) ?? [],
  };
}

function digestsOf(value: unknown, place: Place): readonly string[] | undefined {
  const digest = (item: unknown) => {
    if (typeof item === 'string' && /^[0-9a-f]{64}$/i.test(item)) return item.toLowerCase();
    // The value is not shown: it may be the secret itself, put there by mistake.
    return place.report(
      `${place.name} holds SHA-256 digests of 64 hexadecimal digits, never the secret: printf %s SECRET | sha256sum`,
    );
  };
  // What is no list may be the secret too.
  if (!Array.isArray(value)) return place.report(`${place.name} must be a list, got ${kindOf(value)}`);
  return listOf(value, place, { itemsMax: LIMITS.keysMax, item: digest });
}

function domainsOf(value: unknown, place: Place): readonly string[] | undefined {
  const domain = (item: unknown) => {
    // domainToASCII takes a URL's host out of more than a host, so that alone is let in which a name is made of.
    const ascii = typeof item === 'string' && /^[\p{L}\p{N}._-]{1,253}$/u.test(item) ? domainToASCII(item) : '';
    if (/^[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9])?$/.test(ascii) && !ascii.includes('..')) return ascii;
    return place.report(
      `${place.name} holds names of hosts such as shop.example, without scheme, port, path or star, got ${shown(item)}`,
    );
  };
  return listOf(value, place, { itemsMax: LIMITS.domainsPerSourceMax, item: domain });
}

/** What a value is, where it may be a secret and must not be shown. */
function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : `a value of type ${typeof value}`;
}

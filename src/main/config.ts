import { readFileSync } from 'node:fs';
import { ClickstreamError } from '../core/errors.ts';
import { shown } from '../core/event.ts';
import { isObject, type JsonObject } from '../core/json.ts';

/** The configuration of `serve`, read and checked once. */
export interface Config {
  /** Default 8080; 0 takes any free port. */
  readonly port: number;
  /** Default 127.0.0.1, open to this machine alone. */
  readonly host: string;
  /** The data folder; default ./data. */
  readonly data: string;
  /** Keys that trackers send. None: every key is taken, and all is of the source `default`. */
  readonly writeKeys: readonly WriteKey[];
  /** SHA-256 of tokens that readers send. None: whoever reaches the port reads. */
  readonly readTokens: readonly string[];
}

export interface WriteKey {
  readonly source: string;
  /** 64 hexadecimal digits; the key itself is nowhere kept. */
  readonly sha256: string;
}

export interface ServeOptions {
  readonly port?: string | undefined;
  readonly host?: string | undefined;
  readonly data?: string | undefined;
  readonly config?: string | undefined;
}

/** Options of the command line over those of the file over the defaults. Throws `config_invalid` or `open_without_keys`. */
export function readConfig(options: ServeOptions): Config {
  const file = options.config === undefined ? {} : readFile(options.config);
  const known = ['port', 'host', 'data', 'writeKeys', 'readTokens'];
  for (const key of Object.keys(file)) {
    if (!known.includes(key)) throw invalid(`unknown setting "${key}"; the settings are ${known.join(', ')}`);
  }
  const filePort = portOf(file.port ?? 8080);
  const config: Config = {
    port: options.port === undefined ? filePort : portOf(options.port),
    host: textOf('host', options.host ?? file.host ?? '127.0.0.1'),
    data: textOf('data', options.data ?? file.data ?? 'data'),
    writeKeys: listOf('writeKeys', file.writeKeys).map(writeKeyOf),
    readTokens: listOf('readTokens', file.readTokens).map((token) => digestOf('readTokens', token)),
  };
  if (!isLoopback(config.host) && (config.writeKeys.length === 0 || config.readTokens.length === 0)) {
    const missing = [config.writeKeys.length === 0 && 'writeKeys', config.readTokens.length === 0 && 'readTokens'];
    throw new ClickstreamError(
      'open_without_keys',
      `host ${config.host} is open to other machines, and the configuration has no ${missing.filter(Boolean).join(' and no ')}`,
    );
  }
  return config;
}

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function readFile(path: string): JsonObject {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ClickstreamError('config_invalid', `the file ${path} cannot be read: ${String(cause)}`, { cause });
  }
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (cause) {
    throw new ClickstreamError('config_invalid', `the file ${path} is not JSON: ${String(cause)}`, { cause });
  }
  if (!isObject(file)) throw invalid(`the file ${path} must hold an object, got ${shown(file)}`);
  return file;
}

function portOf(value: unknown): number {
  const port = typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : value;
  if (typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw invalid(`port must be a whole number from 0 to 65535, got ${shown(value)}`);
}

function textOf(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw invalid(`${name} must be a text, got ${shown(value)}`);
}

function listOf(name: string, value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  throw invalid(`${name} must be a list, got ${shown(value)}`);
}

function writeKeyOf(value: unknown): WriteKey {
  if (!isObject(value)) throw invalid(`each of writeKeys must be {"source", "sha256"}, got ${shown(value)}`);
  const extra = Object.keys(value).find((key) => key !== 'source' && key !== 'sha256');
  if (extra !== undefined) throw invalid(`unknown setting "${extra}" in writeKeys; each is {"source", "sha256"}`);
  const { source } = value;
  if (typeof source !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(source)) {
    throw invalid(`a source is named by 1 to 63 letters, digits, dots, dashes or underscores, got ${shown(source)}`);
  }
  return { source, sha256: digestOf('writeKeys', value.sha256) };
}

function digestOf(name: string, value: unknown): string {
  if (typeof value === 'string' && /^[0-9a-f]{64}$/i.test(value)) return value.toLowerCase();
  // The value is not shown: it may be the secret itself, put there by mistake.
  throw invalid(
    `${name} holds SHA-256 digests of 64 hexadecimal digits, never the secret: printf %s SECRET | sha256sum`,
  );
}

function invalid(detail: string): ClickstreamError {
  return new ClickstreamError('config_invalid', detail);
}

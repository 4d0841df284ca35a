import { styleText } from 'node:util';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { asClickstreamError, type ErrorCode } from '../../core/errors.ts';
import { canonicalTime } from '../../core/time.ts';
import { ApiClient, ApiError } from './client.ts';

/** The same for every command; each names in its help those that it uses. */
export const EXIT = { well: 0, notWell: 1, usage: 2, unreachable: 3 } as const;

export interface ServerOptions {
  readonly url: URL;
  readonly token?: string;
  readonly json?: true;
}

/** A command with `--help`. Its usage errors are thrown as CommanderError, for the caller to end with 2. */
export function plainCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .exitOverride()
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .showHelpAfterError('(--help shows the options and examples)');
}

/** A command with `--url`, `--token` and `--json` as well. */
export function serverCommand(name: string, description: string): Command {
  return plainCommand(name, description)
    .addOption(
      new Option('--url <url>', 'where the server is')
        .env('CLICKSTREAM_URL')
        .default(new URL('http://127.0.0.1:8080'), 'http://127.0.0.1:8080')
        .argParser(parseUrl),
    )
    .addOption(new Option('--token <token>', 'read token, where the server wants one').env('CLICKSTREAM_TOKEN'))
    .option('--json', 'print JSON in place of text');
}

/** Does a command's work with a client of the API, and sets the exit code as `finish` does. */
export async function withServer(options: ServerOptions, work: (client: ApiClient) => Promise<number>): Promise<void> {
  const client = new ApiClient(options);
  await finish(() => work(client));
  client.close();
}

/** Does a command's work, and sets the exit code it returns, or that of what it throws. */
export async function finish(work: () => number | Promise<number>): Promise<void> {
  endWhenNobodyReads();
  try {
    process.exitCode = await work();
  } catch (thrown) {
    process.exitCode = reportFailure(thrown);
  }
}

/**
 * Prints an error with code and cure on standard error, and returns the exit code: no server is 3; a wrong configuration, or
 * what the server refuses for how it was asked, is 2; every other is 1. What Commander throws it has printed itself.
 */
export function reportFailure(thrown: unknown): number {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.well : EXIT.usage;
  const error = thrown instanceof ApiError ? thrown : asClickstreamError(thrown);
  const code = styleText(['red', 'bold'], error.code, { stream: process.stderr });
  process.stderr.write(`${code}: ${error.message}\n  ${error.cure}\n`);
  return exitCodeOf(error);
}

const USAGE: readonly string[] = ['config_invalid', 'open_without_keys'] satisfies readonly ErrorCode[];

function exitCodeOf({ code, status }: { readonly code: string; readonly status: number }): number {
  if (code === 'server_unreachable') return EXIT.unreachable;
  return USAGE.includes(code) || (status >= 400 && status < 500) ? EXIT.usage : EXIT.notWell;
}

/** `clickstream tail | head` ends when head does: not an error, and nothing is left to do. */
function endWhenNobodyReads(): void {
  process.stdout.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(EXIT.well);
  });
}

/** Colour on a terminal, unless NO_COLOR says otherwise. */
export function styled(format: Parameters<typeof styleText>[0], text: string): string {
  return styleText(format, text, { stream: process.stdout });
}

/** What trackers send may hold control characters, which a terminal would obey. */
export function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, '\ufffd');
}

export function grouped(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 1 });
}

export function parseUrl(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new InvalidArgumentError('It must be a URL such as http://127.0.0.1:8080.');
  }
  return url;
}

const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const;

function durationOf(value: string): number | undefined {
  const parts = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|min|m|h|d)$/.exec(value);
  if (parts === null) return undefined;
  return Number(parts[1]) * UNITS_MS[parts[2] as keyof typeof UNITS_MS];
}

/** `90s`, `5m`, `24h`, `7d` as milliseconds. */
export function parseDuration(value: string): number {
  const ms = durationOf(value);
  if (ms === undefined || ms <= 0) throw new InvalidArgumentError('It must be a duration such as 60s, 5m or 24h.');
  return ms;
}

/** A time in ISO 8601 or epoch milliseconds, or how long ago: `30m`, `24h`, `7d`. As ISO 8601. */
export function parseTime(value: string): string {
  const agoMs = durationOf(value);
  if (agoMs !== undefined) return new Date(Date.now() - agoMs).toISOString();
  const time = canonicalTime(/^\d{1,15}$/.test(value) ? Number(value) : value);
  if (time === undefined) {
    throw new InvalidArgumentError('It must be a time in ISO 8601, or how long ago, such as 30m, 24h or 7d.');
  }
  return time;
}

/** A parser of whole numbers from `min` to `max`. */
export function wholeNumber({ min, max }: { readonly min: number; readonly max: number }): (value: string) => number {
  return (value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

/** `10000/min`, `500/s` as events a second; `max` as it is. */
export function parseRate(value: string): number | 'max' {
  if (value === 'max') return value;
  const parts = /^(\d{1,9})\/(s|min|h)$/.exec(value);
  const count = Number(parts?.[1]);
  if (parts === null || !(count > 0))
    throw new InvalidArgumentError('It must be a rate such as 10000/min or 500/s, or max.');
  return (count * 1_000) / UNITS_MS[parts[2] as 's' | 'min' | 'h'];
}

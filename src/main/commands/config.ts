import { hash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import { TRACKER_PATHS } from '../../collect/tracker.ts';
import { asClickstreamError, ClickstreamError } from '../../core/errors.ts';
import {
  type Config,
  examineConfig,
  SETTINGS,
  type ServeOptions,
  type Setting,
  SOURCE_NAME,
  SOURCE_NAME_ALLOWED,
  soundConfig,
} from '../config.ts';
import { serveOptions } from './serve.ts';
import { EXIT, finish, plainCommand, styled, visible } from './terminal.ts';

const FILE = 'clickstream.json';

const HELP = `
Examples:
  $ clickstream config init && clickstream serve --config ${FILE}
  $ clickstream config show --config ${FILE} --port 9000
  $ clickstream config check ${FILE}

Exit codes: 0 well; 1 a fault of the program; 2 usage, or something is wrong with the configuration.`;

/** `clickstream config`: writes, shows and checks the configuration file of `serve`. */
export function configCommand(): Command {
  return plainCommand('config', 'Write, show or check the configuration of serve')
    .addCommand(initCommand())
    .addCommand(showCommand())
    .addCommand(checkCommand())
    .addHelpText('after', HELP);
}

interface InitOptions {
  readonly source: string;
  readonly json?: true;
}

const INIT_HELP = `
Examples:
  $ clickstream config init
  $ clickstream config init /etc/clickstream.json --source shop
  $ clickstream config init --json > keys.json

Makes a write key, for trackers, and a read token, for those who may see the data, and prints them this once: the
file holds their SHA-256 digests alone. A file that is there already is never written over.

Exit codes: 0 written; 1 a fault of the program; 2 usage, or the file is there already or cannot be written.`;

function initCommand(): Command {
  return plainCommand('init', 'Write a first configuration file, with a fresh write key and read token')
    .argument('[file]', 'where to', FILE)
    .option('--source <name>', 'name of the source that the write key is of', parseSource, 'default')
    .option('--json', 'print JSON in place of text')
    .addHelpText('after', INIT_HELP)
    .action((file: string, options: InitOptions) => finish(() => init(file, options)));
}

function init(file: string, { source, json }: InitOptions): number {
  // What they are for stands before them, so that nobody takes one for the other, or for a digest.
  const writeKey = `write_${randomBytes(24).toString('base64url')}`;
  const readToken = `read_${randomBytes(24).toString('base64url')}`;
  const settings = {
    ...{ port: 8080, host: '127.0.0.1', data: 'data' },
    sources: { [source]: { writeKeys: [hash('sha256', writeKey)], domains: [] } },
    readTokens: [hash('sha256', readToken)],
    proxies: 0,
    tracker: TRACKER_PATHS,
  };
  writeNew(file, `${JSON.stringify(settings, undefined, 2)}\n`);
  process.stdout.write(
    json === true
      ? `${JSON.stringify({ file, source, writeKey, readToken })}\n`
      : `${file} is written. It holds the digests of these two, which are shown this once:

  write key    ${styled('bold', writeKey)}   for trackers, of the source ${source}
  read token   ${styled('bold', readToken)}    for the API, the page and the commands

Start the server:
  clickstream serve --config ${file}
Send a first event, and read it:
  curl -u ${writeKey}: http://127.0.0.1:8080/v1/track -d '{"event":"Signed Up","userId":"ada"}'
  CLICKSTREAM_TOKEN=${readToken} clickstream tail --limit 1
`,
  );
  return EXIT.well;
}

function parseSource(value: string): string {
  if (SOURCE_NAME.test(value)) return value;
  throw new InvalidArgumentError(`It must be ${SOURCE_NAME_ALLOWED}.`);
}

function writeNew(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    const there = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST';
    const why = there ? 'is there already, and is not written over' : `cannot be written: ${String(cause)}`;
    throw new ClickstreamError('config_invalid', `the file ${file} ${why}`, { cause });
  }
}

const SHOW_HELP = `
Examples:
  $ clickstream config show
  $ clickstream config show --config ${FILE} --port 9000 --json

Shows what serve would use with the same options, and where each value comes from: a default, the file or an option.
Digests are cut to their first eight digits.

Exit codes: 0 shown; 1 a fault of the program; 2 usage, or something is wrong with the configuration.`;

interface JsonOption {
  readonly json?: true;
}

function showCommand(): Command {
  return serveOptions(plainCommand('show', 'Show the configuration in force, and where each value comes from'))
    .option('--json', 'print JSON in place of text')
    .addHelpText('after', SHOW_HELP)
    .action((options: ServeOptions & JsonOption) => finish(() => show(options)));
}

function show(options: ServeOptions & JsonOption): number {
  const examination = examineConfig(options);
  const { origins } = examination;
  const config = withShortDigests(soundConfig(examination));
  const settings = SETTINGS.map((name) => ({ name, value: config[name], from: origins[name] }));
  if (options.json === true) {
    const entries = settings.map(({ name, value = null, from }) => [name, { value, from }] as const);
    process.stdout.write(`${JSON.stringify(Object.fromEntries(entries))}\n`);
    return EXIT.well;
  }
  const rows = settings.flatMap(({ name, from }) => {
    const [first = 'none', ...more] = linesOf(name, config);
    return [[name, first, from], ...more.map((line) => ['', line, ''])];
  });
  const width = Math.max(...rows.map(([, value = '']) => value.length));
  const lines = rows.map(([name = '', value = '', from = '']) => {
    return `${styled('bold', name.padEnd(12))}${value.padEnd(width)}  ${styled('dim', from)}`.trimEnd();
  });
  process.stdout.write(`${lines.join('\n')}\n`);
  return EXIT.well;
}

function withShortDigests(config: Config): Config {
  const short = (digests: readonly string[]) => digests.map((digest) => `${digest.slice(0, 8)}…`);
  return {
    ...config,
    sources: config.sources.map((source) => ({ ...source, writeKeys: short(source.writeKeys) })),
    readTokens: short(config.readTokens),
  };
}

/** A setting's value in words; no line when it has none. */
function linesOf(name: Setting, config: Config): readonly string[] {
  if (name === 'sources') {
    return config.sources.map(({ name, writeKeys, domains }) => {
      const parts = [`keys ${writeKeys.join(', ') || 'none'}`, domains.length > 0 && `domains ${domains.join(', ')}`];
      return `${name}: ${parts.filter((part) => part !== false).join('; ')}`;
    });
  }
  if (name === 'readTokens') return config.readTokens;
  if (name === 'tracker') return [`script ${config.tracker.script}`, `collect ${config.tracker.collect}`];
  const value = config[name];
  return value === undefined ? [] : [String(value)];
}

const CHECK_HELP = `
Examples:
  $ clickstream config check
  $ clickstream config check /etc/clickstream.json && systemctl restart clickstream

Names every problem, not only the first. The schemas and the file of countries are read too.

Exit codes: 0 the server would start with it; 1 a fault of the program; 2 usage, or something is wrong with it.`;

function checkCommand(): Command {
  return plainCommand('check', 'Check a configuration file, and name each problem')
    .argument('[file]', 'which', FILE)
    .option('--json', 'print JSON in place of text')
    .addHelpText('after', CHECK_HELP)
    .action((file: string, options: JsonOption) => finish(() => check(file, options)));
}

async function check(file: string, { json }: JsonOption): Promise<number> {
  const { config, problems: found } = examineConfig({ config: file });
  const problems = [...found, ...(await problemsOfFiles(config))].map(({ code, message }) => ({ code, message }));
  const ok = problems.length === 0;
  if (json === true) process.stdout.write(`${JSON.stringify({ file, ok, problems })}\n`);
  else if (ok) process.stdout.write(`${styled('green', 'Well:')} ${file}\n`);
  else {
    for (const { code, message } of problems) process.stdout.write(`${styled('red', code)}  ${visible(message)}\n`);
    process.stdout.write(`${problems.length} problem${problems.length === 1 ? '' : 's'} in ${file}\n`);
  }
  return ok ? EXIT.well : EXIT.usage;
}

/** What is wrong with the files that a configuration names. */
async function problemsOfFiles(config: Config): Promise<readonly ClickstreamError[]> {
  const { countries } = config;
  // Loaded here, for it is most of the program, and no other command needs it.
  const { openCountryFile } = await import('../../adapters/embedded/country-file.ts');
  const { openSchemas } = await import('../steps.ts');
  return [
    ...(await problemOf(() => openSchemas(config))),
    ...(countries === undefined ? [] : await problemOf(() => openCountryFile(countries))),
  ];
}

async function problemOf(open: () => unknown): Promise<readonly ClickstreamError[]> {
  try {
    await open();
    return [];
  } catch (thrown) {
    return [asClickstreamError(thrown)];
  }
}

import type { Command } from 'commander';
import { type Config, readConfig, type ServeOptions, writeKeysOf } from '../config.ts';
import { plainCommand } from './terminal.ts';

const HELP = `
Examples:
  $ clickstream serve
  $ clickstream serve --port 9000 --data /var/lib/clickstream
  $ clickstream serve --config clickstream.json --host 0.0.0.0

The configuration file is JSON, and "clickstream config init" writes a first one. To be reached from other machines the
server needs write keys and a read token in it. SIGINT and SIGTERM stop the server once it has processed what it took.

Exit codes: 0 stopped by a signal; 1 could not serve; 2 usage or configuration; 70 a worker failed: start it again.`;

/** `clickstream serve`: all stages in one process, until a signal stops it. */
export function serveCommand(): Command {
  return serveOptions(plainCommand('serve', 'Serve the collector, the query API and the dashboard'))
    .option('--json', 'print one JSON document once it serves, in place of text')
    .addHelpText('after', HELP)
    .action(async (options: ServeOptions & { readonly json?: boolean }) => {
      const config = readConfig(options);
      // Loaded here, for it is most of the program, and no other command needs it.
      const { startLocal } = await import('../local.ts');
      // Whatever is made from here on, SQLite's files too, is for this user alone.
      process.umask(0o077);
      const server = await startLocal(config);
      // Before anybody is told that it serves, and might stop it.
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        process.once(signal, () => void server.stop());
      }
      const { url } = server;
      process.stdout.write(
        options.json === true
          ? `${JSON.stringify({ url, data: config.data, pid: process.pid })}\n`
          : welcome(url, config),
      );
      await server.stopped;
    });
}

/** Gives a command the options that a configuration is made from. */
export function serveOptions(command: Command): Command {
  return command
    .option('--port <number>', 'port to listen on; 0 takes a free one (default 8080)')
    .option('--host <address>', 'address to listen on (default 127.0.0.1)')
    .option('--data <folder>', 'folder that all data lives in (default ./data)')
    .option('--config <file>', 'configuration file; options go before it');
}

/** What `serve` prints: where to go, and a first event to try. */
export function welcome(url: string, { data, host, sources, readTokens }: Config): string {
  const key = writeKeysOf({ sources }).length === 0 ? '' : ' -u WRITE_KEY:';
  const token = readTokens.length === 0 ? '' : " -H 'Authorization: Bearer READ_TOKEN'";
  return `clickstream listens on ${host}, serves at ${url} and keeps its data in ${data}

  dashboard   ${url}/
  health      ${url}/health   ${url}/ready   ${url}/metrics
  events      ${url}/api/v1/events

Send a first event:
  curl${key} ${url}/v1/track -d '{"event":"Signed Up","userId":"ada","properties":{"plan":"free"}}'
and see it:
  curl${token} ${url}/api/v1/users/ada/events
`;
}

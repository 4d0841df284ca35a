import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { Command } from 'commander';
import { LIMITS } from '../../core/limits.ts';
import type { ApiClient } from './client.ts';
import { pagesOf } from './pages.ts';
import { EXIT, grouped, type ServerOptions, serverCommand, withServer } from './terminal.ts';

const HELP = `
Examples:
  $ clickstream export user-17 > person.ndjson
  $ clickstream export user-17 --out person.ndjson
  $ clickstream export user-17 --url https://events.internal --token "$TOKEN" --out person.ndjson

Writes all that is stored of a person, a JSON object a line: the visitors (devices) that are linked, the events of the
timeline in their order, and what was set aside of them. Each says its "kind": visitor, event or bad.

Exit codes: 0 written whole; 1 the server failed, the file could not be written, or more than 1,000 devices are
linked, of which it has 1,000; 2 usage; 3 the server is unreachable.`;

interface ExportOptions extends ServerOptions {
  readonly out?: string;
}

/** `clickstream export`: what is stored of a person, as a file. */
export function exportCommand(): Command {
  return serverCommand('export', 'Write all that is stored of a person')
    .argument('<id>', 'a userId or an anonymousId')
    .option('--out <file>', 'where to; a new file. By default, standard output')
    .addHelpText('after', HELP)
    .action((id: string, options: ExportOptions) => withServer(options, (client) => exportPerson(client, id, options)));
}

async function exportPerson(client: ApiClient, id: string, { out, json }: ExportOptions): Promise<number> {
  const person = `/api/v1/users/${encodeURIComponent(id)}`;
  const { more } = await client.get(`${person}/visitors`);
  const list = { path: `${person}/export`, name: 'lines', what: 'an export', itemOf: (line: unknown) => line };
  // Who reads it alone may.
  const file = out === undefined ? process.stdout : createWriteStream(out, { flags: 'wx', mode: 0o600 });
  if (out !== undefined) await once(file, 'open');
  let lines = 0;
  for await (const { items } of pagesOf(client, list, { limit: LIMITS.pageEventsMax })) {
    for (const item of items) if (!file.write(`${JSON.stringify(item)}\n`)) await once(file, 'drain');
    lines += items.length;
  }
  if (out !== undefined) {
    file.end();
    await once(file, 'finish');
    process.stdout.write(json === true ? `${JSON.stringify({ lines, out })}\n` : `${grouped(lines)} lines in ${out}\n`);
  }
  if (more !== true) return EXIT.well;
  process.stderr.write(
    `Not whole: it is of ${grouped(LIMITS.linksPerUserMax)} of the person's devices, and there are more.\n`,
  );
  return EXIT.notWell;
}

import { createInterface } from 'node:readline/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { isObject, type JsonObject } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { type ApiClient, strange } from './client.ts';
import { EXIT, grouped, type ServerOptions, serverCommand, styled, visible, withServer } from './terminal.ts';

const HELP = `
Examples:
  $ clickstream erase user-17
  $ clickstream erase user-17 --yes --follow
  $ clickstream erase user-17 --yes --json --url https://events.internal --token "$TOKEN"

Erases a person: all that happened until now of the id and of every visitor (device) linked to it, whoever else used it.
What they do afterwards is new. On a terminal it asks first; elsewhere it needs --yes. --follow waits until nothing is
scheduled any more. Erase the person once more after that: a device seen with the id only meanwhile is found then.
The certificate says what was removed where: GET /api/v1/erasures/{id}.

Exit codes: 0 asked for, or, with --follow, done; 1 the server failed, it was not confirmed, or it is not done after
30 minutes; 2 usage; 3 the server is unreachable.`;

/** On AWS it takes effect for good after a quarter of an hour. */
const FOLLOWED_MS_MAX = 30 * 60_000;

interface EraseOptions extends ServerOptions {
  readonly yes?: true;
  readonly follow?: true;
}

/** `clickstream erase`: a person, everywhere. */
export function eraseCommand(): Command {
  return serverCommand('erase', 'Erase a person')
    .argument('<id>', 'a userId or an anonymousId')
    .option('--yes', 'without asking')
    .option('--follow', 'wait until it is done')
    .addHelpText('after', HELP)
    .action((id: string, options: EraseOptions, command: Command) => {
      if (options.yes !== true && !process.stdin.isTTY) {
        command.error('error: nobody can be asked here; --yes erases without asking', { exitCode: EXIT.usage });
      }
      return withServer(options, (client) => erase(client, id, options));
    });
}

async function erase(client: ApiClient, id: string, { yes, follow, json }: EraseOptions): Promise<number> {
  const path = `/api/v1/users/${encodeURIComponent(id)}`;
  if (yes !== true) {
    const { visitors } = await client.get(`${path}/visitors`);
    if (!Array.isArray(visitors)) throw strange('a person', {});
    if (!(await isConfirmed(`Erase ${visible(id)}: ${grouped(visitors.length)} visitors, for good? [y/N] `))) {
      process.stdout.write('Nothing was erased.\n');
      return EXIT.notWell;
    }
  }
  const asked = await client.delete(path);
  const told = follow === true ? await followed(client, String(asked.id)) : asked;
  const text = follow === true ? certificateText(told) : askedText(told);
  process.stdout.write(json === true ? `${JSON.stringify(told)}\n` : text);
  return follow === true && told.state !== 'done' ? EXIT.notWell : EXIT.well;
}

async function isConfirmed(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(?:es)?$/i.test((await terminal.question(question)).trim());
  } finally {
    terminal.close();
  }
}

async function followed(client: ApiClient, id: string): Promise<JsonObject> {
  const end = performance.now() + FOLLOWED_MS_MAX;
  for (;;) {
    const certificate = await client.get(`/api/v1/erasures/${encodeURIComponent(id)}`);
    if (certificate.state === 'done' || performance.now() >= end) return certificate;
    await sleep(LIMITS.clientRetryMs);
  }
}

function askedText({ id, visitors, more }: JsonObject): string {
  const rest = more === true ? 'There are more than are named: erase again once this is done.\n' : '';
  return `Erasure ${visible(String(id))}: ${grouped(Number(visitors))} visitors.\n${rest}`;
}

function certificateText({ id, state, askedAt, places }: JsonObject): string {
  if (!Array.isArray(places)) throw strange('a certificate', {});
  const lines = [styled('bold', `Erasure ${visible(String(id))}: ${visible(String(state))}`), `asked for ${askedAt}`];
  for (const place of places) {
    if (!isObject(place)) continue;
    const { place: name, state: how, removed, until, detail } = place;
    const count = typeof removed === 'number' ? grouped(removed) : '';
    const when = typeof until === 'string' ? ` until ${until}` : '';
    lines.push(
      `${visible(String(name)).padEnd(14)}${count.padStart(10)}  ${visible(String(how))}${when}  ${styled('dim', visible(String(detail)))}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

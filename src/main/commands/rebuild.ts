import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { isObject, type JsonObject } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { type ApiClient, strange } from './client.ts';
import { ProgressBar } from './progress-bar.ts';
import { EXIT, grouped, type ServerOptions, serverCommand, styled, visible, withServer } from './terminal.ts';

const HELP = `
Examples:
  $ clickstream rebuild
  $ clickstream rebuild traffic
  $ clickstream rebuild sessions --follow
  $ clickstream rebuild traffic --url https://events.internal --token "$TOKEN" --json

Folds a view anew out of the stored events, while events go on coming: the old numbers are answered until it is done,
and then the new ones, at once. It runs in the server, and goes on after a restart. Asked for again meanwhile, it is the
same one. Times of which events are expired keep their numbers. Without a name it lists the views, and how the latest
rebuild of each stands. --follow waits until it is done.

Exit codes: 0 listed, asked for, or, with --follow, done; 1 the server failed; 2 usage, or there is no such view; 3 the
server is unreachable.`;

const PATH = '/api/v1/rebuilds';
/** A server that starts again meanwhile goes on with the rebuild. */
const PATIENCE_MS = 60_000;

interface RebuildOptions extends ServerOptions {
  readonly follow?: true;
}

/** `clickstream rebuild`: a view folded anew. */
export function rebuildCommand(): Command {
  return serverCommand('rebuild', 'Fold a view anew out of the stored events, or list how that stands')
    .argument('[view]', 'its name; without one, all are listed')
    .option('--follow', 'wait until it is done')
    .addHelpText('after', HELP)
    .action((view: string | undefined, options: RebuildOptions, command: Command) => {
      if (view === undefined && options.follow === true) {
        command.error('error: name the view that is to be followed', { exitCode: EXIT.usage });
      }
      return withServer(options, (client) =>
        view === undefined ? list(client, options) : rebuild(client, { view, ...options }),
      );
    });
}

async function list(client: ApiClient, { json }: ServerOptions): Promise<number> {
  const found = await readRebuilds(client);
  if (json === true) process.stdout.write(`${JSON.stringify({ rebuilds: found.map(({ raw }) => raw) })}\n`);
  else process.stdout.write(found.map((rebuilt) => `${lineOf(rebuilt)}\n`).join(''));
  return EXIT.well;
}

async function rebuild(
  client: ApiClient,
  { view, follow, json }: RebuildOptions & { readonly view: string },
): Promise<number> {
  const body = { type: 'application/json', bytes: Buffer.from(JSON.stringify({ view })) };
  const asked = await client.post(PATH, body);
  if (follow !== true) {
    const text = `${visible(view)} will be folded anew; see: clickstream rebuild\n`;
    process.stdout.write(json === true ? `${JSON.stringify(asked)}\n` : text);
    return EXIT.well;
  }
  const done = await followed(client, { view, isShown: json !== true });
  process.stdout.write(json === true ? `${JSON.stringify(done.raw)}\n` : `${lineOf(done)}\n`);
  return EXIT.well;
}

async function followed(
  client: ApiClient,
  { view, isShown }: { readonly view: string; readonly isShown: boolean },
): Promise<Rebuilt> {
  let latest: Rebuilt | undefined;
  const progress = () => {
    const { folded = 0, events = 0 } = latest ?? {};
    const part = events === 0 ? 0 : Math.min(1, folded / events);
    return { text: `${visible(view)}: ${grouped(folded)} of ${grouped(events)} events`, part };
  };
  const bar = isShown ? new ProgressBar(progress) : undefined;
  try {
    for (;;) {
      latest = (await readRebuilds(client)).find((rebuilt) => rebuilt.view === view);
      if (latest === undefined) throw strange('the view that was asked for', {});
      if (latest.state === 'finished') return latest;
      await sleep(LIMITS.clientRetryMs);
    }
  } finally {
    bar?.hide();
  }
}

function lineOf({ view, state, folded, events, finishedAt, keptBefore }: Rebuilt): string {
  const kept = keptBefore === undefined ? '' : `; times before ${timeText(keptBefore)} keep their numbers`;
  const when = finishedAt === undefined ? '' : ` ${timeText(finishedAt)}`;
  const told = {
    never: styled('dim', 'never folded anew'),
    waiting: styled('yellow', 'asked for'),
    folding: styled('yellow', `${grouped(folded)} of ${grouped(events)} events folded`),
    finished: `${styled('green', 'folded anew')}${when}: ${grouped(folded)} events${kept}`,
  } as const;
  return `${visible(view).padEnd(18)}${told[state]}`;
}

function timeText(time: string): string {
  return visible(time.slice(0, 19).replace('T', ' '));
}

interface Rebuilt {
  readonly view: string;
  readonly state: 'never' | 'waiting' | 'folding' | 'finished';
  readonly folded: number;
  readonly events: number;
  readonly finishedAt: string | undefined;
  readonly keptBefore: string | undefined;
  /** All that the server said of it. */
  readonly raw: JsonObject;
}

async function readRebuilds(client: ApiClient): Promise<readonly Rebuilt[]> {
  const answer = await client.get(PATH, {}, { patienceMs: PATIENCE_MS });
  if (!Array.isArray(answer.rebuilds)) throw strange('a list of views', answer);
  return answer.rebuilds.map(rebuiltOf);
}

const STATES = ['never', 'waiting', 'folding', 'finished'] as const;

function rebuiltOf(raw: unknown): Rebuilt {
  if (!isObject(raw)) throw strange('how the rebuild of a view stands', raw);
  const { view, folded, events, finishedAt, keptBefore } = raw;
  const state = STATES.find((known) => known === raw.state);
  if (typeof view !== 'string' || state === undefined || typeof folded !== 'number' || typeof events !== 'number') {
    throw strange('how the rebuild of a view stands', raw);
  }
  const time = (value: unknown) => (typeof value === 'string' ? value : undefined);
  return { view, state, folded, events, finishedAt: time(finishedAt), keptBefore: time(keptBefore), raw };
}

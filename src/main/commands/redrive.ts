import type { Command } from 'commander';
import { isObject, type JsonObject } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { type ApiClient, ApiError, strange } from './client.ts';
import { firstOf, type PagedList, pagesOf } from './pages.ts';
import {
  EXIT,
  grouped,
  plainCommand,
  type ServerOptions,
  serverCommand,
  styled,
  visible,
  wholeNumber,
  withServer,
} from './terminal.ts';

const HELP = `
Examples:
  $ clickstream redrive
  $ clickstream redrive show bG9jYWw6MTI6MA
  $ clickstream redrive put bG9jYWw6MTI6MA
  $ clickstream redrive put --all --url https://events.internal --token "$TOKEN"

A record that cannot be processed at all, damaged or by a fault of the program, is kept whole as a dead record. Once
the fault is gone, "redrive put" puts it back into the log, and its events are stored exactly once. Without more it
lists them.

Exit codes: 0 well; 1 a record was not put back, or the server failed; 2 usage, or there is no such record; 3 the
server is unreachable.`;

/** `clickstream redrive`: dead records, and the way back for them. */
export function redriveCommand(): Command {
  return plainCommand('redrive', 'List dead records, and put them back into the log')
    .addCommand(listCommand(), { isDefault: true })
    .addCommand(showCommand())
    .addCommand(putCommand())
    .addHelpText('after', HELP);
}

const LIST_HELP = `
Examples:
  $ clickstream redrive list
  $ clickstream redrive list --limit 5
  $ clickstream redrive list --json

Lists dead records, the newest first, with why they could not be processed, and where those that were put back lie now.

Exit codes: 0 answered; 1 the server failed; 2 usage; 3 the server is unreachable.`;

interface ListOptions extends ServerOptions {
  readonly limit: number;
}

function listCommand(): Command {
  return serverCommand('list', 'List dead records, and why they could not be processed')
    .option('--limit <number>', 'how many', wholeNumber({ min: 1, max: LIMITS.pageEventsMax }), 20)
    .addHelpText('after', LIST_HELP)
    .action((options: ListOptions) => withServer(options, (client) => list(client, options)));
}

const SHOW_HELP = `
Examples:
  $ clickstream redrive show bG9jYWw6MTI6MA
  $ clickstream redrive show bG9jYWw6MTI6MA > record
  $ clickstream redrive show bG9jYWw6MTI6MA --json

Prints the record's bytes on standard output, and why it could not be processed on standard error. With --json, all
that is known of it, its bytes as base64, and as text where they are.

Exit codes: 0 shown; 1 the server failed; 2 usage, or there is no such record; 3 the server is unreachable.`;

function showCommand(): Command {
  return serverCommand('show', 'Print one of them whole')
    .argument('<id>', 'its id, as the list has it')
    .addHelpText('after', SHOW_HELP)
    .action((id: string, options: ServerOptions) => withServer(options, (client) => show(client, { id, ...options })));
}

const PUT_HELP = `
Examples:
  $ clickstream redrive put bG9jYWw6MTI6MA bG9jYWw6MTM6MA
  $ clickstream redrive put --all
  $ clickstream redrive put --all --json

Puts records back into the log, under a new position, where they are processed like any that has just come. What was
put back before is not put back again. With --all, every one that was not put back yet, the oldest first. It stops when
the server fails, and names each record that it refuses.

Exit codes: 0 all are put back; 1 one was refused, or the server failed; 2 usage, or there is no such record; 3 the
server is unreachable.`;

interface PutOptions extends ServerOptions {
  readonly all?: true;
}

function putCommand(): Command {
  return serverCommand('put', 'Put dead records back into the log')
    .argument('[ids...]', 'their ids, as the list has them')
    .option('--all', 'every one that was not put back yet')
    .addHelpText('after', PUT_HELP)
    .action((ids: readonly string[], options: PutOptions, command: Command) => {
      if ((ids.length === 0) === (options.all === undefined)) {
        command.error('error: name the ids of records, or all of them with --all', { exitCode: EXIT.usage });
      }
      return withServer(options, (client) => put(client, ids, options));
    });
}

async function list(client: ApiClient, { limit, json }: ListOptions): Promise<number> {
  const { items, more } = await firstOf(client, DEAD, { limit });
  process.stdout.write(
    json === true ? `${JSON.stringify({ dead: items.map(({ raw }) => raw), more })}\n` : listText(items, more),
  );
  return EXIT.well;
}

function listText(items: readonly DeadItem[], more: boolean): string {
  if (items.length === 0) return 'No record is dead.\n';
  const lines = items.flatMap(({ id, place, reason, bytes, receivedAt, redriven }) => {
    const time = receivedAt?.slice(0, 23).replace('T', ' ').replace('Z', '') ?? 'time unknown';
    const state = redriven === undefined ? '' : `  ${styled('green', `put back to ${visible(redriven)}`)}`;
    return [
      `${styled('dim', time)}  ${visible(place)}  ${grouped(bytes)} bytes  ${styled('dim', visible(id))}${state}`,
      `  ${styled('red', visible(reason))}`,
    ];
  });
  if (more) lines.push(styled('dim', `The newest ${items.length}; there are more: see --limit.`));
  return `${lines.join('\n')}\n`;
}

async function show(client: ApiClient, { id, json }: { readonly id: string; readonly json?: true }): Promise<number> {
  const answer = await client.get(`/api/v1/dead/${encodeURIComponent(id)}`);
  const { raw, place, reason, receivedAt, redriven } = deadItemOf(answer);
  if (typeof answer.payload !== 'string') throw strange('a dead record with its payload', answer);
  if (json === true) {
    process.stdout.write(`${JSON.stringify(raw)}\n`);
    return EXIT.well;
  }
  // Apart from the bytes, which another program may be reading.
  const lines = [
    `${receivedAt ?? 'time unknown'}  ${visible(place)}`,
    visible(reason),
    ...(redriven === undefined ? [] : [`put back to ${visible(redriven)}`]),
  ];
  process.stderr.write(`${lines.join('\n')}\n\n`);
  const bytes = Buffer.from(answer.payload, 'base64');
  process.stdout.write(process.stdout.isTTY ? `${bytes.toString().split('\n').map(visible).join('\n')}\n` : bytes);
  return EXIT.well;
}

/** What became of one: put back now or before, or why not. */
type Outcome =
  | { readonly kind: 'put'; readonly id: string; readonly raw: JsonObject; readonly to: string; readonly now: boolean }
  | { readonly kind: 'refused'; readonly id: string; readonly error: ApiError };

async function put(client: ApiClient, ids: readonly string[], { all, json }: PutOptions): Promise<number> {
  const wanted = all === true ? await waitingIn(client) : ids;
  const outcomes: Outcome[] = [];
  for (const id of wanted) {
    const outcome = await putOne(client, id);
    outcomes.push(outcome);
    if (json !== true && !isFinal(outcome, wanted)) process.stdout.write(outcomeText(outcome));
    // The next one would fare no better.
    if (outcome.kind === 'refused' && outcome.error.passing) break;
  }
  const refused = outcomes.flatMap((outcome) => (outcome.kind === 'refused' ? [outcome] : []));
  if (json === true) {
    const put = outcomes.flatMap((outcome) => (outcome.kind === 'put' ? [outcome.raw] : []));
    const told = refused.map(({ id, error: { code, message } }) => ({ id, code, detail: message }));
    process.stdout.write(`${JSON.stringify({ put, refused: told })}\n`);
  } else if (wanted.length === 0) process.stdout.write('No dead record waits to be put back.\n');
  const last = refused.at(-1);
  if (last !== undefined && isFinal(last, wanted)) throw last.error;
  return last === undefined ? EXIT.well : EXIT.notWell;
}

/** What ends the command, or is all there is to say, is said as by every other command. */
function isFinal(outcome: Outcome, wanted: readonly string[]): boolean {
  return outcome.kind === 'refused' && (outcome.error.passing || wanted.length === 1);
}

async function putOne(client: ApiClient, id: string): Promise<Outcome> {
  try {
    const answer = await client.post(`/api/v1/dead/${encodeURIComponent(id)}/redrive`);
    const to = placeText(answer.redriven);
    if (to === undefined) throw strange('where the record was put back to', answer);
    return { kind: 'put', id, raw: answer, to, now: answer.appended !== false };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { kind: 'refused', id, error };
  }
}

function outcomeText(outcome: Outcome): string {
  const id = styled('dim', visible(outcome.id));
  if (outcome.kind === 'refused') {
    return `${id}  ${styled('red', visible(outcome.error.code))}: ${visible(outcome.error.message)}\n`;
  }
  return `${id}  ${outcome.now ? 'put back to' : 'was put back before, to'} ${visible(outcome.to)}\n`;
}

/** The ids of those that were not put back, the oldest first, so that each visitor's come in their order. */
async function waitingIn(client: ApiClient): Promise<readonly string[]> {
  const waiting: string[] = [];
  for await (const { items } of pagesOf(client, DEAD, { limit: LIMITS.pageEventsMax })) {
    for (const { id, redriven } of items) if (redriven === undefined) waiting.push(id);
  }
  return waiting.reverse();
}

const DEAD: PagedList<DeadItem> = {
  path: '/api/v1/dead',
  name: 'dead',
  what: 'a list of dead records',
  itemOf: deadItemOf,
};

interface DeadItem {
  readonly id: string;
  /** Lane and sequence. */
  readonly place: string;
  readonly reason: string;
  readonly bytes: number;
  readonly receivedAt: string | undefined;
  /** Where it was put back to. */
  readonly redriven: string | undefined;
  /** All that the server said of it. */
  readonly raw: JsonObject;
}

function deadItemOf(raw: unknown): DeadItem {
  const place = placeText(raw);
  if (!isObject(raw) || place === undefined) throw strange('a dead record', raw);
  const { id, reason, bytes, receivedAt, redriven } = raw;
  if (typeof id !== 'string' || typeof reason !== 'string' || typeof bytes !== 'number') {
    throw strange('a dead record', raw);
  }
  const time = typeof receivedAt === 'string' ? receivedAt : undefined;
  return { id, place, reason, bytes, receivedAt: time, redriven: placeText(redriven), raw };
}

function placeText(place: unknown): string | undefined {
  if (!isObject(place)) return undefined;
  return `${String(place.lane)}/${String(place.sequence)}`;
}

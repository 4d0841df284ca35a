import type { Command } from 'commander';
import { isObject, type JsonObject } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { badReplayCommand } from './bad-replay.ts';
import { type ApiClient, strange } from './client.ts';
import { firstOf, type PagedList } from './pages.ts';
import {
  EXIT,
  grouped,
  type ServerOptions,
  serverCommand,
  styled,
  visible,
  wholeNumber,
  withServer,
} from './terminal.ts';

interface BadFilter {
  readonly code?: string | undefined;
  readonly source?: string | undefined;
  readonly type?: string | undefined;
}

interface BadOptions extends ServerOptions, BadFilter {
  readonly limit: number;
  readonly summary?: true;
  readonly waiting?: true;
}

const HELP = `
Examples:
  $ clickstream bad
  $ clickstream bad --code schema_invalid --source shop --limit 5
  $ clickstream bad --waiting --type "Order Paid"
  $ clickstream bad reasons
  $ clickstream bad show bG9jYWw6MTI6MA

Lists the events that were set aside, the newest first: what came, and why it is not a valid event. Nothing of
them is lost: "bad show" prints an event's bytes as they came, "bad reasons" counts the kinds, and "bad replay" puts
events back into the log, as they came or edited. They are kept as long as events. With --json, what the server says.

Exit codes: 0 answered; 1 the server failed; 2 usage; 3 the server is unreachable.`;

/** `clickstream bad`: the events that were set aside, with their reasons. */
export function badCommand(): Command {
  return serverCommand('bad', 'List the events that were set aside, and why')
    .option('--code <code>', 'only those of this reason, such as schema_invalid')
    .option('--source <source>', 'only those of one source')
    .option('--type <type>', 'only those of one event type')
    .option('--waiting', 'only those that are not put back')
    .option('--limit <number>', 'how many', wholeNumber({ min: 1, max: LIMITS.pageEventsMax }), 20)
    .option('--summary', 'how many there are of each reason, in place of the list')
    .addHelpText('after', HELP)
    .action((options: BadOptions) =>
      withServer(options, (client) => (options.summary === true ? summary(client, options) : list(client, options))),
    )
    .addCommand(showCommand())
    .addCommand(reasonsCommand())
    .addCommand(badReplayCommand());
}

const SHOW_HELP = `
Examples:
  $ clickstream bad show bG9jYWw6MTI6MA
  $ clickstream bad show bG9jYWw6MTI6MA > event.json
  $ clickstream bad show bG9jYWw6MTI6MA --json

Prints the bytes as they came on standard output, and why it was set aside on standard error. With --json, all that
is known of the event.

Exit codes: 0 shown; 1 the server failed; 2 usage, or there is no such event; 3 the server is unreachable.`;

function showCommand(): Command {
  return serverCommand('show', 'Print one of them whole')
    .argument('<id>', 'its id, as the list has it')
    .addHelpText('after', SHOW_HELP)
    .action((id: string, _: ServerOptions, command: Command) => {
      // The options are known to `bad` too, which takes them wherever they stand.
      const options = command.optsWithGlobals<ServerOptions>();
      return withServer(options, (client) => show(client, { id, json: options.json === true }));
    });
}

const REASONS_HELP = `
Examples:
  $ clickstream bad reasons
  $ clickstream bad reasons --source shop --type "Order Paid"
  $ clickstream bad reasons --json

Counts the events that were set aside by kind: their source, reason and type, and what is wrong with them. Of each kind,
when the first and the last of them arrived, how many are not put back, and the newest as an example.

Exit codes: 0 answered; 1 the server failed; 2 usage; 3 the server is unreachable.`;

function reasonsCommand(): Command {
  return serverCommand('reasons', 'Count them by kind')
    .option('--code <code>', 'only those of this reason')
    .option('--source <source>', 'only those of one source')
    .option('--type <type>', 'only those of one event type')
    .addHelpText('after', REASONS_HELP)
    .action((_: ServerOptions, command: Command) => {
      const options = command.optsWithGlobals<ServerOptions & BadFilter>();
      return withServer(options, (client) => reasons(client, options));
    });
}

async function reasons(client: ApiClient, { code, source, type, json }: ServerOptions & BadFilter): Promise<number> {
  const answer = await client.get('/api/v1/bad/reasons', { code, source, type });
  if (!Array.isArray(answer.reasons)) throw strange('a list of reasons', answer);
  if (json === true) process.stdout.write(`${JSON.stringify(answer)}\n`);
  else if (answer.reasons.length === 0) process.stdout.write('No event is set aside.\n');
  else {
    const lines = answer.reasons.flatMap(kindLines);
    if (answer.complete === false) lines.push(styled('dim', `Of the newest ${grouped(Number(answer.counted))}.`));
    process.stdout.write(`${lines.join('\n')}\n`);
  }
  return EXIT.well;
}

function kindLines(raw: unknown): readonly string[] {
  if (!isObject(raw)) throw strange('a kind of reason', raw);
  const { source, code, eventType, detail, count, waiting, first, last, example } = raw;
  if (typeof count !== 'number' || typeof waiting !== 'number') throw strange('a kind of reason', raw);
  const type = typeof eventType === 'string' ? `  ${visible(eventType)}` : '';
  const times = [first, last].map((time) => String(time).slice(0, 19).replace('T', ' ')).join(' – ');
  const left = waiting === count ? '' : `, ${grouped(waiting)} not put back`;
  return [
    `${styled('bold', grouped(count))}${left}  ${styled('red', visible(String(code)))}  ${visible(String(source))}${type}`,
    `  ${visible(String(detail))}`,
    styled('dim', `  ${visible(times)}  ${visible(String(example))}`),
  ];
}

async function list(client: ApiClient, { code, source, type, waiting, limit, json }: BadOptions): Promise<number> {
  const replayed = waiting === true ? 'exclude' : undefined;
  const { items, more } = await firstOf(client, BAD, { code, source, type, replayed, limit });
  process.stdout.write(
    json === true ? `${JSON.stringify({ bad: items.map(({ raw }) => raw), more })}\n` : listText(items, more),
  );
  return EXIT.well;
}

async function summary(client: ApiClient, { source, code, json }: BadOptions): Promise<number> {
  const { reasons, counted, complete } = await client.get('/api/v1/bad', { source, limit: 1 });
  if (!Array.isArray(reasons)) throw strange('a list of reasons', reasons);
  const counts = reasons.map(reasonOf).filter((reason) => code === undefined || reason.code === code);
  if (json === true) process.stdout.write(`${JSON.stringify({ reasons: counts, counted, complete })}\n`);
  else if (counts.length === 0) process.stdout.write('No event is set aside.\n');
  else {
    const width = Math.max(...counts.map(({ count }) => grouped(count).length), 'events'.length);
    const lines = counts.map(({ code, count }) => `${grouped(count).padStart(width)}  ${visible(code)}`);
    process.stdout.write(`${styled('bold', `${'events'.padStart(width)}  reason`)}\n${lines.join('\n')}\n`);
    if (complete === false) process.stdout.write(styled('dim', `Of the newest ${grouped(Number(counted))}.\n`));
  }
  return EXIT.well;
}

function reasonOf(raw: unknown): { readonly code: string; readonly count: number } {
  if (!isObject(raw) || typeof raw.code !== 'string' || typeof raw.count !== 'number') throw strange('a reason', raw);
  return { code: raw.code, count: raw.count };
}

const BAD: PagedList<BadItem> = {
  path: '/api/v1/bad',
  name: 'bad',
  what: 'a list of events set aside',
  itemOf: badItemOf,
  pagesMax: LIMITS.badPagesMax,
};

interface BadItem {
  readonly id: string;
  readonly source: string;
  readonly receivedAt: string;
  readonly code: string;
  readonly detail: string;
  readonly payload: string;
  /** Lane and sequence in the log, once it was put back. */
  readonly replayed: string | undefined;
  /** All that the server said of it. */
  readonly raw: JsonObject;
}

function badItemOf(raw: unknown): BadItem {
  if (!isObject(raw)) throw strange('an event set aside', raw);
  const text = (name: string) => {
    const value = raw[name];
    if (typeof value !== 'string') throw strange(`an event set aside with a text "${name}"`, raw);
    return value;
  };
  return {
    ...{ id: text('id'), source: text('source'), receivedAt: text('receivedAt') },
    ...{ code: text('code'), detail: text('detail'), payload: text('payload'), replayed: replayedTo(raw), raw },
  };
}

function replayedTo({ replay }: JsonObject): string | undefined {
  if (!isObject(replay) || !isObject(replay.position)) return undefined;
  return `${String(replay.position.lane)}/${String(replay.position.sequence)}`;
}

/** How much of an event's bytes the list shows. */
const PAYLOAD_CHARS = 100;

function listText(items: readonly BadItem[], more: boolean): string {
  if (items.length === 0) return 'No event is set aside.\n';
  const lines = items.flatMap(({ id, source, receivedAt, code, detail, payload, replayed }) => {
    const time = receivedAt.slice(0, 23).replace('T', ' ').replace('Z', '');
    const state = replayed === undefined ? '' : `  ${styled('green', `put back to ${visible(replayed)}`)}`;
    const bytes = payload.length > PAYLOAD_CHARS ? `${payload.slice(0, PAYLOAD_CHARS)}…` : payload;
    return [
      `${styled('dim', time)}  ${styled('red', visible(code))}  ${visible(source)}  ${styled('dim', visible(id))}${state}`,
      `  ${visible(detail)}`,
      styled('dim', `  ${visible(bytes)}`),
    ];
  });
  if (more) lines.push(styled('dim', `The newest ${items.length}; there are more: see --limit and "bad reasons".`));
  return `${lines.join('\n')}\n`;
}

async function show(client: ApiClient, { id, json }: { readonly id: string; readonly json: boolean }): Promise<number> {
  const answer = await client.get(`/api/v1/bad/${encodeURIComponent(id)}`);
  const { raw, receivedAt, source, code, detail, payload, replayed } = badItemOf(answer);
  if (json) {
    process.stdout.write(`${JSON.stringify(raw)}\n`);
    return EXIT.well;
  }
  // Apart from the bytes, which another program may be reading.
  const back = replayed === undefined ? '' : `put back to ${visible(replayed)}\n`;
  process.stderr.write(`${receivedAt}  ${visible(code)}  ${visible(source)}\n${visible(detail)}\n${back}\n`);
  process.stdout.write(process.stdout.isTTY ? `${payload.split('\n').map(visible).join('\n')}\n` : payload);
  return EXIT.well;
}

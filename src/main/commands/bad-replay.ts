import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { ClickstreamError } from '../../core/errors.ts';
import { isObject, type JsonObject } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { readJson } from '../../core/read-json.ts';
import { type ApiClient, ApiError, strange } from './client.ts';
import { ProgressBar } from './progress-bar.ts';
import {
  EXIT,
  grouped,
  parseTime,
  type ServerOptions,
  serverCommand,
  styled,
  visible,
  withServer,
} from './terminal.ts';

const HELP = `
Examples:
  $ clickstream bad replay bG9jYWw6MTI6MA
  $ clickstream bad show bG9jYWw6MTI6MA > event.json && vi event.json
  $ clickstream bad replay bG9jYWw6MTI6MA --edit event.json
  $ clickstream bad replay --all --code schema_invalid --type "Order Paid" --dry-run
  $ clickstream bad replay --all --code schema_invalid --from 7d

Puts events that were set aside back into the log, under a new position, once what was wrong is mended: the schema, or
the event itself. With --edit, the JSON object in that file ("-" for standard input) goes in the place of the event: in
the form in which it is shown, or as in a batch of Segment's protocol. An event keeps its source and the time it
arrived. Done twice, with whatever edit, it is put back once: the first stands. One that is set aside again is a new
entry of the list, which names the one it came from. With --all, those that are not put back yet, of that kind where
it is named; what is still no valid event is named and passed over. --dry-run says how many that would be.

Exit codes: 0 all are put back; 1 one was refused, or the server failed; 2 usage, or there is no such event; 3 the
server is unreachable.`;

interface ReplayOptions extends ServerOptions {
  readonly all?: true;
  readonly edit?: string;
  readonly dryRun?: true;
  readonly code?: string;
  readonly source?: string;
  readonly type?: string;
  readonly from?: string;
  readonly to?: string;
}

/** `clickstream bad replay`: the way back for events that were set aside. */
export function badReplayCommand(): Command {
  return serverCommand('replay', 'Put them back into the log, as they came or edited')
    .argument('[ids...]', 'their ids, as the list has them')
    .option('--edit <file>', 'what goes in the place of one event, as JSON')
    .option('--all', 'those that are not put back yet')
    .option('--code <code>', 'of these, only those of this reason')
    .option('--source <source>', 'only those of one source')
    .option('--type <type>', 'only those of one event type')
    .option('--from <time>', 'only what arrived then or later: a time, or how long ago', parseTime)
    .option('--to <time>', 'only what arrived before', parseTime)
    .option('--dry-run', 'put nothing back, only say how many it would be')
    .addHelpText('after', HELP)
    .action((ids: readonly string[], _: ServerOptions, command: Command) => {
      // The options are known to `bad` too, which takes them wherever they stand.
      const options = command.optsWithGlobals<ReplayOptions>();
      const problem = problemOf(ids, options);
      if (problem !== undefined) command.error(`error: ${problem}`, { exitCode: EXIT.usage });
      return withServer(options, (client) =>
        options.all === true ? all(client, options) : some(client, ids, options),
      );
    });
}

function problemOf(ids: readonly string[], options: ReplayOptions): string | undefined {
  const { all: isAll, edit, dryRun, code, source, type, from, to } = options;
  if ((ids.length === 0) === (isAll === undefined)) return 'name the ids of events, or all of them with --all';
  if (edit !== undefined && ids.length !== 1) return '--edit goes in the place of one event: name its id';
  const selects = [code, source, type, from, to, dryRun].some((option) => option !== undefined);
  return selects && isAll === undefined ? 'what narrows --all, and --dry-run, go with --all' : undefined;
}

interface Refused {
  readonly id: string;
  readonly code: string;
  readonly detail: string;
}

async function some(client: ApiClient, ids: readonly string[], { edit, json }: ReplayOptions): Promise<number> {
  const body = edit === undefined ? undefined : bodyOf({ event: eventIn(edit) });
  const replayed: JsonObject[] = [];
  const refused: Refused[] = [];
  for (const id of ids) {
    try {
      const answer = await client.post(`/api/v1/bad/${encodeURIComponent(id)}/replay`, body);
      replayed.push(answer);
      if (json !== true) process.stdout.write(replayedText(id, answer));
    } catch (error) {
      // What ends the command, or is all there is to say, is said as by every other command.
      if (!(error instanceof ApiError) || ((error.passing || ids.length === 1) && json !== true)) throw error;
      const refusal = { id, code: error.code, detail: error.message };
      refused.push(refusal);
      if (json !== true) process.stdout.write(refusedText(refusal));
      // The next one would fare no better.
      if (error.passing) break;
      if (ids.length === 1) {
        process.stdout.write(`${JSON.stringify({ replayed, refused })}\n`);
        throw error;
      }
    }
  }
  if (json === true) process.stdout.write(`${JSON.stringify({ replayed, refused })}\n`);
  return refused.length === 0 ? EXIT.well : EXIT.notWell;
}

/** Throws `config_invalid` when it is no JSON object. */
function eventIn(file: string): JsonObject {
  let event: unknown;
  try {
    event = readJson(readFileSync(file === '-' ? 0 : file, 'utf8'));
  } catch (cause) {
    throw new ClickstreamError('config_invalid', `--edit ${file}: ${String(cause)}`, { cause });
  }
  if (!isObject(event)) throw new ClickstreamError('config_invalid', `--edit ${file} must hold a JSON object`);
  return event;
}

function bodyOf(said: JsonObject) {
  return { type: 'application/json', bytes: Buffer.from(JSON.stringify(said)) };
}

function replayedText(id: string, { position, edit, appended }: JsonObject): string {
  const place = isObject(position) ? `${String(position.lane)}/${String(position.sequence)}` : 'the log';
  const how = typeof edit === 'string' ? `edited (${edit.slice(0, 8)})` : 'as it came';
  const when = appended === false ? 'was put back before' : 'put back';
  return `${styled('dim', visible(id))}  ${when} ${how}, to ${visible(place)}\n`;
}

function refusedText({ id, code, detail }: Refused): string {
  return `${styled('dim', visible(id))}  ${styled('red', visible(code))}: ${visible(detail)}\n`;
}

interface Piece {
  readonly found: number;
  readonly replayed: number;
  readonly refused: readonly Refused[];
  readonly stopped: { readonly code: string } | null;
  readonly cursor: string | null;
}

/** Piece by piece until there are no more; one that the server ended early is asked for again. */
async function all(client: ApiClient, options: ReplayOptions): Promise<number> {
  const { code, source, type, from, to, dryRun, json } = options;
  const kind = { code, source, type, from, to, ...(dryRun === true && { dryRun: true }), limit: LIMITS.badReplayMax };
  const refused: Refused[] = [];
  let replayed = 0;
  let cursor: string | null = null;
  const bar = json === true ? undefined : new ProgressBar(() => ({ text: `${grouped(replayed)} events put back` }));
  try {
    for (;;) {
      const asked = { ...kind, ...(cursor !== null && { cursor }) };
      const piece = pieceOf(await client.post('/api/v1/bad/replay', bodyOf(asked as JsonObject)));
      replayed += piece.replayed;
      if (piece.stopped !== null) continue;
      refused.push(...piece.refused);
      bar?.clear();
      if (json !== true) for (const refusal of piece.refused) process.stdout.write(refusedText(refusal));
      cursor = piece.cursor;
      if (cursor === null) break;
    }
  } finally {
    bar?.hide();
    // Also when the server fails midway: what is put back stays so.
    process.stdout.write(
      json === true
        ? `${JSON.stringify({ replayed, refused, dryRun: dryRun === true })}\n`
        : allText({ replayed, refused: refused.length, isDry: dryRun === true }),
    );
  }
  return refused.length === 0 ? EXIT.well : EXIT.notWell;
}

function allText(told: { readonly replayed: number; readonly refused: number; readonly isDry: boolean }): string {
  const what = told.isDry ? 'would be put back' : 'put back';
  const refused = told.refused === 0 ? '' : `, ${grouped(told.refused)} passed over`;
  return `${grouped(told.replayed)} events ${what}${refused}.\n`;
}

function pieceOf(raw: JsonObject): Piece {
  const { found, replayed, refused, stopped, cursor } = raw;
  if (typeof found !== 'number' || typeof replayed !== 'number' || !Array.isArray(refused)) {
    throw strange('what was put back', raw);
  }
  return {
    ...{ found, replayed, refused: refused as unknown as readonly Refused[] },
    stopped: isObject(stopped) ? { code: String(stopped.code) } : null,
    cursor: typeof cursor === 'string' ? cursor : null,
  };
}

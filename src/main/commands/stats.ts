import { Argument, type Command, Option } from 'commander';
import { isObject, type JsonObject } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { MEASURES } from '../../measures.ts';
import { INTERVALS } from '../../query/stats.ts';
import { strange } from './client.ts';
import {
  EXIT,
  grouped,
  parseTime,
  type ServerOptions,
  serverCommand,
  styled,
  visible,
  wholeNumber,
  withServer,
} from './terminal.ts';

interface StatsOptions extends ServerOptions {
  readonly by?: string;
  readonly key?: string;
  readonly limit?: number;
  readonly from?: string;
  readonly to?: string;
  readonly interval?: string;
  readonly zone?: string;
  readonly source?: string;
  readonly bots?: string;
}

const HELP = `
Examples:
  $ clickstream stats
  $ clickstream stats pageviews --by page --from 7d --interval day --zone Europe/Zurich
  $ clickstream stats visitors --source shop --from 2026-11-01 --to 2026-12-01 --json
  $ clickstream stats visitors --interval total --by page --limit 10 --from 30d
  $ clickstream stats events --bots only

Times are ISO 8601, or how long ago: 30m, 24h, 7d. Intervals that overlap the range count whole; total is the whole
range as one, in which a visitor of two days is one visitor.

Exit codes: 0 answered; 1 the server failed; 2 usage, or a measure or value that the server does not know; 3 the
server is unreachable.`;

/** What any measure can be split by; the server says when one cannot. */
const DIMENSIONS = [...new Set(Object.values(MEASURES).flatMap(({ by }) => Object.keys(by)))];
const BOTS = ['exclude', 'include', 'only'] as const;

/** `clickstream stats`: a measure over time, as a table with bars. */
export function statsCommand(): Command {
  return serverCommand('stats', 'Show a measure over time')
    .addArgument(new Argument('[measure]', 'what to count').choices(Object.keys(MEASURES)).default('events'))
    .addOption(new Option('--by <dimension>', 'split it by this').choices(DIMENSIONS))
    .option('--key <value>', 'with --by: of this value alone')
    .option('--limit <number>', 'with --by: the largest so many', wholeNumber({ min: 1, max: LIMITS.statsLimitMax }))
    .option('--from <time>', 'from when; default: 24 hours before --to', parseTime)
    .option('--to <time>', 'until when; default: now', parseTime)
    .addOption(new Option('--interval <interval>', 'default: by the length of the range').choices(INTERVALS))
    .option('--zone <zone>', 'time zone that days begin in, such as Europe/Zurich; default: UTC')
    .option('--source <source>', 'of one source; default: of all')
    .addOption(new Option('--bots <bots>', 'what robots did; default: exclude').choices(BOTS))
    .addHelpText('after', HELP)
    .action((measure: string, options: StatsOptions) =>
      withServer(options, async (client) => {
        const { by, key, from, to, interval, zone, source, bots } = options;
        const asked = { measure, by, key, limit: options.limit?.toString(), from, to, interval, zone, source, bots };
        const answer = await client.get('/api/v1/stats', asked);
        const { columns } = process.stdout;
        process.stdout.write(
          options.json === true ? `${JSON.stringify(answer)}\n` : statsTable(measure, answer, columns),
        );
        return EXIT.well;
      }),
    );
}

interface StatsRow {
  readonly time: string;
  readonly value: number;
  readonly key: string;
}

const TIME_WIDTH = 18;
const BAR_WIDTH_MAX = 30;
const BAR_WIDTH_MIN = 10;
const KEY_WIDTH_MAX = 48;
const KEY_WIDTH_MIN = 12;

/** The rows of an answer, with a bar each, in lines that a terminal of so many columns shows whole; times as the server's, in UTC. */
export function statsTable(measure: string, answer: JsonObject, columns = Number.POSITIVE_INFINITY): string {
  const { rows: listed } = answer;
  if (!Array.isArray(listed)) throw strange('stats', answer);
  const rows = listed.map(rowOf);
  if (rows.length === 0) return 'Nothing happened in this time.\n';
  const most = rows.reduce((most, { value }) => Math.max(most, value), 0);
  const valueWidth = Math.max(measure.length, grouped(Math.round(most)).length);
  // What is left for key and bar, with two spaces after the key and two before the bar.
  const room = columns - TIME_WIDTH - valueWidth - 4;
  const keyWidthMax = Math.max(KEY_WIDTH_MIN, Math.min(KEY_WIDTH_MAX, room - BAR_WIDTH_MIN));
  const keys = rows.map(({ key }) => shortened(key, keyWidthMax));
  const keyWidth = keys.reduce((width, key) => Math.max(width, key.length), 0);
  const barWidth = Math.max(BAR_WIDTH_MIN, Math.min(BAR_WIDTH_MAX, room - keyWidth));
  const lineOf = (time: string, key: string, value: string) =>
    `${time.padEnd(TIME_WIDTH)}${keyWidth > 0 ? key.padEnd(keyWidth + 2) : ''}${value.padStart(valueWidth)}`;
  const lines = rows.map(({ time, value }, place) => {
    // Numbers of people are estimates; a fraction of one is of no use to anybody.
    const line = lineOf(shortTime(time), keys[place] ?? '', grouped(Math.round(value)));
    const bar = barOf(value / (most || 1), barWidth);
    return bar === '' ? line : `${line}  ${styled('cyan', bar)}`;
  });
  return `${[styled('bold', lineOf('time', 'by', measure)), ...lines].join('\n')}\n`;
}

function rowOf(row: unknown): StatsRow {
  if (!isObject(row) || typeof row.time !== 'string' || typeof row.value !== 'number')
    throw strange('a row of stats', row);
  return { time: row.time, value: row.value, key: typeof row.key === 'string' ? visible(row.key) : '' };
}

function shortened(key: string, width: number): string {
  return key.length > width ? `${key.slice(0, width - 1)}…` : key;
}

function shortTime(time: string): string {
  return time.slice(0, 16).replace('T', ' ');
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

function barOf(part: number, width: number): string {
  const eighths = Math.max(0, Math.round(part * width * 8));
  return '█'.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '');
}

import type { Command } from 'commander';
import { isObject, type JsonObject } from '../../core/json.ts';
import { strange } from './client.ts';
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

interface StatsOptions extends ServerOptions {
  readonly by?: string;
  readonly from?: string;
  readonly to?: string;
  readonly interval?: string;
  readonly zone?: string;
  readonly source?: string;
}

const HELP = `
Examples:
  $ clickstream stats
  $ clickstream stats pageviews --by page --from 7d --interval day --zone Europe/Zurich
  $ clickstream stats visitors --from 2026-11-01 --to 2026-12-01 --json

Times are ISO 8601, or how long ago: 30m, 24h, 7d. Intervals that overlap the range count whole.

Exit codes: 0 answered; 1 the server failed; 2 usage, or a measure or value that the server does not know; 3 the
server is unreachable.`;

/** `clickstream stats`: a measure over time, as a table with bars. */
export function statsCommand(): Command {
  return serverCommand('stats', 'Show a measure over time')
    .argument('[measure]', 'events, pageviews, visitors, ...', 'events')
    .option('--by <dimension>', 'split it, such as events by eventType or pageviews by page')
    .option('--from <time>', 'from when; default: 24 hours before --to', parseTime)
    .option('--to <time>', 'until when; default: now', parseTime)
    .option('--interval <interval>', 'minute, hour or day; default: by the length of the range')
    .option('--zone <zone>', 'time zone that days begin in, such as Europe/Zurich; default: UTC')
    .option('--source <source>', 'of one source; default: of all')
    .addHelpText('after', HELP)
    .action((measure: string, options: StatsOptions) =>
      withServer(options, async (client) => {
        const { by, from, to, interval, zone, source } = options;
        const answer = await client.get('/api/v1/stats', { measure, by, from, to, interval, zone, source });
        process.stdout.write(options.json === true ? `${JSON.stringify(answer)}\n` : statsTable(measure, answer));
        return EXIT.well;
      }),
    );
}

interface StatsRow {
  readonly time: string;
  readonly value: number;
  readonly key: string;
}

const BAR_WIDTH = 30;
const KEY_WIDTH_MAX = 48;

/** The rows of an answer, with a bar each; times as the server's, in UTC. */
export function statsTable(measure: string, answer: JsonObject): string {
  const { rows: listed } = answer;
  if (!Array.isArray(listed)) throw strange('stats', answer);
  const rows = listed.map(rowOf);
  if (rows.length === 0) return 'Nothing happened in this time.\n';
  const keys = rows.map(({ key }) => shortened(key));
  const keyWidth = Math.max(...keys.map((key) => key.length));
  const most = rows.reduce((most, { value }) => Math.max(most, value), 0);
  const valueWidth = Math.max(measure.length, grouped(most).length);
  const lines = [
    styled(
      'bold',
      `${'time'.padEnd(18)}${keyWidth > 0 ? 'by'.padEnd(keyWidth + 2) : ''}${measure.padStart(valueWidth)}`,
    ),
  ];
  for (const [place, { time, value }] of rows.entries()) {
    const key = keyWidth > 0 ? (keys[place] ?? '').padEnd(keyWidth + 2) : '';
    // Numbers of people are estimates; a fraction of one is of no use to anybody.
    const count = grouped(Math.round(value)).padStart(valueWidth);
    lines.push(`${shortTime(time).padEnd(18)}${key}${count}  ${styled('cyan', barOf(value, most))}`.trimEnd());
  }
  return `${lines.join('\n')}\n`;
}

function rowOf(row: unknown): StatsRow {
  if (!isObject(row) || typeof row.time !== 'string' || typeof row.value !== 'number')
    throw strange('a row of stats', row);
  return { time: row.time, value: row.value, key: typeof row.key === 'string' ? visible(row.key) : '' };
}

function shortened(key: string): string {
  return key.length > KEY_WIDTH_MAX ? `${key.slice(0, KEY_WIDTH_MAX - 1)}…` : key;
}

function shortTime(time: string): string {
  return time.slice(0, 16).replace('T', ' ');
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

function barOf(value: number, most: number): string {
  const eighths = most > 0 ? Math.round((value / most) * BAR_WIDTH * 8) : 0;
  return '█'.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '');
}

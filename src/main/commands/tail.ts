import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { LIMITS } from '../../core/limits.ts';
import { type ApiClient, type ApiEvent, eventPageOf } from './client.ts';
import { EXIT, type ServerOptions, serverCommand, styled, visible, wholeNumber, withServer } from './terminal.ts';

interface EventFilter {
  readonly type?: string | undefined;
  readonly source?: string | undefined;
}

interface TailOptions extends ServerOptions, EventFilter {
  readonly limit?: number;
}

const HELP = `
Examples:
  $ clickstream tail
  $ clickstream tail --source shop --type "Order Completed" --limit 5
  $ clickstream tail --json | jq .userId

Prints the newest events, then each new one as it comes, until Ctrl-C. An event that is dated further back than the
newest ${LIMITS.pageEventsMax.toLocaleString('en-US')} is not shown. With --json, one JSON object a line.

Exit codes: 0 ended by --limit, by Ctrl-C or because nobody reads; 1 the server failed; 2 usage; 3 the server is
unreachable.`;

/** `clickstream tail`: the newest events, each once. */
export function tailCommand(): Command {
  return serverCommand('tail', 'Follow the newest events')
    .option('--type <type>', 'only events of this type')
    .option('--source <source>', 'only events of one source')
    .option('--limit <number>', 'stop after so many', wholeNumber({ min: 1, max: Number.MAX_SAFE_INTEGER }))
    .addHelpText('after', HELP)
    .action((options: TailOptions) => withServer(options, (client) => tail(client, options)));
}

/** Shown of what came before, so that one sees at once what the events are like. */
const FIRST_EVENTS = 10;

async function tail(client: ApiClient, options: TailOptions): Promise<number> {
  const stop = new AbortController();
  const interrupted = () => stop.abort();
  process.once('SIGINT', interrupted);
  const newest = new NewestEvents(client, options);
  let first = true;
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  try {
    while (!stop.signal.aborted) {
      const { events, skipped } = await newest.look();
      if (skipped) process.stderr.write(`more than ${events.length} new events: some were skipped\n`);
      // Of the events before it began, the newest are of interest; of those that follow, the first.
      const shown = first ? events.slice(-Math.min(FIRST_EVENTS, left)) : events.slice(0, left);
      first = false;
      for (const event of shown) {
        process.stdout.write(`${options.json === true ? JSON.stringify(event.raw) : lineOf(event)}\n`);
      }
      left -= shown.length;
      if (left <= 0) break;
      await sleep(LIMITS.tailPollMs, undefined, { signal: stop.signal }).catch(ifAborted);
    }
  } finally {
    process.removeListener('SIGINT', interrupted);
  }
  return EXIT.well;
}

function ifAborted(error: unknown): void {
  if (!(error instanceof Error && error.name === 'AbortError')) throw error;
}

/**
 * The newest events, in the order of their time, each once. Every look reads pages from the newest backwards, until one holds
 * what was seen before: so what comes a little late, and is dated before what was shown, is found as well.
 */
export class NewestEvents {
  readonly #client: Pick<ApiClient, 'get'>;
  readonly #filter: EventFilter;
  /** Positions that the last look saw; undefined before the first. */
  #seen: ReadonlySet<string> | undefined;

  constructor(client: Pick<ApiClient, 'get'>, { type, source }: EventFilter = {}) {
    this.#client = client;
    this.#filter = { type, source };
  }

  /** The events since the last look, or a page of them at the first; `skipped` when there were more than `tailPagesMax` pages of them. */
  async look(): Promise<{ readonly events: readonly ApiEvent[]; readonly skipped: boolean }> {
    const before = this.#seen;
    const seen = new Set<string>();
    const found: ApiEvent[] = [];
    let met = false;
    let cursor: string | undefined;
    for (let page = 0; page < LIMITS.tailPagesMax; page += 1) {
      const asked = { ...this.#filter, order: 'desc', limit: LIMITS.pageEventsMax, cursor };
      const { events, cursor: next } = eventPageOf(await this.#client.get('/api/v1/events', asked));
      for (const event of events) {
        if (before?.has(event.position) === true) met = true;
        else if (!seen.has(event.position)) found.push(event);
        seen.add(event.position);
      }
      cursor = next;
      if (met || cursor === undefined || before === undefined) break;
    }
    this.#seen = seen;
    found.reverse();
    return { events: found, skipped: before !== undefined && !met && cursor !== undefined };
  }
}

function lineOf({ timestamp, eventType, user, page }: ApiEvent): string {
  const time = styled('dim', timestamp.slice(0, 23).replace('T', ' ').replace('Z', ''));
  return `${time}  ${styled('cyan', visible(eventType).padEnd(18))}  ${visible(user)}${page === undefined ? '' : `  ${visible(page)}`}`;
}

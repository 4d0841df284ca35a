import type { ChildProcess } from 'node:child_process';
import { ServerProcess } from '../../src/main/prove/server-process.ts';

/** A server in a process of its own, started as a user would. */
export interface RunningServer {
  readonly url: string;
  readonly process: ChildProcess;
  /** Everything it wrote to standard error so far. */
  errors(): string;
  /** Asks it to stop, and waits for its exit code. */
  stop(): Promise<number | null>;
  /** `kill -9`, and waits until it is gone. */
  kill(): Promise<void>;
}

const running = new Set<ServerProcess>();

/** For the end of a test file: a test that failed before it stopped its server would leave it running. */
export function killServers(): void {
  for (const server of running) void server.kill();
}

/** Starts `clickstream serve` on a free port, or that one, `within` another command if one is given, and waits until it says that it serves. */
export async function startServer(options: {
  readonly data: string;
  readonly port?: number;
  readonly options?: readonly string[];
  readonly within?: readonly string[];
}): Promise<RunningServer> {
  const { data, port = 0, options: more = [], within = [] } = options;
  const serve = [process.execPath, 'src/main/cli.ts', 'serve', '--port', String(port), '--data', data, '--json'];
  const server = new ServerProcess([...within, ...serve, ...more]);
  running.add(server);
  void server.ended.then(() => running.delete(server));
  const url = await server.serving();
  return {
    url,
    process: server.process,
    errors: () => server.errors(),
    stop: () => server.stop(),
    kill: () => server.kill(),
  };
}

/**
 * GET of the API, as JSON. Throws what is not a 200. On a connection of its own: one that was kept may be closed by the server while
 * a test counts for longer than it is kept.
 */
export async function get<T>(server: Pick<RunningServer, 'url'>, path: string): Promise<T> {
  const response = await fetch(`${server.url}${path}`, { headers: { connection: 'close' } });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`GET ${path} answered ${response.status}: ${text}`);
  return JSON.parse(text) as T;
}

export interface ListedEvent {
  readonly eventId: string;
  readonly eventType: string;
  readonly userId?: string;
  readonly anonymousId?: string;
  readonly timestamp: string;
  readonly properties: { readonly [name: string]: unknown };
  readonly facts: { readonly session: number };
  readonly position: { readonly sequence: string; readonly index: number };
}

/** Every event the server has, page by page. */
export async function everyEvent(
  server: Pick<RunningServer, 'url'>,
  query = 'from=2000-01-01T00:00:00Z',
): Promise<ListedEvent[]> {
  const events: ListedEvent[] = [];
  let cursor: string | null | undefined;
  do {
    const page = await get<{ readonly events: ListedEvent[]; readonly cursor?: string | null }>(
      server,
      `/api/v1/events?${query}&order=asc&limit=1000${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
    );
    events.push(...page.events);
    cursor = page.cursor;
  } while (cursor);
  return events;
}

export interface Audit {
  readonly balanced: boolean;
  readonly accepted: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly bad: number;
  readonly pending: number;
  readonly waiting: readonly string[];
  readonly lost: number;
  readonly unresolved: number;
  readonly problems: readonly { readonly kind: string; readonly detail: string }[];
}

/** The audit once nothing is pending any more. */
export async function settledAudit(server: Pick<RunningServer, 'url'>): Promise<Audit> {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    const audit = await get<Audit>(server, '/api/v1/audit');
    if (audit.waiting.length === 0) return get<Audit>(server, '/api/v1/audit?deep=true');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('events are still pending after a minute');
}

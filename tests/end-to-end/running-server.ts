import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

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

const running = new Set<ChildProcess>();

/** For the end of a test file: a test that failed before it stopped its server would leave it running. */
export function killServers(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** Starts `clickstream serve` on a free port, `within` another command if one is given, and waits until it says that it serves. */
export async function startServer(options: {
  readonly data: string;
  readonly options?: readonly string[];
  readonly within?: readonly string[];
}): Promise<RunningServer> {
  const { data, options: more = [], within = [] } = options;
  const serve = [process.execPath, 'src/main/cli.ts', 'serve', '--port', '0', '--data', data, '--json', ...more];
  const [command = '', ...words] = [...within, ...serve];
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  running.add(child);
  child.once('exit', () => running.delete(child));
  const line = once(createInterface(child.stdout), 'line') as Promise<[string]>;
  const first = await Promise.race([
    line,
    exited.then(([code]) => Promise.reject(new Error(`serve ended with ${code}: ${errors}`))),
  ]);
  let url: string;
  try {
    ({ url } = JSON.parse(first[0]) as { readonly url: string });
  } catch (thrown) {
    child.kill('SIGKILL');
    throw thrown;
  }
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    const [code] = await exited;
    return code;
  };
  return {
    url,
    process: child,
    errors: () => errors,
    stop: () => end('SIGTERM'),
    kill: async () => {
      await end('SIGKILL');
    },
  };
}

/** GET of the API, as JSON. Throws what is not a 200. */
export async function get<T>(server: Pick<RunningServer, 'url'>, path: string): Promise<T> {
  const response = await fetch(`${server.url}${path}`);
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

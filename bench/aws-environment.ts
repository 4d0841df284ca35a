/**
 * One function environment, in a process of its own: `bench/aws-environments.ts` starts it with the file of a bundle. It loads
 * the bundle, says what that took, and then handles one invocation at a time, so that what the process takes is what the
 * invocation takes: the event comes as text, and its parsing counts, as in Lambda's own runtime.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { pathToFileURL } from 'node:url';

export interface Init {
  /** From the start of the process until Node ran the first line. */
  readonly nodeMs: number;
  /** Of the import of the bundle, what it awaits included. */
  readonly wallMs: number;
  readonly cpuMs: number;
}

export interface Invocation {
  /** JSON. */
  readonly event: string;
  readonly timeoutMs: number;
}

/** How many, by service. */
export type ByService = Readonly<Partial<Record<string, number>>>;

export interface Invoked {
  /** JSON; undefined when the function threw. */
  readonly answer: string | undefined;
  readonly fault?: string;
  /** Of all threads of the process. */
  readonly cpuMs: number;
  readonly wallMs: number;
  /** Of the process, afterwards. */
  readonly memoryMb: number;
  /** All calls of services. */
  readonly calls: ByService;
  /** The longest chain of calls of which each began after the one before it was answered. */
  readonly rounds: ByService;
}

/** Of the process, once its garbage is collected; asked for by the message 'collect garbage', which needs `--expose-gc`. */
export interface Memory {
  readonly heapMb: number;
  /** Buffers and what else lies outside the heap. */
  readonly externalMb: number;
  readonly residentMb: number;
}

interface Call {
  readonly service: string;
  readonly startMs: number;
  endMs: number;
}

type Handler = (event: unknown, context: object) => Promise<unknown>;

const underWay = new Map<ClientRequest, Call>();
let calls: Call[] = [];

subscribe('http.client.request.start', (message) => {
  const { request } = message as { readonly request: ClientRequest };
  const target = String(request.getHeader('x-amz-target') ?? 'S3.');
  const call = { service: (target.split(/[_.]/)[0] ?? '').toLowerCase(), startMs: performance.now(), endMs: Infinity };
  underWay.set(request, call);
  calls.push(call);
});

subscribe('http.client.response.finish', (message) => {
  const { request } = message as { readonly request: ClientRequest };
  const call = underWay.get(request);
  if (call !== undefined) call.endMs = performance.now();
  underWay.delete(request);
});

function count(of: readonly Call[]): ByService {
  return Object.fromEntries([...Map.groupBy(of, ({ service }) => service)].map(([name, own]) => [name, own.length]));
}

/** Of calls as intervals, the most that follow one another: always the one next that ends first. */
function chainOf(all: readonly Call[]): readonly Call[] {
  const chain: Call[] = [];
  for (const call of [...all].sort((a, b) => a.endMs - b.endMs)) {
    if (call.startMs >= (chain.at(-1)?.endMs ?? 0)) chain.push(call);
  }
  return chain;
}

function cpuMsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

const nodeMs = performance.now();
const [file = ''] = process.argv.slice(2);
const before = process.cpuUsage();
const { handler } = (await import(pathToFileURL(file).href)) as { readonly handler: Handler };
const init: Init = { nodeMs, wallMs: performance.now() - nodeMs, cpuMs: cpuMsSince(before) };

async function invoke({ event, timeoutMs }: Invocation): Promise<Invoked> {
  calls = [];
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  const context = { getRemainingTimeInMillis: () => startMs + timeoutMs - performance.now() };
  let answered: Pick<Invoked, 'answer' | 'fault'>;
  try {
    answered = { answer: JSON.stringify(await handler(JSON.parse(event), context)) };
  } catch (thrown) {
    answered = { answer: undefined, fault: String(thrown) };
  }
  const cpuMs = cpuMsSince(cpu);
  const wallMs = performance.now() - startMs;
  const memoryMb = process.memoryUsage.rss() / 2 ** 20;
  return { ...answered, cpuMs, wallMs, memoryMb, calls: count(calls), rounds: count(chainOf(calls)) };
}

function memory(): Memory {
  if (globalThis.gc === undefined) throw new Error('garbage is collected with --expose-gc only');
  globalThis.gc();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapMb: heapUsed / 2 ** 20, externalMb: external / 2 ** 20, residentMb: rss / 2 ** 20 };
}

process.on('message', (message: Invocation | 'collect garbage') => {
  if (message === 'collect garbage') process.send?.(memory());
  else void invoke(message).then((invoked) => process.send?.(invoked));
});
process.on('disconnect', () => process.exit());
process.send?.(init);

/** ministack with our additions, in a process of its own, over TLS and with IAM enforced; see emulator/start.py. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { EmulatorFault } from './emulator-fault.ts';

const HERE = import.meta.dirname;
const ROOT = resolve(HERE, '../..');
const OPENSSL = 'openssl';
const STARTS_WITHIN_MS = 60_000;
/** The longest that Firehose gathers. */
const BUFFER_SECONDS_MAX = 900;
export const REGION = 'us-east-1';
/** The account of whoever calls with the key `test`, who may do everything. */
export const ACCOUNT = '000000000000';

export type Fault = { readonly times?: number } & (
  | { readonly kind: 'throttle table'; readonly table: string; readonly every: number }
  | { readonly kind: 'throttle stream'; readonly every: number }
  | { readonly kind: 'lose record'; readonly marker: string }
  | { readonly kind: 'deliver again'; readonly function: string }
  | { readonly kind: 'kill'; readonly function: string; readonly calls: number }
  | { readonly kind: 'crash'; readonly function: string; readonly marker: string }
);

export interface Batch {
  readonly function: string;
  readonly shard: string;
  readonly records: number;
  readonly first: string;
  readonly last: string;
  readonly outcome: 'Answered' | 'Failed' | 'Throttled';
  readonly answer: unknown;
  readonly reason: string | null;
}

export interface Report {
  readonly batches: readonly Batch[];
  readonly discarded: readonly { readonly shard: string; readonly records: number; readonly condition: string }[];
  /** `header`: the first line of a record that was lost. */
  readonly notes: readonly { readonly kind: string; readonly header?: string }[];
  /** Counts of calls by service and operation, and how many were throttled. */
  readonly calls: Readonly<Record<string, number>>;
}

/** A listener of a load balancer. */
export interface Listener {
  readonly port: number;
  readonly protocol: 'HTTP' | 'HTTPS';
  /** Where it answers on this machine. */
  readonly url: string;
}

export interface Emulator {
  readonly endpoint: string;
  /** For child processes: the CDK, and whatever uses an SDK. */
  readonly environment: NodeJS.ProcessEnv;
  /** A call of an AWS service as the administrator, in botocore's names: `call('iam', 'get_role_policy', {…})`. */
  call<T = Record<string, unknown>>(service: string, operation: string, parameters?: object): Promise<T>;
  /** Replaces all faults. */
  faults(faults: readonly Fault[]): Promise<void>;
  /** The function's next invocation finds a new process, as after a deployment. */
  restart(functionName: string): Promise<void>;
  report(): Promise<Report>;
  forgetReport(): Promise<void>;
  /** Waits until each record of each stream with a consumer was processed or discarded. */
  drained(options?: { readonly withinMs?: number }): Promise<void>;
  /** Of the load balancer with this name. */
  listeners(balancerDns: string): Promise<readonly Listener[]>;
  /** Lets the interval of Firehose's buffers pass, and says how many records it has not delivered within so long. */
  delivered(options?: { readonly withinMs?: number }): Promise<number>;
  /** Whether it ended by itself. */
  fault(): EmulatorFault | undefined;
  /** All that it wrote, its functions' output included, is in this file. */
  readonly log: string;
  stop(options?: { readonly keepLog?: boolean }): Promise<void>;
}

/** The files of a new key and of its certificate, which it signs itself, for this machine and other names. */
export function certificate(
  folder: string,
  { name, names = [] }: { readonly name: string; readonly names?: readonly string[] },
): { readonly certificate: string; readonly key: string } {
  const files = { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}-key.pem`) };
  const all = ['IP:127.0.0.1', 'DNS:localhost', ...names.map((each) => `DNS:${each}`)];
  execFileSync(
    OPENSSL,
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ...['-keyout', files.key, '-out', files.certificate, '-subj', `/CN=${name}`],
      ...['-addext', `subjectAltName=${all.join(',')}`],
    ],
    { stdio: 'pipe' },
  );
  return files;
}

/** This process trusts the certificate from now on. */
export function trust(file: string): void {
  setDefaultCACertificates([...getCACertificates('default'), readFileSync(file, 'utf8')]);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || address === null) throw new Error(`no port: ${address}`);
  return address.port;
}

async function answered<T>(response: Response): Promise<T> {
  const content = (await response.json()) as T & { readonly error?: string };
  if (!response.ok) throw new Error(content.error ?? `${response.status}`);
  return content;
}

export async function startEmulator(options: { readonly pollSeconds?: number } = {}): Promise<Emulator> {
  execFileSync(join(HERE, 'python.sh'), ['emulator'], { stdio: 'inherit' });
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-emulator-'));
  const files = certificate(folder, { name: 'emulator' });
  const port = await freePort();
  const endpoint = `https://127.0.0.1:${port}`;
  // The functions run on the `node` that is first in PATH: the one that runs this file, as in AWS.
  const path = `${dirname(process.execPath)}:${process.env.PATH}`;
  const child = spawn(resolve(ROOT, '.python/emulator/bin/python'), [join(HERE, 'emulator/start.py')], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: path,
      HOME: folder,
      TMPDIR: folder,
      BIND_HOST: '127.0.0.1',
      GATEWAY_PORT: `${port}`,
      IOT_MTLS_PORT: '0',
      MINISTACK_REGION: REGION,
      // Roles, and policies of resources, are enforced; policies that refuse what is not encrypted on its way need TLS.
      AUTH: 'true',
      USE_SSL: '1',
      MINISTACK_SSL_CERT: files.certificate,
      MINISTACK_SSL_KEY: files.key,
      EMULATOR_POLL_SECONDS: `${options.pollSeconds ?? 1}`,
      LOG_LEVEL: process.env.EMULATOR_LOG_LEVEL ?? 'INFO',
      PYTHONDONTWRITEBYTECODE: '1',
    },
  });
  const log = join(folder, 'emulator.log');
  const written = createWriteStream(log);
  child.stderr.pipe(written, { end: false });
  child.stdout.pipe(written, { end: false });
  const exited = once(child, 'exit');
  let fault: EmulatorFault | undefined;
  let isStopping = false;
  const ended = exited.then(([code, signal]) => {
    if (isStopping) return new Promise<never>(() => {});
    fault = new EmulatorFault(`the emulator ended with ${code ?? signal}: see ${log}`);
    throw fault;
  });
  ended.catch(() => {});

  const lines = once(createInterface(child.stdout), 'line') as Promise<[string]>;
  const [first] = await Promise.race([lines, ended]);
  const control = `http://127.0.0.1:${(JSON.parse(first) as { readonly control: number }).control}`;
  trust(files.certificate);
  const ready = async () => {
    for (const end = Date.now() + STARTS_WITHIN_MS; Date.now() < end; await sleep(100)) {
      const response = await fetch(`${endpoint}/_ministack/health`).catch(() => undefined);
      if (response?.ok) return;
    }
    throw new EmulatorFault(`the emulator does not answer: see ${log}`);
  };
  await Promise.race([ready(), ended]);

  const get = async <T>(what: string) => answered<T>(await fetch(`${control}${what}`));
  const post = async <T>(what: string, content: unknown) =>
    answered<T>(await fetch(`${control}${what}`, { method: 'POST', body: JSON.stringify(content) }));
  return {
    endpoint,
    environment: {
      PATH: path,
      HOME: process.env.HOME,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_REGION: REGION,
      AWS_DEFAULT_REGION: REGION,
      AWS_ENDPOINT_URL: endpoint,
      NODE_EXTRA_CA_CERTS: files.certificate,
    },
    call: (service, operation, parameters = {}) => post('/call', { service, operation, parameters }),
    faults: async (faults) => {
      await post('/faults', faults);
    },
    restart: async (functionName) => {
      await post('/restart', { function: functionName });
    },
    report: () => get('/report'),
    forgetReport: async () => {
      await fetch(`${control}/report`, { method: 'DELETE' });
    },
    drained: async ({ withinMs = 60_000 } = {}) => {
      let backlog = 0;
      for (const end = Date.now() + withinMs; Date.now() < end; await sleep(100)) {
        backlog = await get<number>('/backlog');
        if (backlog === 0) return;
      }
      throw new Error(`after ${withinMs} ms ${backlog} records still wait`);
    },
    listeners: async (balancerDns) => {
      const doors = await get<readonly (Listener & { readonly balancer: string; readonly door: number })[]>('/doors');
      return doors
        .filter(({ balancer }) => balancer === balancerDns)
        .map(({ port: of, protocol, door }) => ({
          port: of,
          protocol,
          url: `${protocol.toLowerCase()}://127.0.0.1:${door}`,
        }));
    },
    delivered: async ({ withinMs = 60_000 } = {}) => {
      for (const end = Date.now() + withinMs; ; await sleep(500)) {
        const waiting = await post<number>('/deliver', { seconds: BUFFER_SECONDS_MAX });
        if (waiting === 0 || Date.now() >= end) return waiting;
      }
    },
    fault: () => fault,
    log,
    stop: async ({ keepLog = false } = {}) => {
      isStopping = true;
      child.kill('SIGTERM');
      await Promise.race([exited, sleep(10_000, undefined, { ref: false }).then(() => child.kill('SIGKILL'))]);
      await exited;
      written.end();
      if (!keepLog) rmSync(folder, { recursive: true, force: true });
    },
  };
}

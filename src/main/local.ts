import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type DataFolder, openDataFolder } from '../adapters/embedded/data-folder.ts';
import { EMBEDDED_LANE, type EmbeddedEventLog, openEventLog } from '../adapters/embedded/event-log.ts';
import { describeFinding, type LogFinding } from '../adapters/embedded/log-finding.ts';
import { LogProgress } from '../adapters/embedded/log-progress.ts';
import { SaltFile } from '../adapters/embedded/salt-file.ts';
import { serveHotRequests } from '../collect/hot-requests.ts';
import { type CollectCounters, type Collector, guardServer, newCounters, serverOptions } from '../collect/http.ts';
import { KeyRing, WriteKeys } from '../collect/keys.ts';
import { Numbering } from '../collect/numbering.ts';
import { Redriver } from '../collect/redrive.ts';
import { Tracker } from '../collect/tracker.ts';
import { asClickstreamError, ClickstreamError } from '../core/errors.ts';
import { assertLimits, LIMITS } from '../core/limits.ts';
import type { RecordPosition } from '../log/event-log.ts';
import { collect, createReplayOfBad, VIEW_NAMES } from '../pipeline.ts';
import { createRedrive } from '../query/dead.ts';
import { createErase } from '../query/erasures.ts';
import { type Access, createQueries, type Queries } from '../query/http.ts';
import { findPerson } from '../query/person.ts';
import { createReplay } from '../query/replay.ts';
import { type AskedWorker, askedWorker } from './asked-worker.ts';
import { type Config, isLoopback, writeKeysOf } from './config.ts';
import { NOTHING_SCRUBBED, type Scrubbed } from './erasing.ts';
import { type LocalState, localSystem } from './local-system.ts';
import { localMetrics } from './metrics.ts';
import { readPage } from './page-folder.ts';
import type { FromProcessor, ProcessWorkerData, ToProcessor } from './process-worker.ts';
import type { QueryWorkerData } from './query-worker.ts';
import type { StepSettings } from './steps.ts';
import { builtTracker } from './tracker-file.ts';
import { startWorker } from './workers.ts';

export interface LocalServer {
  readonly url: string;
  /** Takes nothing more, processes what the log holds, and closes everything. */
  stop(): Promise<void>;
  readonly stopped: Promise<void>;
}

/** All stages in one process over embedded storage. Throws ClickstreamError when it cannot serve; then nothing stays open. */
export async function startLocal(config: Config): Promise<LocalServer> {
  assertLimits();
  const local = new Local(config, openDataFolder(config.data));
  try {
    return await local.start();
  } catch (thrown) {
    await local.stop();
    throw thrown;
  }
}

/** What is wrong with the processor; undefined while it works. */
type Fault = string | undefined;

class Local {
  readonly #config: Config;
  readonly #folder: DataFolder;
  readonly #startedAt = new Date().toISOString();
  readonly #progress = new LogProgress();
  readonly #numbering = new Numbering();
  readonly #counters: CollectCounters = newCounters();
  readonly #stopped = Promise.withResolvers<void>();
  /** How to close what was opened, in the order of opening. */
  readonly #closers: (() => unknown)[] = [];
  /** Dead records that were put back, whose note the processor is asked for, by lane and sequence. */
  readonly #marking = new Map<string, PromiseWithResolvers<RecordPosition>>();
  /** What else the processor is asked for. */
  readonly #asking = new Map<number, PromiseWithResolvers<unknown>>();
  #asked = 0;
  #processorFault: Fault;
  #tellProcessor: (message: ToProcessor) => void = () => undefined;
  #stopping: Promise<void> | undefined;

  constructor(config: Config, folder: DataFolder) {
    this.#config = config;
    this.#folder = folder;
    this.#closers.push(() => folder.release());
  }

  async start(): Promise<LocalServer> {
    const done = await this.#startProcessor();
    const log = await openEventLog({
      folder: this.#folder.log,
      clock: Date.now,
      atLeast: done,
      progress: this.#progress,
      onFinding: reportFinding,
    });
    this.#closers.push(async () => {
      await log.close();
      this.#witness(log);
    });
    const { path, log: logFolder } = this.#folder;
    const data = {
      folder: path,
      log: logFolder,
      progress: this.#progress.buffer,
      findings: log.findings,
      settings: this.#settings,
    };
    const query = askedWorker(startWorker<QueryWorkerData>('query-worker', data));
    this.#tellFinding = query.tell;
    this.#closers.push(() => query.stop());
    this.#tellProcessor({ kind: 'start' });
    const collector = collect({
      log,
      keys: new WriteKeys(writeKeysOf(this.#config)),
      proxies: this.#config.proxies,
      salts: this.#openSalts(),
      tracker: this.#tracker(),
      clock: Date.now,
      numbering: this.#numbering,
      counters: this.#counters,
      report: reportFault,
    });
    this.#keepTime(log);
    const url = await this.#listen(collector, this.#queries(log, query));
    return { url, stop: () => this.stop(), stopped: this.#stopped.promise };
  }

  /** What can be sent to another thread, and must be. */
  get #settings(): StepSettings {
    const { sources, schemas, countries } = this.#config;
    return { sources, ...(schemas !== undefined && { schemas }), ...(countries !== undefined && { countries }) };
  }

  /** Closes what was opened, the last first: requests under way are answered while what they need is still there. */
  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      for (const close of this.#closers.reverse()) await close();
      this.#stopped.resolve();
    })();
    return this.#stopping;
  }

  /** Starts the one writer of the store, and learns what of the log it has done. */
  async #startProcessor(): Promise<bigint> {
    const { path, log } = this.#folder;
    const data = { folder: path, log, progress: this.#progress.buffer, settings: this.#settings };
    const { port } = startWorker<ProcessWorkerData>('process-worker', data);
    this.#tellProcessor = (message) => {
      port.postMessage(message);
      this.#progress.wake();
    };
    const stopped = Promise.withResolvers<void>();
    this.#closers.push(() => {
      this.#tellProcessor({ kind: 'stop' });
      return stopped.promise;
    });
    return new Promise((resolve, reject) => {
      port.on('message', (message: FromProcessor) => {
        switch (message.kind) {
          case 'refused':
            stopped.resolve();
            reject(new ClickstreamError(message.code, message.detail));
            break;
          case 'opened':
            resolve(message.done);
            break;
          case 'working':
            this.#processorFault = undefined;
            report('process: works again');
            break;
          case 'failing':
            if (this.#processorFault !== message.detail) report(`process: ${message.detail}; it will be tried again`);
            this.#processorFault = message.detail;
            break;
          case 'synced':
            this.#trim(message.done);
            break;
          case 'scrub':
            void this.#scrub(message).then((scrubbed) => this.#tellProcessor({ kind: 'scrubbed', ...scrubbed }));
            break;
          case 'redriven':
            this.#marked(message.record, message.stands);
            break;
          case 'answered':
            this.#answered(message.id, message.stand);
            break;
          case 'told':
            report(message.text);
            break;
          case 'finding':
            reportFinding(message.finding);
            this.#tellFinding(message.finding);
            break;
          case 'stopped':
            stopped.resolve();
            break;
        }
      });
    });
  }

  /** By the processor, the one writer of the store. */
  #markRedriven(record: RecordPosition, position: RecordPosition): Promise<RecordPosition> {
    const marking = Promise.withResolvers<RecordPosition>();
    this.#marking.set(placeText(record), marking);
    this.#tellProcessor({ kind: 'markRedriven', record, position });
    return marking.promise;
  }

  #marked(record: RecordPosition, stands: RecordPosition | undefined): void {
    const marking = this.#marking.get(placeText(record));
    this.#marking.delete(placeText(record));
    if (stands !== undefined) marking?.resolve(stands);
    else
      marking?.reject(
        new Error(`that ${placeText(record)} was put back could not be noted: it will be once it is asked for again`),
      );
  }

  /** What else is written to the store than events, by the processor too. Rejects when the store does not take it now. */
  #askProcessor<Stand>(message: (id: number) => ToProcessor): Promise<Stand> {
    const id = this.#asked;
    this.#asked += 1;
    const asking = Promise.withResolvers<unknown>();
    this.#asking.set(id, asking);
    this.#tellProcessor(message(id));
    return asking.promise as Promise<Stand>;
  }

  #answered(id: number, stand: unknown): void {
    const asking = this.#asking.get(id);
    this.#asking.delete(id);
    if (stand !== undefined) asking?.resolve(stand);
    else
      asking?.reject(new ClickstreamError('overloaded', 'the store could not be written; nothing is lost: ask again'));
  }

  #trim: (doneAndDurable: bigint) => void = () => undefined;

  /** The processor waits for the answer: nothing was scrubbed, when it could not be now. */
  #scrub: (asked: Extract<FromProcessor, { readonly kind: 'scrub' }>) => Promise<Scrubbed> = async () =>
    NOTHING_SCRUBBED;

  #tellFinding: (finding: LogFinding) => void = () => undefined;

  #queries(log: EmbeddedEventLog, query: AskedWorker): Queries {
    const { host, readTokens } = this.#config;
    const tokens = new KeyRing(readTokens.map((sha256) => ({ name: 'reader', sha256 })));
    const access: Access = tokens.isEmpty
      ? { kind: 'loopback' }
      : { kind: 'token', authorize: (token) => tokens.nameOf(token) !== undefined };
    if (tokens.isEmpty && !isLoopback(host)) throw new ClickstreamError('open_without_keys');
    this.#trim = (doneAndDurable) => {
      log
        .trim({ doneAndDurable, nowMs: Date.now() })
        .catch((fault: unknown) => report(`log: cannot trim: ${String(fault)}`));
    };
    this.#scrub = async ({ ids, through }) => {
      try {
        return (await log.scrub(ids, { through })) ?? NOTHING_SCRUBBED;
      } catch (fault) {
        report(`log: cannot overwrite what is erased, it will be tried again: ${String(fault)}`);
        return NOTHING_SCRUBBED;
      }
    };
    const redriver = new Redriver({ log, numbering: this.#numbering, clock: Date.now });
    return createQueries({
      ask: query.ask,
      redrive: createRedrive({
        find: query.deadAt,
        append: (payload) => redriver.append(payload),
        mark: (lane, sequence, position) => this.#markRedriven({ lane, sequence }, position),
      }),
      replayBad: createReplayOfBad({
        find: query.badPiece,
        redriver,
        claim: (claims) => this.#askProcessor((id) => ({ kind: 'claimReplays', id, claims })),
        note: (notes) => this.#askProcessor((id) => ({ kind: 'noteReplays', id, notes })),
        clock: Date.now,
      }),
      erase: createErase({
        find: findPerson(query.ask),
        append: (records) => redriver.appendAll(records),
        clock: Date.now,
      }),
      replay: createReplay({ append: (records) => redriver.appendAll(records), clock: Date.now }),
      rebuilder: { views: VIEW_NAMES, ask: (view) => this.#askProcessor((id) => ({ kind: 'askRebuild', id, view })) },
      access,
      page: readPage(),
      ready: () => {
        const { writable, detail } = log.condition();
        const reasons = [
          ...(writable ? [] : [`the log cannot be written: ${detail ?? 'unknown'}`]),
          ...(this.#processorFault === undefined ? [] : [`the store cannot be written: ${this.#processorFault}`]),
          ...(this.#stopping === undefined ? [] : ['the server is stopping']),
        ];
        return { ready: reasons.length === 0, reasons };
      },
      metrics: () => localMetrics(this.#state(log)),
      system: async () => localSystem(this.#state(log), await query.look()),
      report: reportFault,
    });
  }

  #state(log: EmbeddedEventLog): LocalState {
    return {
      startedAt: this.#startedAt,
      counters: this.#counters,
      progress: this.#progress,
      writable: log.condition().writable,
      processing: this.#processorFault === undefined,
    };
  }

  async #listen(collector: Collector, queries: Queries): Promise<string> {
    const server = createServer(serverOptions, (request, response) => {
      if (!collector.handle(request, response)) queries.handle(request, response);
    });
    guardServer(server, this.#counters);
    const closeHot = serveHotRequests(server, collector.handleHot);
    const url = await listen(server, this.#config);
    this.#closers.push(async () => {
      collector.stop();
      const closed = new Promise((resolve) => server.close(resolve));
      closeHot();
      const cut = setTimeout(() => server.closeAllConnections(), LIMITS.shutdownMsMax);
      await closed;
      clearTimeout(cut);
    });
    return url;
  }

  #openSalts(): SaltFile {
    const salts = new SaltFile({
      path: this.#folder.salts,
      clock: Date.now,
      report: (fault) => report(`salts: they cannot be written, it will be tried again: ${String(fault)}`),
    });
    const forget = setInterval(() => salts.forgetOld(), LIMITS.saltForgetMs);
    this.#closers.push(() => clearInterval(forget));
    return salts;
  }

  #tracker(): Tracker {
    const { tracker: paths } = this.#config;
    const built = builtTracker();
    if (built === undefined)
      report(`tracker: it is not built (npm run build:browser), and nothing is served at ${paths.script}`);
    return new Tracker({ built, paths });
  }

  #keepTime(log: EmbeddedEventLog): void {
    let witnessed = -1;
    const witness = setInterval(() => {
      if (this.#numbering.witnessed.number === witnessed) return;
      witnessed = this.#numbering.witnessed.number;
      this.#witness(log);
    }, LIMITS.witnessMs);
    this.#closers.push(() => clearInterval(witness));
  }

  /** Tells the store what was acknowledged so far, apart from the log: should its tail be lost, that shows. */
  #witness(log: EmbeddedEventLog): void {
    const { collector, witnessed } = this.#numbering;
    const { number, counted } = witnessed;
    if (number < 0) return;
    const witness = { collector, number, counted, lane: EMBEDDED_LANE, sequence: log.end, atMs: Date.now() };
    this.#tellProcessor({ kind: 'witness', witness });
  }
}

function placeText({ lane, sequence }: RecordPosition): string {
  return `${lane}/${sequence}`;
}

function listen(server: Server, { host, port }: Config): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new ClickstreamError('address_unavailable', `cannot listen on ${host}:${port}: ${cause.message}`, { cause }),
      );
    });
    server.listen(port, host, () => {
      const { port: bound } = server.address() as AddressInfo;
      resolve(`http://${reachable(host)}:${bound}`);
    });
  });
}

/** An address to ask: a server that listens on every address is reached on that of this machine. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

function reportFault(fault: unknown): void {
  const error = asClickstreamError(fault);
  report(error.stack ?? error.message);
}

function reportFinding(finding: LogFinding): void {
  report(`log: ${describeFinding(finding)}`);
}

function report(line: string): void {
  process.stderr.write(`${new Date().toISOString()} ${line}\n`);
}

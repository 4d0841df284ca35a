import { execFile } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { extname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { LIMITS } from '../../core/limits.ts';
import { readJson } from '../../core/read-json.ts';
import { ApiClient } from '../commands/client.ts';
import { type AuditStatement, type CheckResult, checkRuns, readAudit, waitProcessed } from '../load/check.ts';
import { Ledger } from '../load/ledger.ts';
import { Random } from '../load/random.ts';
import { LoadRun } from '../load/run.ts';
import { Disk, type DiskMessage } from './disk.ts';
import { freePort } from './free-port.ts';
import { ServerProcess } from './server-process.ts';
import { loseStoreTail } from './store-loss.ts';

const run = promisify(execFile);

/** How a server ended: killed, killed and what was not on the device taken away, or before we killed it, which is a finding. */
export type End = 'kill' | 'power loss' | 'by itself';

/** One life of the server. */
export interface Round {
  readonly end: End;
  /** It was killed before it served: in the middle of mending what the last end left. */
  readonly whileStarting: boolean;
  /** For a while, no file took anything. */
  readonly fullDisk: boolean;
  /** Sectors that the loss of power took, of log and store. */
  readonly sectorsTaken: number;
  readonly ledger: Ledger;
}

/** All that a server that is up at the end says, against what the senders know. */
export interface Verdict {
  readonly processed: boolean;
  /** In the order of the rounds. */
  readonly checks: readonly CheckResult[];
  readonly audit: AuditStatement;
}

export interface ProvePlan {
  /** Of the servers' data; new. */
  readonly data: string;
  /** A file that what servers write to standard error is added to. */
  readonly log: string;
  readonly seed: number;
  readonly forMs: number;
  /** Part of every event's id. */
  readonly run: string;
}

/**
 * One proof: servers of this very program over one data folder, one after the other, under load. Each is killed at a random
 * moment, and after half of the kills the power is lost as well. Senders go on over all of it, and send again what was
 * not answered, as trackers do.
 */
export class ProveRun {
  readonly plan: ProvePlan;
  readonly rounds: Round[] = [];
  /** What is to happen, the same for the same seed; what happens at a loss of power depends on the moment, and has draws of its own. */
  readonly #random: Random;
  readonly #storeRandom: Random;
  readonly #disk: Disk;
  /** Those that still wait for an answer. */
  readonly #loads = new Map<LoadRun, Promise<void>>();
  #settledEvents = 0;
  #port = 0;
  #startMs = 0;
  #stopped = false;
  /** Whether the limit on what files take can be set on a running process here. */
  canFill = false;

  constructor(plan: ProvePlan) {
    this.plan = plan;
    this.#random = new Random(plan.seed);
    this.#disk = new Disk(new Random(plan.seed, 1));
    this.#storeRandom = new Random(plan.seed, 2);
  }

  get elapsedMs(): number {
    return this.#startMs === 0 ? 0 : performance.now() - this.#startMs;
  }

  /** Of the rounds so far, by what senders know. */
  get acknowledgedEvents(): number {
    return [...this.#loads.keys()].reduce((sum, load) => sum + load.acknowledgedEvents, this.#settledEvents);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Plays rounds until the time is over, at least `proveRoundsMin`, or `stop` is called. Rejects when a server ends by itself or does not start. */
  async play(): Promise<void> {
    this.#startMs = performance.now();
    this.canFill = await canFill();
    this.#port = await freePort(new Random(this.plan.seed, 3));
    const goesOn = () => this.elapsedMs < this.plan.forMs || this.rounds.length < LIMITS.proveRoundsMin;
    while (!this.#stopped && goesOn()) await this.#round();
  }

  /** For when no server can be had any more. */
  giveUp(): void {
    for (const load of this.#loads.keys()) load.giveUp();
  }

  /** Starts a last server, lets the senders come to their end, and asks it for all that it has. */
  async verdict(progress: (found: number) => void): Promise<Verdict> {
    const server = this.#start();
    const client = new ApiClient({ url: this.#url });
    try {
      await this.#served(server);
      await Promise.all(this.#loads.values());
      const processed = await waitProcessed(client);
      const checks = await checkRuns(
        client,
        this.rounds.map(({ ledger }) => ledger),
        progress,
      );
      const audit = await readAudit(client, { deep: true, patienceMs: LIMITS.clientMsMax });
      const code = await server.stop();
      if (code !== 0)
        throw new Error(`the last server ended with ${code} when it was told to stop: ${server.errors()}`);
      return { processed, checks, audit };
    } finally {
      client.close();
      await server.kill();
    }
  }

  async #round(): Promise<void> {
    const random = this.#random;
    const planned = random.chance(0.5) ? 'power loss' : 'kill';
    const whileStarting = this.rounds.length > 0 && random.chance(0.2);
    const willFill = this.canFill && !whileStarting && random.chance(0.2);
    const ledger = new Ledger(`${this.plan.run}-${this.rounds.length}`);
    const server = this.#start();
    let end: End = 'by itself';
    try {
      if (whileStarting) await sleep(random.between(0, LIMITS.proveStartKilledMsMax));
      else {
        await this.#served(server);
        const load = this.#load(ledger);
        await Promise.race([this.#live(server, { willFill }), endedByItself(server)]).finally(() => load.stop());
      }
      end = planned;
    } finally {
      await server.kill();
      appendFileSync(this.plan.log, server.errors());
      const sectorsTaken = end === 'power loss' ? this.#losePower() : 0;
      this.rounds.push({ end, whileStarting, fullDisk: willFill, sectorsTaken, ledger });
    }
  }

  async #live(server: ServerProcess, { willFill }: { readonly willFill: boolean }): Promise<void> {
    const random = this.#random;
    await sleep(random.between(LIMITS.proveLifeMsMin, LIMITS.proveLifeMsMax));
    if (!willFill) return;
    // None at all, or up to somewhere within the files: then a write is cut short.
    await limitFiles(server, random.chance(0.5) ? 0 : random.between(0, LIMITS.segmentBytes));
    await sleep(random.between(0, LIMITS.proveFullMsMax));
    if (random.chance(0.5)) return;
    await limitFiles(server, 'unlimited');
    await sleep(random.between(LIMITS.proveLifeMsMin, LIMITS.proveLifeMsMax));
  }

  #load(ledger: Ledger): LoadRun {
    const random = this.#random;
    const load = new LoadRun(
      {
        url: this.#url,
        writeKey: 'prove',
        seed: random.bits(),
        people: random.between(1, 1_000),
        batch: random.pick([1, 1, 5, 50]),
        connections: LIMITS.proveConnections,
        ratePerSecond: LIMITS.proveEventsPerSecond,
        forMs: Number.POSITIVE_INFINITY,
      },
      ledger,
    );
    const played = load.play().then(() => {
      this.#loads.delete(load);
      this.#settledEvents += load.acknowledgedEvents;
    });
    this.#loads.set(load, played);
    return load;
  }

  #losePower(): number {
    const { sectors } = this.#disk.losePower();
    return sectors + loseStoreTail(this.plan.data, this.#storeRandom);
  }

  #start(): ServerProcess {
    this.#disk.beginLife();
    const here = (file: string) => new URL(`${file}${extname(import.meta.url)}`, import.meta.url);
    const serve = ['serve', '--port', String(this.#port), '--data', this.plan.data, '--json'];
    return new ServerProcess(
      [process.execPath, '--import', here('./disk-teller').href, fileURLToPath(here('../cli')), ...serve],
      (line) => this.#disk.hear(readJson(line) as DiskMessage),
    );
  }

  async #served(server: ServerProcess): Promise<void> {
    const late = sleep(LIMITS.proveStartMsMax, undefined, { ref: false }).then(() => {
      throw new Error(
        `a server does not serve ${LIMITS.proveStartMsMax / 1_000} s after its start: ${server.errors()}`,
      );
    });
    await Promise.race([server.serving(), late]);
  }

  get #url(): URL {
    return new URL(`http://127.0.0.1:${this.#port}`);
  }
}

async function endedByItself(server: ServerProcess): Promise<never> {
  const code = await server.ended;
  throw new Error(`a server ended by itself with ${code}: ${server.errors()}`);
}

/** From now on each write beyond this byte of any file fails, in all threads and in SQLite; what fits is written. As on a full disk, but for what is written over. */
async function limitFiles({ process }: ServerProcess, bytes: number | 'unlimited'): Promise<void> {
  await run('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:unlimited`]);
}

async function canFill(): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  return run('prlimit', ['--pid', String(process.pid), '--fsize']).then(
    ({ stdout }) => / unlimited +unlimited /.test(stdout),
    () => false,
  );
}

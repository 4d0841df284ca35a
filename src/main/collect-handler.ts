import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AlbEvent, type AlbResult, answerAlb } from '../adapters/aws/lambda-http.ts';
import type { Secret } from '../adapters/aws/secrets.ts';
import { newCounters } from '../collect/http.ts';
import { Numbering } from '../collect/numbering.ts';
import type { Tracker } from '../collect/tracker.ts';
import { ClickstreamError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { Salts } from '../core/salts.ts';
import type { Clock } from '../core/time.ts';
import type { EventLog, LogRecord, RecordPosition } from '../log/event-log.ts';
import { collect } from '../pipeline.ts';
import type { EventStore, Witness } from '../store/event-store.ts';
import { SecretWriteKeys } from './lambda-keys.ts';

export interface CollectParts {
  readonly log: EventLog;
  readonly store: Pick<EventStore, 'witness'>;
  readonly secret: Pick<Secret, 'text' | 'look' | 'settled'>;
  readonly salts: Salts;
  readonly tracker: Tracker;
  /** In front of the function: the load balancer is one. */
  readonly proxies: number;
  readonly clock: Clock;
  readonly report: (what: string, fault: unknown) => void;
}

/** The collector of one function environment, which has a ledger of its own. Nothing is left running once it has answered. */
export function createCollectHandler(parts: CollectParts): (event: AlbEvent) => Promise<AlbResult> {
  const { secret, proxies, salts, tracker, clock, report } = parts;
  const numbering = new Numbering();
  const log = new WatchedLog(parts.log);
  const witness = new Witnessing({ ...parts, numbering, log });
  const collector = collect({
    log,
    keys: new SecretWriteKeys(secret),
    proxies,
    salts,
    tracker,
    clock,
    numbering,
    counters: newCounters(),
    report: (fault) => report('collect', fault),
  });
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (answerHealth(request, response)) return;
    await secret.look();
    if (!collector.handle(request, response)) {
      throw new ClickstreamError('not_found', `nothing is served at ${(request.url ?? '').split('?', 1)[0]}`);
    }
  };
  return async (event) => {
    const result = await answerAlb(event, handle, (fault) => report('collect', fault));
    await Promise.all([witness.tell(), secret.settled()]);
    return result;
  };
}

/** For the target group, which takes a function that does not answer it out of service. */
function answerHealth({ url }: IncomingMessage, response: ServerResponse): boolean {
  if (url !== '/health') return false;
  response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }).end('{"status":"ok"}');
  return true;
}

/** Remembers where the log ended when this collector last appended to it. */
class WatchedLog implements EventLog {
  readonly #log: EventLog;
  #end: RecordPosition | undefined;

  constructor(log: EventLog) {
    this.#log = log;
  }

  get end(): RecordPosition | undefined {
    return this.#end;
  }

  async append(records: readonly LogRecord[]): Promise<readonly RecordPosition[]> {
    const positions = await this.#log.append(records);
    for (const position of positions) {
      if (this.#end === undefined || position.sequence > this.#end.sequence) this.#end = position;
    }
    return positions;
  }
}

interface WitnessParts extends Pick<CollectParts, 'store' | 'clock' | 'report'> {
  readonly numbering: Numbering;
  readonly log: WatchedLog;
}

/** Tells the store now and then what was acknowledged, apart from the log: should its tail be lost, that shows. */
class Witnessing {
  readonly #parts: WitnessParts;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #told = -1;
  #isTelling = false;

  constructor(parts: WitnessParts) {
    this.#parts = parts;
  }

  /**
   * A function environment handles one request at a time, and there is no timer between requests. Never rejects, and
   * holds the answer up for witnessMs at the most: a store that is away must not cost a sender its patience.
   */
  async tell(): Promise<void> {
    const { clock, numbering, log } = this.#parts;
    const { collector, witnessed } = numbering;
    const { number, counted } = witnessed;
    if (this.#isTelling || number <= this.#told || log.end === undefined) return;
    if (clock() - this.#toldAtMs < LIMITS.witnessMs) return;
    this.#toldAtMs = clock();
    const patience = new AbortController();
    const late = sleep(LIMITS.witnessMs, undefined, { signal: patience.signal }).catch(() => undefined);
    await Promise.race([this.#write({ collector, number, counted, ...log.end, atMs: clock() }), late]);
    patience.abort();
  }

  async #write(witness: Witness): Promise<void> {
    this.#isTelling = true;
    try {
      await this.#parts.store.witness(witness);
      this.#told = witness.number;
    } catch (thrown) {
      this.#parts.report('collect: the witness', thrown);
    } finally {
      this.#isTelling = false;
    }
  }
}

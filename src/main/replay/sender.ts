import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { ERRORS, type ErrorCode } from '../../core/errors.ts';
import { isObject, type JsonObject } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { REPLAY, REPLAY_TYPE } from '../../query/replay.ts';
import { type ApiClient, ApiError, strange } from '../commands/client.ts';

/** A record of an archive, and where it was found. */
export interface Sent {
  readonly file: string;
  readonly record: number;
  readonly byte: number;
  readonly data: Uint8Array;
}

export interface Refused extends Omit<Sent, 'data'> {
  readonly code: string;
  readonly detail: string;
}

export interface SenderOptions {
  readonly client: Pick<ApiClient, 'post'>;
  /** Told of each try that the server did not take. */
  readonly onRetry: (error: ApiError) => void;
  /** Once it is aborted nothing is tried again. */
  readonly signal: AbortSignal;
  /** @default LIMITS.replayRetryMsMax */
  readonly patienceMs?: number | undefined;
}

/** Gathers records into bodies, and sends one after the other. */
export class ReplaySender {
  readonly #client: Pick<ApiClient, 'post'>;
  readonly #onRetry: SenderOptions['onRetry'];
  readonly #signal: AbortSignal;
  readonly #patienceMs: number;
  readonly refused: Refused[] = [];
  records = 0;
  events = 0;
  #waiting: Sent[] = [];
  #waitingBytes = 0;

  constructor({ client, onRetry, signal, patienceMs = LIMITS.replayRetryMsMax }: SenderOptions) {
    this.#client = client;
    this.#onRetry = onRetry;
    this.#signal = signal;
    this.#patienceMs = patienceMs;
  }

  /** The first record that no answer has told of: where to go on. */
  get next(): Sent | undefined {
    return this.#waiting[0];
  }

  /** Throws ApiError when the server did not take what was gathered for as long as the patience is. */
  async add(record: Sent): Promise<void> {
    const bytes = record.data.length + 1;
    if (this.#waitingBytes + bytes > LIMITS.bodyBytesMax) await this.flush();
    this.#waiting.push(record);
    this.#waitingBytes += bytes;
  }

  /** Sends what was gathered. Throws as `add` does. */
  async flush(): Promise<void> {
    let since = performance.now();
    for (let tries = 0; this.#waiting.length > 0; ) {
      const before = this.#waiting.length;
      const failure = await this.#sendOnce();
      if (failure === undefined) continue;
      if (this.#waiting.length < before) {
        tries = 0;
        since = performance.now();
      }
      if (!failure.passing || this.#signal.aborted || performance.now() - since >= this.#patienceMs) throw failure;
      this.#onRetry(failure);
      tries += 1;
      // Half of it at random, so that several that replay do not come together.
      const backoffMs = Math.min(LIMITS.replayBackoffMsMax, LIMITS.replayBackoffMsMin * 2 ** (tries - 1));
      await sleep(backoffMs * (0.5 + Math.random() / 2), undefined, { signal: this.#signal }).catch(() => {
        throw failure;
      });
    }
  }

  /** What is left of the waiting is what must be sent again. */
  async #sendOnce(): Promise<ApiError | undefined> {
    const sent = this.#waiting;
    const feed = Uint8Array.of(10);
    const bytes = gzipSync(Buffer.concat(sent.flatMap(({ data }) => [data, feed])));
    let answer: JsonObject;
    try {
      answer = await this.#client.post(REPLAY.path, { type: REPLAY_TYPE, bytes });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // One that is too large for a request is refused like any other, and holds nobody up.
      if (error.code !== 'body_too_large' || sent.length > 1) return error;
      answer = { records: 0, events: 0, refused: [{ place: 1, code: error.code, detail: error.message }] };
    }
    return this.#take(sent, answer);
  }

  #take(sent: readonly Sent[], answer: JsonObject): ApiError | undefined {
    const { records, events, refused } = replayedOf(answer);
    this.records += records;
    this.events += events;
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const { place, code, detail } of refused) {
      const record = sent[place - 1];
      if (record === undefined) throw strange(`a place among ${sent.length} records`, place);
      if (isPassing(code)) {
        this.#waiting = sent.slice(place - 1);
        this.#waitingBytes = this.#waiting.reduce((sum, { data }) => sum + data.length + 1, 0);
        return new ApiError({ code, status: 503, detail, cure: ERRORS.overloaded.cure });
      }
      const { file, record: number, byte } = record;
      this.refused.push({ file, record: number, byte, code, detail });
    }
    return undefined;
  }
}

function isPassing(code: string): boolean {
  return Object.hasOwn(ERRORS, code) && ERRORS[code as ErrorCode].status === 503;
}

interface Replayed {
  readonly records: number;
  readonly events: number;
  readonly refused: readonly { readonly place: number; readonly code: string; readonly detail: string }[];
}

function replayedOf(answer: JsonObject): Replayed {
  const { records, events, refused } = answer;
  if (typeof records !== 'number' || typeof events !== 'number' || !Array.isArray(refused)) {
    throw strange('what was replayed', answer);
  }
  return { records, events, refused: refused.map(refusalOf) };
}

function refusalOf(raw: unknown): Replayed['refused'][number] {
  if (isObject(raw)) {
    const { place, code, detail } = raw;
    if (typeof place === 'number' && typeof code === 'string' && typeof detail === 'string') {
      return { place, code, detail };
    }
  }
  throw strange('what was refused', raw);
}

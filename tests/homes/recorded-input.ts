/** The input that both homes are played: what trackers send, right and wrong, as the bytes of requests. */
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { Visits } from '../../src/main/load/visits.ts';
import { recordedEvents } from './recorded-events.ts';

const HOUR_MS = 3_600_000;
const VISIT_EVENTS = 400;
const VISIT_STEP_MS = 20_000;

export interface RecordedRequest {
  readonly method: 'POST' | 'GET';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly key: 'right' | 'wrong' | 'none';
  readonly body: Buffer;
  /** What it holds; nothing where it must be refused. */
  readonly sent: readonly Sent[];
  /** What it must be answered with. */
  readonly status: number;
}

/** An event to send, and what must become of it; any other text is the code that it is set aside with. */
export interface Sent {
  readonly event: unknown;
  readonly outcome: 'stored' | 'duplicate' | (string & {});
}

/** Events that one request carries. */
export interface SentTogether {
  readonly sent: readonly Sent[];
  /** @default /v1/batch; any other path takes one event */
  readonly path?: string;
  /** Members of the batch beside its events. */
  readonly beside?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RecordedInput {
  readonly requests: readonly RecordedRequest[];
  /** Every user and device that an event to be stored is of. */
  readonly who: readonly string[];
  /** Ids that were sent; any other one a collector made. */
  readonly eventIds: ReadonlySet<string>;
  /** All events lie in it, but for those dated by their arrival. */
  readonly range: { readonly from: string; readonly to: string };
  /** No event whose time goes by its arrival lies in it. */
  readonly minutes: { readonly from: string; readonly to: string };
  /** What must become of the events. */
  readonly counted: Readonly<Record<'accepted' | 'stored' | 'duplicate' | 'bad', number>>;
  /** The events to be set aside, by their reason. */
  readonly reasons: Readonly<Record<string, number>>;
}

type Encode = (body: Buffer) => Buffer;
const ENCODINGS: readonly (readonly [string | undefined, Encode])[] = [
  [undefined, (body) => body],
  ['gzip', gzipSync],
  ['br', brotliCompressSync],
  ['deflate', deflateSync],
  ['zstd', zstdCompressSync],
];

/**
 * `startMs` is the whole hour at which visits begin; `nowMs`, some days later, is when the input is played, and what
 * trackers say that they sent it at. Events without `sentAt` keep the time that they come with, so that results do not
 * depend on when they arrive. Those with it are dated to some minutes after an hour and what passed since `nowMs`, so
 * that statistics by the hour do not depend on it either.
 */
export function recordedInput(times: { readonly startMs: number; readonly nowMs: number }): RecordedInput {
  const { startMs } = times;
  const recording = new Recording();
  for (const together of visits(startMs)) recording.send(together);
  for (const together of recordedEvents(times)) recording.send(together);
  recording.sendAgain(3);
  recording.refuse();
  const isoTime = (ms: number) => new Date(ms).toISOString();
  return {
    ...recording.told(),
    range: { from: isoTime(startMs - 48 * HOUR_MS), to: isoTime(startMs + 15 * HOUR_MS) },
    minutes: { from: isoTime(startMs - 3 * HOUR_MS), to: isoTime(startMs + 6 * HOUR_MS) },
  };
}

/** Five at a time, or each alone; with late and repeated ones among them, and some that are no events. */
function visits(startMs: number): readonly SentTogether[] {
  const source = new Visits({ seed: 20_261_124, people: 60, run: 'homes' });
  const planned = Array.from({ length: VISIT_EVENTS }, (_, index) => {
    const { openBody, path, copy } = source.next(startMs + index * VISIT_STEP_MS);
    const outcome = copy ? 'duplicate' : 'stored';
    return { path, sent: { event: JSON.parse(`${openBody},"type":"${path}"}`) as unknown, outcome } };
  });
  const together: SentTogether[] = [];
  for (let index = 0; index < VISIT_EVENTS; index += 5) {
    const own = planned.slice(index, index + 5);
    if (index % 20 === 0) {
      together.push(...own.map(({ path, sent }) => ({ path: `/v1/${path}`, sent: [sent] })));
      continue;
    }
    const broken = [
      { event: { type: 'track', userId: 'ü' }, outcome: 'type_missing' },
      { event: 'no event: 中 😀', outcome: 'not_an_object' },
    ];
    together.push({ sent: [...own.map(({ sent }) => sent), ...(index % 50 === 10 ? broken : [])] });
  }
  return together;
}

class Recording {
  readonly #requests: RecordedRequest[] = [];

  send({ sent, path = '/v1/batch', beside = {}, headers = {} }: SentTogether): void {
    const events = sent.map(({ event }) => event);
    const isBatch = path === '/v1/batch' || path === '/v1/import' || path === '/v1/b';
    const body = JSON.stringify(isBatch ? { ...beside, batch: events } : events[0]);
    const [encoding, encode] = ENCODINGS[this.#requests.length % ENCODINGS.length] ?? [undefined, (same) => same];
    this.#push({
      path,
      headers: { ...headers, ...(encoding !== undefined && { 'Content-Encoding': encoding }) },
      body: encode(Buffer.from(body)),
      sent,
    });
  }

  /** Long requests once more, byte for byte, as a tracker sends them whose answer was lost. */
  sendAgain(count: number): void {
    for (const request of this.#requests.filter(({ sent }) => sent.length > 5).slice(0, count)) {
      // What is set aside has no identity: it is set aside once more.
      const again = ({ event, outcome }: Sent) => ({ event, outcome: outcome === 'stored' ? 'duplicate' : outcome });
      this.#push({ ...request, sent: request.sent.map(again) });
    }
  }

  /** Requests of which nothing is taken. */
  refuse(): void {
    const event = { messageId: 'refused', event: 'Refused', userId: 'refused' };
    const whole = Buffer.from(JSON.stringify(event));
    const path = '/v1/track';
    this.#push({ path, body: Buffer.from('{"batch":['), status: 400 });
    this.#push({ path, body: Buffer.from('[1]'), status: 400 });
    this.#push({ path: '/v1/batch', body: whole, status: 400 });
    this.#push({ path: '/v1/batch', body: Buffer.from(`{"batch":[${'{},'.repeat(2_000)}{}]}`), status: 400 });
    this.#push({ path, body: whole, headers: { 'Content-Encoding': 'gzip' }, status: 400 });
    this.#push({ path, body: whole, headers: { 'Content-Encoding': 'compress' }, status: 415 });
    this.#push({ path, body: whole, key: 'wrong', status: 401 });
    this.#push({ path, body: whole, key: 'none', status: 401 });
    this.#push({ path, body: Buffer.alloc(0), method: 'GET', status: 405 });
  }

  told(): Omit<RecordedInput, 'range' | 'minutes'> {
    const sent = this.#requests.flatMap((request) => request.sent);
    const texts = (ids: readonly unknown[]) => ids.filter((id) => id !== undefined).map(String);
    const stored = sent
      .filter(({ outcome }) => outcome === 'stored')
      .map(({ event }) => event as Readonly<Record<string, unknown>>);
    const reasons: Record<string, number> = {};
    const counted = { accepted: sent.length, stored: stored.length, duplicate: 0, bad: 0 };
    for (const { outcome } of sent) {
      if (outcome === 'stored') continue;
      if (outcome === 'duplicate') counted.duplicate += 1;
      else {
        counted.bad += 1;
        reasons[outcome] = (reasons[outcome] ?? 0) + 1;
      }
    }
    return {
      requests: this.#requests,
      who: [...new Set(texts(stored.flatMap((event) => [event.userId, event.anonymousId])))],
      eventIds: new Set(texts(stored.map(({ messageId }) => messageId))),
      counted,
      reasons,
    };
  }

  #push(request: Partial<RecordedRequest> & Pick<RecordedRequest, 'path' | 'body'>): void {
    this.#requests.push({ method: 'POST', headers: {}, key: 'right', sent: [], status: 200, ...request });
  }
}

/** What a home answered to a request. */
export interface Answered {
  readonly status: number;
  /** Without the receipt, which says where things lie. */
  readonly body: string;
}

export interface PlayedInput {
  readonly answers: readonly Answered[];
  /** Of the requests that have one, in their order. */
  readonly receipts: readonly string[];
}

/** Sends all of it, one request after the other, for a visitor's events count in the order of their arrival. */
export async function play(
  requests: readonly RecordedRequest[],
  to: { readonly url: string; readonly writeKey: string },
): Promise<PlayedInput> {
  const keys = { right: to.writeKey, wrong: 'a wrong key', none: undefined };
  const answered: Answered[] = [];
  const receipts: string[] = [];
  for (const { method, path, headers, key, body, status } of requests) {
    const writeKey = keys[key];
    const response = await fetch(`${to.url}${path}`, {
      method,
      headers: {
        ...headers,
        'Content-Type': 'application/json',
        ...(writeKey !== undefined && { Authorization: `Basic ${Buffer.from(`${writeKey}:`).toString('base64')}` }),
      },
      ...(method === 'POST' && { body: new Uint8Array(body) }),
    });
    const receipt = response.headers.get('clickstream-receipt');
    const text = await response.text();
    const answer = { status: response.status, body: text.replace(`"receipt":"${receipt}"`, '"receipt"') };
    if (answer.status !== status) {
      throw new Error(
        `request ${answered.length}, ${path}, was answered ${answer.status}, not ${status}: ${answer.body}`,
      );
    }
    answered.push(answer);
    if (receipt !== null) receipts.push(receipt);
  }
  return { answers: answered, receipts };
}

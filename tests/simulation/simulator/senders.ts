import { ClickstreamError } from '../../../src/core/errors.ts';
import type { Scheduler } from './clock.ts';
import type { SentEvent } from './oracle.ts';

/** What an event is sent to, whatever is behind it. Resolves when it was acknowledged. */
export type Door = (body: Buffer) => Promise<void>;

const MINUTE_MS = 60_000;
/** A sender waits so long for its answer. */
const PATIENCE_MS = 10_000;

/**
 * Trackers: each sends batches of few visitors, sends again what got no answer, and now and then what got one. Some events are late, some say two
 * different things under one id, some are not valid, and some make the core throw until it is mended.
 */
export class Senders {
  /** By mark. */
  readonly sent: SentEvent[] = [];
  readonly #bodies: string[] = [];
  readonly #scheduler: Scheduler;
  readonly #visitors: number;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
    this.#visitors = 1 + scheduler.below(4);
  }

  /** One tracker, through so many requests. */
  async run(door: Door, requests: number): Promise<void> {
    const { below, chance, sleep } = this.#draws;
    for (let request = 0; request < requests; request += 1) {
      // Seconds, or long enough that a session ends.
      await sleep(chance(0.2) ? below(50 * MINUTE_MS) : below(4_000));
      let marks = Array.from({ length: 1 + below(4) }, () => this.#compose());
      const tries = 1 + below(4);
      for (let attempt = 0; attempt < tries; attempt += 1) {
        // One that was sent before comes along, before what is new or after it; and what is sent again has something new behind it.
        const again = this.sent.length > 0 && chance(0.3) ? [below(this.sent.length)] : [];
        const fresh = attempt > 0 && chance(0.3) ? [this.#compose()] : [];
        marks = chance(0.5) ? [...again, ...marks, ...fresh] : [...marks, ...fresh, ...again];
        if (await this.#send(door, marks)) break;
        await sleep(below(3_000));
      }
    }
  }

  /** Whether it was acknowledged in time. */
  async #send(door: Door, marks: readonly number[]): Promise<boolean> {
    const body = Buffer.from(`{"batch":[${marks.map((mark) => this.#bodies[mark]).join()}]}`);
    let cancel: () => void = () => undefined;
    const late = new Promise<'late'>((resolve) => {
      cancel = this.#scheduler.timer(PATIENCE_MS, () => resolve('late'));
    });
    try {
      if ((await Promise.race([door(body), late])) === 'late') return false;
    } catch (thrown) {
      if (!(thrown instanceof ClickstreamError && thrown.retriable)) throw thrown;
      this.#scheduler.note(`${marks.join()} refused: ${thrown.code}`);
      return false;
    } finally {
      cancel();
    }
    this.#scheduler.note(`${marks.join()} acknowledged`);
    for (const mark of marks) {
      const event = this.sent[mark];
      if (event !== undefined) event.isAcknowledged = true;
    }
    return true;
  }

  get #draws() {
    const scheduler = this.#scheduler;
    return {
      below: (bound: number) => scheduler.below(bound),
      chance: (probability: number) => scheduler.chance(probability),
      sleep: scheduler.sleep,
    };
  }

  #compose(): number {
    const { below, chance } = this.#draws;
    const mark = this.sent.length;
    const kind = chance(0.06) ? 'bad' : chance(0.04) ? 'poison' : 'good';
    const twin = kind === 'good' && chance(0.1) ? this.sent[below(this.sent.length)] : undefined;
    const eventType =
      kind === 'poison' ? 'Poison' : chance(0.4) ? 'page' : chance(0.2) ? 'identify' : `Clicked ${below(3)}`;
    const age = chance(0.3) ? below(90 * MINUTE_MS) : below(2_000);
    const visitor = `device-${below(this.#visitors)}`;
    const createdAt = new Date(this.#scheduler.now() - age).toISOString();
    const path = eventType === 'page' ? `/p${below(3)}` : undefined;
    const said = path === undefined ? { text: `é${below(1_000)}` } : { path };
    const userId = chance(0.25) ? `user-${below(2)}` : undefined;
    let event: SentEvent = {
      ...{ mark, kind, visitor, userId, eventType, createdAt, path, isAcknowledged: false },
      eventId: chance(0.95) ? `m${mark}` : undefined,
      properties: JSON.stringify(said),
    };
    if (twin !== undefined && twin.kind === 'good') event = this.#twinOf(twin, event);
    this.sent.push(event);
    this.#bodies.push(this.#bodyOf(event));
    return mark;
  }

  /** One that shares its id with another by mistake: all else is the same but what it says, or but its time. */
  #twinOf(twin: SentEvent, { mark, properties, path, createdAt }: SentEvent): SentEvent {
    if (this.#scheduler.chance(0.5)) return { ...twin, mark, createdAt, isAcknowledged: false };
    // A clock that runs ahead: clamped to the arrival it could be the time of another.
    if (this.#scheduler.chance(0.3)) {
      const ahead = new Date(this.#scheduler.now() + this.#scheduler.below(10) * MINUTE_MS).toISOString();
      return { ...twin, mark, createdAt: ahead, isAcknowledged: false };
    }
    return {
      ...twin,
      mark,
      eventType: path === undefined ? 'Clicked 0' : 'page',
      properties,
      path,
      isAcknowledged: false,
    };
  }

  #bodyOf({ mark, kind, visitor, userId, eventType, createdAt, eventId, properties }: SentEvent): string {
    const call = ['page', 'identify'].includes(eventType) ? { type: eventType } : { type: 'track', event: eventType };
    const who = kind === 'bad' ? {} : { anonymousId: visitor, userId };
    const context = { mark };
    return JSON.stringify({
      ...call,
      ...who,
      messageId: eventId,
      timestamp: createdAt,
      context,
      properties: JSON.parse(properties),
    });
  }
}

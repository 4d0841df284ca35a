import { setTimeout as sleep } from 'node:timers/promises';
import { LIMITS } from '../../core/limits.ts';
import type { Answer } from './connection.ts';
import { Latencies } from './latencies.ts';
import type { Ledger, Outcome } from './ledger.ts';
import { Sender, type Shipment } from './sender.ts';
import { type PlannedEvent, Visits } from './visits.ts';

export interface LoadPlan {
  readonly url: URL;
  readonly writeKey: string;
  readonly seed: number;
  readonly people: number;
  /** Events a request; 1 sends each to its own path, more go to /v1/batch. */
  readonly batch: number;
  readonly connections: number;
  readonly ratePerSecond: number | 'max';
  readonly forMs: number;
}

/**
 * One run of the load. At a rate it keeps to its schedule however slow answers are (an open loop), as long as no more than
 * `loadWaitingEventsMax` are unanswered; at `max` each connection sends when its answer is there (a closed loop).
 */
export class LoadRun {
  readonly plan: LoadPlan;
  readonly ledger: Ledger;
  /** From the moment a request was due to its 2xx, all attempts and pauses between them included. */
  acknowledgement = new Latencies();
  /** Events handed to the sender, copies included. */
  events = 0;
  copies = 0;
  requests = 0;
  acknowledgedEvents = 0;
  /** The furthest that the hand-over was behind its schedule. */
  behindMsMax = 0;
  /** Until the last answer; 0 while it runs. */
  seconds = 0;
  firstRefusal: Answer | undefined;
  readonly #visits: Visits;
  readonly #sender: Sender;
  readonly #onAcknowledged: ((event: PlannedEvent) => void) | undefined;
  #startMs = 0;
  #stopped = false;

  constructor(plan: LoadPlan, ledger: Ledger, onAcknowledged?: (event: PlannedEvent) => void) {
    this.plan = plan;
    this.ledger = ledger;
    this.#onAcknowledged = onAcknowledged;
    this.#visits = new Visits({ seed: plan.seed, people: plan.people, run: ledger.run });
    this.#sender = new Sender({
      ...plan,
      batched: plan.batch > 1,
      settled: (shipment, outcome, answer) => this.#settle(shipment, outcome, answer),
    });
  }

  /** Plays until the time is over or `stop` is called, then waits until every request is settled. */
  async play(): Promise<void> {
    this.#startMs = performance.now();
    if (this.plan.ratePerSecond === 'max') await this.#playAsFastAsAnswered();
    else await this.#playOnSchedule(this.plan.ratePerSecond / 1_000);
    while (this.#sender.waitingEvents > 0) await sleep(5);
    this.seconds = this.elapsedMs / 1_000;
    this.#sender.close();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** What was measured since the last time that it was taken. */
  takeAcknowledgement(): Latencies {
    const taken = this.acknowledgement;
    this.acknowledgement = new Latencies();
    return taken;
  }

  /** Stops, and tries nothing again: for a server that will not come back. */
  giveUp(): void {
    this.stop();
    this.#sender.giveUp();
  }

  get elapsedMs(): number {
    return this.#startMs === 0 ? 0 : performance.now() - this.#startMs;
  }

  get waitingEvents(): number {
    return this.#sender.waitingEvents;
  }

  /** Attempts that came to nothing. */
  get failures(): { readonly busy: number; readonly cut: number } {
    return this.#sender.counters;
  }

  /** Events that the schedule held for the time played; undefined at `max`. */
  get scheduledEvents(): number | undefined {
    const { ratePerSecond, forMs } = this.plan;
    return ratePerSecond === 'max' ? undefined : Math.floor((ratePerSecond * forMs) / 1_000);
  }

  async #playOnSchedule(ratePerMs: number): Promise<void> {
    const { batch, forMs } = this.plan;
    const total = Math.floor(ratePerMs * forMs);
    while (!this.#stopped && this.events < total && this.elapsedMs < forMs + LIMITS.loadLateMsMax) {
      const due = Math.min(Math.floor(this.elapsedMs * ratePerMs), total);
      while (this.#nextSize(total) <= due - this.events && this.#sender.waitingEvents < LIMITS.loadWaitingEventsMax) {
        const size = this.#nextSize(total);
        const dueMs = this.#startMs + (this.events + size) / ratePerMs;
        this.behindMsMax = Math.max(this.behindMsMax, performance.now() - dueMs);
        this.#ship(size, dueMs);
      }
      const nextMs = (this.events + Math.min(batch, total - this.events)) / ratePerMs;
      await sleep(Math.max(1, nextMs - this.elapsedMs));
    }
  }

  #nextSize(total: number): number {
    return Math.max(1, Math.min(this.plan.batch, total - this.events));
  }

  async #playAsFastAsAnswered(): Promise<void> {
    const { batch, connections, forMs } = this.plan;
    for (let first = 0; first < connections; first += 1) this.#ship(batch, performance.now());
    while (!this.#stopped && this.elapsedMs < forMs) await sleep(Math.min(20, Math.max(1, forMs - this.elapsedMs)));
    this.#stopped = true;
  }

  #ship(size: number, dueMs: number): void {
    const first = this.#planned();
    const events: [PlannedEvent, ...PlannedEvent[]] = [first];
    while (events.length < size) events.push(this.#planned());
    this.requests += 1;
    this.#sender.send({ events, dueMs });
  }

  #planned(): PlannedEvent {
    const event = this.#visits.next(Date.now());
    this.ledger.sent(event);
    this.events += 1;
    if (event.copy) this.copies += 1;
    return event;
  }

  #settle({ events, dueMs }: Shipment, outcome: Outcome, answer: Answer | undefined): void {
    for (const { number } of events) this.ledger.settle(number, outcome);
    if (outcome === 'acknowledged') {
      this.acknowledgement.add(performance.now() - dueMs);
      this.acknowledgedEvents += events.length;
      this.#onAcknowledged?.(events[0]);
    } else if (outcome === 'refused') {
      this.firstRefusal ??= answer;
      // A wrong key or path is wrong for every event.
      if (answer?.status === 401 || answer?.status === 404) this.stop();
    }
    if (this.plan.ratePerSecond === 'max' && !this.#stopped) this.#ship(this.plan.batch, performance.now());
  }
}

/** A run's name where none is given: new each time, so that its ids are. */
export function newRun(): string {
  return (
    Date.now().toString(36) +
    Math.floor(Math.random() * 36 ** 4)
      .toString(36)
      .padStart(4, '0')
  );
}

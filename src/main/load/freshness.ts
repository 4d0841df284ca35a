import { setTimeout as sleep } from 'node:timers/promises';
import { LIMITS } from '../../core/limits.ts';
import { type ApiClient, ApiError, eventPageOf } from '../commands/client.ts';
import { Latencies } from './latencies.ts';
import { eventIdOf, type PlannedEvent } from './visits.ts';

/**
 * Time to queryable, by samples: from the moment of an event's 2xx, its user's timeline is asked again and again until
 * it shows the event.
 */
export class Freshness {
  latencies = new Latencies();
  readonly #client: ApiClient;
  readonly #run: string;
  readonly #looking = new Set<Promise<void>>();
  #nextMs = 0;
  #fault: unknown;
  /** Samples given up after `loadSampleMsMax`. */
  notSeen = 0;

  constructor(client: ApiClient, run: string) {
    this.#client = client;
    this.#run = run;
  }

  /** An event was acknowledged just now; about `loadSamplesPerSecond` of them are followed. */
  offer(event: PlannedEvent): void {
    const nowMs = performance.now();
    // A copy's event is perhaps long since there.
    if (event.copy || nowMs < this.#nextMs || this.#looking.size >= LIMITS.loadSamplesWaitingMax) return;
    this.#nextMs = nowMs + 1_000 / LIMITS.loadSamplesPerSecond;
    const look = this.#follow(event, nowMs)
      .catch((fault: unknown) => {
        this.#fault ??= fault;
      })
      .finally(() => this.#looking.delete(look));
    this.#looking.add(look);
  }

  /** What was measured since the last time that it was taken. */
  takeLatencies(): Latencies {
    const taken = this.latencies;
    this.latencies = new Latencies();
    return taken;
  }

  /** Waits for the samples that are still followed. Throws what went wrong with one, if it was not the server's being away. */
  async settled(): Promise<void> {
    await Promise.all(this.#looking);
    if (this.#fault !== undefined) throw this.#fault;
  }

  async #follow(event: PlannedEvent, sinceMs: number): Promise<void> {
    const eventId = eventIdOf(this.#run, event.number);
    const path = `/api/v1/users/${encodeURIComponent(event.who)}/events`;
    const from = new Date(event.createdAtMs).toISOString();
    const to = new Date(event.createdAtMs + 1).toISOString();
    while (performance.now() - sinceMs < LIMITS.loadSampleMsMax) {
      if (await this.#shows(eventId, { path, from, to })) {
        this.latencies.add(performance.now() - sinceMs);
        return;
      }
      // Asking is load as well: one that is late is asked for less often, and is known to a tenth.
      await sleep(Math.max(LIMITS.loadSamplePollMs, (performance.now() - sinceMs) / 10));
    }
    this.notSeen += 1;
  }

  async #shows(
    eventId: string,
    { path, from, to }: { readonly path: string; readonly from: string; readonly to: string },
  ) {
    try {
      const { events } = eventPageOf(await this.#client.get(path, { from, to }));
      return events.some((found) => found.eventId === eventId);
    } catch (error) {
      // A server that is away or overloaded for a moment only makes the sample longer; what stays wrong ends it as not seen.
      if (error instanceof ApiError) return false;
      throw error;
    }
  }
}

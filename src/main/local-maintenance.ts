import { EMBEDDED_LANE } from '../adapters/embedded/event-log.ts';
import { LIMITS } from '../core/limits.ts';
import type { Clock } from '../core/time.ts';
import type { View } from '../core/view.ts';
import type { EventStore, PassOver } from '../store/event-store.ts';
import { describePassed } from '../store/row-updates.ts';

export interface LocalMaintenanceParts {
  readonly store: Pick<EventStore, 'rebuild' | 'expire' | 'sync'>;
  readonly views: readonly View[];
  readonly clock: Clock;
  /** Runs what writes the store; undefined when it did not take it, which was said. */
  readonly attempt: <T>(run: () => Promise<T>) => Promise<T | undefined>;
  /** The log may lose what is done up to here. */
  readonly onSynced: (done: bigint) => void;
  readonly report: (text: string) => void;
}

const PERIOD_MS = 60_000;
const MS_PER_DAY = 86_400_000;

/**
 * What one machine must do now and then, in bounded pieces: a sync every minute, whatever else there is; views folded anew at once;
 * then expiry. A view that cannot be folded anew is reported, and waits for the next minute, as does expiry: what expired before
 * it was folded would be missing from the new rows.
 */
export class LocalMaintenance {
  readonly #parts: LocalMaintenanceParts;
  #begunAtMs: number;
  /** They may lack something. */
  #toFold: readonly View[];
  /** Those of them that could not be folded, until the next minute. */
  #failed: readonly View[] = [];
  #expires = false;

  constructor(parts: LocalMaintenanceParts) {
    this.#parts = parts;
    this.#begunAtMs = parts.clock();
    this.#toFold = parts.views;
  }

  /** A view was asked to be folded anew. */
  foldAnew(): void {
    this.#toFold = this.#parts.views;
    this.#failed = [];
  }

  /** Whether there is anything to do now. */
  get isDue(): boolean {
    return this.#toFold.length > 0 || this.#mayExpire || this.#isPeriodOver;
  }

  /** One bounded piece. True when there is more. */
  async step(): Promise<boolean> {
    if (this.#isPeriodOver) await this.#beginPeriod();
    if (this.#toFold.length > 0) await this.#fold();
    else if (this.#mayExpire) await this.#expire();
    return this.#toFold.length > 0 || this.#mayExpire;
  }

  get #isPeriodOver(): boolean {
    return this.#parts.clock() - this.#begunAtMs >= PERIOD_MS;
  }

  get #mayExpire(): boolean {
    return this.#expires && this.#toFold.length === 0 && this.#failed.length === 0;
  }

  async #beginPeriod(): Promise<void> {
    const { store, clock, attempt, onSynced } = this.#parts;
    this.#begunAtMs = clock();
    this.#expires = true;
    this.#toFold = [...this.#toFold, ...this.#failed];
    this.#failed = [];
    const synced = await attempt(() => store.sync());
    onSynced(synced?.get(EMBEDDED_LANE) ?? -1n);
  }

  /** Not by `attempt`: what keeps a view from being folded need not keep the store from being written. */
  async #fold(): Promise<void> {
    const { store, report } = this.#parts;
    const unfinished: View[] = [];
    for (const view of this.#toFold) {
      const passOver: PassOver = (passed) => report(`rebuild of ${view.name}: ${describePassed(passed)}`);
      try {
        if (!(await store.rebuild(view, LIMITS.maintenanceEventsMax, passOver))) unfinished.push(view);
      } catch (thrown) {
        const detail = thrown instanceof Error ? thrown.message : String(thrown);
        report(`rebuild of ${view.name}: ${detail}; it will be tried again within a minute`);
        this.#failed = [...this.#failed, view];
      }
    }
    this.#toFold = unfinished;
  }

  async #expire(): Promise<void> {
    const { store, clock, attempt } = this.#parts;
    const receivedAt = new Date(clock() - LIMITS.eventRetentionDays * MS_PER_DAY).toISOString();
    const expired = await attempt(() => store.expire({ receivedAt, limit: LIMITS.maintenanceEventsMax }));
    this.#expires = expired !== undefined && expired >= LIMITS.maintenanceEventsMax;
  }
}

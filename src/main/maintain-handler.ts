import { LIMITS } from '../core/limits.ts';
import type { Clock } from '../core/time.ts';
import type { View } from '../core/view.ts';
import { eraseBytes } from '../pipeline.ts';
import type { EventReader, EventStore, PassOver } from '../store/event-store.ts';
import { describePassed } from '../store/row-updates.ts';
import { type FunctionContext, within } from './in-time.ts';

/** What the stack's schedule sends. */
export interface MaintainEvent {
  readonly task: 'maintain';
}

/** Work that must be done now and then. */
export interface MaintenanceTask {
  readonly name: string;
  /** One bounded piece, which may be done twice at once, and again after it was left half done. True when there is no more for now. */
  readonly step: () => Promise<boolean>;
}

export interface MaintainParts {
  /** Anew for each tick, for what one leaves half done may go on when Lambda thaws the function. */
  readonly newTasks: () => readonly MaintenanceTask[];
  readonly report: (what: string, fault: unknown) => void;
}

const MS_PER_DAY = 86_400_000;

/** What the tables need beside batches: erasures are brought to their end, events expire, and views that a new version of the program counts otherwise are folded anew. */
export function tasksOf(parts: {
  readonly store: Pick<EventStore, 'expire' | 'rebuild' | 'eraseBytes' | 'noteErased'> & {
    /** Deletes what erasures have hidden for long enough. */
    readonly deleteHidden: () => Promise<void>;
  };
  readonly reader: EventReader;
  readonly views: readonly View[];
  readonly clock: Clock;
  readonly report: MaintainParts['report'];
}): readonly MaintenanceTask[] {
  const { store, reader, views, clock, report } = parts;
  const erase = async () => {
    const erasing = await reader.snapshot((reads) => reads.erasing(LIMITS.erasuresAtOnce));
    if (erasing.length > 0) await eraseBytes(erasing, { reader, store });
    for (const erasure of erasing) await store.noteErased(erasure);
    await store.deleteHidden();
    return erasing.length < LIMITS.erasuresAtOnce;
  };
  const expire = async () => {
    const receivedAt = new Date(clock() - LIMITS.eventRetentionDays * MS_PER_DAY).toISOString();
    return (await store.expire({ receivedAt, limit: LIMITS.maintenanceEventsMax })) === 0;
  };
  return [
    { name: 'expiry', step: expire },
    ...views.map((view) => {
      const name = `rebuild of ${view.name}@${view.version}`;
      const passOver: PassOver = (passed) => report(`maintain: ${name}`, new Error(describePassed(passed)));
      return { name, step: () => store.rebuild(view, LIMITS.rebuildEventsMax, passOver) };
    }),
    { name: 'erasures', step: erase },
  ];
}

/**
 * The maintenance of one tick: a piece of each task in turn, until nothing is left or the time is over; then the next tick goes on. A
 * task that fails is reported, waits for the next tick, and keeps no other from its own.
 */
export function createMaintainHandler(parts: MaintainParts): (context: FunctionContext) => Promise<void> {
  return async (context) => {
    let waiting = parts.newTasks();
    while (waiting.length > 0) {
      const unfinished: MaintenanceTask[] = [];
      for (const task of waiting) {
        const msLeft = context.getRemainingTimeInMillis() - LIMITS.lambdaMsLeftMin;
        if (msLeft <= 0) return;
        try {
          if (!(await within(msLeft, task.step()))) unfinished.push(task);
        } catch (thrown) {
          parts.report(`maintain: ${task.name}`, thrown);
        }
      }
      waiting = unfinished;
    }
  };
}

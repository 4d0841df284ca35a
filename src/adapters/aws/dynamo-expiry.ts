import type { DynamoTable } from './dynamo-client.ts';
import { keyOfItem } from './dynamo-client.ts';
import { changeLane, lanesIn } from './dynamo-lanes.ts';
import {
  type ArrivalMark,
  arrivalMarkItem,
  arrivalMarkOf,
  arrivalsPk,
  hourOf,
  type Item,
  keyOf,
  type StoredLane,
  sequenceText,
} from './items.ts';

/** Hours begin with a digit: this lies before all of them. */
const BEFORE_ALL = '0';

/**
 * Retention without touching events. A lane marks, at the end of each hour of arrivals, how far it was done and how many events
 * it had stored. Once an hour is past its time, that mark becomes the lane's `expiredThrough` and its total of what expired, by one
 * compare-and-set: readers hide everything up to there from that moment on, and DynamoDB deletes it some days later, by
 * `expiresAt` (docs/decisions/0020-maintenance-on-aws.md).
 */
export class DynamoExpiry {
  readonly #state: DynamoTable;

  constructor(state: DynamoTable) {
    this.#state = state;
  }

  /** Before the lane is written with a later hour. What is marked was so, whoever marks it, and the first mark stands. */
  async mark({ lane, hour, state, totals }: StoredLane): Promise<void> {
    if (hour === undefined) return;
    await this.#state.put(arrivalMarkItem(lane, { hour, through: state.done, events: totals.events }));
  }

  /** Whole hours that lie before this time. Returns how many events that is. */
  async expire(receivedAt: string): Promise<number> {
    let expired = 0;
    for (const { lane } of await lanesIn(this.#state)) expired += await this.#expireLane(lane, hourOf(receivedAt));
    return expired;
  }

  async #expireLane(lane: string, before: string): Promise<number> {
    const marks: Item[] = [];
    const due = { from: BEFORE_ALL, to: before };
    for await (const item of this.#state.partition(arrivalsPk(lane), due)) marks.push(item);
    const last = marks.at(-1);
    let expired = 0;
    let erased: readonly Item[] = [];
    await changeLane(this.#state, lane, async (stored) => {
      const mark = markOfIdle(stored, before) ?? (last && arrivalMarkOf(last));
      const standing = stored.expiredThrough ?? -1n;
      if (mark === undefined || mark.through <= standing) return undefined;
      erased = await this.#erasedIn(lane, { after: standing, through: mark.through });
      const totals = { ...stored.totals, erased: stored.totals.erased + erased.length };
      // What erasure took of these hours is told by its own total.
      const all = { ...totals, expired: mark.events - totals.erased };
      expired = all.expired - stored.totals.expired;
      // Some of what arrived in that hour may be later in the lane, and lie there still.
      const expiredBefore = `${mark.hour}:59:59.999Z`;
      return { ...stored, totals: all, expiredThrough: mark.through, expiredBefore };
    });
    // These say nothing more: what they tell lies at or before `expiredThrough` now.
    await this.#state.deleteAll([...marks, ...erased].map(keyOfItem));
    return expired;
  }

  async #erasedIn(lane: string, { after, through }: { readonly after: bigint; readonly through: bigint }) {
    const notes: Item[] = [];
    const range = { from: sequenceText(after + 1n), to: sequenceText(through + 1n) };
    for await (const item of this.#state.partition(keyOf('removed', lane), range)) notes.push(item);
    return notes;
  }
}

/** Of a lane to which nothing came since: it marks no hour, for only the next one would. */
function markOfIdle({ hour, state, totals }: StoredLane, before: string): ArrivalMark | undefined {
  if (hour === undefined || hour >= before) return undefined;
  return { hour, through: state.done, events: totals.events };
}

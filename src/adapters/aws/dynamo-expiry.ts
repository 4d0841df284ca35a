import type { Decision } from '../../store/event-store.ts';
import type { DynamoTable } from './dynamo-client.ts';
import { keyOfItem } from './dynamo-client.ts';
import { changeLane, lanesIn } from './dynamo-lanes.ts';
import {
  hourOf,
  type Item,
  keyOf,
  number,
  numberOf,
  type StoredLane,
  sequenceOf,
  sequenceText,
  text,
  textOf,
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
  async mark(stored: StoredLane): Promise<void> {
    const mark = markOf(stored);
    if (mark !== undefined) await this.#state.put(arrivalMarkItem(stored.lane, mark));
  }

  /** Whole hours that lie before this time. Returns how many events that is, those set aside with them. */
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
      const badExpired = mark.bad ?? stored.totals.badExpired;
      const totals = { ...stored.totals, badExpired, erased: stored.totals.erased + erased.length };
      // What erasure took of these hours is told by its own total.
      const all = { ...totals, expired: mark.events - totals.erased };
      expired = all.expired - stored.totals.expired + badExpired - stored.totals.badExpired;
      // Of what arrived up to then some may be later in the lane, and lie there still.
      const expiredBefore = new Date(Date.parse(mark.latestReceivedAt) + 1).toISOString();
      const badExpiredThrough = mark.bad === undefined ? stored.badExpiredThrough : mark.through;
      return { ...stored, totals: all, expiredThrough: mark.through, expiredBefore, badExpiredThrough };
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
function markOfIdle(stored: StoredLane, before: string): ArrivalMark | undefined {
  const mark = markOf(stored);
  return mark === undefined || mark.hour >= before ? undefined : mark;
}

function markOf({ hour, state, totals, latestReceivedAt }: StoredLane): ArrivalMark | undefined {
  if (hour === undefined) return undefined;
  const { events, bad } = totals;
  return { hour, through: state.done, events, bad, latestReceivedAt: latestOf({ hour, latestReceivedAt }) };
}

/** Where a lane was at the end of an hour: every record up to `through` had arrived in it or before. */
interface ArrivalMark {
  readonly hour: string;
  readonly through: bigint;
  /** Stored by then, since the lane began. */
  readonly events: number;
  /** Set aside by then; absent in what older versions marked. */
  readonly bad: number | undefined;
  /** As the lane had it by then. */
  readonly latestReceivedAt: string;
}

/** Of a lane or a mark that did not keep it, all that is known is the hour. */
function latestOf({ hour, latestReceivedAt }: Pick<StoredLane, 'hour' | 'latestReceivedAt'>): string {
  return latestReceivedAt ?? `${hour}:59:59.999Z`;
}

/** The hour of the oldest arrivals of a lane that are not expired. */
export async function oldestHour(state: DynamoTable, { lane, hour }: StoredLane): Promise<string | undefined> {
  for await (const item of state.partition(arrivalsPk(lane))) return textOf(item, 'sk');
  return hour;
}

function arrivalsPk(lane: string): string {
  return keyOf('arrivals', lane);
}

function arrivalMarkItem(lane: string, { hour, through, events, bad, latestReceivedAt }: ArrivalMark): Item {
  const key = { pk: text(arrivalsPk(lane)), sk: text(hour) };
  return {
    ...key,
    through: text(through.toString()),
    events: number(events),
    ...(bad !== undefined && { bad: number(bad) }),
    latestReceivedAt: text(latestReceivedAt),
  };
}

function arrivalMarkOf(item: Item): ArrivalMark {
  const hour = textOf(item, 'sk');
  const latestReceivedAt = latestOf({ hour, latestReceivedAt: item.latestReceivedAt?.S });
  const bad = item.bad === undefined ? undefined : numberOf(item, 'bad');
  return { hour, through: sequenceOf(item, 'through'), events: numberOf(item, 'events'), bad, latestReceivedAt };
}

/** What a lane becomes by a batch. `nowMs` are epoch milliseconds. */
export function arrivalsAfter(
  before: Pick<StoredLane, 'hour' | 'latestReceivedAt'> | undefined,
  { latestReceivedAt }: Pick<Decision, 'latestReceivedAt'>,
  nowMs: number,
): Pick<StoredLane, 'hour' | 'latestReceivedAt'> {
  const standing = { hour: before?.hour, latestReceivedAt: before?.latestReceivedAt };
  if (latestReceivedAt === undefined) return standing;
  // A collector's clock that is ahead would keep all that follows for longer.
  const now = hourOf(new Date(nowMs).toISOString());
  const hour = hourOf(latestReceivedAt) < now ? hourOf(latestReceivedAt) : now;
  return {
    // It never goes back, for what a lane expires is all that came up to a place.
    hour: standing.hour !== undefined && standing.hour > hour ? standing.hour : hour,
    latestReceivedAt: laterOf(standing.latestReceivedAt, latestReceivedAt),
  };
}

/** What no clock says is passed over. */
function laterOf(standing: string | undefined, time: string): string | undefined {
  if (Number.isNaN(Date.parse(time))) return standing;
  return standing === undefined || time > standing ? time : standing;
}

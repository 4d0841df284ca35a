import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { ClickstreamError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import type { LaneState } from '../../store/event-store.ts';
import type { Condition, DynamoTable } from './dynamo-client.ts';
import { LANE_PK, laneItem, laneOf, NO_TOTALS, type StoredLane } from './items.ts';

export async function lanesIn(state: DynamoTable): Promise<readonly StoredLane[]> {
  const lanes: StoredLane[] = [];
  for await (const item of state.partition(LANE_PK)) lanes.push(laneOf(item));
  return lanes;
}

/**
 * Changes a lane's item beside its batches, by a compare-and-set: a batch under way then finds it changed, and is sent again. The
 * change is asked for anew each time the item was changed by others; undefined when there is nothing to change.
 */
export async function changeLane(
  state: DynamoTable,
  lane: string,
  change: (stored: StoredLane) => StoredLane | undefined | Promise<StoredLane | undefined>,
): Promise<void> {
  for (let tries = 0; tries < LIMITS.dynamoTries; tries += 1) {
    const item = await state.get({ pk: LANE_PK, sk: lane });
    if (item === undefined) return;
    const stored = laneOf(item);
    const next = await change(stored);
    if (next === undefined) return;
    const result = await state.put(laneItem({ ...next, revision: stored.revision + 1 }), {
      expression: '#revision = :revision',
      names: { '#revision': 'revision' },
      values: { ':revision': item.revision as AttributeValue },
    });
    if (result.kind === 'put') return;
  }
  throw new ClickstreamError('overloaded', `lane ${lane} was written by others each time it was read`);
}

/** Lanes as the batches of one store know them. */
export class Lanes {
  readonly #state: DynamoTable;
  /** As last read or written. */
  readonly #known = new Map<string, StoredLane | undefined>();

  constructor(state: DynamoTable) {
    this.#state = state;
  }

  async read(lane: string): Promise<StoredLane | undefined> {
    const item = await this.#state.get({ pk: LANE_PK, sk: lane });
    const stored = item && laneOf(item);
    this.#known.set(lane, stored);
    return stored;
  }

  /**
   * As it stands; one that is new is put first, with nothing done. So whoever has all lanes fold into another version either finds
   * it, or began before: then what was asked for is seen by who reads it after this.
   */
  async begun(lane: string): Promise<StoredLane> {
    const found = await this.read(lane);
    if (found !== undefined) return found;
    const state = { done: -1n, registry: {}, cuts: {} };
    const none = { journal: [], expiredThrough: undefined, hour: undefined };
    const begun = { lane, state, totals: NO_TOTALS, ...none, revision: 1 };
    await this.#state.put(laneItem(begun), { expression: 'attribute_not_exists(pk)' });
    return (await this.read(lane)) ?? begun;
  }

  /** As last read or written; read, if it never was. */
  async known(lane: string): Promise<StoredLane | undefined> {
    return this.#known.has(lane) ? this.#known.get(lane) : this.read(lane);
  }

  clear(): void {
    this.#known.clear();
  }

  /** Throws when the lane is no longer as it was. */
  async put(before: StoredLane | undefined, after: StoredLane): Promise<void> {
    const condition: Condition =
      before === undefined
        ? { expression: 'attribute_not_exists(pk)' }
        : {
            expression: '#revision = :revision',
            names: { '#revision': 'revision' },
            values: { ':revision': { N: String(before.revision) } },
          };
    const result = await this.#state.put(laneItem(after), condition);
    const found = result.kind === 'refused' && result.found !== undefined ? laneOf(result.found) : undefined;
    // A put that timed out after it had taken place is refused when it is sent again, for what it wrote itself.
    const isMine = found?.revision === after.revision && found.journal.at(-1) === after.journal.at(-1);
    if (result.kind === 'refused' && !(isMine && isSameState(found?.state, after.state))) {
      this.#known.delete(after.lane);
      throw new ClickstreamError('overloaded', `lane ${after.lane} is no longer as it was loaded`);
    }
    this.#known.set(after.lane, after);
  }
}

/** One with nothing done is there for rebuilds alone. */
export function stateOf(stored: StoredLane | undefined): LaneState | undefined {
  return stored === undefined || stored.state.done < 0n ? undefined : stored.state;
}

export function isSameState(a: LaneState | undefined, b: LaneState | undefined): boolean {
  return laneText(a) === laneText(b);
}

function laneText(lane: LaneState | undefined): string {
  if (lane === undefined) return '';
  const cuts = Object.entries(lane.cuts).map(([view, cut]) => `${view}=${cut}`);
  const registry = Object.entries(lane.registry).map(([view, version]) => `${view}@${version}`);
  return [lane.done, ...registry.sort(), ...cuts.sort()].join(' ');
}

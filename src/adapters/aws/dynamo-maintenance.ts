import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { ClickstreamError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import type { View } from '../../core/view.ts';
import type { EventStore } from '../../store/event-store.ts';
import { updatesOf } from '../../store/row-updates.ts';
import { type DynamoTable, type Key, keyOfItem } from './dynamo-client.ts';
import { arrivalAttributes, isErasedNote } from './dynamo-erasures.ts';
import type { DynamoRows } from './dynamo-rows.ts';
import {
  type Item,
  keyOf,
  LANE_PK,
  laneItem,
  laneOf,
  number,
  numberOf,
  positionOf,
  REBUILD_PK,
  rowPk,
  type StoredLane,
  sequenceText,
  storedEventOf,
  text,
  textOf,
} from './items.ts';
import { partKeys } from './large-values.ts';

/** The lane that rebuilt rows belong to; no lane of a log is called so. */
const REBUILD_LANE = 'rebuild';

/** What is done to the tables beside the batches of lanes. */
export class DynamoMaintenance {
  readonly #events: DynamoTable;
  readonly #state: DynamoTable;
  readonly #rows: DynamoRows;

  constructor(parts: { readonly events: DynamoTable; readonly state: DynamoTable; readonly rows: DynamoRows }) {
    this.#events = parts.events;
    this.#state = parts.state;
    this.#rows = parts.rows;
  }

  async expire({ receivedAt, limit }: Parameters<EventStore['expire']>[0]): Promise<number> {
    const old: Item[] = [];
    for (let after: Item | undefined, isFirst = true; isFirst || after !== undefined; isFirst = false) {
      const page = await this.#events.scan({ after, limit: LIMITS.maintenanceEventsMax });
      old.push(...page.items.filter((item) => textOf(item, 'receivedAt') < receivedAt));
      after = page.after;
    }
    old.sort((a, b) => (arrivalOf(a) < arrivalOf(b) ? -1 : 1));
    const expired = old.slice(0, limit);
    const left = new Set(old.slice(limit).map(recordOf));
    await this.#events.deleteAll(expired.map(keyOfItem));
    for (const [lane, own] of Map.groupBy(expired, (item) => positionOf(item).lane)) {
      const last = own.reduce(
        (most, item) => (positionOf(item).sequence > most ? positionOf(item).sequence : most),
        -1n,
      );
      const cut = own.filter((item) => left.has(recordOf(item)));
      // The limit cut a record in two: its events are counted as removed until the rest expires too.
      await this.#addRemoved(cut);
      const through = cut.length > 0 ? last - 1n : last;
      const removed: Item[] = [];
      for await (const item of this.#state.partition(keyOf('removed', lane), { to: sequenceText(through + 1n) })) {
        removed.push(item);
      }
      const erased = removed.filter(isErasedNote).length;
      await this.#changeLane(lane, ({ totals, ...stored }) => ({
        ...stored,
        totals: { ...totals, expired: totals.expired + own.length, erased: totals.erased + erased },
        expiredThrough: through,
        expiredBefore: receivedAt > (stored.expiredBefore ?? '') ? receivedAt : stored.expiredBefore,
      }));
      await this.#state.deleteAll(removed.map(keyOfItem));
    }
    return expired.length;
  }

  /** A step folds one page of the table; done again after a crash, it finds its own number in the rows, and adds nothing. */
  async rebuild(view: View, limit: number): Promise<boolean> {
    const cuts = await this.#takeUp(view);
    if (cuts.size === 0) return true;
    const key = { pk: REBUILD_PK, sk: keyOf(view.name, view.version) };
    const progress = (await this.#state.get(key)) ?? { pk: text(key.pk), sk: text(key.sk), step: number(0) };
    if (numberOf(progress, 'finished') === 1) return this.#dropOlder(view);
    const step = numberOf(progress, 'step') + 1;
    const { items, after } = await this.#events.scan({ after: progress.after?.M, limit });
    const before = items.filter((item) => {
      const { lane, sequence } = positionOf(item);
      return sequence <= (cuts.get(lane) ?? -1n);
    });
    const events = before.map(storedEventOf).sort((a, b) => (a.position.sequence < b.position.sequence ? -1 : 1));
    await this.#rows.absorb(
      updatesOf(view, events, () => REBUILD_LANE),
      BigInt(step),
    );
    const next: Item = { pk: text(key.pk), sk: text(key.sk), step: number(step) };
    await this.#state.set(after === undefined ? { ...next, finished: number(1) } : { ...next, after: { M: after } });
    return after === undefined && this.#dropOlder(view);
  }

  /** Has every lane fold into this version, and returns the cuts of those that did not from their beginning. */
  async #takeUp(view: View): Promise<ReadonlyMap<string, bigint>> {
    const name = `${view.name}@${view.version}`;
    const cuts = new Map<string, bigint>();
    const lanes: StoredLane[] = [];
    for await (const item of this.#state.partition(LANE_PK)) lanes.push(laneOf(item));
    if (lanes.some(({ state }) => (state.registry[view.name] ?? 0) > view.version)) return cuts;
    for (const { lane, state } of lanes) {
      const isTaken = state.registry[view.name] === view.version;
      const cut = isTaken ? state.cuts[name] : state.done;
      if (cut === undefined) continue;
      cuts.set(lane, cut);
      if (isTaken) continue;
      await this.#changeLane(lane, (stored) => {
        const registry = { ...stored.state.registry, [view.name]: view.version };
        cuts.set(lane, stored.state.done);
        return {
          ...stored,
          state: { ...stored.state, registry, cuts: { ...stored.state.cuts, [name]: stored.state.done } },
        };
      });
    }
    return cuts;
  }

  async #dropOlder(view: View): Promise<boolean> {
    for (let version = 0; version < view.version; version += 1) {
      const sources: Key[] = [];
      for await (const item of this.#state.partition(keyOf('sources', view.name, version))) {
        sources.push(keyOfItem(item));
      }
      for (const { sk: source } of sources) {
        const rows: Key[] = [];
        for await (const row of this.#state.partition(rowPk({ view: view.name, version, source }))) {
          rows.push(keyOfItem(row), ...partKeys(row));
        }
        await this.#state.deleteAll(rows);
      }
      await this.#state.deleteAll(sources);
    }
    return true;
  }

  /** Adds to what an expiry that was cut off took of each record. */
  async #addRemoved(items: readonly Item[]): Promise<void> {
    for (const own of Map.groupBy(items, recordOf).values()) {
      const [first] = own;
      if (first === undefined) continue;
      const { lane, sequence } = positionOf(first);
      const key = { pk: keyOf('removed', lane), sk: sequenceText(sequence) };
      const before = await this.#state.get(key);
      const events = own.length + (before === undefined ? 0 : numberOf(before, 'events'));
      await this.#state.set({
        pk: text(key.pk),
        sk: text(key.sk),
        events: number(events),
        ...arrivalAttributes(first),
      });
    }
  }

  async #changeLane(lane: string, change: (stored: StoredLane) => StoredLane): Promise<void> {
    for (let tries = 0; tries < LIMITS.dynamoTries; tries += 1) {
      const item = await this.#state.get({ pk: LANE_PK, sk: lane });
      if (item === undefined) return;
      const stored = laneOf(item);
      const result = await this.#state.put(laneItem({ ...change(stored), revision: stored.revision + 1 }), {
        expression: '#revision = :revision',
        names: { '#revision': 'revision' },
        values: { ':revision': item.revision as AttributeValue },
      });
      if (result.kind === 'put') return;
    }
    throw new ClickstreamError('overloaded', `lane ${lane} was written by others each time it was read`);
  }
}

function recordOf(item: Item): string {
  const { lane, sequence } = positionOf(item);
  return keyOf(lane, sequenceText(sequence));
}

/** Orders as events arrived. */
function arrivalOf(item: Item): string {
  const { lane, sequence, index } = positionOf(item);
  return keyOf(textOf(item, 'receivedAt'), sequenceText(sequence), lane, String(index).padStart(6, '0'));
}

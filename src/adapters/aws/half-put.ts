import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Identity } from '../../core/event.ts';
import { LIMITS } from '../../core/limits.ts';
import type { LaneRecord } from '../../log/event-log.ts';
import { atOnce } from './at-once.ts';
import { badPk } from './bad-items.ts';
import { DynamoTable, type Key, keyOfItem } from './dynamo-client.ts';
import { eventKeyOf, type Item, keyOf, orderOf, partsOf, sequenceText, textOf, typeOrderOf } from './items.ts';
import { partKeys } from './large-values.ts';
import type { TableNames } from './tables.ts';

/** The events of a record, which the core reads and an adapter does not; none when it cannot be read. */
export type EventsIn = (
  record: LaneRecord,
) => readonly { readonly identity: Identity; readonly timestamp: string; readonly index: number }[];

export interface HalfPutOptions {
  readonly client: Pick<DynamoDBClient, 'send'>;
  readonly tables: TableNames;
  readonly eventsIn: EventsIn;
}

/**
 * What tries put of a record that never came to their end: it lies at the record's place, and is counted nowhere. When the
 * record is dead, no further try completes it. It must go, or its events are duplicates once the record is put back, and never
 * counted; those that were set aside are listed twice. A visitor's state stays as the try left it: a session that it began is
 * not begun once more.
 */
export class HalfPut {
  readonly #events: DynamoTable;
  readonly #state: DynamoTable;
  readonly #eventsIn: EventsIn;

  constructor({ client, tables, eventsIn }: HalfPutOptions) {
    this.#events = new DynamoTable(client, tables.events);
    this.#state = new DynamoTable(client, tables.state);
    this.#eventsIn = eventsIn;
  }

  async isThere(lane: string, records: readonly LaneRecord[]): Promise<boolean> {
    const [events, bad] = [await this.#eventsOf(lane, records), await this.#badOf(lane, records)];
    return events.length > 0 || bad.length > 0;
  }

  /** Only of records that are counted as dead, or can no longer be counted at all. Records are in the order of their lane. */
  async takeBack(lane: string, records: readonly LaneRecord[]): Promise<void> {
    await atOnce(await this.#eventsOf(lane, records), LIMITS.dynamoPutsAtOnce, (item) =>
      this.#events.deleteIf(keyOfItem(item), { name: 'typeOrder', value: textOf(item, 'typeOrder') }),
    );
    const bad = await this.#badOf(lane, records);
    await this.#state.deleteAll(bad.flatMap((item) => [keyOfItem(item), ...partKeys(item)]));
  }

  async #eventsOf(lane: string, records: readonly LaneRecord[]): Promise<readonly Item[]> {
    const places = new Set<string>();
    const keys = new Map<string, Key>();
    for (const record of records) {
      for (const { identity, timestamp, index } of this.#eventsIn(record)) {
        const key = eventKeyOf(identity);
        keys.set(keyOf(key.pk, key.sk), key);
        places.add(keyOf(key.pk, key.sk, typeOrderOf(timestamp, { lane, sequence: record.sequence, index })));
      }
    }
    const found = await this.#events.getAll([...keys.values()]);
    return found.filter((item) => places.has(keyOf(textOf(item, 'pk'), textOf(item, 'sk'), orderOf(item))));
  }

  /** Events that a try set aside. */
  async #badOf(lane: string, records: readonly LaneRecord[]): Promise<readonly Item[]> {
    const own = new Set(records.map(({ sequence }) => sequenceText(sequence)));
    const [first, last] = [records.at(0), records.at(-1)];
    if (first === undefined || last === undefined) return [];
    const range = { from: sequenceText(first.sequence), to: sequenceText(last.sequence + 1n) };
    const bad: Item[] = [];
    for await (const item of this.#state.partition(badPk(lane), range)) {
      if (own.has(partsOf(textOf(item, 'sk'))[0] ?? '')) bad.push(item);
    }
    return bad;
  }
}

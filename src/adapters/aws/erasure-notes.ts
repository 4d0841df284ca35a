import { randomBytes } from 'node:crypto';
import type { Erase, ErasedPlaces, Erasing, ErasureCounts } from '../../core/erasures.ts';
import type { RecordPosition } from '../../log/event-log.ts';
import { type VisitorKey, visitorText } from '../../store/event-store.ts';
import { TOMBSTONE_KEY_BYTES, tombstoneHash } from '../../store/tombstones.ts';
import { badKey } from './bad-items.ts';
import { changeItem, UNCHANGED } from './change-item.ts';
import { deadKey } from './dead-items.ts';
import type { Condition, DynamoTable, Key } from './dynamo-client.ts';
import {
  ERASURE_PK,
  type Item,
  keyOf,
  LATEST_ERASURE_SK,
  number,
  numberOf,
  partsOf,
  sequenceText,
  text,
  textOf,
} from './items.ts';
import { eraseLarge } from './large-values.ts';

/** What is remembered of erasures for good, and what is known of each that was asked for. */
export class ErasureNotes {
  readonly #state: DynamoTable;

  constructor(state: DynamoTable) {
    this.#state = state;
  }

  async until(ids: readonly VisitorKey[]): Promise<ReadonlyMap<string, string>> {
    const key = await this.#key();
    if (key === undefined) return new Map();
    const texts = new Map(ids.map((id) => [tombstonePk(key, id), visitorText(id)]));
    const found = await this.#state.getAll([...texts.keys()].map((pk) => ({ pk, sk: TOMBSTONE_SK })));
    return new Map(found.map((item) => [texts.get(textOf(item, 'pk')) ?? '', textOf(item, 'until')]));
  }

  /**
   * Before anything is hidden. First the latest of all, by which others know that there is something to ask for. Done again, it
   * changes nothing.
   */
  async remember(erase: Erase & { readonly lane: string }): Promise<void> {
    const { source, visitor, lane, sequence, until, erasure = '' } = erase;
    const key = (await this.#key()) ?? (await this.#makeKey());
    await this.#raise({ pk: ERASURE_PK, sk: LATEST_ERASURE_SK }, until);
    await this.#raise({ pk: tombstonePk(key, { source, visitor }), sk: TOMBSTONE_SK }, until);
    const noted = await this.#state.put({
      ...keyItem(noteKey({ lane, sequence }, erasure)),
      isSearched: { BOOL: false },
      ...UNCHANGED,
    });
    // Searched already: an earlier try of this batch came so far.
    if (noted.kind === 'refused' && noted.found?.isSearched?.BOOL === true) return;
    await this.#state.set({
      ...keyItem(erasingKey({ lane, sequence })),
      ...{ source: text(source), visitor: text(visitor), until: text(until), erasure: text(erasure) },
    });
  }

  /** What an erasure takes of events, links and state; the first count stands, for a second one would find less. */
  async count(
    place: RecordPosition & { readonly erasure: string },
    counts: Pick<ErasureCounts, 'events' | 'visitors' | 'links'>,
  ): Promise<void> {
    const { events, visitors, links } = counts;
    const counted = { events: number(events), visitors: number(visitors), links: number(links) };
    await this.#change(place, (item) => (item.events === undefined ? { ...item, ...counted } : undefined));
  }

  /** A count that is cut off right after the bytes went is short by that much. */
  async eraseBytes({ lane, sequence, erasure = '' }: Erasing, { bad, dead }: ErasedPlaces): Promise<void> {
    const counts = { bad: 0, dead: 0 };
    for (const position of bad) {
      if (await eraseLarge(this.#state, badKey(position))) counts.bad += 1;
    }
    for (const record of dead) {
      if (await eraseLarge(this.#state, deadKey(record))) counts.dead += 1;
    }
    await this.#change({ lane, sequence, erasure }, (item) => ({
      ...item,
      bad: number(numberOf(item, 'bad') + counts.bad),
      dead: number(numberOf(item, 'dead') + counts.dead),
    }));
  }

  async noteErased({ lane, sequence, erasure = '' }: Erasing): Promise<void> {
    await this.#change({ lane, sequence, erasure }, (item) => ({ ...item, isSearched: { BOOL: true } }));
    await this.#state.deleteAll([erasingKey({ lane, sequence })]);
  }

  async #change(
    place: RecordPosition & { readonly erasure: string },
    change: (item: Item) => Item | undefined,
  ): Promise<void> {
    await changeItem(this.#state, noteKey(place, place.erasure), change);
  }

  /** Puts a time, unless a later one is there. */
  async #raise(key: Key, until: string): Promise<void> {
    const earlier: Condition = {
      expression: 'attribute_not_exists(pk) OR #until < :until',
      names: { '#until': 'until' },
      values: { ':until': text(until) },
    };
    await this.#state.put({ ...keyItem(key), until: text(until) }, earlier);
  }

  async #key(): Promise<Uint8Array | undefined> {
    return (await this.#state.get(HASH_KEY))?.key?.B;
  }

  async #makeKey(): Promise<Uint8Array> {
    const key = randomBytes(TOMBSTONE_KEY_BYTES);
    const put = await this.#state.put({ ...keyItem(HASH_KEY), key: { B: key } });
    return (put.kind === 'refused' ? put.found?.key?.B : undefined) ?? key;
  }
}

export async function readErasing(state: DynamoTable, limit: number): Promise<readonly Erasing[]> {
  const erasing: Erasing[] = [];
  for await (const item of state.partition(ERASING_PK)) {
    if (erasing.length === limit) break;
    const [lane = '', sequence = ''] = partsOf(textOf(item, 'sk'));
    const [source, visitor, until] = [textOf(item, 'source'), textOf(item, 'visitor'), textOf(item, 'until')];
    const erasure = textOf(item, 'erasure');
    const of = erasure === '' ? {} : { erasure };
    erasing.push({ lane, sequence: BigInt(sequence), source, visitor, until, ...of });
  }
  return erasing;
}

export async function readErasure(
  state: DynamoTable,
  erasure: string,
  hiddenUntilMs: (place: RecordPosition) => number | undefined,
): Promise<ErasureCounts | undefined> {
  const sum = { applied: 0, searching: 0, events: 0, visitors: 0, links: 0, bad: 0, dead: 0 };
  let hiddenMs = 0;
  for await (const item of state.partition(keyOf('erasure', erasure))) {
    const [lane = '', sequence = ''] = partsOf(textOf(item, 'sk'));
    sum.applied += 1;
    if (item.isSearched?.BOOL !== true) sum.searching += 1;
    for (const name of ['events', 'visitors', 'links', 'bad', 'dead'] as const) sum[name] += numberOf(item, name);
    hiddenMs = Math.max(hiddenMs, hiddenUntilMs({ lane, sequence: BigInt(sequence) }) ?? 0);
  }
  if (sum.applied === 0) return undefined;
  return { ...sum, ...(hiddenMs > 0 && { hiddenUntil: new Date(hiddenMs).toISOString() }) };
}

const ERASING_PK = 'erasing';
const TOMBSTONE_SK = '-';
const HASH_KEY: Key = { pk: 'tombstone', sk: 'key' };

function tombstonePk(key: Uint8Array, id: VisitorKey): string {
  return keyOf('tombstone', tombstoneHash(key, id).toString('hex'));
}

function noteKey({ lane, sequence }: RecordPosition, erasure: string): Key {
  return { pk: keyOf('erasure', erasure), sk: keyOf(lane, sequenceText(sequence)) };
}

function erasingKey({ lane, sequence }: RecordPosition): Key {
  return { pk: ERASING_PK, sk: keyOf(lane, sequenceText(sequence)) };
}

function keyItem({ pk, sk }: Key): Item {
  return { pk: text(pk), sk: text(sk) };
}

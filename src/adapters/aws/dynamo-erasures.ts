import { createHash } from 'node:crypto';
import type { Erase, Forgotten } from '../../core/erasures.ts';
import { identityChecksum } from '../../core/identities.ts';
import type { EventPosition, VisitorKey } from '../../store/event-store.ts';
import { badKey } from './bad-items.ts';
import { deadKey } from './dead-items.ts';
import { type DynamoTable, type Key, keyOfItem } from './dynamo-client.ts';
import { ErasureNotes } from './erasure-notes.ts';
import {
  ERASURE_PK,
  eventKeyOf,
  type Item,
  identityOfKey,
  isAt,
  keyOf,
  LATEST_ERASURE_SK,
  number,
  numberOf,
  positionOf,
  sequenceOf,
  sequenceText,
  storedEventOf,
  text,
  textOf,
  VISITOR_SK,
  visitorPk,
} from './items.ts';
import { partKeys } from './large-values.ts';

/** An erasure whose events are hidden, and not yet deleted. */
export interface PendingErasure extends VisitorKey {
  /** The lane that its record came in. */
  readonly lane: string;
  /** Events before it are hidden. */
  readonly sequence: bigint;
  /** Epoch milliseconds: from then on no invocation can be under way that began before it. */
  readonly dueAtMs: number;
  /** The visitor had a state, and is one less in the totals. */
  readonly visitors: number;
  /** Links that were hidden. */
  readonly links: number;
  readonly erasure: string;
}

/** The erasures that are pending at one moment; there are hardly ever any. */
export class PendingErasures {
  readonly all: readonly PendingErasure[];
  readonly #before: ReadonlyMap<string, bigint>;
  /** The latest `until` of all that was ever erased. */
  readonly until: string | undefined;

  constructor(all: readonly PendingErasure[], until?: string) {
    this.all = all;
    this.until = until;
    this.#before = new Map(all.map(({ source, visitor, sequence }) => [keyOf(source, visitor), sequence]));
  }

  /** The sequence of a visitor's erasure. */
  of({ source, visitor }: VisitorKey): bigint | undefined {
    return this.#before.get(keyOf(source, visitor));
  }

  /** Whether a sequence comes after all that was erased of its visitor; who began before the erasure may still be at work. */
  isAfter({ source, visitor }: VisitorKey, sequence: bigint): boolean {
    return sequence > (this.of({ source, visitor }) ?? -1n);
  }

  /** Whether an event is one that was erased. */
  hides(item: Item): boolean {
    if (this.#before.size === 0) return false;
    const before = this.#before.get(textOf(item, 'pk'));
    return before !== undefined && positionOf(item).sequence < before;
  }
}

/** Whether a link was put before an erasure of its visitor; perhaps after it, by who began before. */
export function isErasedLink(link: Item, { all }: PendingErasures): boolean {
  return all.some(
    ({ source, visitor, sequence }) => textOf(link, 'sk') === keyOf(source, visitor) && linkedAt(link) < sequence,
  );
}

/**
 * Erasing without transactions (docs/exactly-once.md): at the erasure's place in the lane the visitor's state becomes empty and its
 * earlier events are hidden; they are deleted only once every invocation that began before must be dead, for one of them
 * could put an event back.
 */
export class DynamoErasures {
  readonly #events: DynamoTable;
  readonly #state: DynamoTable;
  readonly #delayMs: number;
  readonly #notes: ErasureNotes;

  constructor(parts: { readonly events: DynamoTable; readonly state: DynamoTable; readonly delayMs: number }) {
    this.#events = parts.events;
    this.#state = parts.state;
    this.#delayMs = parts.delayMs;
    this.#notes = new ErasureNotes(parts.state);
  }

  async pending(): Promise<PendingErasures> {
    return readPending(this.#state);
  }

  /** Hides; done again, it changes nothing. Returns how many visitors are gone. */
  async hide(lane: string, erase: Erase, nowMs: number): Promise<number> {
    const { source, visitor, sequence, erasure = '' } = erase;
    await this.#notes.remember({ ...erase, lane });
    const place = { pk: visitorPk({ source, visitor }), sk: VISITOR_SK };
    const state = await this.#state.get(place);
    const hadState = state !== undefined && textOf(state, 'state') !== '' && sequenceOf(state) < sequence;
    const links = (await this.#linksOf(erase)).length;
    const due = { dueAtMs: nowMs + this.#delayMs, visitors: hadState ? 1 : 0, links };
    const item = erasureItem({ source, visitor, sequence, lane, erasure, ...due });
    // An earlier one of the same visitor, still pending, is within this one.
    const put = await this.#state.put(item, {
      expression: 'attribute_not_exists(pk) OR #order < :order',
      names: { '#order': 'order' },
      values: { ':order': item.order ?? number(0) },
    });
    const stands = put.kind === 'put' || put.found === undefined ? item : put.found;
    await this.#empty(place, { state, sequence });
    await this.#unlink(erase);
    return numberOf(stands, 'visitors');
  }

  /** Deletes what is due and hidden. */
  async delete(due: readonly PendingErasure[]): Promise<void> {
    for (const erasure of due) {
      const { source, visitor, sequence } = erasure;
      const gone: Item[] = [];
      for await (const item of this.#events.partition(keyOf(source, visitor))) {
        if (positionOf(item).sequence < sequence) gone.push(item);
      }
      for (const item of gone) await this.noteRemoved(item);
      const { visitors, links } = erasure;
      await this.#notes.count(erasure, { events: gone.length, visitors, links });
      await this.#unlink(erasure);
      for (const item of gone) {
        await this.#events.deleteIf(keyOfItem(item), { name: 'typeOrder', value: textOf(item, 'typeOrder') });
      }
      const place = { pk: visitorPk({ source, visitor }), sk: VISITOR_SK };
      await this.#state.deleteIf(place, { name: 'state', value: '' });
      const erased = { pk: ERASURE_PK, sk: keyOf(source, visitor) };
      await this.#state.deleteIf(erased, { name: 'order', value: sequenceText(sequence) });
    }
  }

  /** Put by an earlier try, before it was known that it is not to be taken in; now that nobody counts it any more. */
  async takeBack(forgotten: readonly Forgotten[]): Promise<void> {
    const aside: Key[] = [];
    const keys = new Map<string, { readonly key: Key; readonly position: EventPosition }>();
    for (const { put } of forgotten) {
      if (put.as === 'event') {
        const key = eventKeyOf(put.identity);
        keys.set(keyOf(key.pk, key.sk), { key, position: put.position });
      } else aside.push(put.as === 'bad' ? badKey(put.position) : deadKey(put.position));
    }
    const found = await this.#state.getAll(aside);
    await this.#state.deleteAll(found.flatMap((item) => [keyOfItem(item), ...partKeys(item)]));
    for (const item of await this.#events.getAll([...keys.values()].map(({ key }) => key))) {
      const asked = keys.get(keyOf(textOf(item, 'pk'), textOf(item, 'sk')));
      if (asked === undefined || !isAt(positionOf(item), asked.position)) continue;
      await this.#events.deleteIf(asked.key, { name: 'typeOrder', value: textOf(item, 'typeOrder') });
    }
  }

  /** An empty state and no absent one: what began before and finds none would put its own. */
  async #empty(
    { pk, sk }: Key,
    { state, sequence }: { readonly state: Item | undefined; readonly sequence: bigint },
  ): Promise<void> {
    if (state !== undefined && sequenceOf(state) >= sequence) return;
    const empty = { pk: text(pk), sk: text(sk), sequence: text(sequenceText(sequence)), state: text('') };
    const result = await this.#state.put(
      empty,
      state === undefined
        ? { expression: 'attribute_not_exists(pk)' }
        : {
            expression: '#sequence = :loaded',
            names: { '#sequence': 'sequence' },
            values: { ':loaded': state.sequence ?? text('') },
          },
    );
    if (result.kind === 'put') return;
    const found = result.found ?? (await this.#state.get({ pk, sk }));
    await this.#empty({ pk, sk }, { state: found, sequence });
  }

  async #unlink(erase: VisitorKey & { readonly sequence: bigint }): Promise<void> {
    for (const link of await this.#linksOf(erase)) {
      await this.#state.deleteIf(keyOfItem(link), { name: 'order', value: textOf(link, 'order') });
    }
  }

  /** Users are named by the events alone. */
  async #linksOf({ source, visitor, sequence }: VisitorKey & { readonly sequence: bigint }): Promise<readonly Item[]> {
    const users = new Set<string>();
    for await (const item of this.#events.partition(keyOf(source, visitor))) {
      if (positionOf(item).sequence >= sequence) continue;
      const { userId } = storedEventOf(item);
      if (userId !== undefined) users.add(userId);
    }
    const keys = [...users].map((userId) => ({ pk: keyOf('link', userId), sk: keyOf(source, visitor) }));
    return (await this.#state.getAll(keys)).filter((link) => linkedAt(link) < sequence);
  }

  /**
   * Before an erased event is deleted, or makes room for the same one that came again. One item for each, the same however
   * often it is put, so that totals and counts of records stay right.
   */
  async noteRemoved(item: Item): Promise<void> {
    await this.#state.set({
      pk: text(keyOf('removed', positionOf(item).lane)),
      sk: text(removedSk(item)),
      events: number(1),
      identities: number(identityChecksum(identityOfKey(item))),
      ...arrivalAttributes(item),
    });
  }
}

/** The name of the note that an event was removed, among those of its lane. */
export function removedSk(item: Item): string {
  const { sequence, index } = positionOf(item);
  const event = createHash('sha256').update(textOf(item, 'pk')).update(textOf(item, 'sk')).digest('hex');
  return keyOf(sequenceText(sequence), String(index), event);
}

/** Which hour of which source counts an event that is removed. */
export function arrivalAttributes(event: Item): Item {
  const [source = ''] = textOf(event, 'pk').split('\0');
  return { source: text(source), hour: text(textOf(event, 'receivedAt').slice(0, 13)) };
}

export async function readPending(state: DynamoTable): Promise<PendingErasures> {
  const all: PendingErasure[] = [];
  let until: string | undefined;
  for await (const item of state.partition(ERASURE_PK)) {
    if (textOf(item, 'sk') === LATEST_ERASURE_SK) until = textOf(item, 'until');
    else all.push(erasureOf(item));
  }
  return new PendingErasures(all, until);
}

function erasureItem(pending: PendingErasure): Item {
  const { source, visitor, lane, sequence, dueAtMs, visitors, links, erasure } = pending;
  return {
    pk: text(ERASURE_PK),
    sk: text(keyOf(source, visitor)),
    lane: text(lane),
    order: text(sequenceText(sequence)),
    dueAtMs: number(dueAtMs),
    visitors: number(visitors),
    links: number(links),
    erasure: text(erasure),
  };
}

function erasureOf(item: Item): PendingErasure {
  const [source = '', visitor = ''] = textOf(item, 'sk').split('\0');
  const [dueAtMs, visitors, links] = [numberOf(item, 'dueAtMs'), numberOf(item, 'visitors'), numberOf(item, 'links')];
  const place = { lane: textOf(item, 'lane'), sequence: sequenceOf(item, 'order') };
  return { source, visitor, ...place, dueAtMs, visitors, links, erasure: item.erasure?.S ?? '' };
}

/** A link's order begins with the sequence it was put at. */
function linkedAt(link: Item): bigint {
  return BigInt(textOf(link, 'order').split('\0')[0] ?? '');
}

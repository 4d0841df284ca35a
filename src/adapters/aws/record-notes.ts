import { LIMITS } from '../../core/limits.ts';
import { readJson } from '../../core/read-json.ts';
import type { RecordPosition } from '../../log/event-log.ts';
import type { RecordNote } from '../../store/event-store.ts';
import { type Item, keyOf, number, partsOf, sequenceText, text, textOf } from './items.ts';

export function notePk(lane: string): string {
  return keyOf('note', lane);
}

const DAY_SECONDS = 86_400;

/** A day longer than a receipt is answered. */
export function noteItem(lane: string, { sequence, receivedAt, duplicates, bad, forgotten }: RecordNote): Item {
  const expiresAt = Math.floor(Date.parse(receivedAt) / 1_000) + (LIMITS.receiptDays + 1) * DAY_SECONDS;
  return {
    pk: text(notePk(lane)),
    sk: text(sequenceText(sequence)),
    receivedAt: text(receivedAt),
    duplicates: text(JSON.stringify(duplicates)),
    bad: text(JSON.stringify(bad)),
    ...(forgotten && { forgotten: text(JSON.stringify(forgotten)) }),
    expiresAt: number(expiresAt),
  };
}

export function noteOf(item: Item): RecordNote & RecordPosition {
  const [, lane = ''] = partsOf(textOf(item, 'pk'));
  const placesOf = (name: string) => readJson(textOf(item, name)) as readonly number[];
  return {
    ...{ lane, sequence: BigInt(textOf(item, 'sk')), receivedAt: textOf(item, 'receivedAt') },
    ...{ duplicates: placesOf('duplicates'), bad: placesOf('bad') },
    ...(item.forgotten && { forgotten: placesOf('forgotten') }),
  };
}

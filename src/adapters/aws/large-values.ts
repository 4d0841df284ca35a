import { deflateRawSync } from 'node:zlib';
import { ERASED_DETAIL } from '../../core/erasures.ts';
import { LIMITS } from '../../core/limits.ts';
import { changeItem } from './change-item.ts';
import type { DynamoTable, Key } from './dynamo-client.ts';
import { type Item, keyOf, number, numberOf, text, textOf } from './items.ts';

/**
 * A value as an attribute of its item, or, where it is longer than an item may be (400 KB,
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html), in parts beside it, which are put here,
 * before the item that names them. `version` tells the parts of one putting from those of another; `more` is what each part has beside.
 */
export async function putLarge(
  table: DynamoTable,
  key: Key,
  value: Uint8Array,
  version: string,
  more: Item = {},
): Promise<Item> {
  if (value.length <= LIMITS.dynamoValueBytesMax) return { value: { B: value } };
  const parts = Math.ceil(value.length / LIMITS.dynamoValueBytesMax);
  for (let part = 0; part < parts; part += 1) {
    const start = part * LIMITS.dynamoValueBytesMax;
    const { pk, sk } = partKey(key, version, part);
    await table.set({
      pk: text(pk),
      sk: text(sk),
      ...more,
      value: { B: value.subarray(start, start + LIMITS.dynamoValueBytesMax) },
    });
  }
  return { parts: number(parts), version: text(version) };
}

/** Throws when a part is missing. */
export async function readLarge(table: DynamoTable, item: Item): Promise<Buffer> {
  const whole = item.value?.B;
  if (whole !== undefined) return Buffer.from(whole);
  const keys = partKeys(item);
  const found = new Map((await table.getAll(keys)).map((part) => [textOf(part, 'sk'), part.value?.B]));
  const parts = keys.map(({ sk }) => found.get(sk));
  if (parts.some((part) => part === undefined)) throw new Error(`a part of ${textOf(item, 'pk')} is missing`);
  return Buffer.concat(parts.map((part) => part ?? new Uint8Array()));
}

/** Empties the value of a bad event or a dead record that is there; its detail says why. Whether it had one. */
export async function eraseLarge(table: DynamoTable, key: Key): Promise<boolean> {
  // Also of a try whose answer was lost, which finds it erased by itself.
  let held: readonly Key[] | undefined;
  await changeItem(table, key, (item) => {
    if (isErased(item)) return undefined;
    held = partKeys(item);
    const { parts, version, replayLine, ...rest } = item;
    return {
      ...rest,
      ...(item.replayVisitor && { replayVisitor: text('') }),
      detail: text(ERASED_DETAIL),
      value: { B: deflateRawSync('') },
    };
  });
  await table.deleteAll(held ?? []);
  return held !== undefined;
}

export function isErased(item: Item): boolean {
  return item.detail?.S === ERASED_DETAIL;
}

/** Keys of the parts that an item names, for deleting them. */
export function partKeys(item: Item): readonly Key[] {
  const key = { pk: textOf(item, 'pk'), sk: textOf(item, 'sk') };
  return Array.from({ length: numberOf(item, 'parts') }, (_, part) => partKey(key, textOf(item, 'version'), part));
}

/** Where the parts of items of a partition lie. */
export function partPk(pk: string): string {
  return keyOf('part', pk);
}

function partKey({ pk, sk }: Key, version: string, part: number): Key {
  return { pk: partPk(pk), sk: keyOf(sk, version, String(part).padStart(4, '0')) };
}

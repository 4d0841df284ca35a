import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { LIMITS } from '../../core/limits.ts';
import type { SealedText, Sealing } from '../../store/event-store.ts';
import { atOnce } from './at-once.ts';
import type { Condition, DynamoTable } from './dynamo-client.ts';
import { type Item, number, numberOf, rowPk, rowSk, SEALED_KEY, text, WITNESS_PK } from './items.ts';
import { partKeys, putLarge, readLarge } from './large-values.ts';

/**
 * Puts the sealed ledger by one compare-and-set: from then on readers pass over what it holds. What it makes superfluous then goes,
 * unless it is another by now; what a crash leaves of it goes with the next sealing.
 */
export async function seal(
  table: DynamoTable,
  { from, text: sealed, rows, witnesses }: Sealing,
  attempt: string,
): Promise<boolean> {
  const before = await table.get(SEALED_KEY);
  if (revisionOf(before) !== from) return false;
  const held = await putLarge(table, SEALED_KEY, deflateRawSync(sealed), attempt);
  const { pk, sk } = SEALED_KEY;
  const item: Item = { pk: text(pk), sk: text(sk), revision: number(from + 1), attempt: text(attempt), ...held };
  const put = await table.put(item, unchanged(before));
  // A put whose answer was lost is refused when it is sent again, for what it wrote itself.
  if (put.kind === 'refused' && put.found?.attempt?.S !== attempt) {
    await table.deleteAll(partKeys(item));
    return false;
  }
  if (before !== undefined) await table.deleteAll(partKeys(before));
  await atOnce(rows, LIMITS.dynamoPutsAtOnce, async ({ key, mark }) => {
    const place = { pk: rowPk(key), sk: rowSk(key) };
    await table.deleteIf(place, { name: 'sequence', value: mark });
  });
  await atOnce(witnesses, LIMITS.dynamoPutsAtOnce, async ({ collector, number: settled }) => {
    await table.deleteIf({ pk: WITNESS_PK, sk: collector }, { name: 'number', value: settled });
  });
  return true;
}

/** Its parts, where it has any, go when it is written anew: then it is read anew. */
export async function readSealed(table: DynamoTable): Promise<SealedText | undefined> {
  for (let item = await table.get(SEALED_KEY); item !== undefined; ) {
    try {
      return { revision: revisionOf(item), text: inflateRawSync(await readLarge(table, item)).toString() };
    } catch (thrown) {
      const again = await table.get(SEALED_KEY);
      if (revisionOf(again) === revisionOf(item)) throw thrown;
      item = again;
    }
  }
  return undefined;
}

function revisionOf(item: Item | undefined): number {
  return item === undefined ? 0 : numberOf(item, 'revision');
}

function unchanged(found: Item | undefined): Condition {
  if (found === undefined) return { expression: 'attribute_not_exists(pk)' };
  return {
    expression: '#revision = :revision',
    names: { '#revision': 'revision' },
    values: { ':revision': number(revisionOf(found)) },
  };
}

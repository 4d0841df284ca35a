import { ClickstreamError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import type { DynamoTable, Key } from './dynamo-client.ts';
import { type Item, number, numberOf } from './items.ts';

/** What is put first of an item that is changed later: each change raises it. */
export const UNCHANGED: Item = { revision: number(0) };

/**
 * Changes an item, which a put replaces whole: only if it is as it was read, or what others changed meanwhile would be undone,
 * and bytes that an erasure took would come back. Else it is read anew. Undefined changes nothing. Returns the item as it is then;
 * none where none is there.
 */
export async function changeItem(
  table: DynamoTable,
  key: Key,
  change: (item: Item) => Item | undefined,
): Promise<Item | undefined> {
  let found = await table.get(key);
  for (let tries = 0; tries < LIMITS.dynamoTries; tries += 1) {
    const changed = found && change(found);
    if (found === undefined || changed === undefined) return found;
    const revision = numberOf(found, 'revision');
    const becomes = { ...changed, revision: number(revision + 1) };
    const result = await table.put(becomes, {
      expression: '#revision = :revision',
      names: { '#revision': 'revision' },
      values: { ':revision': number(revision) },
    });
    if (result.kind === 'put') return becomes;
    found = result.found;
  }
  throw new ClickstreamError('overloaded', `${table.name}: an item was written by others each time it was read`);
}

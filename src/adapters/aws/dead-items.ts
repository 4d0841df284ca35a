import { deflateRawSync } from 'node:zlib';
import type { RecordPosition } from '../../log/event-log.ts';
import type { DeadRecord } from '../../store/event-store.ts';
import { changeItem, UNCHANGED } from './change-item.ts';
import type { DynamoTable, Key, Put } from './dynamo-client.ts';
import { deadAttributes, deadPk, redrivenAttributes, redrivenOf, sequenceText, text } from './items.ts';
import { putLarge } from './large-values.ts';

/** Puts a dead record if none is at its place. `version` is that of its parts, where it is long. */
export async function putDeadItem(state: DynamoTable, record: DeadRecord, version: string): Promise<Put> {
  const key = deadKey(record);
  const held = await putLarge(state, key, deflateRawSync(record.payload), version);
  return state.put({ pk: text(key.pk), sk: text(key.sk), ...deadAttributes(record), ...held, ...UNCHANGED });
}

/** The first note stands. Throws when there is no such dead record. */
export async function noteRedriven(
  state: DynamoTable,
  dead: RecordPosition,
  position: RecordPosition,
): Promise<RecordPosition> {
  const stands = await changeItem(state, deadKey(dead), (item) =>
    redrivenOf(item) === undefined ? { ...item, ...redrivenAttributes(position) } : undefined,
  );
  if (stands === undefined) throw new Error(`there is no dead record ${dead.sequence} of ${dead.lane}`);
  return redrivenOf(stands) ?? position;
}

export function deadKey({ lane, sequence }: RecordPosition): Key {
  return { pk: deadPk(lane), sk: sequenceText(sequence) };
}

import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { LIMITS } from '../../core/limits.ts';
import type { RecordPosition } from '../../log/event-log.ts';
import type {
  BadEvent,
  BadReason,
  EventPosition,
  ReplayClaim,
  ReplayKey,
  ReplayNote,
} from '../../store/event-store.ts';
import { atOnce } from './at-once.ts';
import type { DynamoTable, Key } from './dynamo-client.ts';
import {
  expiryOf,
  hourOf,
  type Item,
  keyOf,
  number,
  numberOf,
  partsOf,
  sequenceOf,
  sequenceText,
  text,
  textOf,
} from './items.ts';
import { putLarge, readLarge } from './large-values.ts';

// Events set aside, and what is put back for them.

export function badPk(lane: string): string {
  return keyOf('bad', lane);
}

export function badSk({ sequence, index }: Pick<EventPosition, 'sequence' | 'index'>): string {
  return keyOf(sequenceText(sequence), String(index).padStart(6, '0'));
}

/** What is read of one without its payload, beside its key. */
export const REASON_ATTRIBUTES = [
  ...['source', 'receivedAt', 'code', 'detail', 'eventType'],
  ...['firstLane', 'firstSequence', 'firstIndex', 'attempt'],
] as const;

/** Puts events set aside, each if absent; `hour` is the lane's, by which they expire, and `version` that of the parts of long ones. */
export async function putBadItems(
  state: DynamoTable,
  bad: readonly BadEvent[],
  { hour, version }: { readonly hour: string; readonly version: () => string },
): Promise<void> {
  await atOnce(bad, LIMITS.dynamoPutsAtOnce, async (event) => {
    const key = { pk: badPk(event.position.lane), sk: badSk(event.position) };
    const expiry = expiryOf(hour);
    const held = await putLarge(state, key, deflateRawSync(event.payload), version(), expiry);
    await state.put({ pk: text(key.pk), sk: text(key.sk), ...reasonAttributes(event), ...held, ...expiry });
  });
}

function reasonAttributes({ source, receivedAt, code, detail, eventType, cameFrom }: BadReason): Item {
  return {
    ...{ source: text(source), receivedAt: text(receivedAt), code: text(code), detail: text(detail) },
    ...(eventType !== undefined && { eventType: text(eventType) }),
    ...(cameFrom && {
      firstLane: text(cameFrom.first.lane),
      firstSequence: text(cameFrom.first.sequence.toString()),
      firstIndex: number(cameFrom.first.index),
      attempt: number(cameFrom.attempt),
    }),
  };
}

export function badPositionOf(item: Item): EventPosition {
  const [, lane = ''] = partsOf(textOf(item, 'pk'));
  const [sequence = '', index = ''] = partsOf(textOf(item, 'sk'));
  return { lane, sequence: BigInt(sequence), index: Number(index) };
}

export function badReasonOf(item: Item): BadReason {
  return {
    position: badPositionOf(item),
    source: textOf(item, 'source'),
    receivedAt: textOf(item, 'receivedAt'),
    code: textOf(item, 'code'),
    detail: textOf(item, 'detail'),
    ...(item.eventType !== undefined && { eventType: textOf(item, 'eventType') }),
    ...(item.firstLane !== undefined && {
      cameFrom: {
        first: {
          lane: textOf(item, 'firstLane'),
          sequence: sequenceOf(item, 'firstSequence'),
          index: numberOf(item, 'firstIndex'),
        },
        attempt: numberOf(item, 'attempt'),
      },
    }),
  };
}

export async function badEventOf(state: DynamoTable, item: Item): Promise<BadEvent> {
  return { ...badReasonOf(item), payload: inflateRawSync(await readLarge(state, item)).toString() };
}

function replayItemKey({ first, attempt }: ReplayKey): Key {
  return { pk: keyOf('replay', first.lane), sk: keyOf(badSk(first), String(attempt).padStart(4, '0')) };
}

/** It outlives the event that it is of, which was taken by its lane no later than it was claimed. */
function claimItem({ key, at, edit, visitor, line, position }: ReplayClaim): Item {
  const { pk, sk } = replayItemKey(key);
  return {
    ...{ pk: text(pk), sk: text(sk), at: text(at), visitor: text(visitor) },
    ...(edit !== undefined && { edit: text(edit) }),
    ...(line !== undefined && { line: text(line) }),
    ...(position && { toLane: text(position.lane), toSequence: text(position.sequence.toString()) }),
    ...expiryOf(hourOf(at)),
  };
}

function claimOf(item: Item): ReplayClaim {
  const [, lane = ''] = partsOf(textOf(item, 'pk'));
  const [sequence = '', index = '', attempt = ''] = partsOf(textOf(item, 'sk'));
  return {
    key: { first: { lane, sequence: BigInt(sequence), index: Number(index) }, attempt: Number(attempt) },
    ...{ at: textOf(item, 'at'), visitor: textOf(item, 'visitor'), edit: item.edit?.S, line: item.line?.S },
    position:
      item.toLane === undefined
        ? undefined
        : { lane: textOf(item, 'toLane'), sequence: sequenceOf(item, 'toSequence') },
  };
}

export async function claimReplays(
  state: DynamoTable,
  claims: readonly ReplayClaim[],
): Promise<readonly ReplayClaim[]> {
  const standing = new Map<ReplayClaim, ReplayClaim>();
  await atOnce(claims, LIMITS.dynamoPutsAtOnce, async (claim) => {
    const result = await state.put(claimItem(claim));
    standing.set(claim, result.kind === 'refused' && result.found !== undefined ? claimOf(result.found) : claim);
  });
  return claims.map((claim) => standing.get(claim) ?? claim);
}

export async function noteReplays(
  state: DynamoTable,
  notes: readonly ReplayNote[],
): Promise<readonly RecordPosition[]> {
  const standing = new Map<ReplayNote, RecordPosition>();
  await atOnce(notes, LIMITS.dynamoPutsAtOnce, async (note) => {
    const result = await state.put(claimItem({ ...note, line: undefined }), {
      expression: 'attribute_not_exists(toLane)',
    });
    const found = result.kind === 'refused' && result.found !== undefined ? claimOf(result.found).position : undefined;
    standing.set(note, found ?? note.position);
  });
  return notes.map((note) => standing.get(note) ?? note.position);
}

export async function replaysOf(state: DynamoTable, keys: readonly ReplayKey[]): Promise<readonly ReplayClaim[]> {
  return (await state.getAll(keys.map(replayItemKey))).map(claimOf);
}

import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { LIMITS } from '../../core/limits.ts';
import type { RecordPosition } from '../../log/event-log.ts';
import type { BadEvent, BadReason, EventPosition, Replay, ReplayClaim, ReplayNote } from '../../store/event-store.ts';
import { atOnce } from './at-once.ts';
import { changeItem, UNCHANGED } from './change-item.ts';
import type { DynamoTable, Key } from './dynamo-client.ts';
import {
  expiryOf,
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
import { isErased, putLarge, readLarge } from './large-values.ts';

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
  ...['fromLane', 'fromSequence', 'fromIndex', 'toLane'],
] as const;

/** Puts events set aside, each if absent; `hour` is the lane's, by which they expire, and `version` that of the parts of long ones. */
export async function putBadItems(
  state: DynamoTable,
  bad: readonly BadEvent[],
  { hour, version }: { readonly hour: string; readonly version: () => string },
): Promise<void> {
  await atOnce(bad, LIMITS.dynamoPutsAtOnce, async (event) => {
    const key = badKey(event.position);
    const expiry = expiryOf(hour);
    const held = await putLarge(state, key, deflateRawSync(event.payload), version(), expiry);
    await state.put({
      pk: text(key.pk),
      sk: text(key.sk),
      ...reasonAttributes(event),
      ...held,
      ...expiry,
      ...UNCHANGED,
    });
  });
}

function reasonAttributes({ source, receivedAt, code, detail, eventType, cameFrom }: BadEvent): Item {
  return {
    ...{ source: text(source), receivedAt: text(receivedAt), code: text(code), detail: text(detail) },
    ...(eventType !== undefined && { eventType: text(eventType) }),
    ...(cameFrom && {
      fromLane: text(cameFrom.lane),
      fromSequence: text(cameFrom.sequence.toString()),
      fromIndex: number(cameFrom.index),
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
    ...(item.fromLane !== undefined && {
      cameFrom: {
        lane: textOf(item, 'fromLane'),
        sequence: sequenceOf(item, 'fromSequence'),
        index: numberOf(item, 'fromIndex'),
      },
    }),
    isReplayed: item.toLane !== undefined,
  };
}

export async function badEventOf(state: DynamoTable, item: Item): Promise<BadEvent> {
  const { isReplayed, ...reason } = badReasonOf(item);
  const replay = replayOf(item);
  const payload = inflateRawSync(await readLarge(state, item)).toString();
  return { ...reason, payload, ...(replay && { replay }) };
}

function replayOf(item: Item): Replay | undefined {
  if (item.replayAt === undefined) return undefined;
  const position = item.toLane && { lane: textOf(item, 'toLane'), sequence: sequenceOf(item, 'toSequence') };
  return {
    ...{ at: textOf(item, 'replayAt'), visitor: textOf(item, 'replayVisitor') },
    ...{ edit: item.replayEdit?.S, line: item.replayLine?.S, position },
  };
}

/** Throws when there is no such event. */
export async function claimReplays(state: DynamoTable, claims: readonly ReplayClaim[]): Promise<readonly Replay[]> {
  const standing = new Map<ReplayClaim, Replay>();
  await atOnce(claims, LIMITS.dynamoPutsAtOnce, async (claim) => {
    const { of, replay } = claim;
    const stands = await changeItem(state, badKey(of), (item) => {
      if (item.replayAt !== undefined || isErased(item)) return undefined;
      return {
        ...item,
        ...{ replayAt: text(replay.at), replayVisitor: text(replay.visitor) },
        ...(replay.edit !== undefined && { replayEdit: text(replay.edit) }),
        ...(replay.line !== undefined && { replayLine: text(replay.line) }),
      };
    });
    if (stands === undefined)
      throw new Error(`no event that was set aside is at ${of.lane}/${of.sequence}/${of.index}`);
    standing.set(claim, replayOf(stands) ?? { ...replay, visitor: '', line: undefined });
  });
  return claims.map((claim) => standing.get(claim) ?? claim.replay);
}

export async function noteReplays(
  state: DynamoTable,
  notes: readonly ReplayNote[],
): Promise<readonly RecordPosition[]> {
  const standing = new Map<ReplayNote, RecordPosition>();
  await atOnce(notes, LIMITS.dynamoPutsAtOnce, async (note) => {
    const { of, position } = note;
    const stands = await changeItem(state, badKey(of), ({ replayLine, ...rest }) => {
      if (rest.toLane !== undefined) return undefined;
      return { ...rest, toLane: text(position.lane), toSequence: text(position.sequence.toString()) };
    });
    const found = stands && replayOf(stands)?.position;
    if (found !== undefined) standing.set(note, found);
  });
  return notes.map((note) => standing.get(note) ?? note.position);
}

export function badKey(position: EventPosition): Key {
  return { pk: badPk(position.lane), sk: badSk(position) };
}

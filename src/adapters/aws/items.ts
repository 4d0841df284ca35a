import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type { Event, Identity } from '../../core/event.ts';
import { visitorOf } from '../../core/event.ts';
import { LIMITS } from '../../core/limits.ts';
import { readJson } from '../../core/read-json.ts';
import type { Facts } from '../../core/view.ts';
import type { RecordPosition } from '../../log/event-log.ts';
import type {
  DeadRecord,
  EventPosition,
  EventPut,
  LaneState,
  Link,
  RowKey,
  StoredEvent,
  VisitorKey,
  VisitorState,
  Witness,
} from '../../store/event-store.ts';

/*
 * What lies in the two tables. Parts of a key are joined by NUL, which no id holds (`checkEvent`).
 *
 * Table `events`
 *   event     pk source, visitor        sk createdAt, eventId, fingerprint     a visitor's timeline, in its own order
 *             by-type: typeShard = source, type, shard; typeOrder = timestamp, lane, sequence, index
 *             in the list that the types without a list of their own share, typeShard has no type, and typeOrder ends with it
 * Table `state`
 *   lane      pk lane                   sk the lane                            done, registry, cuts, totals, journal, hour
 *   arrivals  pk arrivals, lane         sk hour                                where the lane was at the end of it; put if absent
 *   journal   pk journal, lane          sk sequence, attempt                   what a batch adds to rows of views
 *   row       pk row, view, version, source   sk bucket, lane                  one writer: the lane's compaction
 *   visitor   pk visitor, source, id    sk -                                   one writer: the lane that owns the key
 *   link      pk link, userId           sk source, visitor                     put if absent
 *   bad       pk bad, lane              sk sequence, index                     put if absent; TTL counted like an event's
 *   dead      pk dead, lane             sk sequence                            put if absent
 *   note      pk note, lane             sk sequence                            which events of a record were not stored; expires
 *   given-up  pk given-up               sk lane, sequence                      put if absent; what Lambda gave up adds to the ledger
 *             pk given-up-through       sk folder of the bucket                how far its documents are taken up
 *   part      pk and sk of an item whose value is too long for one, sk with its number
 *   witness   pk witness                sk collector
 *   salt      pk salt                   sk 0 or 1, by the day                  put over an older one; expires
 *   sealed    pk sealed                 sk ledger                              what is settled of the ledger
 *   erasure   pk erasure                sk source, visitor                     its earlier events are hidden, and deleted when due
 *   kind      pk kinds                  sk source, place                       which types have a list of their own; put if absent
 *   rebuild   pk rebuild                sk view, version                       how far it is
 *             pk rebuild                sk generations                         which versions of rows were asked for
 */

export type Item = Record<string, AttributeValue>;

/** A sequence number of Kinesis has 56 digits, a number of DynamoDB 38: so it is a text, and longer ones than today's fit. */
const SEQUENCE_DIGITS = 60;

export function sequenceText(sequence: bigint): string {
  return sequence.toString().padStart(SEQUENCE_DIGITS, '0');
}

export function keyOf(...parts: readonly (string | number)[]): string {
  return parts.join('\0');
}

/** Texts of sort keys that begin with a key's part and then NUL lie before this one. */
export const AFTER_PART = '\u0001';

export function partsOf(key: string): readonly string[] {
  return key.split('\0');
}

export function text(value: string): AttributeValue {
  return { S: value };
}

export function number(value: number): AttributeValue {
  return { N: String(value) };
}

export function textOf(item: Item, name: string): string {
  const value = item[name]?.S;
  if (value === undefined) throw new Error(`an item has no text ${name}`);
  return value;
}

export function sequenceOf(item: Item, name = 'sequence'): bigint {
  return BigInt(textOf(item, name));
}

export function numberOf(item: Item, name: string): number {
  return Number(item[name]?.N ?? 0);
}

/** Words that most events have, the commonest last: zlib finds them in place of spelling them out. Never changed: a new one gets a new number. */
const DICTIONARY = Buffer.from(
  '"country":"language":"en-GB""de-DE""en-US""browser":"Safari""Edge""Firefox""Chrome""os":"Android""iOS""macOS""Windows""Linux""device":"tablet""mobile""desktop"' +
    '"medium":"source":"campaign":"channel":"mail""social""referral""paid""search""direct""referrer":"https://www."opening":{"entryPage":"exitPage":"/' +
    '"before":{"seconds":"bounced":false"after":{"seconds":0,"bounced":true,"exitPage":"/"newVisitorSession":true"first":true,"newVisitor":true,"late":false,"enriched":{' +
    '{"session":1,"sessionStart":"2026-"first":false,"newVisitor":false,"Mozilla/5.0 (Windows NT 10.0; Win64; x64) (Macintosh; Intel Mac OS X 10_15_7) (iPhone; CPU iPhone OS like Mac OS X) ' +
    '(X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/.0.0.0 Mobile Safari/537.36"library":{"name":"analytics","version":"},"locale":"ip":".0"title":"search":"path":"/' +
    '"page":{"path":"/","referrer":"https://","url":"https://"},"userAgent":"properties":{"name":"price":"currency":"EUR","quantity":1,"productId":"category":"' +
    '{"eventId":"","eventType":"page","userId":"user-","anonymousId":"","createdAt":"2026-","sentAt":"2026-","timestamp":"2026-T:.000Z","fingerprint":"","properties":{},"context":{},"traits":{}}',
);

/** Text as bytes that cost fewer write units; with the dictionary, for what is short. */
export function packed(value: string): AttributeValue {
  return { B: deflateRawSync(value, { dictionary: DICTIONARY, level: 9 }) };
}

export function unpacked(item: Item, name: string): string {
  const bytes = item[name]?.B;
  if (bytes === undefined) throw new Error(`an item has no bytes ${name}`);
  return inflateRawSync(bytes, { dictionary: DICTIONARY }).toString();
}

// Events.

/** Without its final Z, so that texts order as times do. */
function timeKey(time: string): string {
  return time.slice(0, -1);
}

/** Of an event that lies there: its key is its identity. */
export function identityOfKey(item: Item): Identity {
  const [source = '', visitor = ''] = partsOf(textOf(item, 'pk'));
  const [time = '', eventId = '', fingerprint = ''] = partsOf(textOf(item, 'sk'));
  return { source, visitor, createdAt: `${time}Z`, eventId, fingerprint };
}

export function eventKeyOf({ source, visitor, createdAt, eventId, fingerprint }: Identity): { pk: string; sk: string } {
  return { pk: keyOf(source, visitor), sk: keyOf(timeKey(createdAt), eventId, fingerprint) };
}

/** Where an event lies in the list of its type; orders as time and then position do. */
export function typeOrderOf(timestamp: string, { lane, sequence, index }: EventPosition): string {
  return keyOf(timeKey(timestamp), lane, sequenceText(sequence), String(index).padStart(6, '0'));
}

/** The same of an item, whichever list it is in: what `typeOrderOf` made. */
export function orderOf(item: Item): string {
  return keyOf(...partsOf(textOf(item, 'typeOrder')).slice(0, 4));
}

export function typeShardOf(kind: { readonly source: string; readonly eventType: string }, shard: number): string {
  return keyOf(kind.source, kind.eventType, shard);
}

/** Stands for the types that have no list of their own; no event's type is an empty text (`checkEvent`). */
export const OTHER_TYPES = '';

/** Of an event, or of its entry in the index. */
export function typeOf(item: Item): string {
  const [, list = ''] = partsOf(textOf(item, 'typeShard'));
  if (list !== OTHER_TYPES) return list;
  const [, , , , eventType = ''] = partsOf(textOf(item, 'typeOrder'));
  return eventType;
}

/** A visitor's events of a type lie in one shard. */
export function shardOf({ visitor }: VisitorKey): number {
  return (createHash('sha256').update(visitor).digest()[0] ?? 0) % LIMITS.typeShards;
}

/**
 * `hour` is the lane's: what a lane expires, it expires by the hour, and DynamoDB deletes it some days after that. Its entry in
 * the index is in the list of its type, or in the one that the types without a list share.
 */
export function eventItem(
  put: EventPut,
  { hour, hasList }: { readonly hour: string; readonly hasList: boolean },
): Item {
  const { identity, position, visitor, eventType, timestamp, receivedAt, facts, body } = put;
  const { pk, sk } = eventKeyOf(identity);
  const list = { source: visitor.source, eventType: hasList ? eventType : OTHER_TYPES };
  const order = typeOrderOf(timestamp, position);
  return {
    pk: text(pk),
    sk: text(sk),
    typeShard: text(typeShardOf(list, shardOf(visitor))),
    typeOrder: text(hasList ? order : keyOf(order, eventType)),
    receivedAt: text(receivedAt),
    packed: packed(`${facts}\n${body}`),
    ...expiryOf(hour),
  };
}

/** When DynamoDB deletes what a lane took in an hour; never, where no hour is known. */
export function expiryOf(hour: string): Item {
  if (hour === '') return {};
  return { expiresAt: number(Date.parse(`${hour}:00:00Z`) / 1_000 + SECONDS_KEPT) };
}

const SECONDS_KEPT = 3_600 + (LIMITS.eventRetentionDays + LIMITS.expiredKeptDays) * 86_400;

/** The hour of UTC of a time, as `2026-11-25T08`. */
export function hourOf(time: string): string {
  return time.slice(0, 13);
}

/** The position lies in `typeOrder`, and nowhere twice. */
export function positionOf(item: Item): EventPosition {
  const [, lane = '', sequence = '', index = ''] = partsOf(textOf(item, 'typeOrder'));
  return { lane, sequence: BigInt(sequence), index: Number(index) };
}

export function isAt(a: EventPosition, b: EventPosition): boolean {
  return a.lane === b.lane && a.sequence === b.sequence && a.index === b.index;
}

/** JSON has no line feed outside its texts' escapes, so the first one parts the two. */
export function factsAndBodyOf(item: Item): { readonly facts: string; readonly body: string } {
  const both = unpacked(item, 'packed');
  const end = both.indexOf('\n');
  return { facts: both.slice(0, end), body: both.slice(end + 1) };
}

export function storedEventOf(item: Item): StoredEvent {
  const { facts, body } = factsAndBodyOf(item);
  const [source = ''] = partsOf(textOf(item, 'pk'));
  const event = { ...(readJson(body) as Event), source, receivedAt: textOf(item, 'receivedAt') };
  return { ...event, position: positionOf(item), visitor: visitorOf(event), facts: readJson(facts) as Facts };
}

// Lanes.

/** What a lane counts by itself, with its `done`, so that nothing is counted twice. */
export interface LaneTotals {
  readonly events: number;
  readonly bad: number;
  readonly badExpired: number;
  readonly dead: number;
  readonly visitors: number;
  readonly expired: number;
  readonly erased: number;
}

export const NO_TOTALS: LaneTotals = {
  ...{ events: 0, bad: 0, badExpired: 0, dead: 0, visitors: 0, expired: 0, erased: 0 },
};

export interface StoredLane {
  readonly lane: string;
  readonly state: LaneState;
  readonly totals: LaneTotals;
  /** Keys of journal items that rows may not hold yet, oldest first. */
  readonly journal: readonly string[];
  readonly expiredThrough: bigint | undefined;
  readonly expiredBefore?: string | undefined;
  /** The same of events set aside; apart, for marks of older versions do not tell how many they were. */
  readonly badExpiredThrough?: bigint | undefined;
  /** The latest hour of UTC in which anything of it arrived, by the collectors' clocks and never after the lane's own. */
  readonly hour: string | undefined;
  /** The latest arrival of all, by the collectors' clocks alone: one of them may be ahead. ISO 8601. */
  readonly latestReceivedAt?: string | undefined;
  /** Grows with every write: what a compare-and-set asks for. */
  readonly revision: number;
}

export const LANE_PK = 'lane';

export function laneItem(stored: StoredLane): Item {
  const { lane, state, totals, journal, expiredThrough, expiredBefore, hour, latestReceivedAt, revision } = stored;
  const { badExpiredThrough } = stored;
  const cuts = Object.entries(state.cuts).map(([view, cut]) => [view, { S: cut.toString() }] as const);
  const registry = Object.entries(state.registry).map(([view, version]) => [view, number(version)] as const);
  return {
    pk: text(LANE_PK),
    sk: text(lane),
    done: text(state.done.toString()),
    registry: { M: Object.fromEntries(registry) },
    cuts: { M: Object.fromEntries(cuts) },
    totals: { M: Object.fromEntries(Object.entries(totals).map(([name, count]) => [name, number(count)])) },
    journal: { L: journal.map(text) },
    revision: number(revision),
    ...(expiredThrough !== undefined && { expiredThrough: text(expiredThrough.toString()) }),
    ...(badExpiredThrough !== undefined && { badExpiredThrough: text(badExpiredThrough.toString()) }),
    ...(hour !== undefined && { hour: text(hour) }),
    ...(latestReceivedAt !== undefined && { latestReceivedAt: text(latestReceivedAt) }),
    ...(expiredBefore !== undefined && { expiredBefore: text(expiredBefore) }),
    ...(state.arrivedAtMs !== undefined && { arrivedAtMs: number(state.arrivedAtMs) }),
  };
}

export function laneOf(item: Item): StoredLane {
  const registry = Object.entries(item.registry?.M ?? {}).map(([view, { N }]) => [view, Number(N)] as const);
  const cuts = Object.entries(item.cuts?.M ?? {}).map(([view, { S = '' }]) => [view, BigInt(S)] as const);
  const totals = Object.entries(item.totals?.M ?? {}).map(([name, { N }]) => [name, Number(N)] as const);
  const expiredThrough = item.expiredThrough?.S;
  return {
    lane: textOf(item, 'sk'),
    state: {
      done: BigInt(textOf(item, 'done')),
      registry: Object.fromEntries(registry),
      cuts: Object.fromEntries(cuts),
      ...(item.arrivedAtMs !== undefined && { arrivedAtMs: numberOf(item, 'arrivedAtMs') }),
    },
    totals: { ...NO_TOTALS, ...Object.fromEntries(totals) },
    journal: (item.journal?.L ?? []).map(({ S = '' }) => S),
    expiredThrough: expiredThrough === undefined ? undefined : BigInt(expiredThrough),
    expiredBefore: item.expiredBefore?.S,
    badExpiredThrough: item.badExpiredThrough && sequenceOf(item, 'badExpiredThrough'),
    hour: item.hour?.S,
    latestReceivedAt: item.latestReceivedAt?.S,
    revision: numberOf(item, 'revision'),
  };
}

// Rows of views, and the journal of what batches add to them.

/** What a batch adds to one row: the places of its deltas in `deltas`. */
export interface JournalRow {
  readonly view: string;
  readonly version: number;
  readonly source: string;
  readonly bucket: string;
  readonly deltas: readonly number[];
}

/** All that one batch adds to rows; a delta goes into several rows, and lies here once, as its view encodes it. */
export interface Journal {
  readonly sequence: bigint;
  readonly deltas: readonly string[];
  readonly rows: readonly JournalRow[];
}

export function journalPk(lane: string): string {
  return keyOf('journal', lane);
}

export function journalText({ deltas, rows }: Journal): string {
  return JSON.stringify({
    deltas,
    rows: rows.map(({ view, version, source, bucket, deltas: of }) => [view, version, source, bucket, of]),
  });
}

export function journalOf(sequence: bigint, value: string): Journal {
  const { deltas, rows } = readJson(value) as {
    readonly deltas: readonly string[];
    readonly rows: readonly (readonly [string, number, string, string, readonly number[]])[];
  };
  return {
    sequence,
    deltas,
    rows: rows.map(([view, version, source, bucket, of]) => ({ view, version, source, bucket, deltas: of })),
  };
}

/** `sequence\0attempt`. */
export function journalSequence(sk: string): bigint {
  return BigInt(partsOf(sk)[0] ?? '');
}

export function rowPk({ view, version, source }: Pick<RowKey, 'view' | 'version' | 'source'>): string {
  return keyOf('row', view, version, source);
}

export function rowSk({ bucket, lane }: Pick<RowKey, 'bucket' | 'lane'>): string {
  return keyOf(bucket, lane);
}

// Visitors, links, events set aside, witnesses.

export function visitorPk({ source, visitor }: VisitorKey): string {
  return keyOf('visitor', source, visitor);
}

export const VISITOR_SK = '-';

export function visitorStateOf(item: Item): VisitorState {
  return { sequence: sequenceOf(item), state: textOf(item, 'state') };
}

export function linkItem({ userId, source, visitor }: Link, order: string): Item {
  return { pk: text(keyOf('link', userId)), sk: text(keyOf(source, visitor)), order: text(order) };
}

export function deadPk(lane: string): string {
  return keyOf('dead', lane);
}

export function deadAttributes({ detail }: DeadRecord): Item {
  return { detail: text(detail) };
}

/** Where a dead record was put back to. */
export function redrivenAttributes({ lane, sequence }: RecordPosition): Item {
  return { redrivenLane: text(lane), redrivenSequence: text(sequence.toString()) };
}

export function redrivenOf(item: Item): RecordPosition | undefined {
  if (item.redrivenLane === undefined) return undefined;
  return { lane: textOf(item, 'redrivenLane'), sequence: sequenceOf(item, 'redrivenSequence') };
}

export const WITNESS_PK = 'witness';

export function witnessItem({ collector, number: settled, lane, sequence, atMs, counted }: Witness): Item {
  return {
    pk: text(WITNESS_PK),
    sk: text(collector),
    number: number(settled),
    lane: text(lane),
    sequence: text(sequence.toString()),
    ...(atMs !== undefined && { atMs: number(atMs) }),
    ...(counted && { events: number(counted.events), identities: number(counted.identities) }),
  };
}

export function witnessOf(item: Item): Witness {
  return {
    collector: textOf(item, 'sk'),
    number: numberOf(item, 'number'),
    lane: textOf(item, 'lane'),
    sequence: sequenceOf(item),
    ...(item.atMs !== undefined && { atMs: numberOf(item, 'atMs') }),
    ...(item.events !== undefined && {
      counted: { events: numberOf(item, 'events'), identities: numberOf(item, 'identities') },
    }),
  };
}

export const SALT_PK = 'salt';

/** Two items take turns: a day's salt lies where that of two days before was. */
export function saltKey(day: string): { readonly pk: string; readonly sk: string } {
  return { pk: SALT_PK, sk: String((Date.parse(day) / 86_400_000) % 2) };
}

export function saltItem(day: string, salt: Uint8Array): Item {
  const { pk, sk } = saltKey(day);
  const expiresAt = Date.parse(day) / 1_000 + 2 * 86_400;
  return { pk: text(pk), sk: text(sk), day: text(day), salt: { B: salt }, expiresAt: number(expiresAt) };
}

/** Undefined where another day's, or none, lies there. */
export function saltOf(item: Item | undefined, day: string): Uint8Array | undefined {
  return item?.day?.S === day ? item.salt?.B : undefined;
}

export const SEALED_KEY = { pk: 'sealed', sk: 'ledger' } as const;

export const KINDS_PK = 'kinds';

/** What the places of a source begin with; or one of them. */
export function kindsSk(source: string, place?: number): string {
  return keyOf(source, place === undefined ? '' : String(place).padStart(6, '0'));
}

export function kindItem(
  { source, eventType }: { readonly source: string; readonly eventType: string },
  place: number,
) {
  return { pk: text(KINDS_PK), sk: text(kindsSk(source, place)), eventType: text(eventType) };
}

export function kindOf(item: Item): { readonly source: string; readonly eventType: string } {
  const [source = ''] = partsOf(textOf(item, 'sk'));
  return { source, eventType: textOf(item, 'eventType') };
}

export const ERASURE_PK = 'erasure';
/** Beside the erasures that are pending, until when anything was ever erased: no source has an empty name. */
export const LATEST_ERASURE_SK = keyOf('', 'latest');
export const REBUILD_PK = 'rebuild';
/** The lane that rebuilt rows belong to; no lane of a log is called so. */
export const REBUILD_LANE = 'rebuild';

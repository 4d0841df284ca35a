import { ClickstreamError } from '../core/errors.ts';
import { shown } from '../core/event.ts';
import { isObject, type JsonObject } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import { readJson } from '../core/read-json.ts';
import { isCanonicalTime } from '../core/time.ts';
import type { RecordPosition } from '../log/event-log.ts';
import { decodeHeader, RecordError } from '../log/record.ts';
import type { DeadRecord, EventReads } from '../store/event-store.ts';
import { decodeCursor, encodeCursor, positionId, positionOf } from './cursor.ts';
import { endpoint, readSegment } from './endpoint.ts';
import { CURSOR, LIMIT, pageOf, pageText } from './lists.ts';
import type { Operation } from './openapi.ts';
import { schemaOf } from './openapi-schemas.ts';
import { described, readParameters, text } from './parameters.ts';

const ID = described('Its id, as the list has it.', text(LIMITS.urlCharsMax));

export const dead = endpoint({
  path: '/api/v1/dead',
  name: 'dead',
  summary: 'Records that could not be processed, newest first',
  description:
    'Without their bytes. Those that were put back into the log stay in the list, and say where they lie now.',
  parameters: { limit: LIMIT, cursor: CURSOR },
  answers: 'DeadPage',
  errors: ['cursor_invalid'],
  reply: async ({ reader }, { limit = LIMITS.pageEventsDefault, cursor }) => {
    const after = cursor === undefined ? undefined : decodeCursor('dead', cursor);
    const { found, more } = await reader.snapshot((reads) => readDead(reads, { limit: limit + 1, after }));
    const cursorOf = ({ lane, sequence }: Listed) => encodeCursor('dead', { time: '', lane, sequence, index: 0 });
    const page = pageOf(found, { limit, render: ({ rendered }) => rendered, cursorOf });
    const last = found.at(-1);
    return pageText('dead', { ...page, cursor: page.cursor ?? (more && last !== undefined ? cursorOf(last) : null) });
  },
});

export const deadRecord = endpoint({
  path: '/api/v1/dead/{id}',
  name: 'deadRecord',
  summary: 'One record that could not be processed, whole',
  inPath: { id: ID },
  parameters: {},
  answers: 'DeadRecord',
  reply: async ({ reader }, _, { id }) => {
    const place = placeOf(id);
    const record = place && (await reader.snapshot((reads) => reads.deadAt(place)));
    if (record === undefined) throw notFound(id);
    const payload = Buffer.from(record.payload).toString('base64');
    return JSON.stringify({ ...renderDead(record), payload, text: textOf(record.payload) });
  },
});

/** Where the payload of a dead record lies in the log anew. */
export interface Redriven {
  readonly id: string;
  readonly redriven: RecordPosition;
  /** False when this was done before, and nothing was appended now. */
  readonly appended: boolean;
}

/**
 * Puts a dead record's payload back into the log, under a new position. Rejects with ClickstreamError: `not_found`,
 * `dead_unreadable`, or why the log does not take it.
 */
export type Redrive = (id: string) => Promise<Redriven>;

/** What it takes to put a record back, passed in, for the store and the log belong to different threads or functions. */
export interface RedriveParts {
  readonly find: (place: RecordPosition) => Promise<DeadRecord | undefined>;
  readonly append: (payload: Uint8Array) => Promise<RecordPosition>;
  /** `EventStore.markRedriven`. */
  readonly mark: (lane: string, sequence: bigint, position: RecordPosition) => Promise<RecordPosition>;
}

/**
 * First append, then the note: a crash between the two costs a second copy, whose events are duplicates; the other way
 * round it would cost the record.
 */
export function createRedrive({ find, append, mark }: RedriveParts): Redrive {
  /** By id, as the next. */
  const underWay = new Map<string, Promise<{ readonly to: RecordPosition; readonly appended: boolean }>>();
  /** Appended, and the store did not take the note: it is asked again, and nothing is appended again. */
  const unmarked = new Map<string, RecordPosition>();

  const redriveOnce = async (id: string, place: RecordPosition) => {
    const record = await find(place);
    if (record === undefined) throw notFound(id);
    if (record.redriven !== undefined) return { to: record.redriven, appended: false };
    const mine = unmarked.get(id) ?? (await append(record.payload));
    unmarked.set(id, mine);
    const to = await mark(place.lane, place.sequence, mine);
    unmarked.delete(id);
    return { to, appended: idOf(to) === idOf(mine) };
  };

  return async (asked) => {
    const place = placeOf(asked);
    if (place === undefined) throw notFound(asked);
    const id = idOf(place);
    const earlier = underWay.get(id);
    if (earlier !== undefined) return { id, redriven: (await earlier).to, appended: false };
    const mine = redriveOnce(id, place).finally(() => underWay.delete(id));
    underWay.set(id, mine);
    const { to, appended } = await mine;
    return { id, redriven: to, appended };
  };
}

/** The one thing that readers may do, and no more than what the collector does: it appends to the log. */
export const REDRIVE = {
  method: 'post',
  path: '/api/v1/dead/{id}/redrive',
  name: 'redrive',
  tag: 'operate',
  summary: 'Put a dead record back into the log',
  description:
    'Under a new position, to be processed like one that has just come. Done a second time it appends nothing, and answers what the first did.',
  open: 'to readers',
  inPath: { id: ID },
  parameters: {},
  body: { schema: { type: 'object', additionalProperties: false }, examples: { one: { value: {} } } },
  answers: {
    200: { description: 'Where it lies now.', type: 'application/json', schema: schemaOf('Redriven') },
  },
  errors: [
    ...(['query_unavailable', 'not_found', 'dead_unreadable', 'content_type_unsupported', 'body_not_json'] as const),
    ...(['body_not_object', 'body_too_large', 'log_unavailable', 'overloaded'] as const),
  ],
} as const satisfies Operation;

const REDRIVE_PATH = /^\/api\/v1\/dead\/([^/]+)\/redrive$/;

export function isRedrivePath(path: string): boolean {
  return REDRIVE_PATH.test(path);
}

export interface RedriveRequest {
  /** As it was asked for, percent-encoded. */
  readonly path: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** The answer of REDRIVE, as JSON, to a POST of its Content-Type. Rejects with ClickstreamError. */
export async function answerRedrive(redrive: Redrive, { path, parameters, body }: RedriveRequest): Promise<string> {
  readParameters(parameters, REDRIVE.parameters);
  const asked = readSegment('id', REDRIVE_PATH.exec(path)?.[1] ?? '', ID);
  checkBody(body);
  const { id, redriven, appended } = await redrive(asked);
  return JSON.stringify({ id, redriven: renderPlace(redriven), appended });
}

/** There is nothing to say in it: what is more than `{}` or no byte at all is a mistake. */
function checkBody(body: Uint8Array): void {
  if (body.length === 0) return;
  let said: unknown;
  try {
    said = readJson(utf8.decode(body));
  } catch (cause) {
    throw new ClickstreamError('body_not_json', undefined, { cause });
  }
  if (!isObject(said)) throw new ClickstreamError('body_not_object', 'the body must be {} or empty');
  readParameters(Object.fromEntries(Object.keys(said).map((name) => [name, ''])), {});
}

/** The list is rendered as it is read, so that it holds no more payloads than it reads at once. */
interface Listed extends RecordPosition {
  readonly rendered: JsonObject;
}

/** Stops once it has read a page's length, for records may be large. `more`: there may be others after the last one. */
async function readDead(
  reads: EventReads,
  { limit, after }: { readonly limit: number; readonly after: RecordPosition | undefined },
): Promise<{ readonly found: readonly Listed[]; readonly more: boolean }> {
  const found: Listed[] = [];
  let bytes = 0;
  while (found.length < limit && bytes <= LIMITS.pageCharsMax) {
    const step = Math.min(LIMITS.badEventsStep, limit - found.length);
    const records = await reads.dead(step, found.at(-1) ?? after);
    for (const record of records) {
      bytes += record.payload.length;
      found.push({ lane: record.lane, sequence: record.sequence, rendered: renderDead(record) });
    }
    if (records.length < step) return { found, more: false };
  }
  return { found, more: true };
}

function renderDead(record: DeadRecord): JsonObject {
  const { detail, payload, redriven } = record;
  return {
    id: idOf(record),
    ...renderPlace(record),
    reason: detail,
    bytes: payload.length,
    receivedAt: receivedAtOf(payload),
    redriven: redriven === undefined ? null : renderPlace(redriven),
  };
}

function renderPlace({ lane, sequence }: RecordPosition): JsonObject {
  return { lane, sequence: sequence.toString() };
}

/** As its header says, where that much of it can be read; nothing else knows when it came. */
function receivedAtOf(payload: Uint8Array): string | null {
  try {
    return timeOf(decodeHeader(payload).receivedAt);
  } catch (thrown) {
    return thrown instanceof RecordError && thrown.header !== undefined ? timeOf(thrown.header.receivedAt) : null;
  }
}

function timeOf(time: string): string | null {
  return isCanonicalTime(time) ? time : null;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(payload: Uint8Array): string | null {
  try {
    return utf8.decode(payload);
  } catch {
    // It is no UTF-8; the bytes are told as base64 in any case.
    return null;
  }
}

function placeOf(id: string): RecordPosition | undefined {
  const position = positionOf(id);
  return position?.index === 0 ? { lane: position.lane, sequence: position.sequence } : undefined;
}

function idOf({ lane, sequence }: RecordPosition): string {
  return positionId({ lane, sequence, index: 0 });
}

function notFound(id: string): ClickstreamError {
  return new ClickstreamError('not_found', `no dead record has the id ${shown(id)}`);
}

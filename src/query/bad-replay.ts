import { createHash } from 'node:crypto';
import { ClickstreamError, type ErrorCode } from '../core/errors.ts';
import { type Reason, shown } from '../core/event.ts';
import { isObject, type JsonObject } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import type { Clock } from '../core/time.ts';
import type { RecordPosition } from '../log/event-log.ts';
import type { BadEvent, EventPosition, EventReader, Replay, ReplayClaim, ReplayNote } from '../store/event-store.ts';
import { BAD_FILTER, type BadFilter, findBad, renderReplay } from './bad.ts';
import { decodeCursor, positionId, positionOf } from './cursor.ts';
import { readSegment } from './endpoint.ts';
import { readJsonBody } from './json-body.ts';
import { CURSOR } from './lists.ts';
import type { Operation } from './openapi.ts';
import { schemaOf } from './openapi-schemas.ts';
import { described, integer, oneOf, readParameters, text } from './parameters.ts';

const ID = described('Its id, as the list has it.', text(LIMITS.urlCharsMax));

/** One of them, or those of a kind, piece by piece. */
export type BadAsked =
  | { readonly kind: 'at'; readonly position: EventPosition }
  | { readonly kind: 'of'; readonly filter: BadFilter; readonly limit: number; readonly after?: EventPosition };

export interface BadPiece {
  readonly events: readonly BadEvent[];
  /** Null when there are no more. */
  readonly cursor: string | null;
}

/** What is to be put back. Not of a batch that is not done yet: it may yet come to another end. */
export function readBadPiece(reader: EventReader, asked: BadAsked): Promise<BadPiece> {
  return reader.snapshot(async (reads) => {
    const lanes = await reads.lanes();
    const done = (events: readonly BadEvent[]) =>
      events.filter(({ position: { lane, sequence } }) => sequence <= (lanes.get(lane)?.done ?? -1n));
    if (asked.kind === 'at') return { events: done(await reads.badAt([asked.position])), cursor: null };
    const { filter, limit, after } = asked;
    const { events, cursor } = await findBad(reads, { filter: { ...filter, replayed: 'exclude' }, limit, after });
    return { events: done(events), cursor };
  });
}

/** A line of a record, and of whom. */
interface LineBack {
  readonly source: string;
  readonly receivedAt: string;
  readonly visitor: string;
  readonly line: string;
}

/** What it takes to put events back, passed in, for the store and the log belong to different threads or functions. */
export interface BadReplayParts {
  readonly find: (asked: BadAsked) => Promise<BadPiece>;
  /** Its line, as it came or with an edit in its place, or why it is still no event. */
  readonly lineOf: (
    bad: BadEvent,
    edit: JsonObject | undefined,
  ) => { readonly visitor: string; readonly line: string } | Reason;
  /** Each line as a record of its own, all of them durable once it resolves. */
  readonly append: (lines: readonly LineBack[]) => Promise<readonly RecordPosition[]>;
  /** `EventStore.claimReplays` and `noteReplays`. */
  readonly claim: (claims: readonly ReplayClaim[]) => Promise<readonly Replay[]>;
  readonly note: (notes: readonly ReplayNote[]) => Promise<readonly RecordPosition[]>;
  readonly clock: Clock;
}

export interface BadReplay {
  /** Rejects with ClickstreamError: `not_found`, `still_bad`, or why it cannot be put back now. */
  one(id: string, edit: JsonObject | undefined): Promise<{ readonly replay: Replay; readonly appended: boolean }>;
  /** Rejects when not even the first could be put back now. */
  some(asked: Extract<BadAsked, { readonly kind: 'of' }>, how: { readonly isDry: boolean }): Promise<ReplayedPiece>;
}

export interface ReplayedPiece {
  readonly found: number;
  /** Appended now; when dry, what would be. */
  readonly replayed: number;
  readonly refused: readonly { readonly id: string; readonly code: string; readonly detail: string }[];
  /** Why it ended before its end: the same piece is to be asked for again. */
  readonly stopped: { readonly code: ErrorCode; readonly detail: string } | null;
  readonly cursor: string | null;
}

/** What goes into the log for an event. */
interface Waiting {
  readonly bad: BadEvent;
  readonly replay: Replay;
}

/**
 * First the claim, durably: which line is put back for the event. Then that line is appended, whoever's it is, and then noted where it
 * lies. So whatever is asked twice, at once, with other edits or after a crash in between, all that is ever appended for an event is
 * one line, whose second copy is a duplicate (docs/decisions/0024-replay-of-bad-events.md).
 */
export function createBadReplay(parts: BadReplayParts): BadReplay {
  const { find, lineOf, clock } = parts;

  /** What was decided before, or is to be. */
  const replayFor = (bad: BadEvent, edit: JsonObject | undefined): Replay | Reason => {
    if (bad.replay !== undefined) return unlessErased(bad.replay);
    const back = lineOf(bad, edit);
    if ('code' in back) return back;
    return { at: new Date(clock()).toISOString(), edit: edit && digestOf(edit), ...back, position: undefined };
  };

  /** What stands for each, whoever decided it. */
  const claim = async (wanted: readonly Waiting[]): Promise<readonly Waiting[]> => {
    const stand = await parts.claim(wanted.map(({ bad, replay }) => ({ of: bad.position, replay })));
    return wanted.map(({ bad, replay }, index) => ({ bad, replay: stand[index] ?? replay }));
  };

  /** Appends what stands, and notes where it lies. */
  const putBack = async (waiting: readonly Waiting[]): Promise<readonly RecordPosition[]> => {
    const lines = waiting.map(({ bad: { source, receivedAt }, replay: { visitor, line } }) => {
      if (line === undefined) throw new Error('what is to be put back has neither its line nor where that lies');
      return { source, receivedAt, visitor, line };
    });
    const positions = await parts.append(lines);
    return parts.note(
      waiting.map(({ bad }, index) => {
        const position = positions[index];
        if (position === undefined) throw new Error('the log does not say where a record lies');
        return { of: bad.position, position };
      }),
    );
  };

  return {
    async one(id, edit) {
      const position = positionOf(id);
      const [bad] = position === undefined ? [] : (await find({ kind: 'at', position })).events;
      if (bad === undefined) throw new ClickstreamError('not_found', `no event set aside has the id ${shown(id)}`);
      const replay = replayFor(bad, edit);
      if ('code' in replay) throw stillBad(replay);
      if (isDone(replay)) return { replay, appended: false };
      const [stands = { bad, replay }] = await claim([{ bad, replay }]);
      if (isDone(stands.replay)) return { replay: stands.replay, appended: false };
      const left = unlessErased(stands.replay);
      if ('code' in left) throw stillBad(left);
      const [lies] = await putBack([stands]);
      return { replay: { ...stands.replay, position: lies }, appended: true };
    },

    async some(asked, { isDry }) {
      const endMs = clock() + LIMITS.replayMsMax;
      const { events, cursor } = await find(asked);
      const refused: { id: string; code: string; detail: string }[] = [];
      const wanted: Waiting[] = [];
      const refuse = ({ position }: BadEvent, { code, detail }: Reason) =>
        refused.push({ id: positionId(position), code, detail });
      // A visitor's events in their order.
      for (const bad of events.toReversed()) {
        const replay = replayFor(bad, undefined);
        if ('code' in replay) refuse(bad, replay);
        else wanted.push({ bad, replay });
      }
      const done = { found: events.length, refused, cursor };
      if (isDry || wanted.length === 0) return { ...done, replayed: wanted.length, stopped: null };
      const waiting: Waiting[] = [];
      for (const { bad, replay: stands } of await claim(wanted)) {
        const replay = unlessErased(stands);
        if ('code' in replay) refuse(bad, replay);
        else if (!isDone(replay)) waiting.push({ bad, replay });
      }
      let replayed = 0;
      for (let start = 0; start < waiting.length; start += LIMITS.replayAppendRecordsMax) {
        const group = waiting.slice(start, start + LIMITS.replayAppendRecordsMax);
        try {
          if (clock() > endMs)
            throw new ClickstreamError('overloaded', 'it took too long: the rest is left for another');
          await putBack(group);
          replayed += group.length;
        } catch (thrown) {
          if (replayed === 0 || !(thrown instanceof ClickstreamError && thrown.retriable)) throw thrown;
          return { ...done, replayed, stopped: { code: thrown.code, detail: thrown.message } };
        }
      }
      return { ...done, replayed, stopped: null };
    },
  };
}

/** What is claimed, and not known to lie in the log, may lie there or not: it waits still. */
function isDone({ position }: Replay): boolean {
  return position !== undefined;
}

/** Bytes that were erased before they were put back took the line with them: then there is none, nor a place where it lies. */
function unlessErased(replay: Replay): Replay | Reason {
  if (replay.line !== undefined || isDone(replay)) return replay;
  return { code: 'not_an_object', detail: 'its bytes were erased' };
}

function stillBad({ code, detail }: Reason): ClickstreamError {
  return new ClickstreamError('still_bad', `${code}: ${detail}`);
}

function digestOf(edit: JsonObject): string {
  return createHash('sha256').update(JSON.stringify(edit)).digest('hex');
}

const REFUSALS = [
  ...(['query_unavailable', 'content_type_unsupported', 'body_not_json'] as const),
  ...(['body_not_object', 'body_too_large', 'log_unavailable', 'overloaded'] as const),
] as const;

/** Readers may put back what was taken before, as with REDRIVE; an edit is one more event, of the source of the one it replaces. */
export const REPLAY_BAD = {
  method: 'post',
  path: '/api/v1/bad/{id}/replay',
  name: 'replayBad',
  tag: 'operate',
  summary: 'Put an event that was set aside back into the log',
  description:
    "As it came, or `event` in its place: with the fields of an event (eventType, userId, anonymousId, createdAt, properties and so on) or as in a batch of Segment's protocol. It keeps the source and arrival of the one that was set aside. Done a second time, with whatever edit, it appends nothing, and answers what the first did.",
  open: 'to readers',
  inPath: { id: ID },
  parameters: {},
  body: {
    schema: {
      type: 'object',
      properties: { event: { type: 'object', additionalProperties: true } },
      additionalProperties: false,
    },
    examples: { asItCame: { value: {} } },
  },
  answers: {
    200: { description: 'What was put back.', type: 'application/json', schema: schemaOf('BadReplayed') },
  },
  errors: ['not_found', 'still_bad', ...REFUSALS],
} as const satisfies Operation;

const SELECTION = {
  ...BAD_FILTER,
  limit: described(
    `How many at the most; default ${LIMITS.badReplayDefault}.`,
    integer({ min: 1, max: LIMITS.badReplayMax }),
  ),
  cursor: CURSOR,
  dryRun: described('Whether nothing is appended, only told what would be; default false.', oneOf(['true', 'false'])),
};

export const REPLAY_BADS = {
  method: 'post',
  path: '/api/v1/bad/replay',
  name: 'replayBads',
  tag: 'operate',
  summary: 'Put those of a kind back into the log, a piece at a time',
  description: `As they came: the newest first by pieces, each piece the oldest first, passing over those that were put back before. A piece looks through ${LIMITS.badLooksMax} at the most. Ask for the next one with the cursor, until it is null; when \`stopped\` says why a piece ended early, ask for the same one again.`,
  open: 'to readers',
  parameters: {},
  body: {
    schema: {
      type: 'object',
      properties: Object.fromEntries(
        Object.entries(SELECTION).map(([name, { schema, description }]) => [name, { ...schema, description }]),
      ),
      additionalProperties: false,
    },
    examples: { none: { value: { code: 'schema_invalid', dryRun: 'true' } } },
  },
  answers: {
    200: { description: 'What was put back of the piece.', type: 'application/json', schema: schemaOf('BadReplays') },
  },
  errors: ['cursor_invalid', ...REFUSALS],
} as const satisfies Operation;

const ONE_PATH = /^\/api\/v1\/bad\/([^/]+)\/replay$/;

export function isBadReplayPath(path: string): boolean {
  return path === REPLAY_BADS.path || ONE_PATH.test(path);
}

/** The answer of REPLAY_BAD or REPLAY_BADS, as JSON, to a POST of its Content-Type. Rejects with ClickstreamError. */
export async function answerBadReplay(
  replay: BadReplay,
  asked: { readonly path: string; readonly parameters: Readonly<Record<string, string>>; readonly body: Uint8Array },
): Promise<string> {
  const { path, parameters, body } = asked;
  readParameters(parameters, {});
  const said = readJsonBody(body, 'an object or empty');
  if (path === REPLAY_BADS.path) return answerSome(replay, said);
  const id = readSegment('id', ONE_PATH.exec(path)?.[1] ?? '', ID);
  const { event, ...rest } = said;
  readParameters(Object.fromEntries(Object.keys(rest).map((name) => [name, ''])), {});
  if (event !== undefined && !isObject(event)) {
    throw new ClickstreamError('body_not_object', `"event" must be an object, got ${shown(event)}`);
  }
  const { replay: stands, appended } = await replay.one(id, event);
  return JSON.stringify({ id, ...renderReplay(stands), appended });
}

async function answerSome(replay: BadReplay, said: JsonObject): Promise<string> {
  // By the same rules as parameters of a path; numbers and flags may come as what they are.
  const texts = Object.entries(said).map(([name, value]) => {
    if (typeof value === 'string') return [name, value] as const;
    return [name, typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''] as const;
  });
  const {
    limit = LIMITS.badReplayDefault,
    cursor,
    dryRun,
    ...filter
  } = readParameters(Object.fromEntries(texts), SELECTION);
  const after = cursor === undefined ? undefined : decodeCursor('bad', cursor);
  const piece = await replay.some(
    { kind: 'of', filter, limit, ...(after !== undefined && { after }) },
    { isDry: dryRun === 'true' },
  );
  return JSON.stringify(piece);
}

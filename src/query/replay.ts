import { ClickstreamError, type ErrorCode } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { type Clock, isCanonicalTime } from '../core/time.ts';
import { readArchive } from '../log/archive.ts';
import type { DecodedRecord } from '../log/record.ts';
import type { Operation } from './openapi.ts';
import { schemaOf } from './openapi-schemas.ts';
import { readParameters } from './parameters.ts';

export interface Replayed {
  /** Appended now. */
  readonly records: number;
  /** Of these records, those set aside counted too. */
  readonly events: number;
  readonly refused: readonly Refusal[];
}

export interface Refusal {
  /** Which of the body's records, from 1; what is none but lies between two is counted as one. */
  readonly place: number;
  /** When it is one that trying again can help, this record and all after it were not appended. */
  readonly code: ErrorCode;
  readonly detail: string;
}

/**
 * Appends records as they lie in an archive. Rejects with ClickstreamError `body_too_large` when they are too long once
 * decompressed, or, when not even the first could be appended now, with why.
 */
export type Replay = (archive: Uint8Array) => Promise<Replayed>;

/** What it takes to replay, passed in, for the log belongs to another stage. */
export interface ReplayParts {
  /** All of them under headers of our own, or none. */
  readonly append: (records: readonly DecodedRecord[]) => Promise<unknown>;
  readonly clock: Clock;
}

interface Found {
  readonly place: number;
  readonly record: DecodedRecord;
}

export function createReplay({ append, clock }: ReplayParts): Replay {
  /** The records that the log does not take for what they are. Throws when it takes none now. */
  const appendGroup = async (group: readonly Found[]): Promise<readonly Refusal[]> => {
    try {
      await append(group.map(({ record }) => record));
      return [];
    } catch (thrown) {
      if (!(thrown instanceof ClickstreamError) || thrown.retriable) throw thrown;
      const [first] = group;
      if (first !== undefined && group.length === 1) {
        return [{ place: first.place, code: thrown.code, detail: thrown.message }];
      }
      const refused: Refusal[] = [];
      for (const found of group) refused.push(...(await appendGroup([found])));
      return refused;
    }
  };

  return async (archive) => {
    const endMs = clock() + LIMITS.replayMsMax;
    const { found, refused } = await foundIn(archive);
    let records = 0;
    let events = 0;
    for (let start = 0; start < found.length; start += LIMITS.replayAppendRecordsMax) {
      const group = found.slice(start, start + LIMITS.replayAppendRecordsMax);
      try {
        if (clock() > endMs) throw new ClickstreamError('overloaded', 'it took too long: the rest is left for another');
        const without = await appendGroup(group);
        refused.push(...without);
        const taken = group.filter(({ place }) => !without.some((refusal) => refusal.place === place));
        records += taken.length;
        for (const { record } of taken) events += record.lines.length;
      } catch (thrown) {
        const place = group[0]?.place ?? 0;
        if (records === 0 || !(thrown instanceof ClickstreamError && thrown.retriable)) throw thrown;
        // What lies before it is durable, and need not come again.
        const before = refused.filter((refusal) => refusal.place < place);
        return { records, events, refused: [...before, { place, code: thrown.code, detail: thrown.message }] };
      }
    }
    return { records, events, refused: refused.sort((a, b) => a.place - b.place) };
  };
}

/** Read whole before anything is appended, so that a body that is too large is refused whole. */
async function foundIn(
  archive: Uint8Array,
): Promise<{ readonly found: readonly Found[]; readonly refused: Refusal[] }> {
  const found: Found[] = [];
  const refused: Refusal[] = [];
  const textBytesMax = LIMITS.decompressedBytesMax;
  for await (const archived of readArchive([archive], { textBytesMax })) {
    const { record: place, byte } = archived.place;
    switch (archived.kind) {
      case 'too long':
        throw new ClickstreamError('body_too_large', `it is more than ${textBytesMax} bytes once it is decompressed`);
      case 'record':
        // What was erased is remembered, and need not be erased again; what came since would go with it.
        if (archived.record.header.kind !== 'events') break;
        // By it events expire.
        if (isCanonicalTime(archived.record.header.receivedAt)) found.push({ place, record: archived.record });
        else refused.push(unreadable({ place, byte, problem: 'the header has no time of arrival' }));
        break;
      case 'no record':
        refused.push(unreadable({ place, byte, problem: archived.problem }));
        break;
    }
  }
  return { found, refused };
}

function unreadable(of: { readonly place: number; readonly byte: number; readonly problem: string }): Refusal {
  return { place: of.place, code: 'record_unreadable', detail: `at byte ${of.byte}: ${of.problem}` };
}

export const REPLAY_TYPE = 'application/x-ndjson';

/** The other thing that readers may do. Like REDRIVE it appends what was appended before. */
export const REPLAY = {
  method: 'post',
  path: '/api/v1/replay',
  name: 'replay',
  tag: 'operate',
  summary: 'Put records of an archive into the log',
  description:
    'As they lie in the archive: gzipped or not, each a header and its lines. They are processed like records that have just come; an event that is stored is a duplicate.',
  open: 'to readers',
  parameters: {},
  body: { type: REPLAY_TYPE, schema: {}, examples: { none: { value: '' } } },
  answers: {
    200: {
      description: 'What was appended, and what was not.',
      type: 'application/json',
      schema: schemaOf('Replayed'),
    },
  },
  errors: ['query_unavailable', 'content_type_unsupported', 'body_too_large', 'log_unavailable', 'overloaded'],
} as const satisfies Operation;

/** The answer of REPLAY, as JSON. Rejects with ClickstreamError. */
export async function answerReplay(
  replay: Replay,
  asked: { readonly parameters: Readonly<Record<string, string>>; readonly body: Uint8Array },
): Promise<string> {
  readParameters(asked.parameters, REPLAY.parameters);
  return JSON.stringify(await replay(asked.body));
}

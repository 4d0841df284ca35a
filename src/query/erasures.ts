import { randomUUID } from 'node:crypto';
import type { ErasureCounts } from '../core/erasures.ts';
import { ClickstreamError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import type { Clock } from '../core/time.ts';
import type { RecordHeader } from '../log/record.ts';
import { endpoint, readSegment } from './endpoint.ts';
import type { Operation } from './openapi.ts';
import { schemaOf } from './openapi-schemas.ts';
import { described, readParameters, text } from './parameters.ts';
import type { Person } from './person.ts';

const PERSON = described('A userId or an anonymousId.', text(LIMITS.idCharsMax));

/** Erases a person. Rejects with ClickstreamError when nothing of it could be appended now. */
export type Erase = (id: string) => Promise<{ readonly id: string; readonly visitors: number; readonly more: boolean }>;

/** What it takes to erase, passed in, for the store and the log belong to different threads. */
export interface EraseParts {
  readonly find: (id: string) => Promise<Person>;
  /** Appends records without events, all or none. */
  readonly append: (
    records: readonly {
      readonly header: Pick<RecordHeader, 'kind' | 'source' | 'visitor' | 'receivedAt' | 'erasure'>;
      readonly lines: readonly string[];
    }[],
  ) => Promise<unknown>;
  readonly clock: Clock;
}

/** One record for each visitor of each source, so that each has its place in its lane's order. */
export function createErase({ find, append, clock }: EraseParts): Erase {
  return async (person) => {
    const { visitors, more } = await find(person);
    const nowMs = clock();
    const id = `${randomUUID()}.${visitors.length}.${Math.floor(nowMs / 1_000)}`;
    const receivedAt = new Date(nowMs).toISOString();
    const records = visitors.map(({ source, visitor }) => ({
      header: { kind: 'erase' as const, source, visitor, receivedAt, erasure: id },
      lines: [],
    }));
    if (records.length > 0) await append(records);
    return { id, visitors: records.length, more };
  };
}

export const ERASE = {
  method: 'delete',
  path: '/api/v1/users/{id}',
  name: 'erase',
  tag: 'operate',
  summary: 'Erase a person',
  description:
    'All that happened until now, of the id and of every visitor (device) linked to it, whoever else used it. What they do afterwards is new. It takes effect at its place in the log; the certificate tells how far it is.',
  open: 'to readers',
  inPath: { id: PERSON },
  parameters: {},
  answers: { 202: { description: 'It was asked for.', type: 'application/json', schema: schemaOf('ErasureAsked') } },
  errors: ['query_unavailable', 'not_found', 'log_unavailable', 'overloaded'],
} as const satisfies Operation;

const ERASE_PATH = /^\/api\/v1\/users\/([^/]+)$/;

export function isErasePath(path: string): boolean {
  return ERASE_PATH.test(path);
}

/** The answer of ERASE, as JSON. Rejects with ClickstreamError. */
export async function answerErase(
  erase: Erase,
  { path, parameters }: { readonly path: string; readonly parameters: Readonly<Record<string, string>> },
): Promise<string> {
  readParameters(parameters, ERASE.parameters);
  const [, encoded = ''] = ERASE_PATH.exec(path) ?? [];
  return JSON.stringify(await erase(readSegment('id', encoded, PERSON)));
}

/** An id tells how many records it has, and when it was asked for, to the second. */
const ID = /^[0-9a-f-]{36}\.(\d{1,5})\.(\d{1,11})$/;

export const erasure = endpoint({
  path: '/api/v1/erasures/{id}',
  name: 'erasure',
  summary: 'The certificate of an erasure',
  description:
    'What was removed where, and what goes or stays how long. It holds nothing of the person, and is kept for good.',
  inPath: { id: described('As the erasure was answered.', text(LIMITS.idCharsMax)) },
  parameters: {},
  answers: 'Erasure',
  errors: ['erasure_unknown'],
  reply: async ({ reader, parts }, _, { id }) => {
    const [, records, seconds] = ID.exec(id) ?? [];
    const asked = { records: Number(records), atMs: Number(seconds) * 1_000 };
    const counts = await reader.snapshot((reads) => reads.erasure(id));
    if (records === undefined || (counts === undefined && !mayBePending(asked, parts.clock()))) {
      throw new ClickstreamError('erasure_unknown');
    }
    return JSON.stringify({ id, ...certificate(asked, counts) });
  },
});

interface Asked {
  readonly records: number;
  readonly atMs: number;
}

const HOUR_MS = 3_600_000;

/** What is asked for is in the log for so long at the most. */
function mayBePending({ atMs }: Asked, nowMs: number): boolean {
  return nowMs - atMs < LIMITS.logRetentionHours * HOUR_MS;
}

/** Where something of a person can lie, and what becomes of it there. */
interface Place {
  readonly place: string;
  readonly state: 'removed' | 'scheduled' | 'expires' | 'kept';
  readonly removed?: number;
  readonly until?: string;
  readonly detail: string;
}

function certificate(asked: Asked, counts: ErasureCounts | undefined): JsonObject {
  const applied = counts?.applied ?? 0;
  const isApplied = applied >= asked.records;
  const places = counts === undefined ? [] : [...storePlaces(counts), ...logPlaces(asked, counts), ...KEPT];
  const isDone = isApplied && places.every(({ state }) => state !== 'scheduled');
  return {
    state: isDone ? 'done' : isApplied ? 'applied' : 'asked',
    askedAt: new Date(asked.atMs).toISOString(),
    visitors: asked.records,
    applied,
    places: places.map((place) => ({ ...place })),
  };
}

function storePlaces(counts: ErasureCounts): readonly Place[] {
  const { events, visitors, links, bad, dead, searching, rewriting = 0, hiddenUntil } = counts;
  const stored =
    hiddenUntil === undefined ? ({ state: 'removed' } as const) : ({ state: 'scheduled', until: hiddenUntil } as const);
  const searched = { state: searching === 0 ? 'removed' : 'scheduled' } as const;
  const places: Place[] = [
    { place: 'events', ...stored, removed: events, detail: 'stored events' },
    { place: 'visitors', ...stored, removed: visitors, detail: 'what is kept of a visitor between events' },
    { place: 'links', ...stored, removed: links, detail: 'which devices a user was seen on' },
    { place: 'bad', ...searched, removed: bad, detail: 'bytes of events set aside; their place and reason stay' },
    { place: 'dead', ...searched, removed: dead, detail: 'bytes of dead records; their place stays' },
  ];
  if (counts.rewriting !== undefined) {
    const state = rewriting === 0 ? 'removed' : 'scheduled';
    const waits = rewriting === 0 ? '' : '; it is written anew, once there is room for that';
    const detail = `bytes of store.sqlite that belong to nothing any more${waits}`;
    places.push({ place: 'store file', state, detail });
  }
  return places;
}

/** On one machine the log is overwritten; Kinesis cannot be, and forgets by itself. */
function logPlaces({ atMs }: Asked, { log, searching, rewriting }: ErasureCounts): readonly Place[] {
  if (rewriting !== undefined) {
    const state = searching === 0 ? 'removed' : 'scheduled';
    return [{ place: 'log', state, removed: log ?? 0, detail: 'records of the log, overwritten where they lie' }];
  }
  const until = new Date(atMs + LIMITS.logRetentionHours * HOUR_MS).toISOString();
  return [
    { place: 'log', state: 'expires', until, detail: 'records of the stream of Kinesis' },
    {
      place: 'dead letters',
      state: 'kept',
      detail: 'batches that Lambda gave up lie in their bucket until its lifecycle deletes them',
    },
    {
      place: 'archive',
      state: 'kept',
      detail: 'where an archive is on, its objects stay until its lifecycle or you delete them',
    },
  ];
}

const KEPT: readonly Place[] = [
  {
    place: 'statistics',
    state: 'kept',
    detail:
      'rows of views keep their counts, the pages and campaigns counted, and hashes in sketches of unique visitors',
  },
  { place: 'tombstones', state: 'kept', detail: 'a keyed hash of each id, so that no replay brings anything back' },
  {
    place: 'copies',
    state: 'kept',
    detail:
      'copies and backups that you made are out of reach: records replayed here bring nothing back, elsewhere they do; after a store of before is put back, erase the person once more',
  },
];

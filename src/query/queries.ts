import { asClickstreamError, ClickstreamError, problemOf } from '../core/errors.ts';
import type { EventReader } from '../store/event-store.ts';
import { bad, badEvent, badReasons } from './bad.ts';
import { REPLAY_BAD, REPLAY_BADS } from './bad-replay.ts';
import { dead, deadRecord, REDRIVE } from './dead.ts';
import type { Endpoint, QueryParts } from './endpoint.ts';
import { ERASE, erasure } from './erasures.ts';
import { events, userEvents } from './lists.ts';
import { openApiDocument } from './openapi.ts';
import { COLLECT } from './openapi-collect.ts';
import { SERVED } from './openapi-served.ts';
import { audit, live, schemas, sources, statsEndpoint } from './overview.ts';
import { person, personExport } from './person.ts';
import { REBUILD, rebuilds } from './rebuilds.ts';
import { receipt } from './receipts.ts';
import { REPLAY } from './replay.ts';
import type { Measures } from './stats.ts';
import { SYSTEM } from './system.ts';

export type { QueryParts } from './endpoint.ts';

/** A GET of the API: the path as it was asked for (percent-encoded), and its query parameters, decoded, each once. */
export interface Question {
  readonly path: string;
  readonly parameters: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  /** JSON; a problem document (RFC 9457) when the status is 400 or more. */
  readonly body: string;
}

/** By the measures that they are declared with: once, for it takes as long as a small answer. */
const declared = new WeakMap<Measures, readonly Endpoint[]>();

/** The whole API. A new endpoint is declared beside what it reads, and listed here. */
function endpointsOf(measures: Measures): readonly Endpoint[] {
  const endpoints = declared.get(measures) ?? [
    events,
    userEvents,
    statsEndpoint(measures),
    live,
    bad,
    badReasons,
    badEvent,
    dead,
    deadRecord,
    receipt,
    sources,
    schemas,
    audit,
    rebuilds,
    person,
    personExport,
    erasure,
  ];
  declared.set(measures, endpoints);
  return endpoints;
}

/** A question that reads every stored event, and takes as long. */
export function isDeepAudit({ path, parameters }: Question): boolean {
  return path === audit.path && parameters.deep === 'true';
}

const DOCUMENT_PATH = '/openapi.json';

/** Answers one question of the API from the store. Never throws: what goes wrong is an answer, too. */
export async function answer(reader: EventReader, question: Question, parts: QueryParts): Promise<Answer> {
  try {
    return { status: 200, body: await bodyOf(reader, question, parts) };
  } catch (thrown) {
    const error = asClickstreamError(thrown);
    if (error.code === 'internal') parts.report(error);
    return { status: error.status, body: JSON.stringify(problemOf(error)) };
  }
}

async function bodyOf(reader: EventReader, { path, parameters }: Question, parts: QueryParts): Promise<string> {
  const endpoints = endpointsOf(parts.measures);
  if (path === DOCUMENT_PATH) {
    return JSON.stringify(
      openApiDocument([
        ...COLLECT,
        ...endpoints,
        REDRIVE,
        REPLAY,
        REPLAY_BAD,
        REPLAY_BADS,
        REBUILD,
        ERASE,
        SYSTEM,
        ...SERVED,
      ]),
    );
  }
  for (const endpoint of endpoints) {
    const body = endpoint.answer({ reader, path, parameters, parts });
    if (body !== undefined) return body;
  }
  throw new ClickstreamError('not_found', `nothing is served at ${path}`);
}

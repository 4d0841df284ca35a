import type { IncomingMessage, ServerResponse } from 'node:http';
import { type AlbEvent, type AlbResult, answerAlb } from '../adapters/aws/lambda-http.ts';
import type { Secret } from '../adapters/aws/secrets.ts';
import { Numbering } from '../collect/numbering.ts';
import { Redriver } from '../collect/redrive.ts';
import { ClickstreamError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { readJson } from '../core/read-json.ts';
import type { Clock } from '../core/time.ts';
import { VERSION } from '../core/version.ts';
import type { EventLog } from '../log/event-log.ts';
import { answer, createReplayOfBad, seal, VIEW_NAMES, viewOf } from '../pipeline.ts';
import { readBadPiece } from '../query/bad-replay.ts';
import { createRedrive } from '../query/dead.ts';
import { createErase } from '../query/erasures.ts';
import { createQueries } from '../query/http.ts';
import type { Page } from '../query/page.ts';
import { findPerson } from '../query/person.ts';
import type { Answer, Question } from '../query/queries.ts';
import { createReplay } from '../query/replay.ts';
import type { EventReader, EventStore } from '../store/event-store.ts';
import { readTokenOf } from './lambda-keys.ts';

export interface QueryParts {
  readonly reader: EventReader;
  /** What is put back goes into it. */
  readonly log: EventLog;
  readonly store: Pick<EventStore, 'askRebuild' | 'claimReplays' | 'markRedriven' | 'noteReplays' | 'seal'>;
  /** Every shard that the stream has, with when nothing was left to do in it (src/adapters/aws/kinesis-shards.ts). */
  readonly shards: (dones: ReadonlyMap<string, bigint>) => Promise<ReadonlyMap<string, number | undefined>>;
  readonly secret: Pick<Secret, 'text' | 'look' | 'settled'>;
  readonly page: Page;
  readonly clock: Clock;
  /** Takes a metric in CloudWatch's embedded format, without what names the function. */
  readonly metric: (metric: Metric) => undefined;
  readonly report: (what: string, fault: unknown) => void;
}

/** What the stack's schedule sends. */
export interface AuditEvent {
  readonly task: 'audit';
}

/** One value of one metric. */
export interface Metric {
  readonly name: 'LedgerOutOfBalance';
  readonly value: 0 | 1;
  readonly atMs: number;
}

interface QueryHandler {
  (event: AlbEvent): Promise<AlbResult>;
  (event: AuditEvent): Promise<undefined>;
  (event: AlbEvent | AuditEvent): Promise<AlbResult | undefined>;
}

const HOUR_MS = 3_600_000;
const AUDIT: Question = { path: '/api/v1/audit', parameters: {} };

/** Throws when there is no answer: no audit is no proof. */
function outOfBalance({ status, body }: Answer, atMs: number): Metric {
  if (status !== 200) throw new ClickstreamError('internal', `the audit was answered with ${status}: ${body}`);
  const { balanced } = readJson(body) as { readonly balanced: boolean };
  return { name: 'LedgerOutOfBalance', value: balanced ? 0 : 1, atMs };
}

/** The readers' side of one function environment. Nothing is left running once it has answered. */
export function createQueryHandler(parts: QueryParts): QueryHandler {
  const { reader, store, secret, clock } = parts;
  const report = (fault: unknown) => parts.report('query', fault);
  // Which records of the stream are not processed yet is unknown here; only in which shards there are any.
  const log = async () => {
    const lanes = await reader.snapshot((reads) => reads.lanes());
    return { lanes: await parts.shards(new Map([...lanes].map(([lane, { done }]) => [lane, done]))), findings: [] };
  };
  const ask = (question: Question) => answer(question, { reader, clock, log, report });
  const audit = async () => {
    const collectorMsMax = LIMITS.lambdaCollectorHoursMax * HOUR_MS;
    await seal({ reader, store, nowMs: clock(), log: await log(), collectorMsMax });
    return outOfBalance(await ask(AUDIT), clock());
  };
  const redriver = new Redriver({ log: parts.log, numbering: new Numbering(), clock });
  const queries = createQueries({
    ask,
    redrive: createRedrive({
      find: (place) => reader.snapshot((reads) => reads.deadAt(place)),
      append: (payload) => redriver.append(payload),
      mark: (lane, sequence, position) => store.markRedriven(lane, sequence, position),
    }),
    replayBad: createReplayOfBad({
      find: (asked) => readBadPiece(reader, asked),
      redriver,
      claim: (claims) => store.claimReplays(claims),
      note: (notes) => store.noteReplays(notes),
      clock,
    }),
    erase: createErase({
      find: findPerson(ask),
      append: (records) => redriver.appendAll(records),
      clock,
    }),
    replay: createReplay({ append: (records) => redriver.appendAll(records), clock }),
    rebuilder: { views: VIEW_NAMES, ask: (view) => store.askRebuild(viewOf(view)) },
    access: { kind: 'token', authorize: readTokenOf(secret) },
    page: parts.page,
    // One that answers is able to. Whether events are taken and processed, CloudWatch's alarms tell.
    ready: () => ({ ready: true, reasons: [] }),
    system: async () => ({
      home: 'AWS',
      ...{ version: VERSION, startedAt: null },
      // A lane says when its newest record arrived, and not when it was stored.
      ...{ freshness: null, collect: null, log: null, store: null, disk: null },
      lanes: await reader.snapshot((reads) => reads.lanes()),
    }),
    metrics: () => '# Of AWS, CloudWatch has the metrics; one function environment knows little.\n',
    report,
  });
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    // The target group asks for its health whether or not the secret can be read.
    if (request.url !== '/health') await secret.look();
    queries.handle(request, response);
  };
  return (async (event: AlbEvent | AuditEvent) => {
    if ('task' in event) return parts.metric(await audit());
    const result = await answerAlb(event, handle, report);
    await secret.settled();
    return result;
  }) as QueryHandler;
}

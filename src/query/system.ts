import type { LaneState } from '../store/event-store.ts';
import type { Operation } from './openapi.ts';
import { schemaOf } from './openapi-schemas.ts';
import { type Parameters, readParameters } from './parameters.ts';

/** What a home says of itself; null is what it does not know. */
export interface System {
  readonly home: 'one machine' | 'AWS';
  readonly version: string;
  /** ISO 8601. */
  readonly startedAt: string | null;
  /** From the 2xx, over the last seconds, to when lists and timelines have the events. Null also where nothing came. */
  readonly freshness: {
    readonly seconds: number;
    readonly records: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
  } | null;
  /** Of the collector, since it started: its answers by HTTP status, and those that were errors by code. */
  readonly collect: {
    readonly events: number;
    readonly setAside: number;
    readonly requests: Readonly<Record<number, number>>;
    readonly rejected: Readonly<Record<string, number>>;
  } | null;
  readonly log: {
    readonly bytes: number;
    readonly segments: number;
    readonly unprocessedBytes: number;
    readonly writable: boolean;
  } | null;
  readonly store: { readonly bytes: number; readonly writable: boolean } | null;
  readonly disk: { readonly freeBytes: number } | null;
  readonly lanes: ReadonlyMap<string, LaneState>;
}

/** How the program runs: of the home, which asks the query worker for its part. */
export const SYSTEM: Operation & { readonly parameters: Parameters } = {
  method: 'get',
  path: '/api/v1/system',
  name: 'system',
  tag: 'operate',
  summary: 'How the program runs',
  description:
    'What is null is not known: on AWS there are many processes, and CloudWatch has their metrics. `freshness` is null too while ' +
    'nothing comes.',
  open: 'to readers',
  parameters: {},
  answers: { 200: { description: 'How it runs.', type: 'application/json', schema: schemaOf('System') } },
  errors: ['query_unavailable'],
};

/** The answer, as JSON. Throws `parameter_invalid`, and what the home throws. */
export async function answerSystem(
  { system, ready }: { readonly system: () => Promise<System>; readonly ready: () => object },
  parameters: Readonly<Record<string, string>>,
): Promise<string> {
  readParameters(parameters, SYSTEM.parameters);
  const { lanes, ...told } = await system();
  const rendered = [...lanes].map(([lane, { done, arrivedAtMs }]) => ({
    lane,
    done: done.toString(),
    arrivedAt: arrivedAtMs === undefined ? null : new Date(arrivedAtMs).toISOString(),
  }));
  return JSON.stringify({ ...told, ready: ready(), lanes: rendered });
}

import { ClickstreamError } from '../core/errors.ts';
import { shown } from '../core/event.ts';
import type { ViewRebuild } from '../core/generations.ts';
import type { JsonObject } from '../core/json.ts';
import { endpoint } from './endpoint.ts';
import { readJsonBody } from './json-body.ts';
import type { Operation } from './openapi.ts';
import { schemaOf } from './openapi-schemas.ts';
import { invalidParameter, readParameters } from './parameters.ts';

const PATH = '/api/v1/rebuilds';

export const rebuilds = endpoint({
  path: PATH,
  name: 'rebuilds',
  summary: 'Every view, and how its latest rebuild stands',
  description:
    'A view is folded anew out of the stored events when that is asked for, or when a new version of the program counts it otherwise. Until that is done, its old numbers are answered, with what came since; then the new ones, at once.',
  parameters: {},
  answers: 'Rebuilds',
  reply: async ({ reader, parts }) => {
    const found = await reader.snapshot((reads) => reads.rebuilds());
    const byView = new Map(found.map((rebuild) => [rebuild.view, rebuild]));
    return JSON.stringify({ rebuilds: parts.views.map((view) => rendered(view, byView.get(view))) });
  },
});

/** To whom a rebuild is told, passed in, for the store belongs to another thread, and views to another stage. */
export interface Rebuilder {
  /** The names of all views. */
  readonly views: readonly string[];
  /** `EventStore.askRebuild`. */
  readonly ask: (view: string) => Promise<void>;
}

export const REBUILD = {
  method: 'post',
  path: PATH,
  name: 'rebuild',
  tag: 'operate',
  summary: 'Fold a view anew out of the stored events',
  description:
    'While events go on coming. It is done in the background; GET tells how far it is. Asked for again meanwhile, it is the same one. Times of which events are expired keep their numbers.',
  open: 'to readers',
  parameters: {},
  body: {
    schema: {
      ...{ type: 'object', required: ['view'], additionalProperties: false },
      properties: { view: { type: 'string', description: 'The name of a view, as the list has it.' } },
    },
    examples: { one: { value: { view: 'traffic' } } },
  },
  answers: { 200: { description: 'It was asked for.', type: 'application/json', schema: schemaOf('RebuildAsked') } },
  errors: [
    ...(['query_unavailable', 'view_unknown', 'views_newer', 'content_type_unsupported', 'body_not_json'] as const),
    ...(['body_not_object', 'body_too_large', 'overloaded'] as const),
  ],
} as const satisfies Operation;

/** The answer of REBUILD, as JSON, to a POST of its Content-Type. Rejects with ClickstreamError. */
export async function answerRebuild(
  { views, ask }: Rebuilder,
  { parameters, body }: { readonly parameters: Readonly<Record<string, string>>; readonly body: Uint8Array },
): Promise<string> {
  readParameters(parameters, REBUILD.parameters);
  const { view, ...others } = readJsonBody(body, '{"view": "traffic"} or another view');
  const [other] = Object.keys(others);
  if (other !== undefined)
    throw new ClickstreamError('parameter_invalid', `unknown member ${shown(other)}; allowed here: view`);
  if (typeof view !== 'string')
    throw invalidParameter({ name: 'view in the body', got: JSON.stringify(view) ?? 'nothing', allowed: 'a text' });
  if (!views.includes(view))
    throw new ClickstreamError('view_unknown', `there is no view ${shown(view)}; there are: ${views.join(', ')}`);
  await ask(view);
  return JSON.stringify({ view });
}

function rendered(view: string, rebuild: ViewRebuild | undefined): JsonObject {
  return {
    view,
    state: rebuild?.state ?? 'never',
    askedAt: timeOf(rebuild?.askedAtMs),
    startedAt: timeOf(rebuild?.startedAtMs),
    finishedAt: timeOf(rebuild?.finishedAtMs),
    folded: rebuild?.folded ?? 0,
    events: rebuild?.events ?? 0,
    keptBefore: rebuild?.keptBefore ?? null,
  };
}

function timeOf(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

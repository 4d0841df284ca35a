import { ClickstreamError } from '../../core/errors.ts';
import { shown } from '../../core/event.ts';
import { depthOf, isObject, type Json, type JsonObject } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { parseJson } from '../body.ts';
import { keyOfAuthorization } from '../keys.ts';
import { elementTexts } from '../original.ts';
import type { Mapped, MappedRequest, Protocol, RejectedRequest } from '../protocol.ts';

/**
 * Segment's HTTP API (https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/): a call a request,
 * or a batch. `/v1/import` is what older server SDKs name the batch.
 */
export const segment: Protocol = {
  name: 'segment',
  paths: ['track', 'page', 'screen', 'identify', 'group', 'alias', 'batch', 'import'].map((name) => `/v1/${name}`),
  methods: ['POST'],
  map(request) {
    const body = parseJson(request.body);
    if (body instanceof ClickstreamError) return rejected(body);
    const { text, value } = body;
    if (!isObject(value)) {
      return rejected(new ClickstreamError('body_not_object', `the body must be a JSON object, got ${kindOf(value)}`));
    }
    const writeKey = keyOfAuthorization(request.headers.authorization) ?? textOrNone(value.writeKey);
    const name = request.path.slice('/v1/'.length);
    if (name === 'batch' || name === 'import') return mapBatch(value, text, writeKey);
    return { kind: 'events', writeKey, events: [mapEvent(value, name, NO_BATCH)], original: () => text };
  },
  success: { status: 200, contentType: 'application/json', body: '{"success":true}' },
  failure({ status, code, message, cure }) {
    const body = JSON.stringify({ success: false, code, message, cure });
    return { status, contentType: 'application/json', body };
  },
};

const TYPES: ReadonlySet<unknown> = new Set(['track', 'page', 'screen', 'identify', 'group', 'alias']);
const NO_BATCH: JsonObject = {};

function rejected(error: ClickstreamError): RejectedRequest {
  return { kind: 'rejected', error };
}

function mapBatch(body: JsonObject, text: string, writeKey: string | undefined): MappedRequest | RejectedRequest {
  const batch = body.batch as Json | undefined;
  if (!Array.isArray(batch)) {
    return rejected(new ClickstreamError('batch_missing', `"batch" must be an array, got ${kindOf(batch)}`));
  }
  if (batch.length > LIMITS.batchEventsMax) {
    const detail = `a batch holds at most ${LIMITS.batchEventsMax} events, got ${batch.length}`;
    return rejected(new ClickstreamError('batch_too_long', detail));
  }
  const contextProblem = batchContextProblem(body.context ?? undefined, batch.length);
  if (contextProblem !== undefined) {
    return rejected(new ClickstreamError('batch_context_invalid', `the batch's context ${contextProblem}`));
  }
  const events = batch.map((event) => mapBatched(event, body));
  let originals: readonly string[] | undefined;
  const original = (index: number) => {
    originals ??= elementTexts(text, 'batch');
    return originals[index] ?? '';
  };
  return { kind: 'events', writeKey, events, original };
}

/** Every event gets the batch's context, so a small request could become thousands of times its size. */
function batchContextProblem(context: Json | undefined, eventCount: number): string | undefined {
  if (context === undefined) return undefined;
  if (!isObject(context)) return `must be an object, got ${kindOf(context)}`;
  const { jsonDepthMax, requestRecordsBytesMax } = LIMITS;
  if (depthOf(context, jsonDepthMax) > jsonDepthMax) return `may be nested ${jsonDepthMax} levels deep`;
  const chars = JSON.stringify(context).length * eventCount;
  return chars > requestRecordsBytesMax ? `would be ${chars} characters in ${eventCount} events` : undefined;
}

function mapBatched(event: Json, batch: JsonObject): Mapped {
  if (!isObject(event)) {
    const detail = `an event must be an object, got ${kindOf(event)}`;
    return { kind: 'unmappable', reason: { code: 'not_an_object', detail } };
  }
  const type = event.type ?? '';
  if (type !== '' && !TYPES.has(type)) {
    const detail = `"type" must be one of ${[...TYPES].join(', ')}, got ${typeof type === 'string' ? shown(type) : kindOf(type)}`;
    return { kind: 'unmappable', reason: { code: 'type_invalid', detail } };
  }
  return mapEvent(event, type, batch);
}

function mapEvent(event: JsonObject, type: Json, batch: JsonObject): Mapped {
  const context = contextOf(event, batch);
  return {
    kind: 'candidate',
    eventId: idOf(event.messageId),
    eventType: type === 'track' ? event.event : type,
    userId: idOf(event.userId),
    anonymousId: idOf(event.anonymousId),
    createdAt: event.originalTimestamp ?? event.timestamp ?? undefined,
    sentAt: event.sentAt ?? batch.sentAt ?? undefined,
    properties: propertiesOf(event, type),
    context,
    traits: traitsOf(event, type, context),
  };
}

/** Trackers with typed languages send numbers as ids, and nothing as an empty text. */
function idOf(id: Json | undefined): unknown {
  if (typeof id === 'number') return String(id);
  return id === '' || id === null ? undefined : id;
}

/** The batch's context holds for all its events; what an event says of its own comes first. */
function contextOf(event: JsonObject, batch: JsonObject): unknown {
  const own = event.context ?? undefined;
  if (!isObject(batch.context)) return own ?? {};
  if (own === undefined) return batch.context;
  return isObject(own) ? { ...batch.context, ...own } : own;
}

function propertiesOf(event: JsonObject, type: Json): unknown {
  const properties = event.properties ?? {};
  if (!isObject(properties)) return properties;
  switch (type) {
    case 'page':
    case 'screen':
      return withAbsent(withAbsent(properties, 'name', event.name), 'category', event.category);
    case 'group':
      return withAbsent(properties, 'groupId', event.groupId);
    case 'alias':
      return withAbsent(properties, 'previousId', event.previousId);
    default:
      return properties;
  }
}

function withAbsent(properties: JsonObject, name: string, value: Json | undefined): JsonObject {
  const isPresent = properties[name] !== undefined && properties[name] !== null;
  return isPresent || value === undefined || value === null ? properties : { ...properties, [name]: value };
}

/** A group's traits are the group's; context.traits are always the user's. */
function traitsOf(event: JsonObject, type: Json, context: unknown): unknown {
  const own = event.traits ?? undefined;
  if (own !== undefined || type === 'group' || !isObject(context)) return own ?? {};
  return context.traits ?? {};
}

/** The value itself may be nested too deep to be shown. */
function kindOf(value: Json | undefined): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`;
}

function textOrNone(value: Json | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

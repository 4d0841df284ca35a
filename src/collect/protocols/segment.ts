import { truncateAddress } from '../../core/address.ts';
import { ClickstreamError } from '../../core/errors.ts';
import { idOf, shown } from '../../core/event.ts';
import { depthOf, isObject, type Json, type JsonObject } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { parseJson } from '../body.ts';
import { keyOfAuthorization } from '../keys.ts';
import { elementTexts } from '../original.ts';
import type { Answer, Mapped, MappedRequest, Protocol, RejectedRequest } from '../protocol.ts';
import { segmentSettings } from './segment-settings.ts';

const BATCHES = ['batch', 'import'];
const TYPES: ReadonlySet<Json> = new Set(['track', 'page', 'screen', 'identify', 'group', 'alias']);
/** The browser's tracker posts to the first letter of what servers post to. */
const BROWSER_NAMES: ReadonlyMap<string, string> = new Map(
  ['track', 'page', 'screen', 'identify', 'group', 'alias', 'batch'].map((name) => [name.charAt(0), name]),
);
const SETTINGS_PATH = '/v1/projects/*/settings';
/** Where the browser's tracker reports how it fares itself. */
const METRICS_PATH = '/v1/m';
const SUCCESS: Answer = { status: 200, contentType: 'application/json', body: '{"success":true}' };
/** Its clients look at the status, and older ones for an object of JSON; what more is in it they pass over. */
const success = (receipt: string | undefined): Answer =>
  receipt === undefined
    ? SUCCESS
    : { status: 200, contentType: 'application/json', body: `{"success":true,"receipt":"${receipt}"}` };

/**
 * Segment's HTTP API (https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/): a call a request,
 * or a batch. `/v1/import` is what older server SDKs name the batch; `/v1/t` and its like, settings and metrics are what
 * the browser's tracker, @segment/analytics-next, asks for.
 */
export const segment: Protocol = {
  name: 'segment',
  routes: [
    ...[...TYPES, ...BATCHES].map((name) => ({ path: `/v1/${name}`, methods: ['POST'], sender: 'server' as const })),
    ...[...BROWSER_NAMES.keys()].map((name) => ({
      path: `/v1/${name}`,
      methods: ['POST'],
      sender: 'browser' as const,
    })),
    { path: METRICS_PATH, methods: ['POST'], sender: 'browser' },
    { path: SETTINGS_PATH, methods: ['GET'], sender: 'browser' },
  ],
  map(request) {
    if (request.method === 'GET') return segmentSettings(request);
    // Nobody asked for them, and they are no events.
    if (request.path === METRICS_PATH) return { kind: 'answered', writeKey: undefined, answer: SUCCESS };
    const body = parseJson(request.body);
    if (body instanceof ClickstreamError) return rejected(body);
    const { text, value } = body;
    if (!isObject(value)) {
      return rejected(new ClickstreamError('body_not_object', `the body must be a JSON object, got ${kindOf(value)}`));
    }
    const writeKey = keyOfAuthorization(request.headers.authorization) ?? textOrNone(value.writeKey);
    const sent = request.path.slice('/v1/'.length);
    const name = BROWSER_NAMES.get(sent) ?? sent;
    if (!TYPES.has(name)) return mapBatch(value, text, writeKey);
    const events = [mapEvent(value, name, NO_BATCH)];
    return { kind: 'events', writeKey, events, original: () => text, success };
  },
  failure({ status, code, message, cure }) {
    const body = JSON.stringify({ success: false, code, message, cure });
    return { status, contentType: 'application/json', body };
  },
};

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
  return { kind: 'events', writeKey, events, original, success };
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

/** What a batch holds, as one of its events; by itself, of a batch that says nothing for all of them. */
export function mapBatched(event: Json, batch: JsonObject = NO_BATCH): Mapped {
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
    context: withUnmapped(context, event, type),
    traits: traitsOf(event, type, context),
  };
}

/** Members that have a place of their own in every event, and the protocol's own, which are not stored. */
const MAPPED: ReadonlySet<string> = new Set([
  ...['messageId', 'userId', 'anonymousId', 'originalTimestamp', 'sentAt', 'properties', 'context', 'traits'],
  ...['integrations', '_metadata', 'writeKey'],
]);

/**
 * Nothing that an event says is dropped: members that have no place of their own are in `context._unmapped`. In the context, for
 * it is no part of an event's identity. (Were that name taken, there would be one more underscore.)
 */
function withUnmapped(context: unknown, event: JsonObject, type: Json): unknown {
  let unmapped: [string, Json | undefined][] | undefined;
  for (const name in event) {
    if (MAPPED.has(name) || isMapped(name, event, type)) continue;
    unmapped ??= [];
    const value = event[name];
    unmapped.push([name, name === 'ip' && typeof value === 'string' ? truncateAddress(value) : value]);
  }
  if (unmapped === undefined || !isObject(context)) return context;
  let place = '_unmapped';
  while (Object.hasOwn(context, place)) place = `_${place}`;
  return { ...context, [place]: Object.fromEntries(unmapped) };
}

/** Whether a member has a place of its own in an event of this type. */
function isMapped(name: string, event: JsonObject, type: Json): boolean {
  const value = event[name];
  switch (name) {
    case 'type':
      return value === type;
    case 'event':
      return type === 'track';
    case 'timestamp':
      return value === (event.originalTimestamp ?? value);
    default: {
      const { properties } = event;
      const own = isObject(properties) ? (properties[name] ?? value) : value;
      return (own === value || value === null) && (PROPERTIES_BESIDE.get(type) ?? NONE).includes(name);
    }
  }
}

/** The batch's context holds for all its events; what an event says of its own comes first. */
function contextOf(event: JsonObject, batch: JsonObject): unknown {
  const own = event.context ?? undefined;
  if (!isObject(batch.context)) return own ?? {};
  if (own === undefined) return batch.context;
  return isObject(own) ? { ...batch.context, ...own } : own;
}

/** Members beside the properties that are kept among them, unless those have one of the same name. */
const PROPERTIES_BESIDE: ReadonlyMap<Json, readonly string[]> = new Map([
  ['page', ['name', 'category']],
  ['screen', ['name', 'category']],
  ['group', ['groupId']],
  ['alias', ['previousId']],
]);
const NONE: readonly string[] = [];

function propertiesOf(event: JsonObject, type: Json): unknown {
  let properties = event.properties ?? {};
  if (!isObject(properties)) return properties;
  for (const name of PROPERTIES_BESIDE.get(type) ?? NONE) {
    const value = event[name] ?? undefined;
    if (value !== undefined && (properties[name] ?? undefined) === undefined)
      properties = { ...properties, [name]: value };
  }
  return properties;
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

import type { ErrorCode } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import type { AnswerKind, Operation } from './openapi.ts';
import { schemaOf } from './openapi-schemas.ts';
import { described, text } from './parameters.ts';

/**
 * The collect paths, for the document alone: stages do not import each other, so what the collector serves is told here a
 * second time, and tests/api holds the two together.
 */

const JSON_TYPE = 'application/json';
const ACCEPTED: AnswerKind = {
  description: 'Every event of the request is durable, those set aside too.',
  type: JSON_TYPE,
  schema: schemaOf('Accepted'),
};
const WRITE_KEY: readonly ErrorCode[] = ['write_key_missing', 'write_key_wrong'];
const BODY: readonly ErrorCode[] = [
  'body_not_json',
  'body_not_object',
  'body_encoding_unsupported',
  'body_encoding_broken',
  'body_too_large',
];
const BATCH: readonly ErrorCode[] = ['batch_missing', 'batch_too_long', 'batch_context_invalid'];
type Sender = 'server' | 'browser';
const APPENDED: Readonly<Record<Sender, readonly ErrorCode[]>> = {
  server: ['log_unavailable', 'overloaded'],
  browser: ['log_unavailable', 'overloaded', 'salt_unavailable'],
};

const ID: JsonObject = { type: ['string', 'number', 'null'], description: `1 to ${LIMITS.idCharsMax} characters.` };
const TIME: JsonObject = { type: ['string', 'number', 'null'], description: 'ISO 8601, or epoch milliseconds.' };
const OBJECT: JsonObject = { type: ['object', 'null'] };

const EVENT_MEMBERS: JsonObject = {
  messageId: { ...ID, description: "The sender's id of the event, the same on every retry." },
  userId: ID,
  anonymousId: {
    ...ID,
    description:
      "The device. An event needs this or `userId`; without both, one of a browser whose context says `cookieless: true` gets the day's.",
  },
  timestamp: TIME,
  originalTimestamp: TIME,
  sentAt: TIME,
  properties: OBJECT,
  context: OBJECT,
  traits: OBJECT,
  writeKey: { type: ['string', 'null'] },
};
const EXAMPLE = { messageId: 'a1b2', anonymousId: 'device-1', timestamp: '2026-11-23T10:04:05.678Z' };
const ASIDE =
  'An event that is wrong while its request is well-formed is set aside, and answered with 200 like the others.';

const SECOND_PATH = 'The configuration may name a second path that takes the same (`tracker.collect`).';

const CALLS = {
  track: {
    what: 'something that a user did',
    member: { event: { type: 'string', maxLength: LIMITS.eventTypeCharsMax } },
  },
  page: { what: 'a page that was seen', member: { name: { type: ['string', 'null'] } } },
  screen: { what: 'a screen of an app that was seen', member: { name: { type: ['string', 'null'] } } },
  identify: { what: 'who a user is', member: {} },
  group: { what: 'the group that a user belongs to', member: { groupId: ID } },
  alias: { what: 'a second id of a user', member: { previousId: ID } },
} as const;

function call(path: string, type: keyof typeof CALLS, sender: Sender): Operation {
  const { what, member } = CALLS[type];
  const value = { ...EXAMPLE, ...(type === 'track' ? { event: 'Signed Up' } : {}) };
  return {
    method: 'post',
    path,
    name: sender === 'server' ? type : `${type}FromBrowser`,
    tag: 'collect',
    summary: `Send ${what}${sender === 'server' ? '' : ", as a browser's tracker does"}`,
    description: ASIDE,
    open: 'to trackers',
    body: { schema: { type: 'object', properties: { ...EVENT_MEMBERS, ...member } }, examples: { one: { value } } },
    answers: { 200: ACCEPTED },
    errors: [...BODY, ...WRITE_KEY, ...APPENDED[sender]],
  };
}

function batch(path: string, name: string, sender: Sender): Operation {
  const event = { type: 'object', properties: { type: { enum: Object.keys(CALLS) }, ...EVENT_MEMBERS } };
  const properties = {
    batch: { type: 'array', items: event, maxItems: LIMITS.batchEventsMax },
    context: { ...OBJECT, description: 'Of every event of the batch.' },
    sentAt: TIME,
    writeKey: { type: ['string', 'null'] },
  };
  return {
    method: 'post',
    path,
    name,
    tag: 'collect',
    summary: 'Send several events',
    description: sender === 'server' ? ASIDE : `${ASIDE} ${SECOND_PATH}`,
    open: 'to trackers',
    body: {
      schema: { type: 'object', properties, required: ['batch'] },
      examples: { one: { value: { batch: [{ ...EXAMPLE, type: 'page' }] } } },
    },
    answers: { 200: ACCEPTED },
    errors: [...BODY, ...BATCH, ...WRITE_KEY, ...APPENDED[sender]],
  };
}

const TYPES = Object.keys(CALLS) as readonly (keyof typeof CALLS)[];

export const COLLECT: readonly Operation[] = [
  ...TYPES.map((type) => call(`/v1/${type}`, type, 'server')),
  batch('/v1/batch', 'batch', 'server'),
  batch('/v1/import', 'import', 'server'),
  ...TYPES.map((type) => call(`/v1/${type.charAt(0)}`, type, 'browser')),
  batch('/v1/b', 'batchFromBrowser', 'browser'),
  {
    method: 'post',
    path: '/v1/m',
    name: 'trackerMetrics',
    tag: 'collect',
    summary: "How a browser's tracker fares; taken, and not kept",
    open: 'to trackers',
    body: { schema: {}, examples: { one: { value: { series: [] } } } },
    answers: { 200: { ...ACCEPTED, description: 'It was taken.' } },
    errors: ['body_too_large', 'body_encoding_unsupported', 'body_encoding_broken'],
  },
  {
    method: 'get',
    path: '/v1/projects/{key}/settings',
    name: 'trackerSettings',
    tag: 'collect',
    summary: "What a browser's tracker loads before it sends",
    open: 'to trackers',
    inPath: { key: described('A write key.', text(LIMITS.urlCharsMax)) },
    answers: { 200: { description: 'Settings.', type: JSON_TYPE, schema: { type: 'object' } } },
    errors: [...WRITE_KEY, 'not_found'],
  },
  {
    method: 'get',
    path: '/t.js',
    name: 'trackerScript',
    tag: 'collect',
    summary: "The browser's tracker of our own",
    description: 'The configuration may name another path in its place (`tracker.script`).',
    open: 'to all',
    answers: {
      200: {
        description: 'JavaScript.',
        type: 'text/javascript; charset=utf-8',
        schema: { type: 'string' },
        headers: { ETag: 'Of this text, in this coding.' },
      },
    },
    errors: ['not_found'],
  },
];

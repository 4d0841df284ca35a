import { ERRORS, type ErrorCode } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { PROBLEM_SCHEMA, REJECTION_SCHEMA, SCHEMAS } from './openapi-schemas.ts';
import type { Parameters } from './parameters.ts';

/** One answer of an operation that went well, or said no in its own words. */
export interface AnswerKind {
  readonly description: string;
  readonly type: string;
  readonly schema: JsonObject;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * What is served at a path, declared once: requests are routed and read by it, and the OpenAPI document is made of it, so
 * that the two cannot differ.
 */
export interface Operation {
  readonly method: 'get' | 'post' | 'delete';
  /** A template, such as `/api/v1/users/{id}/events`. */
  readonly path: string;
  readonly name: string;
  readonly tag: 'read' | 'collect' | 'operate';
  readonly summary: string;
  readonly description?: string;
  /** Health checks come from whoever keeps the process alive, and pages and documents hold no data of their own. */
  readonly open: 'to all' | 'to the right host' | 'to readers' | 'to trackers';
  readonly inPath?: Parameters;
  readonly parameters?: Parameters;
  readonly body?: {
    /** @default application/json */
    readonly type?: string;
    readonly schema: JsonObject;
    readonly examples: JsonObject;
  };
  /** By HTTP status. */
  readonly answers: Readonly<Record<number, AnswerKind>>;
  /** What can go wrong beside what can with any request that is as open as this. */
  readonly errors: readonly ErrorCode[];
}

/** Of what never became a request, or ended before it was whole: answered below the routes, for all paths alike. */
const CONNECTION_ERRORS: readonly ErrorCode[] = [
  'request_malformed',
  'body_incomplete',
  'request_timeout',
  'headers_too_large',
];

const ERRORS_BY_OPENNESS: Readonly<Record<Operation['open'], readonly ErrorCode[]>> = {
  'to all': ['internal', 'parameter_invalid'],
  'to the right host': ['internal', 'parameter_invalid', 'host_refused'],
  'to readers': ['internal', 'parameter_invalid', 'host_refused', 'read_token_missing', 'read_token_wrong'],
  'to trackers': ['internal', 'shutting_down'],
};

const SECURITY: Readonly<Record<Operation['open'], readonly JsonObject[]>> = {
  'to all': [],
  'to the right host': [],
  'to readers': [{ readToken: [] }, {}],
  'to trackers': [{ writeKeyBasic: [] }, { writeKeyBearer: [] }, {}],
};

const INTRODUCTION = `Clickstream takes in and processes clickstream events. Events go in at the collect paths, and are read at /api/v1.

What is wrong is a problem document (RFC 9457) with a stable \`code\`; trackers get the same as \`{success, code, message, cure}\`.
Lists are read page by page: pass the \`cursor\` of a page to get the next one, until it is null. Every event that was there when the first
page was read is in exactly one page, whatever arrives meanwhile. Times are ISO 8601 in UTC. GET paths answer HEAD, too.`;

/** The OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0) of these operations. */
export function openApiDocument(operations: readonly Operation[]): JsonObject {
  const paths: Record<string, Record<string, JsonObject>> = {};
  for (const operation of operations) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: operationObject(operation) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Clickstream',
      version: '1',
      description: INTRODUCTION,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: [
      { name: 'collect', description: 'For trackers: events go in.' },
      { name: 'read', description: 'For readers: what was stored, counted and set aside.' },
      { name: 'operate', description: 'For whoever keeps the server running.' },
    ],
    paths,
    components: {
      schemas: SCHEMAS,
      securitySchemes: {
        readToken: { type: 'http', scheme: 'bearer', description: 'A read token, where read tokens are configured.' },
        writeKeyBasic: {
          type: 'http',
          scheme: 'basic',
          description: 'A write key as the user name, without password.',
        },
        writeKeyBearer: { type: 'http', scheme: 'bearer', description: 'A write key.' },
      },
    },
    // For who shows a code to people: what it means, and its cure.
    'x-errors': ERRORS,
  };
}

function operationObject(operation: Operation): JsonObject {
  const { name, tag, summary, description, open, inPath = {}, parameters = {}, body } = operation;
  return {
    operationId: name,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    security: SECURITY[open],
    parameters: [...parametersIn('path', inPath), ...parametersIn('query', parameters)],
    ...(body === undefined ? {} : { requestBody: requestBodyOf(body) }),
    responses: responsesOf(operation),
  };
}

function requestBodyOf({ type = 'application/json', ...content }: NonNullable<Operation['body']>): JsonObject {
  return { required: true, content: { [type]: content } };
}

function parametersIn(place: 'path' | 'query', parameters: Parameters): readonly JsonObject[] {
  return Object.entries(parameters).map(([name, { allowed, schema, description }]) => ({
    name,
    in: place,
    required: place === 'path',
    description: `${description === undefined ? '' : `${description} `}Must be ${allowed}.`,
    schema,
  }));
}

interface Response {
  readonly descriptions: string[];
  readonly headers: Record<string, JsonObject>;
  readonly content: Record<string, { readonly schema: JsonObject }>;
}

function responsesOf(operation: Operation): JsonObject {
  const responses = new Map<number, Response>();
  const responseAt = (status: number): Response => {
    const response = responses.get(status) ?? { descriptions: [], headers: {}, content: {} };
    responses.set(status, response);
    return response;
  };
  for (const [status, { description, type, schema, headers = {} }] of Object.entries(operation.answers)) {
    const response = responseAt(Number(status));
    response.descriptions.push(description);
    response.content[type] = { schema };
    for (const [name, text] of Object.entries(headers)) {
      response.headers[name] = { description: text, schema: { type: 'string' } };
    }
  }
  const own = [...ERRORS_BY_OPENNESS[operation.open], ...operation.errors];
  const isProblem = operation.open !== 'to trackers';
  addErrors(responseAt, own, isProblem);
  addErrors(responseAt, CONNECTION_ERRORS, false);
  const sorted = [...responses].sort(([a], [b]) => a - b);
  return Object.fromEntries(
    sorted.map(([status, { descriptions, headers, content }]) => [
      String(status),
      { description: descriptions.join('\n\n'), ...(Object.keys(headers).length > 0 && { headers }), content },
    ]),
  );
}

/** Errors by their status, each answer telling its codes. */
function addErrors(responseAt: (status: number) => Response, codes: readonly ErrorCode[], isProblem: boolean): void {
  const byStatus = Map.groupBy(new Set(codes), (code) => ERRORS[code].status);
  for (const [status, ofStatus] of byStatus) {
    const response = responseAt(status);
    const type = isProblem ? 'application/problem+json' : 'application/json';
    const known = response.content[type]?.schema;
    const schema = { ...(isProblem ? PROBLEM_SCHEMA : REJECTION_SCHEMA), properties: { code: { enum: ofStatus } } };
    response.content[type] = { schema: known === undefined ? schema : { anyOf: [known, schema] } };
    for (const code of ofStatus) response.descriptions.push(`\`${code}\`: ${ERRORS[code].meaning}`);
    if (status === 503) {
      response.headers['Retry-After'] = { description: 'Seconds.', schema: { type: 'integer', minimum: 0 } };
    }
    if (status === 401) response.headers['WWW-Authenticate'] = { schema: { type: 'string' } };
  }
}

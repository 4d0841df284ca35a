import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { ClickstreamError } from '../core/errors.ts';
import { type Event, type Reason, shown } from '../core/event.ts';
import { isObject, type Json } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';

/** A JSON Schema for the events of one type: of all sources, or of one. */
export interface SchemaSource {
  /** Where it was read from, as messages name it. */
  readonly file: string;
  /** Absent: it holds for every source that has none of its own for this type. */
  readonly source?: string;
  readonly eventType: string;
  /** A whole number. */
  readonly version: number;
  readonly schema: Json;
}

/** The schemas in force. */
export interface Schemas {
  readonly list: readonly SchemaSource[];
  /** Why the event does not fit the schema it must fit; undefined when it does, or when its type has none. */
  check(event: Event): Reason | undefined;
}

interface Compiled {
  readonly source: SchemaSource;
  readonly fits: ValidateFunction;
}

/** The schemas of one event type, for one source or for all. */
interface Versions {
  readonly byVersion: Map<number, Compiled>;
  newest: Compiled;
}

/**
 * Compiles schemas, all or none. Throws `config_invalid` for one that is no JSON Schema (draft-07 or 2020-12), that refers to
 * another document, or that is there twice.
 */
export function compileSchemas(list: readonly SchemaSource[]): Schemas {
  const general = new Map<string, Versions>();
  const bySource = new Map<string, Map<string, Versions>>();
  for (const source of list) {
    let types = general;
    if (source.source !== undefined) {
      types = bySource.get(source.source) ?? new Map();
      bySource.set(source.source, types);
    }
    addVersion(types, { source, fits: compiledOnce(source) });
  }
  return {
    list,
    check(event) {
      const versions = bySource.get(event.source)?.get(event.eventType) ?? general.get(event.eventType);
      return versions === undefined ? undefined : checkAgainst(versions, event);
    },
  };
}

function addVersion(types: Map<string, Versions>, compiled: Compiled): void {
  const { eventType, version, file } = compiled.source;
  const versions = types.get(eventType);
  if (versions === undefined) {
    types.set(eventType, { byVersion: new Map([[version, compiled]]), newest: compiled });
    return;
  }
  const twin = versions.byVersion.get(version);
  if (twin !== undefined) {
    throw invalid(file, `${twin.source.file} is version ${version} of the event type ${shown(eventType)}, too`);
  }
  versions.byVersion.set(version, compiled);
  if (version > versions.newest.source.version) versions.newest = compiled;
}

function checkAgainst({ byVersion, newest }: Versions, event: Event): Reason | undefined {
  const protocols = event.context.protocols;
  const named = isObject(protocols) ? (protocols.event_version ?? undefined) : undefined;
  const compiled = named === undefined ? newest : byVersion.get(versionOf(named));
  if (compiled === undefined) {
    const known = [...byVersion.keys()].sort((a, b) => a - b).join(', ');
    const allowed = `one of the versions of ${shown(event.eventType)} (${cut(known, 200)})`;
    const detail = `/context/protocols/event_version must be ${allowed}, got ${shown(named)}`;
    return { code: 'schema_version_unknown', detail: detail.toWellFormed() };
  }
  if (compiled.fits(event)) return undefined;
  const detail = `${cut(compiled.source.file, 200)}: ${describe(compiled.fits.errors ?? [], 'the event')}`;
  return { code: 'schema_invalid', detail: cut(detail, LIMITS.schemaDetailCharsMax) };
}

/** Segment's own trackers send a number; what is made from a form or a file sends its digits. NaN is no version. */
function versionOf(named: Json): number {
  if (typeof named === 'number') return named;
  return typeof named === 'string' && /^\d{1,9}$/.test(named) ? Number(named) : Number.NaN;
}

/**
 * Unknown keywords and formats are errors, for a misspelt one would check nothing. What else strict mode asks (a `type`
 * beside every `properties`) is taste. An event's fields are its own alone: `constructor` is not there unless it was sent.
 * The first failure ends the check: an event that fails in a thousand places costs no more than one that fails in one.
 */
const OPTIONS = {
  strictSchema: true,
  strictTypes: false,
  strictTuples: false,
  allowMatchingProperties: true,
  ownProperties: true,
  allErrors: false,
  verbose: true,
  logger: false,
} as const satisfies Options;

const DIALECTS = [
  { uri: 'https://json-schema.org/draft/2020-12/schema', validator: Ajv2020 },
  { uri: 'http://json-schema.org/draft-07/schema', validator: Ajv },
] as const;
type Dialect = (typeof DIALECTS)[number];

/** What checks schemas themselves, by dialect; made when first needed, for that takes 50 ms. */
const metaCheckers = new Map<Dialect, Ajv>();

/** So that a reload compiles only what has changed: whoever reads schemas gives the same object for the same file. */
const compiledBefore = new WeakMap<SchemaSource, ValidateFunction>();

function compiledOnce(source: SchemaSource): ValidateFunction {
  const before = compiledBefore.get(source);
  if (before !== undefined) return before;
  const fits = compile(source);
  compiledBefore.set(source, fits);
  return fits;
}

function compile({ file, schema }: SchemaSource): ValidateFunction {
  if (typeof schema !== 'boolean' && !isObject(schema)) {
    throw invalid(file, `a JSON Schema is an object, true or false, got ${shown(schema)}`);
  }
  const dialect = dialectOf(file, schema);
  const meta = metaCheckers.get(dialect) ?? new dialect.validator({ verbose: true, logger: false });
  metaCheckers.set(dialect, meta);
  try {
    if (meta.validateSchema(schema) !== true) throw invalid(file, describe(meta.errors ?? [], 'the schema'));
    // Each has a validator of its own, so that none sees another's ids, and a schema that is gone leaves nothing behind.
    const validator = new dialect.validator({ ...OPTIONS, meta: false, validateSchema: false });
    formats.default(validator).addFormat('url', isUrl);
    const fits = validator.compile(schema);
    if ('$async' in fits) throw invalid(file, '"$async" is no keyword of JSON Schema');
    return fits;
  } catch (cause) {
    if (cause instanceof ClickstreamError) throw cause;
    throw invalid(file, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/** In place of the one that comes with the formats, which takes a second for some texts of 60,000 characters. */
function isUrl(text: string): boolean {
  return /^(?:https?|ftp):\/\//i.test(text) && URL.canParse(text);
}

function dialectOf(file: string, schema: Json): Dialect {
  const named = isObject(schema) ? schema.$schema : undefined;
  if (named === undefined) return DIALECTS[0];
  const dialect = DIALECTS.find(({ uri }) => named === uri || named === `${uri}#`);
  if (dialect !== undefined) return dialect;
  throw invalid(file, `$schema must be one of ${DIALECTS.map(({ uri }) => uri).join(', ')}, got ${shown(named)}`);
}

function invalid(file: string, detail: string, cause?: unknown): ClickstreamError {
  const message = cut(`${file}: ${detail}`, LIMITS.schemaDetailCharsMax);
  return new ClickstreamError('config_invalid', message, { cause });
}

/** Failures inside an `anyOf` and its like come before that of the whole; so many of them are told. */
const INNER_FAILURES_TOLD = 3;

/** Where, what was expected, what was got. `root` names the whole that the JSON pointers lead into. */
function describe(errors: readonly Partial<ErrorObject>[], root: string): string {
  const [outer, ...inner] = errors.toReversed();
  if (outer === undefined) return `${root} does not fit`;
  const told = inner
    .reverse()
    .slice(0, INNER_FAILURES_TOLD)
    .map((error) => describeOne(error, root));
  return `${describeOne(outer, root)}${told.length === 0 ? '' : `: ${told.join('; ')}`}`;
}

function describeOne(error: Partial<ErrorObject>, root: string): string {
  const { instancePath = '', keyword, data } = error;
  const params: Readonly<Record<string, unknown>> = error.params ?? {};
  const field = params.missingProperty ?? params.additionalProperty ?? params.unevaluatedProperty;
  const pointer = typeof field === 'string' ? `${instancePath}/${escaped(field)}` : instancePath;
  const got =
    typeof field === 'string' ? (isObject(data) && Object.hasOwn(data, field) ? data[field] : undefined) : data;
  const where = pointer === '' ? root : cut(pointer, 200);
  return `${where} must ${cut(expectation(error, keyword, params), 300)}, got ${shown(got)}`;
}

function expectation(
  error: Partial<ErrorObject>,
  keyword: string | undefined,
  params: Readonly<Record<string, unknown>>,
): string {
  switch (keyword) {
    case 'required':
      return 'be there';
    case 'dependentRequired':
    case 'dependencies':
      return `be there when ${shown(params.property)} is`;
    case 'additionalProperties':
    case 'unevaluatedProperties':
    case 'false schema':
      return 'not be there';
    case 'propertyNames':
      return `not have a property named ${shown(params.propertyName)}`;
    case 'type':
      return `be of type ${[params.type].flat().join(' or ')}`;
    case 'enum':
      return `be one of ${JSON.stringify(params.allowedValues)}`;
    case 'const':
      return `be ${shown(params.allowedValue)}`;
    default:
      return (error.message ?? `fit "${keyword}"`).replace(/^must /, '').replace(/^NOT /, 'not ');
  }
}

/** A name as a part of a JSON pointer (RFC 6901). */
function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

function cut(text: string, charsMax: number): string {
  return (text.length > charsMax ? `${text.slice(0, charsMax - 1)}…` : text).toWellFormed();
}

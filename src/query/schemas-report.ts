import { isObject, type Json, type JsonObject } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import type { View } from '../core/view.ts';
import type { EventReads } from '../store/event-store.ts';
import { invalidParameter } from './parameters.ts';

/** What events had, by event type. */
export type Seen = ReadonlyMap<
  string,
  {
    readonly events: number;
    /** By name: how often it was there, by JSON type; "(other)" is all that a row had no room for. */
    readonly properties: ReadonlyMap<string, { readonly counts: Readonly<Record<string, number>> }>;
  }
>;

/** The slice of the view that the report reads. */
export type SeenView = Pick<View<Seen>, 'name' | 'empty' | 'decode' | 'merge'>;

/** A schema of one event type; without a source it holds for all that have none of their own for that type. */
export interface TypeSchema {
  readonly source?: string;
  readonly eventType: string;
  readonly version: number;
  readonly schema: Json;
}

export interface SchemasQuestion {
  readonly view: SeenView;
  readonly schemas: readonly TypeSchema[];
  /** Why the schemas as they are in the folder now are not in force; then `schemas` are those before. */
  readonly fault?: string | undefined;
  readonly source?: string | undefined;
  /** Of it alone, and of "(other)", under which it may have been counted. */
  readonly type?: string | undefined;
  /** Epoch milliseconds. */
  readonly from: number;
  readonly to: number;
}

export interface SchemasAnswer {
  /** What was counted: whole days of UTC. */
  readonly from: string;
  readonly to: string;
  readonly fault: string | null;
  /** Those with most events first. */
  readonly types: readonly TypeReport[];
}

export interface TypeReport {
  /** Null for a schema of all sources of whose type no event was seen. */
  readonly source: string | null;
  /** "(other)" holds the types that a row had no room for; nothing is known of their properties. */
  readonly eventType: string;
  /** Events that were stored; those set aside are not counted. */
  readonly events: number;
  /** Of the schemas that hold for it, ascending; the properties are compared with the last. Empty: it has no schema. */
  readonly versions: readonly number[];
  /** Where its properties are looked for. */
  readonly field: 'properties' | 'traits';
  /** A row had no room for all properties: then `count` may be too low, and `missing` too high. */
  readonly capped: boolean;
  readonly properties: readonly PropertyReport[];
}

export interface PropertyReport {
  readonly name: string;
  /** How often it was there, as null too. */
  readonly count: number;
  /** Events without it. */
  readonly missing: number;
  /** `count`, by JSON type: null, boolean, integer, number (with a fraction), string, array, object. */
  readonly types: Readonly<Record<string, number>>;
  readonly inSchema: boolean;
  /** In the schema, and of every event. */
  readonly required: boolean;
}

const DAY_MS = 86_400_000;
/** The year after it has five digits, which orders no more as text. */
const LAST_DAY_MS = Date.UTC(9999, 11, 31);
/** What the rows put under this name is no type, and no property. */
const OTHER = '(other)';

/**
 * Properties seen in stored events, against the newest schema of each event type. The range is rounded outwards to whole days
 * of UTC. Throws `parameter_invalid` when it is empty, too old, or longer than `schemaReportDaysMax`.
 */
export async function schemasReport(reads: EventReads, question: SchemasQuestion): Promise<SchemasAnswer> {
  const { view, schemas, fault, source, type } = question;
  const { from, to } = wholeDays(question);
  const seen = new Map<string, Seen>();
  const days = { from: `day/${isoTime(from).slice(0, 10)}`, to: `day/${isoTime(to).slice(0, 10)}` };
  for (const { key, text } of await reads.rows({ view: view.name, source, ...days })) {
    seen.set(key.source, view.merge(seen.get(key.source) ?? view.empty(), view.decode(text)));
  }
  const types = typeReports(seen, { schemas, source }).filter(
    ({ eventType }) => type === undefined || eventType === type || eventType === OTHER,
  );
  return { from: isoTime(from), to: isoTime(to), fault: fault ?? null, types };
}

function wholeDays({ from, to }: Pick<SchemasQuestion, 'from' | 'to'>) {
  if (from >= to) throw invalidParameter({ name: 'from', got: isoTime(from), allowed: `before to (${isoTime(to)})` });
  if (from < 0) throw invalidParameter({ name: 'from', got: isoTime(from), allowed: '1970-01-01 or later' });
  if (to > LAST_DAY_MS) throw invalidParameter({ name: 'to', got: isoTime(to), allowed: '9999-12-31 or earlier' });
  const days = { from: Math.floor(from / DAY_MS) * DAY_MS, to: Math.ceil(to / DAY_MS) * DAY_MS };
  const count = (days.to - days.from) / DAY_MS;
  if (count > LIMITS.schemaReportDaysMax) {
    const allowed = `at most ${LIMITS.schemaReportDaysMax} days before to (${isoTime(to)})`;
    throw invalidParameter({ name: 'from', got: isoTime(from), allowed });
  }
  return days;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** One report for each source and event type that was seen or has a schema. `seen` is by source. */
export function typeReports(
  seen: ReadonlyMap<string, Seen>,
  question: Pick<SchemasQuestion, 'schemas' | 'source'>,
): readonly TypeReport[] {
  const schemas = new Map<string, TypeSchema[]>();
  for (const schema of question.schemas) {
    const key = schemaKey(schema);
    schemas.set(key, [...(schemas.get(key) ?? []), schema]);
  }
  const reports: TypeReport[] = [];
  const unseen = new Set(schemas.keys());
  for (const [source, types] of seen) {
    for (const [eventType, had] of types) {
      const key = schemas.has(schemaKey({ source, eventType }))
        ? schemaKey({ source, eventType })
        : schemaKey({ eventType });
      unseen.delete(key);
      reports.push(typeReport({ source, eventType, had, schemas: schemas.get(key) ?? [] }));
    }
  }
  for (const key of unseen) {
    const [first, ...others] = schemas.get(key) ?? [];
    if (first === undefined || !isAsked(first, schemas, question.source)) continue;
    const { source = question.source ?? null, eventType } = first;
    reports.push(typeReport({ source, eventType, had: NOTHING_SEEN, schemas: [first, ...others] }));
  }
  return reports.sort(
    (a, b) => b.events - a.events || byText(a.eventType, b.eventType) || byText(a.source ?? '', b.source ?? ''),
  );
}

const NOTHING_SEEN: Had = { events: 0, properties: new Map() };

type Had = Seen extends ReadonlyMap<string, infer Value> ? Value : never;

function schemaKey({ source, eventType }: { readonly source?: string; readonly eventType: string }): string {
  return source === undefined ? `general\0${eventType}` : `of\0${source}\0${eventType}`;
}

/** Whether a schema holds for anything of the source asked for; all are asked for when none is. */
function isAsked(
  { source, eventType }: TypeSchema,
  schemas: ReadonlyMap<string, unknown>,
  asked: string | undefined,
): boolean {
  if (asked === undefined) return true;
  return source === undefined ? !schemas.has(schemaKey({ source: asked, eventType })) : source === asked;
}

function typeReport(of: {
  readonly source: string | null;
  readonly eventType: string;
  readonly had: Had;
  readonly schemas: readonly TypeSchema[];
}): TypeReport {
  const { source, eventType, had } = of;
  const field = eventType === 'identify' || eventType === 'group' ? 'traits' : 'properties';
  const schemas = of.schemas.toSorted((a, b) => a.version - b.version);
  const declared = declaredIn(schemas.at(-1)?.schema ?? {}, field);
  const names = new Set([...had.properties.keys(), ...declared.names.keys()]);
  const properties = [...names].map((name): PropertyReport => {
    const counts = Object.entries(had.properties.get(name)?.counts ?? {}).filter(([, times]) => times > 0);
    const count = counts.reduce((sum, [, times]) => sum + times, 0);
    return {
      name,
      count,
      missing: name === OTHER ? 0 : Math.max(0, had.events - count),
      types: Object.fromEntries(counts),
      inSchema: declared.names.has(name) || declared.patterns.some((pattern) => pattern.test(name)),
      required: declared.names.get(name) ?? false,
    };
  });
  return {
    source,
    eventType,
    events: had.events,
    versions: schemas.map(({ version }) => version),
    field,
    capped: had.properties.has(OTHER),
    properties: properties.sort((a, b) => b.count - a.count || byText(a.name, b.name)),
  };
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The names that a schema of an event has under one of its fields, and whether each is required. */
interface Declared {
  readonly names: Map<string, boolean>;
  readonly patterns: RegExp[];
}

function declaredIn(root: Json, field: string): Declared {
  const declared: Declared = { names: new Map(), patterns: [] };
  for (const event of partsOf(root, { schema: root, certain: true })) {
    const schema = isObject(event.schema.properties) ? event.schema.properties[field] : undefined;
    for (const part of partsOf(root, { schema, certain: event.certain })) declare(declared, part);
  }
  return declared;
}

function declare({ names, patterns }: Declared, { schema, certain }: Part): void {
  const { properties, required, patternProperties } = schema;
  for (const name of isObject(properties) ? Object.keys(properties) : []) names.set(name, names.get(name) ?? false);
  for (const name of Array.isArray(required) ? required : []) {
    if (typeof name === 'string') names.set(name, certain || (names.get(name) ?? false));
  }
  for (const pattern of isObject(patternProperties) ? Object.keys(patternProperties) : []) {
    patterns.push(new RegExp(pattern, 'u'));
  }
}

/** A schema that a value is held against: always, or under some condition. */
interface Part {
  readonly schema: JsonObject;
  readonly certain: boolean;
}

/** A schema and what it is made of, by `allOf`, references within its document, and conditions. Each part comes once. */
function partsOf(root: Json, whole: { readonly schema: Json | undefined; readonly certain: boolean }): readonly Part[] {
  const parts: Part[] = [];
  const met = new Set<JsonObject>();
  const possible: (Json | undefined)[] = [];
  // What is certain goes first, so that a part that is reached both ways counts as certain.
  const certain: (Json | undefined)[] = [];
  (whole.certain ? certain : possible).push(whole.schema);
  while (certain.length > 0 || possible.length > 0) {
    const isCertain = certain.length > 0;
    const schema = isCertain ? certain.pop() : possible.pop();
    if (!isObject(schema) || met.has(schema)) continue;
    met.add(schema);
    parts.push({ schema, certain: isCertain });
    const { allOf, anyOf, oneOf, then, else: otherwise, dependentSchemas, $ref } = schema;
    (isCertain ? certain : possible).push(...listOf(allOf), referred(root, $ref));
    possible.push(...listOf(anyOf), ...listOf(oneOf), then, otherwise);
    if (isObject(dependentSchemas)) possible.push(...Object.values(dependentSchemas));
  }
  return parts;
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

/** What a JSON pointer (RFC 6901) leads to within the document; references by an id or an anchor are not followed. */
function referred(root: Json, reference: Json | undefined): Json | undefined {
  if (typeof reference !== 'string' || !/^#(?:\/|$)/.test(reference)) return undefined;
  let value: Json | undefined = root;
  for (const part of decodeURIComponent(reference).split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as JsonObject)[name];
  }
  return value;
}

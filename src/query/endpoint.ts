import type { ClickstreamError, ErrorCode } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { Clock } from '../core/time.ts';
import type { EventReader } from '../store/event-store.ts';
import type { LogView } from './ledger-reading.ts';
import type { Operation } from './openapi.ts';
import { schemaOf } from './openapi-schemas.ts';
import { invalidParameter, type Parameter, type Parameters, readParameters, type Values } from './parameters.ts';
import type { SeenView, TypeSchema } from './schemas-report.ts';
import type { LedgerRows } from './sealing.ts';
import type { Measures } from './stats.ts';

/** What queries need beside the store, passed in, for stages do not know each other. */
export interface QueryParts {
  readonly measures: Measures;
  readonly ledger: LedgerRows;
  /** The names of all views. */
  readonly views: readonly string[];
  /** What the log still holds, for the audit. Absent where it cannot be looked into. */
  readonly log?: (() => Promise<LogView>) | undefined;
  /** The last sequence of each lane that the log holds. Absent where that is not known. */
  readonly logEnds?: (() => ReadonlyMap<string, bigint>) | undefined;
  /** The schemas in force, and why those in their folder are not, if so. */
  readonly schemas: () => { readonly list: readonly TypeSchema[]; readonly fault: string | undefined };
  readonly seen: SeenView;
  /** What is kept of a visitor between its events, as a person may read it. */
  readonly memoryOf: (state: string) => JsonObject;
  readonly clock: Clock;
  /** Told of faults of the program; the asker is told too. */
  readonly report: (fault: ClickstreamError) => void;
}

export interface Asked {
  readonly reader: EventReader;
  /** The path as it was asked for, and the query parameters, decoded. */
  readonly path: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly parts: QueryParts;
}

/** An endpoint of the API: how it is declared, and its answer, which is JSON. */
export interface Endpoint extends Operation {
  /** Undefined when the path is not the endpoint's. Rejects with `parameter_invalid`, and whatever the endpoint declares. */
  answer(asked: Asked): Promise<string> | undefined;
}

type InPath<Schema> = {
  readonly [Name in keyof Schema]: Schema[Name] extends Parameter<infer Value> ? Value : never;
};

interface Declared<Path extends Parameters, Query extends Parameters> {
  readonly path: string;
  readonly name: string;
  readonly summary: string;
  readonly description?: string;
  readonly inPath?: Path;
  readonly parameters: Query;
  /** The name of the answer's schema. */
  readonly answers: string;
  readonly errors?: readonly ErrorCode[];
  readonly reply: (asked: Asked, given: Values<Query>, inPath: InPath<Path>) => Promise<string>;
}

/** Ties what an endpoint declares to what reads it. */
export function endpoint<Query extends Parameters, Path extends Parameters = Record<never, never>>(
  declared: Declared<Path, Query>,
): Endpoint {
  const { reply, answers, parameters, inPath, errors = [], ...told } = declared;
  const names = [...declared.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const pattern = new RegExp(`^${declared.path.replaceAll(/\{\w+\}/g, '([^/]+)')}$`);
  return {
    ...told,
    method: 'get',
    tag: 'read',
    open: 'to readers',
    parameters,
    ...(inPath === undefined ? {} : { inPath }),
    answers: { 200: { description: declared.summary, type: 'application/json', schema: schemaOf(answers) } },
    errors: ['query_unavailable', ...(names.length === 0 ? [] : ['not_found' as const]), ...errors],
    answer(asked) {
      const found = pattern.exec(asked.path);
      if (found === null) return undefined;
      return (async () => {
        const values: Record<string, unknown> = {};
        for (const [place, name] of names.entries()) {
          const parameter = inPath?.[name];
          if (parameter === undefined) throw new Error(`${declared.path} does not declare ${name}`);
          values[name] = readSegment(name, found[place + 1] ?? '', parameter);
        }
        return reply(asked, readParameters(asked.parameters, parameters), values as InPath<Path>);
      })();
    },
  };
}

/** A segment of a path, decoded. Throws `parameter_invalid`. */
export function readSegment<Value>(name: string, encoded: string, parameter: Parameter<Value>): Value {
  try {
    const value = parameter.read(decodeURIComponent(encoded));
    if (value !== undefined) return value;
  } catch (error) {
    // What decodeURIComponent throws for a broken escape; the answer below says so.
    if (!(error instanceof URIError)) throw error;
  }
  throw invalidParameter({
    name: `the ${name} in the path`,
    got: encoded,
    allowed: `${parameter.allowed}, percent-encoded`,
  });
}

import { ClickstreamError } from '../core/errors.ts';
import { shown } from '../core/event.ts';
import type { JsonObject } from '../core/json.ts';
import { canonicalTime } from '../core/time.ts';

/** One query parameter: what it may be, in words, and how its text is read; undefined when it is not that. */
export interface Parameter<Value> {
  readonly allowed: string;
  /** The same as JSON Schema, for the API's document; at least as strict as `read` wherever a schema can be. */
  readonly schema: JsonObject;
  /** What it does in its endpoint, for the same. */
  readonly description?: string;
  read(text: string): Value | undefined;
}

export type Parameters = Readonly<Record<string, Parameter<unknown>>>;

export type Values<Schema> = {
  readonly [Name in keyof Schema]: Schema[Name] extends Parameter<infer Value> ? Value | undefined : never;
};

export function described<Value>(description: string, parameter: Parameter<Value>): Parameter<Value> {
  return { ...parameter, description };
}

/**
 * The parameters given, read by the schema; absent ones are undefined. Throws `parameter_invalid` for one that is not in
 * the schema or not allowed, so that a misspelt filter is an error and never a wider answer.
 */
export function readParameters<Schema extends Parameters>(
  given: Readonly<Record<string, string>>,
  schema: Schema,
): Values<Schema> {
  const values: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(given)) {
    const parameter = Object.hasOwn(schema, name) ? schema[name] : undefined;
    if (parameter === undefined) {
      const known = Object.keys(schema).join(', ') || 'none';
      throw new ClickstreamError('parameter_invalid', `unknown parameter ${shown(name)}; allowed here: ${known}`);
    }
    const value = parameter.read(text);
    if (value === undefined) throw invalidParameter({ name, got: text, allowed: parameter.allowed });
    values[name] = value;
  }
  return values as Values<Schema>;
}

export function invalidParameter(problem: {
  readonly name: string;
  readonly got: string;
  readonly allowed: string;
}): ClickstreamError {
  return new ClickstreamError(
    'parameter_invalid',
    `${problem.name} must be ${problem.allowed}, got ${shown(problem.got)}`,
  );
}

export function oneOf<const Value extends string>(values: readonly Value[]): Parameter<Value> {
  return {
    allowed: `one of ${values.join(', ')}`,
    schema: { type: 'string', enum: values },
    read: (text) => values.find((value) => value === text),
  };
}

export function integer({ min, max }: { readonly min: number; readonly max: number }): Parameter<number> {
  return {
    allowed: `an integer from ${min} to ${max}`,
    schema: { type: 'integer', minimum: min, maximum: max },
    read(text) {
      const value = /^(?:0|[1-9]\d{0,14})$/.test(text) ? Number(text) : undefined;
      return value !== undefined && value >= min && value <= max ? value : undefined;
    },
  };
}

export function text(charsMax: number): Parameter<string> {
  return {
    allowed: `a text of 1 to ${charsMax} characters without NUL`,
    schema: { type: 'string', minLength: 1, maxLength: charsMax, pattern: '^[^\\u0000]*$' },
    read: (value) => (value !== '' && value.length <= charsMax && !value.includes('\0') ? value : undefined),
  };
}

/**
 * Canonical ISO 8601 (core/time.ts), from ISO 8601 or epoch milliseconds. Zeros at the end of a fraction go, so that of
 * all texts of that moment this is the first in order, and a range that starts or ends there holds what it should.
 */
export const time: Parameter<string> = {
  allowed: 'a time in ISO 8601 or epoch milliseconds',
  schema: {
    anyOf: [
      { type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}([T ].+)?$', maxLength: 40, examples: ['2026-11-23T10:04:05Z'] },
      { type: 'integer', minimum: -62_167_219_200_000, maximum: 253_402_300_799_999 },
    ],
  },
  read(value) {
    const canonical = canonicalTime(/^-?\d{1,15}$/.test(value) ? Number(value) : value);
    return canonical?.replace(/\.(\d*?)0*Z$/, (_, digits: string) => (digits === '' ? 'Z' : `.${digits}Z`));
  },
};

/** An IANA time zone (or an offset such as +05:30), as this machine's Intl knows them. */
export const zone: Parameter<string> = {
  allowed: 'an IANA time zone, such as Europe/Berlin',
  schema: { type: 'string', minLength: 1, examples: ['Europe/Berlin', 'UTC', '+05:30'] },
  read(value) {
    try {
      return new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone;
    } catch (error) {
      // The documented answer of Intl to a zone that it does not know.
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  },
};

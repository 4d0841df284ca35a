import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

interface OpenApiSchema {
  readonly [keyword: string]: unknown;
}

export interface OpenApiOperation {
  readonly operationId: string;
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: OpenApiSchema }>> }>
  >;
}

/** What these tests read of an OpenAPI document. */
export interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, OpenApiSchema>> };
}

export interface SeenAnswer {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly status: number;
  readonly contentType: string | null;
  readonly body: string;
}

/** Holds answers against an OpenAPI document, and remembers which operations they were of. */
export class ApiDocument {
  readonly seen = new Set<string>();
  readonly #document: OpenApiDocument;
  readonly #ajv = new Ajv2020({ strict: true, strictTypes: false, allErrors: true });
  readonly #validators = new Map<string, ValidateFunction>();

  constructor(document: OpenApiDocument) {
    this.#document = document;
    addFormats.default(this.#ajv);
  }

  get operations(): readonly string[] {
    return Object.values(this.#document.paths).flatMap((operations) =>
      Object.values(operations).map(({ operationId }) => operationId),
    );
  }

  /** What is wrong with the answer by the document, in words; nothing when all is well. */
  problemsOf(answer: SeenAnswer): readonly string[] {
    const operation = this.#operationOf(answer);
    if (operation === undefined) return [`${answer.method} ${answer.path} is not documented`];
    this.seen.add(operation.operationId);
    const where = `${operation.operationId} ${answer.status}`;
    const content = operation.responses[String(answer.status)]?.content;
    if (content === undefined) return [`${where}: the status is not documented: ${answer.body}`];
    const schema = (content[answer.contentType ?? ''] ?? content['*/*'])?.schema;
    if (schema === undefined) return [`${where}: the type ${answer.contentType} is not documented`];
    const validate = this.#validatorOf(`${where} ${answer.contentType}`, schema);
    const value: unknown = answer.contentType?.includes('json') === true ? JSON.parse(answer.body) : answer.body;
    if (validate(value)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${where}: ${instancePath} ${message} ${JSON.stringify(params)}`,
    );
  }

  #operationOf({ method, path }: SeenAnswer): OpenApiOperation | undefined {
    const { paths } = this.#document;
    const exact = paths[path]?.[method.toLowerCase()];
    if (exact !== undefined) return exact;
    const template = Object.keys(paths).find((candidate) =>
      new RegExp(`^${candidate.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path),
    );
    return template === undefined ? undefined : paths[template]?.[method.toLowerCase()];
  }

  #validatorOf(key: string, schema: OpenApiSchema): ValidateFunction {
    const known = this.#validators.get(key);
    if (known !== undefined) return known;
    // In the document, references lead to its own components; a schema alone brings them along.
    const alone = JSON.stringify({ ...schema, $defs: this.#document.components.schemas });
    const validate = this.#ajv.compile(JSON.parse(alone.replaceAll('#/components/schemas/', '#/$defs/')) as object);
    this.#validators.set(key, validate);
    return validate;
  }
}

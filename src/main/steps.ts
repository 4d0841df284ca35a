import { openCountryFile } from '../adapters/embedded/country-file.ts';
import { openSchemaFolder, type SchemaFolder } from '../adapters/embedded/schema-folder.ts';
import { LIMITS } from '../core/limits.ts';
import { createEnrich } from '../pipeline.ts';
import type { Steps } from '../process/decide.ts';
import type { Schemas } from '../process/schemas.ts';
import type { Config } from './config.ts';

/** The part of the configuration that goes to the threads behind the log. */
export type StepSettings = Pick<Config, 'sources' | 'schemas' | 'countries'>;

/** The folder of schemas, when one is configured. Throws ClickstreamError `config_invalid`. */
export async function openSchemas({ schemas: folder }: StepSettings): Promise<SchemaFolder<Schemas> | undefined> {
  if (folder === undefined) return undefined;
  // Compiling schemas takes a library that takes 60 ms to load.
  const { compileSchemas } = await import('../process/schemas.ts');
  return openSchemaFolder({ folder, compile: compileSchemas });
}

/** What the processor does with each event, as it is configured. */
export class ConfiguredSteps {
  readonly #enrich: Steps['enrich'];
  readonly #schemas: SchemaFolder<Schemas> | undefined;
  #lookedAtMs = 0;

  private constructor(enrich: Steps['enrich'], schemas: SchemaFolder<Schemas> | undefined) {
    this.#enrich = enrich;
    this.#schemas = schemas;
  }

  /** Throws ClickstreamError `config_invalid`. */
  static async open(settings: StepSettings): Promise<ConfiguredSteps> {
    const { sources, countries } = settings;
    const domains = new Map(sources.map(({ name, domains: own }) => [name, own]));
    const enrich = createEnrich({
      domains: (source) => domains.get(source) ?? [],
      ...(countries !== undefined && { countryOf: openCountryFile(countries) }),
    });
    return new ConfiguredSteps(enrich, await openSchemas(settings));
  }

  /** For the next batch. */
  get now(): Pick<Steps, 'enrich' | 'check'> {
    return { enrich: this.#enrich, check: this.#schemas?.current.check ?? fits };
  }

  /** Takes up schemas that changed, at most once in `schemaLookMs`. Says in words what came of it; undefined when nothing did. */
  refresh(nowMs: number): string | undefined {
    if (this.#schemas === undefined || nowMs - this.#lookedAtMs < LIMITS.schemaLookMs) return undefined;
    this.#lookedAtMs = nowMs;
    if (!this.#schemas.refresh()) return undefined;
    const { fault } = this.#schemas;
    return fault === undefined ? 'schemas: taken up anew' : `schemas: ${fault}; those before stay in force`;
  }
}

const fits: Steps['check'] = () => undefined;

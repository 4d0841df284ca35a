import type { Event } from '../core/event.ts';
import type { Enriched } from '../core/view.ts';
import { createClientOf } from './enrich/client.ts';
import { createLanguageOf } from './enrich/language.ts';
import { pageOf } from './enrich/page.ts';
import { createTrafficOf } from './enrich/traffic.ts';

export type { Enriched };

export interface EnrichOptions {
  /** The domains of a source, in lower case: visitors who come from there, or from under them, come from within. */
  readonly domains: (source: string) => readonly string[];
  /** The country of an address. Without it no event has one. */
  readonly countryOf?: (address: string) => string | undefined;
}

/**
 * Enrichment, in values that a row of a view can have: absent is not known, and texts have at most rowKeyCharsMax
 * characters. It is pure but for its bounded caches, so it may be done again for an event at any time, and never throws,
 * whatever context and properties hold (docs/enrichment.md).
 */
export function createEnrich({ domains, countryOf }: EnrichOptions): (event: Event) => Enriched {
  const clientOf = createClientOf();
  const languageOf = createLanguageOf();
  const trafficOf = createTrafficOf();
  return (event) => {
    const { ip, locale, userAgent } = event.context;
    const page = pageOf(event);
    const language = languageOf(locale);
    const country = typeof ip === 'string' ? countryOf?.(ip) : undefined;
    const enriched: { -readonly [Name in keyof Enriched]: Enriched[Name] } = {
      ...clientOf(userAgent),
      ...trafficOf(event, domains(event.source)),
    };
    if (page !== undefined) enriched.page = page;
    if (language !== undefined) enriched.language = language;
    if (country !== undefined) enriched.country = country;
    return enriched;
  };
}

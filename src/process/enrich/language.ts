import { BoundedCache } from '../../core/bounded-cache.ts';
import type { Json } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';

/** The language of a locale in any of its spellings: `en-GB`, `en_US.UTF-8`, `zh-Hant-TW`; it has two or three letters (ISO 639). */
const LANGUAGE = /^\s*([a-z]{2,3})(?:[-_.@].*)?\s*$/is;

/**
 * The reader of `context.locale`: its language in lower case, without script and region, in the newest of its codes
 * (`iw` is `he`, `eng` is `en`; UTS 35, canonical locale identifiers). What is no locale is undefined.
 */
export function createLanguageOf(): (locale: Json | undefined) => string | undefined {
  const cache = new BoundedCache<string>(LIMITS.localesCachedMax);
  return (locale) => {
    // A long text is no locale, and would stay in memory with the cache.
    if (typeof locale !== 'string' || locale.length > localeCharsMax) return undefined;
    const cached = cache.get(locale);
    if (cached !== undefined) return cached || undefined;
    const written = LANGUAGE.exec(locale)?.[1]?.toLowerCase();
    const language = written === undefined || NO_LANGUAGE.has(written) ? undefined : new Intl.Locale(written).language;
    cache.set(locale, language ?? '');
    return language;
  };
}

/** Twice the 35 characters that RFC 5646 (4.4.1) asks of every reader. */
const localeCharsMax = 70;

/** Undetermined, several, none, not coded (ISO 639-2). */
const NO_LANGUAGE: ReadonlySet<string> = new Set(['und', 'mul', 'zxx', 'mis']);

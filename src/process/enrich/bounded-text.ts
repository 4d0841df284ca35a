import type { Json } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';

/** What most are: ASCII that can be printed, with no space at its ends. */
const PLAIN = /^[!-~](?:[ -~]*[!-~])?$/;

/**
 * A text fit to be a key of a view's row: trimmed, without control characters, well-formed, at most rowKeyCharsMax long.
 * Undefined for what is no text, or has nothing in it.
 */
export function boundedText(value: Json | undefined): string | undefined {
  if (typeof value !== 'string') return undefined;
  if (value.length <= LIMITS.rowKeyCharsMax && PLAIN.test(value)) return value;
  const text = value
    .slice(0, 2 * LIMITS.rowKeyCharsMax)
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, LIMITS.rowKeyCharsMax)
    .toWellFormed();
  return text === '' ? undefined : text;
}

import { LIMITS } from './limits.ts';
import { readJson } from './read-json.ts';

/** Texts and numbers as JSON writes them, wherever they stand: in what is cut off or broken as well. */
const TOKENS = /"((?:[^"\\]|\\.)*)"|-?\d+(?:\.\d+)?/g;

/** All that could be somebody's id in bytes that could not be read as an event: a bounded number of texts and numbers. */
export function idsIn(payload: string): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const [token, quoted] of payload.matchAll(TOKENS)) {
    const id = quoted === undefined ? token : unescaped(token, quoted);
    if (id.length > 0 && id.length <= LIMITS.idCharsMax) ids.add(id);
    if (ids.size >= LIMITS.payloadIdsMax) break;
  }
  return ids;
}

/** The same where texts may lie within texts, and where one begins cannot be told: also whatever stands between two quotes. */
export function idsInDamaged(text: string): ReadonlySet<string> {
  const between = text.split(/\\*"/).filter((id) => id.length > 0 && id.length <= LIMITS.idCharsMax);
  return new Set([...idsIn(text), ...between.slice(0, LIMITS.payloadIdsMax)]);
}

function unescaped(token: string, quoted: string): string {
  if (!quoted.includes('\\')) return quoted;
  try {
    return String(readJson(token));
  } catch {
    return quoted;
  }
}

import { idOf, isId } from './event.ts';
import { isObject } from './json.ts';
import { LIMITS } from './limits.ts';
import { readJson, skipString } from './read-json.ts';

/** What of an event set aside says whose it is. */
interface SetAsideEvent {
  readonly payload: string;
  /** By which it was put back, perhaps with an edit in its place. */
  readonly replay?: { readonly visitor: string; readonly line: string | undefined } | undefined;
}

/** Whoever an event set aside may be of. */
export function* idsOfBad({ payload, replay }: SetAsideEvent): Iterable<string> {
  yield* idsOf(payload);
  if (replay === undefined) return;
  if (replay.visitor !== '') yield replay.visitor;
  if (replay.line !== undefined) yield* idsOf(replay.line);
}

/**
 * Whoever an event may be of, as its tracker sent it or as a line of a record; both name the ids alike. Where the collector would take
 * them for ids, it is theirs, and whatever else its bytes mention is none. Else nobody can tell, and all that could be an id may be one.
 * `value` is what the text is as JSON, undefined where it is none.
 */
export function* idsOf(text: string, value: unknown = parsed(text)): Iterable<string> {
  const { userId, anonymousId } = isObject(value) ? value : {};
  const ids = [idOf(userId), idOf(anonymousId)];
  const named = ids.every(isId) ? ids.filter((id) => id !== undefined) : [];
  if (named.length > 0) yield* named;
  else if (value === undefined) yield* idsInDamaged(text);
  else yield* idsIn(text);
}

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** All that could be somebody's id: texts and numbers as JSON writes them, wherever they stand, in what is cut off or broken as well. */
export function* idsIn(text: string): Iterable<string> {
  const tokens = new RegExp(`"|${NUMBER.source}`, 'g');
  let isOpen = false;
  for (let found = tokens.exec(text); found !== null; found = tokens.exec(text)) {
    const [token] = found;
    if (token !== '"') {
      yield* numberIds(token);
      continue;
    }
    // Behind a text without an end no other one ends, and to look for its end at each quote would take very long.
    const end: number = isOpen ? Number.POSITIVE_INFINITY : skipString(text, found.index);
    isOpen = end > text.length;
    if (isOpen) continue;
    tokens.lastIndex = end;
    const id = unescaped(text.slice(found.index, end));
    if (mayBeId(id)) yield id;
  }
}

/** The same where texts may lie within texts, and where one begins cannot be told: also whatever stands between two quotes, and any number. */
export function* idsInDamaged(text: string): Iterable<string> {
  yield* idsIn(text);
  for (const between of text.split(/\\*"/)) if (mayBeId(between)) yield between;
  for (const [token] of text.matchAll(NUMBER)) yield* numberIds(token);
}

/** As it is written, and as the collector takes a number for an id. */
function* numberIds(token: string): Iterable<string> {
  if (token.length <= LIMITS.idCharsMax) yield token;
  const id = String(Number(token));
  if (id !== token) yield id;
}

function mayBeId(id: string): boolean {
  return id.length > 0 && id.length <= LIMITS.idCharsMax;
}

function unescaped(token: string): string {
  const quoted = token.slice(1, -1);
  if (!quoted.includes('\\')) return quoted;
  try {
    return String(readJson(token));
  } catch {
    return quoted;
  }
}

function parsed(text: string): unknown {
  try {
    return readJson(text);
  } catch {
    return undefined;
  }
}

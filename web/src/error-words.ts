import { isObject } from './sent-json.ts';

export interface ErrorWords {
  readonly meaning: string;
  readonly cure: string;
}

/** What each error code means, and its cure, from the server's `/openapi.json`. Empty while that is not there. */
export function meaningsIn(document: unknown): ReadonlyMap<string, ErrorWords> {
  const errors = isObject(document) && isObject(document['x-errors']) ? document['x-errors'] : {};
  const known = Object.entries(errors).flatMap(([code, words]) => {
    if (!isObject(words)) return [];
    return [[code, { meaning: String(words.meaning ?? ''), cure: String(words.cure ?? '') }] as const];
  });
  return new Map(known);
}

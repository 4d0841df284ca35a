import { readJson, skipSpace, skipString } from '../core/read-json.ts';

/**
 * The elements of an array, each as the text it came as: parsing and writing them again would lose digits, doubled keys
 * and spaces. `text` must be a valid JSON object whose member `name` is an array; of several members of that name the last counts,
 * as in JSON.parse.
 */
export function elementTexts(text: string, name: string): readonly string[] {
  let elements: readonly string[] = [];
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  while (text[at] === '"') {
    const keyEnd = skipString(text, at);
    const key = readJson(text.slice(at, keyEnd));
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = skipValue(text, start);
    if (key === name && text[start] === '[') elements = readElements(text, start);
    at = skipSpace(text, end);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return elements;
}

function readElements(text: string, bracket: number): readonly string[] {
  const elements: string[] = [];
  let at = skipSpace(text, bracket + 1);
  while (at < text.length && text[at] !== ']') {
    const end = skipValue(text, at);
    elements.push(text.slice(at, end));
    at = skipSpace(text, end);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return elements;
}

/** Iterative, for the text may be nested deeper than the stack. */
function skipValue(text: string, from: number): number {
  let depth = 0;
  let at = from;
  while (at < text.length) {
    const character = text[at];
    if (character === '"') {
      at = skipString(text, at);
      if (depth === 0) return at;
      continue;
    }
    const isEnd = character === '}' || character === ']';
    if (depth === 0 && (isEnd || character === ',' || skipSpace(text, at) > at)) return at;
    at += 1;
    if (character === '{' || character === '[') depth += 1;
    if (isEnd) {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return at;
}

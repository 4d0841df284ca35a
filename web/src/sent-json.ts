/** JSON that somebody else wrote. */
import { STEERING } from './format.ts';

/** The value of a text, or why it is no JSON. */
export async function readJson(text: string): Promise<{ readonly value: unknown } | { readonly fault: string }> {
  try {
    return { value: await new Response(text).json() };
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
}

export function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The same JSON, in which what would steer its showing is written as an escape: it can be seen, and sent back unchanged. */
export function escapedJson(text: string): string {
  return text.replaceAll(STEERING, (found) => (/[\n\r\t]/.test(found) ? found : escaped(found)));
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Over several lines, where that changes no more than its spaces: not 1e400, nor a name that is there twice. */
export async function indentedJson(text: string): Promise<string> {
  const read = await readJson(text);
  const isSame = 'value' in read && isObject(read.value) && JSON.stringify(read.value) === text;
  return isSame ? JSON.stringify(read.value, null, 2) : text;
}

import { escapedJson } from './sent-json.ts';

export interface Sending {
  /** Of the server: `https://host`. */
  readonly origin: string;
  /** Where it asks for a token to read it asks for write keys too, as a rule: then the line names a variable of the shell for one. */
  readonly hasToken: boolean;
}

/** A line for a shell that posts this to a collect path. Whatever is in it, the shell takes it as one word. */
export function curlOf(path: string, body: unknown, { origin, hasToken }: Sending): string {
  // What steers a terminal does not belong into a line for one.
  const json = escapedJson(JSON.stringify(body));
  const key = hasToken ? '-u "$WRITE_KEY:" ' : '';
  return `curl ${origin}${path} ${key}-H 'Content-Type: application/json' -d ${quoted(json)}`;
}

/** As one word of a shell. */
export function quoted(word: string): string {
  return /^[\w.:/-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

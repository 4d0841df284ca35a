import { escapedJson } from './sent-json.ts';

export interface Sending {
  /** Of the server: `https://host`. */
  readonly origin: string;
  /** Where write keys are asked for, the line names a variable of the shell that has one. */
  readonly hasKeys: boolean;
}

/** A line for a shell that posts this to a collect path. Whatever is in it, the shell takes it as one word. */
export function curlOf(path: string, body: unknown, { origin, hasKeys }: Sending): string {
  // What steers a terminal does not belong into a line for one.
  const json = escapedJson(JSON.stringify(body));
  const key = hasKeys ? '-u "$WRITE_KEY:" ' : '';
  return `curl ${origin}${path} ${key}-H 'Content-Type: application/json' -d '${json.replaceAll("'", "'\\''")}'`;
}

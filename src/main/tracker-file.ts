import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where the browser's tracker lies once it is built, from the folder of this module: on AWS, in the package, on a checkout. */
const PLACES = ['t.js', '../tracker/t.js', '../../tracker/dist/t.js'];

/** The text of the browser's tracker; undefined where it is not built. */
export function builtTracker(): string | undefined {
  const file = PLACES.map((place) => join(import.meta.dirname, place)).find((path) => existsSync(path));
  return file === undefined ? undefined : readFileSync(file, 'utf8');
}

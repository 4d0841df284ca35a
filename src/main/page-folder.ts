import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { Page, PageFile } from '../query/page.ts';

/** Where `web/build.ts` makes the page on a checkout, and where it lies in the published package. */
const FOLDERS = [join('..', '..', 'web', 'dist'), join('..', 'web')].map((folder) => join(import.meta.dirname, folder));

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The dashboard's files in the first of the folders that has them, whole in memory; none where it was not built. */
export function readPage(folders: readonly string[] = FOLDERS): Page {
  const folder = folders.find((each) => existsSync(join(each, 'index.html')));
  if (folder === undefined) return new Map();
  const names = readdirSync(join(folder, 'assets'));
  return new Map([
    ['/', fileOf(join(folder, 'index.html'))],
    ...names.map((name) => [`/assets/${name}`, fileOf(join(folder, 'assets', name))] as const),
  ]);
}

function fileOf(path: string): PageFile {
  return { type: TYPES[extname(path)] ?? 'application/octet-stream', body: readFileSync(path) };
}

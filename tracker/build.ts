/** Builds what is served as t.js, and the npm package: `node tracker/build.ts`; of these t.js alone: `node tracker/build.ts --script FOLDER`. */
import { execFileSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type BuildOptions, build } from 'esbuild';

/** What the issue of a page's first load allows; with gzip at its highest level. */
export const SCRIPT_GZIP_BYTES_MAX = 3_072;

const SOURCE = join(import.meta.dirname, 'src');
const OPTIONS = {
  bundle: true,
  write: false,
  minify: true,
  // Modules are strict by themselves, and a script needs not say so.
  tsconfigRaw: {},
  legalComments: 'none',
  logLevel: 'warning',
} as const satisfies BuildOptions;

/** t.js as text: a script without exports, in ES2017, which Safari 11 was the first to run whole. The same source gives the same bytes. */
export async function buildScript(): Promise<string> {
  const entryPoints = [join(SOURCE, 'browser.ts')];
  return textOf(await build({ ...OPTIONS, entryPoints, format: 'iife', target: 'es2017' }));
}

/** Writes `t.js` into a folder. */
export async function writeScript(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 't.js'), await buildScript());
}

/** A module of the npm package as text. */
export async function buildModule(name: 'index' | 'node'): Promise<string> {
  const entryPoints = [join(SOURCE, `${name}.ts`)];
  const forHome =
    name === 'index'
      ? ({ platform: 'browser', target: 'es2017' } as const)
      : ({ platform: 'node', target: 'node20' } as const);
  return textOf(await build({ ...OPTIONS, ...forHome, entryPoints, format: 'esm' }));
}

export function gzipBytes(script: string): number {
  return gzipSync(script, { level: 9 }).length;
}

/** Writes `t.js`, `index.js`, `node.js` and their types into a folder, which is made anew. */
export async function buildTracker(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await writeScript(folder);
  for (const name of ['index', 'node'] as const) await writeFile(join(folder, `${name}.js`), await buildModule(name));
  const compiler = join(import.meta.dirname, '..', 'node_modules', 'typescript', 'bin', 'tsc');
  const words = ['--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--outDir', folder];
  // The two homes have globals of the same names and other types.
  for (const project of ['tsconfig.json', 'tsconfig.node.json']) {
    execFileSync(process.execPath, [compiler, '-p', join(import.meta.dirname, project), ...words], {
      stdio: 'inherit',
    });
  }
}

function textOf({ outputFiles }: { readonly outputFiles: readonly { readonly text: string }[] }): string {
  const [file] = outputFiles;
  if (file === undefined) throw new Error('esbuild has made nothing');
  return file.text;
}

if (import.meta.main && process.argv[2] === '--script') {
  await writeScript(process.argv[3] ?? join(import.meta.dirname, 'dist'));
} else if (import.meta.main) {
  await buildTracker(join(import.meta.dirname, 'dist'));
  const script = await buildScript();
  console.log(`t.js: ${script.length} bytes, ${gzipBytes(script)} gzipped (at most ${SCRIPT_GZIP_BYTES_MAX})`);
}

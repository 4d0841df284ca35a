/**
 * Makes the dashboard: `index.html`, and in `assets` the script, style and icon that it names, each with a digest of its bytes in
 * its name so that browsers may keep it.
 *
 *   node web/build.ts [folder]
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { build } from 'esbuild';

const SOURCE = join(import.meta.dirname, 'src');

/** The same source gives the same files. A server that starts meanwhile finds the files of before, or these. */
export async function buildWeb(folder = join(import.meta.dirname, 'dist')): Promise<void> {
  const { outputFiles } = await build({
    entryPoints: [join(SOURCE, 'main.tsx')],
    outdir: folder,
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    logLevel: 'warning',
  });
  const bundled = outputFiles.map(({ path, contents }) => [basename(path), contents] as const);
  const assets = new Map([...bundled, ['icon.svg', readFileSync(join(SOURCE, 'icon.svg'))] as const]);
  const assetsFolder = join(folder, 'assets');
  mkdirSync(assetsFolder, { recursive: true });
  const hashed = new Map([...assets].map(([name, contents]) => [name, hashedName(name, contents)]));
  for (const [name, contents] of assets) writeFileSync(join(assetsFolder, hashed.get(name) ?? name), contents);
  const page = readFileSync(join(SOURCE, 'index.html'), 'utf8');
  const named = page.replaceAll(/\{([\w.]+)\}/g, (_, name: string) => {
    const found = hashed.get(name);
    if (found === undefined)
      throw new Error(`index.html names ${name}, which is none of ${[...hashed.keys()].join(', ')}`);
    return `/assets/${found}`;
  });
  writeFileSync(join(folder, 'index.html'), named);
  const kept = new Set(hashed.values());
  for (const name of readdirSync(assetsFolder)) if (!kept.has(name)) rmSync(join(assetsFolder, name));
}

function hashedName(name: string, contents: Uint8Array): string {
  const kind = extname(name);
  const digest = createHash('sha256').update(contents).digest('hex').slice(0, 12);
  return `${basename(name, kind)}-${digest}${kind}`;
}

if (import.meta.main) await buildWeb(process.argv[2]);

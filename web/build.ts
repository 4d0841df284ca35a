/**
 * Makes dist: `index.html`, and the script and style that it names, each with a digest of its bytes in its name so that browsers may keep it.
 *
 *   node web/build.ts [folder]
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import { build } from 'esbuild';

const HERE = import.meta.dirname;

export async function buildWeb(folder = join(HERE, 'dist')): Promise<void> {
  const { outputFiles } = await build({
    absWorkingDir: HERE,
    entryPoints: ['src/main.tsx'],
    outdir: resolve(folder),
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: ['es2022', 'safari16.4'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    logLevel: 'warning',
  });
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'assets'), { recursive: true });
  const names = outputFiles.map(({ path, contents }) => {
    const kind = extname(path);
    const digest = createHash('sha256').update(contents).digest('hex').slice(0, 12);
    const name = `${basename(path, kind)}-${digest}${kind}`;
    writeFileSync(join(folder, 'assets', name), contents);
    return [kind, `/assets/${name}`] as const;
  });
  const page = readFileSync(join(HERE, 'src', 'index.html'), 'utf8');
  writeFileSync(join(folder, 'index.html'), page.replaceAll(/\{(\.\w+)\}/g, (_, kind: string) => nameOf(names, kind)));
}

function nameOf(names: readonly (readonly [string, string])[], wanted: string): string {
  const found = names.find(([kind]) => kind === wanted);
  if (found === undefined) throw new Error(`the bundle has no ${wanted}`);
  return found[1];
}

if (import.meta.main) await buildWeb(process.argv[2]);

import { mkdir, stat } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { writeScript } from '../tracker/build.ts';
import { buildWeb } from '../web/build.ts';

/** The functions of the stack, each of one handler in src/main. */
export const HANDLERS = ['collect', 'process', 'query'] as const;
export type HandlerName = (typeof HANDLERS)[number];

export interface BundledHandler {
  /** Holds `index.mjs` and its source map, of the collector the tracker and of the query function the page; the handler is `index.handler`. */
  readonly folder: string;
  /** Of `index.mjs`, which is what a cold start reads. */
  readonly bytes: number;
}

/**
 * A start reads and compiles all of it, so what comes in is to be noticed: each limit is some 15 % above what the bundle was on
 * 2026-11-26. To raise one is a decision; docs/cost.md has what a start takes.
 */
export const BUNDLE_BYTES_MAX: Readonly<Record<HandlerName, number>> = {
  collect: 400 * 1_024,
  process: 590 * 1_024,
  query: 550 * 1_024,
};

const ROOT = resolve(import.meta.dirname, '..');

/** Bundles every handler, and the page, into a folder of its own below `outFolder`. The same source gives the same bytes. */
export async function bundle(outFolder: string): Promise<Record<HandlerName, BundledHandler>> {
  const bundled = await Promise.all(
    HANDLERS.map(async (name) => [name, await bundleHandler(name, join(outFolder, name))] as const),
  );
  await writeScript(join(outFolder, 'collect'));
  await buildWeb(join(outFolder, 'query', 'web'));
  return Object.fromEntries(bundled) as Record<HandlerName, BundledHandler>;
}

async function bundleHandler(name: HandlerName, folder: string): Promise<BundledHandler> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'index.mjs');
  await build({
    absWorkingDir: ROOT,
    entryPoints: [join(ROOT, 'src', 'main', `${name}-lambda.ts`)],
    outfile: resolve(file),
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    minify: true,
    // Frames of a stack trace need lines and names; the sources themselves are in the repository.
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'none',
    // What is written as modules is shaken; Node's own order prefers CommonJS, which is not.
    mainFields: ['module', 'main'],
    // Some packages are CommonJS, and ask for Node's modules by `require`.
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
    },
    plugins: [environmentCredentials],
    logLevel: 'warning',
  });
  return { folder, bytes: (await stat(file)).size };
}

/** Of which bundles there is too much. */
export function tooLarge(bundled: Readonly<Record<HandlerName, Pick<BundledHandler, 'bytes'>>>): readonly string[] {
  return HANDLERS.filter((name) => bundled[name].bytes > BUNDLE_BYTES_MAX[name]).map(
    (name) => `the bundle of ${name} has ${bundled[name].bytes} bytes, and may have ${BUNDLE_BYTES_MAX[name]}`,
  );
}

/**
 * Lambda gives a function its credentials in its environment. The SDK's chain of providers also knows single sign-on,
 * profiles, processes, web identities and metadata services, which are a quarter of a bundle and never asked.
 */
const environmentCredentials: Plugin = {
  name: 'environment-credentials',
  setup({ onResolve }) {
    onResolve({ filter: /^@aws-sdk\/credential-provider-node$/ }, () => ({
      path: join(ROOT, 'infra', 'environment-credentials.ts'),
    }));
  },
};

/** `node infra/bundle.ts [--json] [folder]` bundles into infra/dist, or the folder; ends with 1 when one is too large. */
async function main(options: readonly string[]): Promise<void> {
  const folder = options.find((option) => !option.startsWith('--')) ?? join(import.meta.dirname, 'dist');
  const bundled = await bundle(folder);
  if (options.includes('--json')) {
    process.stdout.write(`${JSON.stringify(bundled)}\n`);
  } else {
    for (const { folder: of, bytes } of Object.values(bundled)) {
      process.stdout.write(`${basename(of)}\t${bytes} bytes\t${relative(process.cwd(), of)}\n`);
    }
  }
  for (const problem of tooLarge(bundled)) {
    process.stderr.write(`${problem}\n`);
    process.exitCode = 1;
  }
}

if (import.meta.main) await main(process.argv.slice(2));

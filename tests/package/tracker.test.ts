import { execFileSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildScript, buildTracker, gzipBytes, SCRIPT_GZIP_BYTES_MAX } from '../../tracker/build.ts';

describe('t.js', () => {
  let script = '';
  beforeAll(async () => {
    script = await buildScript();
  });
  test('is small, and as large as the document says', () => {
    const [, said] = /\*\*([\d,]+) bytes gzipped\*\*/.exec(readFileSync('docs/tracker.md', 'utf8')) ?? [];
    expect(gzipBytes(script)).toBeLessThanOrEqual(SCRIPT_GZIP_BYTES_MAX);
    expect(Number(said?.replace(',', ''))).toBe(gzipBytes(script));
  });
  test('is in the language of old Safari, and evaluates nothing', () => {
    expect(script).not.toMatch(/\?\.[a-z(]|\?\?|catch\{|\beval\b|\bFunction\(|innerHTML|document\.write/i);
  });
});

/** The package as its user gets it, without the way over a registry. */
describe('the npm package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-tracker-package-'));
  const installed = join(folder, 'node_modules', 'clickstream-tracker');
  beforeAll(async () => {
    const built = join(folder, 'built');
    await buildTracker(join(built, 'dist'));
    const { files } = JSON.parse(readFileSync('tracker/package.json', 'utf8')) as { readonly files: readonly string[] };
    mkdirSync(join(installed, 'dist'), { recursive: true });
    cpSync('tracker/package.json', join(installed, 'package.json'));
    for (const file of globSync(files, { cwd: built })) cpSync(join(built, file), join(installed, file));
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true }));

  test('holds three scripts and their types', () => {
    const held = globSync('**/*', { cwd: join(installed, 'dist') });
    expect(held.sort()).toEqual(['index.d.ts', 'index.js', 'node.d.ts', 'node.js', 't.js', 'tracker-api.d.ts']);
  });

  test('is typed: right calls compile strictly, wrong ones do not', () => {
    const right = `
      import { init, type Tracker } from 'clickstream-tracker';
      import { init as initNode } from 'clickstream-tracker/node';
      const tracker: Tracker = init({ endpoint: 'https://events.example.com', key: 'KEY', auto: ['page', 'hash'] });
      tracker.page();
      tracker.track('Signed Up', { plan: 'free' });
      tracker.identify('ada');
      tracker.consent('granted');
      const onServer = initNode({ endpoint: 'https://events.example.com' });
      onServer.track('Paid', { total: 2 }, { userId: 'ada' });
      const { unsent }: { unsent: number } = await onServer.close();
      export { unsent };
    `;
    const wrong = `
      import { init } from 'clickstream-tracker';
      import { init as initNode } from 'clickstream-tracker/node';
      init({ endpoint: '', auto: ['pages'] });
      init({ endpoint: '' }).consent('yes');
      initNode({ endpoint: '' }).track('Paid', {}, {});
    `;
    expect(problemsOf('right.ts', right)).toBe('');
    expect(problemsOf('wrong.ts', wrong).match(/wrong\.ts\(\d+/g)).toEqual(['wrong.ts(4', 'wrong.ts(5', 'wrong.ts(6']);
  }, 60_000);

  test('loads in Node, also the browser’s part, which does nothing until it is started', () => {
    const code = `
      import * as browser from 'clickstream-tracker';
      import * as node from 'clickstream-tracker/node';
      console.log(Object.keys(browser).join(), Object.keys(node).join());
      console.log(JSON.stringify(await node.init({ endpoint: 'http://127.0.0.1:9' }).close()));
    `;
    writeFileSync(join(folder, 'use.js'), code);
    const told = execFileSync(process.execPath, ['use.js'], { cwd: folder, encoding: 'utf8' });
    expect(told).toBe('init init\n{"unsent":0}\n');
  });

  function problemsOf(file: string, text: string): string {
    writeFileSync(join(folder, file), text);
    const compiler = resolve('node_modules/typescript/bin/tsc');
    const words = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--lib', 'es2022,dom'];
    try {
      return execFileSync(process.execPath, [compiler, ...words, file], { cwd: folder, encoding: 'utf8' });
    } catch (failed) {
      return (failed as { readonly stdout: string }).stdout;
    }
  }
});

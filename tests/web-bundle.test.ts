/** What a browser loads of the dashboard, which is stated and stays small. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { buildWeb } from '../web/build.ts';

/** Script and style together, gzipped: 22 KB are uPlot, 6 Preact. To raise it is a decision. */
const GZIPPED_BYTES_MAX = 62_000;

const folder = mkdtempSync(join(tmpdir(), 'clickstream-web-'));
afterAll(() => rmSync(folder, { recursive: true }));

const filesOf = (built: string) =>
  Object.fromEntries(
    readdirSync(built, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.includes('.'))
      .map((name) => [name, readFileSync(join(built, name), 'utf8')]),
  );

test('the dashboard is small, and the README says how small', async () => {
  await buildWeb(folder);
  const files = Object.entries(filesOf(folder)).filter(([name]) => /\.(?:js|css)$/.test(name));
  expect(files).toHaveLength(2);
  const bytes = files.reduce((sum, [, text]) => sum + gzipSync(text, { level: 9 }).length, 0);
  expect(bytes).toBeLessThan(GZIPPED_BYTES_MAX);
  const [, said] = /(\d+) KB of script and style, gzipped/.exec(readFileSync('README.md', 'utf8')) ?? [];
  expect(Math.abs(bytes / 1_000 - Number(said)), `it is ${bytes} bytes`).toBeLessThan(1.5);
});

test('the same source gives the same files, and what was built before is gone', async () => {
  const before = filesOf(folder);
  await buildWeb(folder);
  expect(filesOf(folder)).toEqual(before);
});

test('the page names its own files alone, and nothing of another host', () => {
  const files = filesOf(folder);
  const page = files['index.html'] ?? '';
  const named = [...page.matchAll(/(?:src|href)="([^"]+)"/g)]
    .map(([, name = '']) => name)
    .filter((name) => !name.startsWith('/api/'));
  expect(named.map((name) => name.slice(1)).sort()).toEqual(
    Object.keys(files)
      .filter((name) => name.startsWith('assets/'))
      .sort(),
  );
  expect(page).not.toMatch(/<script>|<style|\sstyle=|\son[a-z]+=/);
  const all = Object.values(files).join('\n');
  const addresses = [...all.matchAll(/https?:\/\/[^\s"'`)]+/g)].map(([address]) => address);
  expect(new Set(addresses)).toEqual(
    new Set(['http://www.w3.org/2000/svg', 'http://www.w3.org/1998/Math/MathML', 'http://www.w3.org/1999/xhtml']),
  );
});

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** The package as its user gets it: packed, and installed into an empty folder. */
const folder = mkdtempSync(join(tmpdir(), 'clickstream-package-'));
const home = join(folder, 'home');
const installed = join(home, 'node_modules', 'clickstream');
const running = new Set<ChildProcess>();
let tarball = '';

beforeAll(() => {
  npm(process.cwd(), 'pack', '--pack-destination', folder);
  tarball = join(folder, readdirSync(folder).find((file) => file.endsWith('.tgz')) ?? 'no tarball');
  mkdirSync(home);
  writeFileSync(join(home, 'package.json'), '{"private":true}');
  npm(home, 'install', '--prefer-offline', '--no-audit', '--no-fund', tarball);
}, 90_000);

afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

/** What npm passed to this test is of the checkout, and would lead another npm back to it. The tests' own Node goes first. */
function environment(): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(
    ([name]) => !/^npm_(?!config_)|^npm_config_local_prefix$/.test(name),
  );
  const path = (process.env.PATH ?? '').split(delimiter).filter((entry) => !entry.includes('node_modules'));
  return { ...Object.fromEntries(others), PATH: [dirname(process.execPath), ...path].join(delimiter) };
}

function npm(cwd: string, ...words: readonly string[]): string {
  return execFileSync('npm', words, { cwd, env: environment(), encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

describe('the tarball', () => {
  test('is small, and holds the program and its documents alone', () => {
    const files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n');
    const strange = files.filter(
      (file) =>
        !/^package\/(?:package\.json|LICENSE|README\.md|docs\/[\w-]+\.md|bin\/clickstream\.cjs|dist\/[\w/-]+\.js|dist\/web\/(?:index\.html|assets\/[\w-]+\.(?:css|svg)))$/.test(
          file,
        ),
    );
    expect(strange).toEqual([]);
    expect(files).toEqual(expect.arrayContaining(['package/bin/clickstream.cjs', 'package/dist/main/cli.js']));
    expect(statSync(tarball).size).toBeLessThan(450_000);
  });

  test('holds every module of the source that runs on one machine, without tests and declarations', () => {
    // The home on AWS is deployed from a checkout, and its SDK is not brought along.
    const ofAws = /^(?:adapters\/aws\/|main\/(?:lambda-|.*-(?:lambda|handler)\.ts$))/;
    const names = (root: string, ending: string) =>
      readdirSync(root, { recursive: true, encoding: 'utf8' })
        .filter(
          (file) => file.endsWith(ending) && !/\.(?:test|d)\.ts$|^(?:web|tracker)\//.test(file) && !ofAws.test(file),
        )
        .map((file) => file.slice(0, -ending.length))
        .sort();
    expect(names(join(installed, 'dist'), '.js')).toEqual(names('src', '.ts'));
  });
});

test('what it brings along is what it runs on, and nothing to build or test with', () => {
  const lock = JSON.parse(readFileSync(join(home, 'node_modules', '.package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, unknown>>;
  };
  expect(
    Object.keys(lock.packages)
      .map((path) => path.replace('node_modules/', ''))
      .sort(),
  ).toEqual([
    ...['ajv', 'ajv-formats', 'clickstream', 'commander', 'fast-deep-equal', 'fast-uri', 'isbot'],
    ...['json-schema-traverse', 'mmdb-lib', 'require-from-string', 'ua-parser-js'],
  ]);
  expect(bytesOf(join(home, 'node_modules'))).toBeLessThan(10_000_000);
});

function bytesOf(root: string): number {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).map((file) => statSync(join(root, file)));
  return files.reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0);
}

describe('npx clickstream', () => {
  test('prints its help and its version', () => {
    const run = (...words: readonly string[]) => npm(home, 'exec', '--no', '--', 'clickstream', ...words);
    expect(run()).toContain('Usage: clickstream');
    expect(run('--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(run('completion', 'bash')).toContain('complete -F _clickstream clickstream');
  });

  test('serves: takes an event, shows it, and ends with 0 when it is told to', async () => {
    const words = ['--no', 'clickstream', 'serve', '--port', '0', '--data', 'data', '--json'];
    const child = spawn('npx', words, { cwd: home, env: environment(), stdio: ['ignore', 'pipe', 'inherit'] });
    running.add(child);
    const ended = once(child, 'exit');
    const line = once(createInterface(child.stdout), 'line');
    const [text] = (await Promise.race([line, ended.then(() => ['{}'])])) as [string];
    const { url, pid } = JSON.parse(text) as { readonly url: string; readonly pid: number };
    const body = JSON.stringify({ event: 'Signed Up', userId: 'ada' });
    expect((await fetch(`${url}/v1/track`, { method: 'POST', body })).status).toBe(200);
    expect(await (await fetch(`${url}/t.js`)).text()).toBe(readFileSync(join('tracker', 'dist', 't.js'), 'utf8'));
    const page = await (await fetch(url)).text();
    for (const [asset] of page.matchAll(/\/assets\/[^"]+/g)) expect((await fetch(url + asset)).status).toBe(200);
    expect(page).toContain('/assets/main-');
    expect(await firstEvent(`${url}/api/v1/users/ada/events`)).toMatchObject({ eventType: 'Signed Up', userId: 'ada' });
    process.kill(pid, 'SIGTERM');
    expect(await ended).toEqual([0, null]);
    running.delete(child);
  });
});

test('npx clickstream prove runs the servers of the package, and finds nothing', () => {
  const text = npm(home, 'exec', '--no', '--', 'clickstream', 'prove', '--for', '1s', '--json');
  const { ok, kills, sum, problems } = JSON.parse(text);
  expect({ ok, problems }).toEqual({ ok: true, problems: [] });
  expect(kills).toBeGreaterThan(0);
  expect(sum).toMatchObject({ lost: 0, doubled: 0, found: expect.toSatisfy((found: number) => found > 0) });
}, 300_000);

/** The first event of a list, as soon as there is one. */
async function firstEvent(url: string): Promise<unknown> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const { events } = (await (await fetch(url)).json()) as { readonly events: readonly unknown[] };
    if (events.length > 0) return events[0];
    await sleep(50);
  }
  throw new Error('the event did not come');
}

const olderNode = (process.env.PATH ?? '')
  .split(delimiter)
  .map((entry) => join(entry, 'node'))
  .filter((file) => existsSync(file))
  .find((file) => Number(/^v(\d+)/.exec(spawnSync(file, ['--version'], { encoding: 'utf8' }).stdout)?.[1]) < 24);

test.skipIf(olderNode === undefined)('an older Node says what is needed, and ends with 2', () => {
  const { status, stderr } = spawnSync(olderNode ?? '', [join(installed, 'bin/clickstream.cjs')], { encoding: 'utf8' });
  expect(stderr).toMatch(/^clickstream needs Node 24 or newer; this is v\d+\.\d+\.\d+ \(.+\)\n$/);
  expect(status).toBe(2);
});

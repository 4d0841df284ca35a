import { hash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { readConfig } from '../config.ts';
import { configCommand } from './config.ts';

const folder = mkdtempSync(join(tmpdir(), 'clickstream-config-command-'));
const file = join(folder, 'clickstream.json');
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  process.exitCode = undefined;
  rmSync(file, { force: true });
});

async function run(...words: readonly string[]) {
  const written = { out: '', errors: '' };
  const listen = (stream: NodeJS.WriteStream, into: keyof typeof written) =>
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      written[into] += text;
      return true;
    });
  const spies = [listen(process.stdout, 'out'), listen(process.stderr, 'errors')];
  try {
    await configCommand().parseAsync(words, { from: 'user' });
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return { ...written, exitCode: process.exitCode };
}

describe('config init', () => {
  test('writes a file that is right, for this user alone, and prints the secrets, which it does not hold', async () => {
    const { out, exitCode } = await run('init', file, '--source', 'shop', '--json');
    expect(exitCode).toBe(0);
    const { writeKey, readToken } = JSON.parse(out) as { readonly writeKey: string; readonly readToken: string };
    expect(readConfig({ config: file })).toEqual({
      ...{ port: 8080, host: '127.0.0.1', data: join(folder, 'data'), proxies: 0 },
      sources: [{ name: 'shop', writeKeys: [hash('sha256', writeKey)], domains: [] }],
      readTokens: [hash('sha256', readToken)],
      tracker: { script: '/t.js', collect: '/v1/b' },
    });
    expect(readFileSync(file, 'utf8')).not.toContain(writeKey);
    if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test('makes other secrets each time, and shows how to use them', async () => {
    const first = await run('init', file);
    rmSync(file);
    const second = await run('init', file);
    const secret = /write_[\w-]{32}/;
    expect(secret.exec(first.out)?.[0]).not.toBe(secret.exec(second.out)?.[0]);
    expect(first.out).toContain(`clickstream serve --config ${file}`);
  });

  test('never writes over a file, nor where it cannot', async () => {
    writeFileSync(file, 'mine');
    const { out, errors, exitCode } = await run('init', file);
    expect({ out, exitCode }).toEqual({ out: '', exitCode: 2 });
    expect(errors).toContain('is there already');
    expect(readFileSync(file, 'utf8')).toBe('mine');
    expect((await run('init', join(folder, 'none', 'x.json'))).exitCode).toBe(2);
  });

  test('refuses a name that no source may have', async () => {
    await expect(run('init', file, '--source', 'a b')).rejects.toMatchObject({ code: 'commander.invalidArgument' });
    expect(existsSync(file)).toBe(false);
  });
});

describe('config show', () => {
  const digest = hash('sha256', 'key');

  test('shows each value and where it is from, with digests cut short', async () => {
    const sources = { shop: { writeKeys: [digest], domains: ['shop.example'] } };
    writeFileSync(file, JSON.stringify({ port: 9000, sources }));
    const { out, exitCode } = await run('show', '--config', file, '--host', 'localhost');
    expect(exitCode).toBe(0);
    expect(out).toMatch(/^port +9000 +file$/m);
    expect(out).toMatch(/^host +localhost +option$/m);
    expect(out).toMatch(/^schemas +none +default$/m);
    expect(out).toMatch(/^tracker +script \/t\.js +default\n +collect \/v1\/b$/m);
    expect(out).toMatch(new RegExp(`^sources +shop: keys ${digest.slice(0, 8)}…; domains shop.example +file$`, 'm'));
    expect(out).not.toContain(digest);
    const json = JSON.parse((await run('show', '--config', file, '--json')).out);
    expect(json).toMatchObject({ port: { value: 9000, from: 'file' }, countries: { value: null, from: 'default' } });
    expect(JSON.stringify(json)).not.toContain(digest);
  });

  test('names what is wrong: 2', async () => {
    expect(await run('show', '--port', 'x')).toMatchObject({ exitCode: 2, out: '' });
  });
});

describe('config check', () => {
  test('is content with what init writes', async () => {
    await run('init', file);
    expect(await run('check', file)).toEqual({ out: `Well: ${file}\n`, errors: '', exitCode: 0 });
  });

  test('names every problem: 2', async () => {
    writeFileSync(file, JSON.stringify({ port: -1, hots: 'x', proxies: 'one' }));
    const { out, exitCode } = await run('check', file);
    expect(exitCode).toBe(2);
    expect(out.match(/config_invalid/g)).toHaveLength(3);
    expect(out).toContain('did you mean "host"?');
    expect(JSON.parse((await run('check', file, '--json')).out)).toMatchObject({ ok: false, problems: { length: 3 } });
    expect(await run('check', join(folder, 'none.json'))).toMatchObject({ exitCode: 2 });
  });

  test('reads the file of countries', async () => {
    writeFileSync(file, JSON.stringify({ countries: 'countries.mmdb', port: -1 }));
    const { out, exitCode } = await run('check', file);
    expect(exitCode).toBe(2);
    expect(out).toMatch(/config_invalid.*port.*config_invalid.*countries\.mmdb/s);
  });

  test('reads the schemas', async () => {
    const schemas = join(folder, 'schemas');
    writeFileSync(file, JSON.stringify({ schemas: 'schemas' }));
    expect((await run('check', file)).out).toMatch(/config_invalid.*schemas/);
    mkdirSync(join(schemas, 'page'), { recursive: true });
    writeFileSync(join(schemas, 'page', '1.json'), '{"type":"object"}');
    expect(await run('check', file)).toMatchObject({ exitCode: 0 });
    writeFileSync(join(schemas, 'page', '1.json'), '{"type":"nothing"}');
    expect(await run('check', file)).toMatchObject({ exitCode: 2, out: expect.stringContaining('1.json') });
  });
});

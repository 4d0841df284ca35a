import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { killServers, type RunningServer, startServer } from './running-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'clickstream-refusals-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterAll(killServers);

function config(name: string, settings: unknown): string {
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(settings));
  return file;
}

const digest = (secret: string) => createHash('sha256').update(secret).digest('hex');
const KEYS = { sources: { shop: { writeKeys: [digest('write')] } }, readTokens: [digest('read')] };

describe('a server that must not start says why, and leaves everything as it is', () => {
  test('without write keys and a read token, beyond this machine', async () => {
    const data = join(folder, 'open');
    await expect(startServer({ data, options: ['--host', '0.0.0.0'] })).rejects.toThrow(
      /open_without_keys.*writeKeys/s,
    );
    const half = config('half', { host: '0.0.0.0', sources: KEYS.sources });
    await expect(startServer({ data, options: ['--config', half] })).rejects.toThrow(/open_without_keys.*readTokens/s);
  });
  test.each([
    ['unknown', { prot: 1 }, /unknown setting "prot"/],
    ['port', { port: 70_000 }, /port must be a whole number from 0 to 65535, got 70000/],
    ['plain', { sources: { shop: { writeKeys: ['my-secret'] } } }, /SHA-256 digests/],
    ['source', { sources: { '': { writeKeys: [digest('x')] } } }, /a source is named by/],
    ['list', [], /must hold an object/],
  ])('with a configuration that is wrong (%s)', async (name, settings, message) => {
    const starting = startServer({ data: join(folder, 'wrong'), options: ['--config', config(name, settings)] });
    await expect(starting).rejects.toThrow(message);
    await expect(starting).rejects.not.toThrow(/my-secret/);
  });
  test('on a folder that another process serves', async () => {
    const data = join(folder, 'shared');
    const first = await startServer({ data });
    await expect(startServer({ data })).rejects.toThrow(/data_in_use/);
    expect((await fetch(`${first.url}/ready`)).status).toBe(200);
    await first.stop();
  });
  test('on data of a newer format, which stays whole', async () => {
    const data = join(folder, 'newer');
    await (await startServer({ data })).stop();
    writeFileSync(join(data, 'format.json'), '{"format":2}\n');
    const look = () =>
      readdirSync(data, { recursive: true, encoding: 'utf8' })
        .sort()
        .map((file) => [file, statSync(join(data, file)).mtimeMs]);
    const before = look();
    await expect(startServer({ data })).rejects.toThrow(/data_format_newer.*format 2/s);
    expect(look()).toEqual(before);
  });
  test.runIf(process.platform === 'linux')('on a folder that cannot be made', async () => {
    await expect(startServer({ data: '/proc/nope' })).rejects.toThrow(/data_unusable/);
  });
  test('on a port that is taken', async () => {
    const first = await startServer({ data: join(folder, 'one') });
    const port = new URL(first.url).port;
    await expect(startServer({ data: join(folder, 'two'), options: ['--port', port] })).rejects.toThrow(
      /address_unavailable/,
    );
    await first.stop();
  });
});

test('what a server keeps is for its user alone', async () => {
  const data = join(folder, 'private');
  const server = await startServer({ data });
  const modes = ['.', ...readdirSync(data, { recursive: true, encoding: 'utf8' })].map((file) => {
    const stats = statSync(join(data, file));
    return [file, stats.mode & 0o077];
  });
  await server.stop();
  expect(modes.length).toBeGreaterThan(5);
  expect(modes.filter(([, others]) => others !== 0)).toEqual([]);
});

describe('an open server', () => {
  let server: RunningServer;
  let url: string;
  const data = join(folder, 'keys');
  beforeAll(async () => {
    server = await startServer({ data, options: ['--config', config('keys', { ...KEYS, host: '0.0.0.0' })] });
    url = server.url;
  });
  afterAll(() => server.stop());
  const track = (headers: Record<string, string>, more = {}) =>
    fetch(`${url}/v1/track`, { method: 'POST', headers, body: JSON.stringify({ event: 'E', userId: 'u', ...more }) });
  const basic = (key: string) => ({ authorization: `Basic ${btoa(`${key}:`)}` });

  test('takes events with a write key, in each of its places', async () => {
    expect((await track(basic('write'))).status).toBe(200);
    expect((await track({ authorization: 'Bearer write' })).status).toBe(200);
    expect((await track({}, { writeKey: 'write' })).status).toBe(200);
  });
  test('answers 401 to a wrong or missing write key', async () => {
    for (const headers of [{}, basic('wrong'), { authorization: 'Bearer read' }])
      expect((await track(headers)).status).toBe(401);
  });
  test('answers 401 to a wrong or missing read token, also for metrics', async () => {
    for (const path of ['/api/v1/events', '/api/v1/audit', '/metrics']) {
      expect((await fetch(`${url}${path}`)).status).toBe(401);
      expect((await fetch(`${url}${path}`, { headers: { authorization: 'Bearer write' } })).status).toBe(401);
      expect((await fetch(`${url}${path}`, { headers: { authorization: 'Bearer read' } })).status).toBe(200);
    }
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });
  test('stores under the source of the key, and neither key nor token anywhere in the data', async () => {
    await expect
      .poll(async () => {
        const response = await fetch(`${url}/api/v1/events`, { headers: { authorization: 'Bearer read' } });
        return ((await response.json()) as { events: { source: string }[] }).events.map(({ source }) => source);
      })
      .toEqual(['shop', 'shop', 'shop']);
    for (const file of readdirSync(data, { recursive: true, encoding: 'utf8' })) {
      const path = join(data, file);
      if (statSync(path).isFile()) expect(readFileSync(path).includes('"writeKey"')).toBe(false);
    }
  });
});

import type { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeServer } from '../../../tests/fake-server.ts';
import { redriveCommand } from './redrive.ts';

let server: FakeServer;
let url: URL;

beforeEach(async () => {
  server = new FakeServer();
  url = await server.start();
});
afterEach(async () => {
  process.exitCode = undefined;
  vi.restoreAllMocks();
  await server.stop();
});

/** Runs the command as its user would; what it would have written and its exit code. */
async function run(...words: readonly string[]) {
  const out: Buffer[] = [];
  let errors = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(Buffer.from(text)) > 0);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    errors += text;
    return true;
  });
  process.exitCode = undefined;
  const listeners = process.stdout.listeners('error');
  const command: Command = redriveCommand();
  try {
    await command.parseAsync([...words, '--url', url.href], { from: 'user' });
  } finally {
    vi.restoreAllMocks();
    // A command listens once for its process.
    for (const listener of process.stdout.listeners('error')) {
      if (!listeners.includes(listener)) process.stdout.removeListener('error', listener as () => void);
    }
  }
  const bytes = Buffer.concat(out);
  return { out: bytes.toString(), bytes, errors, exitCode: process.exitCode };
}

const fill = () => {
  for (const number of [5, 4, 3, 2, 1]) {
    server.dead.push({
      ...{ id: `id-${number}`, lane: 'local', sequence: String(number), reason: `Error: fault ${number}` },
      ...{ bytes: 1_234, receivedAt: '2026-11-23T10:00:00.000Z', redriven: null },
    });
  }
  const damaged = { id: 'id-0', lane: 'local', sequence: '0', reason: 'unreadable\u001b[2J', bytes: 3 };
  server.dead.push({ ...damaged, receivedAt: null, redriven: null });
  server.refusals.set('id-0', { status: 409, code: 'dead_unreadable' });
};

describe('list', () => {
  test('tells of each, and takes no orders from it; it is what redrive does without more', async () => {
    expect(await run('list')).toMatchObject({ out: 'No record is dead.\n', exitCode: 0 });
    fill();
    await run('put', 'id-4');
    for (const words of [['list'], []]) {
      const { out, exitCode } = await run(...words);
      expect(exitCode).toBe(0);
      expect(out).toContain('2026-11-23 10:00:00.000  local/5  1,234 bytes  id-5\n  Error: fault 5\n');
      expect(out).toContain('local/4  1,234 bytes  id-4  put back to fake/1001\n');
      expect(out).toContain('time unknown  local/0  3 bytes  id-0\n  unreadable\ufffd[2J\n');
    }
    expect((await run('list', '--limit', '3')).out).toContain('The newest 3; there are more');
  });

  test('is what the server said with --json', async () => {
    fill();
    const { out } = await run('list', '--json', '--limit', '6');
    expect(JSON.parse(out)).toEqual({ dead: server.dead, more: false });
  });
});

describe('show', () => {
  test('prints the bytes as they are, and the reason apart', async () => {
    fill();
    const { bytes, errors, exitCode } = await run('show', 'id-3');
    expect([exitCode, ...bytes]).toEqual([0, 0, 255, 10]);
    expect(errors).toContain('local/3\nError: fault 3');
    const { out } = await run('show', 'id-3', '--json');
    expect(JSON.parse(out)).toMatchObject({ id: 'id-3', payload: 'AP8K', text: null });
  });

  test('reads an answer that comes compressed', async () => {
    fill();
    server.compresses = true;
    expect((await run('show', 'id-3')).bytes).toEqual(Buffer.from([0, 255, 10]));
  });

  test('of none is 2', async () => {
    expect(await run('show', 'none')).toMatchObject({ exitCode: 2, errors: expect.stringContaining('not_found') });
  });
});

describe('put', () => {
  test('puts back those that are named, each once', async () => {
    fill();
    const first = await run('put', 'id-2', 'id-4');
    expect(first).toMatchObject({ exitCode: 0, errors: '' });
    expect(first.out).toBe('id-2  put back to fake/1001\nid-4  put back to fake/1002\n');
    expect((await run('put', 'id-4')).out).toBe('id-4  was put back before, to fake/1002\n');
    expect(server.redriven).toEqual(['id-2', 'id-4']);
  });

  test('puts back all, the oldest first, and names what is refused: 1', async () => {
    fill();
    await run('put', 'id-3');
    const { out, errors, exitCode } = await run('put', '--all');
    expect([exitCode, errors]).toEqual([1, '']);
    expect(server.redriven).toEqual(['id-3', 'id-1', 'id-2', 'id-4', 'id-5']);
    expect(out).toMatch(/^id-0 {2}dead_unreadable: refused: id-0\nid-1 {2}put back to/);
    server.dead.pop();
    expect(await run('put', '--all')).toMatchObject({ exitCode: 0, out: 'No dead record waits to be put back.\n' });
    expect(server.redriven).toHaveLength(5);
  });

  test('says all of it as one document with --json', async () => {
    fill();
    const { out, exitCode } = await run('put', 'id-0', 'id-1', '--json');
    expect(exitCode).toBe(1);
    expect(JSON.parse(out)).toEqual({
      put: [{ id: 'id-1', redriven: { lane: 'fake', sequence: '1001' }, appended: true }],
      refused: [{ id: 'id-0', code: 'dead_unreadable', detail: 'refused: id-0' }],
    });
  });

  test('stops when the server fails, and says how far it came', async () => {
    fill();
    server.refusals.set('id-2', { status: 503, code: 'log_unavailable' });
    const { out, errors, exitCode } = await run('put', '--all');
    expect(exitCode).toBe(1);
    expect(out).toContain('id-1  put back to');
    expect(errors).toContain('log_unavailable: refused: id-2');
    expect(server.redriven).toEqual(['id-1']);
  });

  test.each([
    [['put', 'none'], 'not_found', 2],
    [['put', 'id-0'], 'dead_unreadable', 2],
    [['put', 'id-1', '--token', 'wrong'], 'read_token_missing', 2],
  ])('ends %j with %s', async (words, code, exitCode) => {
    fill();
    if (words.includes('wrong')) server.token = 'right';
    const ran = await run(...words);
    expect(ran).toMatchObject({ exitCode, out: '', errors: expect.stringContaining(code) });
    expect(server.redriven).toEqual([]);
  });

  test('has the token that it is given', async () => {
    fill();
    server.token = 'right';
    expect((await run('put', '--all', '--token', 'right')).exitCode).toBe(1);
    expect(server.redriven).toHaveLength(5);
  });

  test.each([[['put']], [['put', 'id-1', '--all']]])('%j is wrong usage', async (words) => {
    fill();
    await expect(run(...words)).rejects.toMatchObject({ code: 'commander.error' });
    expect(server.redriven).toEqual([]);
  });

  test('without a server is 3', async () => {
    await server.stop();
    expect(await run('put', 'id-1')).toMatchObject({ exitCode: 3 });
    await server.start();
  });
});

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { eventWith, recordOf } from '../../../tests/events.ts';
import { FakeServer } from '../../../tests/fake-server.ts';
import { replayCommand } from './replay.ts';

let server: FakeServer;
let url: URL;
let folder: string;

beforeEach(async () => {
  server = new FakeServer();
  url = await server.start();
  folder = mkdtempSync(join(tmpdir(), 'clickstream-replay-'));
});
afterEach(async () => {
  process.exitCode = undefined;
  vi.restoreAllMocks();
  await server.stop();
  rmSync(folder, { recursive: true });
});

/** Runs the command as its user would; what it would have written and its exit code. */
async function run(...words: readonly string[]) {
  let out = '';
  let errors = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    errors += text;
    return true;
  });
  process.exitCode = undefined;
  const listeners = process.stdout.listeners('error');
  try {
    await replayCommand().parseAsync([...words, '--url', url.href], { from: 'user' });
  } finally {
    vi.restoreAllMocks();
    // A command listens once for its process.
    for (const listener of process.stdout.listeners('error')) {
      if (!listeners.includes(listener)) process.stdout.removeListener('error', listener as () => void);
    }
  }
  return { out, errors, exitCode: process.exitCode };
}

const recordOfVisitor = (visitor: string, properties = {}) =>
  Buffer.from(recordOf([eventWith({ anonymousId: visitor, properties })])).toString();
const named = (...visitors: readonly string[]) => visitors.map((visitor) => recordOfVisitor(visitor));
/** Of records, or of what is none. */
function archive(name: string, records: readonly string[]): string {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, gzipSync(records.map((record) => `${record}\n`).join('')));
  return path;
}

test('replays the files that are named and those in folders, in the order of their names', async () => {
  archive('hours/10/part', named('c', 'd'));
  archive('hours/09/part', named('b'));
  const first = archive('first', named('a'));
  expect(await run(first, join(folder, 'hours'))).toEqual({
    ...{ exitCode: 0, errors: '' },
    out: '4 records with 4 events replayed.\n',
  });
  expect(server.replayed.flat()).toEqual(['a', 'b', 'c', 'd']);
});

test('cuts them into bodies that a server takes, in their order', async () => {
  const visitors = Array.from({ length: 40 }, (_, index) => `v${index}`);
  const large = visitors.map((visitor) => recordOfVisitor(visitor, { text: 'x'.repeat(60_000) }));
  expect((await run(archive('part', large))).exitCode).toBe(0);
  expect(server.replayed.map(({ length }) => length)).toEqual([16, 16, 8]);
  expect(server.replayed.flat()).toEqual(visitors);
});

test('names what is no record and what is refused, with its place, replays the rest, and ends with 1', async () => {
  const path = archive('part', [...named('a', 'b'), 'rubbish\u001b[2J', ...named('c', 'd')]);
  server.replay = () => ({ refused: [{ place: 3, code: 'body_too_large', detail: 'too\u001blarge' }] });
  const { out, exitCode } = await run(path);
  const bytes = Buffer.byteLength(`${named('a', 'b').join('\n')}\n`);
  expect(exitCode).toBe(1);
  expect(out.split('\n')).toEqual([
    `${path}:3  byte ${bytes}  record_unreadable: 11 bytes are no record: no header`,
    `${path}:4  byte ${bytes + 12}  body_too_large: too\ufffdlarge`,
    '3 records with 3 events replayed, 2 passed over.',
    '',
  ]);
  expect(server.replayed).toEqual([['a', 'b', 'd']]);
});

test('tells all of it as one document with --json', async () => {
  const path = archive('part', ['rubbish', ...named('a')]);
  const { out } = await run(path, '--json');
  expect(JSON.parse(out)).toEqual({
    ...{ files: 1, records: 1, events: 1, next: null, dryRun: false },
    refused: [
      { file: path, record: 1, byte: 0, code: 'record_unreadable', detail: '7 bytes are no record: no header' },
    ],
  });
});

test('only reads and counts with --dry-run, and asks no server', async () => {
  await server.stop();
  const path = archive('part', [...named('a', 'b'), 'rubbish']);
  const { out, exitCode } = await run(path, '--dry-run');
  expect([exitCode, out.split('\n').at(-2)]).toEqual([1, '2 records with 2 events would be replayed, 1 passed over.']);
  expect(server.replays).toBe(0);
  await server.start();
});

describe('when the server does not take it', () => {
  test('tries again, from what was not taken on', async () => {
    const path = archive('part', named('a', 'b', 'c', 'd'));
    server.replay = (request) => {
      if (request === 0) return { status: 503, code: 'log_unavailable' };
      return { refused: request === 1 ? [{ place: 3, code: 'overloaded', detail: 'not now' }] : [] };
    };
    expect(await run(path)).toMatchObject({ exitCode: 0, out: '4 records with 4 events replayed.\n' });
    expect(server.replayed).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
  });

  test('says where to go on when it will not, and goes on there with --from', async () => {
    const before = archive('a', named('a', 'b'));
    const large = ['c', 'd', 'e'].map((visitor) => recordOfVisitor(visitor, { text: 'x'.repeat(600_000) }));
    const path = archive('b', large);
    const after = archive('c', named('f'));
    // Not one that trying again helps.
    server.replay = (request) => (request === 1 ? { status: 403, code: 'host_refused' } : { refused: [] });
    const { out, errors, exitCode } = await run(before, path, after);
    expect(exitCode).toBe(2);
    expect(errors).toContain('host_refused: not now');
    expect(out).toBe(`3 records with 3 events replayed.\nGo on with: --from ${path}:2\n`);
    server.replay = () => ({ refused: [] });
    expect((await run(before, path, after, '--from', `${path}:2`)).exitCode).toBe(0);
    expect(server.replayed.flat()).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  });

  test('ends on Ctrl-C while it waits, and says where to go on', async () => {
    const path = archive('part', named('a', 'b'));
    server.replay = (request) => {
      if (request === 2) setTimeout(() => process.emit('SIGINT'), 100);
      return { status: 503, code: 'overloaded' };
    };
    const { out, errors } = await run(path);
    expect(server.replays).toBe(3);
    expect(errors).toContain('overloaded: not now');
    expect(out).toBe(`0 records with 0 events replayed.\nGo on with: --from ${path}:1\n`);
  });
});

test('ends on Ctrl-C once what was gathered is sent, and says where to go on', async () => {
  const large = ['a', 'b', 'c', 'd'].map((visitor) => recordOfVisitor(visitor, { text: 'x'.repeat(600_000) }));
  const path = archive('part', large);
  server.replay = (request) => {
    if (request === 0) process.emit('SIGINT');
    return { refused: [] };
  };
  const { out, exitCode } = await run(path);
  expect(exitCode).toBe(1);
  const next = server.replayed.flat().length + 1;
  expect(next).toBeLessThan(5);
  expect(out).toContain(`Go on with: --from ${path}:${next}\n`);
  server.replay = () => ({ refused: [] });
  await run(path, '--from', `${path}:${next}`);
  expect(server.replayed.flat()).toEqual(['a', 'b', 'c', 'd']);
});

test('a wrong token, no server, and what is not there end it before anything is sent', async () => {
  const path = archive('part', named('a'));
  server.token = 'right';
  expect(await run(path, '--token', 'wrong')).toMatchObject({ exitCode: 2, out: '' });
  expect((await run(path, '--token', 'right')).exitCode).toBe(0);
  server.token = undefined;
  const none = join(folder, 'none');
  expect(await run(none)).toMatchObject({ exitCode: 2, errors: expect.stringContaining(`${none} cannot be read`) });
  const from = await run(path, '--from', `${none}:1`);
  expect(from).toMatchObject({ exitCode: 2, errors: expect.stringContaining('none of the files given') });
  await server.stop();
  expect(await run(path)).toMatchObject({ exitCode: 3, out: '' });
  await server.start();
  expect(server.replayed).toEqual([['a']]);
});

test.each([[[]], [['file', '--from', 'file']], [['file', '--from', 'file:0']]])('%j is wrong usage', async (words) => {
  await expect(run(...words)).rejects.toMatchObject({ name: 'CommanderError' });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readRecords } from '../../src/adapters/embedded/log-reader.ts';
import { decodeRecord, encodeRecord } from '../../src/log/record.ts';
import { send, variedEvents } from '../api/varied-events.ts';
import { eventWith, recordOf } from '../events.ts';
import { clickstream } from './command.ts';
import {
  type Audit,
  everyEvent,
  get,
  killServers,
  type ListedEvent,
  type RunningServer,
  settledAudit,
  startServer,
} from './running-server.ts';

const root = mkdtempSync(join(tmpdir(), 'clickstream-replay-'));
afterAll(() => {
  killServers();
  rmSync(root, { recursive: true, force: true });
});

const folder = (name: string) => {
  const path = join(root, name);
  mkdirSync(path, { recursive: true });
  return path;
};
const now = Date.now();

/** What readers are told, but for where each event lies. */
async function toldBy(server: RunningServer): Promise<unknown> {
  const range = `from=${new Date(now - 400 * 86_400_000).toISOString()}&to=${new Date(now + 86_400_000).toISOString()}`;
  const unplaced = (events: readonly ListedEvent[]) => events.map(({ position, ...event }) => event);
  const timelines = await Promise.all(
    ['d1', 'ada', 'a/b é', 'late', 'phone', 'v3', 'crawler'].map(async (id) => {
      const path = `/api/v1/users/${encodeURIComponent(id)}/events?limit=1000`;
      return unplaced((await get<{ readonly events: readonly ListedEvent[] }>(server, path)).events);
    }),
  );
  const stats = await Promise.all(
    ['events&by=eventType', 'pageviews&by=page', 'visitors', 'users', 'sessions&by=source', 'bounces', 'sessionSeconds']
      .flatMap((measure) => ['exclude', 'include'].map((bots) => `measure=${measure}&bots=${bots}`))
      .map((query) => get(server, `/api/v1/stats?${query}&interval=day&${range}`)),
  );
  const events = unplaced(await everyEvent(server)).sort((a, b) => (a.eventId < b.eventId ? -1 : 1));
  return { timelines, stats, events };
}

const auditOf = async (server: RunningServer) => {
  const { balanced, accepted, stored, duplicate, bad, lost, unresolved, problems } = await settledAudit(server);
  return { balanced, accepted, stored, duplicate, bad, lost, unresolved, problems };
};

const replay = async (server: RunningServer, words: readonly string[]) => {
  const ran = await clickstream(['replay', ...words, '--url', server.url, '--json']);
  return {
    ...ran,
    said: JSON.parse(ran.output) as { records: number; events: number; refused: object[]; next: string },
  };
};

describe("an archive of a server's own records", () => {
  const archive = folder('archive');
  let records: readonly string[];
  let told: unknown;
  let audit: Omit<Audit, 'pending' | 'waiting'>;
  let server: RunningServer;

  beforeAll(async () => {
    const first = await startServer({ data: folder('first') });
    await send(first, variedEvents(now));
    for (let visitor = 0; visitor < 20; visitor += 1) {
      const at = (minutes: number) => new Date(now - (200 - visitor - minutes) * 60_000).toISOString();
      const seen = (path: string, minutes: number) => ({
        ...{ type: 'page', anonymousId: `v${visitor}`, messageId: `${path}${visitor}`, timestamp: at(minutes) },
        ...{ properties: { path }, context: { userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Firefox/145.0' } },
      });
      await send(first, [seen('/', 0), seen('/shop', 2)]);
      await send(first, [seen('/cart', 5), seen('/', 0)]);
    }
    audit = await auditOf(first);
    told = await toldBy(first);
    expect(await first.stop()).toBe(0);
    const log = join(root, 'first', 'log');
    const read = readRecords({ folder: log, after: -1n, onFinding: () => undefined });
    records = [...read].map(({ data }) => {
      const { header, lines } = decodeRecord(data);
      return encodeRecord(header, lines);
    });
    const textOf = (part: readonly string[]) => part.map((record) => `${record}\n`).join('');
    const half = Math.floor(records.length / 2);
    mkdirSync(join(archive, '09'));
    mkdirSync(join(archive, '10'));
    const members = [records.slice(0, 5), records.slice(5, half)].map((part) => gzipSync(textOf(part)));
    writeFileSync(join(archive, '09', 'part-1'), Buffer.concat(members));
    writeFileSync(join(archive, '09', 'part-2'), textOf(records.slice(half, half + 3)));
    writeFileSync(join(archive, '10', 'part-1'), gzipSync(textOf(records.slice(half + 3))));
    server = await startServer({ data: folder('second') });
  }, 60_000);
  afterAll(() => server.stop());

  test('replayed into an empty server gives the same timelines and stats', async () => {
    const { code, said } = await replay(server, [archive]);
    expect(code).toBe(0);
    expect(said).toMatchObject({ records: records.length, events: audit.accepted, refused: [], next: null });
    expect(await auditOf(server)).toEqual(audit);
    expect(await toldBy(server)).toEqual(told);
  });

  test('replayed twice gives no more; what was set aside is listed once more', async () => {
    expect((await replay(server, [archive])).code).toBe(0);
    const { accepted, stored, duplicate, bad } = audit;
    expect(await auditOf(server)).toEqual({
      ...audit,
      ...{ accepted: 2 * accepted, stored, duplicate: 2 * duplicate + stored, bad: 2 * bad },
    });
    expect(await toldBy(server)).toEqual(told);
  });

  test('with a corrupt file is replayed but for what is damaged, which is named with its place', async () => {
    const damaged = folder('damaged');
    const names = [join('09', 'part-1'), join('09', 'part-2'), join('10', 'part-1')];
    const paths = names.map((name) => join(damaged, name.replace('/', '-')));
    for (const [index, name] of names.entries()) copyFileSync(join(archive, name), paths[index] ?? '');
    const [zipped = '', plain = ''] = paths;
    // The first member's deflate stream, and a line in the middle of the plain file's second record.
    const bytes = readFileSync(zipped);
    bytes.fill(0xff, 30, 60);
    writeFileSync(zipped, bytes);
    const lines = readFileSync(plain, 'utf8').split('\n{"v":');
    writeFileSync(
      plain,
      lines.map((line, index) => (index === 1 ? line.replace('"eventId":"', '"eventId":"x') : line)).join('\n{"v":'),
    );
    const third = await startServer({ data: folder('third') });
    const { code, said } = await replay(third, paths);
    expect(code).toBe(1);
    const half = Math.floor(records.length / 2);
    const byte = Buffer.byteLength(`${records[half]}\n`);
    expect(said.refused).toEqual([
      { file: zipped, record: 1, byte: 0, code: 'record_unreadable', detail: expect.stringContaining('gzip') },
      { file: plain, record: 2, byte, code: 'record_unreadable', detail: expect.stringContaining('checksum differs') },
    ]);
    const whole = records.filter((_, index) => index >= 5 && index !== half + 1);
    expect(said.records).toBe(whole.length);
    const { stored, ...rest } = await auditOf(third);
    expect(rest).toMatchObject({ balanced: true, lost: 0, problems: [] });
    const ids = new Set(
      whole.flatMap((record) => [...record.matchAll(/^\{"eventId":"((?:[^"\\]|\\.)*)"/gm)].map(([, id]) => id)),
    );
    expect(new Set((await everyEvent(third)).map(({ eventId }) => eventId))).toEqual(ids);
    expect(stored).toBeGreaterThanOrEqual(ids.size);
    expect(await third.stop()).toBe(0);
  });
});

describe('a long replay', () => {
  const EVENTS = 12_000;
  const file = join(folder('long'), 'part');
  beforeAll(() => {
    const records = Array.from({ length: EVENTS }, (_, index) => {
      const event = eventWith({
        eventId: `e${index}`,
        anonymousId: `v${index % 500}`,
        properties: { path: 'x'.repeat(300) },
      });
      return `${Buffer.from(recordOf([event])).toString()}\n`;
    });
    writeFileSync(file, gzipSync(records.join('')));
  });

  /** Starts it, and waits until some of it is stored. */
  async function started(server: RunningServer, words: readonly string[] = []) {
    const child = spawn(process.execPath, ['src/main/cli.ts', 'replay', file, '--url', server.url, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = once(child, 'exit') as Promise<[number | null]>;
    const output = text(child.stdout);
    child.stderr.resume();
    for (;;) {
      const { totals } = await get<{ readonly totals: { readonly stored: number } }>(server, '/api/v1/live');
      if (totals.stored > 0) break;
      if (child.exitCode !== null) throw new Error(`it ended before anything was stored: ${await output}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return { child, ended: ended.then(async ([code]) => ({ code, output: await output })) };
  }
  const WELL = { balanced: true, stored: EVENTS, lost: 0, problems: [] };

  test('ends on Ctrl-C, says where to go on, and goes on there with --from: each is appended once', async () => {
    const server = await startServer({ data: folder('interrupted') });
    const { child, ended } = await started(server);
    child.kill('SIGINT');
    const { code, output } = await ended;
    expect(code).toBe(1);
    const [, from = '', record] = /Go on with: --from ((?:.+):(\d+))\n/.exec(output) ?? [];
    expect(Number(record)).toBeGreaterThan(1);
    expect(Number(record)).toBeLessThan(EVENTS);
    expect(await auditOf(server)).toMatchObject({ balanced: true, stored: Number(record) - 1 });
    const { said, code: second } = await replay(server, [file, '--from', from]);
    expect([second, said.events]).toEqual([0, EVENTS - (Number(record) - 1)]);
    expect(await auditOf(server)).toMatchObject({ ...WELL, duplicate: 0 });
    expect(await server.stop()).toBe(0);
  }, 60_000);

  test('that was killed is begun anew: nothing is stored twice', async () => {
    const server = await startServer({ data: folder('killed') });
    const { child, ended } = await started(server);
    child.kill('SIGKILL');
    await ended;
    expect((await replay(server, [file])).code).toBe(0);
    const audit = await auditOf(server);
    expect(audit).toMatchObject(WELL);
    expect(audit.duplicate).toBeGreaterThan(0);
    expect(await server.stop()).toBe(0);
  }, 60_000);

  test('outlives the server: it goes on with the next one', async () => {
    const data = folder('restarted');
    const server = await startServer({ data });
    const { ended } = await started(server);
    await server.kill();
    const next = await startServer({ data, options: ['--port', new URL(server.url).port] });
    expect(await ended).toMatchObject({ code: 0 });
    expect(await auditOf(next)).toMatchObject(WELL);
    expect(await next.stop()).toBe(0);
  }, 60_000);
});

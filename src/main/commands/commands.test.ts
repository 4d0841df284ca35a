import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeServer } from '../../../tests/fake-server.ts';
import { progressLine } from '../load/report.ts';
import { auditCommand } from './audit.ts';
import { badCommand } from './bad.ts';
import { loadCommand } from './load.ts';
import { statsCommand, statsTable } from './stats.ts';
import { tailCommand } from './tail.ts';

let server: FakeServer;
let url: URL;
const folder = mkdtempSync(join(tmpdir(), 'clickstream-commands-'));

beforeEach(async () => {
  server = new FakeServer();
  url = await server.start();
});
afterEach(async () => {
  process.exitCode = undefined;
  vi.restoreAllMocks();
  await server.stop();
  rmSync(join(folder, 'ledger.jsonl'), { force: true });
});

/** Runs a command as its user would; what it would have written and its exit code. */
async function run(command: Command, ...words: readonly string[]) {
  let out = '';
  let errors = '';
  const out_ = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  const errors_ = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    errors += text;
    return true;
  });
  await command.parseAsync(['--url', url.href, ...words], { from: 'user' });
  const { exitCode } = process;
  out_.mockRestore();
  errors_.mockRestore();
  return { out, errors, exitCode };
}

const SHORT = ['--rate', '500/s', '--for', '300ms', '--people', '10'] as const;

describe('load', () => {
  test('plays, checks, and reports as text', async () => {
    const { out, exitCode } = await run(loadCommand(), ...SHORT);
    expect(exitCode).toBe(0);
    expect(out).toContain('stored exactly once');
    expect(out).toContain('150 events');
    expect(out).toMatch(/acknowledged in +p50 .* p95 .* p99 .* max/);
    expect(out).toMatch(/queryable in +p50 .* p95 .* p99 .* max/);
  });

  test('prints one JSON document and nothing else with --json', async () => {
    const { out, errors, exitCode } = await run(loadCommand(), ...SHORT, '--json', '--batch', '10', '--run', 'mine');
    expect(exitCode).toBe(0);
    expect(errors).toBe('');
    expect(JSON.parse(out)).toMatchObject({ ok: true, run: 'mine', sent: { events: 150, requests: 15 }, problems: [] });
    expect(JSON.parse(out).queryableMs.count).toBeGreaterThan(0);
  });

  test('writes its ledger, and finds later what was lost or doubled since', async () => {
    const ledger = join(folder, 'ledger.jsonl');
    await run(loadCommand(), ...SHORT, '--ledger', ledger);
    expect((await run(loadCommand(), '--check-only', ledger)).exitCode).toBe(0);
    const requests = server.requests;
    const [gone] = server.stored.splice(3, 1);
    const [double] = server.stored;
    if (double !== undefined) server.stored.push(double);
    server.problems.push({ kind: 'event_missing', detail: 'record 3 has fewer' });
    const { out, exitCode } = await run(loadCommand(), '--check-only', ledger, '--json');
    expect(exitCode).toBe(1);
    expect(JSON.parse(out).problems).toEqual([
      `missing: ${gone?.eventId}`,
      `doubled: ${double?.eventId}`,
      'audit: event_missing: record 3 has fewer',
    ]);
    expect(server.requests).toBe(requests);
  });

  test('only sends with --no-check', async () => {
    server.token = 'a token that it does not have';
    const { out, exitCode } = await run(loadCommand(), ...SHORT, '--no-check', '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(out)).not.toHaveProperty('check');
  });

  test('is a usage error when the server refuses the token, or every event', async () => {
    server.fate = () => 'refuse';
    expect(await run(loadCommand(), ...SHORT)).toMatchObject({
      exitCode: 2,
      errors: expect.stringContaining('body_not_json'),
    });
    server.token = 'secret';
    const refused = await run(loadCommand(), ...SHORT);
    expect(refused).toMatchObject({ exitCode: 2, errors: expect.stringContaining('read_token_missing') });
    expect((await run(loadCommand(), '--token', 'secret', ...SHORT)).errors).toContain('body_not_json');
  });
});

describe('audit', () => {
  test('balances: 0', async () => {
    const { out, exitCode } = await run(auditCommand());
    expect(exitCode).toBe(0);
    expect(out).toContain('Balanced.');
  });

  test('names each problem: 1', async () => {
    server.problems.push({ kind: 'event_doubled', detail: 'load-x-1 is there twice' });
    const { out, exitCode } = await run(auditCommand());
    expect(exitCode).toBe(1);
    expect(out).toContain('event_doubled  load-x-1 is there twice');
    expect(JSON.parse((await run(auditCommand(), '--json')).out)).toMatchObject({ balanced: false });
  });
});

describe('stats', () => {
  test('is a table with bars, and takes no orders from keys', async () => {
    const { out, exitCode } = await run(statsCommand(), 'pageviews', '--by', 'page', '--from', '24h');
    expect(exitCode).toBe(0);
    expect(out).toMatch(/2026-01-01 00:00 +a\ufffd\[2J +3 {2}█+/);
  });

  test('asks for the whole range as one, and for the largest or one value alone', async () => {
    const total = ['visitors', '--json', '--interval', 'total', '--by', 'page'];
    const largest = JSON.parse((await run(statsCommand(), ...total, '--limit', '10')).out);
    expect(largest.asked).toMatchObject({ interval: 'total', by: 'page', limit: '10' });
    expect(JSON.parse((await run(statsCommand(), ...total, '--key', '/a')).out).asked).toMatchObject({ key: '/a' });
  });

  test('prints what the server said with --json', async () => {
    const { out } = await run(statsCommand(), 'visitors', '--json', '--source', 'shop', '--bots', 'only');
    expect(JSON.parse(out)).toMatchObject({ measure: 'visitors', asked: { source: 'shop', bots: 'only' } });
  });
});

describe('a terminal', () => {
  test.each([40, 80, 200])('of %d columns shows each line of a table whole', (columns) => {
    const keys = ['/', '/a', `/${'long'.repeat(30)}`];
    const rows = keys.map((key, place) => ({ time: '2026-01-01T00:00:00.000Z', value: 10 ** place * 12, key }));
    const lines = statsTable('pageviews', { rows }, columns).trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    const widest = Math.max(...lines.map((line) => line.length));
    // A key keeps 12 characters and a bar 10, on however narrow a terminal.
    expect(widest).toBeLessThanOrEqual(Math.max(columns, 53));
    expect(lines[1]).toContain('/  ');
  });

  test.each([0, 20, 60, 80, 200, undefined])('of %s columns shows progress in less than a line', (columns) => {
    const text = '10 s  1,234 sent  500/s  ack p99 47.1 ms  4 waiting  0 tried again';
    for (const part of [0, 0.5, 1]) {
      const line = progressLine({ text, part, columns });
      expect(line.length).toBeLessThan(Math.max(1, columns ?? 80));
      if (columns === 200) expect(line).toBe(`${'█'.repeat(part * 24)}${'░'.repeat(24 - part * 24)} ${text}`);
    }
  });
});

describe('bad', () => {
  const event = { source: 'shop', receivedAt: '2026-11-23T10:00:00.000Z', code: 'schema_invalid', payload: '{"a":1}' };
  const fill = () => {
    for (const number of [1, 2, 3, 4, 5]) server.bad.push({ ...event, id: `id-${number}`, detail: `detail ${number}` });
    server.bad.push({
      ...event,
      id: 'id-6',
      source: 'app',
      code: 'event_invalid',
      detail: 'a\u001b[2J',
      payload: '{"é',
    });
  };

  test('lists what was set aside, and takes no orders from it', async () => {
    expect((await run(badCommand())).out).toBe('No event is set aside.\n');
    fill();
    const { out, exitCode } = await run(badCommand());
    expect(exitCode).toBe(0);
    expect(out.match(/schema_invalid/g)).toHaveLength(5);
    expect(out).toContain('a\ufffd[2J');
    expect((await run(badCommand(), '--limit', '3')).out).toContain('The newest 3; there are more');
  });

  test('finds what fits a filter beyond pages that hold none', async () => {
    fill();
    const { out } = await run(badCommand(), '--code', 'event_invalid', '--source', 'app', '--json');
    expect(JSON.parse(out)).toEqual({ bad: [server.bad[5]], more: false });
  });

  test('counts by reason', async () => {
    expect((await run(badCommand(), '--summary')).out).toBe('No event is set aside.\n');
    fill();
    expect((await run(badCommand(), '--summary')).out).toBe(
      'events  reason\n     5  schema_invalid\n     1  event_invalid\n',
    );
    const { out } = await run(badCommand(), '--summary', '--json', '--code', 'event_invalid');
    expect(JSON.parse(out)).toEqual({ reasons: [{ code: 'event_invalid', count: 1 }], counted: 6, complete: true });
  });

  test('shows one: its bytes apart from what is said of them', async () => {
    fill();
    const { out, errors, exitCode } = await run(badCommand(), 'show', 'id-6');
    expect({ out, exitCode }).toEqual({ out: '{"é', exitCode: 0 });
    expect(errors).toMatch(/event_invalid {2}app\na\ufffd\[2J\n/);
    expect(JSON.parse((await run(badCommand(), 'show', 'id-6', '--json')).out)).toEqual(server.bad[5]);
    const none = await run(badCommand(), 'show', 'id-7');
    expect(none).toMatchObject({ exitCode: 2, out: '', errors: expect.stringContaining('not_found') });
  });
});

describe('tail', () => {
  test('prints the newest events up to its limit', async () => {
    await run(loadCommand(), ...SHORT);
    const { out } = await run(tailCommand(), '--limit', '4', '--json');
    const printed = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const newest = server.stored.toSorted((a, b) => (a.timestamp < b.timestamp ? -1 : 1)).slice(-4);
    expect(printed.map(({ timestamp }) => timestamp)).toEqual(newest.map(({ timestamp }) => timestamp));
    const pages = await run(tailCommand(), '--limit', '2', '--type', 'page');
    expect(pages.out.trim().split('\n')).toHaveLength(2);
    expect(pages.out).toContain('  page  ');
  });
});

describe('every command', () => {
  const commands: readonly (() => Command)[] = [loadCommand, tailCommand, statsCommand, badCommand, auditCommand];

  test.each(commands.map((make) => [make().name(), make] as const))(
    '%s says that no server is there: 3',
    async (_, make) => {
      const nobody = ['--url', 'http://127.0.0.1:1'];
      const { errors, exitCode } = await run(make(), ...nobody);
      expect(exitCode).toBe(3);
      expect(errors).toContain('server_unreachable');
      expect(errors).toContain('npm start');
    },
  );

  test.each(commands.map((make) => [make().name(), make] as const))(
    '%s throws what is wrong with its use',
    async (_, make) => {
      await expect(run(make(), '--bogus')).rejects.toMatchObject({ code: 'commander.unknownOption' });
      await expect(run(make(), '--url', 'nowhere')).rejects.toMatchObject({ code: 'commander.invalidArgument' });
    },
  );
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeServer } from '../../../tests/fake-server.ts';
import { auditCommand } from './audit.ts';
import { loadCommand } from './load.ts';
import { statsCommand } from './stats.ts';
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

  test('prints what the server said with --json', async () => {
    expect(JSON.parse((await run(statsCommand(), 'visitors', '--json')).out)).toMatchObject({ measure: 'visitors' });
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
  const commands: readonly (() => Command)[] = [loadCommand, tailCommand, statsCommand, auditCommand];

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

  test.each(commands.map((make) => [make().name(), make] as const))(
    '%s has help with examples and exit codes',
    async (name, make) => {
      const command = make();
      let help = '';
      command.configureOutput({ writeOut: (text) => (help += text) });
      command.outputHelp();
      expect(help).toContain(`$ clickstream ${name}`);
      expect(help).toContain('Exit codes: 0');
    },
  );
});

import { hash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { plantRecord } from '../end-to-end/planted-record.ts';
import { killServers, startServer } from '../end-to-end/running-server.ts';
import { COMMAND_PARTS, PLANTED } from './commands.ts';
import { type CommandHome, Shell } from './shell.ts';

const folder = mkdtempSync(join(tmpdir(), 'clickstream-commands-'));
const KEYS = { writeKey: 'the write key', readToken: 'the-read-token' };
let home: CommandHome;

beforeAll(async () => {
  const data = join(folder, 'data');
  const config = join(folder, 'clickstream.json');
  const digest = (text: string) => hash('sha256', text, 'hex');
  const sources = { default: { writeKeys: [digest(KEYS.writeKey)] } };
  writeFileSync(config, JSON.stringify({ sources, readTokens: [digest(KEYS.readToken)] }));
  const options = ['--config', config];
  await (await startServer({ data, options })).stop();
  for (const record of PLANTED) await plantRecord(data, record);
  const { url } = await startServer({ data, options });
  home = { ...KEYS, url, processed: () => processed(url) };
}, 60_000);
afterAll(() => {
  killServers();
  rmSync(folder, { recursive: true });
});

async function processed(url: string): Promise<void> {
  const headers = { Authorization: `Bearer ${KEYS.readToken}` };
  for (const end = Date.now() + 10_000; Date.now() < end; await sleep(20)) {
    const { pending } = (await (await fetch(`${url}/api/v1/audit`, { headers })).json()) as {
      readonly pending: number;
    };
    if (pending === 0) return;
  }
  throw new Error('events are still pending');
}

describe('the commands against a server of this machine', () => {
  const shell = () => (shells ??= new Shell(home));
  let shells: Shell | undefined;
  test.each(Object.entries(COMMAND_PARTS))(
    '%s',
    async (_, play) => {
      expect(await play(shell())).not.toBe('');
    },
    60_000,
  );
  test('are all of those that ask a server', () => {
    expect(shell().notPlayed()).toEqual([]);
  });
});

/** A server of this machine with a write key and a read token, for the scripts that are played on each home. */
import { hash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { plantRecord } from '../end-to-end/planted-record.ts';
import { startServer } from '../end-to-end/running-server.ts';
import type { CommandHome } from './shell.ts';

const KEYS = { writeKey: 'a-key-to-write', readToken: 'a-token-to-read' };
const PROCESSED_WITHIN_MS = 10_000;

export interface LocalHome extends CommandHome {
  /** Names of what it is made of. */
  readonly names: readonly string[];
  stop(): Promise<void>;
}

/** With these records in its log. */
export async function startLocalHome(planted: readonly string[]): Promise<LocalHome> {
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-home-'));
  const data = join(folder, 'data');
  const config = join(folder, 'clickstream.json');
  const digest = (key: string) => hash('sha256', key, 'hex');
  const digests = [digest(KEYS.writeKey), digest(KEYS.readToken)] as const;
  writeFileSync(
    config,
    JSON.stringify({ sources: { default: { writeKeys: [digests[0]] } }, readTokens: [digests[1]] }),
  );
  const options = ['--config', config];
  await (await startServer({ data, options })).stop();
  for (const record of planted) await plantRecord(data, record);
  const server = await startServer({ data, options });
  const { url } = server;
  return {
    ...{ ...KEYS, url, names: [folder, ...digests, 'store.sqlite'] },
    processed: async () => {
      const headers = { Authorization: `Bearer ${KEYS.readToken}` };
      for (const end = Date.now() + PROCESSED_WITHIN_MS; Date.now() < end; await sleep(20)) {
        const audit = (await (await fetch(`${url}/api/v1/audit`, { headers })).json()) as {
          readonly waiting: readonly string[];
        };
        if (audit.waiting.length === 0) return;
      }
      throw new Error('events are still pending');
    },
    maintained: async () => undefined,
    stop: async () => {
      await server.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

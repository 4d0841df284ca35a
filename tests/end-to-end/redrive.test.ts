import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Plant, plantIn } from '../simulation/planted.ts';
import { clickstream } from './command.ts';
import { plantRecord } from './planted-record.ts';
import {
  type Audit,
  everyEvent,
  get,
  killServers,
  type RunningServer,
  settledAudit,
  startServer,
} from './running-server.ts';

/** A processor that cannot take the events of one type. */
const FAULT: Plant = {
  fault: 'an event that makes stitching throw',
  file: 'src/process/stitch.ts',
  line: '  const timestamp = epochMsOf(event.timestamp);\n  const own: Values',
  planted:
    "  if (event.eventType === 'Broken') throw new Error('a fault of the program');\n  const timestamp = epochMsOf(event.timestamp);\n  const own: Values",
};

const root = join('.planted', `redrive-${process.pid}`);
const data = mkdtempSync(join(tmpdir(), 'clickstream-redrive-'));
afterAll(() => {
  killServers();
  for (const folder of [root, data]) rmSync(folder, { recursive: true, force: true });
});

interface Dead {
  readonly id: string;
  readonly sequence: string;
  readonly reason: string;
  readonly redriven: { readonly lane: string; readonly sequence: string } | null;
}

interface Redriven {
  readonly id: string;
  readonly redriven: { readonly lane: string; readonly sequence: string };
  readonly appended: boolean;
}

async function send({ url }: RunningServer, events: readonly object[]): Promise<void> {
  const batch = events.map((event) => ({ type: 'track', timestamp: '2026-11-23T10:00:00Z', ...event }));
  const response = await fetch(`${url}/v1/batch`, { method: 'POST', body: JSON.stringify({ batch }) });
  expect(response.status).toBe(200);
}

const deadOf = async (server: RunningServer) =>
  (await get<{ readonly dead: readonly Dead[] }>(server, '/api/v1/dead')).dead;

async function redrive({ url }: RunningServer, id: string): Promise<Redriven> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${url}/api/v1/dead/${id}/redrive`, { method: 'POST', headers });
  expect(response.status).toBe(200);
  return (await response.json()) as Redriven;
}

const auditOf = async (server: RunningServer) => {
  const audit = (await settledAudit(server)) as Audit & { readonly dead: number };
  const { balanced, accepted, stored, duplicate, dead, lost, unresolved, problems } = audit;
  return { balanced, accepted, stored, duplicate, dead, lost, unresolved, problems };
};
const WELL = { balanced: true, duplicate: 0, dead: 3, lost: 0, unresolved: 0, problems: [] };

describe('records that a fault of the program made dead', () => {
  let server: RunningServer;
  let ids: readonly string[] = [];

  beforeAll(async () => {
    const faulty = await startServer({ data, within: ['env', '-C', plantIn(root, FAULT)] });
    const of = (anonymousId: string, event: string) => ({ anonymousId, event, messageId: `${anonymousId}-${event}` });
    await send(faulty, [of('ada', 'Broken'), of('ada', 'Seen'), of('grace', 'Broken'), of('linus', 'Seen')]);
    expect(await auditOf(faulty)).toEqual({ ...WELL, accepted: 4, stored: 1 });
    expect(await faulty.stop()).toBe(0);
    await plantRecord(data, 'no record');
    server = await startServer({ data });
    expect(await auditOf(server)).toEqual({ ...WELL, accepted: 4, stored: 1 });
  }, 60_000);

  test('are listed, the newest first, and shown whole', async () => {
    const dead = await deadOf(server);
    expect(dead.map(({ reason, redriven }) => [reason, redriven])).toEqual([
      ['RecordError: unreadable record: no header', null],
      ['Error: a fault of the program', null],
      ['Error: a fault of the program', null],
    ]);
    ids = dead.map(({ id }) => id);
    const { output } = await clickstream(['redrive', 'show', ids[0] ?? '', '--url', server.url]);
    expect(output).toBe('no record');
  });

  test('cannot be put back by a form on a page of another site', async () => {
    for (const headers of [{ 'content-type': 'text/plain' }, { 'content-type': 'application/x-www-form-urlencoded' }]) {
      const asked = { method: 'POST', headers, body: '{}' };
      expect((await fetch(`${server.url}/api/v1/dead/${ids[1]}/redrive`, asked)).status).toBe(415);
    }
    expect((await deadOf(server)).map(({ redriven }) => redriven)).toEqual([null, null, null]);
  });

  test('are put back, and stored once; what is no record is refused', async () => {
    const { code, output } = await clickstream(['redrive', 'put', '--all', '--url', server.url, '--json']);
    expect(code).toBe(1);
    const { put, refused } = JSON.parse(output) as { readonly put: readonly Redriven[]; readonly refused: unknown };
    expect(put.map(({ id, appended }) => [id, appended])).toEqual([
      [ids[2], true],
      [ids[1], true],
    ]);
    expect(refused).toMatchObject([{ id: ids[0], code: 'dead_unreadable' }]);
    expect(await auditOf(server)).toEqual({ ...WELL, accepted: 7, stored: 4 });
    const stored = (await everyEvent(server)).map(({ eventId }) => eventId).sort();
    expect(stored).toEqual(['ada-Broken', 'ada-Seen', 'grace-Broken', 'linus-Seen']);
  });

  test('are not put back twice: at once, after a kill, and after a stop', async () => {
    const [, second, first] = await deadOf(server);
    const again = async () => {
      const all = await Promise.all([ids[1], ids[1], ids[2]].map((id = '') => redrive(server, id)));
      expect(all.map(({ redriven }) => redriven)).toEqual([second?.redriven, second?.redriven, first?.redriven]);
      expect(all.map(({ appended }) => appended)).toEqual([false, false, false]);
      expect(await auditOf(server)).toEqual({ ...WELL, accepted: 7, stored: 4 });
    };
    await again();
    await server.kill();
    server = await startServer({ data });
    await again();
    expect(await server.stop()).toBe(0);
    server = await startServer({ data });
    await again();
    expect(await everyEvent(server)).toHaveLength(4);
    expect(await server.stop()).toBe(0);
    expect(server.errors()).toBe('');
  }, 60_000);
});

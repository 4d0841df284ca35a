import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { everyEvent, killServers, settledAudit, startServer } from './running-server.ts';

afterAll(killServers);

/** A real file system of 160 MB in memory, in a mount namespace of the server's own; from outside it is seen through /proc. */
const OWN_DISK = [
  'unshare',
  '--map-root-user',
  '--mount',
  'sh',
  '-c',
  'mount -t tmpfs -o size=160m own "$0" && exec "$@"',
];

test.skipIf(process.platform !== 'linux')(
  'a disk that is full: 503 and unready, and work goes on when there is space again, with no restart',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'clickstream-disk-'));
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    const server = await startServer({ data: join(disk, 'data'), within: [...OWN_DISK, disk] });
    const filler = join(`/proc/${server.process.pid}/root`, disk, 'filler');
    const acknowledged: string[] = [];
    let sent = 0;
    const send = async () => {
      const messageId = `m${sent}`;
      sent += 1;
      const body = JSON.stringify({
        event: 'E',
        messageId,
        userId: `u${sent % 50}`,
        properties: { text: 'x'.repeat(40_000) },
      });
      const response = await fetch(`${server.url}/v1/track`, { method: 'POST', body });
      if (response.status === 200) acknowledged.push(messageId);
      return response;
    };
    const ready = async () => (await fetch(`${server.url}/ready`)).status;

    expect((await send()).status).toBe(200);
    expect(await ready()).toBe(200);
    expect(() => writeFileSync(filler, Buffer.alloc(200_000_000))).toThrow(/ENOSPC/);
    // What was made ready of the log can still be written, and is.
    let refused = await send();
    for (let more = 0; more < 3_000 && refused.status === 200; more += 1) refused = await send();
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    await expect.poll(ready, { timeout: 10_000 }).toBe(503);
    await sleep(1_000);
    expect((await send()).status).toBe(503);

    rmSync(filler);
    await expect.poll(async () => (await send()).status, { timeout: 30_000, interval: 200 }).toBe(200);
    await expect.poll(ready, { timeout: 30_000 }).toBe(200);
    expect(await settledAudit(server)).toMatchObject({ balanced: true, lost: 0, bad: 0, problems: [] });
    const stored = (await everyEvent(server)).map(({ eventId }) => eventId);
    expect(new Set(stored).size).toBe(stored.length);
    expect(acknowledged.filter((eventId) => !stored.includes(eventId))).toEqual([]);
    expect(await server.stop()).toBe(0);
    rmSync(folder, { recursive: true });
  },
  120_000,
);

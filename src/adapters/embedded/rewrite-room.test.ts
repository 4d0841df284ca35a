import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** A real file system in memory, in a mount namespace of the script's own, which writes what came out of it. */
const OWN_DISK = [
  'unshare',
  '--map-root-user',
  '--mount',
  'sh',
  '-c',
  'mount -t tmpfs -o size=$0 own "$1" && shift && exec "$@"',
];

function onOwnDisk(size: string, script: string): unknown {
  const disk = mkdtempSync(join(tmpdir(), 'clickstream-room-'));
  const from = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);
  const whole = `
    import { mkdirSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
    const { openEventStore, SqliteEventStore } = await import(${from('./event-store.ts')});
    const { openEventReader } = await import(${from('./event-reader.ts')});
    const { openDatabase } = await import(${from('./schema.ts')});
    const { anEvent, erase, write } = await import(${from('../../../tests/contracts/store-writing.ts')});
    const disk = ${JSON.stringify(disk)};
    const free = () => { const { bavail, bsize } = statfsSync(disk); return bavail * bsize; };
    const leave = (bytes) => writeFileSync(disk + '/filler', Buffer.alloc(free() - bytes));
    const logBytes = () => statSync(disk + '/store.sqlite-wal').size;
    const erased = async (store) => {
      for (let sequence = 1n; sequence <= 20n; sequence += 1n) {
        const events = Array.from({ length: 40 }, () => anEvent({ anonymousId: 'kept', properties: { note: 'x'.repeat(30_000) } }));
        await write(store, 'a', [{ sequence, events }]);
      }
      await write(store, 'a', [{ sequence: 21n, events: [anEvent({ anonymousId: 'ada' })] }]);
      await erase(store, { lane: 'a', sequence: 22n, source: 'shop', visitor: 'ada', erasure: 'asked' });
      const reader = openEventReader({ folder: disk });
      for (const erasing of await reader.snapshot((reads) => reads.erasing(10))) await store.noteErased(erasing, 1);
      await reader.close();
    };
    ${script}`;
  const node = [process.execPath, '--input-type=module', '--eval', whole];
  try {
    const [command = '', ...before] = OWN_DISK;
    const out = execFileSync(command, [...before, size, disk, ...node], { stdio: 'pipe' });
    return JSON.parse(out.toString());
  } finally {
    rmSync(disk, { recursive: true });
  }
}

test.skipIf(process.platform !== 'linux')(
  'the store is not written anew where that has no room, and is once there is',
  () => {
    const script = `
      const before = openEventStore({ folder: disk });
      await erased(before);
      await before.close();
      const store = openEventStore({ folder: disk });
      leave(175_000_000);
      const results = [await store.rewrite()];
      rmSync(disk + '/filler');
      results.push(await store.rewrite());
      await store.close();
      console.log(JSON.stringify(results));`;
    // What is left is enough for the write-ahead log alone.
    expect(onOwnDisk('400m', script)).toEqual([{ kind: 'done' }, { kind: 'done' }]);
    const within = `process.env.SQLITE_TMPDIR = disk; ${script}`;
    const lacking = expect.stringMatching(/^18\d MB free/);
    expect(onOwnDisk('400m', within)).toEqual([{ kind: 'noRoom', lacking }, { kind: 'done' }]);
  },
  60_000,
);

test.skipIf(process.platform !== 'linux')(
  'when the room is not enough after all, it is given back',
  () => {
    const script = `
      const before = openEventStore({ folder: disk });
      await erased(before);
      await before.close();
      const store = new SqliteEventStore(openDatabase(disk));
      leave(15_000_000);
      const results = [await store.rewrite(), logBytes(), free() >= 14_000_000];
      rmSync(disk + '/filler');
      results.push(await store.rewrite());
      await store.close();
      console.log(JSON.stringify(results));`;
    const expected = [{ kind: 'noRoom', lacking: 'more than there was' }, 0, true, { kind: 'done' }];
    expect(onOwnDisk('160m', script)).toEqual(expected);
  },
  60_000,
);

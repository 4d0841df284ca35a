import { constants, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { nodeFiles, writeWhole } from './files.ts';

const folder = mkdtempSync(join(tmpdir(), 'clickstream-files-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The flags that the system says a file of this process is open with (proc(5), fdinfo). */
function flagsOf(path: string): number {
  const descriptor = readdirSync('/proc/self/fd').find((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`) === path;
    } catch {
      // The descriptor of this listing itself is gone by now.
      return false;
    }
  });
  const flags = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'))?.[1] ?? '';
  return Number.parseInt(flags, 8);
}

describe('files of the log', () => {
  test.runIf(process.platform === 'linux')('are open so that a write that has returned is on the device', async () => {
    const path = join(folder, 'a.segment');
    const file = await nodeFiles.create(path);
    expect(flagsOf(path) & constants.O_DSYNC).toBe(constants.O_DSYNC);
    await file.close();
  });
  test('are never made over one that is there', async () => {
    await (await nodeFiles.create(join(folder, 'b.segment'))).close();
    await expect(nodeFiles.create(join(folder, 'b.segment'))).rejects.toMatchObject({ code: 'EEXIST' });
  });
  test('give back what was written, where it was written, and end where they are cut', async () => {
    const path = join(folder, 'c.segment');
    const file = await nodeFiles.create(path);
    await writeWhole(file, Buffer.from('abcdef'), 0);
    await writeWhole(file, Buffer.from('XY'), 2);
    await file.close();
    await nodeFiles.cut(path, 5);
    const reading = nodeFiles.openToRead(path);
    const into = Buffer.alloc(10);
    expect([reading.size(), reading.read(into, 1), into.toString('utf8', 0, 4)]).toEqual([5, 4, 'bXYe']);
    reading.close();
  });
});

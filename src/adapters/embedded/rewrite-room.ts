import { accessSync, constants, statfsSync, statSync } from 'node:fs';
import { LIMITS } from '../../core/limits.ts';

/**
 * What writing the store anew lacks of room, in words; undefined when there is enough. At its peak SQLite holds all that is in use
 * once more in the write-ahead log, and once more in a temporary file, which may lie on another disk.
 */
export function roomLacking(folder: string, bytesInUse: number): string | undefined {
  const disks = Map.groupBy([folder, temporaryFolder()], (path) => statSync(path).dev);
  for (const [first = folder, ...others] of disks.values()) {
    const { bavail, bsize } = statfsSync(first);
    const needed = (1 + others.length) * bytesInUse + LIMITS.rewriteSpareBytes;
    if (bavail * bsize < needed)
      return `${megabytes(needed)} free on the disk of ${first}, which has ${megabytes(bavail * bsize)}`;
  }
  return undefined;
}

/** Where SQLite makes its own: https://www.sqlite.org/tempfiles.html#temporary_file_storage_locations */
function temporaryFolder(): string {
  const { SQLITE_TMPDIR, TMPDIR } = process.env;
  const isUsable = (path: string | undefined): path is string => {
    if (path === undefined) return false;
    try {
      accessSync(path, constants.W_OK | constants.X_OK);
      return statSync(path).isDirectory();
    } catch {
      return false;
    }
  };
  return [SQLITE_TMPDIR, TMPDIR, '/var/tmp', '/usr/tmp', '/tmp'].find(isUsable) ?? '.';
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1_000_000)} MB`;
}

import { createReadStream, type Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { ClickstreamError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import { type Archived, readArchive } from '../../log/archive.ts';

/** As it is written for standard input. */
const INPUT = '-';

export interface ArchiveFile {
  /** As it is told of. */
  readonly name: string;
  /** On the disk; 0 for standard input, of which nobody knows. */
  readonly bytes: number;
}

/**
 * The files that are named, and those in folders that are named, in the order of their names: the archive's begin with
 * their hour. Throws ClickstreamError `config_invalid`.
 */
export async function archiveFiles(names: readonly string[]): Promise<readonly ArchiveFile[]> {
  const files: ArchiveFile[] = [];
  for (const name of names) {
    if (name === INPUT) {
      files.push({ name, bytes: 0 });
      continue;
    }
    const found = await statOf(name);
    if (!found.isDirectory()) {
      files.push({ name, bytes: found.size });
      continue;
    }
    const within = (await readdir(name, { recursive: true })).sort();
    for (const path of within.map((inner) => join(name, inner))) {
      const inner = await statOf(path);
      if (inner.isFile()) files.push({ name: path, bytes: inner.size });
    }
  }
  return files;
}

async function statOf(name: string): Promise<Stats> {
  try {
    return await stat(name);
  } catch (cause) {
    throw new ClickstreamError('config_invalid', `${name} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** What a file holds, a piece at a time. `progress` is told how many bytes of it were read. Throws when it is aborted. */
export async function* readFile(
  name: string,
  { signal, progress }: { readonly signal: AbortSignal; readonly progress: (bytes: number) => void },
): AsyncGenerator<Archived> {
  const stream: AsyncIterable<Uint8Array> = addAbortSignal(
    signal,
    name === INPUT ? process.stdin : createReadStream(name),
  );
  yield* readArchive(counted(stream, progress), { textBytesMax: LIMITS.archiveFileTextBytesMax });
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  progress: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    progress(chunk.length);
    yield chunk;
  }
}
